"""SQL for people: statements on the published build, from the command line or at a prompt.

Input: a connection to a build and SQL. Output: answers on standard output. On a read-only
connection under `CLOSED`, no statement can change the build, touch another file or load an extension.
"""

import contextlib
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import duckdb

from warehouse.csv_lines import LINE, iterate_csv
from warehouse.errors import ShieldError

CLOSED = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
}
"""Settings for statements that nobody has checked: neither other files nor extensions, nor variables of
this program taken for tables."""

MAX_SHOWN_ROWS = 100
"""Rows of an answer that are shown; DuckDB says below it how many there are. CSV has all of them."""

PROMPT, CONTINUED = "atlshield> ", "      ...> "


def answer(connection: duckdb.DuckDBPyConnection, sql: str, as_csv: bool = False) -> None:
    """Print what the one statement in `sql` answers: a table for people, or CSV with a header.

    Raises `ShieldError` for any other number of statements, and with DuckDB's own words for one that is
    wrong or not allowed. An interrupt stops the statement and is raised on.
    """
    statements = split_statements(sql)
    if len(statements) != 1:
        raise ShieldError(f"expected one SQL statement, found {len(statements)}")
    # In a thread of its own: while DuckDB works in this one, Python would not hear of an interrupt.
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            pool.submit(print_answer, connection, statements[0], as_csv).result()
        except duckdb.Error as error:
            raise ShieldError(str(error)) from error
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def split_statements(sql: str) -> list[str]:
    """Return the statements that semicolons divide; those in texts, names and comments do not.

    A text that does not end hides what follows it from DuckDB's tokenizer: it is part of its statement.
    """
    data = sql.encode()  # the tokenizer counts bytes
    cuts = (place for place, _ in duckdb.tokenize(sql) if data[place : place + 1] == b";")
    pieces = (data[start + 1 : end] for start, end in pairwise([-1, *cuts, len(data)]))
    texts = [piece.decode() for piece in pieces]
    return [text for text in texts if duckdb.tokenize(text)]


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
