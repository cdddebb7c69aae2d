"""Parquet of a whole table: the same bytes for the same rows, in a folder or as a file without a name.

Input: a table of a build. Output: a file of the engine's own writer, which holds a row group at a time.
"""

import os
import tempfile
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from warehouse.errors import ShieldError
from warehouse.table import Table, quote_text


class NoRoomError(ShieldError):
    """The system's folder of temporary files cannot hold a file."""


def render_copy(table: Table, path: Path) -> str:
    """Return the statement that writes every row of a table to a file."""
    select = f"SELECT {', '.join(table.column_names)} FROM {table.name}"
    return f"COPY ({select}) TO {quote_text(str(path))} (FORMAT parquet)"


def spool_parquet(connection: sa.Connection, table: Table) -> BinaryIO:
    """Return a table's Parquet as an open file that has no name: it goes when it is closed.

    Raises `NoRoomError` where the system's folder of temporary files cannot hold it, and SQLAlchemy's
    `DBAPIError` for a table that cannot be read.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"{table.name}.parquet")
            write_parquet(connection, table, path)
            return path.open("rb")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise NoRoomError(
            f"the folder of temporary files (TMPDIR) cannot hold {table.name}.parquet: {reason}"
        ) from error


def write_parquet(connection: sa.Connection, table: Table, path: Path) -> None:
    """Write a table. Raises `OSError` for a file that cannot be written, else `DBAPIError`."""
    try:
        connection.exec_driver_sql(render_copy(table, path))
    except DBAPIError as error:
        said = str(error.orig)
        if str(path) not in said:  # it is the build that cannot be read
            raise
        raise OSError(said.rpartition(": ")[2]) from error
