"""A real TabPy with our functions: the same lists as without it, for one request a call."""

import json
import math
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serve import deploy_tabpy
from serve.app import create_app
from serve.current_build import EXTENSION
from serve.evaluate import FUNCTIONS
from serve.tabpy_functions import KEY_VARIABLE
from tests.serve.builds import copy_builds, publish_changed
from tests.serve.client import make_client
from tests.serve.counted_api import CountedApi, run_counted
from tests.serve.tabpy_server import PASSWORD, USER, ask, find_python, make_script, run_tabpy
from tests.serve.test_tabpy_functions import CALLS, KEY
from warehouse.operation import Operation
from warehouse.settings import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.server]

ONE_HOUR: list[Any] = [["Downtown"], [7], [20]]


@pytest.fixture(scope="module")
def api(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountedApi]:
    """The API that TabPy asks, with a key."""
    builds = copy_builds(published, tmp_path_factory.mktemp("for_tabpy"))
    with run_counted(create_app(Operation(builds=builds, api_keys=(KEY,)))) as counted:
        yield counted


@pytest.fixture(scope="module")
def python() -> Path:
    """A Python with TabPy."""
    return find_python()


@pytest.fixture(scope="module")
def tabpy(api: CountedApi, python: Path) -> Iterator[str]:
    """A TabPy that has our functions."""
    with run_tabpy(python, **{KEY_VARIABLE: KEY}) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TABPY_PASSWORD", PASSWORD)
        deploy_tabpy.deploy(address, api.address)
        yield address


def evaluate(address: str, name: str, arguments: list[Any]) -> Any:  # noqa: ANN401  # JSON
    """Return what TabPy answers to a calculated field."""
    answer = ask(address, "/evaluate", make_script(name, arguments))
    assert answer.status_code == 200, answer.text
    return answer.json()


def is_json(value: Any) -> bool:  # noqa: ANN401  # JSON
    """Return whether `requests` sends it: no number that JSON has not."""
    if isinstance(value, list):
        return all(map(is_json, value))
    return not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize(("name", "arguments", "requests"), CALLS)
def test_tabpy_gives_what_our_evaluate_gives_for_one_request(
    tabpy: str, api: CountedApi, name: str, arguments: list[Any], requests: int
) -> None:
    if not is_json(arguments):
        arguments = [["Downtown"], [None, 0, 7.5, 13], [20]]
    script = make_script(name, arguments)
    own = make_client(api.app).post("/evaluate", json=script, headers={"Authorization": f"Bearer {KEY}"})
    api.take_bodies()
    assert evaluate(tabpy, name, arguments) == own.get_json()
    assert len(api.take_bodies()) == requests
    by_name = ask(tabpy, f"/query/{name}", {"data": arguments})
    assert by_name.json()["response"] == own.get_json()
    assert len(api.take_bodies()) == requests


def test_thousand_rows_are_one_request(tabpy: str, api: CountedApi) -> None:
    arguments: list[Any] = [["Downtown", "Midtown", "Nowhere", None] * 250, [7], [*range(20)] * 50]
    api.take_bodies()
    values = evaluate(tabpy, "predict_hourly_crime", arguments)
    assert len(values) == 1000
    assert [value is None for value in values] == [False, False, True, True] * 250
    [body] = api.take_bodies()
    assert len(json.loads(body)["lookups"]) == len({*zip(arguments[0], arguments[2], strict=True)}) - 5


def test_refresh_shows_at_once(tabpy: str, api: CountedApi) -> None:
    before = evaluate(tabpy, "predict_hourly_crime", ONE_HOUR)
    change = "UPDATE mart_forecast_hourly SET expected_crimes = expected_crimes + 1"
    current = api.app.extensions[EXTENSION]
    publish_changed(current.builds, "20990101T000000000000Z", change)
    current.follow()
    api.take_bodies()
    assert evaluate(tabpy, "predict_hourly_crime", ONE_HOUR) == pytest.approx([before[0] + 1])
    assert len(api.take_bodies()) == 1


@pytest.mark.parametrize(("fault", "seconds"), [("down", 4), ("slow", 16)])
def test_api_that_does_not_answer_is_told_within_seconds(
    tabpy: str, api: CountedApi, fault: str, seconds: float
) -> None:
    if fault == "down":
        api.stop()
    api.hangs = fault == "slow"
    began = time.monotonic()
    try:
        answer = ask(tabpy, "/evaluate", make_script("suggest_patrol", ONE_HOUR))
    finally:
        passed = time.monotonic() - began
        api.hangs = False
        if fault == "down":
            api.start()
    words = {"down": "cannot be reached", "slow": "no answer within 2 + 10 s"}
    assert answer.status_code == 500
    assert f"ATLShield's API at {api.address}: {words[fault]}" in answer.json()["info"]
    assert passed < seconds
    assert None not in evaluate(tabpy, "suggest_patrol", ONE_HOUR)


def test_nothing_is_answered_without_the_password(tabpy: str) -> None:
    script = make_script("suggest_patrol", ONE_HOUR)
    for path, body in (("/info", None), ("/evaluate", script), ("/endpoints", None),
                       ("/query/suggest_patrol", {"data": ONE_HOUR})):  # fmt: skip
        for user, password in ((USER, ""), (USER, "wrong"), ("other", PASSWORD)):
            assert ask(tabpy, path, body, user, password).status_code == 401, path
        assert ask(tabpy, path, body).status_code == 200, path


def test_tabpy_listens_on_loopback_alone(tabpy: str) -> None:
    port = int(tabpy.rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):  # who listens on all addresses has this one
        socket.create_connection(("127.0.0.2", port), timeout=5)


@pytest.mark.parametrize("password", ["", "too short", "with:colon-and-long", "line\nbreak-and-long"])
def test_tabpy_does_not_start_without_a_password(python: Path, tmp_path: Path, password: str) -> None:
    done = subprocess.run(
        [python, "-P", "serve/start_tabpy.py", "--port", "1", "--state", tmp_path / "state"],
        cwd=ROOT, env={**os.environ, "TABPY_PASSWORD": password}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert not (tmp_path / "state" / "passwords").exists()
    assert done.stderr.startswith("TABPY_PASSWORD: expected 12 or more printable characters")


def test_functions_can_be_deployed_again_and_say_where_they_cannot(
    tabpy: str, api: CountedApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> tuple[int, str]:
        code = deploy_tabpy.main([*words])
        return code, "".join(capsys.readouterr())

    assert run("--tabpy", f"{tabpy}/", "--api", api.address) == (
        0, f"deployed to {tabpy}: {', '.join(FUNCTIONS)}\nTabPy reaches the API at {api.address}\n"
    )  # fmt: skip
    code, told = run("--tabpy", "http://127.0.0.1:1")
    assert (code, "cannot be reached" in told) == (1, True)
    code, told = run("--tabpy", api.address)
    assert (code, f"TabPy at {api.address} refuses" in told) == (1, True)
    code, told = run("--tabpy", "127.0.0.1:9004")
    assert (code, "expected an address like http://127.0.0.1:5000" in told) == (1, True)
    monkeypatch.setenv("TABPY_PASSWORD", "wrong")
    code, told = run("--tabpy", tabpy)
    assert (code, "refuses this TABPY_USER and TABPY_PASSWORD" in told) == (1, True)
    monkeypatch.setenv("TABPY_PASSWORD", PASSWORD)
    code, told = run("--tabpy", tabpy, "--api", "http://127.0.0.1:1")
    assert (code, "ATLShield's API at http://127.0.0.1:1: cannot be reached" in told) == (1, True)
    assert run("--tabpy", tabpy, "--api", api.address)[0] == 0
