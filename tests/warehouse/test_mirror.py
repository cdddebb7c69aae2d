"""The mirror in PostgreSQL: the same rows, one build for each statement, and nothing half done."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

pytest.importorskip("psycopg", reason="`make .venv/postgres` installs what a mirror needs")

import psycopg
from psycopg import Connection

from tests.postgres_server import connect, list_schemas
from tests.warehouse.conftest import READ
from tests.warehouse.mirrors import fail, mirror, read_stamps, read_views
from tests.warehouse.test_readers import publish_stamped
from warehouse import postgres
from warehouse.read import connect_published
from warehouse.schema import TABLES
from warehouse.table import Table
from warehouse.tables_clean import NEIGHBORHOOD_TABLE

PATIENCE = 60
"""Seconds after which a test that hangs is given up; nothing is measured by it."""

POSTGRES_TYPES = {
    "VARCHAR": "character varying", "BIGINT": "bigint", "INTEGER": "integer", "BOOLEAN": "boolean",
    "DOUBLE": "double precision", "DATE": "date", "TIMESTAMP": "timestamp without time zone",
}  # fmt: skip


# The copy.


def test_mirror_has_every_row_and_says_what_each_column_is(
    daily: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror(daily, url)
    with connect(url) as found, connect_published(daily) as (published, build):
        schema = f"atlshield_{published.build_id.lower()}"
        for table in TABLES:
            check_rows(table, build, found)
            for name in ("atlshield", schema):
                check_columns(table, name, build, found)
            check_keys(table, schema, found)
    assert list_schemas(url) == ["atlshield", schema]
    for name in ("atlshield", schema):
        assert list_relations(url, name) == {table.name for table in TABLES}
    capsys.readouterr()
    mirror(daily, url)
    assert "nothing to do" in capsys.readouterr().out
    assert list_schemas(url) == ["atlshield", schema]


def check_rows(table: Table, build: duckdb.DuckDBPyConnection, found: Connection) -> None:
    """Compare every value: sums would not see two that have changed places."""
    select = f"SELECT {', '.join(table.column_names)} FROM {table.name}"
    rows = [sorted(engine.execute(select).fetchall(), key=repr) for engine in (build, found)]
    assert rows[0] == rows[1], table.name


def check_columns(
    table: Table,
    schema: str,
    build: duckdb.DuckDBPyConnection,
    found: Connection,
) -> None:
    """Compare types and comments with the declaration and with the build."""
    said = dict(
        build.execute(
            f"SELECT column_name, comment FROM duckdb_columns() WHERE table_name = '{table.name}'"
        ).fetchall()
    )
    columns = found.execute(
        """SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)
        FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum""",
        [f"{schema}.{table.name}"],
    ).fetchall()
    assert columns == [(c.name, POSTGRES_TYPES[c.type], said[c.name]) for c in table.columns]
    (comment,) = found.execute(
        "SELECT obj_description(%s::regclass)", [f"{schema}.{table.name}"]
    ).fetchone() or ("",)
    assert str(comment).startswith(table.description)


def check_keys(table: Table, schema: str, found: Connection) -> None:
    """Compare NOT NULL, the key and the indexes with the declaration."""
    name = f"{schema}.{table.name}"
    columns = found.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attnotnull",
        [name],
    ).fetchall()
    assert {column for (column,) in columns} == {c.name for c in table.columns if not c.nullable}
    indexes = found.execute(
        """SELECT indisprimary, (SELECT array_agg(attname ORDER BY place)
            FROM unnest(indkey) WITH ORDINALITY AS part (number, place)
            JOIN pg_attribute ON attrelid = indrelid AND attnum = number)
        FROM pg_index WHERE indrelid = %s::regclass""",
        [name],
    ).fetchall()
    assert [list(key) for is_key, key in indexes if is_key] == [list(table.key)]
    first = {columns[0] for _, columns in indexes}
    assert {c.name for c in table.columns if c.references} <= first


def list_relations(url: str, schema: str) -> set[str]:
    """Return the tables and views of a schema."""
    select = (
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = %s::regnamespace"
    )
    with connect(url) as connection:
        return {name for (name,) in connection.execute(select, [schema])}


def test_role_reads_the_views_and_nothing_else(builds: Path, url: str) -> None:
    mirror(builds, url)
    with connect(url) as connection:
        connection.execute("SET ROLE atlshield_reader")
        assert read_stamps(connection) == {"0001"}
        for statement in (
            "DELETE FROM neighborhood", "UPDATE neighborhood SET npu = 'Z'", "DROP VIEW holiday",
            "INSERT INTO holiday SELECT * FROM holiday", "CREATE VIEW atlshield.x AS SELECT 1",
            "SELECT * FROM atlshield_0001.holiday", "DROP SCHEMA atlshield CASCADE",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_what_others_built_on_a_view_stays_when_the_next_build_comes(builds: Path, url: str) -> None:
    mirror(builds, url)
    with connect(url) as connection:
        connection.execute("CREATE ROLE analyst; GRANT SELECT ON atlshield.holiday TO analyst")
        connection.execute("CREATE VIEW public.place AS SELECT data_source FROM atlshield.neighborhood")
        publish_stamped(builds, 2)
        mirror(builds, url)
        assert connection.execute("SELECT * FROM public.place").fetchall() == [("0002",)]
        select = "SELECT has_table_privilege('analyst', 'atlshield.holiday', 'SELECT')"
        assert connection.execute(select).fetchall() == [(True,)]
        connection.execute("DROP OWNED BY analyst; DROP ROLE analyst")


def test_views_of_other_columns_are_made_anew(
    builds: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror(builds, url)
    *kept, last = NEIGHBORHOOD_TABLE.columns
    other = replace(NEIGHBORHOOD_TABLE, columns=(*kept[:-1], last))  # as another version declares it
    fewer = (other, *(table for table in TABLES if table.name in READ - {"neighborhood", "holiday"}))
    monkeypatch.setattr("warehouse.mirror.TABLES", fewer)
    publish_stamped(builds, 2)
    mirror(builds, url)
    assert list_relations(url, "atlshield") == {table.name for table in fewer}
    assert read_views(url) == {"0002"}


def test_changed_mirror_is_copied_again(
    builds: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror(builds, url)
    with connect(url) as connection:
        for change in (
            "UPDATE atlshield_0001.mart_incident_explorer SET latitude = latitude + 0.001",
            "DELETE FROM atlshield_0001.neighborhood", "DROP VIEW atlshield.holiday",
            "UPDATE atlshield_0001.forecast_hourly SET expected_crimes = expected_crimes * 1.00001",
        ):  # fmt: skip
            connection.execute(change)
            mirror(builds, url)
            assert "0001 is not what was copied any more" in capsys.readouterr().out
            mirror(builds, url)
            assert "nothing to do" in capsys.readouterr().out
    assert len(list_schemas(url)) == 3


# Readers, and who else is at work.


@pytest.mark.slow
def test_each_statement_reads_one_build_while_five_mirrors_run(builds: Path, url: str) -> None:
    mirror(builds, url)
    stop, seen, wrong = threading.Event(), set(), []

    def read() -> None:
        with connect(url) as connection:
            while not stop.is_set():
                try:
                    stamps = read_stamps(connection)
                except psycopg.Error as error:
                    wrong.append(repr(error))
                    return
                seen.update(stamps)
                if len(stamps) != 1:
                    wrong.append(f"one statement read {stamps}")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(2, 7):
        publish_stamped(builds, number)
        mirror(builds, url)
    stop.set()
    for reader in readers:
        reader.join(PATIENCE)
    assert not wrong
    assert {"0001", "0006"} <= seen
    assert list_schemas(url) == ["atlshield", "atlshield_0005", "atlshield_0006"]


def test_older_snapshot_sees_all_rows_of_the_new_build(builds: Path, url: str) -> None:
    with connect(url) as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM pg_class")
        mirror(builds, url)
        assert read_stamps(reader) == {"0001"}


def test_transaction_keeps_its_build_and_is_named_where_it_never_ends(
    builds: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror(builds, url)
    publish_stamped(builds, 2)
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.5)
    with connect(url) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT build_id FROM refresh_run").fetchall() == [("0001",)]
        said = fail(builds, url, capsys)
        assert f"nothing changed: process {reader.info.backend_pid} of postgres" in said
        assert read_stamps(reader) == read_views(url) == {"0001"}
        assert list_schemas(url) == ["atlshield", "atlshield_0001"]
        monkeypatch.setattr(postgres, "PATIENCE_SECONDS", PATIENCE)
        work = threading.Thread(target=mirror, args=(builds, url))
        work.start()
        time.sleep(0.3)
        assert read_stamps(reader) == {"0001"}
        reader.execute("COMMIT")
        work.join(PATIENCE)
        assert read_stamps(reader) == {"0002"}


def test_schema_in_use_is_dropped_by_the_next_mirror(
    builds: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror(builds, url)
    publish_stamped(builds, 2)
    mirror(builds, url)
    with connect(url) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM atlshield_0001.holiday")
        publish_stamped(builds, 3)
        mirror(builds, url)
        assert "atlshield_0001 is in use" in capsys.readouterr().out
        assert "atlshield_0001" in list_schemas(url)
    mirror(builds, url)  # nothing to do but this
    assert list_schemas(url) == ["atlshield", "atlshield_0002", "atlshield_0003"]


def test_second_mirror_is_refused(
    builds: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "100ms")
    with postgres.connect_server(url) as other:
        postgres.take_turn(other, "mirror")
        assert "another mirror is at work" in fail(builds, url, capsys)
    mirror(builds, url)
