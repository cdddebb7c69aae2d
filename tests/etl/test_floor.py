"""The floor of a build: each limit, its numbers, its examples and its likely cause."""

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from etl.city import City
from etl.clean import clean_files
from refresh import main
from tests.raw import write_raw
from warehouse.build import open_build
from warehouse.errors import NoBuildError
from warehouse.history import read_lineage
from warehouse.publish import read_pointer

ROWS = 400


def write_broken(path: Path, changes: Mapping[str, str], broken: int, good: int = ROWS) -> Path:
    """Write good nibrs rows, four a day, the first `broken` of them changed."""
    rows = []
    for number in range(good):
        day = f"{dt.date(2021, 1, 1) + dt.timedelta(days=number // 4):%m/%d/%Y}"
        moment = f"{day} {5 + number * 7 % 19}:{number % 60:02}"
        row = {"IncidentNumber": f"21{number:06}", "OccurredFromDate": moment,
               "OccurredToDate": moment, "ReportDate": moment}  # fmt: skip
        rows.append({**row, **{name: text.format(**row) for name, text in changes.items()}}
                    if number < broken else row)  # fmt: skip
    return write_raw(path, rows)


def find_doubts(tmp_path: Path, city: City, *raw: Path, last: dt.date | None = None) -> list[str]:
    """Return the doubts about files."""
    with open_build("test", tmp_path / f"{os.urandom(4).hex()}.duckdb") as build:
        return list(clean_files(build, raw, city, None, last).doubts)


@pytest.mark.parametrize(
    ("changes", "limit", "words"),
    [
        ({"IncidentNumber": ""}, 40, "missing_report_number, more than 10% (row 1: no report_number;"),
        ({"OccurredFromDate": "soon"}, 40, "missing_date, more than 10% (row 1: occurred 'soon';"),
        ({"NibrsUcrCode": "XYZ"}, 40, "unknown_offense, more than 10% (row 1: nibrs_code 'XYZ';"),
        ({"Latitude": "33,7561"}, 80, "missing_coordinates, more than 20% (row 1: latitude '99,9999',"),
        ({"Latitude": "34.5"}, 80, "outside_city, more than 20% (row 1: latitude '99.9',"),
        ({"OccurredFromDate": "1/1/1999 4:00"}, 80, "outside_window, more than 20% (row 1: occurred"),
        ({"IncidentNumber": "2.10E+08"}, 21, "duplicate, more than 5% (row 2: report_number '2.10E+08'"),
    ],
)  # fmt: skip
def test_each_rule_may_take_its_share_and_no_row_more(
    tmp_path: Path, city: City, changes: Mapping[str, str], limit: int, words: str
) -> None:
    assert find_doubts(tmp_path, city, write_broken(tmp_path / "raw.csv", changes, limit)) == []
    (doubt,) = find_doubts(tmp_path, city, write_broken(tmp_path / "raw.csv", changes, limit + 1))
    assert f" of 400 rows fall to rule {words}" in doubt
    assert "; likely cause: " in doubt


def test_exchanged_coordinates_are_named(tmp_path: Path, city: City) -> None:
    raw = write_broken(tmp_path / "raw.csv", {"Latitude": "-84.38", "Longitude": "33.75"}, 100)
    (doubt,) = find_doubts(tmp_path, city, raw)
    assert doubt.endswith("likely cause: longitude and latitude are exchanged in the layout")


def test_format_that_reads_the_unreadable_dates_is_named(tmp_path: Path, city: City) -> None:
    raw = write_broken(tmp_path / "raw.csv", {"OccurredFromDate": "25/1/2021 16:30"}, 100)
    (doubt,) = find_doubts(tmp_path, city, raw)
    assert doubt.endswith("likely cause: day and month are exchanged: %d/%m/%Y %H:%M reads 100% of them")


def test_file_of_which_half_is_lost_is_doubted(tmp_path: Path, city: City) -> None:
    lost = {"NhoodName": ""}  # no limit of its own
    assert find_doubts(tmp_path, city, write_broken(tmp_path / "raw.csv", lost, 200)) == []
    (doubt,) = find_doubts(tmp_path, city, write_broken(tmp_path / "raw.csv", lost, 201))
    assert doubt == "raw.csv: 199 of 400 rows are kept, less than 50%"


def test_rows_of_days_that_were_not_asked_for_are_not_lost(tmp_path: Path, city: City) -> None:
    raw = write_broken(tmp_path / "raw.csv", {}, 0)
    assert find_doubts(tmp_path, city, raw, last=dt.date(2021, 2, 1)) == []


def test_rows_of_another_file_are_no_duplicates_of_this_one(tmp_path: Path, city: City) -> None:
    one, two = (write_broken(tmp_path / name, {}, 0) for name in ("one.csv", "two.csv"))
    doubts = find_doubts(tmp_path, city, one, two)
    assert doubts == [], "a file that repeats another whole is no mistake of either"


def test_few_incidents_are_no_ground_for_a_forecast(tmp_path: Path, city: City) -> None:
    assert find_doubts(tmp_path, city, write_broken(tmp_path / "raw.csv", {}, 0, good=112)) == []
    (doubt,) = find_doubts(tmp_path, city, write_broken(tmp_path / "raw.csv", {}, 0, good=108))
    assert doubt == "108 incidents on 27 days are left; a forecast needs 100 on 28"


def test_doubtful_build_is_refused_and_published_by_force_on_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = write_broken(tmp_path / "raw.csv", {"OccurredFromDate": "25/1/2021 16:30"}, 100)
    builds = tmp_path / "builds"
    command = ["--source", "files", "--raw", str(raw), "--builds", str(builds), "--no-backtest"]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "error: not published: raw.csv: 100 of 400 rows fall to rule missing_date" in error
    assert "FORCE=1 (--force)" in error
    with pytest.raises(NoBuildError):
        read_pointer(builds)
    assert main([*command, "--force"]) == 0
    run = read_lineage(builds / read_pointer(builds).file)
    assert "100 of 400 rows fall to rule missing_date" in str(run["guards_fired"])
