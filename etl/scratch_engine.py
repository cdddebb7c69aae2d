"""The engine that tells whether a setting means something, before any row is read.

Input: a SELECT and its parameters. Output: its one value, or the engine's objection.
"""

from functools import cache

import duckdb


@cache
def ask_engine(sql: str, *parameters: str) -> object:
    """Return the one value of a SELECT: what a setting means is asked of the engine that will run it.

    Raises `duckdb.Error` with the engine's objection.
    """
    return (open_engine().execute(sql, parameters).fetchone() or (None,))[0]


@cache
def open_engine() -> duckdb.DuckDBPyConnection:
    """Return a database in memory that settings are tried in."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection
