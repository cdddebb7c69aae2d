"""Tables that `models` fills: forecasts, their scores and the model card.

Input: nothing. Output: declarations, listed in `warehouse.schema`.
"""

from dataclasses import replace
from itertools import pairwise

from warehouse.columns import (
    BASELINE_CRIMES,
    DATA_SOURCE,
    EXPECTED_CRIMES,
    EXPECTED_REPORTED_CRIMES,
    EXPECTED_REPORTED_DAILY,
    FORECAST_MONTH,
    HOUR,
    INTENSITY,
    INTENSITY_LOCAL,
    ISO_WEEKDAY,
    MONTH,
    NEIGHBORHOOD,
    OBSERVED_RATE,
    PATROL_DECISION,
    PATROL_SHARES,
    SUGGESTED_PATROL,
    SUPPORT,
    UNKNOWN_ZONE,
    ZONE,
)
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.table import Column, Reconciliation, Table, differ, exceed

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

INTERVALS = (
    *(("month", level, "the forecast month's count") for level in INTERVAL_LEVELS),
    ("day", INTERVAL_LEVELS[0], "one day's count"),
)
"""The prediction intervals: grain, level in percent, and of what."""

EXPECTED_MONTH = Column(
    "expected_month_crimes", "DOUBLE", "Expected crimes in the forecast month.",
    "Expected month crimes", unit="crimes", minimum=0, aggregation="sum",
)

UNSOUND_MONTHS = (
    *(f"month_lower_{level} > month_upper_{level}" for level in INTERVAL_LEVELS),
    *(f"month_lower_{wide} > month_lower_{narrow}" for narrow, wide in pairwise(INTERVAL_LEVELS)),
    *(f"month_upper_{wide} < month_upper_{narrow}" for narrow, wide in pairwise(INTERVAL_LEVELS)),
)
UNSOUND_DAYS = f"day_lower_{INTERVAL_LEVELS[0]} > day_upper_{INTERVAL_LEVELS[0]}"
"""What may not be of a month's and of a day's, as SQL conditions; `INTERVAL_LEVELS` ascend."""


def list_interval_columns(grains: tuple[str, ...]) -> tuple[Column, ...]:
    """Return the columns of the prediction intervals of some grains."""
    return tuple(
        Column(
            f"{grain}_{end}_{level}", "DOUBLE",
            f"{end.title()} end of the {level} % prediction interval of {what}; lower and upper end"
            " are both 0 where almost nothing is expected.",
            f"{grain.title()}, {end} {level} %", unit="crimes", minimum=0,
            aggregation="minimum" if end == "lower" else "maximum",
        )
        for grain, level, what in INTERVALS if grain in grains
        for end in ("lower", "upper")
    )


FORECAST_HOURLY_TABLE = Table(
    "forecast_hourly",
    "Expected crimes and patrol type per clock hour on an average day of the next such month.",
    "neighborhood, month and hour",
    ("neighborhood", "month", "hour"),
    (
        NEIGHBORHOOD,
        MONTH,
        HOUR,
        FORECAST_MONTH,
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
    is_complete=True,
    reconciliations=(
        Reconciliation("patrol shares do not add up to 1", f"""
            SELECT count(*) FROM forecast_hourly
            WHERE {differ(" + ".join(column.name for column in PATROL_SHARES), "1")}"""),
        Reconciliation("forecast_hourly expects more reported crimes than crimes", f"""
            SELECT count(*) FROM forecast_hourly
            WHERE {exceed("expected_reported_crimes", "expected_crimes")}"""),
    ),
)

FORECAST_HOURLY_WEEKDAY_TABLE = Table(
    "forecast_hourly_weekday",
    "Expected crimes per clock hour on an average Monday, Tuesday and so on of the forecast month.",
    "neighborhood, month, weekday and hour",
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
        EXPECTED_REPORTED_CRIMES,
        DATA_SOURCE,
    ),
    is_complete=True,
    reconciliations=(
        Reconciliation("forecast_hourly is not the mean of its weekdays", f"""
            SELECT count(*) FROM forecast_hourly JOIN (
                SELECT neighborhood, month, hour,
                       sum(expected_crimes * exposure_days) / sum(exposure_days) AS mean,
                       sum(expected_reported_crimes * exposure_days) / sum(exposure_days) AS reported
                FROM forecast_hourly_weekday GROUP BY ALL
            ) USING (neighborhood, month, hour)
            WHERE {differ("expected_crimes", "mean")}
               OR {differ("expected_reported_crimes", "reported")}"""),
        Reconciliation("forecast_hourly_weekday expects more reported crimes than crimes", f"""
            SELECT count(*) FROM forecast_hourly_weekday
            WHERE {exceed("expected_reported_crimes", "expected_crimes")}"""),
    ),
)

AVERAGE_DAILY_TABLE = Table(
    "average_daily",
    "Observed and expected crimes per day, and the expected month with its prediction intervals.",
    "neighborhood and month",
    ("neighborhood", "month"),
    (
        NEIGHBORHOOD,
        MONTH,
        FORECAST_MONTH,
        Column(
            "average_daily_crime_count", "DOUBLE",
            "Observed crimes per observed calendar day; NULL where the month was never observed.",
            "Average daily crime count", unit="crimes per day", nullable=True, minimum=0,
            aggregation="sum",
        ),
        Column(
            "observed_days", "BIGINT", "Calendar days of that month in the data.", "Observed days",
            unit="days", minimum=0, aggregation="maximum",
        ),
        Column(
            "observed_crimes", "BIGINT", "Number of crimes observed on those days.",
            "Observed crimes (count)", unit="crimes", minimum=0, aggregation="sum",
        ),
        Column(
            "expected_daily_crimes", "DOUBLE",
            "Expected crimes on an average day: the sum of forecast_hourly over its 24 hours.",
            "Expected daily crimes", unit="crimes per day", minimum=0, aggregation="sum",
        ),
        EXPECTED_MONTH,
        EXPECTED_REPORTED_DAILY,
        Column(
            "expected_reported_month_crimes", "DOUBLE",
            "The part of expected_month_crimes that the public reports.",
            "Expected reported month crimes", unit="crimes", minimum=0, aggregation="sum",
        ),
        *list_interval_columns(("month", "day")),
        DATA_SOURCE,
    ),
    is_complete=True,
    reconciliations=(
        Reconciliation("expected_daily_crimes is not the sum of its hours", f"""
            SELECT count(*) FROM average_daily JOIN (
                SELECT neighborhood, month, sum(expected_crimes) AS hours,
                       sum(expected_reported_crimes) AS reported
                FROM forecast_hourly GROUP BY ALL
            ) USING (neighborhood, month)
            WHERE {differ("expected_daily_crimes", "hours")}
               OR {differ("expected_reported_daily_crimes", "reported")}"""),
        Reconciliation("expected_month_crimes is not the expected day times the days of the month", f"""
            SELECT count(*) FROM (
                SELECT expected_month_crimes, expected_reported_month_crimes,
                       expected_daily_crimes * day(last_day(forecast_month)) AS days,
                       expected_reported_daily_crimes * day(last_day(forecast_month)) AS reported
                FROM average_daily
            ) WHERE {differ("expected_month_crimes", "days")}
                 OR {differ("expected_reported_month_crimes", "reported")}"""),
        Reconciliation(
            "an interval of average_daily ends before it begins, or reaches beyond a wider one",
            f"SELECT count(*) FROM average_daily WHERE {' OR '.join((*UNSOUND_MONTHS, UNSOUND_DAYS))}",
        ),
    ),
)

FORECAST_ZONE_TABLE = Table(
    "forecast_zone",
    "Expected crimes of a forecast month in all places of one zone, with prediction intervals.",
    "zone of the neighborhood and month",
    ("zone", "month"),
    (
        replace(ZONE, description=f"Zone of the places, or '{UNKNOWN_ZONE}'.", nullable=False),
        MONTH,
        FORECAST_MONTH,
        replace(
            EXPECTED_MONTH,
            description="Expected crimes in the forecast month: the sum over its places.",
        ),
        *list_interval_columns(("month",)),
        DATA_SOURCE,
    ),
    empty_where="no place has a zone",
    reconciliations=(
        Reconciliation("forecast_zone is not the sum of average_daily over the places of each", f"""
            SELECT count(*) FROM (
                SELECT coalesce(zone, '{UNKNOWN_ZONE}') AS zone, month,
                       sum(expected_month_crimes) AS places
                FROM average_daily JOIN neighborhood USING (neighborhood)
                WHERE EXISTS (FROM neighborhood WHERE zone IS NOT NULL) GROUP BY ALL
            ) FULL JOIN forecast_zone USING (zone, month)
            WHERE coalesce({differ("expected_month_crimes", "places")}, true)"""),
        Reconciliation(
            "an interval of forecast_zone ends before it begins, or reaches beyond a wider one",
            f"SELECT count(*) FROM forecast_zone WHERE {' OR '.join(UNSOUND_MONTHS)}",
        ),
    ),
)

FORECAST_CITY_TABLE = Table(
    "forecast_city",
    "Expected crimes of a forecast month in the whole city, with prediction intervals. These are wider"
    " than independent neighborhoods would make them: what moves the city moves all of them.",
    "month",
    ("month",),
    (
        MONTH,
        FORECAST_MONTH,
        replace(
            EXPECTED_MONTH,
            description="Expected crimes in the forecast month: the sum over all places.",
        ),
        *list_interval_columns(("month",)),
        DATA_SOURCE,
    ),
    is_complete=True,
    reconciliations=(
        Reconciliation("forecast_city is not the sum of average_daily", f"""
            SELECT count(*) FROM forecast_city JOIN (
                SELECT month, sum(expected_month_crimes) AS places FROM average_daily GROUP BY ALL
            ) USING (month)
            WHERE {differ("expected_month_crimes", "places")}"""),
        Reconciliation(
            "an interval of forecast_city ends before it begins, or reaches beyond a wider one",
            f"SELECT count(*) FROM forecast_city WHERE {' OR '.join(UNSOUND_MONTHS)}",
        ),
    ),
)

METRIC_READING = (
    Column("metric_label", "VARCHAR", "The metric in plain words.", "Metric in words"),
    Column("metric_family", "VARCHAR", "The metric without its level.", "Metric family"),
    Column(
        "metric_level", "INTEGER", "Level of the interval or share of the cells; NULL without one.",
        "Metric level", unit="percent", nullable=True, minimum=1, maximum=99,
    ),
    Column(
        "unit", "VARCHAR", "Unit of the value; NULL where it has none.", "Unit of the value",
        nullable=True,
    ),
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
        "Simple model that the score is compared with; NULL where there is none.",
        "Reference model", nullable=True,
    ),
)
"""How to read a metric; `mart_model_quality` has the same columns."""

SCORE_METRIC_TABLE = Table(
    "score_metric",
    "The metrics that a backtest may hold, and how to read each.",
    "metric",
    ("metric",),
    (
        Column("metric", "VARCHAR", "Name of the metric.", "Metric"),
        *METRIC_READING,
        DATA_SOURCE,
    ),
)

BACKTEST_ORIGIN_TABLE = Table(
    "backtest_origin",
    "The past origins that backtest_score holds, and which build computed the scores of each. Scores are"
    " taken over from the last build where nothing changed that they follow from.",
    "origin; empty where the backtest was left out",
    ("origin",),
    (
        Column("origin", "DATE", "First day that the models did not know.", "Origin"),
        Column(
            "input_hash", "VARCHAR",
            "Hash of the data before the origin, the months scored after it, the source of the models"
            " and the versions of their libraries.", "Hash of the inputs",
        ),
        Column(
            "is_reused", "BOOLEAN", "Whether the scores were taken over from the last build.", "Reused",
        ),
        Column(
            "computed_build_id", "VARCHAR",
            "Earlier build that computed the scores; NULL where this build did.", "Computed by",
            nullable=True,
        ),
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation("backtest_origin has an origin without scores", """
            SELECT count(*) FROM backtest_origin ANTI JOIN backtest_score USING (origin)"""),
        Reconciliation("backtest_origin.is_reused contradicts computed_build_id", """
            SELECT count(*) FROM backtest_origin WHERE is_reused = (computed_build_id IS NULL)"""),
    ),
)

BACKTEST_SCORE_TABLE = Table(
    "backtest_score",
    "Scores of forecasts made at a past origin from data before it, on what then happened.",
    "model, origin, horizon, grain, subset and metric; empty where the backtest was left out",
    ("model", "origin", "horizon_months", "grain", "subset", "metric"),
    (
        Column("model", "VARCHAR", "Model that made the forecast.", "Model"),
        Column(
            "origin", "DATE", "First day that the model did not know.", "Origin",
            references="backtest_origin.origin",
        ),
        Column(
            "horizon_months", "INTEGER", "Months after the origin that were scored.",
            "Horizon", unit="months", minimum=1,
        ),
        Column(
            "grain", "VARCHAR",
            "Cell that was scored, or the group of hourly cells that `subset` names.", "Grain",
        ),
        Column(
            "subset", "VARCHAR",
            "Part of the cells that was scored: 'all', 'named' for the named neighborhoods where there"
            " are other places, 'reported' for the crimes that the public reports where there are"
            " others, 'common_4' for those of the four offense categories that were the commonest before"
            " the origin, the name of a district, or the tenth of the cells by expected crimes,"
            " from 1, the lowest.", "Subset",
        ),
        Column(
            "metric", "VARCHAR", "Name of the metric (see docs/adr/0003-scores.md).", "Metric",
            references="score_metric.metric",
        ),
        Column("value", "DOUBLE", "Value of the score.", "Value"),
        DATA_SOURCE,
    ),
)

MODEL_CARD_TABLE = Table(
    "model_card",
    "What the forecast is, what it was scored at, what it is for and what not.",
    "section, in order",
    ("section_number",),
    (
        Column("section_number", "INTEGER", "Place in the card, from 1.", "Section number", minimum=1),
        Column("section", "VARCHAR", "Heading.", "Section"),
        Column("text", "VARCHAR", "Text of the section, Markdown.", "Text"),
        DATA_SOURCE,
    ),
)
