"""What Tableau makes of a declared column: its type, role, aggregation, format, folder and order.

Input: the stars' parts and their columns. Output: the words of Tableau's format for each.
"""

import calendar
from collections.abc import Iterator
from typing import NamedTuple

from warehouse.table import Column
from warehouse.tableau_stars import Part, Star


class Kind(NamedTuple):
    """What Tableau calls a type: in its own words, as a code of the extract's, and as a dimension."""

    name: str
    code: int
    dimension_type: str


KINDS = {
    "VARCHAR": Kind("string", 129, "nominal"),
    "BOOLEAN": Kind("boolean", 11, "nominal"),
    "INTEGER": Kind("integer", 3, "ordinal"),
    "BIGINT": Kind("integer", 20, "ordinal"),
    "DOUBLE": Kind("real", 5, "ordinal"),
    "DATE": Kind("date", 133, "ordinal"),
    "TIMESTAMP": Kind("datetime", 135, "ordinal"),
}
POINT_KIND = Kind("spatial", 128, "nominal")

AGGREGATIONS = {"sum": "Sum", "average": "Avg", "minimum": "Min", "maximum": "Max"}
DEGREES = {"latitude": "[Geographical].[Latitude]", "longitude": "[Geographical].[Longitude]"}

OTHER_FOLDER = "Forecast"
FOLDERS = {
    "Place": (
        "neighborhood", "npu", "zone", "beat", "is_named", "latitude", "longitude", "location_type",
    ),
    "Time": (
        "month", "month_name", "forecast_month", "hour", "hour_label", "time_of_day", "year",
        "month_start", "iso_weekday", "weekday_name", "occurred_at", "occurred_until", "reported_at",
    ),
    OTHER_FOLDER: (),
    "Patrol": (
        "suggested_patrol", "suggested_patrol_share", "runner_up_patrol", "patrol_margin",
        "patrol_share_foot", "patrol_share_bicycle", "patrol_share_motorcycle", "patrol_share_vehicle",
        "patrol_type",
    ),
    "Observed": (
        "observed_crimes", "average_daily_crime_count", "observed_days", "support_incidents",
    ),
    "Offense": (
        "incident_id", "report_number", "nibrs_code", "offense", "offense_group", "offense_category",
        "crime_against", "is_discretionary", "is_location_hidden", "firearm_involved",
    ),
    "Build": ("data_source",),
}  # fmt: skip
"""The folders of the data pane, each with the columns whose fields lie in it; `OTHER_FOLDER` has what is
listed nowhere."""

CALENDAR_ORDER = {
    "month_name": tuple(calendar.month_name)[1:],
    "weekday_name": tuple(calendar.day_name),
}
"""Texts that Tableau would sort by letters, beside those whose declaration lists its values."""


def is_measure(column: Column) -> bool:
    """Return whether Tableau aggregates a column; codes such as month and hour it does not."""
    return column.aggregation is not None or column.name in DEGREES


def choose_aggregation(column: Column) -> str:
    """Return what Tableau makes of many rows of a column; of degrees, the mean."""
    return AGGREGATIONS[column.aggregation or "average"] if is_measure(column) else "Count"


def choose_format(column: Column) -> str:
    """Return the default format of a column's numbers, empty where Tableau's own will do."""
    if column.type in ("INTEGER", "BIGINT") and not is_measure(column):
        return "*0"  # no comma in a year
    if column.aggregation == "average" and column.maximum == 1:
        return "p0%"
    return "n#,##0.00;-#,##0.00" if column.aggregation and column.type == "DOUBLE" else ""


def list_order(column: Column) -> tuple[str, ...]:
    """Return the values of a text in the order in which people expect them; empty where by letters."""
    return CALENDAR_ORDER.get(column.name, column.allowed)


def list_extract_fields(part: Part) -> Iterator[tuple[str, Kind, str, bool]]:
    """Yield the fields of a part as its extract has them: name, type, aggregation, nullable."""
    for name, column in part.fields.items():
        yield name, KINDS[column.type], choose_aggregation(column), column.nullable
    if part.point:
        yield part.point.name, POINT_KIND, "Collect", True


def sort_into_folders(star: Star) -> dict[str, list[str]]:
    """Return the fields of each folder of the data pane, empty lists included."""
    found = {column: folder for folder, columns in FOLDERS.items() for column in columns}
    contents: dict[str, list[str]] = {folder: [] for folder in FOLDERS}
    for part in star.parts:
        for name, column in part.fields.items():
            contents[found.get(column.name, OTHER_FOLDER)].append(name)
        if part.point:
            contents["Place"].append(part.point.name)
    return contents
