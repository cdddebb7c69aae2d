"""Which days the files cover: the days on which an incident would have been seen.

Enters: `staged`. Leaves: the temporary table `covered_day (calendar_date)`; its last day is the
cutoff. Nothing here asks what day it is today.
"""

import datetime as dt

import duckdb

from warehouse.errors import ShieldError

LONGEST_PAUSE_DAYS = 92
"""Report dates further apart belong to different stretches: junk years stand alone, files do not."""

# The stretch of report dates that holds the file's median report is what the file claims to cover.
# A file of reports from January to September claims those months, not the whole year.
CLAIMED_SPAN = f"""
CREATE TEMP TABLE claimed_span AS
WITH report_day AS (
    SELECT file_number, reported::DATE AS day, count(*) AS reports
    FROM staged WHERE reported IS NOT NULL GROUP BY ALL
), stretch AS (
    SELECT *, sum(is_start::INTEGER) OVER (PARTITION BY file_number ORDER BY day) AS stretch
    FROM (
        SELECT *, coalesce(day - lag(day) OVER (PARTITION BY file_number ORDER BY day)
                           > {LONGEST_PAUSE_DAYS}, true) AS is_start
        FROM report_day
    )
)
SELECT file_number, min(day) AS first_day, max(day) AS last_day
FROM stretch GROUP BY file_number, stretch
QUALIFY row_number() OVER (PARTITION BY file_number ORDER BY sum(reports) DESC, first_day DESC) = 1
"""

COVERED_DAY = """
CREATE TEMP TABLE covered_day AS
SELECT DISTINCT unnest(generate_series(
    first_day::TIMESTAMP, last_day::TIMESTAMP, INTERVAL 1 DAY))::DATE AS calendar_date
FROM claimed_span
"""


def find_covered_days(
    connection: duckdb.DuckDBPyConnection, first: dt.date | None, last: dt.date | None
) -> None:
    """Create `covered_day` from what the files claim, within `first` to `last` where given.

    Raises `ShieldError` when no day is left.
    """
    connection.execute(CLAIMED_SPAN)
    connection.execute(COVERED_DAY)
    claimed = connection.execute(
        "SELECT min(calendar_date), max(calendar_date) FROM covered_day"
    ).fetchone()
    if claimed is None or claimed[0] is None:
        raise ShieldError("no raw row has a report date that can be read")
    connection.execute(
        "DELETE FROM covered_day WHERE calendar_date < $first OR calendar_date > $last",
        {"first": first or claimed[0], "last": last or claimed[1]},
    )
    if connection.execute("SELECT count(*) FROM covered_day").fetchone() == (0,):
        raise ShieldError(
            f"the raw files cover {claimed[0]} to {claimed[1]}: "
            f"nothing is left between {first or 'their start'} and {last or 'their end'}"
        )
