"""Feed health: what is missing, where coverage or the level breaks, how late reports come.

Input: `staged`, `repaired`, `incident` and `calendar` of a build that is being cleaned. Output:
`feed_health` and `report_delay`, filled, and the sentences to warn with.
"""

import numpy as np
import pandas as pd

from etl.level_breaks import LevelBreak, find_breaks
from etl.raw_file import RawFile
from warehouse.build import Build
from warehouse.columns import ALL_INCIDENTS
from warehouse.months import select_month_number, start_month
from warehouse.settings import MAX_DELAY_DAYS, MAX_MISSING_SHARE
from warehouse.tables_clean import FEED_HEALTH_TABLE, REPORT_DELAY_TABLE

MAX_MIDNIGHT_SHARE = 0.05
"""Exact midnights are 1-4 % of the department's COBRA files; more means that midnight stands for
a time that was not known."""


STAGED_FIELDS = (
    "report_number", "reported", "occurred", "occurred_until", "nibrs_code", "beat", "zone",
    "neighborhood", "npu", "latitude", "longitude", "location_type", "firearm_involved",
)  # fmt: skip

# A sparse column is already blanked in `staged`: what was missing before comes with the file. A name
# that was recovered from a polygon, or made up, was missing.
MISSING_SHARE_SELECT = f"""
WITH counted AS (
    SELECT file_number,
           {", ".join(f"1 - count({name}) / count(*) AS {name}" for name in STAGED_FIELDS)}
    FROM (SELECT * REPLACE (
              CASE WHEN NOT (is_recovered OR is_outside) THEN neighborhood END AS neighborhood)
          FROM staged)
    GROUP BY file_number
), share AS (
    UNPIVOT counted ON {", ".join(STAGED_FIELDS)} INTO NAME field VALUE share_staged
), named AS (
    SELECT raw_file || ':' || column_name AS subject,
           coalesce(nullif(share_before, 'NaN'::DOUBLE), share_staged) AS value
    FROM file_field JOIN share USING (file_number, field)
)
SELECT 'missing_share' AS health_check, subject, NULL::DATE AS month_start, value,
       {MAX_MISSING_SHARE} AS expected_value, value > {MAX_MISSING_SHARE} AS is_warning,
       format('{{}} is missing in {{:.1f}} % of the rows', subject, 100 * value) AS detail
FROM named
"""

MIDNIGHT_SHARE_SELECT = f"""
WITH counted AS (
    SELECT raw_file AS subject, count(*) FILTER (occurred = date_trunc('day', occurred))
                              / count(*) AS value
    FROM staged JOIN (SELECT DISTINCT file_number, raw_file FROM file_field) USING (file_number)
    WHERE occurred IS NOT NULL GROUP BY raw_file
)
SELECT 'midnight_share' AS health_check, subject, NULL::DATE AS month_start, value,
       {MAX_MIDNIGHT_SHARE} AS expected_value, value > {MAX_MIDNIGHT_SHARE} AS is_warning,
       format('{{}}: {{:.1f}} % of the times of occurrence are exactly midnight', subject, 100 * value)
           AS detail
FROM counted
"""

# The grid is complete: a month without such incidents counts 0, which is what a series that ends has.
MONTHLY_VOLUME = f"""
CREATE TEMP TABLE monthly_volume AS
WITH observed AS (
    SELECT date_trunc('month', calendar_date)::DATE AS month_start, count(*) AS days
    FROM calendar GROUP BY ALL
), counted AS (
    SELECT date_trunc('month', occurred_at)::DATE AS month_start, crime_against, count(*) AS incidents
    FROM incident GROUP BY ALL
), named AS (
    SELECT month_start, crime_against AS subject, incidents FROM counted
    UNION ALL
    SELECT month_start, '{ALL_INCIDENTS}', sum(incidents) FROM counted GROUP BY month_start
)
SELECT subject, month_start, days, coalesce(incidents, 0)::BIGINT AS incidents
FROM observed CROSS JOIN (SELECT DISTINCT subject FROM named)
     LEFT JOIN named USING (subject, month_start)
"""

MONTHLY_INCIDENTS_SELECT = """
SELECT 'monthly_incidents' AS health_check, subject, month_start, incidents::DOUBLE AS value,
       NULL::DOUBLE AS expected_value, false AS is_warning,
       format('{}, {}: {} incidents on {} observed days', subject,
              strftime(month_start, '%Y-%m'), incidents, days) AS detail
FROM monthly_volume
"""

# A month belongs to the file that most of its incidents are from.
FILE_CHANGE_SELECT = f"""
WITH month_file AS (
    SELECT {select_month_number("occurred_at")} AS month_number, raw_file, count(*) AS incidents
    FROM incident GROUP BY ALL
), main_file AS (
    SELECT month_number, arg_max(raw_file, (incidents, raw_file)) AS raw_file
    FROM month_file GROUP BY month_number
), followed AS (
    SELECT *, lag(raw_file) OVER (ORDER BY month_number) AS file_before FROM main_file
)
SELECT month_number, file_before, raw_file FROM followed WHERE raw_file <> file_before
"""

MISSING_MONTH_SELECT = f"""
WITH month AS (
    SELECT unnest(generate_series(
        date_trunc('month', min(calendar_date)), max(calendar_date), INTERVAL 1 MONTH))::DATE
        AS month_start
    FROM calendar
), gap_month AS (
    SELECT month_start, month_start - to_months(row_number() OVER (ORDER BY month_start)::INTEGER)
           AS gap
    FROM month ANTI JOIN monthly_volume USING (month_start)
), gap AS (
    SELECT month_start, strftime(min(month_start) OVER (PARTITION BY gap), '%Y-%m') AS first_month,
           strftime(max(month_start) OVER (PARTITION BY gap), '%Y-%m') AS last_month
    FROM gap_month
)
SELECT 'missing_month' AS health_check, '{ALL_INCIDENTS}' AS subject, month_start,
       0.0::DOUBLE AS value, day(last_day(month_start))::DOUBLE AS expected_value,
       true AS is_warning,
       CASE WHEN first_month = last_month THEN first_month || ' is not covered by any file'
            ELSE first_month || ' to ' || last_month || ' are not covered by any file' END AS detail
FROM gap
"""

# Each file, or run of files, ends somewhere: what was reported later is not in the build. So an
# incident counts only if the `MAX_DELAY_DAYS` days after it are covered without a pause. A replaced
# report date says nothing; a report from before the latest time of occurrence came without delay.
REPORT_DELAY_SELECT = f"""
WITH stretch AS (
    SELECT calendar_date,
           calendar_date - row_number() OVER (ORDER BY calendar_date)::INTEGER AS stretch
    FROM calendar
), old_day AS (
    SELECT calendar_date FROM stretch
    QUALIFY calendar_date + {MAX_DELAY_DAYS} <= max(calendar_date) OVER (PARTITION BY stretch)
), measured AS (
    SELECT least(greatest(reported_at::DATE - until::DATE, 0), {MAX_DELAY_DAYS})
           AS delay_days, count(*) AS incidents
    FROM repaired JOIN old_day ON calendar_date = until::DATE
    WHERE NOT report_date_replaced GROUP BY ALL
)
SELECT delay_days::INTEGER AS delay_days, coalesce(incidents, 0)::BIGINT AS incident_count,
       sum(coalesce(incidents, 0)) OVER (ORDER BY delay_days)
           / (SELECT sum(incidents) FROM measured) AS cumulative_share
FROM range({MAX_DELAY_DAYS + 1}) AS day(delay_days) LEFT JOIN measured USING (delay_days)
WHERE EXISTS (SELECT 1 FROM measured)
"""

FINDINGS_SELECT = f"""
SELECT row_number() OVER (ORDER BY health_check, subject, month_start NULLS FIRST)::INTEGER
       AS finding_number, *
FROM (({MISSING_SHARE_SELECT}) UNION ALL ({MIDNIGHT_SHARE_SELECT})
      UNION ALL ({MONTHLY_INCIDENTS_SELECT}) UNION ALL ({MISSING_MONTH_SELECT})
      UNION ALL SELECT health_check::VARCHAR, subject::VARCHAR, month_start::DATE, value::DOUBLE,
                       expected_value::DOUBLE, is_warning::BOOLEAN, detail::VARCHAR FROM level_break)
"""

# Nothing is said twice: a column that was left out is in the ledger already, a missing month in the
# warning of its gap.
WARNINGS_SELECT = """
SELECT detail FROM feed_health
WHERE is_warning AND health_check <> 'missing_month' AND subject NOT IN (
    SELECT raw_file || ':' || unnest(string_split(columns_left_out, ', ')) FROM raw_file)
ORDER BY month_start NULLS FIRST, health_check, subject
"""


def fill_health(build: Build, files: list[RawFile]) -> list[str]:
    """Fill `feed_health` and `report_delay`; return the warnings, one per break or column."""
    build.connection.register("file_field", list_file_fields(files))
    build.connection.execute(MONTHLY_VOLUME)
    build.connection.register("level_break", list_level_breaks(build))
    build.insert(FEED_HEALTH_TABLE, FINDINGS_SELECT)
    build.insert(REPORT_DELAY_TABLE, REPORT_DELAY_SELECT)
    return [str(detail) for (detail,) in build.connection.execute(WARNINGS_SELECT).fetchall()]


def list_file_fields(files: list[RawFile]) -> pd.DataFrame:
    """Return a row per file and field that it has: its column, and its missing share if measured."""
    return pd.DataFrame(
        {
            "file_number": file.number,
            "raw_file": file.path.name,
            "field": name,
            "column_name": column,
            "share_before": file.shares_missing.get(name, float("nan")),
        }
        for file in files
        for name in STAGED_FIELDS
        if (column := find_column(file, name))
    )


def find_column(file: RawFile, name: str) -> str | None:
    """Return the file's column behind a staged field, None where it has none.

    A layout without NIBRS codes has a literal for the offense instead.
    """
    fields = file.layout.fields
    return fields.get(name, fields.get("offense_literal") if name == "nibrs_code" else None)


def list_level_breaks(build: Build) -> pd.DataFrame:
    """Return the breaks of every monthly series as rows of `feed_health`.

    Every covered month is in the training window, so every break is a warning.
    """
    volume = build.connection.execute(f"""
        SELECT subject, {select_month_number("month_start")} AS month_number,
               incidents::DOUBLE AS incidents, days::DOUBLE AS days
        FROM monthly_volume ORDER BY ALL""").df()
    changes = {
        int(month): f", where {after} follows {before}"
        for month, before, after in build.connection.execute(FILE_CHANGE_SELECT).fetchall()
    }
    rows = [
        describe_break(str(subject), found, changes.get(found.month_number, ""))
        for subject, series in volume.groupby("subject")
        for found in find_breaks(
            series["month_number"].to_numpy(np.int64),
            series["incidents"].to_numpy(np.float64),
            series["days"].to_numpy(np.float64),
            frozenset(changes),
        )
    ]
    names = [c for c in FEED_HEALTH_TABLE.column_names if c not in ("finding_number", "data_source")]
    return pd.DataFrame(rows, columns=names)


def describe_break(subject: str, found: LevelBreak, change: str) -> dict[str, object]:
    """Return one row of `feed_health` for a break; `change` says which file ends there, if one does."""
    month = start_month(found.month_number)
    return {
        "health_check": "level_break",
        "subject": subject,
        "month_start": month,
        "value": found.after,
        "expected_value": found.before,
        "is_warning": True,
        "detail": f"{subject}: from {found.before:.3g} to {found.after:.3g} incidents a day since "
        f"{month:%Y-%m} ({found.months_before} months and {found.months_after} compared){change}; "
        "training across this break mixes two levels",
    }
