"""Runs one statement of a stranger in a process of its own; nothing of it runs in this one.

Input: a finished build and a statement. Output: the answer as JSON, or an error for the one who asks.
"""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

from warehouse.errors import NoBuildError, ShieldError
from warehouse.json_answer import MAX_BYTES
from warehouse.settings import ROOT
from warehouse.sql_child import CPU_SECONDS, SAID, UNOPENED, WALL_SECONDS

COMMAND = (sys.executable, "-B", "-s", "-m", "warehouse.sql_child")

LATE_SECONDS = 2
"""After its wall limit a child is killed from here: its own alarm should have ended it."""

MAX_ANSWER_BYTES = 2 * MAX_BYTES
"""Read at most: the rows, and the names of the columns."""

ENDINGS = {
    -signal.SIGALRM: f"the statement took more than {WALL_SECONDS} s: ask for less, or filter first",
    -signal.SIGKILL: f"the statement was stopped: it took more than {WALL_SECONDS} s or too much memory",
    -signal.SIGXCPU: f"the statement took more than {CPU_SECONDS} s of computing: ask for less, or"
    " filter first",
}


class StatementError(ShieldError):
    """The statement has no answer: it is refused, wrong, or beyond its limits, as the message says."""


def run_statement(path: Path, build_id: str, sql: str) -> bytes:
    """Return the JSON answer (`json_answer`) to a statement on the build in `path`.

    Raises `StatementError`, and `NoBuildError` where the build cannot be opened.
    """
    request = json.dumps({"path": str(path.resolve()), "build_id": build_id, "sql": sql}).encode()
    with subprocess.Popen(  # noqa: S603  # our own module; the statement goes through a pipe
        COMMAND, cwd=ROOT, env={}, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        late = threading.Timer(WALL_SECONDS + LATE_SECONDS, process.kill)
        late.start()
        try:
            answer = exchange(process, request)
        except BaseException:
            process.kill()
            raise
        finally:
            late.cancel()
    if process.returncode == 0:
        return answer
    said = answer.decode(errors="replace") if process.returncode in {SAID, UNOPENED} else ""
    if process.returncode == UNOPENED:
        raise NoBuildError(said)
    raise StatementError(said or ENDINGS.get(process.returncode) or describe_end(process.returncode))


def exchange(process: subprocess.Popen[bytes], request: bytes) -> bytes:
    """Send the request; return what the process writes until it ends, at once where it is too much."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("expected a process with pipes")
    with contextlib.suppress(BrokenPipeError), process.stdin:  # it died: its exit code says why
        process.stdin.write(request)
    answer = process.stdout.read(MAX_ANSWER_BYTES + 1)
    if len(answer) > MAX_ANSWER_BYTES:
        process.kill()
    process.wait()
    return answer


def describe_end(code: int) -> str:
    """Return what an unforeseen exit code means to the one who asked."""
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"the statement ended its process ({how}): it is too deeply nested or needs too much memory"
