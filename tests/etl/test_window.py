"""The days the files cover: the exposure of every rate."""

import datetime as dt
from pathlib import Path

import pytest

from etl.city import City
from etl.clean import clean_files
from tests.conftest import CleanFiles
from tests.raw import write_raw
from warehouse.build import Build, open_build
from warehouse.errors import ShieldError


def reported(*days: str) -> list[dict[str, str]]:
    """Return rows that occurred and were reported at noon of these days."""
    return [
        {
            "IncidentNumber": str(number),
            "OccurredFromDate": f"{day} 16:00",
            "OccurredToDate": f"{day} 16:00",
            "ReportDate": f"{day} 16:00",
        }
        for number, day in enumerate(days)
    ]


def calendar(build: Build) -> tuple[object, ...] | None:
    """Return first day, last day and number of days."""
    return build.connection.execute(
        "SELECT min(calendar_date)::VARCHAR, max(calendar_date)::VARCHAR, count(*) FROM calendar"
    ).fetchone()


def test_days_without_incident_between_first_and_last_report_count(
    clean: CleanFiles, tmp_path: Path
) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", reported("6/1/2021", "6/30/2021"))])
    assert calendar(build) == ("2021-06-01", "2021-06-30", 30)


def test_years_between_two_files_are_not_covered(clean: CleanFiles, tmp_path: Path) -> None:
    one = write_raw(tmp_path / "one.csv", reported("6/1/2016", "6/2/2016"))
    two = [
        {**row, "IncidentNumber": "2" + row["IncidentNumber"]}
        for row in reported("6/1/2019", "6/3/2019")
    ]
    build = clean([one, write_raw(tmp_path / "two.csv", two)])
    assert calendar(build) == ("2016-06-01", "2019-06-03", 5)


def test_junk_report_years_cover_nothing(clean: CleanFiles, tmp_path: Path) -> None:
    rows = reported("6/1/2021", "6/2/2021", "6/3/2021", "1/1/1015", "1/1/2124")
    assert calendar(clean([write_raw(tmp_path / "raw.csv", rows)])) == ("2021-06-01", "2021-06-03", 3)


def test_request_narrows_the_window_and_moves_the_cutoff(tmp_path: Path, city: City) -> None:
    path = write_raw(tmp_path / "raw.csv", reported("6/1/2021", "6/10/2021", "6/20/2021"))
    with open_build("test", tmp_path / "b.duckdb") as build:
        summary = clean_files(build, [path], city, dt.date(2021, 6, 5), dt.date(2021, 6, 15))
        assert calendar(build) == ("2021-06-05", "2021-06-15", 11)
    assert summary.cutoff == dt.date(2021, 6, 15)
    assert summary.rows_kept == 1


def test_request_outside_the_files_is_refused(tmp_path: Path, city: City) -> None:
    path = write_raw(tmp_path / "raw.csv", reported("6/1/2021"))
    with (
        pytest.raises(ShieldError, match="cover 2021-06-01 to 2021-06-01: nothing is left"),
        open_build("test", tmp_path / "b.duckdb") as build,
    ):
        clean_files(build, [path], city, dt.date(2022, 1, 1))


def test_clock_changes_are_in_the_calendar(clean: CleanFiles, tmp_path: Path) -> None:
    build = clean(
        [
            write_raw(
                tmp_path / "raw.csv",
                reported("3/1/2021", "5/1/2021", "7/1/2021", "9/1/2021", "11/30/2021"),
            )
        ]
    )
    changes = build.connection.execute(
        "SELECT calendar_date::VARCHAR, clock_change FROM calendar WHERE clock_change <> 'none'"
    ).fetchall()
    assert changes == [("2021-03-14", "spring"), ("2021-11-07", "autumn")]
