"""The read side: the published build as a connection, and as SQLAlchemy Core tables.

Enters: a folder of builds. Leaves: a connection or an engine on the published build's own file,
read-only, and one `sqlalchemy.Table` per declared table (made from the declarations; nothing is
reflected).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from warehouse.errors import NoBuildError, name_build_file
from warehouse.publish import PublishedBuild, read_pointer
from warehouse.schema import TABLES
from warehouse.table import Table

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
    the pointer is read again. Raises `NoBuildError` where there is no build that can be opened, and for
    what DuckDB finds wrong while it is read.
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
        yield published, connection
