"""Columns that several tables have, declared once, and the values they may take.

Input: nothing. Output: `Column`s for `warehouse.schema`. The same quantity has the same name and the
same meaning wherever it stands.
"""

from dataclasses import replace

from warehouse.settings import MIN_SUGGESTED_SHARE
from warehouse.table import Column
from warehouse.time_of_day import TIMES_OF_DAY, describe_spans

# A column reads best as one paragraph; the formatter would give each word a line.
# fmt: off

PATROL_TYPES = ("Foot Patrol", "Bicycle Patrol", "Motorcycle Patrol", "Vehicle Patrol")
CRIMES_AGAINST = ("Person", "Property", "Society", "Person, Property, or Society", "Not a Crime")
ALL_INCIDENTS = "all"
"""In `feed_health`, beside the values of `crime_against`: whatever the offense."""
INTENSITIES = ("low", "moderate", "high")
SOURCE_KINDS = ("simulated", "files", "portal")
STRICT = "strict"
CLEANINGS = ("default", STRICT)
"""Which rows count: all with a time, a place, an offense and a number, or of these only those that also
have every critical field of the city's file."""
DISTRICT_KINDS = ("npu", "zone", "beat")
"""A city has some of these districts, or none, and its own names for them. The texts of declarations use
these words only, in the singular: the dictionary of a build puts the city's in their place."""

NEIGHBORHOOD = Column(
    "neighborhood", "VARCHAR", "Neighborhood as the police department names it.", "Neighborhood",
    references="neighborhood.neighborhood",
)
NPU = Column(
    "npu", "VARCHAR", "NPU of the place; NULL where no incident names one.", "NPU", nullable=True,
    district="npu",
)
ZONE = Column(
    "zone", "VARCHAR", "Zone of the place; NULL where no file tells it.", "Zone", nullable=True,
    district="zone",
)
IS_NAMED = Column(
    "is_named", "BOOLEAN",
    "False for a place outside the named neighborhoods, which holds the incidents there.", "Named",
)
UNKNOWN_ZONE = "unknown"
"""Stands for NULL where a row tells of a zone: of what lies in no zone that is known."""
MONTH = Column("month", "INTEGER", "Calendar month.", "Month", minimum=1, maximum=12)
HOUR = Column(
    "hour", "INTEGER", "Clock hour that begins at this hour, local time.", "Hour of day",
    minimum=0, maximum=23,
)
MONTH_NAME = Column("month_name", "VARCHAR", "Name of the month.", "Month name")
HOUR_LABEL = Column("hour_label", "VARCHAR", "Hour as HH:00.", "Hour")
ISO_WEEKDAY = Column(
    "iso_weekday", "INTEGER", "Weekday, Monday 1 to Sunday 7.", "Weekday", minimum=1, maximum=7
)
WEEKDAY_NAME = Column("weekday_name", "VARCHAR", "Name of the weekday.", "Weekday name")
YEAR = Column("year", "INTEGER", "Calendar year, local time.", "Year")
MONTH_START = Column("month_start", "DATE", "First day of the month.", "Month begins")
FORECAST_MONTH = Column(
    "forecast_month", "DATE", "First day of the next such month after the cutoff.", "Forecast month"
)
LATITUDE = Column(
    "latitude", "DOUBLE", "Latitude, rounded to 3 decimals (about 110 m).", "Latitude",
    unit="degrees", nullable=True, minimum=-90, maximum=90,
)
LONGITUDE = Column(
    "longitude", "DOUBLE", "Longitude, rounded to 3 decimals (about 90 m).", "Longitude",
    unit="degrees", nullable=True, minimum=-180, maximum=180,
)
CENTER = (
    replace(LATITUDE, description="Median latitude of the neighborhood's incidents whose place is"
            " known and not hidden, 3 decimals; NULL where there is none."),
    replace(LONGITUDE, description="Median longitude of the neighborhood's incidents whose place is"
            " known and not hidden, 3 decimals; NULL where there is none."),
)
NIBRS_CODE = Column(
    "nibrs_code", "VARCHAR", "NIBRS offense code of the FBI.", "NIBRS code",
    references="offense.nibrs_code",
)
OFFENSE = Column("offense", "VARCHAR", "Offense as the FBI names it.", "Offense")
OFFENSE_GROUP = Column(
    "offense_group", "VARCHAR", "NIBRS group: A (reported) or B (arrests only).", "Offense group",
    allowed=("A", "B"),
)
OFFENSE_CATEGORY = Column(
    "offense_category", "VARCHAR", "NIBRS category of the offense.", "Offense category"
)
CRIME_AGAINST = Column(
    "crime_against", "VARCHAR", "What NIBRS says the offense is against.", "Crime against",
    allowed=CRIMES_AGAINST,
)
PATROL_TYPE = Column(
    "patrol_type", "VARCHAR",
    "Patrol type that a rule assigns to the offense; not an observed deployment.", "Patrol type",
    allowed=PATROL_TYPES,
)
TIME_OF_DAY = Column(
    "time_of_day", "VARCHAR", describe_spans(), "Time of day", allowed=TIMES_OF_DAY,
)
EXPECTED_CRIMES = Column(
    "expected_crimes", "DOUBLE",
    "Expected crimes in that clock hour on an average day of that month.", "Expected crimes",
    unit="crimes per hour", minimum=0, aggregation="sum",
)
EXPECTED_REPORTED_CRIMES = Column(
    "expected_reported_crimes", "DOUBLE",
    "The part of expected_crimes that the public reports: without offenses whose count follows police"
    " activity (offense.is_discretionary).",
    "Expected reported crimes", unit="crimes per hour", minimum=0, aggregation="sum",
)
EXPECTED_REPORTED_DAILY = Column(
    "expected_reported_daily_crimes", "DOUBLE",
    "The part of expected_daily_crimes that the public reports.", "Expected reported daily crimes",
    unit="crimes per day", minimum=0, aggregation="sum",
)
BASELINE_CRIMES = Column(
    "baseline_crimes", "DOUBLE", "The base rate before the forest's correction.",
    "Baseline crimes", unit="crimes per hour", minimum=0, aggregation="sum",
)
OBSERVED_RATE = Column(
    "observed_crimes", "DOUBLE",
    "Observed crimes in that clock hour per calendar day of that month, days without crime counted;"
    " NULL where the month was never observed.", "Observed crimes per hour", unit="crimes per hour",
    nullable=True, minimum=0, aggregation="sum",
)
INTENSITY = Column(
    "intensity", "VARCHAR",
    "Expected crimes against thresholds that hold for the whole city and year (see refresh_run).",
    "Intensity", allowed=INTENSITIES,
)
INTENSITY_LOCAL = Column(
    "intensity_local", "VARCHAR",
    "Expected crimes against the neighborhood's own months and hours: moderate from their median on,"
    " high from nine in ten of them on.",
    "Local intensity", allowed=INTENSITIES,
)
SUGGESTED_PATROL = Column(
    "suggested_patrol", "VARCHAR",
    "Patrol type whose share of the expected crimes, divided by the root of its share of the city's, is"
    f" largest, among types with at least {MIN_SUGGESTED_SHARE} of them or the most; a rule, not an"
    " observed deployment.",
    "Suggested patrol", allowed=PATROL_TYPES,
)
PATROL_DECISION = (
    Column(
        "suggested_patrol_share", "DOUBLE", "Share of the expected crimes that call for it.",
        "Suggested patrol share", minimum=0, maximum=1, aggregation="average",
    ),
    Column(
        "runner_up_patrol", "VARCHAR", "Patrol type that comes next by the same rule.",
        "Runner-up patrol", allowed=PATROL_TYPES,
    ),
    Column(
        "patrol_margin", "DOUBLE",
        "Suggested patrol's share less the runner-up's; below 0 where the runner-up is commoner.",
        "Patrol margin", minimum=-1, maximum=1, aggregation="average",
    ),
)
PATROL_SHARES = tuple(
    Column(
        f"patrol_share_{kind.split()[0].lower()}", "DOUBLE",
        f"Share of the expected crimes whose offense calls for {kind.lower()}.", f"{kind} share",
        minimum=0, maximum=1, aggregation="average",
    )
    for kind in PATROL_TYPES
)
SUPPORT = Column(
    "support_incidents", "BIGINT",
    "Incidents ever observed in that neighborhood, month and hour: what the cell itself knows.",
    "Supporting incidents", minimum=0, aggregation="sum",
)
INCIDENT_COUNT = Column(
    "incident_count", "BIGINT", "Incidents; 0 where there was none.", "Incidents", minimum=0,
    aggregation="sum",
)
INCIDENTS_PER_DAY = Column(
    "incidents_per_day", "DOUBLE", "Incidents per observed day.", "Incidents per day",
    unit="incidents per day", minimum=0,
)
DATA_SOURCE = Column(
    "data_source", "VARCHAR",
    "Publisher of the data behind the row; simulated data is called 'simulated data' here.",
    "Data source",
)


def count_observed_days(span: str, minimum: int = 1) -> Column:
    """Return the exposure column of a mart: the same number in every row of `span`."""
    return Column(
        "observed_days", "BIGINT",
        f"Calendar days of {span} in the data; the same in every row of {span}: count it once.",
        "Observed days", unit="days", minimum=minimum, aggregation="maximum",
    )


RAW_FILE = Column(
    "raw_file", "VARCHAR", "Name of the raw file.", "Raw file", references="raw_file.raw_file"
)
