"""What the hourly chart shows, read by SQL when it is drawn.

Input: a connection to a build, a neighborhood in its own spelling, a month. Output: an `HourlySeries`.
"""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from serve.alt_text import find_ends, write_number, write_source
from serve.answers import BlendWeights, select_blend_weights
from warehouse.read import CORE_TABLES

HOURS = 24


@dataclass(frozen=True)
class HourlySeries:
    """24 hours of a forecast month: expected crimes per hour and their local intensity.

    `city_mean` is the mean of all neighborhoods and hours of the month; `rank` is the neighborhood's by
    expected crimes in the month among all `neighborhood_count`, 1 the most; one that is not `is_named`
    lies outside the named neighborhoods.
    """

    neighborhood: str
    forecast_month: dt.date
    expected_crimes: tuple[float, ...]
    intensity_local: tuple[str, ...]
    city_mean: float
    rank: int
    neighborhood_count: int
    blend_weights: BlendWeights
    is_named: bool
    data_source: str

    @property
    def title(self) -> str:
        """What the chart is called."""
        return f"{self.neighborhood}, {self.forecast_month:%B %Y}: expected crimes by hour"

    @property
    def alt_text(self) -> str:
        """What the chart says."""
        crimes = self.expected_crimes
        high, low = find_ends(crimes)
        levels = "; ".join(
            f"{level}: {', '.join(f'{hour:02d}:00' for hour in hours)}"
            for level in dict.fromkeys(self.intensity_local)
            if (hours := [hour for hour, found in enumerate(self.intensity_local) if found == level])
        )
        return (
            "Bar chart of expected crimes in each clock hour of an average day of"
            f" {self.forecast_month:%B %Y} in {self.neighborhood}. Most at {high:02d}:00,"
            f" {write_number(crimes[high])}; fewest at {low:02d}:00, {write_number(crimes[low])};"
            f" the 24 hours add up to {write_number(sum(crimes))}. Rank {self.rank} of"
            f" {self.neighborhood_count} by expected crimes in the month; the mean neighborhood has"
            f" {write_number(self.city_mean)} per hour. Intensity beside its own hours of the year:"
            f" {levels}. {write_source(self.data_source)}"
        )


def read_hourly(connection: sa.Connection, neighborhood: str, month: int) -> HourlySeries:
    """Return the hours of a neighborhood and month."""
    mart = CORE_TABLES["mart_forecast_hourly"].c
    columns = (mart.expected_crimes, mart.intensity_local, mart.forecast_month, mart.is_named)
    hours = connection.execute(
        sa.select(*columns, mart.data_source)
        .where(mart.neighborhood == neighborhood, mart.month == month)
        .order_by(mart.hour)
    ).all()
    rank, count, mean = connection.execute(select_rank(neighborhood, month)).one()
    return HourlySeries(
        neighborhood=neighborhood,
        forecast_month=hours[0].forecast_month,
        expected_crimes=tuple(row.expected_crimes for row in hours),
        intensity_local=tuple(row.intensity_local for row in hours),
        city_mean=mean,
        rank=rank,
        neighborhood_count=count,
        blend_weights=BlendWeights(*connection.execute(select_blend_weights()).one()),
        is_named=hours[0].is_named,
        data_source=hours[0].data_source,
    )


def select_rank(neighborhood: str, month: int) -> sa.Select[tuple[int, int, float]]:
    """Return the query for the rank of a neighborhood by expected crimes in the month, 1 the most.

    Beside it the number of neighborhoods, and the mean of expected crimes per hour over all of them.
    """
    ranks = select_ranks().subquery().c
    return sa.select(ranks.rank, ranks["count"], ranks.mean).where(
        ranks.neighborhood == neighborhood, ranks.month == month
    )


def select_ranks() -> sa.Select[tuple[str, int, int, int, float]]:
    """Return the query for the ranks of all neighborhoods in all months."""
    daily = CORE_TABLES["average_daily"].c
    month = daily.month
    rank = sa.func.rank().over(partition_by=month, order_by=daily.expected_month_crimes.desc())
    return sa.select(
        daily.neighborhood, month, rank.label("rank"),
        sa.func.count().over(partition_by=month).label("count"),
        (sa.func.avg(daily.expected_daily_crimes).over(partition_by=month) / HOURS).label("mean"),
    )  # fmt: skip
