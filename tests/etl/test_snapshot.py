"""Snapshots: what is read again, what changed since, and whether a file can be trusted."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.__main__ import main
from etl.city import City, Portal, load_city
from etl.fetch import fetch_history, fetch_incidents
from etl.polygons import fetch_boundaries
from etl.snapshot import Snapshot
from etl.source import fetch_city
from tests.etl.feature_layer import HISTORY_COLUMNS, FeatureLayer, serve_layer
from tests.etl.snapshots import FIELDS, read_snapshot
from tests.one_in import one_in
from warehouse.errors import ShieldError
from warehouse.files import FETCH, hold_lock

ROWS = 1125
RECENT = "ReportDate BETWEEN TIMESTAMP '2024-11-01' AND TIMESTAMP '2026-01-01'"
OLD = "ReportDate BETWEEN TIMESTAMP '2021-02-01' AND TIMESTAMP '2023-01-01'"


@pytest.fixture
def layer() -> Iterator[FeatureLayer]:
    """Three pages of incidents, the last of December 2024."""
    with serve_layer(page_rows=500, incidents=ROWS, boundaries=242, history=575) as layer:
        yield layer


@pytest.fixture
def folder(layer: FeatureLayer, tmp_path: Path) -> Path:
    """A folder with a full snapshot of the layer."""
    fetch(layer, tmp_path)
    layer.forget()
    return tmp_path


def fetch(layer: FeatureLayer, folder: Path, *, full: bool = False, days: int = 120) -> Snapshot:
    """Fetch without pauses."""
    return fetch_incidents(layer.portal, folder, full=full, window_days=days, pause_seconds=0.0)


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest beside a snapshot."""
    manifest: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    return manifest


def changes(snapshot: Snapshot) -> tuple[str, int, int, int]:
    """Return kind, new, revised, vanished."""
    return snapshot.kind, snapshot.new_rows, snapshot.revised_rows, snapshot.vanished_rows


def pick(layer: FeatureLayer, condition: str, count: int) -> str:
    """Return a condition for the first rows of a condition, none of which stands there twice."""
    ids = layer.execute(
        f"SELECT OBJECTID FROM incidents WHERE {condition} AND OBJECTID % 501 <> 1 "
        f"AND OBJECTID % 501 < 480 ORDER BY OBJECTID LIMIT {count}"
    )
    assert len(ids) == count
    return f"OBJECTID IN ({', '.join(str(row[0]) for row in ids)})"


def assert_same_rows(snapshot: Snapshot, layer: FeatureLayer) -> None:
    """Hold a snapshot against the layer, whatever ids the rows have."""
    assert sorted(str(row[1:]) for row in read_snapshot(snapshot.path)) == sorted(
        str(row[1:]) for row in layer.read_rows(FIELDS)
    )
    assert snapshot.rows == len(layer.read_rows(FIELDS))


def test_first_snapshot_is_full_and_its_manifest_vouches_for_it(
    layer: FeatureLayer, tmp_path: Path
) -> None:
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    snapshot = fetch(layer, tmp_path)
    assert changes(snapshot) == ("full", ROWS, 0, 0)
    manifest = read_manifest(snapshot.path)
    assert before <= dt.datetime.fromisoformat(manifest.pop("fetched_at")) <= dt.datetime.now(dt.UTC)
    assert manifest == {
        "url": layer.portal.incidents,
        "where": "1=1",
        "fields": list(FIELDS),
        "rows": ROWS,
        "sha256": hashlib.sha256(snapshot.path.read_bytes()).hexdigest(),
        "terms": [
            "Anyone can use this data at no cost",
            "can not be used to recreate any official crime report",
        ],
        "kind": "full",
        "new_rows": ROWS,
        "revised_rows": 0,
        "vanished_rows": 0,
    }
    assert {path.name for path in tmp_path.iterdir()} == {
        snapshot.path.name, snapshot.path.with_suffix(".json").name, ".fetch.lock",
    }  # fmt: skip


def test_snapshot_keeps_texts_missing_values_and_junk_years_as_they_are(
    layer: FeatureLayer, tmp_path: Path
) -> None:
    rows = read_snapshot(fetch(layer, tmp_path).path)
    assert rows == layer.read_rows(FIELDS)
    reported = {row[FIELDS.index("ReportDate")] for row in rows}
    junk = {dt.datetime(1015, 3, 1, 5, tzinfo=dt.UTC), dt.datetime(2124, 6, 1, 4, tzinfo=dt.UTC)}
    assert {str(int(moment.timestamp()) * 1000) for moment in junk} < reported
    assert None in reported
    assert 'O\'Hern "Hills"é1' in {row[FIELDS.index("NhoodName")] for row in rows}


def test_unchanged_layer_is_read_in_the_window_only(layer: FeatureLayer, folder: Path) -> None:
    snapshot = fetch(layer, folder)
    assert changes(snapshot) == ("incremental", 0, 0, 0)
    assert layer.pages == 1
    assert_same_rows(snapshot, layer)
    newest = layer.execute("SELECT max(ReportDate) FROM incidents WHERE ReportDate < '2100-01-01'")
    start = newest[0][0].date() - dt.timedelta(days=120)
    assert read_manifest(snapshot.path)["where"] == (
        f"ReportDate >= TIMESTAMP '{start} 00:00:00' "
        "OR ReportDate < TIMESTAMP '2009-01-01 00:00:00' OR ReportDate IS NULL"
    )


def test_new_revised_and_vanished_rows_of_the_window_are_counted(
    layer: FeatureLayer, folder: Path
) -> None:
    layer.execute(f"DELETE FROM incidents WHERE {pick(layer, RECENT, 3)}")
    layer.execute(f"UPDATE incidents SET NPU = 'Z' WHERE {pick(layer, RECENT, 5)}")
    layer.execute(
        "INSERT INTO incidents SELECT * REPLACE (OBJECTID + 90000 AS OBJECTID, 'N' || OBJECTID AS "
        f"IncidentNumber, TIMESTAMP '2025-02-03 04:05:06' AS ReportDate) FROM incidents "
        f"WHERE {pick(layer, OLD, 7)}"
    )
    snapshot = fetch(layer, folder)
    assert changes(snapshot) == ("incremental", 7, 5, 3)
    assert_same_rows(snapshot, layer)


@pytest.mark.parametrize(
    "condition",
    one_in(
        3,
        [
            "ReportDate < TIMESTAMP '2009-01-01'",
            "ReportDate > TIMESTAMP '2100-01-01'",
            "ReportDate IS NULL",
        ],
    ),
)
def test_rows_with_an_implausible_report_date_are_always_read_again(
    layer: FeatureLayer, folder: Path, condition: str
) -> None:
    date = "ReportDate = TIMESTAMP '2021-03-04', NPU = 'Y'"
    some, others = pick(layer, condition, 4).rsplit(",", 1)
    layer.execute(f"UPDATE incidents SET NPU = 'Z' WHERE {some})")
    snapshot = fetch(layer, folder)
    assert changes(snapshot) == ("incremental", 0, 3, 0)
    layer.execute(f"UPDATE incidents SET {date} WHERE OBJECTID IN ({others}")
    snapshot = fetch(layer, folder)
    assert changes(snapshot) == ("full", 0, 1, 0)  # it left the window: the count tells
    assert_same_rows(snapshot, layer)


def test_old_report_whose_date_is_revised_into_the_window_is_not_doubled(
    layer: FeatureLayer, folder: Path
) -> None:
    moved = pick(layer, OLD, 4)
    layer.execute(f"UPDATE incidents SET ReportDate = TIMESTAMP '2025-01-02' WHERE {moved}")
    snapshot = fetch(layer, folder)
    assert changes(snapshot) == ("incremental", 0, 4, 0)
    assert_same_rows(snapshot, layer)


def test_offense_that_stands_twice_stays_twice(layer: FeatureLayer, folder: Path) -> None:
    twice = pick(layer, OLD, 2)
    layer.execute(
        "INSERT INTO incidents SELECT * REPLACE (OBJECTID + 90000 AS OBJECTID, "
        f"TIMESTAMP '2025-01-02' AS ReportDate) FROM incidents WHERE {twice}"
    )
    assert fetch(layer, folder, full=True).new_rows == 2
    snapshot = fetch(layer, folder)
    assert changes(snapshot) == ("incremental", 0, 0, 0)
    assert_same_rows(snapshot, layer)


def test_offense_without_a_number_is_matched_like_any_other(layer: FeatureLayer, folder: Path) -> None:
    layer.execute(f"UPDATE incidents SET IncidentNumber = NULL WHERE {pick(layer, RECENT, 1)}")
    assert changes(fetch(layer, folder)) == ("incremental", 1, 0, 1)
    snapshot = fetch(layer, folder)
    assert changes(snapshot) == ("incremental", 0, 0, 0)
    assert_same_rows(snapshot, layer)


def test_renumbered_layer_is_merged_by_key(layer: FeatureLayer, folder: Path) -> None:
    layer.execute("UPDATE incidents SET OBJECTID = 20000 - OBJECTID")
    snapshot = fetch(layer, folder)
    assert changes(snapshot) == ("incremental", 0, 0, 0)
    assert_same_rows(snapshot, layer)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM incidents WHERE {old}", ("full", 0, 0, 6)),
        (
            "INSERT INTO incidents SELECT * REPLACE (OBJECTID + 90000 AS OBJECTID, "
            "'N' || OBJECTID AS IncidentNumber) FROM incidents WHERE {old}",
            ("full", 6, 0, 0),
        ),
    ],
)
def test_count_that_the_window_cannot_explain_makes_the_read_full(
    layer: FeatureLayer,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    statement: str,
    expected: tuple[str, int, int, int],
) -> None:
    layer.execute(statement.format(old=pick(layer, OLD, 6)))
    snapshot = fetch(layer, folder)
    assert changes(snapshot) == expected
    assert_same_rows(snapshot, layer)
    assert "rows and the snapshot" in capsys.readouterr().out


def test_full_read_sees_what_no_count_tells(layer: FeatureLayer, folder: Path) -> None:
    layer.execute(f"UPDATE incidents SET NPU = 'Z' WHERE {pick(layer, OLD, 2)}")
    assert changes(fetch(layer, folder)) == ("incremental", 0, 0, 0)
    snapshot = fetch(layer, folder, full=True)
    assert changes(snapshot) == ("full", 0, 2, 0)
    assert_same_rows(snapshot, layer)


def test_longer_window_reads_more(layer: FeatureLayer, folder: Path) -> None:
    fetch(layer, folder, days=4000)
    assert layer.pages == 3 + 2  # the first is looked at twice again
    with pytest.raises(ShieldError, match="must be 0 days or more, found -1"):
        fetch(layer, folder, days=-1)


def test_the_newest_snapshots_and_those_of_builds_are_kept(layer: FeatureLayer, tmp_path: Path) -> None:
    city = load_city().model_copy(update={"portal": layer.portal})

    def fetch_and_keep(*needed: Path) -> Path:
        names = [path.name for path in needed]
        found = fetch_city(city, tmp_path, pause_seconds=0.0, kept=2, needed=names)
        return found.files[0]

    first, second, third = fetch_and_keep(), fetch_and_keep(), fetch_and_keep()
    folder = first.parent
    assert sorted(folder.glob("*.parquet")) == [second, third]
    fourth = fetch_and_keep(second)
    fifth = fetch_and_keep(second)
    assert sorted(folder.glob("*.parquet")) == [second, fourth, fifth]
    assert sorted(folder.glob("*.json")) == [
        path.with_suffix(".json") for path in (second, fourth, fifth)
    ]
    assert {len(list((tmp_path / "boundaries").glob(f"*.{end}"))) for end in ("geojson", "json")} == {2}


def test_damaged_snapshot_is_named_and_a_full_read_goes_past_it(
    layer: FeatureLayer, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(folder.glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(
        ShieldError, match=rf"{path.name}: damaged snapshot: expected SHA-256 \w+, found"
    ):
        fetch(layer, folder)
    assert not layer.requests
    assert changes(fetch(layer, folder, full=True)) == ("full", ROWS, 0, 0)
    assert "nothing to compare with" in capsys.readouterr().out
    assert changes(fetch(layer, folder)) == ("incremental", 0, 0, 0)


@pytest.mark.parametrize("content", one_in(3, ["[]", "", '{"url": "x"}']))
def test_damaged_manifest_is_named(layer: FeatureLayer, folder: Path, content: str) -> None:
    path = next(folder.glob("*.json"))
    path.write_text(content)
    with pytest.raises(ShieldError, match=rf"{path.name}: damaged snapshot \(.*--full"):
        fetch(layer, folder)


def test_manifest_without_its_data_is_named(layer: FeatureLayer, folder: Path) -> None:
    path = next(folder.glob("*.parquet"))
    path.unlink()
    with pytest.raises(ShieldError, match=rf"{path.stem}.json: damaged snapshot"):
        fetch(layer, folder)


def test_data_without_a_manifest_is_swept(layer: FeatureLayer, folder: Path) -> None:
    leftover = folder / "incidents-20990101T000000000000Z.parquet"
    leftover.write_bytes(b"half")
    fetch(layer, folder)
    assert not leftover.exists()


def test_snapshot_of_another_layer_is_not_built_on(layer: FeatureLayer, folder: Path) -> None:
    path = next(folder.glob("*.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "url": "elsewhere"}))
    assert changes(fetch(layer, folder)) == ("full", ROWS, 0, 0)


def test_full_read_that_was_broken_off_is_finished_before_windows_are_read(
    layer: FeatureLayer, folder: Path
) -> None:
    layer.faults.extend(["none"] * 3 + ["error-400"])
    with pytest.raises(ShieldError, match="error 400"):
        fetch(layer, folder, full=True)
    layer.forget()
    assert changes(fetch(layer, folder)) == ("full", 0, 0, 0)
    assert (
        layer.pages == 4
    )  # the last page on disk is checked, the third is read, the first checked twice


def test_two_fetches_do_not_share_a_folder(layer: FeatureLayer, folder: Path) -> None:
    with hold_lock(folder, FETCH), pytest.raises(ShieldError, match="another fetch is at work in"):
        fetch(layer, folder)


def test_boundaries_are_geojson_sorted_by_name(layer: FeatureLayer, tmp_path: Path) -> None:
    path = fetch_boundaries(layer.portal, tmp_path, pause_seconds=0.0)
    content = json.loads(path.read_text())
    names = [feature["properties"]["NhoodName"] for feature in content["features"]]
    assert content["type"] == "FeatureCollection"
    assert len(names) == 242
    assert names == sorted(names)
    assert {frozenset(feature["properties"]) for feature in content["features"]} == {
        frozenset({"FID", "NhoodName", "NPU"})
    }
    assert content["features"][0]["geometry"]["coordinates"][0][0] == [-84.4, 33.7]
    manifest = read_manifest(path)
    assert manifest["rows"] == 242
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["url"] == layer.portal.boundaries


def test_missing_polygon_is_an_error(
    layer: FeatureLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = layer.make_geojson

    def drop_one(table: str, where: str, parameters: dict[str, str]) -> dict[str, Any]:
        return {"features": honest(table, where, parameters)["features"][1:]}

    monkeypatch.setattr(layer, "make_geojson", drop_one)
    with pytest.raises(ShieldError, match="expected the 242 polygons announced, found 239"):
        fetch_boundaries(layer.portal, tmp_path, pause_seconds=0.0)


def test_history_holds_every_field_but_addresses(layer: FeatureLayer, tmp_path: Path) -> None:
    snapshot = fetch_history(layer.portal, tmp_path, pause_seconds=0.0)
    fields = tuple(set(HISTORY_COLUMNS) - {"Location", "Apartment_Number"})
    fields = tuple(name for name in HISTORY_COLUMNS if name in fields)
    assert read_manifest(snapshot.path)["fields"] == list(fields)
    assert read_snapshot(snapshot.path) == layer.read_rows(fields, "history")
    assert changes(snapshot) == ("full", 575, 0, 0)
    assert snapshot.path.name.startswith("history-")
    asked = {name for r in layer.requests for name in r.get("outFields", "").split(",")}
    assert not asked & {"Location", "Apartment_Number", "*"}


def use_portal(monkeypatch: pytest.MonkeyPatch, portal: Portal | None) -> None:
    """Let the command find a city with this portal."""
    city: City = load_city().model_copy(update={"portal": portal})
    monkeypatch.setattr("etl.__main__.load_city", lambda _name: city)
    monkeypatch.setattr("etl.arcgis.sleep", lambda _seconds: None)


def test_command_fetches_what_it_is_asked_for(
    layer: FeatureLayer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_portal(monkeypatch, layer.portal)
    assert main(["fetch", "--folder", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"incidents", "boundaries"}
    assert main(["fetch", "--folder", str(tmp_path), "--full", "--history", "--window-days", "9"]) == 0
    assert len(list((tmp_path / "history").glob("*.parquet"))) == 1
    out = capsys.readouterr().out
    assert "portal: 1,125 rows (full), 1,125 new, 0 revised, 0 vanished: incidents-" in out
    assert "portal: 242 polygons: boundaries-" in out


def test_command_says_in_one_line_what_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_portal(monkeypatch, None)
    assert main(["fetch", "--folder", str(tmp_path)]) == 1
    assert "error: Atlanta has no portal" in capsys.readouterr().err
