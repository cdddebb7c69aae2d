"""The simulator: known truth, recovered by the ETL within its sampling error."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from etl.city import City
from etl.simulate import KEPT_SHARE, NAMED_SHARE, YEARS, list_hours, simulate_file
from tests.conftest import CleanFiles
from tests.raw import write_raw
from warehouse.build import Build

SETTLED = "2025-07-01"
"""By the end of the file every offense before this day has been reported (delays end at 150 days)."""


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    """Where a simulated file goes."""
    return tmp_path / "simulated.csv"


def observe(build: Build, column: str) -> dict[object, int]:
    """Return settled incidents by a column."""
    select = f"SELECT {column}, count(*) FROM incident WHERE occurred_at < TIMESTAMP '{SETTLED}'"
    return dict(build.connection.execute(f"{select} GROUP BY ALL").fetchall())


def test_drafts_of_the_killed_are_swept(simulated: Path, city: City) -> None:
    old, new = (simulated.with_name(f"{simulated.name}.{process}.partial.csv") for process in (1, 2))
    for draft, age in ((old, 90_000), (new, 0)):
        draft.touch()
        os.utime(draft, (time.time() - age,) * 2)
    simulate_file(simulated, city, 100)
    assert {path.name for path in simulated.parent.iterdir()} == {simulated.name, new.name}


@pytest.mark.slow
def test_true_totals_are_recovered_within_their_poisson_error(
    clean: CleanFiles, simulated: Path, city: City
) -> None:
    truth = simulate_file(simulated, city, 60_000)
    build = clean([simulated])
    hours = list_hours(city)
    settled = hours[hours["local"] < np.datetime64(SETTLED)]
    exposure = settled.groupby(["month", "hour"]).size().to_numpy().reshape(12, 24)
    expected = truth.rates * exposure * KEPT_SHARE
    for column, sums, names in (
        ("neighborhood", expected.sum(axis=(1, 2)) * NAMED_SHARE / KEPT_SHARE, truth.neighborhoods),
        ("month(occurred_at)", expected.sum(axis=(0, 2)), range(1, 13)),
        ("hour(occurred_at)", expected.sum(axis=(0, 1)), range(24)),
    ):
        observed = observe(build, column)
        counts = np.array([observed.get(name, 0) for name in names])
        scores = (counts - sums) / np.sqrt(sums)
        assert abs(counts.sum() - sums.sum()) < 4 * np.sqrt(sums.sum())
        assert np.abs(scores).max() < 4.5, column
        chi_square = float((scores**2).sum())
        freedom = len(sums)
        assert abs(chi_square - freedom) < 4.5 * np.sqrt(2 * freedom), column


def test_same_size_gives_the_same_file_and_other_sizes_scale(tmp_path: Path, city: City) -> None:
    one, two = tmp_path / "1.csv", tmp_path / "2.csv"
    simulate_file(one, city, 2000)
    simulate_file(two, city, 2000)
    assert one.read_bytes() == two.read_bytes()
    assert 1700 < len(one.read_text().splitlines()) < 2200


def test_dirt_of_the_real_export_is_there(clean: CleanFiles, simulated: Path, city: City) -> None:
    simulate_file(simulated, city, 30_000)
    build = clean([simulated])
    rejected = dict(
        build.connection.execute(
            "SELECT rule, row_count FROM rejected_incident WHERE row_count > 0"
        ).fetchall()
    )
    gaps = build.connection.execute("""
        SELECT bool_or(zone IS NULL), bool_or(latitude IS NULL) FROM incident""").fetchall()
    outside = "SELECT count(*) FROM neighborhood WHERE NOT is_named"
    assert build.fetch_value(outside) > 1
    assert gaps == [(True, True)]
    assert set(rejected) >= {
        "outside_city", "outside_window", "duplicate",
    }  # fmt: skip
    assert (
        build.fetch_value(
            "SELECT row_count FROM repaired_incident WHERE repair = 'report_date_replaced'"
        )
        > 0
    )
    late, wide = build.connection.execute("""
        SELECT avg((reported_at - occurred_until > INTERVAL 1 DAY)::INTEGER),
               avg((occurred_until - occurred_at > INTERVAL 25 HOUR)::INTEGER) FROM incident
    """).fetchall()[0]
    assert 0.15 < late < 0.25
    assert 0.07 < wide < 0.13


def test_simulated_file_is_called_simulated_however_it_comes_in(
    clean: CleanFiles, simulated: Path, city: City
) -> None:
    simulate_file(simulated, city, 1000)
    build = clean([simulated.rename(simulated.with_name("looks_real.csv"))])
    for table in ("incident", "neighborhood", "raw_file", "rejected_incident", "calendar"):
        assert build.connection.execute(f"SELECT DISTINCT data_source FROM {table}").fetchall() == [
            ("simulated data",)
        ]


def test_report_number_that_begins_as_a_simulated_one_is_real(
    clean: CleanFiles, tmp_path: Path, city: City
) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{"IncidentNumber": "SIM000000001"}])])
    assert build.fetch_value("SELECT data_source FROM incident") == city.publisher


def test_hours_skip_and_repeat_at_the_clock_changes(city: City) -> None:
    hours = list_hours(city)
    years = len(YEARS)
    assert len(hours) == (years * 365 + 1) * 24
    counts = hours.groupby(["month", "hour"]).size()
    assert counts[3, 2] == counts[3, 3] - years
    assert counts[11, 1] == counts[11, 2] + years


def test_same_sample_is_left_alone_for_whoever_reads_it(tmp_path: Path, city: City) -> None:
    path = tmp_path / "raw.csv"
    simulate_file(path, city, 100)
    before = path.stat()
    simulate_file(path, city, 100)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    simulate_file(path, city, 100, part=1)
    assert path.stat().st_ino != before.st_ino
    assert [file.name for file in tmp_path.iterdir()] == ["raw.csv"]
