"""The repairs of rows that are kept, each by name and counted.

Input: `staged`, `rejected`. Output: the temporary view `repaired`: the rows that are kept,
repaired, with a flag per repair.
"""

from dataclasses import dataclass

import duckdb

from etl.city import City
from etl.raw_file import RawFile

MAX_WINDOW_DAYS = 92
"""A from-to window longer than a quarter of a year says nothing of when; it is cut to this."""


@dataclass(frozen=True)
class Repair:
    """One repair; `name` is also the name of its flag in `repaired`."""

    name: str
    description: str


REPAIRS = (
    Repair(
        "neighborhood_renamed",
        "An alias of the city, or a spelling that differs from the polygon's or most rows' only in case,"
        " white space, Unicode form or a final .0.",
    ),
    Repair("district_renamed", "An NPU, zone or beat whose spelling differs so, such as 3.0 for 3."),
    Repair(
        "neighborhood_recovered",
        "No neighborhood given; taken from the polygon of its place, or the only one within 100 m.",
    ),
    Repair(
        "placed_outside",
        "No neighborhood given or near; counted for the place outside the neighborhoods of its zone.",
    ),
    Repair("clock_moved", "A wall clock time that a clock change skipped, moved on by that hour."),
    Repair("window_end_replaced", "End of the occurrence missing or impossible; its start instead."),
    Repair("window_cut", f"A from-to window of over {MAX_WINDOW_DAYS} days, cut to that."),
    Repair(
        "report_date_replaced",
        "Report date missing, before the occurrence or after the day the file was read; the end of the"
        " occurrence instead.",
    ),
)


def create_repaired(
    connection: duckdb.DuckDBPyConnection, files: list[RawFile], city: City, cutoff: str
) -> None:
    """Create `repaired`. `cutoff` is the last covered day, YYYY-MM-DD.

    A report date without a clock, or at exact midnight, which says the same, is placed on its day, at
    the earliest time that is not before the end of the occurrence.
    """
    clocked = ", ".join(str(file.number) for file in files if file.layout.has_report_clock) or "-1"
    connection.execute(f"""
        CREATE TEMP VIEW repaired AS
        WITH windowed AS (
            SELECT staged.*, file_number IN ({clocked})
                       AND reported <> reported::DATE AS report_has_clock,
                   coalesce(occurred_until >= occurred
                            AND occurred_until::DATE <= DATE '{cutoff}', false) AS has_end
            FROM staged ANTI JOIN rejected USING (row_id)
        ), ended AS (
            SELECT *, CASE WHEN has_end
                THEN least(occurred_until, occurred + INTERVAL {MAX_WINDOW_DAYS} DAY)
                ELSE occurred END AS until
            FROM windowed
        ), dated AS (
            SELECT *, coalesce(
                reported BETWEEN CASE WHEN report_has_clock THEN occurred ELSE occurred::DATE END
                         AND DATE '{cutoff}' + INTERVAL 1 DAY, false) AS has_report_date
            FROM ended
        )
        SELECT *,
            CASE WHEN NOT has_report_date THEN until
                 WHEN report_has_clock THEN reported
                 WHEN until::DATE <= reported THEN greatest(reported, until)
                 ELSE reported + INTERVAL 1 DAY - INTERVAL 1 MINUTE END AS reported_at,
            raw_neighborhood IS NOT NULL AND NOT is_recovered AND NOT is_outside AS neighborhood_renamed,
            is_district_renamed AS district_renamed,
            is_recovered AS neighborhood_recovered,
            is_outside AS placed_outside,
            is_clock_moved AS clock_moved,
            NOT has_end AS window_end_replaced,
            has_end AND until < occurred_until AS window_cut,
            NOT has_report_date AS report_date_replaced
        FROM dated""")
