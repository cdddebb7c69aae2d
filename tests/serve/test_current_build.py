"""Health, and following the published build."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from flask import Response
from flask.testing import FlaskClient

import refresh as refresh_module
from refresh import Request, refresh
from serve import current_build as current_build_module
from serve.app import create_app
from serve.current_build import EXTENSION, CurrentBuild, ServedBuild, open_build
from tests.one_in import one_in
from tests.raw import write_daily
from tests.serve.builds import (
    DAMAGES,
    copy_builds,
    damage_file,
    flip_middle,
    list_open_builds,
    publish_changed,
)
from warehouse.errors import ShieldError
from warehouse.files import hash_file
from warehouse.history import roll_back
from warehouse.pointer import POINTER, PublishedBuild, read_pointer
from warehouse.publish import publish_build
from warehouse.read import CORE_TABLES
from warehouse.settings import ROOT

BODY = {"neighborhood": "Downtown", "month": 1}


@pytest.fixture(autouse=True)
def _follow_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_build_module, "CHECK_SECONDS", 1e6)


def replace_pointer(builds: Path, content: str) -> None:
    """Replace the pointer as a publisher would."""
    new = builds / "new.json"
    new.write_text(content)
    new.replace(builds / POINTER)


class FollowingClient(FlaskClient):
    """A client before each of whose requests the pointer is followed."""

    def open(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        """Follow the pointer and ask."""
        self.application.extensions[EXTENSION].follow()
        return super().open(*arguments, **options)


def follow_with_client(builds: Path) -> FlaskClient:
    """Return a client of an application of its own."""
    return FollowingClient(create_app(builds), Response)


def serve_now(current: CurrentBuild) -> ServedBuild:
    """Follow the pointer and return the build that is then served."""
    current.follow()
    served = current.get()
    assert served is not None
    return served


def test_liveness_and_readiness(client: FlaskClient, published: Path) -> None:
    pointer = read_pointer(published)
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        weights = connection.execute(
            "SELECT volume_blend_weight, patrol_blend_weight FROM refresh_run"
        ).fetchone()
    assert weights is not None
    assert client.get("/livez").get_json() == {"status": "ok"}
    assert client.get("/readyz").get_json() == {
        "status": "ok",
        "build_id": pointer.build_id,
        "cutoff": "2025-12-31",
        "source": "simulated",
        "is_synthetic": True,
        "cleaning": "default",
        "volume_blend_weight": weights[0],
        "patrol_blend_weight": weights[1],
        "reload_error": None,
        "link_error": None,
    }


def test_new_build_is_served_without_a_restart(daily_builds: Path, tmp_path: Path) -> None:
    client = follow_with_client(daily_builds)
    old = client.get("/readyz").get_json()["build_id"]
    raw = write_daily(tmp_path / "more.csv", days=120)
    new = refresh(Request("files", daily_builds, raw=(raw,), with_backtest=False))
    assert client.get("/readyz").get_json()["build_id"] == new.build_id != old


@pytest.mark.parametrize("content", ["not a pointer", None])
def test_old_build_is_served_while_the_pointer_leads_nowhere(
    daily_builds: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    client = follow_with_client(daily_builds)
    good = (daily_builds / POINTER).read_text()
    if content is None:
        (daily_builds / POINTER).unlink()
    else:
        replace_pointer(daily_builds, content)
    ready = client.get("/readyz").get_json()
    assert ready["status"] == "stale"
    assert ready["reload_error"]
    assert "the old one is served" in caplog.text
    assert client.post("/predict_hourly_crime", json=BODY).status_code == 200
    replace_pointer(daily_builds, good)
    assert client.get("/readyz").get_json()["status"] == "ok"


def test_damaged_new_build_leaves_the_old_one_served(daily_builds: Path) -> None:
    client = follow_with_client(daily_builds)
    pointer = read_pointer(daily_builds)
    (daily_builds / "warehouse-z.duckdb").write_bytes(os.urandom(4096))
    text = (daily_builds / POINTER).read_text()
    replace_pointer(
        daily_builds, text.replace(pointer.file, "warehouse-z.duckdb").replace(pointer.build_id, "z")
    )
    ready = client.get("/readyz").get_json()
    assert (ready["status"], ready["build_id"]) == ("stale", pointer.build_id)


@pytest.mark.parametrize(
    ("statement", "fact"),
    [("ALTER TABLE average_daily RENAME TO daily_average", {}), ("SELECT 1", {"format": 2})],
)
def test_build_of_a_later_version_leaves_the_old_one_served_until_a_rollback(
    daily_builds: Path, statement: str, fact: dict[str, int]
) -> None:
    client = follow_with_client(daily_builds)
    old = read_pointer(daily_builds)
    new = daily_builds / "warehouse-99990101T000000000000Z.duckdb"
    shutil.copyfile(daily_builds / old.file, new)
    duckdb.connect(new).execute(statement).close()
    said = {**asdict(old), "build_id": new.stem[10:], "file": new.name, "sha256": hash_file(new), **fact}
    replace_pointer(daily_builds, json.dumps(said))
    ready = client.get("/readyz").get_json()
    assert (ready["status"], ready["build_id"]) == ("stale", old.build_id)
    assert roll_back(daily_builds, old.build_id) == old
    assert client.get("/readyz").get_json()["status"] == "ok"


def test_bit_flipped_in_the_new_build_leaves_the_old_one_served(
    daily_builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = read_pointer(daily_builds)
    client = follow_with_client(daily_builds)

    def flip_and_publish(builds: Path, build_id: str, partial: Path) -> PublishedBuild:
        partial.write_bytes(flip_middle(partial.read_bytes()))
        return publish_build(builds, build_id, partial)

    monkeypatch.setattr(refresh_module, "publish_build", flip_and_publish)
    raw = write_daily(tmp_path / "daily.csv", days=104)
    with pytest.raises(ShieldError, match="cannot be read back"):
        refresh(Request("files", daily_builds, raw=(raw,), with_backtest=False))
    ready = client.get("/readyz").get_json()
    assert (ready["status"], ready["build_id"]) == ("ok", old.build_id)


@pytest.mark.parametrize("damage", one_in(3, DAMAGES))
def test_damaged_build_at_the_start_is_not_served_until_it_is_mended(
    published: Path, tmp_path: Path, damage: str
) -> None:
    builds = copy_builds(published, tmp_path)
    pointer = read_pointer(builds)
    good, text = (builds / pointer.file).read_bytes(), (builds / POINTER).read_text()
    DAMAGES[damage](builds)
    client = follow_with_client(builds)
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()["status"]) == (503, "unavailable")
    assert ready.get_json()["build_id"] is None
    answer = client.post("/predict_hourly_crime", json=BODY)
    assert answer.status_code == 503
    assert ready.get_json()["reload_error"] in answer.get_json()["error"]
    assert client.get("/livez").status_code == 200
    assert list_open_builds(builds) == []
    (builds / pointer.file).unlink(missing_ok=True)
    (builds / pointer.file).write_bytes(good)
    replace_pointer(builds, text)
    assert client.get("/readyz").get_json()["build_id"] == pointer.build_id
    assert client.post("/predict_hourly_crime", json=BODY).status_code == 200


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "missing file"])
def test_damage_to_the_file_that_is_served_is_told(published: Path, tmp_path: Path, damage: str) -> None:
    builds = copy_builds(published, tmp_path)
    client = follow_with_client(builds)
    path = builds / read_pointer(builds).file
    good = path.read_bytes()
    DAMAGES[damage](builds)
    ready = client.get("/readyz").get_json()
    assert ready["status"] == "stale"
    assert path.name in ready["reload_error"]
    assert str(builds) not in ready["reload_error"]
    path.unlink(missing_ok=True)
    path.write_bytes(good)
    assert client.get("/readyz").get_json()["status"] == "ok"


def test_without_a_build_the_answer_says_what_to_do(tmp_path: Path) -> None:
    answer = follow_with_client(tmp_path).get("/average_daily_crime?neighborhood=Downtown&month=1")
    assert answer.status_code == 503
    assert "run `make refresh` first" in answer.get_json()["detail"]
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    "damage", one_in(2, ["truncated", "flipped", "empty", "text", "no table", "no column"])
)
def test_new_build_that_fails_is_served_once_it_is_mended(
    published: Path, tmp_path: Path, damage: str
) -> None:
    builds = copy_builds(published, tmp_path)
    old = read_pointer(builds)
    client = follow_with_client(builds)
    new = publish_changed(builds, "z")
    pointer, good = (builds / POINTER).read_text(), (builds / new.file).read_bytes()
    DAMAGES[damage](builds)
    ready = client.get("/readyz").get_json()
    assert (ready["status"], ready["build_id"]) == ("stale", old.build_id)
    assert new.file in ready["reload_error"]
    damage_file(builds / new.file, good)
    replace_pointer(builds, pointer)
    ready = client.get("/readyz").get_json()
    assert (ready["status"], ready["build_id"], ready["reload_error"]) == ("ok", "z", None)


def test_file_that_is_mended_behind_the_same_pointer_is_served(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(published, tmp_path)
    current = CurrentBuild(builds)
    path = builds / publish_changed(builds, "z").file
    good = path.read_bytes()
    damage_file(path, flip_middle(good))
    assert serve_now(current).published.build_id != "z"
    damage_file(path, good)
    assert serve_now(current).published.build_id == "z"


def test_pointer_that_is_mended_before_the_same_file_is_followed(
    published: Path, tmp_path: Path
) -> None:
    builds = copy_builds(published, tmp_path)
    current = CurrentBuild(builds)
    new = publish_changed(builds, "z")
    good = (builds / POINTER).read_text()
    replace_pointer(builds, good.replace(new.sha256, "0" * 64))
    assert serve_now(current).published.build_id != "z"
    replace_pointer(builds, good)
    assert serve_now(current).published.build_id == "z"


class Reader:
    """Stands for `open_build`; fails so many times before it succeeds."""

    def __init__(self, failures: list[str]) -> None:
        """Keep the messages of the failures to come."""
        self.failures, self.calls = failures, 0

    def __call__(self, builds: Path, published: PublishedBuild, *, packs: bool) -> ServedBuild:
        """Open a build or fail."""
        self.calls += 1
        if self.failures:
            raise OSError(self.failures.pop(0))
        return open_build(builds, published, packs=packs)


def test_build_that_failed_is_not_read_again_at_every_request(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = copy_builds(published, tmp_path)
    current, reader = CurrentBuild(builds), Reader(["short of memory"] * 9)
    monkeypatch.setattr(current_build_module, "open_build", reader)
    publish_changed(builds, "z")
    for _ in range(5):
        assert serve_now(current).published.build_id != "z"
    assert reader.calls == 1


def test_build_that_failed_is_tried_again_after_a_while_and_each_failure_logged_once(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    builds = copy_builds(published, tmp_path)
    current = CurrentBuild(builds)
    monkeypatch.setattr(current_build_module, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(current_build_module, "open_build", Reader(["first"] * 3 + ["second"] * 2))
    publish_changed(builds, "z")
    served = [serve_now(current).published.build_id for _ in range(6)]
    assert served.index("z") == 5
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["first", "second"]
    assert current.reload_error is None


def test_build_that_failed_is_tried_at_once_when_the_pointer_comes_back_from_another(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = copy_builds(published, tmp_path)
    current = CurrentBuild(builds)
    monkeypatch.setattr(current_build_module, "open_build", Reader(["short of memory"]))
    publish_changed(builds, "z")
    pointer = (builds / POINTER).read_text()
    assert serve_now(current).published.build_id not in {"y", "z"}
    publish_changed(builds, "y")
    assert serve_now(current).published.build_id == "y"
    replace_pointer(builds, pointer)
    assert serve_now(current).published.build_id == "z"


def test_failure_is_tried_again_after_thirty_seconds(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(current_build_module, "time", clock)
    builds = copy_builds(published, tmp_path)
    current, reader = CurrentBuild(builds), Reader(["short of memory"])
    monkeypatch.setattr(current_build_module, "open_build", reader)
    publish_changed(builds, "z")
    calls = []
    for now in (1.0, 1.9, 30.9, 31.0):
        monkeypatch.setattr(clock, "monotonic", lambda now=now: now)
        serve_now(current)
        calls.append(reader.calls)
    assert calls == [1, 1, 1, 2]
    assert serve_now(current).published.build_id == "z"


def test_request_keeps_engine_and_answers_of_one_build_until_it_ends(
    published: Path, tmp_path: Path
) -> None:
    builds = copy_builds(published, tmp_path)
    old = read_pointer(builds)
    current = CurrentBuild(builds)
    held = serve_now(current)
    new = publish_changed(builds, "z", "UPDATE average_daily SET expected_daily_crimes = 77")
    assert serve_now(current).published == new
    assert list_open_builds(builds) == sorted([old.file, new.file])
    daily = CORE_TABLES["average_daily"].c
    select = sa.select(sa.func.max(daily.expected_daily_crimes))
    for build, is_new in ((held, False), (serve_now(current), True)):
        with build.engine.connect() as connection:
            assert (connection.execute(select).scalar() == 77) == is_new
        answer = json.loads(build.answers.daily["Downtown", 1])
        assert (answer["expected_daily_crimes"] == 77) == is_new
    del held, build
    assert list_open_builds(builds) == [new.file]


def test_build_that_is_served_can_be_served_once_more(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(published, tmp_path)
    first, second = serve_now(CurrentBuild(builds)), serve_now(CurrentBuild(builds))
    assert first.answers == second.answers


def test_build_that_is_served_can_be_opened_by_others_wherever_it_lies(
    published: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "why? 100% #1"
    folder.mkdir()
    builds = copy_builds(published, folder)
    served = serve_now(CurrentBuild(builds))
    with duckdb.connect(str(builds / served.published.file), read_only=True) as connection:
        assert connection.execute("SELECT build_id FROM refresh_run").fetchall() == [
            (served.published.build_id,)
        ]


def test_build_that_is_served_is_closed_when_the_process_ends(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(published, tmp_path)
    program = f"""
import atexit
from pathlib import Path
from serve.app import create_app
from tests.serve.builds import list_open_builds

builds = Path({str(builds)!r})
atexit.register(lambda: print(list_open_builds(builds)))
app = create_app(builds)
print(list_open_builds(builds))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [str([read_pointer(builds).file]), "[]"]
