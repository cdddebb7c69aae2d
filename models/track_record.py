"""The track record: what earlier published builds forecast, scored on the months complete by now.

Input: a panel, an unpublished build with its forecasts, the folder of builds. Output: `track_forecast`,
which this build leaves, and `track_build` and `track_record` on what others left. A forecast is scored
as it was published and never computed again; only what was observed may still change. Places are matched
whatever the case and the kind of dash of their names; a district is scored where all its places of then
are still known.
"""

import calendar
import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from models.base_rate import estimate_reference
from models.forecast import Forecast
from models.panel import Panel
from warehouse.build import Build
from warehouse.columns import UNKNOWN_ZONE
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.months import MONTHS, number_month, select_month_number, start_month
from warehouse.tables_track import (
    INTERVAL_ENDS,
    TRACK_BUILD_TABLE,
    TRACK_FORECAST_TABLE,
    TRACK_RECORD_TABLE,
)
from warehouse.track import WHOLE, LeftForecast, Manifest, describe_left, list_left

COMPLETE_SHARE = 0.98
"""A month is complete when so much of it is expected to be reported (chain ladder): what is still to
come is then small beside the noise of a city's month."""

# Decimals add up to the same sum in any order: the same build twice gives the same last digit.
REFERENCE_SUM = "sum(reference::DECIMAL(38, 20))::DOUBLE AS reference"
FORECAST_SELECT = f"""
WITH place AS (
    SELECT daily.*, reference, CASE WHEN EXISTS (FROM neighborhood WHERE zone IS NOT NULL)
                                    THEN coalesce(zone, '{UNKNOWN_ZONE}') END AS zone
    FROM average_daily AS daily JOIN neighborhood USING (neighborhood)
    JOIN reference_month USING (neighborhood, month)
)
SELECT 'neighborhood_month' AS grain, neighborhood AS place, zone, forecast_month,
       expected_month_crimes, reference AS reference_month_crimes, {", ".join(INTERVAL_ENDS)}
FROM place
UNION ALL
SELECT 'zone_month', zone, zone, forecast_month, area.expected_month_crimes, reference,
       {", ".join(f"area.{end}" for end in INTERVAL_ENDS)}
FROM forecast_zone AS area
JOIN (SELECT zone, month, {REFERENCE_SUM} FROM place GROUP BY ALL) USING (zone, month)
UNION ALL
SELECT 'city_month', 'all', NULL, forecast_month, area.expected_month_crimes, reference,
       {", ".join(f"area.{end}" for end in INTERVAL_ENDS)}
FROM forecast_city AS area
JOIN (SELECT month, {REFERENCE_SUM} FROM place GROUP BY ALL) USING (month)
"""

DEVIANCE = "2 * sum(if(observed > 0, observed * ln(observed / {mean}), 0) - observed + {mean})"
"""Poisson deviance as in `models.metrics.poisson_deviance`."""

SAME_PLACE = " = ".join(
    f"regexp_replace(lower(nfc_normalize({name})), '[\\x{{2010}}-\\x{{2015}}]', '-', 'g')"
    for name in ("place", "neighborhood")
)
"""Names of one place, whose case and kind of dash may differ: the rows of a feed decide them."""

# Places count where both know them, the city is all. A district is its places as they were then: where
# one of them is gone, what was observed would lack it and the forecast would not.
RECORD_SELECT = f"""
WITH forecast AS (FROM read_parquet($path)),
place AS (
    SELECT DISTINCT place, old.zone, neighborhood
    FROM forecast AS old LEFT JOIN neighborhood ON {SAME_PLACE} WHERE grain = 'neighborhood_month'
),
counted AS (
    SELECT neighborhood, date_trunc('month', occurred_at)::DATE AS forecast_month,
           count(*) AS incidents
    FROM incident GROUP BY ALL
),
cell AS (
    SELECT place, zone, neighborhood, forecast_month, coalesce(incidents, 0)::DOUBLE AS observed
    FROM place CROSS JOIN complete_month LEFT JOIN counted USING (neighborhood, forecast_month)
),
seen AS (
    SELECT 'neighborhood_month' AS grain, place, forecast_month, observed
    FROM cell WHERE neighborhood IS NOT NULL
    UNION ALL
    SELECT 'zone_month', zone, forecast_month, sum(observed)
    FROM cell GROUP BY ALL HAVING bool_and(neighborhood IS NOT NULL)
    UNION ALL
    SELECT 'city_month', 'all', forecast_month, coalesce(sum(incidents), 0)
    FROM complete_month LEFT JOIN counted USING (forecast_month) GROUP BY ALL
),
score AS (
    SELECT forecast_month AS target_month, grain, sum(observed) AS observed,
           sum(expected_month_crimes) AS expected, sum(reference_month_crimes) AS reference,
           {DEVIANCE.format(mean="expected_month_crimes")} AS deviance,
           {DEVIANCE.format(mean="reference_month_crimes")} AS reference_deviance,
           {
    ", ".join(
        f"avg((observed BETWEEN month_lower_{level} AND month_upper_{level})::INTEGER)"
        f" AS coverage_{level}"
        for level in INTERVAL_LEVELS
    )
},
           {
    ", ".join(f"any_value({end}) FILTER (grain = 'city_month') AS {end}" for end in INTERVAL_ENDS)
}
    FROM forecast JOIN seen USING (grain, place, forecast_month) GROUP BY ALL
)
SELECT $build_id AS forecast_build_id, $cutoff::DATE AS cutoff, target_month,
       {select_month_number("target_month")} - {select_month_number("$cutoff::DATE")} AS age_months,
       grain, unnest([
           {{'metric': 'observed_crimes', 'value': observed, 'reference_value': NULL}},
           {{'metric': 'expected_crimes', 'value': expected, 'reference_value': reference}},
           {{'metric': 'poisson_deviance', 'value': deviance, 'reference_value': reference_deviance}},
           {{'metric': 'predicted_to_actual', 'value': expected / nullif(observed, 0),
             'reference_value': reference / nullif(observed, 0)}},
           {
    ", ".join(
        f"{{'metric': '{name}', 'value': {name}, 'reference_value': NULL}}"
        for name in (*(f"coverage_{level}" for level in INTERVAL_LEVELS), *INTERVAL_ENDS)
    )
}
       ], recursive := true)
FROM score
"""

PLACES_SELECT = f"""
WITH old AS (
    SELECT DISTINCT place FROM read_parquet($path) WHERE grain = 'neighborhood_month'
)
SELECT count(*) FILTER (place IS NOT NULL AND neighborhood IS NOT NULL),
       count(*) FILTER (neighborhood IS NULL), count(*) FILTER (place IS NULL)
FROM old FULL JOIN neighborhood ON {SAME_PLACE}
"""


def leave_track(build: Build, forecast: Forecast, panel: Panel, cutoff: dt.date) -> None:
    """Fill `track_forecast` from the forecast tables and with the reference model's months."""
    origin = number_month(cutoff) + 1
    rates = estimate_reference(panel.before(origin), origin)
    months = rates @ forecast.days.hours.sum(axis=1).T
    rows = pd.DataFrame(months, index=panel.neighborhoods, columns=range(1, MONTHS + 1))
    reference = rows.rename_axis("neighborhood").reset_index().melt(
        "neighborhood", var_name="month", value_name="reference"
    )  # fmt: skip
    build.connection.register("reference_month", reference.astype({"month": int}))
    build.insert(TRACK_FORECAST_TABLE, FORECAST_SELECT)
    build.connection.unregister("reference_month")


def list_complete_months(panel: Panel) -> list[dt.date]:
    """Return the first days of the months that are observed in full and reported all but in full."""
    known = panel.before(panel.end)
    return [
        day
        for number, days, share in zip(
            known.month_numbers.tolist(), known.calendar_days, known.completeness, strict=True
        )
        if (day := start_month(number))
        and days == calendar.monthrange(day.year, day.month)[1]
        and share >= COMPLETE_SHARE
    ]


def score_track(build: Build, panel: Panel, builds: Path, feed: Mapping[str, str]) -> list[str]:
    """Fill `track_build` and `track_record`; return a sentence on each forecast that is not whole.

    `feed` has the values of `warehouse.track.FEED`. One whose manifest is gone or damaged tells of no
    feed: it is named whatever the feed. `build` must hold its clean tables.
    """
    files = {row[0] for row in build.connection.execute("SELECT raw_file FROM raw_file").fetchall()}
    left = [one for one in list_left(builds) if is_of_feed(one.manifest, feed, files)]
    months = pd.DataFrame({"forecast_month": pd.to_datetime(list_complete_months(panel))})
    build.connection.register("complete_month", months.astype({"forecast_month": "datetime64[s]"}))
    parts = [score_left(build, one) for one in left if one.state == WHOLE]
    scored = pd.concat(parts) if parts else pd.DataFrame(columns=["forecast_build_id", "target_month"])
    if len(scored):
        build.insert_frame(TRACK_RECORD_TABLE, scored.dropna(subset="value"))
    build.connection.unregister("complete_month")
    rows = [describe_build(build, one, scored) for one in left]
    if rows:
        build.insert_frame(TRACK_BUILD_TABLE, pd.DataFrame(rows))
    return [describe_left(one) for one in left if one.state != WHOLE]


def is_of_feed(manifest: Manifest | None, feed: Mapping[str, str], files: set[str]) -> bool:
    """Return whether a forecast may be of a feed with such `raw_file`s."""
    if manifest is None:
        return True
    is_known = feed["source_kind"] == "portal" or bool(files & set(manifest.raw_files))
    return manifest.feed == feed and is_known


def score_left(build: Build, left: LeftForecast) -> pd.DataFrame:
    """Return the rows of `track_record` on one whole forecast."""
    assert left.manifest is not None  # noqa: S101  # a whole one has it
    values = {"path": str(left.path), "build_id": left.build_id, "cutoff": left.manifest.cutoff}
    return build.connection.execute(RECORD_SELECT, values).df()


def describe_build(build: Build, left: LeftForecast, scored: pd.DataFrame) -> dict[str, object]:
    """Return the row of `track_build` on one forecast."""
    mine = scored[scored["forecast_build_id"] == left.build_id]
    places = (0, 0, 0)
    if left.state == WHOLE:
        values = {"path": str(left.path)}
        places = build.connection.execute(PLACES_SELECT, values).fetchall()[0]
    return {
        "forecast_build_id": left.build_id,
        "cutoff": left.manifest.cutoff if left.manifest else None,
        "state": left.state,
        "months_scored": mine["target_month"].nunique(),
        **dict(zip(("places_scored", "places_gone", "places_new"), places, strict=True)),
    }
