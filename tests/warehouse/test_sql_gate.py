"""The gate for SQL: what analysts ask passes and runs, everything else is refused by name."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.warehouse.statements import GOOD, NOT_SELECT, REFUSED
from warehouse.read import connect_published
from warehouse.sql_gate import FUNCTIONS, TABLE_NAMES, RefusedSqlError, check_sql
from warehouse.sql_settings import CLOSED, describe_error, lock_connection


@pytest.fixture(scope="module")
def connection(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the simulated build, closed as the shell and HTTP have it."""
    with connect_published(published, CLOSED) as (_, connection):
        lock_connection(connection)
        yield connection


def shorten(value: object) -> str:
    """Return a value as the name of a test."""
    return repr(value)[:60]


@pytest.mark.parametrize("sql", GOOD, ids=shorten)
def test_what_analysts_ask_is_answered(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    check_sql(connection, sql)
    assert connection.execute(sql).fetchmany(10)


@pytest.mark.parametrize("sql", NOT_SELECT, ids=shorten)
def test_what_is_no_select_is_refused(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(
        RefusedSqlError, match="expected a SELECT, as a build is only read; found [A-Z]+$"
    ):
        check_sql(connection, sql)


@pytest.mark.parametrize(("sql", "message"), REFUSED.items(), ids=shorten)
def test_what_is_not_listed_is_named(
    connection: duckdb.DuckDBPyConnection, sql: str, message: str
) -> None:
    with pytest.raises(RefusedSqlError) as refusal:
        check_sql(connection, sql)
    assert message in str(refusal.value)
    assert len(str(refusal.value)) < 1000


def test_lists_are_as_long_as_the_issue_asks() -> None:
    assert len(set(GOOD)) >= 40
    assert len(set(NOT_SELECT) | set(REFUSED)) >= 80


@pytest.mark.parametrize(
    ("sql", "offer"),
    [
        ("SELECT medain(zone) FROM incident", "function medain is not allowed; there is median"),
        ("FROM incidents", "table incidents does not exist in a build; there is incident"),
        ("FROM rang(3)", "function rang is not allowed; there is range"),
    ],
)
def test_what_is_spelled_like_it_is_offered(
    connection: duckdb.DuckDBPyConnection, sql: str, offer: str
) -> None:
    with pytest.raises(RefusedSqlError, match=offer):
        check_sql(connection, sql)


def test_every_allowed_name_exists(connection: duckdb.DuckDBPyConnection) -> None:
    rows = duckdb.execute("SELECT function_name FROM duckdb_functions()").fetchall()
    assert not FUNCTIONS - {name for (name,) in rows}
    shown = connection.execute("SHOW TABLES").fetchall()
    assert {name for (name,) in shown} == TABLE_NAMES


def test_pivot_that_looks_for_its_values_passes_where_it_is_free(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    pivot = "PIVOT incident ON zone USING count(*)"
    check_sql(connection, pivot, free_pivot=True)
    assert connection.execute(pivot).fetchall()
    for sql in ("DELETE FROM incident", "EXPLAIN SELECT 1", "CREATE TEMP TABLE x AS SELECT 1"):
        with pytest.raises(RefusedSqlError):
            check_sql(connection, sql, free_pivot=True)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("DELETE FROM incident", "read-only mode"),
        ("CREATE TABLE mine AS SELECT 1", "read-only mode"),
        ("DROP VIEW mart_incident_explorer", "read-only mode"),
        ("COPY incident TO '{folder}/x.csv'", "LocalFileSystem has been disabled"),
        ("EXPORT DATABASE '{folder}/x'", "LocalFileSystem has been disabled"),
        ("ATTACH '{folder}/x.duckdb'", "Permission Error"),
        ("SELECT * FROM read_csv('{folder}/secret.csv')", "Permission Error"),
        ("SELECT * FROM '{folder}/secret.csv'", "Error"),
        ("FROM read_blob('{file}')", "LocalFileSystem has been disabled"),
        ("INSTALL httpfs", "Permission Error"),
        ("LOAD httpfs", "Permission Error"),
        ("SET enable_external_access = true", "configuration has been locked"),
        ("SET memory_limit = '10GB'", "configuration has been locked"),
        ("RESET disabled_filesystems", "configuration has been locked"),
        ("SELECT * FROM CLOSED", "does not exist"),
        ("SELECT list(a) FROM incident a, incident b", "no temporary directory"),
    ],
)
def test_settings_alone_stop_it_too(
    connection: duckdb.DuckDBPyConnection, published: Path, tmp_path: Path, sql: str, message: str
) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    file = next(published.glob("warehouse-*.duckdb"))
    with pytest.raises(duckdb.Error, match=message):
        connection.execute(sql.format(folder=tmp_path, file=file)).fetchall()
    assert {path.name for path in tmp_path.iterdir()} == {"secret.csv"}


def test_errors_name_no_folder_and_no_setting() -> None:
    error = duckdb.IOException('IO Error: Could not read from file "/srv/my builds/w-1.duckdb": gone')
    assert describe_error(error) == 'IO Error: Could not read from file "w-1.duckdb": gone'
    assert describe_error(duckdb.BinderException("no x\n\nLINE 1: SELECT x")) == "no x"
    assert "SET" not in describe_error(duckdb.OutOfMemoryException("SET memory_limit = …"))
