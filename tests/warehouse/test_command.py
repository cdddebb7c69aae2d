"""What every command shares: exit codes, errors of one line."""

import duckdb
import pytest

from warehouse.command import run_command
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
