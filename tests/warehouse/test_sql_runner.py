"""Statements in a process of their own: answers as JSON, and bombs that end there and say why."""

import json
import math
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.one_in import one_in
from tests.warehouse.statements import BOMBS, SLOW_BOMBS
from warehouse import json_answer, sql_child, sql_runner
from warehouse.pointer import read_pointer
from warehouse.settings import ROOT
from warehouse.sql_runner import StatementError, run_statement

LIMIT_SAID = r"needs more than 256 MiB of memory|took more than (5 s of computing|15 s)"


@pytest.fixture(scope="module")
def build(published: Path) -> Path:
    """The file of the simulated build."""
    return published / read_pointer(published).file


def ask(build: Path, sql: str) -> dict[str, Any]:
    """Return an answer, read by a strict reader: NaN and Infinity are no JSON."""
    answer: dict[str, Any] = json.loads(run_statement(build, "b-1", sql), parse_constant=pytest.fail)
    return answer


def test_answer_has_columns_rows_and_build(build: Path) -> None:
    select = """SELECT DATE '2021-01-02' AS day, TIMESTAMP '2021-01-02 03:04:05' AS "at", 1.50 AS money,
        'nan'::DOUBLE AS n, [1e308 * 10, 1.0] AS l, NULL AS gap, 2::HUGEINT AS big, 'é"' AS text,
        true AS yes, {'a': 1} AS s, 'ab'::BLOB AS bytes, TIME '10:00' AS clock,
        INTERVAL 90 MINUTE AS span"""
    answer = ask(build, select)
    assert answer["build_id"] == "b-1"
    assert answer["truncated"] is False
    assert [column["name"] for column in answer["columns"]][:2] == ["day", "at"]
    assert [column["type"] for column in answer["columns"]][:3] == ["DATE", "TIMESTAMP", "DECIMAL(3,2)"]
    assert answer["rows"] == [
        ["2021-01-02", "2021-01-02T03:04:05", 1.5, None, [None, 1.0], None, 2, 'é"', True, {"a": 1},
         "YWI=", "10:00:00", "PT1H30M"]
    ]  # fmt: skip


def test_answer_is_what_the_build_holds(build: Path) -> None:
    answer = ask(build, "SELECT month, expected_month_crimes FROM forecast_city ORDER BY month")
    assert [month for month, _ in answer["rows"]] == list(range(1, 13))
    total = ask(build, "SELECT sum(expected_month_crimes) FROM average_daily")["rows"][0][0]
    assert math.isclose(total, sum(crimes for _, crimes in answer["rows"]))


def test_answer_without_rows_has_columns(build: Path) -> None:
    answer = ask(build, "SELECT zone FROM incident WHERE false")
    assert answer["columns"] == [{"name": "zone", "type": "VARCHAR"}]
    assert (answer["rows"], answer["truncated"]) == ([], False)


def test_rows_end_at_the_cap_and_the_answer_says_so(build: Path) -> None:
    cap = json_answer.MAX_ROWS
    exact, more = (ask(build, f"SELECT x FROM range({rows}) t(x)") for rows in (cap, cap + 1))
    assert (len(exact["rows"]), exact["truncated"]) == (cap, False)
    assert (more["rows"], more["truncated"]) == (exact["rows"], True)
    assert ask(build, "FROM incident a, incident b")["truncated"], "rows come one by one"


def test_bytes_end_at_the_cap_and_the_answer_says_so(build: Path) -> None:
    text = run_statement(build, "b", "SELECT repeat('x', 100_000) FROM range(1000)")
    answer = json.loads(text)
    assert answer["truncated"]
    assert len(answer["rows"]) == json_answer.MAX_BYTES // 100_004
    assert len(text) <= json_answer.MAX_BYTES + 1000


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("FROM read_text('/etc/passwd')", "function read_text is not allowed"),
        ("SELECT neighborhod FROM incident", "neighborhod"),
        ("SELECT 'x'::INTEGER", "Could not convert"),
        ("SELEC", "syntax error"),
        ("SELECT '\udcff'", "not UTF-8"),
        ("SELECT 1\0", "NUL"),
    ],
)
def test_statement_without_an_answer_says_why(build: Path, sql: str, message: str) -> None:
    with pytest.raises(StatementError, match=message) as refusal:
        run_statement(build, "b", sql)
    assert str(build.parent) not in str(refusal.value)


@pytest.mark.parametrize("sql", one_in(4, BOMBS), ids=lambda text: text[:50])
def test_memory_bomb_ends_in_its_process(build: Path, sql: str) -> None:
    with pytest.raises(StatementError, match=LIMIT_SAID):
        run_statement(build, "b", sql)


def test_endless_statement_ends_in_its_process(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sql_child.LIMITS[resource.RLIMIT_CPU] == 5
    sooner = "from warehouse import sql_child as c; import resource as r; c.LIMITS[r.RLIMIT_CPU] = 1;"
    monkeypatch.setattr(
        sql_runner, "COMMAND", (sys.executable, "-c", f"{sooner} raise SystemExit(c.main())")
    )
    with pytest.raises(StatementError, match=r"took more than (5 s of computing|15 s)"):
        run_statement(build, "b", "SELECT sum(x) FROM range(1_000_000_000_000) t(x)")


@pytest.mark.slow
@pytest.mark.parametrize("sql", SLOW_BOMBS, ids=lambda text: text[:50])
def test_slow_bomb_ends_in_its_process(build: Path, sql: str) -> None:
    with pytest.raises(StatementError, match=LIMIT_SAID):
        run_statement(build, "b", sql)


def run_instead(monkeypatch: pytest.MonkeyPatch, program: str) -> bytes:
    """Return what the parent makes of a child that runs another program."""
    monkeypatch.setattr(sql_runner, "COMMAND", (sys.executable, "-c", program))
    return run_statement(Path("x"), "b", "SELECT 1")


def test_child_has_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLSHIELD_API_KEYS", "secret")
    shown = run_instead(monkeypatch, "import os; print(dict(os.environ))")
    assert b"secret" not in shown
    assert b"PATH" not in shown


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import os; os.abort()", "SIGABRT"),
        ("import os; os.kill(os.getpid(), 9)", "too much memory"),
        ("import os; os.kill(os.getpid(), 24)", "s of computing"),
        ("raise SystemExit(7)", "exit code 7"),
        ("import sys; sys.stdin.close(); raise SystemExit(7)", "exit code 7"),
        ("while True: print('x' * 100_000)", "too much memory"),
        ("import time; time.sleep(100)", "more than 15 s"),
    ],
)
def test_child_that_ends_badly_is_told(
    monkeypatch: pytest.MonkeyPatch, program: str, message: str
) -> None:
    monkeypatch.setattr(sql_runner, "LATE_SECONDS", -14)
    with pytest.raises(StatementError, match=message):
        run_instead(monkeypatch, program)


LIMITED = "from warehouse.sql_child import limit_process; limit_process(); "


def run_limited(program: str) -> int:
    """Return the exit code of a program under the limits of a statement."""
    command = [sys.executable, "-c", LIMITED + program]
    return subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL, check=False).returncode


def test_child_writes_no_file_and_leaves_no_core(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert run_limited(f"import pathlib; pathlib.Path({str(path)!r}).write_text('x')") == 1
    assert path.read_text() == ""
    check = f"resource.getrlimit({resource.RLIMIT_CORE})[0]"
    assert run_limited(f"import resource, sys; sys.exit({check})") == 0


def test_child_ends_by_its_own_alarm_though_signals_were_blocked() -> None:
    quick = "import signal, time; signal.alarm(1); time.sleep(30)"
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        assert run_limited(quick) == -signal.SIGALRM
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux to end the child")
def test_child_dies_with_its_parent(build: Path) -> None:
    program = (
        "from pathlib import Path; from warehouse.sql_runner import run_statement; "
        f"run_statement(Path({str(build)!r}), 'b', 'SELECT sum(x) FROM range(1000000000000) t(x)')"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while not (found := children.read_text().split()):
        assert parent.poll() is None
        time.sleep(0.05)
    child = Path(f"/proc/{found[0]}")
    while "VmHWM" not in (child / "status").read_text() or not is_limited(child):
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 3
    while child.exists() and (child / "stat").read_text().split(")")[1].split()[0] != "Z":
        assert time.monotonic() < end, "the child outlives its parent"
        time.sleep(0.05)


def is_limited(process: Path) -> bool:
    """Return whether a process has set its limits."""
    limits = (process / "limits").read_text()
    return any("Max file size" in line and line.split()[3] == "0" for line in limits.splitlines())


def test_row_too_large_for_any_answer_is_no_empty_answer(build: Path) -> None:
    with pytest.raises(StatementError, match="its first row is larger than 4 MiB"):
        ask(build, "SELECT string_agg(repeat('x', 100), '') FROM range(100000)")
