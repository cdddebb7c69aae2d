"""Tables that `etl` fills: incidents, their days and places, and the ledger of the raw files.

Input: nothing. Output: declarations, listed in `warehouse.schema`.
"""

from dataclasses import replace

from warehouse.columns import (
    CENTER,
    CRIME_AGAINST,
    DATA_SOURCE,
    IS_NAMED,
    ISO_WEEKDAY,
    LATITUDE,
    LONGITUDE,
    MONTH,
    NEIGHBORHOOD,
    NIBRS_CODE,
    NPU,
    OFFENSE,
    OFFENSE_CATEGORY,
    OFFENSE_GROUP,
    PATROL_TYPE,
    RAW_FILE,
    TIME_OF_DAY,
    ZONE,
)
from warehouse.settings import BREAK_WINDOW_MONTHS, MAX_DELAY_DAYS, MAX_MISSING_SHARE, RECENT_YEARS
from warehouse.table import Column, Reconciliation, Table

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

OFFENSE_TABLE = Table(
    "offense",
    "NIBRS offenses: group, category and crime against from the FBI, patrol type by rule.",
    "offense code",
    ("nibrs_code",),
    (
        replace(NIBRS_CODE, references=None),
        OFFENSE,
        OFFENSE_GROUP,
        OFFENSE_CATEGORY,
        CRIME_AGAINST,
        PATROL_TYPE,
        Column(
            "is_discretionary", "BOOLEAN",
            "Whether the count follows police activity more than reports by the public.",
            "Discretionary",
        ),
        Column(
            "is_location_hidden", "BOOLEAN",
            "Whether all incidents of a report with this offense stand at the centre of their"
            " neighborhood: sexual and family offenses.",
            "Location hidden",
        ),
    ),
)

RAW_FILE_TABLE = Table(
    "raw_file",
    "Raw files of the build, what was read from each and what cleaning did to it.",
    "raw file",
    ("raw_file",),
    (
        replace(RAW_FILE, references=None),
        Column("layout", "VARCHAR", "Raw layout recognised by the header.", "Layout"),
        Column("sha256", "VARCHAR", "SHA-256 of the file as given.", "SHA-256"),
        Column("rows_in", "BIGINT", "Data rows in the file.", "Rows in", minimum=0),
        Column("rows_kept", "BIGINT", "Rows that became incidents.", "Rows kept", minimum=0),
        Column("rows_rejected", "BIGINT", "Rows in rejected_incident.", "Rows rejected", minimum=0),
        Column(
            "rows_in_polygon", "BIGINT",
            "Rows whose place lies in a neighborhood's polygon; 0 where there were no polygons.",
            "Rows in a polygon", minimum=0,
        ),
        Column(
            "rows_polygon_disagrees", "BIGINT",
            "Those of them that were given another neighborhood; the given one is kept.",
            "Rows the polygon contradicts", minimum=0,
        ),
        Column(
            "columns_left_out", "VARCHAR",
            f"Optional columns with over {100 * MAX_MISSING_SHARE:g} % missing, left out; empty where"
            " there is none.",
            "Columns left out",
        ),
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation(
            "rows_in is not rows_kept + rows_rejected",
            "SELECT count(*) FROM raw_file WHERE rows_in <> rows_kept + rows_rejected",
        ),
    ),
)

REJECTED_INCIDENT_TABLE = Table(
    "rejected_incident",
    "Raw rows that did not become incidents, each counted once under the first rule that hit it.",
    "raw file and rule; a rule that rejected nothing stands with 0",
    ("raw_file", "rule"),
    (
        RAW_FILE,
        Column("rule", "VARCHAR", "Name of the cleaning rule.", "Rule"),
        Column("rule_description", "VARCHAR", "What the rule rejects.", "Rule description"),
        Column("rule_order", "INTEGER", "Position of the rule; the first hit counts.", "Rule order"),
        Column("row_count", "BIGINT", "Rows rejected under this rule.", "Rows", minimum=0),
        Column(
            "example_rows", "VARCHAR",
            "Up to three of them, by their place among the file's data rows; NULL where none.",
            "Example rows", nullable=True,
        ),
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation("rejected_incident does not add up to raw_file.rows_rejected", """
            SELECT count(*) FROM raw_file JOIN (
                SELECT raw_file, sum(row_count) AS rejected FROM rejected_incident GROUP BY ALL
            ) USING (raw_file) WHERE rows_rejected <> rejected"""),
    ),
)

REPAIRED_INCIDENT_TABLE = Table(
    "repaired_incident",
    "What was repaired in rows that became incidents; a row may be repaired in several ways.",
    "raw file and repair; a repair that was not needed stands with 0",
    ("raw_file", "repair"),
    (
        RAW_FILE,
        Column("repair", "VARCHAR", "Name of the repair.", "Repair"),
        Column("repair_description", "VARCHAR", "What is repaired, and how.", "Repair description"),
        Column("row_count", "BIGINT", "Incidents repaired this way.", "Rows", minimum=0),
        DATA_SOURCE,
    ),
)

CALENDAR_TABLE = Table(
    "calendar",
    "Days on which an incident would have been seen: the exposure of every rate.",
    "observed calendar day",
    ("calendar_date",),
    (
        Column("calendar_date", "DATE", "Local calendar day.", "Date"),
        MONTH,
        ISO_WEEKDAY,
        Column(
            "clock_change", "VARCHAR",
            "Clock change of that day: none, spring (put forward) or autumn (put back).",
            "Clock change", allowed=("none", "spring", "autumn"),
        ),
        Column(
            "changed_hour", "INTEGER",
            "Hour that is missing on that day in spring, and comes twice in autumn; NULL on others.",
            "Changed hour", nullable=True, minimum=0, maximum=23,
        ),
        DATA_SOURCE,
    ),
)

HOLIDAY_TABLE = Table(
    "holiday",
    "Public holidays of the city in the observed years and the two after the cutoff.",
    "day that is a holiday",
    ("holiday_date",),
    (
        Column("holiday_date", "DATE", "Local calendar day.", "Date"),
        Column(
            "holiday_name", "VARCHAR",
            "Name, in English where there is one; '; ' between where several fall on the day.",
            "Holiday",
        ),
    ),
    empty_where="the city's file names no country",
)

NEIGHBORHOOD_TABLE = Table(
    "neighborhood",
    "Neighborhoods with at least one incident; districts are those of its recent incidents.",
    "neighborhood",
    ("neighborhood",),
    (
        replace(NEIGHBORHOOD, references=None),
        NPU,
        ZONE,
        IS_NAMED,
        replace(LATITUDE, description=CENTER[0].description),
        replace(LONGITUDE, description=CENTER[1].description),
        Column("incident_count", "BIGINT", "Incidents in the build.", "Incidents", minimum=1),
        Column("first_occurred", "TIMESTAMP", "First incident, local.", "First incident"),
        Column("last_occurred", "TIMESTAMP", "Last incident, local.", "Last incident"),
        Column(
            "other_zone_share", "DOUBLE",
            f"Share of its incidents of the last {RECENT_YEARS} years that lie in another zone: new"
            " lines, or bad geocoding; NULL where the zone is not known.", "Share in another zone",
            nullable=True, minimum=0, maximum=1, district="zone",
        ),
        DATA_SOURCE,
    ),
    counts_incidents=True,
)

INCIDENT_TABLE = Table(
    "incident",
    "Reported offenses after cleaning, in local wall clock time.",
    "reported offense",
    ("incident_id",),
    (
        Column(
            "incident_id", "VARCHAR", "Report number and NIBRS code: one offense of one report.",
            "Incident",
        ),
        Column("report_number", "VARCHAR", "Police report number.", "Report number"),
        Column(
            "occurred_at", "TIMESTAMP", "Earliest time it can have happened, local wall clock.",
            "Occurred at",
        ),
        Column(
            "occurred_until", "TIMESTAMP", "Latest time it can have happened, local wall clock.",
            "Occurred until",
        ),
        Column(
            "reported_at", "TIMESTAMP",
            "Time of the report, local wall clock; where the file gives only a date, the earliest"
            " time on it that is not before the end of the occurrence.", "Reported at",
        ),
        NEIGHBORHOOD,
        NPU,
        ZONE,
        Column(
            "beat", "VARCHAR",
            "Beat at the time of the incident; NULL where the layout has none.", "Beat",
            nullable=True, district="beat",
        ),
        NIBRS_CODE,
        OFFENSE,
        OFFENSE_CATEGORY,
        OFFENSE_GROUP,
        CRIME_AGAINST,
        Column(
            "location_type", "VARCHAR",
            "Type of place as the file spells it; NULL where its layout has none.",
            "Location type", nullable=True,
        ),
        Column(
            "firearm_involved", "BOOLEAN",
            "Whether a firearm was involved; NULL where the layout does not tell.",
            "Firearm involved", nullable=True,
        ),
        TIME_OF_DAY,
        PATROL_TYPE,
        LATITUDE,
        LONGITUDE,
        RAW_FILE,
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation("incident does not have the rows that raw_file says were kept", """
            SELECT (SELECT sum(rows_kept) FROM raw_file) - (SELECT count(*) FROM incident)"""),
        Reconciliation("an incident whose location is hidden is not at its neighborhood's centre", """
            SELECT count(*) FROM incident JOIN neighborhood USING (neighborhood)
            WHERE report_number IN (SELECT report_number FROM incident JOIN offense USING (nibrs_code)
                                    WHERE is_location_hidden)
              AND (incident.latitude, incident.longitude)
                  IS DISTINCT FROM (neighborhood.latitude, neighborhood.longitude)"""),
        Reconciliation("an incident lies on a day that is not in calendar", """
            SELECT count(*) FROM incident ANTI JOIN calendar ON calendar_date = occurred_at::DATE"""),
    ),
)

BOUNDARY_DECIMALS = 4
"""Of degrees: some 10 m."""

BOUNDARY_TABLE = Table(
    "boundary",
    "The boundary of each neighborhood as a map draws it: simplified to some 30 m.",
    "neighborhood with a polygon",
    ("neighborhood",),
    (
        NEIGHBORHOOD,
        Column(
            "boundary", "VARCHAR",
            "Polygon or multipolygon as well-known text: longitude and latitude in degrees of WGS84,"
            f" {BOUNDARY_DECIMALS} decimals.", "Boundary",
        ),
        DATA_SOURCE,
    ),
    empty_where="no polygons were given",
)

FEED_HEALTH_TABLE = Table(
    "feed_health",
    "What the raw files and their months look like: gaps, breaks in level, missing values.",
    "finding, in the order of check, subject and month",
    ("finding_number",),
    (
        Column("finding_number", "INTEGER", "Number of the finding, from 1.", "Finding", minimum=1),
        Column(
            "health_check", "VARCHAR", "What was looked at.", "Check",
            allowed=("missing_share", "midnight_share", "monthly_incidents", "missing_month",
                     "level_break"),
        ),
        Column(
            "subject", "VARCHAR",
            "missing_share: raw file and its column, with a colon between; midnight_share: raw file;"
            " otherwise the value of incident.crime_against, or 'all'.", "Subject",
        ),
        Column(
            "month_start", "DATE",
            "First day of the month; for level_break the first month of the new level; NULL for"
            " what concerns a whole file.", "Month", nullable=True,
        ),
        Column(
            "value", "DOUBLE",
            "missing_share, midnight_share: share of the file's rows, 0 to 1, values that cannot be"
            " read counted as missing; monthly_incidents: incidents; missing_month: observed days;"
            " level_break: incidents per observed day in the months from that one on that are"
            f" compared, 2 to {BREAK_WINDOW_MONTHS}.",
            "Value", minimum=0,
        ),
        Column(
            "expected_value", "DOUBLE",
            "missing_share, midnight_share: share above which there is a warning; missing_month:"
            " days of the month; level_break: incidents per observed day in the months before that are"
            f" compared, 2 to {BREAK_WINDOW_MONTHS}; NULL for monthly_incidents.",
            "Expected value", nullable=True, minimum=0,
        ),
        Column("is_warning", "BOOLEAN", "Whether the refresh warns of it.", "Warning"),
        Column("detail", "VARCHAR", "The finding as a sentence.", "Detail"),
        DATA_SOURCE,
    ),
)

REPORT_DELAY_TABLE = Table(
    "report_delay",
    f"How late offenses are reported, over incidents whose later reports had {MAX_DELAY_DAYS} days to"
    " come in.",
    f"whole day of delay from 0 to {MAX_DELAY_DAYS}",
    ("delay_days",),
    (
        Column(
            "delay_days", "INTEGER",
            "Calendar days from the end of the occurrence to the report;"
            f" {MAX_DELAY_DAYS} stands for {MAX_DELAY_DAYS} and more.", "Delay",
            unit="days", minimum=0, maximum=MAX_DELAY_DAYS,
        ),
        Column(
            "incident_count", "BIGINT",
            "Incidents with that delay; those whose report date was replaced are left out.",
            "Incidents", minimum=0,
        ),
        Column(
            "cumulative_share", "DOUBLE", "Share of the incidents reported by that day.",
            "Reported by then", minimum=0, maximum=1,
        ),
        DATA_SOURCE,
    ),
    is_complete=True,
    empty_where="no incident is old enough",
)
