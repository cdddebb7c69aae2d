"""Incremental reads: the watermark and the re-read window, and how new rows join the last snapshot.

Input: the tables `fresh` (rows just read) and `previous` (the snapshot before), every column text.
Output: the table `merged`, and what differs between two tables.

Reports come late and are revised, so the watermark, the newest report date, is set back by a window of
days that are read again; rows whose report date is
missing or implausible are read again every time, because no window can hold them.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from etl.snapshot import Changes, count_rows, quote_name

MIN_REPORT_TIME = dt.datetime(2009, 1, 1, tzinfo=dt.UTC)
"""No record of the department's open data is older: the year its COBRA layer begins."""

MAX_CLOCK_SKEW = dt.timedelta(days=1)
"""How far after the moment of reading a report date is still believed: clocks differ."""


@dataclass(frozen=True)
class Window:
    """The report dates that are read again: from `start` (UTC) on, and all implausible ones."""

    field: str
    start: dt.datetime

    @property
    def inside(self) -> str:
        """The layer's condition for a row to be read again."""
        start, earliest = format_timestamp(self.start), format_timestamp(MIN_REPORT_TIME)
        return f"{self.field} >= {start} OR {self.field} < {earliest} OR {self.field} IS NULL"

    @property
    def outside(self) -> str:
        """The layer's condition for all other rows."""
        start, earliest = format_timestamp(self.start), format_timestamp(MIN_REPORT_TIME)
        return f"{self.field} >= {earliest} AND {self.field} < {start}"

    @property
    def outside_snapshot(self) -> str:
        """The same condition as `outside`, on a snapshot's epoch milliseconds; false, never NULL."""
        reported = f"TRY_CAST({quote_name(self.field)} AS BIGINT)"
        start, earliest = to_epoch(self.start), to_epoch(MIN_REPORT_TIME)
        return f"coalesce({reported} >= {earliest} AND {reported} < {start}, false)"


def format_timestamp(moment: dt.datetime) -> str:
    """Return a moment as the layer's SQL spells it, in UTC."""
    return f"TIMESTAMP '{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}'"


def to_epoch(moment: dt.datetime) -> int:
    """Return epoch milliseconds."""
    return int(moment.timestamp()) * 1000


def find_window(
    connection: duckdb.DuckDBPyConnection, field: str, fetched_at: dt.datetime, days: int
) -> Window | None:
    """Return the window that ends with the newest plausible report date of `previous`.

    It begins at midnight UTC. None when no row has a plausible report date.
    """
    found = connection.execute(
        f"SELECT max(moment) FROM (SELECT TRY_CAST({quote_name(field)} AS BIGINT) AS moment "
        "FROM previous) WHERE moment BETWEEN $earliest AND $latest",
        {"earliest": to_epoch(MIN_REPORT_TIME), "latest": to_epoch(fetched_at + MAX_CLOCK_SKEW)},
    ).fetchone()
    if found is None or found[0] is None:
        return None
    newest = dt.datetime.fromtimestamp(found[0] / 1000, dt.UTC)
    midnight = newest.replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(field, midnight - dt.timedelta(days=days))


def merge(connection: duckdb.DuckDBPyConnection, window: Window, key: Sequence[str]) -> int:
    """Create `merged` from `fresh` and what `previous` holds outside the window; return the latter.

    A row outside the window makes way for a fresh row of the same key that was not inside before:
    its report date was revised. Keys are counted, because a few offenses stand in the layer twice.
    """
    offense = render_key(key)
    outside = window.outside_snapshot
    connection.execute(f"""
        CREATE OR REPLACE TABLE merged AS
        WITH surplus AS (
            SELECT offense, sum(weight) AS rows FROM (
                SELECT {offense} AS offense, 1 AS weight FROM fresh
                UNION ALL SELECT {offense}, -1 FROM previous WHERE NOT {outside})
            GROUP BY offense
        ), kept AS (
            SELECT previous.* FROM previous LEFT JOIN surplus ON {offense} = offense
            WHERE {outside}
            QUALIFY row_number() OVER (PARTITION BY {offense}
                                       ORDER BY TRY_CAST({quote_name(window.field)} AS BIGINT) DESC)
                    > coalesce(surplus.rows, 0)
        )
        FROM fresh UNION ALL FROM kept""")
    return count_rows(connection, "merged") - count_rows(connection, "fresh")


def render_key(key: Sequence[str]) -> str:
    """Return an expression for the key that equals itself where parts are NULL."""
    return f"[{', '.join(quote_name(name) for name in key)}]"


def compare(
    connection: duckdb.DuckDBPyConnection, table: str, key: Sequence[str], object_id: str
) -> Changes:
    """Count what differs between `previous` and `table`; the object id may differ freely.

    Rows match by key, each with one other at most; a match that differs elsewhere is a revision.
    """
    offense = f"{render_key(key)} AS offense"
    matched = count_common(connection, offense, table)
    identical = count_common(connection, f"* EXCLUDE ({quote_name(object_id)})", table)
    return Changes(
        new_rows=count_rows(connection, table) - matched,
        revised_rows=matched - identical,
        vanished_rows=count_rows(connection, "previous") - matched,
    )


def count_common(connection: duckdb.DuckDBPyConnection, columns: str, table: str) -> int:
    """Return how many rows of `previous` and `table` pair up in `columns`."""
    select = f"SELECT {columns} FROM previous INTERSECT ALL SELECT {columns} FROM {table}"
    found = connection.execute(f"SELECT count(*) FROM ({select})").fetchone()
    return int(found[0]) if found else 0
