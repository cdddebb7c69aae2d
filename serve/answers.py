"""All answers of one published build, in memory and ready to send.

Enters: a published build. Leaves: `Answers`: bytes per neighborhood and month for the lookups, series
for the charts. A build has some 3,000 answers of a few MB in all; reading them once costs a fifth of a
second and makes every later request a dictionary look-up.
"""

import datetime as dt
import difflib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from warehouse.publish import PublishedBuild
from warehouse.read import CORE_TABLES, open_engine

CLOSE_NAMES = 5

Key = tuple[str, int]


class UnknownNeighborhoodError(LookupError):
    """There is no neighborhood of that name; `close_names` are those spelled most like it."""

    def __init__(self, name: str, close_names: list[str]) -> None:
        """Keep the name asked for and the names offered."""
        super().__init__(name)
        self.name = name
        self.close_names = close_names


@dataclass(frozen=True)
class HourlySeries:
    """What a chart shows: 24 values each, expected crimes per hour and their intensity."""

    neighborhood: str
    forecast_month: dt.date
    expected_crimes: tuple[float, ...]
    intensity: tuple[str, ...]
    data_source: str


@dataclass(frozen=True)
class Answers:
    """Answers of `published`, by neighborhood and month (1-12)."""

    published: PublishedBuild
    hourly: dict[Key, bytes]
    daily: dict[Key, bytes]
    series: dict[Key, HourlySeries]
    names: dict[str, str]

    def find_neighborhood(self, name: str) -> str:
        """Return the neighborhood's own spelling; case and outer spaces do not matter.

        Raises `UnknownNeighborhoodError` with close names.
        """
        folded = name.strip().casefold()
        if folded not in self.names:
            close = difflib.get_close_matches(folded, self.names, CLOSE_NAMES)
            raise UnknownNeighborhoodError(name, [self.names[match] for match in close])
        return self.names[folded]


def load_answers(builds: Path, published: PublishedBuild) -> Answers:
    """Read a published build through once."""
    mart, daily = CORE_TABLES["mart_forecast_hourly"].c, CORE_TABLES["average_daily"].c
    select_hours = sa.select(
        mart.neighborhood, mart.month, mart.forecast_month, mart.hour_label,
        mart.expected_crimes, mart.suggested_patrol, mart.intensity, mart.data_source,
    ).order_by(mart.neighborhood, mart.month, mart.hour)  # fmt: skip
    select_days = sa.select(
        daily.neighborhood, daily.month, daily.average_daily_crime_count,
        daily.expected_daily_crimes, daily.data_source,
    )  # fmt: skip
    engine = open_engine(builds, published)
    try:
        with engine.connect() as connection:
            hours = connection.execute(select_hours).all()
            days = connection.execute(select_days).all()
    finally:
        engine.dispose()
    cells: dict[Key, list[sa.Row[Any]]] = defaultdict(list)
    for row in hours:
        cells[row.neighborhood, row.month].append(row)
    return Answers(
        published=published,
        hourly={key: encode([describe_hour(row) for row in rows]) for key, rows in cells.items()},
        daily={(row.neighborhood, row.month): encode(row._asdict()) for row in days},
        series={key: make_series(rows) for key, rows in cells.items()},
        names={name.casefold(): name for name, _ in cells},
    )


def describe_hour(row: sa.Row[Any]) -> dict[str, object]:
    """Return one element of the hourly answer; the first three keys are those of older clients."""
    return {
        "hour": row.hour_label,
        "predicted_crimes": row.expected_crimes,
        "suggested_patrol": row.suggested_patrol,
        "intensity": row.intensity,
        "data_source": row.data_source,
    }


def make_series(rows: Sequence[sa.Row[Any]]) -> HourlySeries:
    """Return the chart's values from a cell's 24 rows."""
    return HourlySeries(
        neighborhood=rows[0].neighborhood,
        forecast_month=rows[0].forecast_month,
        expected_crimes=tuple(row.expected_crimes for row in rows),
        intensity=tuple(row.intensity for row in rows),
        data_source=rows[0].data_source,
    )


def encode(answer: object) -> bytes:
    """Return an answer as JSON text; NaN would not be JSON and is refused."""
    return json.dumps(answer, allow_nan=False, separators=(",", ":")).encode()
