"""Hot spots below the neighborhood: cells of a grid, by year, where the operator asks for them.

Input: a build with its clean tables, the cutoff. Output: `hot_spot` and `hot_spot_score`. The grid is
aligned to the rounding of coordinates, three thousandths of a degree a side (some 278 x 333 m), so that
rounding moves no incident to another cell. Counted are offenses that the public reports and whose place
is known and not hidden.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from models.arrays import Floats, Integers
from models.panel import Panel
from warehouse.build import Build
from warehouse.months import number_month, start_month
from warehouse.tables_hot_spots import (
    AREA_SHARE,
    CELL_THOUSANDTHS,
    HOT_SPOT_SCORE_TABLE,
    HOT_SPOT_TABLE,
    MIN_INCIDENTS,
    SHRUNK,
)

HALF_LIFE_MONTHS = 12
PRIOR_INCIDENTS = 2
"""A cell counts as if it had seen so many incidents at the rate of its surroundings."""
SMOOTH_METERS, KERNEL_METERS = 500, 300
METERS_PER_THOUSANDTH = 111.195
"""Of a degree of latitude, on a sphere of the Earth's mean radius."""
YEAR_MONTHS = 12
MIN_HISTORY_MONTHS, MAX_ORIGINS = 24, 3

POINTS_SELECT = """
SELECT round(1000 * longitude)::INTEGER AS x, round(1000 * latitude)::INTEGER AS y,
       date_trunc('month', occurred_at)::DATE AS month_start, count(*) AS incidents
FROM incident JOIN offense USING (nibrs_code)
WHERE NOT is_discretionary AND longitude IS NOT NULL
  AND report_number NOT IN (SELECT report_number FROM incident JOIN offense USING (nibrs_code)
                            WHERE is_location_hidden)
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Points:
    """Incidents by place, in thousandths of a degree, and month number (all of one length)."""

    x: Integers
    y: Integers
    month: Integers
    incidents: Floats

    @property
    def corner(self) -> tuple[int, int]:
        """Return the grid's least `y` and `x`: multiples of a cell's side."""
        south, west = (int(axis.min()) // CELL_THOUSANDTHS for axis in (self.y, self.x))
        return south * CELL_THOUSANDTHS, west * CELL_THOUSANDTHS

    @property
    def shape(self) -> tuple[int, int]:
        """Return the rows and columns of cells."""
        south, west = self.corner
        rows, columns = int(self.y.max()) - south, int(self.x.max()) - west
        return rows // CELL_THOUSANDTHS + 1, columns // CELL_THOUSANDTHS + 1

    def lay_out(self, weights: Floats) -> Floats:
        """Return weighted incidents by thousandth (row, column)."""
        rows, columns = (CELL_THOUSANDTHS * size for size in self.shape)
        south, west = self.corner
        fine = np.zeros((rows, columns))
        np.add.at(fine, (self.y - south, self.x - west), self.incidents * weights)
        return fine

    def smooth(self, fine: Floats, meters: float) -> Floats:
        """Return a layout under a Gaussian kernel of so many meters."""
        latitude = np.radians(self.y.mean() / 1000)
        sides = METERS_PER_THOUSANDTH * np.array([1.0, np.cos(latitude)])
        smoothed: Floats = gaussian_filter(fine, meters / sides, mode="constant")
        return smoothed


def sum_cells(fine: Floats) -> Floats:
    """Return the sums of cells of a layout by thousandths."""
    rows, columns = (size // CELL_THOUSANDTHS for size in fine.shape)
    cells: Floats = fine.reshape(rows, CELL_THOUSANDTHS, columns, CELL_THOUSANDTHS).sum(axis=(1, 3))
    return cells


def weigh_months(months: Integers, origin: int) -> Floats:
    """Return the weight of incidents of each month at an origin: 0 from it on."""
    return np.where(months < origin, 0.5 ** ((origin - months) / HALF_LIFE_MONTHS), 0.0)


def estimate_shrunk(points: Points, origin: int, months: Integers) -> Floats:
    """Return crimes per month by cell: weighted counts shrunk toward the surroundings.

    `months` are the observed ones. The prior of a cell is a Gamma of shape `PRIOR_INCIDENTS` with the
    smoothed rate of `SMOOTH_METERS` for its mean.
    """
    fine = points.lay_out(weigh_months(points.month, origin))
    exposure = weigh_months(months, origin).sum()
    prior = sum_cells(points.smooth(fine, SMOOTH_METERS)) / exposure
    counts = sum_cells(fine) + PRIOR_INCIDENTS
    spread = np.divide(PRIOR_INCIDENTS, prior, out=np.full_like(prior, np.inf), where=prior > 0)
    rates: Floats = counts / (exposure + spread)
    return rates


def estimate_weighted(points: Points, origin: int, months: Integers) -> Floats:
    """Return crimes per month by cell: weighted counts as they are."""
    weights = weigh_months(points.month, origin)
    rates: Floats = sum_cells(points.lay_out(weights)) / weigh_months(months, origin).sum()
    return rates


def estimate_kernel(points: Points, origin: int, months: Integers) -> Floats:
    """Return crimes per month by cell: a kernel density of `KERNEL_METERS`, all past alike."""
    past = (points.month < origin).astype(float)
    fine = points.smooth(points.lay_out(past), KERNEL_METERS)
    rates: Floats = sum_cells(fine) / (months < origin).sum()
    return rates


Estimate = Callable[[Points, int, Integers], Floats]
ESTIMATES: dict[str, Estimate] = {
    SHRUNK: estimate_shrunk,
    "weighted_counts": estimate_weighted,
    "kernel_density": estimate_kernel,
}


def fill_hot_spots(build: Build, panel: Panel, cutoff: dt.date) -> None:
    """Fill `hot_spot` and `hot_spot_score`; nothing where no incident has a place."""
    frame = build.connection.execute(POINTS_SELECT).df()
    if frame.empty:
        return
    numbers = [number_month(day.date()) for day in frame["month_start"]]
    points = Points(
        frame["x"].to_numpy(np.int64), frame["y"].to_numpy(np.int64), np.array(numbers),
        frame["incidents"].to_numpy(np.float64),
    )  # fmt: skip
    months, end = panel.month_numbers, number_month(cutoff) + 1
    build.insert_frame(HOT_SPOT_TABLE, list_spots(points, months, end))
    scores = score_estimates(points, months)
    if len(scores):
        build.insert_frame(HOT_SPOT_SCORE_TABLE, scores)


def list_spots(points: Points, months: Integers, end: int) -> pd.DataFrame:
    """Return the rows of `hot_spot`: cells with enough incidents in the newest year, and the rest.

    The rates of all cells that ever had an incident add up to those of the weighted counts: shrinking
    moves crimes between cells and makes none.
    """
    is_known = sum_cells(points.lay_out(np.ones(len(points.x)))) > 0
    rates = np.where(is_known, estimate_shrunk(points, end, months), 0.0)
    rates *= YEAR_MONTHS * estimate_weighted(points, end, months).sum() / rates.sum()
    newest = sum_cells(points.lay_out((points.month >= end - YEAR_MONTHS).astype(float)))
    shown = np.argwhere(newest >= MIN_INCIDENTS)
    order = np.argsort(-rates[tuple(shown.T)], kind="stable")
    row, column = shown[order].T
    south, west = points.corner
    middle = (CELL_THOUSANDTHS - 1) / 2
    spots = pd.DataFrame(
        {
            "latitude": (south + CELL_THOUSANDTHS * row + middle) / 1000,
            "longitude": (west + CELL_THOUSANDTHS * column + middle) / 1000,
            "cell_count": 1,
            "incident_count": newest[row, column],
            "expected_year_crimes": rates[row, column],
        }
    )
    rest = {
        "latitude": np.nan, "longitude": np.nan,
        "cell_count": is_known.sum() - len(spots),
        "incident_count": newest.sum() - spots["incident_count"].sum(),
        "expected_year_crimes": rates.sum() - spots["expected_year_crimes"].sum(),
    }  # fmt: skip
    spots = pd.concat([spots, pd.DataFrame([rest])], ignore_index=True)
    spots.insert(0, "spot_rank", range(1, len(spots) + 1))
    spots["expected_share"] = spots["expected_year_crimes"] / rates.sum()
    return spots


def score_estimates(points: Points, months: Integers) -> pd.DataFrame:
    """Return the rows of `hot_spot_score`: at origins a year apart, the newest with a year after it."""
    end = int(months[-1]) + 1
    origins = [end - YEAR_MONTHS * number for number in range(1, MAX_ORIGINS + 1)]
    rows = []
    for origin in origins:
        if (months < origin).sum() < MIN_HISTORY_MONTHS:
            continue
        past = sum_cells(points.lay_out((points.month < origin).astype(float)))
        is_next = (points.month >= origin) & (points.month < origin + YEAR_MONTHS)
        after = sum_cells(points.lay_out(is_next.astype(float)))
        for model, estimate in ESTIMATES.items():
            pai, pei = score_cells(
                estimate(points, origin, months)[past > 0], after[past > 0], after.sum()
            )
            rows.append((model, start_month(origin), pai, pei))
    return pd.DataFrame(rows, columns=["model", "origin", "accuracy_index", "efficiency_index"])


def score_cells(rates: Floats, counts: Floats, total: float) -> tuple[float, float]:
    """Return PAI and PEI of the cells with the highest rates, `AREA_SHARE` of them all.

    PAI is the share of `total` crimes in them over their share of the cells (Chainey, Tompson & Uhlig
    2008), PEI that over the PAI of the best cells in hindsight (Hunt 2016).
    """
    chosen = max(1, round(AREA_SHARE * len(rates)))
    hit = counts[np.argsort(-rates, kind="stable")[:chosen]].sum()
    best = np.sort(counts)[-chosen:].sum()
    if not best:
        return float("nan"), float("nan")
    return float(hit / total * len(rates) / chosen), float(hit / best)
