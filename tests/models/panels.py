"""Small panels for tests."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.day_types import HOLIDAY
from models.late_reports import LATE_COLUMNS
from models.panel import HOURS, Offense, Panel, Stratum
from warehouse.columns import PATROL_TYPES
from warehouse.months import start_month

FIRST_MONTH = 2019 * 12
"""January 2019."""

DAYS = 30
"""Days of every month: each weekday four times, two more Sundays and one more Saturday, no holiday."""
TYPE_DAYS = np.array([4, 4, 4, 4, 4, 4, 6, 0])

STRATA = tuple(Stratum(f"Offense {index}", index) for index in range(len(PATROL_TYPES)))
OFFENSES = tuple(Offense(f"Category {index}", index, index != 3) for index in range(len(STRATA)))
"""One offense a stratum; the last is not reported by the public."""
SHARES = np.array([0.4, 0.1, 0.1, 0.4])


def make_panel(places: int = 6, months: int = 30, rate: float = 0.05, seed: int = 1) -> Panel:
    """Return Poisson counts with a level per place; every day has every hour once."""
    random = np.random.default_rng(seed)
    levels = rate * random.lognormal(0, 0.8, places)[:, None, None, None]
    exposure = np.full((months, HOURS), float(DAYS))
    counts = random.poisson(levels * exposure[None, :, :, None] * SHARES)
    return fill_panel(counts, random)


def fill_panel(counts: npt.NDArray[np.int64], random: np.random.Generator) -> Panel:
    """Return the panel of some counts (place, month, hour, stratum), spread evenly over the days."""
    places, months = counts.shape[:2]
    assert TYPE_DAYS.sum() == DAYS
    assert not TYPE_DAYS[HOLIDAY]
    by_day = random.multinomial(counts.sum(axis=(2, 3)), np.full(DAYS, 1 / DAYS))
    return Panel(
        neighborhoods=tuple(f"Place {index}" for index in range(places)),
        npu=tuple("AB"[index % 2] for index in range(places)),
        zone=tuple("12"[index % 2] for index in range(places)),
        is_named=np.ones(places, dtype=np.bool_),
        strata=STRATA,
        offenses=OFFENSES,
        month_numbers=np.arange(FIRST_MONTH, FIRST_MONTH + months),
        calendar_days=np.full(months, DAYS),
        clock_hours=np.full((months, HOURS), float(DAYS)),
        completeness=np.ones(months),
        stratum_counts=counts.astype(np.float32),
        day_type_days=np.tile(TYPE_DAYS, (months, 1)),
        day_type_counts=np.einsum("nths,k->tkhs", counts, TYPE_DAYS / DAYS).astype(np.float32),
        day_counts=by_day.reshape(places, -1).astype(np.uint16),
        dates=spread_days(months),
        day_months=np.repeat(np.arange(FIRST_MONTH, FIRST_MONTH + months), DAYS),
        offense_cells=list_offense_cells(counts),
        late=pd.DataFrame({name: pd.Series(dtype=np.int64) for name in LATE_COLUMNS}).astype(
            {"day": "datetime64[ns]"}
        ),
        holidays=pd.DatetimeIndex([]),
    )


def spread_days(months: int) -> pd.DatetimeIndex:
    """Return `DAYS` days of each month, its first and its last among them; February has some twice."""
    starts = [pd.Timestamp(start_month(FIRST_MONTH + month)) for month in range(months)]
    return pd.DatetimeIndex(
        [
            start + pd.Timedelta(days=int(offset))
            for start in starts
            for offset in np.linspace(0, start.days_in_month - 1, DAYS)
        ]
    )


def list_offense_cells(counts: npt.NDArray[np.generic]) -> pd.DataFrame:
    """Return the `Panel.offense_cells` of counts (place, month, hour, stratum), reported at once."""
    place, month, hour, offense = np.nonzero(counts)
    number = FIRST_MONTH + month
    return pd.DataFrame(
        {"place": place, "month_number": number, "hour": hour, "offense": offense,
         "reported_month": number, "incidents": counts[place, month, hour, offense]}
    )  # fmt: skip


def with_counts(panel: Panel, counts: npt.NDArray[np.float32]) -> Panel:
    """Return the panel with other counts; days, day types and offenses stay as they were."""
    return replace(panel, stratum_counts=counts)
