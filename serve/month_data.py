"""What the month chart shows, read by SQL when it is drawn.

Input: a connection to a build, a neighborhood in its own spelling. Output: a `MonthSeries`.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from serve.alt_text import find_ends, write_interval, write_number, write_source
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.months import MONTHS
from warehouse.read import CORE_TABLES

MAX_OBSERVED_YEARS = 5
"""Older months say little of the next."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class ObservedMonth:
    """Crimes counted in a month of which every day was observed."""

    month_start: dt.date
    crimes: int


@dataclass(frozen=True)
class MonthSeries:
    """The 12 forecast months in their order, and observed ones of the newest years.

    `intervals` are by level in percent, a lower and an upper end for each forecast month; `observed`
    are complete months by date, none where no month was observed whole.
    """

    neighborhood: str
    forecast_months: tuple[dt.date, ...]
    expected_crimes: tuple[float, ...]
    intervals: dict[int, tuple[Interval, ...]]
    observed: tuple[ObservedMonth, ...]
    data_source: str

    @property
    def title(self) -> str:
        """What the chart is called."""
        return f"{self.neighborhood}: expected crimes by month"

    @property
    def alt_text(self) -> str:
        """What the chart says."""
        high, low = map(self._write_month, find_ends(self.expected_crimes))
        return (
            f"Chart of expected crimes in {len(self.forecast_months)} months in {self.neighborhood}."
            f" Most in {high}; fewest in {low}. The months add up to"
            f" {write_number(sum(self.expected_crimes))}. {self._write_observed()}"
            f" {write_source(self.data_source)}"
        )

    def _write_month(self, at: int) -> str:
        intervals = (write_interval(level, ends[at]) for level, ends in self.intervals.items())
        crimes = write_number(self.expected_crimes[at])
        return f"{self.forecast_months[at]:%B %Y}, {crimes} ({', '.join(intervals)})"

    def _write_observed(self) -> str:
        newest = self.observed[-MONTHS:]
        if not newest:
            return "No month was observed whole."
        first, last = newest[0].month_start, newest[-1].month_start
        return (
            f"Observed in the newest {len(newest)} complete months, {first:%B %Y} to {last:%B %Y}:"
            f" {sum(month.crimes for month in newest):,}."
        )


def read_month(connection: sa.Connection, neighborhood: str) -> MonthSeries:
    """Return the forecast months of a neighborhood, and what was observed there."""
    daily, counted = CORE_TABLES["average_daily"], CORE_TABLES["mart_neighborhood_month"].c
    rows = connection.execute(sa.select(daily).where(daily.c.neighborhood == neighborhood)).all()
    months = sorted(rows, key=lambda row: row.forecast_month)
    whole = connection.execute(
        sa.select(counted.month_start, counted.incident_count).where(
            counted.neighborhood == neighborhood, counted.observed_days == counted.month_days
        )
    ).all()
    observed = sorted((ObservedMonth(*row) for row in whole), key=lambda month: month.month_start)
    return MonthSeries(
        neighborhood=neighborhood,
        forecast_months=tuple(row.forecast_month for row in months),
        expected_crimes=tuple(row.expected_month_crimes for row in months),
        intervals={level: tuple(find_interval(row, level) for row in months)
                   for level in INTERVAL_LEVELS},
        observed=tuple(observed[-MAX_OBSERVED_YEARS * MONTHS :]),
        data_source=months[0].data_source,
    )  # fmt: skip


def find_interval(row: sa.Row[Any], level: int) -> Interval:
    """Return the prediction interval of a level out of a row of forecast months."""
    return row._mapping[f"month_lower_{level}"], row._mapping[f"month_upper_{level}"]
