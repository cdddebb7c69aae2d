"""SQL for people: statements on the published build, from the command line or at a prompt.

Enters: a connection to a build and SQL. Leaves: answers on standard output. On a read-only
connection under `CLOSED`, no statement can change the build, touch another file or load an extension.
"""

import contextlib
import csv
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import duckdb

from warehouse.errors import ShieldError

CLOSED = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
}
"""Settings for statements that nobody has checked: neither other files nor extensions, nor variables of
this program taken for tables."""

SHOWN_ROWS = 100
"""Rows of an answer that are shown; DuckDB says below it how many there are. CSV has all of them."""

FETCHED_ROWS = 10_000
PROMPT, CONTINUED = "atlshield> ", "      ...> "


def answer(connection: duckdb.DuckDBPyConnection, sql: str, as_csv: bool = False) -> None:
    """Print what the last statement of `sql` answers: a table for people, or CSV with a header.

    Raises `ShieldError` with DuckDB's own words on a statement that is wrong or not allowed, and on one
    that is interrupted.
    """
    # In a thread of its own: while DuckDB works in this one, Python would not hear of an interrupt.
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            pool.submit(print_answer, connection, sql, as_csv).result()
        except duckdb.Error as error:
            raise ShieldError(str(error)) from error
        except KeyboardInterrupt as error:
            connection.interrupt()
            raise ShieldError("interrupted") from error


def print_answer(connection: duckdb.DuckDBPyConnection, sql: str, as_csv: bool) -> None:
    """Run `sql` and print its rows; a statement without any prints nothing."""
    relation = connection.sql(sql)
    if relation is None:
        return
    if as_csv:
        write_csv(relation)
    else:
        # Only a terminal is narrow: what goes to a file or a pipe keeps every column.
        width = shutil.get_terminal_size(fallback=(100_000, 0)).columns
        relation.show(max_rows=SHOWN_ROWS, max_width=width)


def write_csv(relation: duckdb.DuckDBPyRelation) -> None:
    """Print every row as DuckDB writes it in an export: ISO dates, true and false, NULL as nothing."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(relation.columns)
    texts = relation.project("COLUMNS(*)::VARCHAR")
    while rows := texts.fetchmany(FETCHED_ROWS):
        writer.writerows(rows)


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
            try:
                answer(connection, "\n".join(lines))
            except ShieldError as error:
                print(f"error: {error}", file=sys.stderr)
            lines.clear()
