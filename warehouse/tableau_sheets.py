"""The workbook for Tableau, declared: six dashboards, their sheets and their filters.

Input: the stars. Output: `DASHBOARDS`. A sheet shows incidents as counts of rows, and sums only what the
declaration of its column sums. Crimes expected in a month are those of one month: the filter of months
has a single value.
"""

from dataclasses import dataclass
from typing import Literal

from warehouse.tableau_stars import FORECAST_STAR, INCIDENT_STAR, Star
from warehouse.time_of_day import describe_spans

Derivation = Literal["None", "Month-Trunc", "Count", "Sum", "Avg", "Min", "Max"]


@dataclass(frozen=True)
class Pill:
    """A field where it is used: as it is or derived, in Tableau's words.

    `is_axis`: dates along an axis instead of headers. `is_share`: of the total of the sheet's rows.
    """

    field: str
    derivation: Derivation = "None"
    is_axis: bool = False
    is_share: bool = False

    @property
    def is_quantitative(self) -> bool:
        """Whether it is a number on an axis or a scale, not one of several headers or colors."""
        return self.is_axis or self.derivation not in ("None", "Month-Trunc")


@dataclass(frozen=True)
class Sheet:
    """A worksheet: `mark` is Tableau's class of marks, `detail` splits marks or is shown with them.

    `area` is its place in the dashboard's body: left, top, width and height in percent. `sort` orders
    the headers of a pill by another, largest first.
    """

    name: str
    mark: Literal["Bar", "Line", "Square", "Circle", "Text"]
    columns: tuple[Pill, ...]
    rows: tuple[Pill, ...]
    area: tuple[int, int, int, int]
    color: Pill | None = None
    size: Pill | None = None
    text: Pill | None = None
    detail: tuple[Pill, ...] = ()
    sort: tuple[Pill, Pill] | None = None
    is_map: bool = False

    @property
    def pills(self) -> tuple[Pill, ...]:
        """Every pill of the sheet once."""
        marks = (*self.detail, *(self.sort or ()), self.color, self.size, self.text)
        return tuple(dict.fromkeys(pill for pill in (*self.columns, *self.rows, *marks) if pill))


@dataclass(frozen=True)
class Filter:
    """A filter of all sheets of a dashboard, by one field.

    `default` is what it keeps at first, empty for everything. `is_single`: one value, never all.
    """

    field: str
    default: Literal["", "newest year", "first month"] = ""
    is_single: bool = False

    @property
    def pill(self) -> Pill:
        """The field as it filters."""
        return Pill(self.field)


@dataclass(frozen=True)
class Dashboard:
    """A dashboard of sheets on one star. `note` is a sentence on how to read it."""

    name: str
    star: Star
    sheets: tuple[Sheet, ...]
    filters: tuple[Filter, ...]
    note: str


INCIDENTS = Pill("incident_id", "Count")
SHARE = Pill("incident_id", "Count", is_share=True)
CATEGORY, OFFENSE, YEAR = Pill("offense_category"), Pill("offense"), Pill("year")
NEIGHBORHOOD, ZONE, TIME_OF_DAY, HOUR = (
    Pill("neighborhood"), Pill("zone"), Pill("time_of_day"), Pill("hour"),
)  # fmt: skip
LIST_COLUMNS = (
    Pill("occurred_at"), NEIGHBORHOOD, OFFENSE, Pill("location_type"), Pill("firearm_involved"),
)  # fmt: skip
EXPECTED_HOUR = Pill("expected_crimes", "Sum")
EXPECTED_DAY = Pill("expected_daily_crimes", "Sum")
EXPECTED_MONTH = Pill("expected_month_crimes", "Sum")
LOWER, UPPER = Pill("month_lower_80", "Min"), Pill("month_upper_80", "Max")
PATROL = Pill("suggested_patrol")
BY_YEAR, BY_CATEGORY, BY_NEIGHBORHOOD = (
    Filter("year"), Filter("offense_category"), Filter("neighborhood"),
)  # fmt: skip

DASHBOARDS = (
    Dashboard(
        "Yearly trend",
        INCIDENT_STAR,
        (
            Sheet(
                "Incidents by month", "Line", (Pill("month_start", "Month-Trunc", is_axis=True),),
                (INCIDENTS,), area=(0, 0, 70, 40),
            ),
            Sheet(
                "Incidents by year", "Bar", (INCIDENTS,), (YEAR,), area=(70, 0, 30, 40),
                text=INCIDENTS,
            ),
            Sheet(
                "Incidents by month and offense category", "Square", (YEAR, Pill("month")),
                (CATEGORY,), area=(0, 40, 100, 60), color=INCIDENTS, sort=(CATEGORY, INCIDENTS),
            ),
        ),
        (BY_CATEGORY, BY_NEIGHBORHOOD),
        "The first and the last year may be covered in part.",
    ),
    Dashboard(
        "Density by neighborhood",
        INCIDENT_STAR,
        (
            Sheet(
                "Map of incidents by neighborhood", "Circle", (Pill("neighborhood_longitude", "Avg"),),
                (Pill("neighborhood_latitude", "Avg"),), area=(0, 0, 65, 100), color=INCIDENTS,
                size=INCIDENTS, detail=(NEIGHBORHOOD,), is_map=True,
            ),
            Sheet(
                "Incidents by neighborhood", "Bar", (INCIDENTS,), (NEIGHBORHOOD,), area=(65, 0, 35, 100),
                text=INCIDENTS, sort=(NEIGHBORHOOD, INCIDENTS),
            ),
        ),
        (BY_YEAR, BY_CATEGORY),
        "A circle stands for a neighborhood, at the median of its incidents, whatever its area.",
    ),
    Dashboard(
        "Zones",
        INCIDENT_STAR,
        (
            Sheet(
                "Incidents by zone", "Bar", (INCIDENTS,), (ZONE,), area=(0, 0, 40, 100), text=SHARE,
                sort=(ZONE, INCIDENTS),
            ),
            Sheet(
                "Incidents by zone and offense category", "Square", (ZONE,), (CATEGORY,),
                area=(40, 0, 60, 100), color=INCIDENTS, sort=(CATEGORY, INCIDENTS),
            ),
        ),
        (BY_YEAR, BY_CATEGORY),
        "Percentages are shares of the incidents that the filters leave.",
    ),
    Dashboard(
        "Time of day",
        INCIDENT_STAR,
        (
            Sheet(
                "Incidents by weekday and hour", "Square", (HOUR,), (Pill("weekday_name"),),
                area=(0, 0, 65, 100), color=INCIDENTS,
            ),
            Sheet(
                "Incidents by time of day", "Bar", (INCIDENTS,), (TIME_OF_DAY,), area=(65, 0, 35, 100),
                text=SHARE,
            ),
        ),
        (BY_YEAR, BY_NEIGHBORHOOD, BY_CATEGORY),
        f"The times of day differ in length: {describe_spans()}",
    ),
    Dashboard(
        "Explorer",
        INCIDENT_STAR,
        (
            Sheet(
                "Map of incidents", "Circle", (Pill("longitude", "Avg"),), (Pill("latitude", "Avg"),),
                area=(0, 0, 55, 60), color=TIME_OF_DAY,
                detail=(Pill("incident_id"), Pill("report_number"), OFFENSE), is_map=True,
            ),
            Sheet(
                "Incidents by offense", "Bar", (INCIDENTS,), (OFFENSE,), area=(55, 0, 45, 60),
                text=INCIDENTS, sort=(OFFENSE, INCIDENTS),
            ),
            Sheet(
                "List of incidents", "Text", (), (Pill("report_number"), *LIST_COLUMNS),
                area=(0, 60, 100, 40), text=INCIDENTS,
            ),
        ),
        (
            Filter("year", default="newest year"), BY_NEIGHBORHOOD, Filter("time_of_day"),
            Filter("location_type"), Filter("firearm_involved"), BY_CATEGORY, Filter("offense"),
        ),
        "Coordinates are rounded to 3 decimals, some 100 m; incidents without any are in the list only.",
    ),
    Dashboard(
        "Forecast and patrol",
        FORECAST_STAR,
        (
            Sheet(
                "Expected crimes by neighborhood and hour", "Square", (HOUR,), (NEIGHBORHOOD,),
                area=(0, 0, 50, 60), color=EXPECTED_HOUR, detail=(PATROL,),
                sort=(NEIGHBORHOOD, EXPECTED_HOUR),
            ),
            Sheet(
                "Suggested patrol by neighborhood and hour", "Square", (HOUR,), (NEIGHBORHOOD,),
                area=(50, 0, 50, 60), color=PATROL, size=EXPECTED_HOUR,
                sort=(NEIGHBORHOOD, EXPECTED_HOUR),
            ),
            Sheet(
                "Map of expected crimes per day", "Circle", (Pill("longitude", "Avg"),),
                (Pill("latitude", "Avg"),), area=(0, 60, 50, 40), color=EXPECTED_DAY,
                size=EXPECTED_DAY, detail=(NEIGHBORHOOD,), is_map=True,
            ),
            Sheet(
                "Expected crimes of the month and their 80 % interval", "Bar",
                (LOWER, EXPECTED_MONTH, UPPER), (NEIGHBORHOOD,), area=(50, 60, 50, 40),
                sort=(NEIGHBORHOOD, EXPECTED_MONTH),
            ),
        ),
        (
            Filter("forecast_month", default="first month", is_single=True), Filter("zone"),
            BY_NEIGHBORHOOD,
        ),
        "Crimes of an hour are those of that clock hour on an average day of the month; the ends of"
        " intervals are each neighborhood's own and do not add up.",
    ),
)  # fmt: skip
