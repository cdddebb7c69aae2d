"""The neighborhoods of a build, and the vote of their incidents on each one's zone and NPU.

Input: `incident`, `staged`, `repaired`. Output: `neighborhood`, filled: one row per name, with the NPU
and zone that most of its recent incidents have (then most of all, then the first by name). A place
outside the named neighborhoods has the zone that it is named for, and no NPU: it lies in several.
"""

import datetime as dt

import duckdb

from warehouse.build import Build
from warehouse.settings import RECENT_YEARS
from warehouse.tables_clean import NEIGHBORHOOD_TABLE

RECENT_DAYS = 365 * RECENT_YEARS
"""Days before the cutoff whose incidents decide a neighborhood's NPU and zone: beats are redrawn."""

# All rows of a report tell the same place, also where the row with the hidden offense is rejected.
HIDDEN_REPORTS = """
CREATE OR REPLACE TEMP TABLE hidden_report AS
SELECT DISTINCT report_number FROM staged JOIN offense USING (nibrs_code)
WHERE is_location_hidden AND report_number IS NOT NULL
"""

# Medians, because a geocoder places what it cannot find at one point, far from most. Hidden places are
# left out: where there are few incidents, the centre would tell them.
CENTERS = """
CREATE OR REPLACE TEMP TABLE place_center AS
SELECT neighborhood, median(round(latitude, 3)::DECIMAL(9, 3))::DOUBLE AS latitude,
       median(round(longitude, 3)::DECIMAL(9, 3))::DOUBLE AS longitude
FROM repaired ANTI JOIN hidden_report USING (report_number)
WHERE latitude IS NOT NULL GROUP BY neighborhood
"""

NEIGHBORHOOD_SELECT = f"""
WITH place AS (
    SELECT neighborhood, any_value(place_center.latitude) AS latitude,
           any_value(place_center.longitude) AS longitude,
           count(*) AS incident_count,
           min(occurred_at) AS first_occurred, max(occurred_at) AS last_occurred
    FROM incident LEFT JOIN place_center USING (neighborhood) GROUP BY neighborhood
), vote AS (
    SELECT neighborhood, npu, zone, count(*) AS incidents,
           count(*) FILTER (occurred_at::DATE > $cutoff::DATE - {RECENT_DAYS}) AS recent
    FROM incident GROUP BY ALL
), npu_vote AS (
    SELECT neighborhood, npu FROM vote WHERE npu IS NOT NULL GROUP BY neighborhood, npu
    QUALIFY row_number() OVER (PARTITION BY neighborhood
                               ORDER BY sum(recent) DESC, sum(incidents) DESC, npu) = 1
), zone_vote AS (
    SELECT neighborhood, zone FROM vote WHERE zone IS NOT NULL GROUP BY neighborhood, zone
    QUALIFY row_number() OVER (PARTITION BY neighborhood
                               ORDER BY sum(recent) DESC, sum(incidents) DESC, zone) = 1
), other_zone AS (
    SELECT neighborhood,
           sum(recent) FILTER (vote.zone <> zone_vote.zone) / nullif(sum(recent), 0) AS share
    FROM vote JOIN zone_vote USING (neighborhood) WHERE vote.zone IS NOT NULL GROUP BY ALL
)
SELECT place.*, if(is_named OR NOT EXISTS (FROM zone_vote), npu, NULL) AS npu, zone, is_named,
       CASE WHEN zone IS NOT NULL THEN coalesce(share, 0) END AS other_zone_share
FROM place JOIN (SELECT DISTINCT neighborhood, NOT is_outside AS is_named
                 FROM staged SEMI JOIN incident USING (neighborhood)) USING (neighborhood)
     LEFT JOIN zone_vote USING (neighborhood) LEFT JOIN npu_vote USING (neighborhood)
     LEFT JOIN other_zone USING (neighborhood)
ORDER BY neighborhood
"""


def create_centers(connection: duckdb.DuckDBPyConnection) -> None:
    """Create `hidden_report`, the reports whose place is hidden, and `place_center`.

    The centre of a neighborhood is the median place of its other incidents.
    """
    connection.execute(HIDDEN_REPORTS)
    connection.execute(CENTERS)


def fill_neighborhoods(build: Build, cutoff: dt.date) -> None:
    """Fill `neighborhood`; `cutoff` is the last covered day."""
    build.insert(NEIGHBORHOOD_TABLE, NEIGHBORHOOD_SELECT, {"cutoff": cutoff})
