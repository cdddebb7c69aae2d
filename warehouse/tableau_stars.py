"""The two extracts for Tableau, declared: which table is the fact, which are its dimensions.

Input: the declared tables. Output: `STARS`. A field is a declared column; its caption, description,
type and aggregation are the declaration's. No two fields of a star have the same name or caption, and
each star has one fact, so that Tableau can derive the relationships from the keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from warehouse.schema import TABLES
from warehouse.table import Column, Table

DECLARED = {table.name: table for table in TABLES}


@dataclass(frozen=True)
class Point:
    """A field of points on the map, made from two fields in degrees; NULL where one of them is."""

    name: str
    caption: str
    latitude: str
    longitude: str


@dataclass(frozen=True)
class Part:
    """One table of a star: some columns of a declared table, as fields.

    `renamed` gives a column the name of its field where another table of the star has that name too;
    `left_out` are the columns without a field. `hidden` fields are there for relationships, or say the
    same in every row: people see the dimension's, or the data source's constant. `captions` replace
    labels that would stand twice in a star.
    """

    name: str
    table: Table
    renamed: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    captions: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, Column]:
        """The declared columns by the names of their fields, in declared order."""
        return {
            self.renamed.get(column.name, column.name): column
            for column in self.table.columns
            if column.name not in self.left_out
        }

    @property
    def key(self) -> tuple[str, ...]:
        """The fields that identify a row."""
        return tuple(self.renamed.get(name, name) for name in self.table.key)

    @property
    def point(self) -> Point | None:
        """The field that latitude and longitude make together; None where the part lacks them."""
        degrees = {column.name: name for name, column in self.fields.items()}
        if not {"latitude", "longitude"} <= degrees.keys():
            return None
        latitude, longitude = degrees["latitude"], degrees["longitude"]
        caption = self.caption(latitude).replace("Latitude", "Location")
        return Point(latitude.replace("latitude", "location"), caption, latitude, longitude)

    def caption(self, name: str) -> str:
        """Return what people read for a field; a hidden one stands beside another of the same label."""
        label = self.captions.get(name, self.fields[name].label)
        return f"{label} ({self.name})" if name in self.hidden else label


@dataclass(frozen=True)
class Relationship:
    """A row of `child` belongs to one of `parent`, whose key the child's fields repeat in its order."""

    child: str
    child_fields: tuple[str, ...]
    parent: str


@dataclass(frozen=True)
class Star:
    """One extract: a fact, its dimensions, how they belong together, and its name for people."""

    name: str
    caption: str
    description: str
    fact: Part
    dimensions: tuple[Part, ...]
    relationships: tuple[Relationship, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """All tables, each after those that it belongs to."""
        return (*self.dimensions, self.fact)

    @property
    def file_name(self) -> str:
        """The name of its files, without an ending."""
        return f"atlshield_{self.name}"


PLACE_OUTSIDE = ("data_source", "incident_count", "first_occurred", "last_occurred", "other_zone_share")

FORECAST_STAR = Star(
    name="forecast",
    caption="ATLShield forecast",
    description="Expected crimes and suggested patrol by neighborhood, month and hour.",
    fact=Part(
        "forecast",
        DECLARED["mart_forecast_hourly"],
        renamed={"neighborhood": "forecast_neighborhood", "month": "forecast_month_number"},
        left_out=("npu", "zone", "is_named", "latitude", "longitude"),
        hidden=("forecast_neighborhood", "data_source"),
    ),
    dimensions=(
        Part("neighborhood", DECLARED["neighborhood"], left_out=PLACE_OUTSIDE),
        Part(
            "month",
            DECLARED["average_daily"],
            renamed={
                "neighborhood": "month_neighborhood", "observed_crimes": "observed_month_crimes",
            },
            left_out=("forecast_month", "data_source"),
            hidden=("month_neighborhood", "month"),
        ),
    ),
    relationships=(
        Relationship("forecast", ("forecast_neighborhood", "forecast_month_number"), "month"),
        Relationship("forecast", ("forecast_neighborhood",), "neighborhood"),
    ),
)  # fmt: skip

INCIDENT_STAR = Star(
    name="incidents",
    caption="ATLShield incidents",
    description="Reported offenses, with their neighborhood and offense.",
    fact=Part(
        "incident",
        DECLARED["mart_incident_explorer"],
        renamed={
            "neighborhood": "incident_neighborhood", "nibrs_code": "incident_nibrs_code",
        },
        left_out=("offense", "offense_category", "offense_group", "crime_against", "patrol_type"),
        hidden=("incident_neighborhood", "incident_nibrs_code", "data_source"),
    ),
    dimensions=(
        Part(
            "neighborhood",
            DECLARED["neighborhood"],
            renamed={
                "npu": "neighborhood_npu", "zone": "neighborhood_zone",
                "latitude": "neighborhood_latitude", "longitude": "neighborhood_longitude",
            },
            left_out=PLACE_OUTSIDE,
            captions={
                "neighborhood_npu": "NPU of the neighborhood",
                "neighborhood_zone": "Zone of the neighborhood",
                "neighborhood_latitude": "Latitude of the neighborhood",
                "neighborhood_longitude": "Longitude of the neighborhood",
            },
        ),
        Part("offense", DECLARED["offense"]),
    ),
    relationships=(
        Relationship("incident", ("incident_neighborhood",), "neighborhood"),
        Relationship("incident", ("incident_nibrs_code",), "offense"),
    ),
)  # fmt: skip

STARS = (FORECAST_STAR, INCIDENT_STAR)
