"""SQL over HTTP: who may ask, how many at once, and that the service does not suffer from it."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from flask.testing import FlaskClient

from serve import sql, tables
from serve.app import create_app
from tests.serve.server import run_server
from tests.warehouse.statements import BOMBS
from warehouse.operation import Operation
from warehouse.pointer import read_pointer

KEY, OTHER_KEY, THIRD_KEY = "k" * 20, "o" * 20, "t" * 20
SQL = "SELECT count(*) AS n FROM incident"


@pytest.fixture(scope="module")
def builds(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the simulated build: the application keeps its file open."""
    return Path(copytree(published, tmp_path_factory.mktemp("sql") / "builds", symlinks=True))


@pytest.fixture(scope="module")
def asker(builds: Path) -> FlaskClient:
    """A client of an application that answers SQL."""
    return create_app(
        Operation(builds=builds, api_keys=(KEY, OTHER_KEY, THIRD_KEY), sql=True)
    ).test_client()


def ask(client: FlaskClient, statement: object, key: str = KEY) -> tuple[int, dict[str, object]]:
    """Return status and JSON of an answer."""
    response = client.post(
        "/v1/sql", json={"sql": statement}, headers={"Authorization": f"Bearer {key}"}
    )
    assert response.status_code not in {429, 503} or int(response.headers["Retry-After"]) > 0
    return response.status_code, response.get_json()


def test_sql_is_off_until_it_is_switched_on(client: FlaskClient) -> None:
    status, problem = ask(client, SQL)
    assert status == 403
    assert "the settings sql and api_keys" in str(problem["detail"])


def test_sql_needs_a_key(asker: FlaskClient) -> None:
    assert asker.post("/v1/sql", json={"sql": SQL}).status_code == 401
    assert ask(asker, SQL, key="x" * 20)[0] == 401


def test_answer_is_that_of_the_served_build(asker: FlaskClient, builds: Path) -> None:
    status, answer = ask(asker, SQL)
    assert status == 200
    assert answer["columns"] == [{"name": "n", "type": "BIGINT"}]
    assert answer["truncated"] is False
    assert answer["build_id"] == read_pointer(builds).build_id
    rows = answer["rows"]
    assert isinstance(rows, list) and rows[0][0] > 4000


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM incident", "sql: expected a SELECT, as a build is only read; found DELETE"),
        ("FROM incidents", "there is incident"),
        (BOMBS[0], "256 MiB"),
        ("", "at least 1 character"),
        ("x" * 20_001, "at most 20000 characters"),
        ("é" * 20_000, "at most 20000 bytes"),
        ("SELECT '\ud800'", "valid string"),
        (1, "expected text"),
    ],
)
def test_statement_without_an_answer_says_why(
    asker: FlaskClient, builds: Path, statement: object, message: str
) -> None:
    status, problem = ask(asker, statement)
    assert status == 400
    assert message in str(problem["detail"])
    assert str(builds) not in str(problem)


def test_one_statement_at_a_time_of_a_key_and_few_of_all(
    asker: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Semaphore(0), threading.Event()

    def wait(*_: object) -> bytes:
        begun.release()
        assert ended.wait(60)
        return b"{}"

    monkeypatch.setattr(sql, "run_statement", wait)
    monkeypatch.setattr(sql, "statements", threading.BoundedSemaphore(2))
    threads = [threading.Thread(target=ask, args=(asker, SQL, key)) for key in (KEY, OTHER_KEY)]
    for thread in threads:
        thread.start()
        assert begun.acquire(timeout=60)
        assert ask(asker, SQL, KEY)[0] == 429
    assert ask(asker, SQL, THIRD_KEY)[0] == 503
    ended.set()
    for thread in threads:
        thread.join()
    assert ask(asker, SQL, THIRD_KEY)[0] == 200


def test_slow_readers_of_whole_tables_keep_no_place_of_a_statement(asker: FlaskClient) -> None:
    options: dict[str, Any] = {"headers": {"Authorization": f"Bearer {KEY}"}, "buffered": False}
    readers = [asker.get("/v1/tables/incident.csv", **options) for _ in range(tables.MAX_HEAVY)]
    assert asker.get("/v1/tables/incident.csv", **options).status_code == 503
    assert ask(asker, SQL)[0] == 200
    for reader in readers:
        reader.close()


def test_statement_that_fails_gives_its_turn_back(
    asker: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "statements", threading.BoundedSemaphore(1))
    for _ in range(2):
        assert ask(asker, "SELEC")[0] == 400
    monkeypatch.setattr(sql, "run_statement", lambda *_: 1 / 0)
    assert ask(asker, SQL)[0] == 500
    monkeypatch.setattr(sql, "run_statement", lambda *_: b"{}")
    assert ask(asker, SQL)[0] == 200


def read_memory(process: int) -> float:
    """Return the resident memory of a process and its children that serve, in MiB, at its highest."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    texts = [Path(f"/proc/{each}/status").read_text() for each in (process, *children)]
    return sum(int(text.partition("VmHWM:")[2].split()[0]) for text in texts) / 1024


def post(address: str, path: str, body: dict[str, object], key: str) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    headers = {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{address}{path}", json.dumps(body).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture(scope="module")
def server(builds: Path) -> Iterator[tuple[str, int]]:
    """Address and process of a server that answers SQL."""
    keys = ",".join([KEY, OTHER_KEY, THIRD_KEY])
    with run_server(builds, ATLSHIELD_SQL="1", ATLSHIELD_API_KEYS=keys) as (address, process):
        yield address, process.pid


@pytest.mark.server
@pytest.mark.slow
def test_bombs_leave_the_service_as_it_was(server: tuple[str, int]) -> None:
    address, process = server
    lookup: dict[str, object] = {"neighborhood": "Midtown", "month": 7}
    while (good := post(address, "/predict_hourly_crime", lookup, THIRD_KEY))[0] != 200:
        time.sleep(0.1)
    assert post(address, "/v1/sql", {"sql": SQL}, KEY)[0] == 200
    before = read_memory(process)
    ended: list[int] = []

    def drop_bombs(key: str) -> None:
        for bomb in BOMBS:
            status, body = post(address, "/v1/sql", {"sql": bomb}, key)
            assert status == 400, body
            ended.append(status)

    threads = [threading.Thread(target=drop_bombs, args=(key,)) for key in (KEY, OTHER_KEY)]
    for thread in threads:
        thread.start()
    lookups = 0
    while any(thread.is_alive() for thread in threads):
        assert post(address, "/predict_hourly_crime", lookup, THIRD_KEY) == good
        lookups += 1
    assert len(ended) == 2 * len(BOMBS)
    assert lookups > 100
    assert read_memory(process) < before + 30
