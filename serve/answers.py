"""All answers to lookups of one build, in memory and ready to send.

Input: a connection to a build. Output: `Answers`: JSON bytes per neighborhood and month. A build has
some 3,000 answers of a few MB in all; the database writes their JSON in a tenth of a second, and every
later request is a dictionary look-up.
"""

import difflib
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
class Answers:
    """Answers by neighborhood and month (1-12); `names` are the neighborhoods by folded spelling."""

    hourly: dict[Key, bytes]
    daily: dict[Key, bytes]
    names: dict[str, str]
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


def fold(name: str) -> str:
    """Return what spellings of a name share: lower case, single spaces, plain hyphens for dashes."""
    return re.sub("[\u2010-\u2015]", "-", " ".join(name.split())).casefold()


def prepare_answers(connection: sa.Connection) -> Answers:
    """Return every answer of the build behind the connection."""
    hourly, daily = (
        {(name, month): text.encode() for name, month, text in connection.execute(select)}
        for select in (select_hourly(), select_daily())
    )
    names = {fold(name): name for name, _ in hourly}
    weights = BlendWeights(*connection.execute(select_blend_weights()).one())
    return Answers(hourly, daily, names, weights)


def try_selects(connection: sa.Connection) -> None:
    """Run every query for answers without rows: it fails where a table or a column is not there."""
    for select in (select_hourly(), select_daily(), select_blend_weights()):
        connection.execute(select.limit(0))


def select_blend_weights() -> sa.Select[tuple[float, float]]:
    """Return the query for the weights of the volume and the patrol forest, one row."""
    run = CORE_TABLES["refresh_run"].c
    return sa.select(run.volume_blend_weight, run.patrol_blend_weight)


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
