"""A raw file of any layout, staged: what tests of the layout language ask for."""

from pathlib import Path

import duckdb

from etl.city import City, load_city
from etl.layout import Layout
from etl.raw_file import RawFile, inspect_file
from etl.staging import stage_files

FIELDS = {"report_number": "id", "occurred": "day", "nibrs_code": "code", "neighborhood": "ward"}
"""The fewest fields that tests need, by the columns `id,day,code,ward`."""

Rows = list[tuple[object, ...]]


def make_layout(columns: str, fields: dict[str, str] | None = None, **facts: object) -> Layout:
    """Return a layout of comma-separated columns, each of them a field of `FIELDS` or of `fields`."""
    names = columns.split(",")
    known = {field: name for field, name in FIELDS.items() if name in names}
    return Layout.model_validate(
        {
            "name": "made_up",
            "columns": names,
            "fields": {**known, **(fields or {})},
            "datetime_formats": ["%Y-%m-%d"],
            **facts,
        }
    )


def stage(
    path: Path, content: str | bytes, layout: Layout, city: City | None = None
) -> tuple[RawFile, duckdb.DuckDBPyConnection]:
    """Write a file, stage it, and return it with the connection that has `staged`."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return stage_path(path, layout, city or load_city())


def stage_path(path: Path, layout: Layout, city: City) -> tuple[RawFile, duckdb.DuckDBPyConnection]:
    """Stage a file that is there."""
    file = inspect_file(path, 0, [layout], city)
    connection = duckdb.connect()
    stage_files(connection, [file], city, path.with_suffix(".scratch"))
    return file, connection


def read_staged(path: Path, content: str | bytes, layout: Layout, select: str) -> Rows:
    """Return what `staged` holds of a file, in its order."""
    _, connection = stage(path, content, layout)
    return connection.execute(f"SELECT {select} FROM staged ORDER BY row_number").fetchall()
