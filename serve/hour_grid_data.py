"""What the charts by month and hour and by weekday and hour show, read by SQL when they are drawn.

Input: a connection to a build, a neighborhood in its own spelling. Output: an `HourGrid`.
"""

import calendar
import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from serve.alt_text import find_ends, write_number, write_source
from serve.hourly_data import HOURS
from warehouse.read import CORE_TABLES


@dataclass(frozen=True)
class HourGrid:
    """Expected crimes per hour: a row of 24 hours for each forecast month, or for Monday to Sunday.

    `row_kind` is "month" or "weekday"; the sum of a row is what its average day expects.
    """

    neighborhood: str
    row_kind: str
    row_names: tuple[str, ...]
    expected_crimes: tuple[tuple[float, ...], ...]
    first_month: dt.date
    last_month: dt.date
    data_source: str

    @property
    def title(self) -> str:
        """What the chart is called."""
        return f"{self.neighborhood}: expected crimes by {self.row_kind} and hour"

    @property
    def alt_text(self) -> str:
        """What the chart says."""
        cells = [value for row in self.expected_crimes for value in row]
        high, low = (
            f"{write_number(cells[at])} at {at % HOURS:02d}:00, {self.row_names[at // HOURS]}"
            for at in find_ends(cells)
        )
        sums = [write_number(sum(row)) for row in self.expected_crimes]
        days = ", ".join(map(" ".join, zip(self.row_names, sums, strict=True)))
        return (
            f"Heat map of expected crimes per clock hour in {self.neighborhood}, {len(sums)}"
            f" {self.row_kind}s by 24 hours, {self.first_month:%B %Y} to {self.last_month:%B %Y}."
            f" Highest {high}; lowest {low}. Expected on an average day: {days}."
            f" {write_source(self.data_source)}"
        )


def read_months(connection: sa.Connection, neighborhood: str) -> HourGrid:
    """Return a row of 24 hours for each forecast month of a neighborhood, in their order."""
    hourly = CORE_TABLES["forecast_hourly"].c
    rows = connection.execute(
        sa.select(
            hourly.expected_crimes, hourly.data_source,
            hourly.forecast_month.label("first"), hourly.forecast_month.label("last"),
        )
        .where(hourly.neighborhood == neighborhood)
        .order_by(hourly.forecast_month, hourly.hour)
    ).all()  # fmt: skip
    return make_grid(neighborhood, "month", [f"{row.first:%b %Y}" for row in rows[::HOURS]], rows)


def read_weekdays(connection: sa.Connection, neighborhood: str) -> HourGrid:
    """Return a row of 24 hours for each weekday: means over all such days of the forecast months."""
    hourly = CORE_TABLES["forecast_hourly_weekday"].c
    rows = connection.execute(select_weekdays().where(hourly.neighborhood == neighborhood)).all()
    return make_grid(neighborhood, "weekday", list(calendar.day_name), rows)


def read_all_weekdays(connection: sa.Connection) -> dict[str, HourGrid]:
    """Return the weekdays of every neighborhood."""
    rows = connection.execute(select_weekdays())
    return {
        name: make_grid(name, "weekday", list(calendar.day_name), list(cells))
        for name, cells in itertools.groupby(rows, key=lambda row: row.neighborhood)
    }


def select_weekdays() -> sa.Select[Any]:
    """Return the query for the hours of the week of all neighborhoods, Monday first."""
    hourly = CORE_TABLES["forecast_hourly_weekday"].c
    mean = sa.func.sum(hourly.expected_crimes * hourly.exposure_days) / sa.func.sum(hourly.exposure_days)
    cell = (hourly.neighborhood, hourly.iso_weekday, hourly.hour)
    return (
        sa.select(
            hourly.neighborhood, mean.label("expected_crimes"),
            sa.func.min(hourly.data_source).label("data_source"),
            sa.func.min(hourly.forecast_month).label("first"),
            sa.func.max(hourly.forecast_month).label("last"),
        )
        .group_by(*cell)
        .order_by(*cell)
    )  # fmt: skip


def make_grid(
    neighborhood: str, row_kind: str, names: Sequence[str], cells: Sequence[sa.Row[Any]]
) -> HourGrid:
    """Return the grid of cells in their order, 24 to a name."""
    crimes = [cell.expected_crimes for cell in cells]
    return HourGrid(
        neighborhood=neighborhood,
        row_kind=row_kind,
        row_names=tuple(names),
        expected_crimes=tuple(
            tuple(crimes[start : start + HOURS]) for start in range(0, len(crimes), HOURS)
        ),
        first_month=cells[0].first,
        last_month=cells[-1].last,
        data_source=cells[0].data_source,
    )
