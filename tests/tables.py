"""Small tables for tests, written as words in columns."""

import datetime as dt

import pandas as pd

from warehouse.build import Build
from warehouse.columns import DATA_SOURCE
from warehouse.table import Table

FILLERS: dict[str, object] = {
    "VARCHAR": "x", "BIGINT": 1, "INTEGER": 1, "DOUBLE": 0.25, "BOOLEAN": False,
    "DATE": dt.date(2021, 1, 1), "TIMESTAMP": dt.datetime(2021, 1, 1),  # noqa: DTZ001  # local
}  # fmt: skip


def fill(build: Build, table: Table, text: str, **same: object) -> None:
    """Fill a table from words in columns; `-` is NULL, other columns get `same` or a filler."""
    header, *lines = [line.split() for line in text.strip().splitlines()]
    rows = [
        {
            **{c.name: FILLERS[c.type] for c in table.columns if c != DATA_SOURCE},
            **same,
            **{name: None if word == "-" else word for name, word in zip(header, line, strict=True)},
        }
        for line in lines
    ]
    build.insert_frame(table, pd.DataFrame(rows))
