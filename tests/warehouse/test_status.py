"""The state of a machine: what each line says, what needs a person, and what does not."""

import datetime as dt
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.load import find_port
from tests.serve.builds import copy_builds
from tests.serve.server import run_server
from tests.tables import fill
from tests.warehouse.test_records import lay
from warehouse import status, systemd
from warehouse.__main__ import main
from warehouse.build import open_build
from warehouse.errors import ShieldError
from warehouse.files import REFRESH, hold_lock, name_lock
from warehouse.machine import MB
from warehouse.operation import Operation
from warehouse.pointer import LINK, POINTER, PublishedBuild, read_pointer
from warehouse.records import name_build
from warehouse.refresh_record import RefreshRecord, RefreshRun, write_record
from warehouse.status import (
    Finding,
    find_service_fault,
    look_at_cutoff,
    look_at_disk,
    look_at_failure,
    look_at_last_refresh,
    look_at_refresh,
    look_at_scores,
    look_at_service,
    look_at_timer,
)
from warehouse.systemd import show_unit
from warehouse.tables_forecast import BACKTEST_SCORE_TABLE
from warehouse.tables_lineage import REFRESH_RUN_TABLE
from warehouse.tables_track import MART_TRACK_RECORD_TABLE

BEGAN, ENDED = "2026-01-01T04:15:00Z", "2026-01-01T04:16:10Z"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without systemd, and without a service that `run.sh` has started."""
    monkeypatch.setattr(systemd, "RUNNING", tmp_path / "none")
    monkeypatch.setattr(status, "RUN_LOCK", tmp_path / ".run.lock")
    monkeypatch.setattr(status, "UPGRADE_UNDO", tmp_path / "none")
    monkeypatch.setenv("ATLSHIELD_PORT", str(find_port()))


def run_status(
    builds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, dict[str, str], str]:
    """Run the command on the settings' folder of builds; return its code, its lines and its error."""
    monkeypatch.setenv("ATLSHIELD_BUILDS", str(builds))
    capsys.readouterr()
    code = main(["status", *words])
    told = capsys.readouterr()
    lines = {line.split()[0]: line[9:].strip() for line in told.out.splitlines()}
    return code, lines, told.err


def test_simulated_build_is_well_however_old_its_data(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATLSHIELD_STALE_AFTER_DAYS", "1")
    code, lines, error = run_status(published, monkeypatch, capsys)
    assert (code, error) == (0, "")
    assert list(lines) == [
        "service", "published", "cutoff", "refresh", "next", "disk", "error", "forecast", "file"
    ]  # fmt: skip
    assert "does not answer" in lines["service"]
    assert "source simulated (simulated data), cutoff 2025-12-31" in lines["published"]
    assert lines["cutoff"].endswith("simulated data do not age")
    assert lines["refresh"].endswith(" s, published")
    assert (lines["next"], lines["error"]) == ("no timer here", "none is recorded")
    assert "past origins; below 1 is better" in lines["forecast"]
    assert lines["file"].startswith("whole")
    code, lines, _ = run_status(published, monkeypatch, capsys, "--lineage")
    assert (code, lines["build_id"].split()[-1]) == (0, read_pointer(published).build_id)


def test_reasons_are_in_the_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".run.lock").write_text("7\n")
    code, lines, error = run_status(tmp_path / "builds", monkeypatch, capsys)
    assert code == 1
    assert error.startswith("error: the service does not answer at 127.0.0.1 port ")
    assert f"; no published build in {tmp_path / 'builds'}: run `make refresh` first\n" in error
    assert "file" not in lines
    assert not (tmp_path / "builds").exists()


@pytest.mark.parametrize(
    ("cutoff", "limit", "fault"),
    [
        ("2020-01-01", 14, "beyond stale_after_days = 14"),
        ("2020-01-01", 0, None),
        ("2020-01-01", 36_500, None),
    ],
)
def test_old_data_need_a_person(cutoff: str, limit: int, fault: str | None) -> None:
    build = PublishedBuild("x", "x.duckdb", "", "", cutoff, "portal", is_synthetic=False)
    found = look_at_cutoff(build, limit)
    assert found.text.startswith(f"{cutoff}, ")
    assert found.fault is None if fault is None else fault in str(found.fault)


def test_data_may_be_as_old_as_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_of(days: int) -> Finding:
        day = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=days)
        build = PublishedBuild("x", "x.duckdb", "", "", str(day), "portal", is_synthetic=False)
        return look_at_cutoff(build, 14)

    assert build_of(13).fault is None  # a day less: midnight may come between
    assert build_of(15).fault is not None


@pytest.mark.parametrize(
    ("run", "text", "is_fault"),
    [
        (RefreshRun("x", BEGAN, ENDED, "published"), f"{BEGAN}, 70 s, published", False),
        (RefreshRun("x", BEGAN, ENDED, "published", "no"), f"{BEGAN}, 70 s, published: no", True),
        (RefreshRun("x", BEGAN, ENDED, "refused", "few"), f"{BEGAN}, 70 s, refused: few", True),
        (RefreshRun("x", BEGAN, ENDED, "failed", "full"), f"{BEGAN}, 70 s, failed: full", True),
        (RefreshRun("x", BEGAN), f"began {BEGAN}, never ended: it was killed", True),
    ],
)  # fmt: skip
def test_last_refresh_is_told(tmp_path: Path, run: RefreshRun, text: str, is_fault: bool) -> None:
    write_record(tmp_path, RefreshRecord(run))
    found = look_at_last_refresh(tmp_path)
    assert found.text.startswith(text)
    assert found.fault == (f"the last refresh{'' if run.ended_at is None else ':'} {found.text}"
                           if is_fault else None)  # fmt: skip
    has_error = is_fault and run.ended_at is not None
    told = "that of the last refresh" if has_error else "none is recorded"
    assert look_at_failure(tmp_path).text == told


def test_refresh_at_work_is_no_fault(tmp_path: Path) -> None:
    assert look_at_last_refresh(tmp_path) == Finding("refresh", "none is recorded")
    failed = RefreshRun("w", BEGAN, ENDED, "failed", "full")
    with hold_lock(tmp_path, REFRESH):
        write_record(tmp_path, RefreshRecord(RefreshRun("x", BEGAN), failed))
        assert look_at_last_refresh(tmp_path) == Finding("refresh", f"at work since {BEGAN}")
        assert look_at_failure(tmp_path).text == f"{BEGAN}, 70 s, failed: full"
    assert look_at_last_refresh(tmp_path).fault is not None
    with hold_lock(tmp_path, REFRESH):
        pass  # who looks holds nothing


@pytest.mark.parametrize(
    ("source", "limit", "days", "is_fault"),
    [
        ("portal", 14, 15, True),
        ("portal", 14, 13, False),
        ("portal", 0, 99, False),
        ("files", 14, 99, False),
    ],
)
def test_refreshes_that_come_no_more_need_a_person(
    tmp_path: Path, source: str, limit: int, days: int, is_fault: bool
) -> None:
    began = f"{dt.datetime.now(dt.UTC) - dt.timedelta(days=days, hours=1):%Y-%m-%dT%H:%M:%SZ}"
    write_record(tmp_path, RefreshRecord(RefreshRun("x", began, began, "published")))
    operation = Operation(source=source, stale_after_days=limit, raw=(tmp_path,))
    found = look_at_refresh(operation, tmp_path)
    told = f"the last refresh began {days} days ago, beyond stale_after_days = 14"
    assert found.fault == (told if is_fault else None)
    assert found.text == f"{began}, 0 s, published{f'; {told}' if is_fault else ''}"


def test_refresh_that_a_timer_starts_must_come(systemctl: Path, tmp_path: Path) -> None:
    write_record(tmp_path, RefreshRecord(RefreshRun("x", BEGAN, ENDED, "published")))
    for state, is_fault in (("active", True), ("inactive", False)):
        systemctl.write_text(f"LoadState=loaded\nActiveState={state}\n")
        assert bool(look_at_refresh(Operation(), tmp_path).fault) == is_fault


def test_refresh_that_failed_before_it_recorded_anything_needs_a_person(
    systemctl: Path, tmp_path: Path
) -> None:
    operation = Operation(builds=tmp_path, stale_after_days=0)
    since = "Thu 2020-01-02 03:04:05 UTC"
    systemctl.write_text(
        f"LoadState=loaded\nActiveState=failed\nResult=oom-kill\nStateChangeTimestamp={since}\n"
    )
    told = f"atlshield-refresh.service failed: oom-kill, {since}"
    assert look_at_refresh(operation, tmp_path).text == f"none is recorded; {told}"
    for began, fault in (("2020-01-02T03:04:04Z", told), ("2020-01-02T03:04:06Z", None)):
        write_record(tmp_path, RefreshRecord(RefreshRun("x", began, began, "published")))
        assert look_at_refresh(operation, tmp_path).fault == fault
    assert look_at_refresh(Operation(builds=tmp_path / "other"), tmp_path).fault is None
    systemctl.write_text(systemctl.read_text().replace("=failed", "=inactive"))
    (tmp_path / "refresh.json").unlink()
    assert look_at_refresh(operation, tmp_path).text == "none is recorded"


def test_folder_and_lock_that_cannot_be_written_need_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look() -> str | None:
        return look_at_refresh(Operation(), tmp_path).fault

    lock = tmp_path / name_lock(REFRESH)
    with hold_lock(tmp_path, REFRESH):
        assert look() is None
    for closed in (tmp_path, lock):
        with monkeypatch.context() as patch:
            patch.setattr("os.access", lambda path, _, closed=closed: path != closed)
            assert look() == f"a refresh cannot write to {closed}"
    if os.geteuid() == 0:  # who may write everything, and leaves a lock to the folder's owner
        os.chown(tmp_path, 65534, 65534)
        assert look() == f"a refresh cannot write to {lock}"
        with hold_lock(tmp_path, REFRESH):
            assert (lock.stat().st_uid, lock.stat().st_gid) == (65534, 65534)
        assert look() is None


def test_link_that_leads_elsewhere_needs_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    builds = lay(tmp_path, "x", "y", current="y")
    link = builds / LINK
    for lead in (
        lambda: None,
        lambda: link.symlink_to(name_build("x")),
        lambda: link.symlink_to("nowhere"),
        lambda: link.write_text("a copy"),
    ):
        link.unlink(missing_ok=True)
        lead()
        code, lines, error = run_status(builds, monkeypatch, capsys)
        assert code == 1
        assert f"not to {name_build('y')}: the next refresh mends it" in error
        assert f"{LINK} leads to " in lines["published"]


def test_damaged_facts_are_told(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    builds = copy_builds(published, tmp_path / "here")
    facts = json.loads((builds / POINTER).read_text())
    for cutoff, told in (
        ("31.12.2025", "expected a day YYYY-MM-DD, found '31.12.2025'"),
        ("2999-01-01", "2999-01-01 is to come"),
    ):
        (builds / POINTER).write_text(json.dumps({**facts, "cutoff": cutoff}))
        code, _, error = run_status(builds, monkeypatch, capsys)
        assert code == 1
        assert f"current.json: cutoff: {told}" in error
    (builds / POINTER).write_text(json.dumps(facts))
    for text in ("2026-01-01T04:15:00", "yesterday"):
        write_record(builds, RefreshRecord(RefreshRun("x", text, ENDED, "published")))
        code, _, error = run_status(builds, monkeypatch, capsys)
        assert (code, "is no record of a refresh: last.began_at: " in error) == (1, True)


def test_disk_must_have_room_for_the_next_refresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "raw" / "a.csv"
    raw.parent.mkdir()
    raw.write_bytes(b"0" * 2 * MB)
    builds = lay(tmp_path, "x", current="x")
    operation = Operation(source="files", raw=(raw, tmp_path / "none"), raw_folder=raw.parent)
    usage = type("Usage", (), {"free": 254 * MB})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    found = look_at_disk(operation, builds)
    assert found.text == ("254 MB free; builds take 2 MB, raw files 2 MB; a refresh needs 254 MB")
    assert found.fault is None
    usage.free -= 1  # type: ignore[attr-defined]
    assert "has 253 MB free, a refresh needs 254 MB" in str(look_at_disk(operation, builds).fault)


@contextmanager
def answer_with(text: str) -> Iterator[Operation]:
    """Answer every request with a text; yield settings of that address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield Operation(port=server.server_port)
        server.shutdown()


def ready(**facts: object) -> dict[str, Any]:
    """Return what a service says of itself."""
    return {"status": "ok", "build_id": "x", "reload_error": None, **facts}


def test_service_of_another_folder_is_told_and_no_fault(tmp_path: Path) -> None:
    with answer_with(json.dumps(ready(status="stale", reload_error="damaged"))) as operation:
        found = look_at_service(operation, tmp_path)
        assert (found.text.endswith("serves build x"), found.fault) == (True, None)
        ours = operation.model_copy(update={"builds": tmp_path})
        assert look_at_service(ours, tmp_path).fault == "the service is stale: damaged"


def test_service_must_serve_what_was_published_a_while_ago(tmp_path: Path) -> None:
    builds = lay(tmp_path, "x", "y", current="y")
    assert find_service_fault(ready(build_id="y"), builds) is None
    assert find_service_fault(ready(), builds) is None
    os.utime(builds / POINTER, (0, 0))
    assert find_service_fault(ready(), builds) == "the service serves build x, published is y"
    assert find_service_fault(ready(), tmp_path / "none") is None
    assert find_service_fault(ready(build_id=None), builds) is None, "it is one of many cities"
    with answer_with(json.dumps(ready(build_id=None))) as operation:
        assert look_at_service(operation, builds).text.endswith("serves many cities")


def test_what_is_no_service_of_ours_is_named(tmp_path: Path) -> None:
    for text in ("<html>", "[]", '{"status": "ok"}'):
        with answer_with(text) as operation:
            assert "does not answer at 127.0.0.1 port" in look_at_service(operation, tmp_path).text


@pytest.mark.server
def test_service_says_which_build_it_serves(published: Path, tmp_path: Path) -> None:
    with run_server(published) as (address, _):
        operation = Operation(builds=published, port=int(address.rpartition(":")[2]))
        found = look_at_service(operation, published)
        build_id = read_pointer(published).build_id
        assert found.text.endswith(f"serves build {build_id}")
        assert found.fault is None
        with hold_lock(tmp_path, "run"):  # as `run.sh` does, which writes its process id too
            assert f"{build_id}, since 20" in look_at_service(operation, published).text


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose systemd says what stands in a file."""
    said, tool = tmp_path / "said", tmp_path / "bin" / "systemctl"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\n[ "$1 $TZ" = "show UTC" ] && cat {said}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(systemd, "RUNNING", tmp_path)
    return said


def test_systemd_says_when_the_next_refresh_comes_and_since_when_it_serves(systemctl: Path) -> None:
    systemctl.write_text("LoadState=not-found\nActiveState=inactive\n")
    assert (show_unit("a"), look_at_timer().text) == ({}, "no timer here")
    when = "Sat 2026-11-28 09:21:00 UTC"
    systemctl.write_text(f"LoadState=loaded\nActiveState=active\nNextElapseUSecRealtime={when}\n")
    assert look_at_timer().text == when
    systemctl.write_text("LoadState=loaded\nActiveState=inactive\nNextElapseUSecRealtime=\n")
    assert look_at_timer().text == "atlshield-refresh.timer is inactive"
    systemctl.write_text(f"LoadState=loaded\nActiveState=active\nActiveEnterTimestamp={when}\n")
    with answer_with(json.dumps(ready())) as operation:
        assert look_at_service(operation, Path("b")).text.endswith(f"serves build x, since {when}")
    systemctl.unlink()
    with pytest.raises(ShieldError, match="systemd does not say how a is: "):
        show_unit("a")


def test_service_that_systemd_starts_must_answer(systemctl: Path, tmp_path: Path) -> None:
    operation = Operation(builds=tmp_path, port=find_port())
    systemctl.write_text("LoadState=loaded\nUnitFileState=disabled\n")
    assert look_at_service(operation, tmp_path).fault is None
    systemctl.write_text("LoadState=loaded\nUnitFileState=enabled\n")
    assert "the service does not answer at" in str(look_at_service(operation, tmp_path).fault)


def test_forecast_is_scored_as_published_or_else_at_past_origins(tmp_path: Path) -> None:
    def look(*, scores: str = "", track: str = "") -> str:
        path = tmp_path / f"{len(scores)}-{len(track)}.duckdb"
        with open_build("x", path) as build:
            build.data_source = "test"
            fill(build, REFRESH_RUN_TABLE, "build_id\nx")
            if scores:
                header = "model metric subset origin horizon_months value"
                fill(build, BACKTEST_SCORE_TABLE, f"{header}\n{scores}", grain="neighborhood_month")
            if track:
                header = (
                    "forecast_build_id cutoff target_month grain poisson_deviance reference_deviance"
                )
                fill(build, MART_TRACK_RECORD_TABLE, f"{header}\n{track}")
        return look_at_scores(path).text

    scores = """base_and_forest deviance_to_reference all 2020-01-01 1 0.9
        base_and_forest deviance_to_reference all 2020-04-01 1 0.8
        base_and_forest deviance_to_reference named 2020-04-01 1 0.1
        base_and_forest poisson_deviance all 2020-04-01 1 0.1
        first_version deviance_to_reference all 2020-04-01 1 9"""
    track = """a 2020-01-31 2020-02-01 neighborhood_month 50 50
        b 2020-01-31 2020-02-01 neighborhood_month 30 50
        b 2020-01-31 2020-02-01 zone_month 1 2
        c 2020-02-29 2020-03-01 neighborhood_month 40 50"""
    assert look() == "not scored: without a backtest, or of too few months"
    expected = "of the baseline's deviance, 2 {}; below 1 is better"
    assert look(scores=scores) == f"0.850 {expected.format('past origins')}"
    assert look(scores=scores, track=track) == f"0.700 {expected.format('months since published')}"
