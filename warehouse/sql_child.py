"""`python -m warehouse.sql_child`: one statement on one build, in a process that bounds itself.

Input: JSON on standard input: `path` of a finished build, `build_id`, `sql`. Output: JSON on standard
output: the answer, or with exit code `SAID` one line on why there is none, with `UNOPENED` on why the
build cannot be opened. What goes beyond its limits
ends by a signal, whatever DuckDB does at that time; so it does where its parent ends.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

import duckdb

from warehouse.errors import NoBuildError
from warehouse.json_answer import MAX_BYTES, render_answer
from warehouse.sql_gate import RefusedSqlError, check_sql
from warehouse.sql_settings import CLOSED, describe_error, lock_connection

PROCESS_BYTES = 768 << 20
"""Address space: DuckDB's own limit does not count everything, and takes 200 MiB to be loaded."""

CPU_SECONDS, WALL_SECONDS = 5, 15

SAID, UNOPENED = 3, 4

LIMITS = {
    resource.RLIMIT_AS: PROCESS_BYTES,
    resource.RLIMIT_CPU: CPU_SECONDS,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
}
"""What the kernel holds the process to: memory, time, files written, a core file."""

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Answer the statement; return the exit code."""
    limit_process()
    request = json.load(sys.stdin)
    try:
        answer = run_sql(Path(request["path"]), request["build_id"], request["sql"])
    except RefusedSqlError as error:
        return say(str(error))
    except NoBuildError as error:
        return say(str(error), UNOPENED)
    except (duckdb.Error, MemoryError) as error:
        return say(describe_error(error))
    except (ValueError, OverflowError) as error:
        return say(f"the answer cannot be sent as JSON: {error}")
    sys.stdout.buffer.write(answer)
    return 0


def say(message: str, code: int = SAID) -> int:
    """Write why there is no answer; return the exit code."""
    sys.stdout.buffer.write(message.encode(errors="replace")[:MAX_BYTES])
    return code


def limit_process() -> None:
    """Bound this process, let others go first, and die with the parent where the system can do that."""
    with contextlib.suppress(OSError):  # Linux: when memory is short, this process ends and no other
        Path("/proc/self/oom_score_adj").write_text("1000")
    with contextlib.suppress(AttributeError):  # Linux
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for limit, value in LIMITS.items():
        resource.setrlimit(limit, (value, value + 1))  # the signal of the lower one can be told apart
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a server's threads may block what ends this one
    signal.alarm(WALL_SECONDS)
    os.nice(10)


def run_sql(path: Path, build_id: str, sql: str) -> bytes:
    """Return the answer as JSON (`json_answer`).

    Raises `RefusedSqlError`, `duckdb.Error`, and `NoBuildError` where the build cannot be opened.
    """
    try:
        connection = duckdb.connect(str(path), read_only=True, config=CLOSED)
    except duckdb.Error as error:
        raise NoBuildError(f"{path.name} cannot be opened: {describe_error(error)}") from error
    with connection:
        lock_connection(connection)
        check_sql(connection, sql)
        return render_answer(build_id, connection.execute(sql))


if __name__ == "__main__":
    sys.exit(main())
