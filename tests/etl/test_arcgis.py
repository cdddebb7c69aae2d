"""Reading a layer that misbehaves: whatever fails on the way, the rows are those it holds."""

import datetime as dt
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path

import pytest
import requests

from etl.arcgis import MAX_TRIES, USER_AGENT, read_retry_after
from etl.city import load_city
from etl.fetch import fetch_incidents
from etl.layout import load_layout
from tests.etl.feature_layer import FeatureLayer, serve_layer
from tests.etl.snapshots import FIELDS, read_snapshot
from warehouse import settings
from warehouse.errors import ShieldError

ROWS = 2251

FETCH = """
import json, sys
from pathlib import Path
from etl.city import Portal
from etl.fetch import fetch_incidents
fetch_incidents(Portal(**json.loads(sys.argv[1])), Path(sys.argv[2]), pause_seconds=0.0)
"""


@pytest.fixture
def layer() -> Iterator[FeatureLayer]:
    """Five pages of incidents."""
    with serve_layer(page_rows=500, incidents=ROWS) as layer:
        yield layer


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr("etl.arcgis.sleep", waited.append)
    return waited


def test_every_fault_at_once_leaves_the_rows_as_the_layer_holds_them(
    layer: FeatureLayer, tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.arcgis.TIMEOUTS", (5.0, 0.3))
    layer.faults.extend(
        ["503", "none", "cut", "429", "slow", "none", "html", "error-429", "none", "error-500", "504",
         "none", "cut", "cut", "none", "none", "error-503", "none", "429"]
    )  # fmt: skip
    layer.hooks = {
        4: lambda: layer.execute(
            "INSERT INTO incidents SELECT * REPLACE (OBJECTID + 1 AS OBJECTID, 'new' AS IncidentNumber) "
            "FROM incidents WHERE OBJECTID % 300 = 1"
        ),
        5: lambda: layer.execute("DELETE FROM incidents WHERE OBJECTID % 1000 = 3"),
        6: lambda: layer.execute("UPDATE incidents SET NPU = 'Z' WHERE OBJECTID > 6500"),
    }
    snapshot = fetch_incidents(layer.portal, tmp_path)
    assert not layer.faults
    assert not layer.hooks
    expected = layer.read_rows(FIELDS)
    assert read_snapshot(snapshot.path) == expected
    assert snapshot.rows == len(expected) == snapshot.new_rows
    assert len(expected) != ROWS
    assert max(pauses) >= 7  # what Retry-After asked for


def test_rows_that_come_and_go_in_equal_number_are_seen(layer: FeatureLayer, tmp_path: Path) -> None:
    def move() -> None:
        layer.execute("UPDATE incidents SET OBJECTID = OBJECTID + 1 WHERE OBJECTID < 1000")

    layer.hooks = {5: move}
    snapshot = fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)
    assert snapshot.rows == ROWS
    assert read_snapshot(snapshot.path) == layer.read_rows(FIELDS)


@pytest.mark.parametrize("sum_of_ids", [6752, 7501])  # the same ids again, and all others
def test_layer_renumbered_while_it_is_read_is_read_anew(
    layer: FeatureLayer, tmp_path: Path, sum_of_ids: int
) -> None:
    renumber = f"UPDATE incidents SET OBJECTID = {sum_of_ids} - OBJECTID"
    layer.hooks = {3: lambda: layer.execute(renumber)}
    snapshot = fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)
    assert read_snapshot(snapshot.path) == layer.read_rows(FIELDS)


def test_layer_renumbered_at_every_read_is_an_error(layer: FeatureLayer, tmp_path: Path) -> None:
    def renumber() -> None:
        layer.execute("UPDATE incidents SET OBJECTID = 6752 - OBJECTID")
        layer.hooks[layer.pages + 6] = renumber  # in mid-read again

    layer.hooks = {3: renumber}
    with pytest.raises(ShieldError, match="renumbered during each of 3 reads"):
        fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)
    assert not list(tmp_path.glob("incidents-*"))


def test_layer_that_never_rests_is_an_error_with_both_numbers(
    layer: FeatureLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = layer.query

    def announce_one_more(table: str, parameters: dict[str, str]) -> dict[str, object]:
        answer = honest(table, parameters)
        return {"count": answer["count"] + 1} if "count" in answer else answer

    monkeypatch.setattr(layer, "query", announce_one_more)
    with pytest.raises(ShieldError, match=r"announces 2,252 rows and 2,251 were received"):
        fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)
    assert not list(tmp_path.glob("incidents-*"))


@pytest.mark.parametrize("fault", ["error-400", "error-498", "404"])
def test_error_that_would_stay_fails_at_once_in_the_server_s_words(
    layer: FeatureLayer, tmp_path: Path, pauses: list[float], fault: str
) -> None:
    layer.faults.append(fault)
    words = r"error 404: " if fault == "404" else rf"{fault.replace('-', ' ')}: Scripted\.; by the test"
    with pytest.raises(
        ShieldError, match=rf"/incidents/FeatureServer/0: the layer answers with {words}"
    ):
        fetch_incidents(layer.portal, tmp_path)
    assert len(layer.requests) == 1
    assert set(pauses) == {0.25}


@pytest.mark.parametrize("fault", ["503", "error-500", "html", "cut"])
def test_failure_that_does_not_pass_is_named_after_the_last_try(
    layer: FeatureLayer, tmp_path: Path, pauses: list[float], fault: str
) -> None:
    layer.faults.extend([fault] * MAX_TRIES)
    with pytest.raises(ShieldError, match=rf"no usable answer in {MAX_TRIES} tries; the last: \w+"):
        fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)
    assert len(layer.requests) == MAX_TRIES
    waits = [pause for pause in pauses if pause]
    assert len(waits) == MAX_TRIES - 1
    assert waits[-1] >= (7 if fault == "503" else 32)


def test_pauses_grow_and_are_never_the_same(
    layer: FeatureLayer, tmp_path: Path, pauses: list[float]
) -> None:
    layer.faults.extend(["error-503"] * (MAX_TRIES - 1))
    fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)
    waits = [pause for pause in pauses if pause]
    assert all(2**n / 2 <= wait <= 2**n / 2 + 1 for n, wait in enumerate(waits))
    assert len({wait % 0.5 for wait in waits}) == len(waits)


def test_nobody_listening_is_an_error_of_one_line(tmp_path: Path, pauses: list[float]) -> None:
    with serve_layer() as layer:
        portal = layer.portal
    with pytest.raises(ShieldError, match="the last: ConnectionError") as caught:
        fetch_incidents(portal, tmp_path)
    assert "\n" not in str(caught.value)
    assert len(pauses) == 2 * MAX_TRIES - 1


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    response = requests.Response()
    assert read_retry_after(response) == 0
    response.headers["Retry-After"] = "12"
    assert read_retry_after(response) == 12
    response.headers["Retry-After"] = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1))
    assert 57 < read_retry_after(response) <= 60
    response.headers["Retry-After"] = format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1))
    assert read_retry_after(response) == 0


def test_server_that_asks_for_an_hour_is_not_waited_for(
    layer: FeatureLayer, tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.arcgis.MAX_RETRY_AFTER", 5.0)
    layer.faults.append("429")
    with pytest.raises(ShieldError, match="error 429: .*; it asks to come back in 7 seconds"):
        fetch_incidents(layer.portal, tmp_path)
    assert max(pauses) < 7


def test_asking_is_polite_honest_and_never_for_an_address(
    layer: FeatureLayer, tmp_path: Path, pauses: list[float]
) -> None:
    fetch_incidents(layer.portal, tmp_path)
    assert pauses == [0.25] * len(layer.requests)
    assert set(layer.agents) == {f"ATLShield/{settings.VERSION} (crime forecast warehouse)"}
    assert set(layer.agents) == {USER_AGENT}
    fields = {fields for request in layer.requests if (fields := request.get("outFields"))}
    assert fields == {",".join(FIELDS)}
    assert not {"StreetAddress", "Vic_Count", "*"} & set(FIELDS)
    pages = [request for request in layer.requests if "outFields" in request]
    assert {request["orderByFields"] for request in pages} == {"OBJECTID"}
    assert {request["returnGeometry"] for request in pages} == {"false"}
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"SECRET" in content for content in files)


def test_layout_of_the_portal_asks_for_what_the_etl_uses_and_no_more() -> None:
    layout = load_layout("nibrs_portal")
    assert set(layout.columns) == {*layout.fields.values(), "OBJECTID"}
    portal = load_city().portal
    assert portal is not None
    assert {*portal.key, portal.object_id, portal.report_date} < set(layout.columns)


def test_row_without_a_field_that_was_asked_for_is_an_error(
    layer: FeatureLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"features": [{"attributes": {"OBJECTID": 1}}]}
    monkeypatch.setattr(layer, "make_page", lambda *_: answer)
    with pytest.raises(ShieldError, match="expected rows with the fields asked for: 'IncidentNumber'"):
        fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)


def test_row_without_an_id_is_an_error(
    layer: FeatureLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"features": [{"attributes": dict.fromkeys(FIELDS)}]}
    monkeypatch.setattr(layer, "make_page", lambda *_: answer)
    with pytest.raises(ShieldError, match="expected rows with an integer OBJECTID"):
        fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)


def test_page_out_of_order_is_an_error(
    layer: FeatureLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = layer.make_page

    def turn_round(table: str, where: str, parameters: dict[str, str]) -> dict[str, object]:
        answer = honest(table, where, parameters)
        return {**answer, "features": answer["features"][::-1]}

    monkeypatch.setattr(layer, "make_page", turn_round)
    with pytest.raises(ShieldError, match="expected rows in order of OBJECTID after -1"):
        fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)


def test_empty_layer_is_an_empty_snapshot(tmp_path: Path) -> None:
    with serve_layer() as layer:
        snapshot = fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)
    assert (snapshot.rows, snapshot.kind) == (0, "full")
    assert read_snapshot(snapshot.path) == []


def run_until_killed(layer: FeatureLayer, folder: Path, request: int, delay: float) -> int:
    """Fetch in a process of its own, killed some seconds after so many requests; return its code."""
    arguments = [sys.executable, "-c", FETCH, layer.portal.model_dump_json(), str(folder)]
    layer.forget()
    with subprocess.Popen(arguments, cwd=settings.ROOT, stdout=subprocess.DEVNULL) as process:
        layer.wait_for_requests(request)
        try:
            process.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
    layer.hold_back_after(sys.maxsize)
    return process.returncode


@pytest.mark.slow
def test_read_killed_again_and_again_ends_with_the_rows_of_the_layer(
    layer: FeatureLayer, tmp_path: Path
) -> None:
    fetch_incidents(layer.portal, tmp_path / "scratch", pause_seconds=0.0)
    pages_from_scratch = layer.pages
    layer.slowness = 0.02
    folder = tmp_path / "killed"
    chance = random.Random(20210101)  # noqa: S311
    for request in (2, 4, 5):
        layer.hold_back_after(request + 1)  # however slow this machine is, it is killed in the midst
        code = run_until_killed(layer, folder, request, chance.uniform(0.0, 0.06))
        assert code == -signal.SIGKILL
        assert not list(folder.glob("incidents-*"))
    layer.forget()
    snapshot = fetch_incidents(layer.portal, folder, pause_seconds=0.0)
    assert layer.pages < pages_from_scratch
    assert read_snapshot(snapshot.path) == layer.read_rows(FIELDS)
    assert not (folder / ".fetch").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_read_killed_near_its_end_leaves_a_whole_snapshot_or_none(
    layer: FeatureLayer, tmp_path: Path, seed: int
) -> None:
    run_until_killed(layer, tmp_path, 8, random.Random(seed).uniform(0.0, 0.25))  # noqa: S311
    layer.execute("DELETE FROM incidents WHERE OBJECTID = 4000")
    snapshot = fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0, window_days=5000)
    assert [row[1:] for row in read_snapshot(snapshot.path)] == [
        row[1:] for row in layer.read_rows(FIELDS)
    ]
    data = {path.stem for path in tmp_path.glob("*.parquet")}
    assert data == {path.stem for path in tmp_path.glob("*.json")}


def stop_after_pages(layer: FeatureLayer, folder: Path, pages: int) -> None:
    """Let a read die after so many pages."""
    layer.faults.extend(["none"] * (1 + pages) + ["error-400"])
    with pytest.raises(ShieldError, match="error 400"):
        fetch_incidents(layer.portal, folder, pause_seconds=0.0)
    layer.forget()


def test_unfinished_read_is_begun_anew_when_it_is_a_day_old(layer: FeatureLayer, tmp_path: Path) -> None:
    stop_after_pages(layer, tmp_path, 3)
    old = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=25)).timestamp()
    os.utime(tmp_path / ".fetch" / "query.json", (old, old))
    fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)
    assert layer.pages == 5 + 2  # the first is looked at twice again


def test_unfinished_read_is_begun_anew_when_the_layer_was_renumbered(
    layer: FeatureLayer, tmp_path: Path
) -> None:
    stop_after_pages(layer, tmp_path, 3)
    layer.execute("UPDATE incidents SET OBJECTID = 6752 - OBJECTID")
    snapshot = fetch_incidents(layer.portal, tmp_path, pause_seconds=0.0)
    assert layer.pages == 1 + 5 + 2
    assert read_snapshot(snapshot.path) == layer.read_rows(FIELDS)
