"""What tests of snapshots share: the fields, and a snapshot's rows as DuckDB reads them."""

from pathlib import Path

import duckdb

from etl.layout import load_layout

FIELDS = load_layout("nibrs_portal").columns


def read_snapshot(path: Path) -> list[tuple[str, ...]]:
    """Return all rows in the order they stand in the file, every column text."""
    with duckdb.connect() as connection:
        rows = connection.execute("FROM read_parquet($path)", {"path": str(path)}).fetchall()
        types = connection.execute("DESCRIBE FROM read_parquet($path)", {"path": str(path)}).fetchall()
    assert {kind for _, kind, *_ in types} == {"VARCHAR"}
    return rows
