"""The real server: Granian as `make serve` starts it."""

import http.client
import json
import os
import signal
import socket
import time
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from shutil import copytree

import pytest

from serve.__main__ import find_address
from serve.gateway import THREADS
from tests.one_in import one_in
from tests.serve.builds import copy_builds, damage_file, publish_changed, wait_until
from tests.serve.server import ask, is_ready, run_server, start
from warehouse.pointer import read_pointer

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def address(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server; its home folder must stay empty."""
    home = tmp_path_factory.mktemp("home")
    before = sorted(published.iterdir())
    with run_server(published, HOME=str(home)) as (address, _):
        yield address
    assert sorted(published.iterdir()) == before
    assert not [path for path in home.rglob("*") if path.is_file() and "matplotlib" not in str(path)]


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
    assert find_address("localhost", 0) == "127.0.0.1"


def test_server_without_a_build_serves_the_one_that_comes(published: Path, tmp_path: Path) -> None:
    builds = tmp_path / "builds"
    builds.mkdir()
    with run_server(builds) as (address, _):
        with pytest.raises(urllib.error.HTTPError, match="503"):
            ask(address, "/readyz")
        copytree(published, builds, symlinks=True, dirs_exist_ok=True)
        wait_until(partial(is_ready, address))


@pytest.mark.parametrize(
    ("line", "message"),
    one_in(
        2,
        [
            ("gateway.create_app = lambda config: 1 / 0", "ZeroDivisionError"),
            ("gateway.create_app = lambda config: sys.exit(9)", "Unexpected exit"),
        ],
    ),
)
def test_worker_that_cannot_load_ends_the_server(
    published: Path, tmp_path: Path, line: str, message: str
) -> None:
    _, process = start(copy_builds(published, tmp_path), "import sys", "from serve import gateway", line)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 1, errors
    assert message in errors


@pytest.mark.parametrize(
    ("name", "value", "message"),
    one_in(
        4,
        [
            ("ATLSHIELD_SQL", "1", "sql: needs api_keys"),
            ("ATLSHIELD_SQL", "si", "ATLSHIELD_SQL: sql: found 'si', expected a valid boolean"),
            ("ATLSHIELD_API_KEYS", "short", "api_keys: expected 16 or more"),
            ("ATLSHIELD_API_KEY", "0123456789abcdef", "did you mean 'api_keys'?"),
        ],
    ),
)
def test_setting_that_is_none_is_one_line_and_exit_1(
    tmp_path: Path, name: str, value: str, message: str
) -> None:
    _, process = start(tmp_path, **{name: value})
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert errors.startswith("error: ")
    assert message in errors
    assert errors.count("\n") == 1, errors


SLOW_ROUTE = """
import time
from pathlib import Path
from serve import gateway
from serve.app import create_app
from serve.current_build import take_build

def create_slow(config):
    app, builds = create_app(config), config.builds

    @app.get("/slow")
    def slow():
        build = take_build()
        Path(builds, "begun").touch()
        time.sleep(1)
        with build.engine.connect() as connection:
            return str(connection.exec_driver_sql("SELECT count(*) FROM incident").scalar())

    return app

gateway.create_app = create_slow
"""


@pytest.mark.parametrize("name", one_in(3, ["SIGTERM", "SIGINT", "SIGQUIT"]))
@pytest.mark.parametrize("is_group", one_in(2, [False, True]), ids=["server", "terminal"])
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


@pytest.mark.slow
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


def ask_until_closed(address: str) -> int:
    """Ask on one connection until the server ends it; return how many answers came, all whole."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    count = 0
    while True:
        try:
            connection.request("GET", "/average_daily_crime?neighborhood=Downtown&month=1")
            answer = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            connection.close()
            return count  # the request was not taken: it can be sent again
        assert answer.status == 200
        assert json.loads(answer.read())["month"] == 1
        count += 1
        if answer.getheader("Connection") == "close":
            return count


@pytest.mark.slow
def test_stop_cuts_no_answer_of_clients_who_keep_their_connections(published: Path) -> None:
    with run_server(published) as (address, process), ThreadPoolExecutor(32) as pool:
        clients = [pool.submit(ask_until_closed, address) for _ in range(32)]
        time.sleep(1)
        assert not any(client.done() for client in clients)
        process.send_signal(signal.SIGTERM)
        assert min(client.result(timeout=30) for client in clients) > 0
        assert process.wait(timeout=20) == 0
