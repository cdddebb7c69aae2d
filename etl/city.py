"""The city: where it lies, which clock it keeps, which raw layouts its files come in.

Input: `data/cities/<city>.toml`. Output: a `City`.
"""

from typing import Annotated, Self
from zoneinfo import ZoneInfo

import duckdb
import holidays
from holidays.registry import COUNTRIES
from pydantic import (
    AfterValidator,
    Field,
    StrictFloat,
    ValidationInfo,
    field_validator,
    model_validator,
)

from etl.scratch_engine import ask_engine
from warehouse import settings
from warehouse.errors import first_line
from warehouse.settings_file import Settings, find_nearest, find_settings, read_settings, suggest

DEFAULT_CITY = settings.DEFAULT_CITY

MAY_LACK = (
    "reported", "zone", "beat", "npu", "latitude", "longitude", "location_type", "firearm_involved",
)  # fmt: skip
"""Fields without which a row counts, unless the city calls them critical and cleaning is strict."""

Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Longitude = Annotated[StrictFloat, Field(ge=-180, le=180)]
Latitude = Annotated[StrictFloat, Field(ge=-90, le=90)]


def check_pattern(pattern: str) -> str:
    """Return a regular expression that the engine can compile and that has exactly one group.

    Raises `ValueError` otherwise.
    """
    try:
        ask_engine("SELECT regexp_matches('', $1)", pattern)
    except duckdb.Error as error:
        raise ValueError(f"found {pattern!r}, not a regular expression: {first_line(error)}") from error
    if not has_groups(pattern, ["zone"]) or has_groups(pattern, ["zone", "other"]):
        raise ValueError(f"found {pattern!r}, expected a regular expression with one group, the zone")
    return pattern


def has_groups(pattern: str, names: list[str]) -> bool:
    """Return whether a regular expression has a group for each of the names, at least."""
    try:
        ask_engine(f"SELECT regexp_extract('', $1, {names})", pattern)
    except duckdb.BinderException:
        return False
    return True


def check_zone(zone: ZoneInfo) -> ZoneInfo:
    """Return a time zone that the engine knows too; raises `ValueError` otherwise."""
    try:
        ask_engine("SELECT timezone($1, TIMESTAMP '2001-01-01')", zone.key)
    except duckdb.Error as error:
        raise ValueError(f"found {zone.key!r}, expected an IANA time zone") from error
    return zone


def check_publisher(name: str) -> str:
    """Return a publisher's name; raises `ValueError` for the words by which synthetic data is called."""
    if name.strip().casefold() == settings.SIMULATED:
        raise ValueError(
            f"found {name!r}, expected who publishes the data: these words mark simulations"
        )
    return name


def check_critical(field: str) -> str:
    """Return a field that a row may lack; raises `ValueError` with the nearest one for another."""
    if field not in MAY_LACK:
        raise ValueError(
            f"found {field!r}, expected one of {', '.join(MAY_LACK)}{suggest(field, MAY_LACK)}"
        )
    return field


def check_country(code: str) -> str:
    """Return a country's code; raises `ValueError` with the nearest one for any other text."""
    # `holidays.list_supported_countries` would import the calendars of every country to name them.
    names = {alias: codes[1] for name, codes in COUNTRIES.items() for alias in (name, *codes)}
    if code not in names.values():
        near = find_nearest(code.replace(" ", "_"), names)
        raise ValueError(
            f"found {code!r}, expected one of the two-letter codes that the package `holidays` knows"
            f"{f'; did you mean {names[near]!r}?' if near else ''}"
        )
    return code


class BoundingBox(Settings):
    """Rectangle round the whole city, in degrees, edges included."""

    longitude_min: Longitude
    longitude_max: Longitude
    latitude_min: Latitude
    latitude_max: Latitude

    @model_validator(mode="after")
    def check_order(self) -> Self:
        """Refuse a rectangle whose edges are swapped."""
        if self.longitude_min >= self.longitude_max or self.latitude_min >= self.latitude_max:
            raise ValueError("found a minimum that is not below its maximum")
        return self


class Portal(Settings):
    """The city's feature layers, as addresses without `/query`, and how the incidents are read.

    `key` names the fields that identify an offense, `object_id` the one that pages are ordered by,
    `report_date` the one that the re-read window goes by; `layout` says which fields are asked for.
    """

    incidents: Text
    boundaries: Text
    history: Text
    terms: tuple[str, ...]
    layout: Text
    key: tuple[Text, ...]
    object_id: Text
    report_date: Text


class Holidays(Settings):
    """Whose holidays the city keeps: ISO 3166-1 alpha-2, and as the package `holidays` has them."""

    country: Annotated[Text, AfterValidator(check_country)]
    subdivision: str | None = None

    @field_validator("subdivision")
    @classmethod
    def check_subdivision(cls, subdivision: str | None, others: ValidationInfo) -> str | None:
        """Refuse a subdivision that the country does not have."""
        code = others.data.get("country")
        if subdivision is None or code is None:
            return None  # a mistake in the country is told already
        country = holidays.country_holidays(code)
        known = (*country.subdivisions, *country.subdivisions_aliases)
        if subdivision not in known:
            raise ValueError(
                f"found {subdivision!r}, expected one of {code}: "
                f"{', '.join(country.subdivisions) or 'it has none'}{suggest(subdivision, known)}"
            )
        return subdivision


class Districts(Settings):
    """What the city calls its districts; None for a kind that it lacks."""

    npu: Text | None = None
    zone: Text | None = None
    beat: Text | None = None


class City(Settings):
    """One city. `layouts` are in order of trust; `portal` is None for a city that has none.

    `beat_pattern` is a regular expression for the city's beats whose group is the zone; None for a
    city without beats. `boundary_name` is the property of its polygons that holds the neighborhood.
    Without `holidays` no day counts as a holiday. `critical_fields` are those without which strict
    cleaning rejects a row. `outside_names` names the places outside neighborhoods, by zone (by NPU or
    beat in a city without zones). `contact` answers for the forecast, `licence` has the terms of the
    data: the model card tells both.
    """

    name: Text
    publisher: Annotated[Text, AfterValidator(check_publisher)]
    time_zone: Annotated[ZoneInfo, AfterValidator(check_zone)]
    layouts: Annotated[tuple[Text, ...], Field(min_length=1)]
    bounding_box: BoundingBox
    beat_pattern: Annotated[str, AfterValidator(check_pattern)] | None = None
    boundary_name: Text = "name"
    neighborhood_aliases: dict[str, Text] = {}
    outside_names: dict[str, Text] = {}
    critical_fields: tuple[Annotated[str, AfterValidator(check_critical)], ...] = ()
    portal: Portal | None = None
    holidays: Holidays | None = None
    districts: Districts = Districts()
    contact: Text | None = None
    licence: Text | None = None


def load_city(name: str = DEFAULT_CITY) -> City:
    """Read a city's file.

    Raises `ShieldError` when there is none of that name, and with a line for each of its mistakes.
    """
    return read_settings(find_settings(settings.CITIES_DIR, name, "city"), City)
