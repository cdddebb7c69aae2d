"""What every command shares: exit codes, errors of one line, kinds of arguments."""

import argparse
from collections.abc import Callable

import duckdb
import pytest

from warehouse.command import (
    CommandParser,
    count_between,
    parse_day,
    parse_name,
    parse_path,
    parse_text,
    run_command,
)
from warehouse.errors import ShieldError


def interrupt_query() -> None:
    """Raise what DuckDB does when Ctrl-C comes while a query runs."""
    raise RuntimeError("Query interrupted") from KeyboardInterrupt()


def raise_error(error: BaseException) -> None:
    """Raise an error."""
    raise error


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ShieldError("a\nb"), 1, "error: a b"),
        (ShieldError("Parser Error: no\n\nLINE 1: SELEC\n        ^"), 1, "error: Parser Error: no"),
        (OSError("disk full"), 1, "error: disk full; all is well"),
        (duckdb.IOException("disk full"), 1, "error: disk full; all is well"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "no"), 1, "error: 'ascii' codec can't encode"),
        (KeyboardInterrupt(), 130, "error: interrupted; all is well"),
    ],
)
def test_error_is_one_line_and_an_exit_code(
    error: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(lambda: raise_error(error), lambda: "all is well") == code
    printed = capsys.readouterr().err
    assert printed.startswith(told)
    assert printed.count("\n") == 1


def test_interrupt_within_a_query_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(interrupt_query) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_mistake_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="mistake"):
        run_command(lambda: raise_error(RuntimeError("mistake")))


def test_work_that_ends_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: None) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arguments", [["--cou", "1"], ["--count", "x"], ["moon"]])
def test_command_line_that_is_not_understood_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = CommandParser(prog="python -m moon")
    parser.add_argument("--count", type=int)
    with pytest.raises(SystemExit) as end:
        parser.parse_args(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.endswith("; see python -m moon --help\n")
    assert error.count("\n") == 1
    assert parser.parse_args(["--count", "1"]).count == 1


def test_count_out_of_bounds_is_told_both() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="whole number from 1 to 30, found '31'"):
        count_between(1, 30)("31")


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (parse_text, [" x ", "é"], ["", " \t\n", "\udcff"]),
        (parse_path, ["a/b"], ["", " ", "\udcff"]),
        (parse_name, ["river-town_2"], ["", "a/b", "a.toml", "a b", "a\n"]),
        (parse_day, ["2024-02-29"], ["2023-02-29", "20240229", "2021-W01-1", "2024-02-29T00:00"]),
        (count_between(-1, 30), ["-1", "0", "30"], ["-2", "31", "", "1.0", "+1", " 1", "١", "1" * 19]),
    ],
)
def test_argument_is_read_whole_or_refused(
    parse: Callable[[str], object], good: list[str], bad: list[str]
) -> None:
    assert [str(parse(text)) for text in good] == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match="^expected .*, found "):
            parse(text)
