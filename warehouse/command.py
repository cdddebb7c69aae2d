"""What every `python -m …` of this project shares: errors of one line, exit codes, kinds of arguments.

Input: a command line and the function that does what it asks for. Output: an exit code: 0 done,
1 an error that is told on standard error, 2 a command line that cannot be understood, 130 Ctrl-C.
"""

import argparse
import datetime as dt
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import duckdb

from warehouse.errors import ShieldError
from warehouse.operation import Operation, read_operation

MACHINE_ERRORS = (
    OSError, duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException,
    duckdb.FatalException, UnicodeEncodeError,
)  # fmt: skip
"""What a full disk, a folder that cannot be written, one that vanished, or a terminal that cannot show a
letter looks like. DuckDB calls it a failed commit when its log cannot be written, and fatal when a
checkpoint cannot."""

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


def run_command(work: Callable[[], object], tell_state: Callable[[], str] | None = None) -> int:
    """Do the work of a command and return its exit code.

    `tell_state` says what the machine's failure or the interrupt left behind. Any other exception is a
    mistake of this program: it is raised on, with its traceback.
    """

    def state() -> str:
        return f"; {tell_state()}" if tell_state else ""

    try:
        work()
    except ShieldError as error:
        return fail(str(error))
    except MACHINE_ERRORS as error:
        return fail(f"{error}{state()}")
    except (KeyboardInterrupt, RuntimeError) as error:
        if not is_interrupt(error):
            raise
        return fail(f"interrupted{state()}", INTERRUPTED)
    return DONE


def fail(message: str, code: int = FAILED) -> int:
    """Print an error in one line; return the code."""
    print("error:", join_lines(message), file=sys.stderr)
    return code


def join_lines(message: str) -> str:
    """Return a message in one line, without the excerpt of SQL that DuckDB adds."""
    lines = message.partition("\n\nLINE ")[0].splitlines()
    return " ".join(filter(None, map(str.strip, lines)))


def is_interrupt(error: BaseException) -> bool:
    """Return whether an error is Ctrl-C, which DuckDB wraps when it comes while a query runs."""
    return isinstance(error.__cause__ or error, KeyboardInterrupt)


class CommandParser(argparse.ArgumentParser):
    """Says in one line what is wrong with a command line; an abbreviated option is wrong."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # argparse decides the types
        """Take what `argparse.ArgumentParser` takes."""
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Print the error and raise `SystemExit`."""
        sys.exit(fail(f"{message}; see {self.prog} --help", MISUSED))


def load_operation() -> Operation:
    """Return what the operator has set; a mistake there ends the program."""
    try:
        return read_operation().operation
    except ShieldError as error:
        sys.exit(fail(str(error)))


def add_builds(parser: argparse.ArgumentParser) -> None:
    """Let a command be told which folder of builds it is about."""
    builds = load_operation().builds
    parser.add_argument("--builds", type=parse_path, default=builds, help="folder of builds")


def parse_text(text: str) -> str:
    """Return an argument that holds something, in UTF-8, as DuckDB takes texts and paths.

    This and the functions below raise `argparse.ArgumentTypeError` with what was expected and found,
    which argparse turns into an error of the command line.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(f"expected UTF-8, found {text!r}") from error
    if not text.strip():
        raise argparse.ArgumentTypeError(f"expected a value, found {text!r}")
    return text


def parse_path(text: str) -> Path:
    """Return a path; an empty text is none, though `Path` takes it for the folder one is in.

    Raises as `parse_text`.
    """
    return Path(parse_text(text))


def parse_name(text: str) -> str:
    """Return the name of a settings file: no path and no ending. Raises as `parse_text`."""
    if not re.fullmatch(r"[\w-]+", parse_text(text)):
        raise argparse.ArgumentTypeError(f"expected a name of letters, digits, _ or -, found {text!r}")
    return text


def parse_day(text: str) -> dt.date:
    """Return a day, written YYYY-MM-DD and no other way. Raises as `parse_text`."""
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected a day YYYY-MM-DD, found {text!r}: {error}"
        ) from error
    if day.isoformat() != text:  # the calendar week of 2021-W01-1, 20210101
        raise argparse.ArgumentTypeError(f"expected a day YYYY-MM-DD, found {text!r}")
    return day


def count_between(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a function that reads a whole number from `minimum` to `maximum`, both included.

    It raises as `parse_text`.
    """

    def parse_count(text: str) -> int:
        digits = re.fullmatch(r"-?[0-9]{1,18}", text)
        if digits is None or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {minimum} to {maximum}, found {text!r}"
            )
        return int(text)

    return parse_count
