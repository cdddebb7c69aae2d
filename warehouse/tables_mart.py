"""Marts: each is filled by the SELECT in `warehouse/sql/<name>.sql` and needs no join.

Input: nothing. Output: declarations, listed in `warehouse.schema`.
"""

from dataclasses import replace

from warehouse.columns import (
    BASELINE_CRIMES,
    CENTER,
    CRIME_AGAINST,
    DATA_SOURCE,
    EXPECTED_CRIMES,
    EXPECTED_REPORTED_CRIMES,
    EXPECTED_REPORTED_DAILY,
    FORECAST_MONTH,
    HOUR,
    HOUR_LABEL,
    INCIDENT_COUNT,
    INCIDENTS_PER_DAY,
    INTENSITY,
    INTENSITY_LOCAL,
    IS_NAMED,
    ISO_WEEKDAY,
    MONTH,
    MONTH_NAME,
    MONTH_START,
    NEIGHBORHOOD,
    NPU,
    OBSERVED_RATE,
    OFFENSE_CATEGORY,
    PATROL_DECISION,
    PATROL_SHARES,
    RAW_FILE,
    SUGGESTED_PATROL,
    SUPPORT,
    TIME_OF_DAY,
    UNKNOWN_ZONE,
    WEEKDAY_NAME,
    YEAR,
    ZONE,
    count_observed_days,
)
from warehouse.table import Column, Reconciliation, Table, differ
from warehouse.tables_clean import INCIDENT_TABLE
from warehouse.tables_forecast import BACKTEST_SCORE_TABLE, METRIC_READING

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

MONTH_DAYS = Column(
    "month_days", "INTEGER", "Calendar days of the month.", "Days of the month", unit="days",
    minimum=28, maximum=31,
)

MART_FORECAST_HOURLY_TABLE = Table(
    "mart_forecast_hourly",
    "The hourly forecast with the labels and the geography that readers want beside it.",
    "neighborhood, month and hour",
    ("neighborhood", "month", "hour"),
    (
        NEIGHBORHOOD,
        NPU,
        ZONE,
        IS_NAMED,
        *CENTER,
        MONTH,
        MONTH_NAME,
        FORECAST_MONTH,
        HOUR,
        HOUR_LABEL,
        TIME_OF_DAY,
        EXPECTED_CRIMES,
        EXPECTED_REPORTED_CRIMES,
        BASELINE_CRIMES,
        OBSERVED_RATE,
        INTENSITY,
        INTENSITY_LOCAL,
        SUGGESTED_PATROL,
        *PATROL_DECISION,
        *PATROL_SHARES,
        SUPPORT,
        DATA_SOURCE,
    ),
    is_mart=True,
    is_complete=True,
    reconciliations=(
        Reconciliation("mart_forecast_hourly does not have the rows of forecast_hourly", """
            SELECT (SELECT count(*) FROM mart_forecast_hourly)
                 - (SELECT count(*) FROM forecast_hourly)"""),
    ),
)

MART_PATROL_PLAN_TABLE = Table(
    "mart_patrol_plan",
    "Expected crimes and the suggested patrol, by time of day.",
    "neighborhood, month and time of day",
    ("neighborhood", "month", "time_of_day"),
    (
        NEIGHBORHOOD,
        NPU,
        ZONE,
        IS_NAMED,
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
        EXPECTED_REPORTED_DAILY,
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
    is_complete=True,
    reconciliations=(
        Reconciliation("mart_patrol_plan does not add up to average_daily", f"""
            SELECT count(*) FROM average_daily JOIN (
                SELECT neighborhood, month, sum(expected_daily_crimes) AS planned,
                       sum(expected_reported_daily_crimes) AS reported
                FROM mart_patrol_plan GROUP BY ALL
            ) USING (neighborhood, month)
            WHERE {differ("expected_daily_crimes", "planned")}
               OR {differ("expected_reported_daily_crimes", "reported")}"""),
    ),
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
        MONTH_DAYS,
        DATA_SOURCE,
    ),
    is_mart=True,
    counts_incidents=True,
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
        IS_NAMED,
        *CENTER,
        YEAR,
        OFFENSE_CATEGORY,
        INCIDENT_COUNT,
        INCIDENTS_PER_DAY,
        count_observed_days("the year"),
        DATA_SOURCE,
    ),
    is_mart=True,
    counts_incidents=True,
)

MART_NEIGHBORHOOD_MONTH_TABLE = Table(
    "mart_neighborhood_month",
    "Incidents by neighborhood and month; observed_days below month_days marks a partial month.",
    "neighborhood and month; complete over observed months",
    ("neighborhood", "month_start"),
    (
        NEIGHBORHOOD,
        NPU,
        ZONE,
        IS_NAMED,
        *CENTER,
        MONTH_START,
        YEAR,
        MONTH,
        MONTH_NAME,
        INCIDENT_COUNT,
        INCIDENTS_PER_DAY,
        count_observed_days("the month"),
        MONTH_DAYS,
        DATA_SOURCE,
    ),
    is_mart=True,
    counts_incidents=True,
)

MART_SIMILAR_PLACE_TABLE = Table(
    "mart_similar_place",
    "The five places most like a place in a month: of those that expect between half and twice as many"
    " crimes a day, the ones whose days have the most similar shape.",
    "neighborhood, month and rank of the similar place; fewer than five where fewer expect as much",
    ("neighborhood", "month", "similar_rank"),
    (
        NEIGHBORHOOD,
        MONTH,
        MONTH_NAME,
        FORECAST_MONTH,
        Column("similar_rank", "INTEGER", "Rank by hour_difference, 1 the most similar.",
               "Rank", minimum=1, maximum=5),
        replace(
            NEIGHBORHOOD, name="similar_neighborhood", description="The similar place.",
            label="Similar neighborhood",
        ),
        Column(
            "similar_expected_daily_crimes", "DOUBLE",
            "Expected crimes of the similar place on an average day of that month.",
            "Expected daily crimes of the similar place", unit="crimes per day", minimum=0,
        ),
        Column(
            "hour_difference", "DOUBLE",
            "Total variation distance of both average days over their hours: the share of the crimes"
            " that would have to fall in other hours.",
            "Difference of the hours", minimum=0, maximum=1,
        ),
        DATA_SOURCE,
    ),
    is_mart=True,
    empty_where="no place expects between half and twice as many crimes as another",
)

MART_ZONE_DISTRIBUTION_TABLE = Table(
    "mart_zone_distribution",
    "Incidents by zone and its share of the city's; the zone is the incident's own, not its"
    " neighborhood's.",
    "zone, year and offense category; complete over observed years",
    ("zone", "year", "offense_category"),
    (
        replace(ZONE, description=f"Zone of the incident, or '{UNKNOWN_ZONE}'.", nullable=False),
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
    empty_where="no incident has a zone",
    counts_incidents=True,
    counted_where="EXISTS (FROM incident WHERE zone IS NOT NULL)",
)

MART_TIME_OF_DAY_TABLE = Table(
    "mart_time_of_day",
    "Incidents by weekday and clock hour of their earliest time, with the exposure that rates need.",
    "weekday and hour",
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
    is_complete=True,
    counts_incidents=True,
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

MART_MODEL_QUALITY_TABLE = Table(
    "mart_model_quality",
    "The backtest in plain words, each score beside that of the model it is compared with.",
    "model, origin, horizon, grain, subset and metric; empty where the backtest was left out",
    BACKTEST_SCORE_TABLE.key,
    (
        *(c for c in BACKTEST_SCORE_TABLE.columns if c != DATA_SOURCE),
        *METRIC_READING,
        Column(
            "reference_value", "DOUBLE",
            "The reference model's score at the same origin, horizon, grain and subset; NULL where it"
            " has none.",
            "Reference value", nullable=True,
        ),
        DATA_SOURCE,
    ),
    is_mart=True,
)
