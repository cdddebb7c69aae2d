"""Tables of the track record: what a build leaves to be scored, and how what others left came out.

Input: nothing. Output: declarations, listed in `warehouse.schema`.
"""

from dataclasses import replace

from warehouse.columns import DATA_SOURCE, ZONE
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.table import Column, Reconciliation, Table, differ
from warehouse.tables_forecast import EXPECTED_MONTH, list_interval_columns

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

INTERVAL_ENDS = tuple(column.name for column in list_interval_columns(("month",)))
TRACK_METRICS = (
    "observed_crimes", "expected_crimes", "poisson_deviance", "predicted_to_actual",
    *(f"coverage_{level}" for level in INTERVAL_LEVELS), *INTERVAL_ENDS,
)
"""What `track_record` holds; the interval ends of the city only."""

GRAIN = Column(
    "grain", "VARCHAR", "What is counted: a neighborhood's month, a district's or the city's.", "Grain"
)
FORECAST_BUILD = Column(
    "forecast_build_id", "VARCHAR", "Published build that made the forecast.", "Forecast by"
)
CUTOFF = Column("cutoff", "DATE", "Last day that the forecast knew.", "Cutoff")
TARGET_MONTH = Column(
    "target_month", "DATE", "First day of the month that was forecast and has since been observed.",
    "Target month",
)
AGE = Column(
    "age_months", "INTEGER", "Months from the cutoff's month to the target month.",
    "Age of the forecast", unit="months", minimum=1, maximum=12,
)

TRACK_FORECAST_TABLE = Table(
    "track_forecast",
    "The forecast of months that this build leaves in the folder of its track record when it is"
    " published, with that of the simple reference model. Later builds score it as it is.",
    "grain, place and forecast month",
    ("grain", "place", "forecast_month"),
    (
        GRAIN,
        Column("place", "VARCHAR", "Neighborhood, district, or 'all' for the city.", "Place"),
        replace(ZONE, description="Zone of the place at that time; NULL for the city, or without any."),
        Column("forecast_month", "DATE", "First day of the month.", "Forecast month"),
        replace(EXPECTED_MONTH, description="Expected crimes in the month."),
        Column(
            "reference_month_crimes", "DOUBLE",
            "Crimes in the month that the reference model of the backtest expects.",
            "Reference month crimes", unit="crimes", minimum=0,
        ),
        *list_interval_columns(("month",)),
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation("track_forecast is not the forecast of the build", f"""
            SELECT count(*) FROM track_forecast FULL JOIN (
                SELECT 'neighborhood_month' AS grain, neighborhood AS place, forecast_month,
                       expected_month_crimes AS published FROM average_daily
                UNION ALL SELECT 'zone_month', zone, forecast_month, expected_month_crimes
                FROM forecast_zone
                UNION ALL SELECT 'city_month', 'all', forecast_month, expected_month_crimes
                FROM forecast_city
            ) USING (grain, place, forecast_month)
            WHERE coalesce({differ("expected_month_crimes", "published")}, true)"""),
    ),
)

TRACK_BUILD_TABLE = Table(
    "track_build",
    "The forecasts that earlier builds of the same feed left, and whether each could be scored.",
    "build that left a forecast",
    ("forecast_build_id",),
    (
        FORECAST_BUILD,
        replace(CUTOFF, description="Last day that the forecast knew; NULL where nothing tells it.",
                nullable=True),
        Column(
            "state", "VARCHAR",
            "Whether its file is whole, changed since it was published, or missing; only a whole one is"
            " scored.", "State", allowed=("whole", "changed", "missing"),
        ),
        Column(
            "months_scored", "INTEGER", "Forecast months that have been observed since.",
            "Months scored", unit="months", minimum=0, maximum=12,
        ),
        Column(
            "places_scored", "INTEGER",
            "Places that both the forecast and this build know, whatever the case and dashes of names.",
            "Places scored", minimum=0,
        ),
        Column(
            "places_gone", "INTEGER",
            "Places of the forecast that this build does not know; their districts are not scored.",
            "Places gone", minimum=0,
        ),
        Column(
            "places_new", "INTEGER", "Places of this build that the forecast did not know.",
            "Places new", minimum=0,
        ),
        DATA_SOURCE,
    ),
    empty_where="no earlier build of the feed left a forecast",
)

TRACK_RECORD_TABLE = Table(
    "track_record",
    "How earlier published forecasts came out, month by month, scored as they were published.",
    "forecast, target month, grain and metric",
    ("forecast_build_id", "target_month", "grain", "metric"),
    (
        replace(FORECAST_BUILD, references="track_build.forecast_build_id"),
        CUTOFF,
        TARGET_MONTH,
        AGE,
        GRAIN,
        Column(
            "metric", "VARCHAR",
            "Crimes observed and expected, Poisson deviance, predicted over actual, share of counts"
            " inside the intervals, and for the city their ends.", "Metric", allowed=TRACK_METRICS,
        ),
        Column("value", "DOUBLE", "Value of the forecast.", "Value"),
        Column(
            "reference_value", "DOUBLE",
            "Value of the reference model at the same cutoff; NULL where it has none.",
            "Value of the reference", nullable=True,
        ),
        DATA_SOURCE,
    ),
    empty_where="no forecast has met a complete month yet",
)

MART_TRACK_RECORD_TABLE = Table(
    "mart_track_record",
    "Published forecasts beside what then happened: one row for each forecast, month and grain.",
    "forecast, target month and grain",
    ("forecast_build_id", "target_month", "grain"),
    (
        FORECAST_BUILD,
        CUTOFF,
        TARGET_MONTH,
        AGE,
        GRAIN,
        Column("observed_crimes", "DOUBLE", "Crimes that happened.", "Observed crimes",
               unit="crimes", minimum=0),
        Column("expected_month_crimes", "DOUBLE", "Crimes that were forecast.", "Forecast crimes",
               unit="crimes", minimum=0),
        Column("reference_month_crimes", "DOUBLE", "Crimes that the reference model expected.",
               "Reference crimes", unit="crimes", minimum=0),
        Column(
            "predicted_to_actual", "DOUBLE", "Crimes forecast per crime observed; NULL without any.",
            "Predicted to actual", nullable=True, minimum=0,
        ),
        Column("poisson_deviance", "DOUBLE",
               "Distance of the counts from the forecast (Poisson deviance); may be summed.",
               "Poisson deviance", minimum=0),
        Column("reference_deviance", "DOUBLE",
               "Poisson deviance of the reference model; may be summed.", "Deviance of the reference",
               minimum=0),
        Column(
            "deviance_to_reference", "DOUBLE",
            "Poisson deviance as a share of the reference model's; below 1 is better; NULL for the city,"
            " whose month is one count, and where the reference has no deviance.",
            "Deviance to reference", nullable=True, minimum=0,
        ),
        *(
            Column(
                f"coverage_{level}", "DOUBLE", f"Share of counts inside their {level} % interval.",
                f"Coverage, {level} %", minimum=0, maximum=1,
            )
            for level in INTERVAL_LEVELS
        ),
        *(
            replace(column, nullable=True,
                    description=f"{column.label} interval of the city's month; NULL for other grains.")
            for column in list_interval_columns(("month",))
        ),
        DATA_SOURCE,
    ),
    is_mart=True,
    empty_where="no forecast has met a complete month yet",
)
