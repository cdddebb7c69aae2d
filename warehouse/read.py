"""The read side: the published build as a connection, and as SQLAlchemy Core tables.

Input: a folder of builds, or the file of a finished build. Output: a connection or an engine on it,
read-only, and one `sqlalchemy.Table` per declared table (made from the declarations; nothing is
reflected). A finished build is opened here and nowhere else.
"""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa
from duckdb_sqlalchemy import ConnectionWrapper
from sqlalchemy.exc import DBAPIError, ProgrammingError

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

SPILL = "atlshield-"
"""How the folder's name begins that an engine keeps in its temporary files."""

SMALL_MEMORY = "64MB"
"""What an engine may take where nothing else is said."""

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
    """Return an engine on a build's own file; a later build never changes what it reads.

    Its resources are limited; `dispose` closes the file, and the next connection opens it again.
    """

    def connect() -> ConnectionWrapper:
        connection = duckdb.connect(str(builds / published.file), read_only=True)
        limits = make_limits(SMALL_MEMORY)
        [[folder]] = connection.execute("SELECT current_setting('temp_directory')").fetchall()
        if SPILL in folder:  # another connection has the file open, and may have spilled there
            del limits["temp_directory"]
        for name, value in limits.items():
            connection.execute(f"SET {name} = {value}")
        return ConnectionWrapper(connection)

    return sa.create_engine("duckdb://", poolclass=sa.QueuePool, creator=connect)


def open_file(path: Path) -> sa.Engine:
    """Return an engine on a finished file of tables, read-only.

    Its connections are made here, not from a URL: there, a path may hold no `?`, and the dialect adds a
    user agent, with which DuckDB lets nobody else in the process open the file.
    """
    return sa.create_engine(
        "duckdb://",
        poolclass=sa.NullPool,
        creator=lambda: ConnectionWrapper(duckdb.connect(str(path), read_only=True)),
    )


def make_limits(memory: str) -> dict[str, str]:
    """Return settings by which an engine has one thread and so much memory: a large sort goes to files.

    They lie in the system's folder of temporary files, in one DuckDB makes and removes. As options of
    `duckdb.connect`, these would keep all others in the process from the same build.
    """
    return {
        "threads": "1",
        "enable_progress_bar": "false",
        "memory_limit": quote_text(memory),
        "allocator_flush_threshold": "'1MB'",
        "temp_directory": quote_text(str(Path(tempfile.gettempdir(), f"{SPILL}{secrets.token_hex(8)}"))),
    }


@contextmanager
def connect_engine(engine: sa.Engine, published: PublishedBuild, topic: str) -> Iterator[sa.Connection]:
    """Connect to a build to read what it holds of a topic.

    Raises `NoBuildError` naming the file when it cannot be read, or has other tables and columns.
    """
    try:
        with engine.connect() as connection:
            yield connection
    except ProgrammingError as error:
        raise NoBuildError(
            f"{published.file} comes from an earlier version and holds no {topic}: run `make refresh` "
            f"first ({error.orig})"
        ) from error
    except DBAPIError as error:
        raise NoBuildError(f"{published.file} cannot be read: {error.orig}") from error


def release_threads() -> None:
    """Leave no thread of DuckDB in a process that has closed what it opened, so that it can fork.

    Importing DuckDB opens a connection in memory, with a thread. A process forked beside it inherits the
    thread's handle without the thread; whenever it exits, whatever its code, C++ then ends it by SIGABRT
    with "terminate called without an active exception".
    """
    duckdb.default_connection().close()


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
    """Open several finished builds at once, read-only, within limits, each attached under its keyword.

    Raises `NoBuildError` naming them for what DuckDB finds wrong while they are read.
    """
    with name_build_file(*paths.values()), duckdb.connect() as connection, ExitStack() as stack:
        for name, value in make_limits(SMALL_MEMORY).items():
            connection.execute(f"SET {name} = {value}")
        for name, path in paths.items():
            stack.enter_context(attach_build(connection, path, name))
        yield connection
