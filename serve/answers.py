"""All answers to lookups of one build, in memory and ready to send.

Input: a connection to a build. Output: `Answers`: JSON bytes per neighborhood and month. A build has
some 3,000 answers of a few MB in all; the database writes their JSON in a tenth of a second, and every
later request is a dictionary look-up.
"""

import datetime as dt
import difflib
import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from warehouse.read import CORE_TABLES

MAX_CLOSE_NAMES = 5

Key = tuple[str, int]


class UnknownNeighborhoodError(LookupError):
    """There is no neighborhood of that name; `close_names` are those spelled most like it."""

    def __init__(self, name: str, close_names: list[str]) -> None:
        """Keep the name asked for and the names offered."""
        super().__init__(name)
        self.name = name
        self.close_names = close_names


class BlendWeights(NamedTuple):
    """How much of each forest the forecast applies, 0 to 1; 0 where it was not seen to help."""

    volume: float
    patrol: float


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


@dataclass(frozen=True)
class Answers:
    """Answers by neighborhood and month (1-12); `names` are the neighborhoods by folded spelling.

    `city_means` are by month, `ranks` by neighborhood and month, as a `HourlySeries` has them.
    """

    hourly: dict[Key, bytes]
    daily: dict[Key, bytes]
    forecast_months: dict[int, dt.date]
    names: dict[str, str]
    city_means: dict[int, float]
    ranks: dict[Key, int]
    blend_weights: BlendWeights

    def find_neighborhood(self, name: str) -> str:
        """Return the neighborhood's own spelling; case, spaces and the kind of dash do not matter.

        Raises `UnknownNeighborhoodError` with close names.
        """
        folded = fold(name)
        if folded not in self.names:
            close = difflib.get_close_matches(folded, self.names, MAX_CLOSE_NAMES)
            raise UnknownNeighborhoodError(name, [self.names[match] for match in close])
        return self.names[folded]

    def make_series(self, neighborhood: str, month: int) -> HourlySeries:
        """Return what the chart of a neighborhood and month shows.

        Raises `KeyError` for a name that is not the neighborhood's own spelling.
        """
        hours = json.loads(self.hourly[neighborhood, month])
        return HourlySeries(
            neighborhood=neighborhood,
            forecast_month=self.forecast_months[month],
            expected_crimes=tuple(hour["predicted_crimes"] for hour in hours),
            intensity_local=tuple(hour["intensity_local"] for hour in hours),
            city_mean=self.city_means[month],
            rank=self.ranks[neighborhood, month],
            neighborhood_count=len(self.names),
            blend_weights=self.blend_weights,
            is_named=json.loads(self.daily[neighborhood, month])["is_named"],
            data_source=hours[0]["data_source"],
        )


def fold(name: str) -> str:
    """Return what spellings of a name share: lower case, single spaces, plain hyphens for dashes."""
    return re.sub("[\u2010-\u2015]", "-", " ".join(name.split())).casefold()


def prepare_answers(connection: sa.Connection) -> Answers:
    """Return every answer of the build behind the connection."""
    hourly, daily = (
        {(name, month): text.encode() for name, month, text in connection.execute(select)}
        for select in (select_hourly(), select_daily())
    )
    months = dict(connection.execute(select_months()).tuples().all())
    names = {fold(name): name for name, _ in hourly}
    means = dict(connection.execute(select_city_means()).tuples().all())
    ranks = {(name, month): rank for name, month, rank in connection.execute(select_ranks())}
    weights = BlendWeights(*connection.execute(select_blend_weights()).one())
    return Answers(hourly, daily, months, names, means, ranks, weights)


def try_selects(connection: sa.Connection) -> None:
    """Run every query for answers without rows: it fails where a table or a column is not there."""
    for select in (
        select_hourly(), select_daily(), select_months(), select_city_means(), select_ranks(),
        select_blend_weights(),
    ):  # fmt: skip
        connection.execute(select.limit(0))


def select_months() -> sa.Select[tuple[int, dt.date]]:
    """Return the query for the month that is forecast per calendar month."""
    mart = CORE_TABLES["mart_forecast_hourly"].c
    return sa.select(mart.month, mart.forecast_month).distinct()


def select_blend_weights() -> sa.Select[tuple[float, float]]:
    """Return the query for the weights of the volume and the patrol forest, one row."""
    run = CORE_TABLES["refresh_run"].c
    return sa.select(run.volume_blend_weight, run.patrol_blend_weight)


def select_city_means() -> sa.Select[tuple[int, float]]:
    """Return the query for the mean of expected crimes per hour over all neighborhoods, by month."""
    mart = CORE_TABLES["mart_forecast_hourly"].c
    return sa.select(mart.month, sa.func.avg(mart.expected_crimes)).group_by(mart.month)


def select_ranks() -> sa.Select[tuple[str, int, int]]:
    """Return the query for each neighborhood's rank by expected crimes in the month, 1 the most."""
    daily = CORE_TABLES["average_daily"].c
    rank = sa.func.rank().over(partition_by=daily.month, order_by=daily.expected_month_crimes.desc())
    return sa.select(daily.neighborhood, daily.month, rank)


def select_hourly() -> sa.Select[Any]:
    """Return the query for 24 hours per neighborhood and month, as one JSON text each.

    The first three keys of an hour are those that older clients know.
    """
    mart = CORE_TABLES["mart_forecast_hourly"].c
    hour = sa.func.json_object(
        "hour", mart.hour_label,
        "predicted_crimes", mart.expected_crimes,
        "suggested_patrol", mart.suggested_patrol,
        "intensity", mart.intensity,
        "intensity_local", mart.intensity_local,
        "expected_reported_crimes", mart.expected_reported_crimes,
        "data_source", mart.data_source,
    )  # fmt: skip
    hours = sa.func.to_json(sa.func.list(aggregate_order_by(hour, mart.hour)))
    return sa.select(mart.neighborhood, mart.month, sa.cast(hours, sa.String)).group_by(
        mart.neighborhood, mart.month
    )


def select_daily() -> sa.Select[Any]:
    """Return the query for the average day per neighborhood and month, as one JSON text each."""
    daily = CORE_TABLES["average_daily"].c
    names = (
        "neighborhood", "month", "average_daily_crime_count", "expected_daily_crimes",
        "expected_reported_daily_crimes", "data_source",
    )  # fmt: skip
    place = CORE_TABLES["neighborhood"].c
    pairs = [part for name in names for part in (name, daily[name])]
    answer = sa.func.json_object(*pairs, "is_named", place.is_named)
    return sa.select(daily.neighborhood, daily.month, sa.cast(answer, sa.String)).where(
        daily.neighborhood == place.neighborhood
    )
