"""SQL for people: answers as a table or CSV, nothing written, nothing read but the build."""

import csv
import io
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from warehouse.__main__ import main
from warehouse.command import run_command
from warehouse.pointer import read_pointer
from warehouse.query import CONTINUED, PROMPT, answer, answer_typed
from warehouse.settings import ROOT

QUERIES = [
    query.strip()
    for block in re.findall(r"^```sql\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    for query in block.split(";")
    if query.strip()
]


def run_sql(published: Path, *arguments: str) -> int:
    """Run `python -m warehouse sql` on a folder of builds."""
    return main(["--builds", str(published), "sql", *arguments])


def test_readme_shows_five_queries() -> None:
    assert len(QUERIES) == 5


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.splitlines()[0].strip("- "))
def test_query_of_the_readme_finds_rows(
    published: Path, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_sql(published, query, "--csv") == 0
    assert len(capsys.readouterr().out.splitlines()) > 1


@pytest.mark.parametrize(("columns", "is_whole"), [("10000", True), ("80", False)])
def test_answer_is_a_table_as_wide_as_the_terminal(
    published: Path, columns: str, is_whole: bool,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", columns)
    assert run_sql(published, "SELECT * FROM mart_incident_explorer LIMIT 200") == 0
    shown = capsys.readouterr().out
    assert "incident_id" in shown
    assert "200 rows (100 shown)" in shown
    assert ("latitude" in shown) == is_whole
    assert is_whole or max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "-1\n=1", '="a,b'])
def test_csv_holds_no_text_that_a_spreadsheet_would_run(
    published: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    select = f"SELECT '{text}' AS \"=head\", -1 AS a, -1.5 AS b, -1e9::DOUBLE AS c, 'x-1' AS d"
    assert run_sql(published, select, "--csv") == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))
    assert rows == [["'=head", "a", "b", "c", "d"], [f"'{text}", "-1", "-1.5", "-1000000000.0", "x-1"]]


def test_csv_has_every_row_and_plain_values(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sql(published, "SELECT range AS n FROM range(10_001)", "--csv") == 0
    assert capsys.readouterr().out.splitlines() == ["n", *map(str, range(10_001))]
    select = """SELECT true AS a, NULL AS b, 'x,y' AS c, DATE '2021-01-02' AS d,
        TIMESTAMP '2021-01-02 03:04:05' AS e, 1 AS a"""
    assert run_sql(published, select, "--csv") == 0
    assert capsys.readouterr().out == 'a,b,c,d,e,a\ntrue,,"x,y",2021-01-02,2021-01-02 03:04:05,1\n'


@pytest.mark.parametrize(
    "sql",
    [
        "PIVOT mart_incident_explorer ON time_of_day USING count(*) GROUP BY year",
        "DESCRIBE incident",
        "SHOW TABLES",
        "WITH place AS (SELECT * FROM neighborhood) SELECT count(*) FROM place",
        "SELECT 'DELETE FROM incident; -- is only a text' AS text",
        "SELECT 'é;' AS \"ü;\" /* ; */; -- the end; really",
        ";; SELECT $$;$$ AS text ;;",
    ],
)
def test_whatever_only_reads_is_answered(
    published: Path, sql: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_sql(published, sql) == 0
    assert "─" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("DELETE FROM incident", "as a build is only read; found DELETE"),
        ("INSERT INTO calendar SELECT * FROM calendar", "found INSERT"),
        ("UPDATE incident SET zone = '1'", "found UPDATE"),
        ("DROP TABLE incident", "found DROP"),
        ("CREATE TABLE mine AS SELECT 1", "found CREATE"),
        ("CREATE TEMP TABLE mine AS SELECT 1", "found CREATE"),
        ("DROP VIEW mart_incident_explorer", "found DROP"),
        ("SELECT 1; SELECT 2", "expected one SQL statement, found 2"),
        ("SELECT 1; SELEC", "expected one SQL statement, found 2"),
        ("-- nothing", "expected one SQL statement, found 0"),
        (";", "expected one SQL statement, found 0"),
        ("SELECT ';", "unterminated quoted string"),
        ("COPY incident TO '{folder}/x.csv'", "found COPY"),
        ("EXPORT DATABASE '{folder}/x'", "found EXPORT"),
        ("ATTACH '{folder}/x.duckdb'", "found ATTACH"),
        ("SELECT * FROM read_csv('{folder}/secret.csv')", "function read_csv is not allowed"),
        ("SELECT * FROM '{folder}/secret.csv'", "does not exist in a build"),
        ("SELECT * FROM read_text('{folder}/secret.csv')", "function read_text is not allowed"),
        ("SELECT path FROM duckdb_databases()", "function duckdb_databases is not allowed"),
        ("INSTALL httpfs", "found INSTALL"),
        ("LOAD httpfs", "found LOAD"),
        ("SET enable_external_access = true", "found SET"),
        ("SET memory_limit = '10GB'", "found SET"),
        ("SELECT * FROM options", "does not exist"),
        ("SELECT neighborhod FROM incident", "neighborhod"),
        ("SELECT 'x'::INTEGER", "Could not convert"),
        ("SELEC", "syntax error"),
    ],
)
def test_what_does_more_than_read_is_refused_in_words(
    published: Path, tmp_path: Path, sql: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    assert run_sql(published, sql.format(folder=tmp_path)) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert message in printed.err
    assert {path.name for path in tmp_path.iterdir()} == {"secret.csv"}


def test_prompt_goes_on_after_an_error_and_ends_with_the_input(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = "\nSELECT count(*) AS months\nFROM average_daily; SELECT 2;\nSELEC;\nSELECT 'last' AS word"
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert main(["--builds", str(published), "shell"]) == 0
    printed = capsys.readouterr()
    assert "simulated data" in printed.out
    assert "months" in printed.out
    assert "│     2 │" in printed.out
    assert "│ last" in printed.out
    assert f"{CONTINUED}\n" in printed.out, "Ctrl-D ends its line"
    assert printed.err.count("error:") == 1
    assert "syntax error" in printed.err


def test_prompt_forgets_what_was_typed_before_an_interrupt(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: Iterator[str | BaseException] = iter(
        ["SELECT 'first'", KeyboardInterrupt(), "SELECT 'second';", EOFError()]
    )

    def type_line(prompt: str) -> str:
        print(prompt, end="")
        line = next(lines)
        if isinstance(line, BaseException):
            raise line
        return line

    monkeypatch.setattr("builtins.input", type_line)
    assert main(["--builds", str(published), "shell"]) == 0
    printed = capsys.readouterr().out
    assert f"{CONTINUED}\n{PROMPT}" in printed, "Ctrl-C ends its line"
    assert "second" in printed
    assert "first" not in printed


class SlowConnection:
    """A connection whose statements come with an interrupt and end only when they are stopped."""

    def __init__(self) -> None:
        """Begin unstopped."""
        self.stopped = threading.Event()

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Answer what the gate asks."""
        return duckdb.connect().execute(sql)

    def sql(self, _: str) -> None:
        """Interrupt the program as Ctrl-C does, and work on."""
        signal.pthread_kill(int(threading.main_thread().ident or 0), signal.SIGINT)
        assert self.stopped.wait(60)

    def interrupt(self) -> None:
        """Stop the statement."""
        self.stopped.set()


def test_interrupt_stops_the_running_statement_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run_command(lambda: answer(cast(Any, SlowConnection()), "SELECT 1")) == 130
        answer_typed(cast(Any, SlowConnection()), "SELECT 1; SELECT 2")  # the prompt goes on
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "error: interrupted\n" * 2


def test_build_is_as_it_was(published: Path) -> None:
    with duckdb.connect(str(published / read_pointer(published).file), read_only=True) as connection:
        names = {row[0] for row in connection.execute("SHOW TABLES").fetchall()}
    assert "mine" not in names
    assert "mart_incident_explorer" in names
