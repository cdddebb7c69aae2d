"""Parquet of a whole table: the same bytes for the same rows, in a folder or as a file without a name.

Input: a table of a build. Output: a file of the engine's own writer, which holds a row group at a time.
"""

import tempfile
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from warehouse.table import Table, quote_text


def render_copy(table: Table, path: Path) -> str:
    """Return the statement that writes every row of a table to a file."""
    select = f"SELECT {', '.join(table.column_names)} FROM {table.name}"
    return f"COPY ({select}) TO {quote_text(str(path))} (FORMAT parquet)"


def spool_parquet(connection: sa.Connection, table: Table) -> BinaryIO:
    """Return a table's Parquet as an open file that has no name: it goes when it is closed.

    Raises `OSError` where the system's folder of temporary files cannot hold it, and SQLAlchemy's
    `DBAPIError` for a table that cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{table.name}.parquet")
        connection.exec_driver_sql(render_copy(table, path))
        return path.open("rb")
