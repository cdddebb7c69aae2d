"""What charts show, read by SQL at the time of drawing.

Input: a connection to a build, a neighborhood in its own spelling, a month. Output: plain rows; nothing
is computed that the tables do not hold, but ranks and means over places.
"""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from serve.answers import BlendWeights, select_blend_weights
from warehouse.read import CORE_TABLES

HOURS = 24


@dataclass(frozen=True)
class HourlySeries:
    """What a chart shows: 24 values each, expected crimes per hour and their local intensity.

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
    daily = CORE_TABLES["average_daily"].c
    places = (
        sa.select(
            daily.neighborhood,
            sa.func.rank().over(order_by=daily.expected_month_crimes.desc()).label("rank"),
            sa.func.count().over().label("count"),
            (sa.func.avg(daily.expected_daily_crimes).over() / HOURS).label("mean"),
        )
        .where(daily.month == month)
        .subquery()
        .c
    )
    return sa.select(places.rank, places["count"], places.mean).where(
        places.neighborhood == neighborhood
    )
