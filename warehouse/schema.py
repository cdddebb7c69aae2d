"""Every published table, declared once.

Enters: nothing. Leaves: `TABLES`, from which come the DDL, the audit before publishing, the
`data_dictionary` table, `docs/data_dictionary.md`, the tables that `serve` queries and the captions
that people see. A table that is not here cannot be written.
"""

from dataclasses import replace

from warehouse.columns import (
    BASELINE_CRIMES,
    CENTER,
    CRIME_AGAINST,
    DATA_SOURCE,
    EXPECTED_CRIMES,
    FORECAST_MONTH,
    HOUR,
    HOUR_LABEL,
    INCIDENT_COUNT,
    INCIDENTS_PER_DAY,
    INTENSITY,
    ISO_WEEKDAY,
    LATITUDE,
    LONGITUDE,
    MONTH,
    MONTH_NAME,
    MONTH_START,
    NEIGHBORHOOD,
    NIBRS_CODE,
    NPU,
    OBSERVED_RATE,
    OFFENSE,
    OFFENSE_CATEGORY,
    OFFENSE_GROUP,
    PATROL_DECISION,
    PATROL_SHARES,
    PATROL_TYPE,
    RAW_FILE,
    SUGGESTED_PATROL,
    SUPPORT,
    TIME_OF_DAY,
    WEEKDAY_NAME,
    YEAR,
    ZONE,
    count_observed_days,
)
from warehouse.table import Column, Table

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
    ),
)

RAW_FILE_TABLE = Table(
    "raw_file",
    "Raw files of the build, what was read from each and what cleaning did to it.",
    "raw file",
    ("source",),
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
            "Optional columns with over 30 % missing, left out; empty where there is none.",
            "Columns left out",
        ),
        DATA_SOURCE,
    ),
)

REJECTED_INCIDENT_TABLE = Table(
    "rejected_incident",
    "Raw rows that did not become incidents, each counted once under the first rule that hit it.",
    "raw file and rule; a rule that rejected nothing stands with 0",
    ("source", "rule"),
    (
        RAW_FILE,
        Column("rule", "VARCHAR", "Name of the cleaning rule.", "Rule"),
        Column("rule_description", "VARCHAR", "What the rule rejects.", "Rule description"),
        Column("rule_order", "INTEGER", "Position of the rule; the first hit counts.", "Rule order"),
        Column("rows", "BIGINT", "Rows rejected under this rule.", "Rows", minimum=0),
        Column(
            "example_rows", "VARCHAR",
            "Up to three of them, by their place among the file's data rows; NULL where none.",
            "Example rows", nullable=True,
        ),
        DATA_SOURCE,
    ),
)

REPAIRED_INCIDENT_TABLE = Table(
    "repaired_incident",
    "What was mended in rows that became incidents; a row may be mended in several ways.",
    "raw file and repair; a repair that was not needed stands with 0",
    ("source", "repair"),
    (
        RAW_FILE,
        Column("repair", "VARCHAR", "Name of the repair.", "Repair"),
        Column("repair_description", "VARCHAR", "What is mended, and how.", "Repair description"),
        Column("rows", "BIGINT", "Incidents mended this way.", "Rows", minimum=0),
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
            "Clock change of that day: none, spring (hour 2 missing) or autumn (hour 1 twice).",
            "Clock change", allowed=("none", "spring", "autumn"),
        ),
        DATA_SOURCE,
    ),
)

HOLIDAY_TABLE = Table(
    "holiday",
    "Public holidays of the city in the observed years and the two after the cutoff; empty for a city"
    " whose file names no country.",
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
        replace(LATITUDE, description="Mean latitude of its incidents, 3 decimals."),
        replace(LONGITUDE, description="Mean longitude of its incidents, 3 decimals."),
        Column("incident_count", "BIGINT", "Incidents in the build.", "Incidents", minimum=1),
        Column("first_occurred", "TIMESTAMP", "First incident, local.", "First incident"),
        Column("last_occurred", "TIMESTAMP", "Last incident, local.", "Last incident"),
        Column(
            "other_zone_share", "DOUBLE",
            "Share of its incidents of the last two years that lie in another zone: new lines, or bad"
            " geocoding; NULL where the zone is not known.", "Share in another zone",
            nullable=True, minimum=0, maximum=1, district="zone",
        ),
        DATA_SOURCE,
    ),
)

FORECAST_HOURLY_TABLE = Table(
    "forecast_hourly",
    "Expected crimes and patrol type per clock hour on an average day of the next such month.",
    "neighborhood, month and hour; complete",
    ("neighborhood", "month", "hour"),
    (
        NEIGHBORHOOD,
        MONTH,
        HOUR,
        FORECAST_MONTH,
        EXPECTED_CRIMES,
        BASELINE_CRIMES,
        OBSERVED_RATE,
        INTENSITY,
        SUGGESTED_PATROL,
        *PATROL_DECISION,
        *PATROL_SHARES,
        SUPPORT,
        DATA_SOURCE,
    ),
)

FORECAST_HOURLY_WEEKDAY_TABLE = Table(
    "forecast_hourly_weekday",
    "Expected crimes per clock hour on an average Monday, Tuesday and so on of the forecast month.",
    "neighborhood, month, weekday and hour; complete",
    ("neighborhood", "month", "iso_weekday", "hour"),
    (
        NEIGHBORHOOD,
        MONTH,
        ISO_WEEKDAY,
        HOUR,
        FORECAST_MONTH,
        Column(
            "exposure_days", "INTEGER", "Such weekdays in the forecast month, holidays included.",
            "Days", unit="days", minimum=1,
        ),
        replace(
            EXPECTED_CRIMES,
            description="Expected crimes in that clock hour on an average such weekday; their mean over"
            " the days of the month is forecast_hourly.expected_crimes.",
        ),
        DATA_SOURCE,
    ),
)

FORECAST_CATEGORY_TABLE = Table(
    "forecast_category",
    "What drives a cell: the offense categories with the largest share of its expected crimes.",
    "neighborhood, month, hour and rank; three ranks, or fewer where the city has fewer categories",
    ("neighborhood", "month", "hour", "category_rank"),
    (
        NEIGHBORHOOD,
        MONTH,
        HOUR,
        FORECAST_MONTH,
        Column(
            "category_rank", "INTEGER", "Rank by share, from 1.", "Rank", minimum=1, maximum=3,
        ),
        OFFENSE_CATEGORY,
        replace(
            EXPECTED_CRIMES,
            description="Expected crimes of that category in that clock hour on an average day.",
        ),
        Column(
            "category_share", "DOUBLE", "Share of the cell's expected crimes, as the base rate has it.",
            "Category share", minimum=0, maximum=1,
        ),
        DATA_SOURCE,
    ),
)

AVERAGE_DAILY_TABLE = Table(
    "average_daily",
    "Observed and expected crimes per day, and the expected month with its 80 % interval.",
    "neighborhood and month; complete",
    ("neighborhood", "month"),
    (
        NEIGHBORHOOD,
        MONTH,
        FORECAST_MONTH,
        Column(
            "average_daily_crime_count", "DOUBLE",
            "Observed crimes per observed calendar day; NULL where the month was never observed.",
            "Average daily crime count", unit="crimes per day", nullable=True, minimum=0,
        ),
        Column(
            "observed_days", "BIGINT", "Calendar days of that month in the data.", "Observed days",
            unit="days", minimum=0,
        ),
        Column(
            "observed_crimes", "BIGINT", "Crimes observed on those days.", "Observed crimes",
            unit="crimes", minimum=0,
        ),
        Column(
            "expected_daily_crimes", "DOUBLE",
            "Expected crimes on an average day: the sum of forecast_hourly over its 24 hours.",
            "Expected daily crimes", unit="crimes per day", minimum=0,
        ),
        Column(
            "expected_month_crimes", "DOUBLE", "Expected crimes in the forecast month.",
            "Expected month crimes", unit="crimes", minimum=0,
        ),
        *(
            Column(
                f"{grain}_{end}_{level}", "DOUBLE",
                f"{end.title()} end of the {level} % prediction interval of {what}; lower and upper end"
                " are both 0 where almost nothing is expected.",
                f"{grain.title()}, {end} {level} %", unit="crimes", minimum=0,
            )
            for grain, level, what in (
                ("month", 80, "the forecast month's count"),
                ("month", 95, "the forecast month's count"),
                ("day", 80, "one day's count"),
            )
            for end in ("lower", "upper")
        ),
        DATA_SOURCE,
    ),
)

BACKTEST_SCORE_TABLE = Table(
    "backtest_score",
    "Scores of forecasts made at a past origin from data before it, on what then happened.",
    "model, origin, horizon, grain and metric; empty where the backtest was left out",
    ("model", "origin", "horizon_months", "grain", "metric"),
    (
        Column("model", "VARCHAR", "Model that made the forecast.", "Model"),
        Column("origin", "DATE", "First day that the model did not know.", "Origin"),
        Column(
            "horizon_months", "INTEGER", "Months after the origin that were scored.",
            "Horizon", unit="months", minimum=1,
        ),
        Column("grain", "VARCHAR", "Cell that was scored.", "Grain"),
        Column("metric", "VARCHAR", "Name of the score (see docs/adr/0003-scores.md).", "Metric"),
        Column("value", "DOUBLE", "Value of the score.", "Value"),
        DATA_SOURCE,
    ),
)

MODEL_CARD_TABLE = Table(
    "model_card",
    "What the forecast is, what it was scored at, what it is for and what not.",
    "section, in order",
    ("position",),
    (
        Column("position", "INTEGER", "Position in the card, from 1.", "Position", minimum=1),
        Column("section", "VARCHAR", "Heading.", "Section"),
        Column("text", "VARCHAR", "Text of the section, Markdown.", "Text"),
        DATA_SOURCE,
    ),
)

REFRESH_RUN_TABLE = Table(
    "refresh_run",
    "Lineage of this build.",
    "this build, one row",
    ("build_id",),
    (
        Column("build_id", "VARCHAR", "Identifier of the build.", "Build"),
        Column("created_at", "TIMESTAMP", "Start of the refresh, UTC.", "Created at", unit="UTC"),
        Column("city", "VARCHAR", "City of the build.", "City"),
        Column("source", "VARCHAR", "Where the raw rows came from.", "Source"),
        Column("is_synthetic", "BOOLEAN", "Whether any raw row was simulated.", "Synthetic"),
        Column("cutoff", "DATE", "Last observed day; nothing after it is known.", "Cutoff"),
        Column("rows_in", "BIGINT", "Raw rows read.", "Rows in", minimum=1),
        Column("rows_kept", "BIGINT", "Rows that became incidents.", "Rows kept", minimum=1),
        Column("rows_rejected", "BIGINT", "Rows in rejected_incident.", "Rows rejected", minimum=0),
        Column(
            "intensity_moderate_from", "DOUBLE", "Expected crimes from which intensity is moderate.",
            "Moderate from", unit="crimes per hour", minimum=0,
        ),
        Column(
            "intensity_high_from", "DOUBLE", "Expected crimes from which intensity is high.",
            "High from", unit="crimes per hour", minimum=0,
        ),
        Column(
            "volume_forest_share", "DOUBLE",
            "How much of the volume forest's correction past origins let through, from 0 to 1.",
            "Volume forest share", minimum=0, maximum=1,
        ),
        Column(
            "patrol_forest_share", "DOUBLE",
            "Weight of the patrol forest beside the base shares, from 0 to 1.",
            "Patrol forest share", minimum=0, maximum=1,
        ),
        Column(
            "newest_month_completeness", "DOUBLE",
            "Share of the newest month's incidents that is expected to be reported by now; the"
            " forecast is corrected for it.",
            "Completeness of the newest month", minimum=0, maximum=1,
        ),
        Column("seed", "BIGINT", "Seed of every random draw.", "Seed"),
        Column("atlshield_version", "VARCHAR", "Version of this project.", "ATLShield version"),
        Column("python_version", "VARCHAR", "Version of Python.", "Python version"),
        Column("duckdb_version", "VARCHAR", "Version of DuckDB.", "DuckDB version"),
        Column("scikit_learn_version", "VARCHAR", "Version of scikit-learn.", "scikit-learn version"),
        Column(
            "warnings", "VARCHAR", "What the refresh warned of, sentences with '; ' between; empty when"
            " nothing.", "Warnings",
        ),
        Column(
            "compared_build_id", "VARCHAR",
            "Last published build of the same feed, which the guards compared with; NULL for a first.",
            "Compared with", nullable=True,
        ),
        Column(
            "guards_fired", "VARCHAR",
            "What the guards found against publishing, sentences with '; ' between; empty when nothing.",
            "Guards fired",
        ),
        Column(
            "is_forced", "BOOLEAN", "Whether the refresh was told to publish whatever the guards find.",
            "Forced",
        ),
        *(
            column
            for stage, what in (
                ("etl", "the cleaning stage"),
                ("training", "the training stage"),
                ("backtest", "the backtest, 0 where it was left out"),
            )
            for column in (
                Column(
                    f"{stage}_seconds", "DOUBLE", f"Wall time of {what}.", f"Seconds, {stage}",
                    unit="s", minimum=0,
                ),
                Column(
                    f"{stage}_peak_memory_mib", "DOUBLE",
                    f"Highest resident memory of the process up to the end of {what}.",
                    f"Peak memory, {stage}", unit="MiB", minimum=0,
                ),
            )
        ),
        DATA_SOURCE,
    ),
)

BUILD_CHANGE_TABLE = Table(
    "build_change",
    "What changed since the last published build of the same feed; what stayed the same is left out.",
    "subject and item; empty for the first build of a feed",
    ("subject", "item"),
    (
        Column(
            "subject", "VARCHAR",
            "What is compared: incidents that occurred in a month, crimes expected in a neighborhood"
            " over the twelve forecast months, a score of the newest backtest.", "Subject",
            allowed=("incidents by month", "forecast by neighborhood", "backtest score"),
        ),
        Column(
            "item", "VARCHAR",
            "Month as YYYY-MM, neighborhood, or model, metric, grain and horizon of the score.", "Item",
        ),
        Column(
            "before", "DOUBLE", "Value in the earlier build; NULL where that has no such item.",
            "Before", nullable=True,
        ),
        Column(
            "after", "DOUBLE", "Value in this build; NULL where this has no such item.", "After",
            nullable=True,
        ),
        Column("compared_build_id", "VARCHAR", "The earlier build.", "Compared with"),
        DATA_SOURCE,
    ),
)

DATA_DICTIONARY_TABLE = Table(
    "data_dictionary",
    "What every column of every table means.",
    "table and column",
    ("table_name", "column_name"),
    (
        Column("table_name", "VARCHAR", "Table.", "Table"),
        Column("column_name", "VARCHAR", "Column.", "Column"),
        Column("position", "INTEGER", "Position in the table, from 1.", "Position", minimum=1),
        Column("type", "VARCHAR", "DuckDB type.", "Type"),
        Column("label", "VARCHAR", "Caption for people.", "Label"),
        Column("description", "VARCHAR", "What the column holds.", "Description"),
        Column("unit", "VARCHAR", "Unit; NULL where there is none.", "Unit", nullable=True),
        Column("is_key", "BOOLEAN", "Whether the column is part of the key.", "Key"),
        Column("is_nullable", "BOOLEAN", "Whether NULL is allowed.", "Nullable"),
        Column(
            "value_range", "VARCHAR", "Smallest and largest, or the allowed values; NULL if free.",
            "Range", nullable=True,
        ),
        Column(
            "reference", "VARCHAR", "Column it refers to; NULL where there is none.", "Reference",
            nullable=True,
        ),
        Column("table_description", "VARCHAR", "What the table holds.", "Table description"),
        Column("table_grain", "VARCHAR", "What one row of the table is.", "Table grain"),
    ),
)

MART_FORECAST_HOURLY_TABLE = Table(
    "mart_forecast_hourly",
    "The hourly forecast with the labels and the geography that readers want beside it.",
    "neighborhood, month and hour; complete",
    ("neighborhood", "month", "hour"),
    (
        NEIGHBORHOOD,
        NPU,
        ZONE,
        *CENTER,
        MONTH,
        MONTH_NAME,
        FORECAST_MONTH,
        HOUR,
        HOUR_LABEL,
        TIME_OF_DAY,
        EXPECTED_CRIMES,
        BASELINE_CRIMES,
        OBSERVED_RATE,
        INTENSITY,
        SUGGESTED_PATROL,
        *PATROL_DECISION,
        *PATROL_SHARES,
        SUPPORT,
        DATA_SOURCE,
    ),
    is_mart=True,
)

MART_YEARLY_TREND_TABLE = Table(
    "mart_yearly_trend",
    "Incidents by month and offense category; observed_days below month_days marks a partial month.",
    "month, offense category and crime against; complete over observed months",
    ("month_start", "offense_category", "crime_against"),
    (
        MONTH_START,
        YEAR,
        MONTH,
        MONTH_NAME,
        OFFENSE_CATEGORY,
        CRIME_AGAINST,
        INCIDENT_COUNT,
        INCIDENTS_PER_DAY,
        count_observed_days("the month"),
        Column(
            "month_days", "INTEGER", "Calendar days of the month.", "Days of the month",
            unit="days", minimum=28, maximum=31,
        ),
        DATA_SOURCE,
    ),
    is_mart=True,
)

MART_NEIGHBORHOOD_DENSITY_TABLE = Table(
    "mart_neighborhood_density",
    "Incidents by neighborhood, with its centre for a map.",
    "neighborhood, year and offense category; complete over observed years",
    ("neighborhood", "year", "offense_category"),
    (
        NEIGHBORHOOD,
        NPU,
        ZONE,
        *CENTER,
        YEAR,
        OFFENSE_CATEGORY,
        INCIDENT_COUNT,
        INCIDENTS_PER_DAY,
        count_observed_days("the year"),
        DATA_SOURCE,
    ),
    is_mart=True,
)

MART_ZONE_DISTRIBUTION_TABLE = Table(
    "mart_zone_distribution",
    "Incidents by zone and its share of the city's; the zone is the incident's own, not its"
    " neighborhood's. Empty where no incident has one.",
    "zone, year and offense category; complete over observed years",
    ("zone", "year", "offense_category"),
    (
        ZONE,
        YEAR,
        OFFENSE_CATEGORY,
        INCIDENT_COUNT,
        INCIDENTS_PER_DAY,
        Column(
            "city_share", "DOUBLE",
            "Share of the city's incidents of that year and category; NULL where the city had none.",
            "Share of city", nullable=True, minimum=0, maximum=1,
        ),
        count_observed_days("the year"),
        DATA_SOURCE,
    ),
    is_mart=True,
)

MART_TIME_OF_DAY_TABLE = Table(
    "mart_time_of_day",
    "Incidents by weekday and clock hour of their earliest time, with the exposure that rates need.",
    "weekday and hour; complete",
    ("iso_weekday", "hour"),
    (
        ISO_WEEKDAY,
        WEEKDAY_NAME,
        HOUR,
        HOUR_LABEL,
        TIME_OF_DAY,
        INCIDENT_COUNT,
        Column(
            "incidents_per_hour", "DOUBLE",
            "Incidents per observed clock hour; NULL where there is none.", "Incidents per hour",
            unit="incidents per hour", nullable=True, minimum=0,
        ),
        count_observed_days("that weekday", minimum=0),
        Column(
            "observed_hours", "BIGINT",
            "Clock hours behind the count: one a day, but none at hour 2 of a spring clock change and"
            " two at hour 1 of an autumn one.", "Observed hours", unit="hours", minimum=0,
        ),
        DATA_SOURCE,
    ),
    is_mart=True,
)

MART_INCIDENT_EXPLORER_TABLE = Table(
    "mart_incident_explorer",
    "Every incident with year, month, weekday and hour ready-made for filters.",
    "reported offense",
    ("incident_id",),
    (
        *(c for c in INCIDENT_TABLE.columns if c not in (RAW_FILE, DATA_SOURCE)),
        YEAR,
        MONTH_START,
        MONTH,
        MONTH_NAME,
        ISO_WEEKDAY,
        WEEKDAY_NAME,
        HOUR,
        HOUR_LABEL,
        DATA_SOURCE,
    ),
    is_mart=True,
    is_view=True,
)

MART_PATROL_PLAN_TABLE = Table(
    "mart_patrol_plan",
    "Expected crimes and the suggested patrol, by time of day.",
    "neighborhood, month and time of day; complete",
    ("neighborhood", "month", "time_of_day"),
    (
        NEIGHBORHOOD,
        NPU,
        ZONE,
        *CENTER,
        MONTH,
        MONTH_NAME,
        FORECAST_MONTH,
        TIME_OF_DAY,
        Column(
            "expected_daily_crimes", "DOUBLE",
            "Expected crimes within that time of day, on an average day of that month.",
            "Expected daily crimes", unit="crimes per day", minimum=0,
        ),
        replace(
            SUGGESTED_PATROL,
            description="Patrol type that is suggested in the hours with most of the expected crimes of"
            " that time of day.",
        ),
        PATROL_DECISION[0],
        *PATROL_SHARES,
        DATA_SOURCE,
    ),
    is_mart=True,
)

MART_MODEL_QUALITY_TABLE = Table(
    "mart_model_quality",
    "The backtest in plain words, each score beside that of the model it is held against.",
    "model, origin, horizon, grain and metric; empty where the backtest was left out",
    BACKTEST_SCORE_TABLE.key,
    (
        *(c for c in BACKTEST_SCORE_TABLE.columns if c != DATA_SOURCE),
        Column("metric_label", "VARCHAR", "The metric in plain words.", "Metric in words"),
        Column(
            "is_lower_better", "BOOLEAN",
            "Whether lower is better; NULL where nearest to target_value is best, or nothing is.",
            "Lower is better", nullable=True,
        ),
        Column(
            "target_value", "DOUBLE", "Value of a perfect forecast; NULL where there is no such value.",
            "Target", nullable=True,
        ),
        Column(
            "reference_model", "VARCHAR",
            "Simple model that the score is held against; NULL where there is none.",
            "Reference model", nullable=True,
        ),
        Column(
            "reference_value", "DOUBLE",
            "The reference model's score at the same origin, horizon and grain; NULL where it has none.",
            "Reference value", nullable=True,
        ),
        DATA_SOURCE,
    ),
    is_mart=True,
)

FEED_HEALTH_TABLE = Table(
    "feed_health",
    "What the raw files and their months look like: gaps, breaks in level, missing values.",
    "finding: check, subject and month",
    ("health_check", "subject", "month_start"),
    (
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
            " level_break: incidents per observed day in the six months from that month on.",
            "Value", minimum=0,
        ),
        Column(
            "expected_value", "DOUBLE",
            "missing_share, midnight_share: share above which there is a warning; missing_month:"
            " days of the month; level_break: incidents per observed day in the six months before;"
            " NULL for monthly_incidents.", "Expected value", nullable=True, minimum=0,
        ),
        Column("is_warning", "BOOLEAN", "Whether the refresh warns of it.", "Warning"),
        Column("detail", "VARCHAR", "The finding as a sentence.", "Detail"),
        DATA_SOURCE,
    ),
)

REPORT_DELAY_TABLE = Table(
    "report_delay",
    "How late offenses are reported, over incidents whose later reports had 180 days to come in.",
    "whole days of delay from 0 to 180, complete; empty where no incident is old enough",
    ("delay_days",),
    (
        Column(
            "delay_days", "INTEGER",
            "Calendar days from the end of the occurrence to the report; 180 stands for 180 and"
            " more.", "Delay", unit="days", minimum=0, maximum=180,
        ),
        Column(
            "incidents", "BIGINT",
            "Incidents with that delay; those whose report date was replaced are left out.",
            "Incidents", minimum=0,
        ),
        Column(
            "cumulative_share", "DOUBLE", "Share of the incidents reported by that day.",
            "Reported by then", minimum=0, maximum=1,
        ),
        DATA_SOURCE,
    ),
)

TABLES = (
    OFFENSE_TABLE,
    RAW_FILE_TABLE,
    REJECTED_INCIDENT_TABLE,
    REPAIRED_INCIDENT_TABLE,
    CALENDAR_TABLE,
    HOLIDAY_TABLE,
    NEIGHBORHOOD_TABLE,
    INCIDENT_TABLE,
    FORECAST_HOURLY_TABLE,
    FORECAST_HOURLY_WEEKDAY_TABLE,
    FORECAST_CATEGORY_TABLE,
    AVERAGE_DAILY_TABLE,
    BACKTEST_SCORE_TABLE,
    MODEL_CARD_TABLE,
    FEED_HEALTH_TABLE,
    REPORT_DELAY_TABLE,
    MART_FORECAST_HOURLY_TABLE,
    MART_PATROL_PLAN_TABLE,
    MART_YEARLY_TREND_TABLE,
    MART_NEIGHBORHOOD_DENSITY_TABLE,
    MART_ZONE_DISTRIBUTION_TABLE,
    MART_TIME_OF_DAY_TABLE,
    MART_INCIDENT_EXPLORER_TABLE,
    MART_MODEL_QUALITY_TABLE,
    BUILD_CHANGE_TABLE,
    REFRESH_RUN_TABLE,
    DATA_DICTIONARY_TABLE,
)
