"""All answers to lookups of one build, in memory and ready to send.

Input: a connection to a build. Output: `Answers`: JSON bytes per neighborhood and month. A build has
some 3,000 answers of a few MB in all; the database writes their JSON in a tenth of a second, and every
later request is a dictionary look-up.
"""

import difflib
import functools
import sys
import zlib
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from warehouse.read import CORE_TABLES
from warehouse.spelling import fold

MAX_CLOSE_NAMES = 5
MAX_UNPACKED = 1000
"""Neighborhoods and months, each some 7 KB, whose hours stay unpacked once they were asked for."""

Key = tuple[str, int]
Hours = tuple[bytes, ...]
"""What stands before an hour, and the hours of a day."""


class UnknownNeighborhoodError(LookupError):
    """There is no neighborhood of that name; `close_names` are those spelled most like it."""

    def __init__(self, name: str, close_names: list[str]) -> None:
        """Keep the name asked for and the names offered."""
        super().__init__(name)
        self.name = name
        self.close_names = close_names


@dataclass(frozen=True)
class BlendWeights:
    """How much of each forest the forecast applies, 0 to 1; 0 where it was not seen to help."""

    volume: float
    patrol: float


@dataclass(frozen=True)
class Answers:
    """Answers in JSON by neighborhood and month (1-12): 24 of its hours, and one of its average day.

    An hour lacks the brace that opens it; before the hours stands that brace with place and month behind
    it. They may be packed: an eighth of the memory, and 25 µs until they are unpacked. `names` are the
    neighborhoods by their own spelling and by the folded one.
    """

    hours: dict[Key, Hours | bytes]
    daily: dict[Key, bytes]
    names: dict[str, str]
    blend_weights: BlendWeights

    @functools.cached_property
    def size(self) -> int:
        """About how many bytes of memory they take."""
        hours = ([texts] if isinstance(texts, bytes) else texts for texts in self.hours.values())
        return sum(map(sys.getsizeof, [*chain.from_iterable(hours), *self.daily.values()]))

    def find_hours(self, key: Key) -> Hours:
        """Return what stands before an hour, and the 24 hours. Raises `KeyError`."""
        found = self.hours[key]
        return unpack(found) if isinstance(found, bytes) else found

    def find_neighborhood(self, name: str) -> str:
        """Return the neighborhood's own spelling; only letters and digits matter, in any case.

        Raises `UnknownNeighborhoodError` with close names.
        """
        found = self.names.get(name) or self.names.get(fold(name))
        if found is None:
            folded = {fold(known): known for known in self.names.values()}
            close = difflib.get_close_matches(fold(name), folded, MAX_CLOSE_NAMES)
            raise UnknownNeighborhoodError(name, [folded[match] for match in close])
        return found


def prepare_answers(connection: sa.Connection, *, packs: bool = False) -> Answers:
    """Return every answer of the build behind the connection, its hours packed if asked for."""
    hourly, daily = connection.execute(select_hourly()), connection.execute(select_daily())
    hours = {(name, month): text.encode() for name, month, text in hourly}
    days = {(name, month): text.encode() for name, month, text in daily}
    weights = BlendWeights(*connection.execute(select_blend_weights()).one())
    held = {key: zlib.compress(text, 1) if packs else split(text) for key, text in hours.items()}
    return Answers(held, days, fold_names({name for name, _ in hours}), weights)


def split(text: bytes) -> Hours:
    """Return the lines of a text: JSON holds no line break."""
    return tuple(text.split(b"\n"))


@functools.lru_cache(maxsize=MAX_UNPACKED)
def unpack(packed: bytes) -> Hours:
    """Return the lines of a packed text."""
    return split(zlib.decompress(packed))


def fold_names(names: set[str]) -> dict[str, str]:
    """Return names by their own spelling, and by the folded one where only one name has that."""
    counts = Counter(map(fold, names))
    folded = {fold(name): name for name in names if counts[fold(name)] == 1}
    return {**folded, **{name: name for name in names}}


def select_blend_weights() -> sa.Select[tuple[float, float]]:
    """Return the query for the weights of the volume and the patrol forest, one row."""
    run = CORE_TABLES["refresh_run"].c
    return sa.select(run.volume_blend_weight, run.patrol_blend_weight)


def select_hourly() -> sa.Select[Any]:
    """Return the query for 24 hours per neighborhood and month, as 24 lines of JSON without a brace.

    The line before them is the brace with place and month behind it, up to the next key. The first
    three keys of an hour are those that older clients know.
    """
    mart = CORE_TABLES["mart_forecast_hourly"].c
    hour = sa.func.json_object(
        "hour", mart.hour_label,
        "predicted_crimes", mart.expected_crimes,
        "suggested_patrol", mart.suggested_patrol,
        "intensity", mart.intensity,
        "intensity_local", mart.intensity_local,
        "expected_reported_crimes", mart.expected_reported_crimes,
        "forecast_month", mart.forecast_month,
        "data_source", mart.data_source,
    )  # fmt: skip
    line = sa.func.substr(sa.cast(hour, sa.String), 2)
    place = sa.func.json_object("neighborhood", mart.neighborhood, "month", mart.month)
    head = sa.func.rtrim(sa.cast(place, sa.String), "}") + ","
    lines = sa.literal_column("'\n'", sa.String)
    hours = sa.func.string_agg(line, aggregate_order_by(lines, mart.hour))
    columns = mart.neighborhood, mart.month
    return sa.select(*columns, sa.func.concat_ws(lines, head, hours)).group_by(*columns)


def select_daily() -> sa.Select[Any]:
    """Return the query for the average day per neighborhood and month, as one JSON text each."""
    daily = CORE_TABLES["average_daily"].c
    names = (
        "neighborhood", "month", "average_daily_crime_count", "expected_daily_crimes",
        "expected_reported_daily_crimes", "forecast_month", "data_source",
    )  # fmt: skip
    place = CORE_TABLES["neighborhood"].c
    pairs = [part for name in names for part in (name, daily[name])]
    answer = sa.func.json_object(*pairs, "is_named", place.is_named)
    return sa.select(daily.neighborhood, daily.month, sa.cast(answer, sa.String)).where(
        daily.neighborhood == place.neighborhood
    )
