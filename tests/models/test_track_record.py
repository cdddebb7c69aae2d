"""The track record: forecasts are scored as published, and only whole ones of published builds."""

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import duckdb
import numpy as np
import pandas as pd
import pytest

import refresh as refresh_module
from models.__main__ import main
from models.base_rate import estimate_reference
from models.load_panel import load_panel
from models.metrics import poisson_deviance
from models.panel import Panel
from models.track_record import list_complete_months, score_track
from refresh import Request, refresh
from tests.kill import copy_tables
from tests.models.panels import make_panel
from tests.raw import write_daily
from warehouse.build import Build, open_build
from warehouse.columns import CLEANINGS
from warehouse.files import REFRESH, hold_lock
from warehouse.guards import GuardError
from warehouse.months import number_month, start_month
from warehouse.pointer import read_pointer
from warehouse.read import attach_build, connect_published
from warehouse.sweep import sweep_leftovers
from warehouse.track import TRACK, leave_forecast, list_left

FEED = {"city": "Atlanta", "source_kind": "simulated", "cleaning": CLEANINGS[0]}
PLACES, ZONES, CITY = "neighborhood_month", "zone_month", "city_month"


@pytest.fixture
def builds(published: Path, tmp_path: Path) -> Path:
    """A folder of one's own with the published build, whose forecast is moved a year back."""
    builds = Path(copytree(published, tmp_path / "builds", symlinks=True))
    path = list_left(builds)[0].path
    moved = path.with_suffix(".moved")
    year_before = "(forecast_month - INTERVAL 1 YEAR)::DATE AS forecast_month"
    duckdb.execute(
        f"COPY (SELECT * REPLACE ({year_before}) FROM '{path}') TO '{moved}' (FORMAT parquet)"
    )
    moved.replace(path)
    change_manifest(builds, sha256=sign(path), cutoff="2024-12-31")
    return builds


def sign(path: Path) -> str:
    """Return the SHA-256 of a file as `sha256sum` would."""
    return str(duckdb.execute("SELECT sha256(content) FROM read_blob(?)", [str(path)]).fetchall()[0][0])


def change_manifest(builds: Path, **facts: object) -> None:
    """Change what vouches for the only forecast."""
    path = list_left(builds)[0].path.with_suffix(".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


@pytest.fixture
def build(published: Path, tmp_path: Path) -> Iterator[Build]:
    """A later build of the same feed, with the same incidents."""
    with open_build("next", tmp_path / "next.duckdb") as build:
        build.data_source = "simulated data"
        with attach_build(build.connection, published / read_pointer(published).file, "good"):
            for table in (
                "offense",
                "raw_file",
                "incident",
                "neighborhood",
                "calendar",
                "holiday",
                "track_forecast",
            ):
                build.connection.execute(f"INSERT INTO {table} FROM good.{table}")
        yield build


@pytest.fixture
def panel(build: Build) -> Panel:
    """The panel of the later build."""
    return load_panel(build.connection)


def read_scores(build: Build, grain: str, month: str) -> dict[str, tuple[float, float | None]]:
    """Return value and reference value of a grain's month by metric."""
    rows = build.connection.execute(
        "SELECT metric, value, reference_value FROM track_record WHERE grain = ? AND target_month = ?",
        [grain, month],
    ).fetchall()
    return {metric: (value, reference) for metric, value, reference in rows}


def test_build_leaves_its_forecast_with_the_reference_of_its_own_data(
    published: Path, build: Build, panel: Panel
) -> None:
    [left] = list_left(published)
    assert (left.build_id, left.state) == (read_pointer(published).build_id, "whole")
    assert left.manifest is not None
    assert (left.manifest.feed, left.manifest.earlier) == (FEED, [])
    frame = duckdb.execute(f"FROM '{left.path}'").df()
    table = build.connection.execute("SELECT * EXCLUDE (data_source) FROM track_forecast").df()
    keys = ["grain", "place", "forecast_month"]
    one, two = (f.sort_values(keys).reset_index(drop=True) for f in (frame, table))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert not {"incident_id", "latitude", "occurred_at"} & set(frame)
    origin = number_month(dt.date.fromisoformat(left.manifest.cutoff)) + 1
    first = frame[frame["forecast_month"].dt.date == start_month(origin)]
    rates = estimate_reference(panel.before(origin), origin)
    days = pd.Timestamp(start_month(origin)).days_in_month
    wanted = rates.sum(axis=1) * days
    by_place = first[first["grain"] == PLACES].sort_values("place")
    np.testing.assert_allclose(by_place["reference_month_crimes"], wanted, rtol=1e-9)
    for grain in (ZONES, CITY):
        sums = first[first["grain"] == grain]["reference_month_crimes"].sum()
        assert sums == pytest.approx(wanted.sum())


def test_scores_are_those_of_the_published_numbers(builds: Path, build: Build, panel: Panel) -> None:
    assert score_track(build, panel, builds, FEED) == []
    frame = duckdb.execute(f"FROM '{list_left(builds)[0].path}'").df()
    march = frame[frame["forecast_month"] == "2025-03-01"]
    index = panel.month_numbers.tolist().index(2025 * 12 + 2)
    observed = panel.counts[:, index].sum(axis=1)
    places = march[march["grain"] == PLACES].set_index("place").loc[list(panel.neighborhoods)]
    found = read_scores(build, PLACES, "2025-03-01")
    expected, reference = (
        places[f"{name}_month_crimes"].to_numpy() for name in ("expected", "reference")
    )
    assert found["poisson_deviance"] == pytest.approx(
        (poisson_deviance(observed, expected), poisson_deviance(observed, reference))
    )
    inside = (observed >= places["month_lower_80"]) & (observed <= places["month_upper_80"])
    assert found["coverage_80"][0] == pytest.approx(inside.mean())
    assert "month_lower_80" not in found
    city = read_scores(build, CITY, "2025-03-01")
    row = march[march["grain"] == CITY].iloc[0]
    assert city["observed_crimes"] == (observed.sum(), None)
    assert city["expected_crimes"] == pytest.approx(
        (row["expected_month_crimes"], row["reference_month_crimes"])
    )
    assert city["month_upper_95"] == (row["month_upper_95"], None)
    assert city["predicted_to_actual"][0] == pytest.approx(row["expected_month_crimes"] / observed.sum())
    assert read_scores(build, ZONES, "2025-03-01")["observed_crimes"] == (observed.sum(), None)
    ages = build.connection.execute("SELECT DISTINCT target_month, age_months FROM track_record").df()
    assert (ages["target_month"].dt.month == ages["age_months"]).all()
    complete = [day for day in list_complete_months(panel) if day.year == 2025]
    assert sorted(ages["target_month"].dt.date) == complete
    assert 6 < len(complete) < 12  # the newest months wait for their late reports
    months = build.connection.execute("SELECT state, months_scored, places_gone FROM track_build")
    assert months.fetchall() == [("whole", len(complete), 0)]


def test_month_that_is_observed_in_part_or_reported_in_part_is_not_scored() -> None:
    panel = make_panel(months=3)
    assert list_complete_months(panel) == []  # none has all of its days
    days = replace(panel, calendar_days=np.array([31, 28, 31]))
    assert list_complete_months(days) == [dt.date(2019, month, 1) for month in (1, 2, 3)]
    cut = replace(days, dates=days.dates[:-1], day_months=days.day_months[:-1])
    cut = replace(cut, day_counts=days.day_counts[:, :-1])
    assert list_complete_months(cut)[-1] == dt.date(2019, 2, 1)
    month = days.counts[:, 0].sum()
    rows = [(0, 2019 * 12, "2019-01-01", 12, 0, 2019 * 12 + 1, int(month / 20))]
    late = pd.DataFrame(rows, columns=days.late.columns).astype(days.late.dtypes)
    assert list_complete_months(replace(days, late=late))[-1] == dt.date(2019, 2, 1)


def test_places_that_came_or_went_are_counted_and_not_scored(
    builds: Path, build: Build, panel: Panel
) -> None:
    build.connection.execute("""
        UPDATE neighborhood SET neighborhood = 'New Name' WHERE neighborhood = 'Downtown';
        UPDATE incident SET neighborhood = 'New Name' WHERE neighborhood = 'Downtown'""")
    score_track(build, panel, builds, FEED)
    places = len(panel.neighborhoods)
    found = build.connection.execute(
        "SELECT places_scored, places_gone, places_new FROM track_build"
    ).fetchall()
    assert found == [(places - 1, 1, 1)]
    index = panel.month_numbers.tolist().index(2025 * 12 + 2)
    total = panel.counts[:, index].sum()
    downtown = panel.counts[panel.neighborhoods.index("Downtown"), index].sum()
    assert read_scores(build, PLACES, "2025-03-01")["observed_crimes"][0] == total - downtown
    assert read_scores(build, CITY, "2025-03-01")["observed_crimes"][0] == total
    scored = build.connection.execute(
        """SELECT sum(expected_month_crimes), count(DISTINCT zone), any_value(gone)
           FROM track_forecast, (
               SELECT DISTINCT zone AS gone FROM track_forecast WHERE place = 'Downtown'
           ) WHERE grain = 'zone_month' AND zone <> gone AND month(forecast_month) = 3"""
    ).fetchall()
    [(expected, others, gone)] = scored
    rest = build.fetch_value(
        f"""SELECT count(*) FROM incident JOIN neighborhood USING (neighborhood)
            WHERE neighborhood.zone <> '{gone}' AND date_trunc('month', occurred_at) = '2025-03-01'"""
    )
    zones = read_scores(build, ZONES, "2025-03-01")
    assert others >= 2
    assert zones["observed_crimes"][0] == rest < total
    assert zones["expected_crimes"][0] == pytest.approx(expected)


def test_place_in_other_case_or_with_another_dash_is_the_same(
    builds: Path, build: Build, panel: Panel
) -> None:
    score_track(build, panel, builds, FEED)
    select = "SELECT * FROM track_record ORDER BY ALL"
    before = build.connection.execute(select).fetchall()
    old = "Mozley Park"
    assert old in panel.neighborhoods
    path = list_left(builds)[0].path
    spelled = path.with_suffix(".spelled")
    # As the neighborhood of the build is then called, with U+2013 for its hyphen.
    duckdb.execute(
        f"""COPY (SELECT * REPLACE (if(place = '{old}', 'É–' || upper(place), place) AS place)
                  FROM '{path}') TO '{spelled}' (FORMAT parquet)"""
    )
    spelled.replace(path)
    change_manifest(builds, sha256=sign(path))
    build.connection.execute(f"""
        DELETE FROM track_record;
        DELETE FROM track_build;
        UPDATE neighborhood SET neighborhood = 'é-{old}' WHERE neighborhood = '{old}';
        UPDATE incident SET neighborhood = 'é-{old}' WHERE neighborhood = '{old}'""")
    score_track(build, panel, builds, FEED)
    assert build.connection.execute(select).fetchall() == before
    found = build.connection.execute("SELECT places_scored, places_gone, places_new FROM track_build")
    assert found.fetchall() == [(len(panel.neighborhoods), 0, 0)]


@pytest.mark.parametrize(
    "feed", [{"city": "Rivertown"}, {"source_kind": "files"}, {"cleaning": CLEANINGS[1]}]
)
def test_forecast_of_another_feed_is_not_scored(
    builds: Path, build: Build, panel: Panel, feed: dict[str, str]
) -> None:
    assert score_track(build, panel, builds, {**FEED, **feed}) == []
    assert build.fetch_value("SELECT count(*) FROM track_build") == 0
    assert build.fetch_value("SELECT count(*) FROM track_record") == 0


def test_forecast_from_files_of_other_names_is_of_another_feed_but_for_the_portal(
    builds: Path, build: Build, panel: Panel
) -> None:
    """One portal has a file of another name every time; other files may count other offenses."""
    change_manifest(builds, raw_files=["other.csv"])
    score_track(build, panel, builds, FEED)
    assert build.fetch_value("SELECT count(*) FROM track_build") == 0
    portal = {**FEED, "source_kind": "portal"}
    change_manifest(builds, feed=portal)
    score_track(build, panel, builds, portal)
    assert build.fetch_value("SELECT count(*) FROM track_build") == 1


def test_changed_missing_and_unvouched_forecasts_are_named_and_not_scored(
    builds: Path, build: Build, panel: Panel
) -> None:
    [left] = list_left(builds)
    change_manifest(builds, earlier=["gone"])
    left.path.write_bytes(left.path.read_bytes()[:-8] + b"tampered")
    said = score_track(build, panel, builds, FEED)
    assert said == [
        f"the forecast that build {left.build_id} left is not what was published ({left.path.name}): it"
        " is not scored",
        "the forecast that build gone left is missing (gone.parquet): it is not scored",
    ]
    rows = build.connection.execute(
        "SELECT state, cutoff IS NULL, months_scored, places_scored FROM track_build ORDER BY state"
    ).fetchall()
    assert rows == [("changed", False, 0, 0), ("missing", True, 0, 0)]
    left.path.unlink()
    assert [one.state for one in list_left(builds)] == ["missing", "missing"]
    left.path.with_suffix(".json").write_text("{}")
    left.path.write_text("")
    assert [(one.state, one.manifest) for one in list_left(builds)] == [("changed", None)]


def test_what_bears_no_build_id_is_left_alone(builds: Path) -> None:
    track = builds / TRACK
    before = list_left(builds)
    stale = "20200101T000000000000Z"
    (track / "dir.json").mkdir()
    (track / "20200102T000000000000Z.json").mkdir()
    others = ["notes.json", f"._{stale}.json", "table.parquet", "big.partial", "x.json.partial"]
    for name in (*others, f"{stale}.json.partial", f"{stale}.parquet.partial"):
        (track / name).touch()
    with hold_lock(builds, REFRESH):
        sweep_leftovers(builds)
    assert list_left(builds) == before
    kept = {path.name for path in track.iterdir()}
    assert kept >= set(others)
    assert not {f"{stale}.json.partial", f"{stale}.parquet.partial"} & kept


def test_forecast_that_cannot_be_written_is_named(builds: Path) -> None:
    published = read_pointer(builds)
    draft = builds / TRACK / f"{published.build_id}.parquet.partial"
    draft.mkdir()
    with connect_published(builds) as (_, connection), pytest.raises(OSError, match="cannot write") as e:
        leave_forecast(connection, builds, published)
    assert str(draft) in str(e.value)


def test_unpublished_build_leaves_nothing_and_sweeping_keeps_what_was_published(
    daily_builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = write_daily(tmp_path / "daily.csv", days=60)
    request = Request("files", daily_builds, raw=(raw,), with_backtest=False)
    with pytest.raises(GuardError, match="not published"):
        refresh(request)  # the cutoff goes back: refused
    assert len(list_left(daily_builds)) == 1
    good = tmp_path / "good.duckdb"
    good.hardlink_to(daily_builds / read_pointer(daily_builds).file)
    monkeypatch.setattr(refresh_module, "write_tables", copy_tables(good))
    for _ in range(3):
        refresh(request)
    left = list_left(daily_builds)
    assert [one.state for one in left] == ["whole"] * 4
    assert len(list(daily_builds.glob("*.duckdb"))) == 3 + 1  # the link
    assert left[-1].manifest is not None
    assert left[-1].manifest.earlier == [one.build_id for one in left[:-1]]
    assert {path.suffix for path in (daily_builds / TRACK).iterdir()} == {".json", ".parquet"}


def test_command_prints_names_and_draws(
    builds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], build: Build, panel: Panel
) -> None:
    command = ["track", "--builds", str(builds), "--out", str(tmp_path / "track.png")]
    assert main(command) == 1
    assert "no published forecast has met a complete month yet" in capsys.readouterr().err
    score_track(build, panel, builds, FEED)
    rows = build.connection.execute("SELECT * FROM track_record").df()
    tracks = build.connection.execute("SELECT * FROM track_build").df()
    mart = (Path("warehouse") / "sql" / "mart_track_record.sql").read_text()
    path = builds / read_pointer(builds).file
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        connection.register("rows", rows)
        connection.register("tracks", tracks)
        connection.execute("INSERT INTO track_record BY NAME FROM rows")
        connection.execute("INSERT INTO track_build BY NAME FROM tracks")
        select = f"SELECT *, 'simulated data' AS data_source FROM ({mart})"
        connection.execute(f"INSERT INTO mart_track_record BY NAME {select}")
        connection.execute(
            "INSERT INTO mart_track_record SELECT * REPLACE ("
            "'19990101T0Z' AS forecast_build_id, 0 AS coverage_80) FROM mart_track_record"
        )
    list_left(builds)[0].path.unlink()
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "simulated data" in told
    assert "left is missing" in told
    build_id = read_pointer(builds).build_id
    assert f"as of the refresh of build {build_id};" in told
    [line] = [line for line in told.splitlines() if line.split()[:1] == [build_id]]
    assert "whole" in line
    assert line.endswith("missing")
    assert "all months by grain and age_months" in told
    months = build.fetch_value("SELECT count(DISTINCT target_month) FROM track_record")
    [city] = re.findall(r"city_month 2024-12-31 +(\d+) .* (\S+) +\S+\n", told)
    covered = build.fetch_value(
        "SELECT avg(value) FROM track_record WHERE grain = 'city_month' AND metric = 'coverage_80'"
    )
    assert city == (str(months), f"{covered:.3f}")  # an earlier forecast of the cutoff does not count
    listed = told.split("the city's months\n")[1].splitlines()[1:-1]
    assert len(listed) == months
    assert (tmp_path / "track.png").read_bytes()[:4] == b"\x89PNG"
