"""`SOURCE=portal`, from a feature layer on loopback to HTTP answers."""

from pathlib import Path

import duckdb
import pytest

from etl.city import load_city
from refresh import Request, main, refresh
from serve.app import create_app
from tests.etl.feature_layer import serve_layer
from tests.kill import list_damage, list_left_over
from tests.quick_models import quick_models
from warehouse.pointer import read_pointer
from warehouse.track import list_needed_files

ROWS = 4500


def test_portal_becomes_a_published_forecast_and_then_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("etl.arcgis.sleep", lambda _seconds: None)
    request = Request(
        "portal", tmp_path / "builds", with_backtest=False, raw_folder=tmp_path / "raw", kept_snapshots=1
    )
    with serve_layer(incidents=ROWS, boundaries=242, history=1) as layer:
        city = load_city().model_copy(update={"portal": layer.portal})
        monkeypatch.setattr("refresh.load_city", lambda _name: city)
        with quick_models():
            published = refresh(request)
        assert (published.source, published.is_synthetic) == ("portal", False)
        layer.forget()
        layer.faults.extend(["503", "error-429", "cut"])
        with quick_models():
            refresh(request)
    snapshots = sorted((tmp_path / "raw" / "atlanta" / "incidents").glob("*.parquet"))
    assert len(snapshots) == 2, "the published build was made of the older one when it was read"
    assert list_needed_files(request.builds) == {path.name for path in snapshots}
    with duckdb.connect(str(request.builds / "current.duckdb"), read_only=True) as connection:
        facts = connection.execute(
            "SELECT layout, rows_in, rows_in_polygon > 0 FROM raw_file"
        ).fetchall()
        sources = connection.execute("SELECT DISTINCT data_source FROM incident").fetchall()
        hours = connection.execute("SELECT count(DISTINCT hour(occurred_at)) FROM incident").fetchall()
    assert facts[0][:2] == ("nibrs_portal", ROWS)
    assert sources == [("Atlanta Police Department open data",)]
    assert hours == [(24,)]
    out = capsys.readouterr().out
    assert "portal: 4,500 rows (full), 4,500 new" in out
    assert "portal: 4,500 rows (incremental), 0 new" in out
    app = create_app(request.builds)
    name = next(iter(app.extensions["current_build"].get().answers.names))
    answer = app.test_client().post("/predict_hourly_crime", json={"neighborhood": name, "month": 1})
    assert len(answer.get_json()) == 24


def test_refresh_without_a_network_says_so_and_leaves_the_published_build(
    daily_builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = read_pointer(daily_builds)
    address = "http://portal.invalid/incidents/FeatureServer/0"
    city = load_city()
    assert city.portal is not None
    away = city.portal.model_copy(update={"incidents": address})
    monkeypatch.setattr("refresh.load_city", lambda _: city.model_copy(update={"portal": away}))
    monkeypatch.setattr("etl.arcgis.sleep", lambda _seconds: None)
    monkeypatch.setenv("ATLSHIELD_RAW_FOLDER", str(tmp_path / "raw"))
    capsys.readouterr()
    assert main(["--source", "portal", "--builds", str(daily_builds)]) == 1
    told = capsys.readouterr()
    assert told.err == f"error: {address}: no usable answer in 8 tries; the last: ConnectionError\n"
    assert "portal: ConnectionError; try 2 of 8 in " in told.out
    assert read_pointer(daily_builds) == before
    assert list_damage(daily_builds) == []
    assert list_left_over(daily_builds) == []
