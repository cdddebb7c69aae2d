"""Counts and exposure on the complete grid: what every model is fitted on.

Enters: `incident`, `calendar` and `neighborhood` of a build. Leaves: a `Panel` of arrays. Cells
without incidents are there with 0; months without observed days are not.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from warehouse.schema import PATROL_TYPES

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

HOURS = 24

COUNTS_SELECT = """
SELECT neighborhood, year(occurred_at) * 12 + month(occurred_at) - 1 AS month_number,
       hour(occurred_at) AS hour, patrol_type, count(*) AS incidents
FROM incident GROUP BY ALL ORDER BY ALL
"""

DAYS_SELECT = """
SELECT year(calendar_date) * 12 + month - 1 AS month_number,
       count(*) AS days,
       count(*) FILTER (clock_change = 'spring') AS spring_days,
       count(*) FILTER (clock_change = 'autumn') AS autumn_days
FROM calendar GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Panel:
    """Arrays over neighborhood n, observed month t, clock hour h and patrol type p.

    `patrol_counts[n, t, h, p]` counts incidents. `month_numbers[t]` is year * 12 + month - 1, so that
    differences are months. `days[t]` are observed calendar days and `exposure[t, h]` the clock hours
    observed: a day has one of each, but for the two clock changes. `npu[n]` may be None.
    """

    neighborhoods: tuple[str, ...]
    npu: tuple[str | None, ...]
    month_numbers: Integers
    days: Integers
    exposure: Floats
    patrol_counts: npt.NDArray[np.float32]

    @cached_property
    def counts(self) -> Floats:
        """Incidents per neighborhood, month and hour."""
        summed: Floats = self.patrol_counts.sum(axis=3, dtype=np.float64)
        return summed

    @property
    def months(self) -> Integers:
        """Calendar month (1-12) of each t."""
        return self.month_numbers % 12 + 1

    def before(self, month_number: int) -> "Panel":
        """Return what was known at the start of a month: the months before it, nothing else."""
        return self.select_months(self.month_numbers < month_number)

    def between(self, first: int, last: int) -> "Panel":
        """Return the months `first` to `last`, `last` not included."""
        return self.select_months((self.month_numbers >= first) & (self.month_numbers < last))

    def select_months(self, chosen: npt.NDArray[np.bool_]) -> "Panel":
        """Return the panel with the chosen months only."""
        return replace(
            self,
            month_numbers=self.month_numbers[chosen],
            days=self.days[chosen],
            exposure=self.exposure[chosen],
            patrol_counts=self.patrol_counts[:, chosen],
        )


def load_panel(connection: duckdb.DuckDBPyConnection) -> Panel:
    """Read the panel from the clean tables of a build."""
    places = connection.execute(
        "SELECT neighborhood, npu FROM neighborhood ORDER BY neighborhood"
    ).fetchall()
    days = connection.execute(DAYS_SELECT).df()
    cells = connection.execute(COUNTS_SELECT).df()
    neighborhoods = tuple(place[0] for place in places)
    month_numbers = days["month_number"].to_numpy(np.int64)
    return Panel(
        neighborhoods=neighborhoods,
        npu=tuple(place[1] for place in places),
        month_numbers=month_numbers,
        days=days["days"].to_numpy(np.int64),
        exposure=spread_days(days),
        patrol_counts=spread_counts(cells, neighborhoods, month_numbers),
    )


def spread_days(days: pd.DataFrame) -> Floats:
    """Return clock hours observed per month: hour 2 is skipped in spring, hour 1 doubled in autumn."""
    exposure = np.repeat(days["days"].to_numpy(np.float64)[:, None], HOURS, axis=1)
    exposure[:, 2] -= days["spring_days"]
    exposure[:, 1] += days["autumn_days"]
    return exposure


def spread_counts(
    cells: pd.DataFrame, neighborhoods: tuple[str, ...], month_numbers: Integers
) -> npt.NDArray[np.float32]:
    """Return counts on the complete grid from the cells that have any."""
    shape = (len(neighborhoods), len(month_numbers), HOURS, len(PATROL_TYPES))
    counts = np.zeros(shape, dtype=np.float32)
    place = pd.Categorical(cells["neighborhood"], categories=neighborhoods).codes
    month = np.searchsorted(month_numbers, cells["month_number"].to_numpy())
    patrol = pd.Categorical(cells["patrol_type"], categories=PATROL_TYPES).codes
    counts[place, month, cells["hour"].to_numpy(), patrol] = cells["incidents"]
    return counts
