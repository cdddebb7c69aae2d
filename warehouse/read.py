"""The read side: the published build as a connection, and as SQLAlchemy Core tables.

Input: a folder of builds, or the file of a finished build. Output: a connection or an engine on it,
read-only, and one `sqlalchemy.Table` per declared table (made from the declarations; nothing is
reflected). A finished build is opened here and nowhere else.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from warehouse.errors import NoBuildError, name_build_file
from warehouse.pointer import PublishedBuild, read_pointer
from warehouse.schema import TABLES
from warehouse.table import Table, quote_text

SQLALCHEMY_TYPES: dict[str, type[sa.types.TypeEngine[Any]]] = {
    "VARCHAR": sa.String,
    "BIGINT": sa.BigInteger,
    "INTEGER": sa.Integer,
    "DOUBLE": sa.Double,
    "BOOLEAN": sa.Boolean,
    "DATE": sa.Date,
    "TIMESTAMP": sa.DateTime,
}

METADATA = sa.MetaData()


def make_core_table(table: Table) -> sa.Table:
    """Return the Core table for a declaration."""
    columns = (
        sa.Column(
            column.name,
            SQLALCHEMY_TYPES[column.type](),
            primary_key=column.name in table.key,
            nullable=column.nullable,
            comment=column.description,
        )
        for column in table.columns
    )
    return sa.Table(table.name, METADATA, *columns, comment=table.description)


CORE_TABLES = {table.name: make_core_table(table) for table in TABLES}


def open_engine(builds: Path, published: PublishedBuild) -> sa.Engine:
    """Return an engine on a build's own file; a later build never changes what it reads."""
    return sa.create_engine(f"duckdb:///{builds / published.file}", connect_args={"read_only": True})


@contextmanager
def connect_published(
    builds: Path, config: dict[str, Any] | None = None
) -> Iterator[tuple[PublishedBuild, duckdb.DuckDBPyConnection]]:
    """Open the published build; whatever is published later, the connection reads this one.

    A build that goes between the look at the pointer and the opening has been followed by others:
    the pointer is read again. Raises `NoBuildError` where there is no build that can be opened, for one
    without lineage, and for what DuckDB finds wrong while it is read.
    """
    while True:
        published = read_pointer(builds)
        path = builds / published.file
        try:
            connection = duckdb.connect(str(path), read_only=True, config=config or {})
            break
        except duckdb.Error as error:
            if path.exists():
                raise NoBuildError(f"{published.file} cannot be opened: {error}") from error
    with name_build_file(path), connection:
        check_lineage(connection, path)
        yield published, connection


@contextmanager
def connect_build(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a finished build file read-only.

    Raises `NoBuildError` naming it where it cannot be opened, has no lineage, and for what DuckDB finds
    wrong while it is read.
    """
    with name_build_file(path), duckdb.connect(str(path), read_only=True) as connection:
        check_lineage(connection, path)
        yield connection


def check_lineage(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise `NoBuildError` naming the file unless it says which build it is."""
    if connection.execute("SELECT count(*) FROM refresh_run").fetchone() == (0,):
        raise NoBuildError(f"{path.name} has no lineage: its refresh_run is empty")


@contextmanager
def attach_build(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> Iterator[None]:
    """Attach a finished build read-only under a name for a while.

    Raises `NoBuildError` naming the file where it cannot be attached.
    """
    with name_build_file(path):
        connection.execute(f"ATTACH {quote_text(str(path))} AS {name} (READ_ONLY)")
    try:
        yield
    finally:
        connection.execute(f"DETACH {name}")


@contextmanager
def connect_builds(**paths: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open several finished builds at once, read-only, each attached under its keyword.

    Raises `NoBuildError` naming them for what DuckDB finds wrong while they are read.
    """
    with name_build_file(*paths.values()), duckdb.connect() as connection, ExitStack() as stack:
        for name, path in paths.items():
            stack.enter_context(attach_build(connection, path, name))
        yield connection
