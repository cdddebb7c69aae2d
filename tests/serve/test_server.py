"""The real server: gunicorn as `make serve` starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from warehouse.pointer import read_pointer
from warehouse.settings import ROOT

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def address(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server; its home folder must stay empty."""
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "serve", "--builds", str(published), "--port", str(port)]
    before = sorted(published.iterdir())
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "HOME": str(home)}, stderr=subprocess.PIPE, text=True
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(address, process)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert sorted(published.iterdir()) == before
    assert not [path for path in home.rglob("*") if path.is_file() and "matplotlib" not in str(path)]


def wait_until_ready(address: str, process: "subprocess.Popen[str]") -> None:
    """Return once the server answers."""
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{address}/readyz")  # noqa: S310
        except urllib.error.URLError:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        else:
            return
    pytest.fail("the server did not come up")


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


def test_serving_without_a_build_says_so_and_fails(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "serve", "--builds", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: no published build")
