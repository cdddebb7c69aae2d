"""The published build in PostgreSQL: a schema of tables per build, and views that lead to the newest.

Input: a folder of builds and a database's URL. Output: `atlshield_<build id>` with every declared table,
`atlshield` with a view of each, and a role that may read those; all in one transaction.
"""

import math
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import duckdb
from psycopg import Connection, errors

from warehouse.errors import ShieldError
from warehouse.files import format_now
from warehouse.pointer import describe_published
from warehouse.postgres import connect_server, lock_tables, take_turn
from warehouse.read import connect_published
from warehouse.schema import TABLES
from warehouse.table import RELATIVE_TOLERANCE, Table, quote_text, render_comments, render_ddl

VIEWS = "atlshield"
READER = "atlshield_reader"
"""Schema of the views, and the role that may read them."""

MARK = "ATLShield mirror, made"
"""How the comment of a mirror's schema begins, before the time: a schema without it is none of ours."""

ENGINE = {"threads": 1, "memory_limit": "128MiB", "temp_directory": ""}
CHUNK = 65_536
"""Bytes of one read: what a pipe holds."""

NUMBERS = {
    "VARCHAR": "length({})", "BOOLEAN": "{}::INTEGER", "DATE": "{} - DATE '2000-01-01'",
    "TIMESTAMP": "extract(epoch FROM {})::DOUBLE PRECISION",
}  # fmt: skip
"""The number that stands for a value, where it is none: SQL that means the same in both engines."""

COLUMNS = """
SELECT quote_ident(table_name), string_agg(column_name || data_type, ',' ORDER BY ordinal_position)
FROM information_schema.columns WHERE table_schema = %s GROUP BY table_name
"""


def mirror_build(builds: Path, url: str) -> str:
    """Copy the published build, compare the copy, and let the views lead to it; say what was done.

    A build that is there already is only compared. Until the end readers have what they had, and so
    they do where it fails or is killed. Schemas of builds before the last one go afterwards. Raises
    `NoBuildError`, and `ShieldError` as `connect_server`, `take_turn` and `lock_tables`, and for a copy
    that differs from the build.
    """
    with connect_published(builds, ENGINE) as (published, build), connect_server(url) as server:
        take_turn(server, "mirror")
        schema = f"{VIEWS}_{published.build_id.lower()}"
        with server.transaction():
            mirrored = list_mirrored(server)
            is_current = VIEWS in mirrored and mirrored[VIEWS] == mirrored.get(schema)
            checked = VIEWS if is_current else schema
            if schema in mirrored and (found := find_difference(server, build, checked)):
                print(f"{schema} is not what was copied any more: {found}")
                server.execute(f"ALTER SCHEMA {schema} RENAME TO {schema}_until_{time.time_ns()}")
                del mirrored[schema]
                is_current = False
            if schema not in mirrored:
                mirrored[schema] = f"{MARK} {format_now()}: {describe_published(published)}"
                copy_build(server, build, schema, mirrored[schema])
            if not is_current:
                switch_views(server, schema, mirrored)
            grant_reading(server)
        drop_older(server, schema)
    done = "nothing to do, every table agrees" if is_current else f"the views of {VIEWS} lead to it"
    return f"{describe_published(published)}: {done}"


def list_mirrored(server: Connection) -> dict[str, str]:
    """Return the schemas of mirrors with their comments, the oldest first."""
    comment = "obj_description(oid, 'pg_namespace')"
    select = f"SELECT quote_ident(nspname), {comment} AS said FROM pg_namespace"
    return dict(server.execute(f"{select} WHERE {comment} LIKE '{MARK}%' ORDER BY said").fetchall())


def copy_build(server: Connection, build: duckdb.DuckDBPyConnection, schema: str, comment: str) -> None:
    """Make a schema with every table, filled. Raises `ShieldError` where one differs from the build."""
    server.execute(f"CREATE SCHEMA {schema}")
    server.execute(f"COMMENT ON SCHEMA {schema} IS {quote_text(comment)}")
    server.execute(f"SET LOCAL search_path = {schema}")
    for table in TABLES:
        copy_table(server, build, replace(table, is_view=False))
    if found := find_difference(server, build, schema):
        raise ShieldError(f"the copy differs from the build, nothing changed: {found}")


def copy_table(server: Connection, build: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make a table of the first schema of the search path, filled, with key, indexes and comments.

    Rows are frozen: a reader whose snapshot is older than they are sees them as soon as a view does.
    """
    server.execute(render_ddl(table, double="DOUBLE PRECISION"))
    copy = f"COPY {table.name} FROM STDIN (FORMAT csv, FREEZE)"
    with server.cursor().copy(copy) as target, stream_csv(build, table) as stream:
        while chunk := stream.read(CHUNK):
            target.write(chunk)
    references = [c.name for c in table.columns if c.references and c.name != table.key[0]]
    statements = (
        f"ALTER TABLE {table.name} ADD PRIMARY KEY ({', '.join(table.key)})",
        *(f"CREATE INDEX ON {table.name} ({name})" for name in references),
        *render_comments(table),
        f"ANALYZE {table.name}",
    )
    server.execute("; ".join(statements))


@contextmanager
def stream_csv(build: duckdb.DuckDBPyConnection, table: Table) -> Iterator[BinaryIO]:
    """Open a table as CSV that the engine writes, in a thread, while it is read.

    Raises `duckdb.Error` at the end where the engine could not write it all.
    """
    read, write = os.pipe()
    with ThreadPoolExecutor(1) as pool, os.fdopen(read, "rb", buffering=0) as stream:
        written = pool.submit(write_csv, build, table, write)
        try:
            yield stream
        except BaseException:
            build.interrupt()
            raise
        finally:  # to a pipe that nobody reads, writing would never end, or end the process
            while stream.read(CHUNK):
                pass
        written.result()


def write_csv(build: duckdb.DuckDBPyConnection, table: Table, pipe: int) -> None:
    """Write a table into a pipe and close it."""
    try:
        build.execute(
            f"COPY (SELECT {', '.join(table.column_names)} FROM {table.name})"
            f" TO '/dev/fd/{pipe}' (FORMAT csv, HEADER false, USE_TMP_FILE false)"
        )
    finally:
        os.close(pipe)


def find_difference(server: Connection, build: duckdb.DuckDBPyConnection, schema: str) -> str:
    """Return in words where a schema first differs from the build, nothing where it does not.

    Compared are the number of rows and, for each column, the number of its values and their sums above
    and below 0 (texts by their length), of doubles to `RELATIVE_TOLERANCE`.
    """
    try:
        with server.transaction():
            server.execute(f"SET LOCAL search_path = {schema}")
            for table in TABLES:
                sums = render_sums(table)
                select = f"SELECT {', '.join(sums)} FROM {table.name}"
                expected, found = (engine.execute(select).fetchall()[0] for engine in (build, server))
                for what, left, right in zip(sums, expected, found, strict=True):
                    if left != right and not (
                        isinstance(left, float) and math.isclose(left, right, rel_tol=RELATIVE_TOLERANCE)
                    ):
                        return f"{table.name}: {what}: expected {left}, found {right}"
    except (errors.UndefinedTable, errors.UndefinedColumn) as error:
        return str(error.diag.message_primary)
    return ""


def render_sums(table: Table) -> list[str]:
    """Return what is compared of a table, as SQL that both engines take."""
    numbers = {column: NUMBERS.get(column.type, "{}").format(column.name) for column in table.columns}
    sums = [
        (f"count({column.name})", f"sum(greatest({number}, 0))", f"sum(least({number}, 0))")
        for column, number in numbers.items()
    ]
    return ["count(*)", *(expression for expressions in sums for expression in expressions)]


def switch_views(server: Connection, schema: str, mirrored: Mapping[str, str]) -> None:
    """Let the views lead to a schema, once nobody reads them.

    Views that somebody has built on them stay, and what was granted too, unless columns have changed.
    """
    if VIEWS not in mirrored:
        server.execute(f"CREATE SCHEMA {VIEWS}")
    old: dict[str, str] = dict(server.execute(COLUMNS, [VIEWS]).fetchall())
    new: dict[str, str] = dict(server.execute(COLUMNS, [schema]).fetchall())
    if old:
        lock_tables(server, [f"{VIEWS}.{name}" for name in old])
    statements = [f"SET LOCAL search_path = {VIEWS}"]
    statements += [f"DROP VIEW {name}" for name, columns in old.items() if columns != new.get(name)]
    for table in TABLES:
        select = f"SELECT * FROM {schema}.{table.name}"
        statements.append(f"CREATE OR REPLACE VIEW {table.name} AS {select}")
        statements += render_comments(replace(table, is_mart=True, is_view=True))
    statements.append(f"COMMENT ON SCHEMA {VIEWS} IS {quote_text(mirrored[schema])}")
    server.execute("; ".join(statements))  # in one go: readers wait


def grant_reading(server: Connection) -> None:
    """Let `READER` read the views; say so where the role is missing and may not be created."""
    if not server.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER]).fetchall():
        try:
            with server.transaction():
                server.execute(f"CREATE ROLE {READER} NOLOGIN")
        except errors.InsufficientPrivilege:
            user = server.info.user
            print(f"{user} may not create roles: once `CREATE ROLE {READER}` has run, mirror again")
            return
    server.execute(f"GRANT USAGE ON SCHEMA {VIEWS} TO {READER}")
    server.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {VIEWS} TO {READER}")


def drop_older(server: Connection, schema: str) -> None:
    """Drop mirrors but that of a schema and the newest of the others; one in use stays, and is told."""
    others = [name for name in list_mirrored(server) if name not in {VIEWS, schema}]
    for name in others[:-1]:
        try:
            with server.transaction():
                server.execute("SET LOCAL lock_timeout = 500")
                server.execute(f"DROP SCHEMA {name} CASCADE")
        except errors.LockNotAvailable:
            print(f"{name} is in use: the next mirror drops it")
