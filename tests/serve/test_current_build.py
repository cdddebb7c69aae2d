"""Health, and following the published build."""

import os
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import refresh as refresh_module
from refresh import Request, refresh
from serve import current_build as library_module
from serve.app import create_app
from tests.raw import write_daily
from warehouse.errors import NoBuildError, ShieldError
from warehouse.pointer import POINTER, PublishedBuild, read_pointer
from warehouse.publish import publish_build


@pytest.fixture(autouse=True)
def _look_at_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_module, "CHECK_SECONDS", 0.0)


def replace_pointer(builds: Path, content: str) -> None:
    """Replace the pointer as a publisher would."""
    new = builds / "new.json"
    new.write_text(content)
    new.replace(builds / POINTER)


def test_liveness_and_readiness(client: FlaskClient, published: Path) -> None:
    pointer = read_pointer(published)
    assert client.get("/livez").get_json() == {"status": "ok"}
    assert client.get("/readyz").get_json() == {
        "status": "ok",
        "build_id": pointer.build_id,
        "cutoff": "2025-12-31",
        "source": "simulated",
        "is_synthetic": True,
        "reload_error": None,
    }


def test_new_build_is_served_without_a_restart(daily_builds: Path, tmp_path: Path) -> None:
    client = create_app(daily_builds).test_client()
    old = client.get("/readyz").get_json()["build_id"]
    raw = write_daily(tmp_path / "more.csv", days=120)
    new = refresh(Request("files", daily_builds, raw=(raw,), with_backtest=False))
    assert client.get("/readyz").get_json()["build_id"] == new.build_id != old


@pytest.mark.parametrize("content", ["not a pointer", None])
def test_old_build_is_served_while_the_pointer_leads_nowhere(
    daily_builds: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    client = create_app(daily_builds).test_client()
    good = (daily_builds / POINTER).read_text()
    if content is None:
        (daily_builds / POINTER).unlink()
    else:
        replace_pointer(daily_builds, content)
    ready = client.get("/readyz").get_json()
    assert ready["status"] == "stale"
    assert ready["reload_error"]
    assert "the old one is served" in caplog.text
    body = {"neighborhood": "Downtown", "month": 1}
    assert client.post("/predict_hourly_crime", json=body).status_code == 200
    replace_pointer(daily_builds, good)
    assert client.get("/readyz").get_json()["status"] == "ok"


def test_damaged_new_build_leaves_the_old_one_served(daily_builds: Path) -> None:
    client = create_app(daily_builds).test_client()
    pointer = read_pointer(daily_builds)
    (daily_builds / "warehouse-z.duckdb").write_bytes(os.urandom(4096))
    text = (daily_builds / POINTER).read_text()
    replace_pointer(
        daily_builds, text.replace(pointer.file, "warehouse-z.duckdb").replace(pointer.build_id, "z")
    )
    ready = client.get("/readyz").get_json()
    assert (ready["status"], ready["build_id"]) == ("stale", pointer.build_id)


def test_bit_flipped_in_the_new_build_leaves_the_old_one_served(
    daily_builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = read_pointer(daily_builds)
    client = create_app(daily_builds).test_client()

    def flip_and_publish(builds: Path, build_id: str, partial: Path) -> PublishedBuild:
        content = bytearray(partial.read_bytes())
        content[len(content) // 2] ^= 1
        partial.write_bytes(content)
        return publish_build(builds, build_id, partial)

    monkeypatch.setattr(refresh_module, "publish_build", flip_and_publish)
    raw = write_daily(tmp_path / "daily.csv", days=104)
    with pytest.raises(ShieldError, match="cannot be read back"):
        refresh(Request("files", daily_builds, raw=(raw,), with_backtest=False))
    ready = client.get("/readyz").get_json()
    assert (ready["status"], ready["build_id"]) == ("ok", old.build_id)


def test_without_a_build_there_is_no_application(tmp_path: Path) -> None:
    with pytest.raises(NoBuildError, match="run `make refresh` first"):
        create_app(tmp_path)
