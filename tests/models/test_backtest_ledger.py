"""The ledger: what changes an origin's hash and what does not, and scores that are taken over."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import duckdb
import numpy as np
import pandas as pd
import pytest

from models import backtest_ledger
from models.backtest import Backtest, list_origins, run_backtest
from models.backtest_ledger import fill_ledger
from models.load_panel import load_panel
from models.origin_inputs import hash_inputs, hash_source, split_panel
from models.panel import Panel
from tests.models.panels import DAYS, FIRST_MONTH, make_panel, with_counts
from tests.quick_models import quick_models
from warehouse.build import Build, open_build
from warehouse.months import number_month, start_month
from warehouse.pointer import read_pointer
from warehouse.read import attach_build

ORIGIN = FIRST_MONTH + 15
SOURCE = b"source"


def hash_origin(panel: Panel) -> str:
    """Return the hash of the inputs of one origin."""
    return hash_inputs(panel, ORIGIN, SOURCE)


def add_incident(panel: Panel, month: int, delay: int = 0) -> Panel:
    """Return the panel with one incident more in a month, from 0, reported so many months later."""
    counts = panel.stratum_counts.copy()
    counts[0, month, 12, 0] += 1
    offense = [offense.stratum for offense in panel.offenses].index(0)
    number = int(panel.month_numbers[month])
    row = {"place": 0, "month_number": number, "hour": 12, "offense": offense,
           "reported_month": number + delay, "incidents": 1}  # fmt: skip
    cells = panel.offense_cells
    cells = pd.concat([cells, pd.DataFrame([row]).astype(cells.dtypes)], ignore_index=True)
    return replace(with_counts(panel, counts), offense_cells=cells)


def add_late(panel: Panel, month: int, reported: int) -> Panel:
    """Return the panel with one more incident of a month, reported in another."""
    day = pd.Timestamp(start_month(FIRST_MONTH + month))
    row = [0, FIRST_MONTH + month, day, 12, 0, FIRST_MONTH + reported, 1]
    frame = pd.DataFrame([row], columns=panel.late.columns).astype(panel.late.dtypes)
    late = replace(add_incident(panel, month, reported - month), late=frame)
    late.day_counts[0, month * DAYS] += 1
    late.day_type_counts[month, day.weekday(), 12, 0] += 1
    return late


@pytest.mark.parametrize(
    ("month", "reported", "changes"),
    [(13, 14, True), (14, 15, False), (20, 28, True), (20, 29, False)],
)
def test_reports_count_until_the_origin_and_of_scored_months_until_they_settled(
    month: int, reported: int, changes: bool
) -> None:
    panel = make_panel(months=30)
    panel.day_type_counts[:] = panel.day_type_counts.round()  # so that one more and one less is none
    before = hash_origin(panel)
    assert (hash_origin(add_late(panel, month, reported)) != before) is changes


def test_more_months_change_neither_the_origins_nor_a_settled_hash() -> None:
    longer = make_panel(months=36)
    panel = longer.select_months(longer.month_numbers < FIRST_MONTH + 30)
    settled = [origin for origin in list_origins(panel, 9) if origin + 14 <= panel.end]
    assert set(settled) < set(list_origins(longer, 9))
    for origin in settled:
        assert hash_inputs(panel, origin, SOURCE) == hash_inputs(longer, origin, SOURCE)


@pytest.mark.parametrize("change", [
    {"zone": (None,) * 6}, {"npu": ("A",) * 6}, {"neighborhoods": tuple("abcdef")},
    {"is_named": np.array([True] * 5 + [False])}, {"holidays": pd.DatetimeIndex(["2019-07-04"])},
    {"calendar_days": np.full(30, 29)}, {"clock_hours": np.full((30, 24), 29.0)},
])  # fmt: skip
def test_hash_knows_names_districts_days_and_holidays(change: dict[str, object]) -> None:
    panel = make_panel(months=30)
    assert hash_origin(replace(panel, **change)) != hash_origin(panel)  # type: ignore[arg-type]


def test_holidays_of_years_beyond_the_forecast_are_not_known_yet() -> None:
    panel = make_panel(months=30)
    later = replace(panel, holidays=pd.DatetimeIndex(["2023-07-04"]))
    assert hash_origin(later) == hash_origin(panel)


def test_hash_of_the_source_follows_every_file(tmp_path: Path) -> None:
    hashes = [hash_source(tmp_path)]
    for text in ("one", "two"):
        (tmp_path / "model.py").write_text(text)
        hashes.append(hash_source(tmp_path))
    assert len(set(hashes)) == 3
    panel = make_panel(months=30)
    assert hash_inputs(panel, ORIGIN, hashes[0]) != hash_inputs(panel, ORIGIN, hashes[1])


def test_months_are_scored_as_reported_when_they_had_settled() -> None:
    counts = make_panel(months=30).counts
    for reported, more in ((28, 1), (29, 0)):
        _, future = split_panel(add_late(make_panel(months=30), 20, reported), ORIGIN)
        assert future.counts.sum() == counts[:, 15:27].sum() + more
        assert future.month_numbers.tolist() == list(range(ORIGIN, ORIGIN + 12))


@pytest.fixture(scope="module")
def panel(published: Path) -> Panel:
    """The panel of the published build."""
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        return load_panel(connection)


@pytest.fixture
def builds(published: Path, tmp_path: Path) -> Path:
    """A folder of one's own with the published build."""
    return Path(copytree(published, tmp_path / "builds", symlinks=True))


@pytest.fixture
def build(published: Path, tmp_path: Path) -> Iterator[Build]:
    """A new build of the same feed."""
    with open_build("next", tmp_path / "next.duckdb") as build:
        build.data_source = "simulated data"
        with attach_build(build.connection, published / read_pointer(published).file, "good"):
            for table in ("raw_file", "score_metric"):
                build.connection.execute(f"INSERT INTO {table} FROM good.{table}")
        yield build


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[dt.date]:
    """The origins that are computed: one row of a score each stands in for all of them."""
    seen: list[dt.date] = []

    def stand_in(panel: Panel, origins: list[int]) -> Backtest:
        seen.extend(start_month(origin) for origin in origins)
        row = {"model": "m", "horizon_months": 1, "grain": "g", "subset": "all", "value": 1.0}
        metric = {"metric": "poisson_deviance"}
        days = [start_month(origin) for origin in origins]
        crimes = {f"{name}_crimes": 1.0 for name in ("observed", "expected", "reference")}
        month = {"neighborhood": panel.neighborhoods[0], **crimes, "lower_80": 0.0, "upper_80": 2.0}
        return Backtest(
            pd.DataFrame([{**row, **metric, "origin": day} for day in days]),
            pd.DataFrame([{**month, "target_month": day, "origin": day} for day in days]),
        )

    monkeypatch.setattr(backtest_ledger, "run_backtest", stand_in)
    return seen


def fill(build: Build, panel: Panel, builds: Path) -> str:
    """Fill the ledger of a build of the published feed."""
    return fill_ledger(build, panel, builds, "Atlanta", "simulated", "default")


def test_unchanged_origins_are_taken_over_as_they_are(
    build: Build, panel: Panel, builds: Path, computed: list[dt.date]
) -> None:
    said = fill(build, panel, builds)
    assert said == "2 origins, 2 of them as the last build has them"
    assert computed == []
    published = read_pointer(builds)
    with attach_build(build.connection, builds / published.file, "good"):
        for table in ("backtest_score", "backtest_month"):
            for one, two in (("good", "build"), ("build", "good")):
                more = f"FROM {one}.{table} EXCEPT ALL FROM {two}.{table} LIMIT 1"
                assert build.connection.execute(more).fetchall() == []
        assert build.connection.execute("SELECT count(*) > 1000 FROM backtest_score").fetchone() == (
            True,
        )
    rows = build.connection.execute("SELECT DISTINCT is_reused, computed_build_id FROM backtest_origin")
    assert rows.fetchall() == [(True, published.build_id)]


def test_what_is_taken_over_is_what_would_be_computed(panel: Panel, published: Path) -> None:
    origin = list_origins(panel, 2)[-1]
    with quick_models():  # as the published build was made
        again = run_backtest(panel, [origin])
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        for table, frame in (("backtest_score", again.scores), ("backtest_month", again.months)):
            kept = connection.execute(
                f"SELECT * EXCLUDE (data_source, origin) FROM {table} WHERE origin = ?",
                [start_month(origin)],
            ).df()
            dates = {"target_month": "datetime64[s]"} if "target_month" in kept else {}
            rows = frame.astype(dates)[kept.columns]
            key = [name for name in kept.columns if kept[name].dtype != np.float64]
            pd.testing.assert_frame_equal(
                kept.sort_values(key).reset_index(drop=True),
                rows.sort_values(key).reset_index(drop=True),
                check_exact=True, check_dtype=False,
            )  # fmt: skip


def test_an_incident_that_changed_is_computed_anew_where_it_counts(
    build: Build, panel: Panel, builds: Path, computed: list[dt.date]
) -> None:
    oldest = list_origins(panel, 2)[-1]
    after = int(np.searchsorted(panel.month_numbers, oldest + 12))
    said = fill(build, add_incident(panel, after), builds)
    assert len(computed) == 1
    assert start_month(oldest) not in computed
    assert "2 origins, 1 of them" in said
    rows = build.connection.execute("""
        SELECT origin, is_reused, computed_build_id IS NULL FROM backtest_origin ORDER BY origin
    """).fetchall()  # fmt: skip
    assert [row[1:] for row in rows] == [(True, False), (False, True)]
    assert number_month(rows[0][0]) == oldest


def test_other_source_of_the_models_computes_all_anew(
    build: Build, panel: Panel, builds: Path, computed: list[dt.date], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest_ledger, "hash_source", lambda: b"other")
    assert "2 origins, 0 of them" in fill(build, panel, builds)
    assert len(computed) == 2


def change_published(builds: Path, sql: str) -> None:
    """Change the file of the published build."""
    path = builds / read_pointer(builds).file
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)


def test_tampered_scores_are_computed_anew_and_the_build_is_named(
    build: Build, panel: Panel, builds: Path, computed: list[dt.date]
) -> None:
    change_published(builds, "UPDATE backtest_score SET value = 0")
    said = fill(build, panel, builds)
    assert f"{read_pointer(builds).file} is damaged: SHA-256 is" in said
    assert len(computed) == 2


def test_build_of_another_version_is_named_and_all_is_computed(
    build: Build, panel: Panel, builds: Path, computed: list[dt.date], monkeypatch: pytest.MonkeyPatch
) -> None:
    change_published(builds, "DROP TABLE backtest_origin")
    monkeypatch.setattr("warehouse.changes.check_hash", lambda _: None)
    said = fill(build, panel, builds)
    assert said.endswith(f"({read_pointer(builds).file} was written by another version of ATLShield)")
    assert len(computed) == 2


def test_who_computed_a_score_stays_known(
    build: Build, panel: Panel, builds: Path, computed: list[dt.date], monkeypatch: pytest.MonkeyPatch
) -> None:
    change_published(
        builds, "UPDATE backtest_origin SET is_reused = true, computed_build_id = 'the first'"
    )
    monkeypatch.setattr("warehouse.changes.check_hash", lambda _: None)
    fill(build, panel, builds)
    rows = build.connection.execute("SELECT DISTINCT computed_build_id FROM backtest_origin")
    assert rows.fetchall() == [("the first",)]
    assert computed == []


def test_too_few_months_leave_the_ledger_empty(build: Build, builds: Path) -> None:
    assert fill(build, make_panel(months=20), builds).startswith("left out")
    assert build.fetch_value("SELECT count(*) FROM backtest_origin") == 0
