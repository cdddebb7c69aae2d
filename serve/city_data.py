"""What the city chart shows, read by SQL when it is drawn.

Input: a connection to a build, a month. Output: a `CitySeries`.
"""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from serve.alt_text import write_interval, write_number, write_source
from serve.month_data import Interval, find_interval
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.read import CORE_TABLES

MAX_FIRST_PLACES = 5


Center = tuple[float, float]
"""Longitude and latitude, in degrees."""


@dataclass(frozen=True)
class CityPlace:
    """A place and its expected crimes in the month; no centre where none is known."""

    neighborhood: str
    is_named: bool
    center: Center | None
    expected_month_crimes: float


@dataclass(frozen=True)
class CitySeries:
    """All places in a forecast month, most expected crimes first, and the city with its interval."""

    city: str
    forecast_month: dt.date
    places: tuple[CityPlace, ...]
    expected_month_crimes: float
    interval_level: int
    interval: Interval
    data_source: str

    @property
    def title(self) -> str:
        """What the chart is called."""
        return f"{self.city}, {self.forecast_month:%B %Y}: expected crimes by neighborhood"

    @property
    def total(self) -> str:
        """What is expected in the whole city, in words."""
        interval = write_interval(self.interval_level, self.interval)
        return f"In all {write_number(self.expected_month_crimes)}, {interval}"

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the places that no map can show."""
        return tuple(place.neighborhood for place in self.places if place.center is None)

    @property
    def alt_text(self) -> str:
        """What the chart says."""
        first = "; ".join(
            f"{place.neighborhood} {write_number(place.expected_month_crimes)}"
            for place in self.places[:MAX_FIRST_PLACES]
        )
        missing = f" Not on the map, without a known centre: {', '.join(self.missing)}."
        return (
            f"Map of {len(self.places)} places in {self.city} by expected crimes in"
            f" {self.forecast_month:%B %Y}. {self.total}. Most in: {first}."
            f"{missing if self.missing else ''} {write_source(self.data_source)}"
        )


def read_city(connection: sa.Connection, month: int) -> CitySeries:
    """Return every place in a month, most expected crimes first."""
    daily, place = CORE_TABLES["average_daily"].c, CORE_TABLES["neighborhood"].c
    places = connection.execute(
        sa.select(
            place.neighborhood, place.is_named, place.longitude, place.latitude,
            daily.expected_month_crimes,
        )
        .where(daily.month == month, daily.neighborhood == place.neighborhood)
        .order_by(daily.expected_month_crimes.desc(), place.neighborhood)
    )  # fmt: skip
    whole, level = CORE_TABLES["forecast_city"], INTERVAL_LEVELS[0]
    city = connection.execute(sa.select(whole).where(whole.c.month == month)).one()
    return CitySeries(
        city=connection.execute(sa.select(CORE_TABLES["refresh_run"].c.city)).scalar_one(),
        forecast_month=city.forecast_month,
        places=tuple(
            CityPlace(name, is_named, find_center(*degrees), crimes)
            for name, is_named, *degrees, crimes in places
        ),
        expected_month_crimes=city.expected_month_crimes,
        interval_level=level,
        interval=find_interval(city, level),
        data_source=city.data_source,
    )


def find_center(longitude: float | None, latitude: float | None) -> Center | None:
    """Return where a place lies; None where either is not known."""
    return None if longitude is None or latitude is None else (longitude, latitude)
