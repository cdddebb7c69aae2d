"""CSV: every text is read back as it was, or with its apostrophe; the same bytes from every door."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.__main__ import main
from warehouse.csv_lines import LINE, ROWS_PER_CHUNK, iterate_csv
from warehouse.export import write_csv
from warehouse.read import connect_published
from warehouse.table import Table
from warehouse.tables_clean import INCIDENT_TABLE
from warehouse.tables_lineage import BUILD_CHANGE_TABLE
from warehouse.tables_mart import MART_INCIDENT_EXPLORER_TABLE

TEXTS = st.text(st.sampled_from("=+-@\t\r\n,\"'a#é \\$^"), max_size=4)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory."""
    with duckdb.connect() as connection:
        yield connection


def guard(text: str) -> str:
    """Return what a spreadsheet may be shown of a text."""
    return "'" + text if text[:1] in set("=+-@\t\r") else text


@given(st.lists(TEXTS, min_size=2, max_size=3))
def test_csv_is_read_back_as_what_was_written(
    connection: duckdb.DuckDBPyConnection, row: list[str]
) -> None:
    marks = ", ".join(f"? AS c{number}" for number in range(len(row)))
    lines = connection.execute(f"SELECT {LINE} FROM (SELECT {marks})", row)
    data = b"".join(iterate_csv(row, lines)).decode()
    heading, cells = csv.reader(io.StringIO(data, newline=""), strict=True)
    assert heading == cells == [guard(text) for text in row]


def test_csv_tells_null_from_an_empty_text_and_leaves_numbers_alone(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    select = """SELECT NULL AS a, '' AS b,
        -1::BIGINT AS c, -2.5::DECIMAL(4, 2) AS d, -1e300 AS e, '-1' AS f,
        true AS g, DATE '2021-01-02' AS h, TIMESTAMP '2021-01-02 03:04:05' AS i, 0.1::DOUBLE AS j"""
    lines = connection.execute(f"SELECT {LINE} FROM ({select})")
    assert b"".join(iterate_csv("abcdefghij", lines)).decode() == (
        'a,b,c,d,e,f,g,h,i,j\n,"",-1,-2.50,-1e+300,\'-1,true,2021-01-02,2021-01-02 03:04:05,0.1\n'
    )


@pytest.mark.parametrize("rows", [0, 1, ROWS_PER_CHUNK, ROWS_PER_CHUNK + 1])
def test_csv_has_every_row_in_whole_chunks(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    lines = connection.execute(f"SELECT {LINE} FROM (SELECT range AS n FROM range({rows}))")
    chunks = list(iterate_csv(["n"], lines))
    assert b"".join(chunks).decode().splitlines() == ["n", *map(str, range(rows))]
    assert all(chunk.endswith(b"\n") for chunk in chunks)


@pytest.mark.parametrize("table", [INCIDENT_TABLE, MART_INCIDENT_EXPLORER_TABLE, BUILD_CHANGE_TABLE])
def test_command_line_prints_the_bytes_of_the_export(
    published: Path, tmp_path: Path, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect_published(published) as (_, connection):
        write_csv(connection, table, tmp_path / "table.csv")
    assert main(["--builds", str(published), "sql", f"FROM {table.name}", "--csv"]) == 0
    assert capsys.readouterr().out.encode() == (tmp_path / "table.csv").read_bytes()
