"""SQL for people: statements on the published build, from the command line or at a prompt.

Input: a connection to a build, closed as `sql_settings` says, and SQL. Output: answers on standard
output to the statements that `sql_gate` lets through.
"""

import contextlib
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import duckdb

from warehouse.csv_lines import LINE, iterate_csv
from warehouse.errors import ShieldError
from warehouse.sql_gate import check_sql, split_statements
from warehouse.sql_settings import describe_error

MAX_SHOWN_ROWS = 100
"""Rows of an answer that are shown; DuckDB says below it how many there are. CSV has all of them."""

PROMPT, CONTINUED = "atlshield> ", "      ...> "


def answer(connection: duckdb.DuckDBPyConnection, sql: str, as_csv: bool = False) -> None:
    """Print what the one statement in `sql` answers: a table for people, or CSV with a header.

    Raises `ShieldError` for any other number of statements, for one that the gate refuses, and with
    DuckDB's own words for one that is wrong. An interrupt stops the statement and is raised on.
    """
    check_sql(connection, sql, free_pivot=True)
    # In a thread of its own: while DuckDB works in this one, Python would not hear of an interrupt.
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            pool.submit(print_answer, connection, sql, as_csv).result()
        except duckdb.Error as error:
            raise ShieldError(describe_error(error)) from error
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def print_answer(connection: duckdb.DuckDBPyConnection, sql: str, as_csv: bool) -> None:
    """Run `sql` and print its rows; a statement without any prints nothing. Raises `duckdb.Error`."""
    relation = connection.sql(sql)
    if relation is None:
        return
    if as_csv:
        write_csv(relation)
    else:
        # Only a terminal is narrow: what goes to a file or a pipe keeps every column.
        width = shutil.get_terminal_size(fallback=(100_000, 0)).columns
        relation.show(max_rows=MAX_SHOWN_ROWS, max_width=width)


def write_csv(relation: duckdb.DuckDBPyRelation) -> None:
    """Print every row as an export has it."""
    for chunk in iterate_csv(relation.columns, relation.project(LINE)):
        sys.stdout.write(chunk.decode())


def run_shell(connection: duckdb.DuckDBPyConnection) -> None:
    """Answer statements typed at a prompt, each ended by a semicolon, until Ctrl-D.

    An error is shown and the prompt comes back; Ctrl-C gives up what is typed or running.
    """
    with contextlib.suppress(ImportError):  # a Python without it has no history, and that is all
        import readline  # noqa: F401
    lines: list[str] = []
    at_end = False
    while not at_end:
        try:
            lines.append(input(CONTINUED if any(lines) else PROMPT))
        except EOFError:
            at_end = True
            print()
        except KeyboardInterrupt:
            lines.clear()
            print()
        if at_end or (lines and lines[-1].rstrip().endswith(";")):
            answer_typed(connection, "\n".join(lines))
            lines.clear()


def answer_typed(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Answer one statement after the other; an error or Ctrl-C is told and ends them."""
    try:
        for statement in split_statements(sql):
            answer(connection, statement)
    except ShieldError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
