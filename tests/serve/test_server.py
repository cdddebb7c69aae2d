"""The real server: gunicorn as `make serve` starts it."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from serve.__main__ import THREADS, find_address
from tests.serve.builds import DAMAGES, copy_builds, damage_file, publish_changed
from warehouse.pointer import read_pointer
from warehouse.settings import ROOT

pytestmark = pytest.mark.server

Server = tuple[str, "subprocess.Popen[str]"]

MAX_REFUSAL_SECONDS = 3.0
"""Of computing: how long that takes depends on what else the machine does."""

RUN = "import sys; from serve import __main__ as server; sys.exit(server.main(sys.argv[1:]))"
"""What `python -m serve` does; tests put a line before it."""


def start(builds: Path, *lines: str, **environment: str) -> Server:
    """Start a server in a process group of its own, with lines of Python before; return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = ["-c", "\n".join([*lines, RUN])] if lines else ["-m", "serve"]
    process = subprocess.Popen(
        [sys.executable, *program, "--builds", str(builds), "--port", str(port)],
        cwd=ROOT, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    return f"http://127.0.0.1:{port}", process


@contextmanager
def run_server(builds: Path, *lines: str, **environment: str) -> Iterator[Server]:
    """Run a server that answers; stop it by SIGTERM unless it was stopped; check that it ends well."""
    address, process = start(builds, *lines, **environment)
    try:
        wait_until_ready(address, process)
        yield address, process
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    for bad in ("terminate called", "SIGABRT", "Traceback", "exited with code"):
        assert bad not in errors, errors


@pytest.fixture(scope="module")
def address(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server; its home folder must stay empty."""
    home = tmp_path_factory.mktemp("home")
    before = sorted(published.iterdir())
    with run_server(published, HOME=str(home)) as (address, _):
        yield address
    assert sorted(published.iterdir()) == before
    assert not [path for path in home.rglob("*") if path.is_file() and "matplotlib" not in str(path)]


def wait_until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return once it is so; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.05)


def wait_until_ready(address: str, process: "subprocess.Popen[str]") -> None:
    """Return once the server answers."""

    def is_ready() -> bool:
        try:
            ask(address, "/readyz")
        except urllib.error.URLError:
            assert process.poll() is None, process.communicate()[1]
            return False
        return True

    wait_until(is_ready)


def ask(address: str, path: str, body: object = None) -> bytes:
    """Return the body of an answer."""
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(f"{address}{path}", data) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


def test_server_answers_with_the_published_build(address: str, published: Path) -> None:
    ready = json.loads(ask(address, "/readyz"))
    assert ready["build_id"] == read_pointer(published).build_id


def test_many_clients_get_their_own_answers(address: str) -> None:
    def check(month: int) -> bool:
        body = {"neighborhood": "Midtown", "month": month}
        return bool(json.loads(ask(address, "/average_daily_crime", body))["month"] == month)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, [1 + number % 12 for number in range(400)]))


def test_charts_can_be_drawn_at_the_same_time(address: str) -> None:
    paths = [f"/charts/hourly/Midtown/{month}.png" for month in range(1, 13)]
    with ThreadPoolExecutor(4) as pool:
        charts = list(pool.map(lambda path: ask(address, path), paths))
    assert len(set(charts)) == 12


def test_name_of_two_addresses_is_served_at_the_older_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert find_address("localhost", 0) == "[127.0.0.1]:0"


def test_serving_without_a_build_says_so_and_fails(tmp_path: Path) -> None:
    _, process = start(tmp_path)
    errors = process.communicate(timeout=20)[1]
    assert process.returncode == 1
    assert errors.startswith("error: no published build")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_build_at_the_start_is_one_line_and_exit_1(
    published: Path, tmp_path: Path, damage: str
) -> None:
    builds = copy_builds(published, tmp_path)
    DAMAGES[damage](builds)
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    _, process = start(builds)
    errors = process.communicate(timeout=20)[1]
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime < MAX_REFUSAL_SECONDS
    assert process.returncode == 1
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1, errors


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (
            "(builds / file).chmod(0o644); (builds / file).write_bytes(b'')",
            4,
            "error: {file} is damaged",
        ),
        ("server.create_app = lambda builds: 1 / 0", 3, "ZeroDivisionError"),
    ],
    ids=["damaged since it was checked", "unforeseen"],
)
def test_worker_that_cannot_load_ends_the_server(
    published: Path, tmp_path: Path, line: str, code: int, message: str
) -> None:
    builds = copy_builds(published, tmp_path)
    file = read_pointer(builds).file
    _, process = start(
        builds,
        "from pathlib import Path",
        "from serve import __main__ as server",
        f"builds, file, check = Path({str(builds)!r}), {file!r}, server.release_threads",
        "def release_threads():",
        "    check()",
        f"    {line}",
        "server.release_threads = release_threads",
    )
    errors = process.communicate(timeout=20)[1]
    assert process.returncode == code, errors
    assert message.format(file=file) in errors
    assert errors.count("Booting worker") == 1, errors


SLOW_ROUTE = """
import time
from pathlib import Path
from serve import __main__ as server
from serve.app import create_app
from serve.current_build import take_build

def create_slow(builds):
    app = create_app(builds)

    @app.get("/slow")
    def slow():
        build = take_build()
        Path(builds, "begun").touch()
        time.sleep(1)
        with build.engine.connect() as connection:
            return str(connection.exec_driver_sql("SELECT count(*) FROM incident").scalar())

    return app

server.create_app = create_slow
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT"])
@pytest.mark.parametrize("is_group", [False, True], ids=["server", "terminal"])
def test_stop_finishes_requests_that_run_or_wait_and_exits_0(
    published: Path, tmp_path: Path, name: str, is_group: bool
) -> None:
    builds = copy_builds(published, tmp_path)
    kill = os.killpg if is_group else os.kill
    count = THREADS + 2
    with run_server(builds, SLOW_ROUTE) as (address, process), ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(ask, address, "/slow") for _ in range(count)]
        wait_until((builds / "begun").exists)
        time.sleep(0.3)  # the others are accepted meanwhile
        kill(process.pid, signal.Signals[name])
        assert min(int(answer.result(timeout=20)) for answer in answers) > 0
        assert process.wait(timeout=20) == 0


def test_build_that_failed_to_load_is_served_soon_after_it_is_mended(
    published: Path, tmp_path: Path
) -> None:
    builds = copy_builds(published, tmp_path)
    with run_server(builds) as (address, _):

        def is_told(name: str, value: str) -> bool:
            return bool(json.loads(ask(address, "/readyz"))[name] == value)

        path = builds / publish_changed(builds, "z").file
        good = path.read_bytes()
        damage_file(path, good[:9999])
        wait_until(lambda: is_told("status", "stale"))
        damage_file(path, good)
        wait_until(lambda: is_told("build_id", "z"))
