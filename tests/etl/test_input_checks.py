"""Quality checks of the input: each limit, its numbers, its examples and its likely cause."""

import datetime as dt
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from etl.city import City
from etl.clean import clean_files
from refresh import main
from tests.etl.test_boundaries import write_polygons
from tests.one_in import one_in
from tests.raw import write_raw
from warehouse.build import open_build
from warehouse.errors import NoBuildError
from warehouse.history import read_lineage
from warehouse.pointer import read_pointer

ROWS = 400


def write_rows(path: Path, changes: Sequence[Mapping[str, str]], count: int = ROWS) -> Path:
    """Write good nibrs rows, four a day, the first ones changed."""
    rows = []
    for number in range(count):
        day = f"{dt.date(2021, 1, 1) + dt.timedelta(days=number // 4):%m/%d/%Y}"
        moment = f"{day} {5 + number * 7 % 19}:{number % 60:02}"
        change = changes[number] if number < len(changes) else {}
        rows.append(
            {
                "IncidentNumber": f"21{number:06}",
                "OccurredFromDate": moment,
                "OccurredToDate": moment,
                "ReportDate": moment,
                **change,
            }
        )
    return write_raw(path, rows)


def write_broken(path: Path, changes: Mapping[str, str], broken: int, good: int = ROWS) -> Path:
    """Write good rows, the first `broken` of them changed in the same way."""
    return write_rows(path, [changes] * broken, good)


def find_failures(
    tmp_path: Path, city: City, *raw: Path, first: dt.date | None = None,
    last: dt.date | None = None, boundaries: Path | None = None,
) -> list[str]:  # fmt: skip
    """Return the failed checks of files."""
    with open_build("test", tmp_path / f"{os.urandom(4).hex()}.duckdb") as build:
        return list(clean_files(build, raw, city, first, last, boundaries).failed_checks)


@pytest.mark.parametrize(
    ("changes", "limit", "words"),
    one_in(4, [
        ({"IncidentNumber": ""}, 40, "missing_report_number, more than 10% (row 1: no report_number;"),
        ({"OccurredFromDate": "soon"}, 40, "missing_date, more than 10% (row 1: occurred 'soon';"),
        ({"BEAT_Text": ""}, 40, "missing_zone, more than 10% (row 1: no beat; row 2"),
        ({"NhoodName": ""}, 100, "missing_neighborhood, more than 25% (row 1: no neighborhood;"),
        ({"NibrsUcrCode": "XYZ"}, 40, "unknown_offense, more than 10% (row 1: nibrs_code 'XYZ';"),
        ({"Latitude": "33,7561"}, 80, "missing_coordinates, more than 20% (row 1: latitude '99,9999',"),
        ({"Latitude": "34.5"}, 80, "outside_city, more than 20% (row 1: latitude '99.9',"),
        ({"OccurredFromDate": "1/1/1999 4:00"}, 80, "outside_window, more than 20% (row 1: occurred"),
        ({"IncidentNumber": "2.10E+08"}, 21, "duplicate, more than 5% (row 2: report_number '2.10E+08'"),
    ]),
)  # fmt: skip
def test_each_rule_may_take_its_share_and_no_row_more(
    tmp_path: Path, city: City, changes: Mapping[str, str], limit: int, words: str
) -> None:
    findings = find_failures(tmp_path, city, write_broken(tmp_path / "raw.csv", changes, limit))
    assert not [text for text in findings if re.search(" (rule|gap) ", text)]
    findings = find_failures(tmp_path, city, write_broken(tmp_path / "raw.csv", changes, limit + 1))
    (finding,) = (text for text in findings if re.search(" (rule|gap) ", text))
    assert re.search(f" of 400 rows (fall to rule|have the gap) {re.escape(words)}", finding)


def test_exchanged_coordinates_are_named(tmp_path: Path, city: City) -> None:
    raw = write_broken(tmp_path / "raw.csv", {"Latitude": "-84.38", "Longitude": "33.75"}, 100)
    (finding,) = find_failures(tmp_path, city, raw)
    assert finding.endswith("likely cause: longitude and latitude are exchanged in the layout")


def test_format_that_reads_the_unreadable_dates_is_named(tmp_path: Path, city: City) -> None:
    raw = write_broken(tmp_path / "raw.csv", {"OccurredFromDate": "25/1/2021 16:30"}, 100)
    (finding,) = find_failures(tmp_path, city, raw)
    assert finding.endswith(
        "likely cause: day and month are exchanged: %d/%m/%Y %H:%M reads 100% of them"
    )


def test_file_of_which_half_is_lost_fails_the_check(tmp_path: Path, city: City) -> None:
    def write(beats: int) -> Path:
        far = {"Longitude": "-85.0"}
        lost = [
            *[{"OccurredFromDate": f"1/1/1999 {5 + number % 19}:30"} for number in range(80)],
            *[far] * 80,
            *[{"OccurredFromDate": "soon"}] * 20,
            *[{"NibrsUcrCode": ""}] * beats,
        ]
        return write_rows(tmp_path / "raw.csv", lost)

    assert find_failures(tmp_path, city, write(20)) == []
    assert find_failures(tmp_path, city, write(21)) == [
        "raw.csv: 199 of 400 rows are kept, less than 50%"
    ]


def test_rows_of_days_that_were_not_asked_for_are_not_lost(tmp_path: Path, city: City) -> None:
    raw = write_broken(tmp_path / "raw.csv", {"NhoodName": ""}, 90)
    first, last = dt.date(2021, 1, 24), dt.date(2021, 3, 1)
    assert find_failures(tmp_path, city, raw, first=first, last=last) == []


def test_file_of_other_days_than_were_asked_for_is_not_judged_by_its_undated_rows(
    tmp_path: Path, city: City
) -> None:
    """As where a past is rebuilt from all files: of the later ones only rows without a date are left."""
    undated = [{"OccurredFromDate": "soon"}] * 12
    early = write_rows(tmp_path / "early.csv", [])
    later = [{"IncidentNumber": f"22{number:06}", "OccurredFromDate": "05/01/2021 12:00",
              "OccurredToDate": "05/01/2021 12:00", "ReportDate": "05/01/2021 12:00"}
             for number in range(100)]  # fmt: skip
    late = write_rows(tmp_path / "late.csv", [*undated[:11], *later], 111)
    assert find_failures(tmp_path, city, early, late, last=dt.date(2021, 3, 31)) == []
    late = write_rows(tmp_path / "late.csv", [*undated, *later], 112)
    broken = find_failures(tmp_path, city, early, late, last=dt.date(2021, 3, 31))
    assert broken[0].startswith("late.csv: 12 of 12 rows fall to rule missing_date")


def test_rows_reported_after_the_days_that_were_asked_for_are_not_lost(
    tmp_path: Path, city: City
) -> None:
    late = [{"ReportDate": "03/20/2021 12:00"}] * 90
    raw = write_rows(tmp_path / "raw.csv", late)
    assert find_failures(tmp_path, city, raw, last=dt.date(2021, 2, 28)) == []


def test_rows_of_another_file_are_not_lost(tmp_path: Path, city: City) -> None:
    one, two = (write_broken(tmp_path / name, {"NhoodName": ""}, 90) for name in ("one.csv", "two.csv"))
    assert find_failures(tmp_path, city, one, two) == []


@pytest.mark.parametrize("number", ["{}.0", "'{}"])
def test_report_number_is_the_same_whatever_a_program_added(
    tmp_path: Path, city: City, number: str
) -> None:
    one = write_rows(tmp_path / "one.csv", [])
    changes = [{"IncidentNumber": number.format(f"21{n:06}")} for n in range(ROWS)]
    two = write_rows(tmp_path / "two.csv", changes)
    with open_build("test", tmp_path / "b.duckdb") as build:
        summary = clean_files(build, [one, two], city)
    assert (summary.rows_kept, summary.failed_checks) == (ROWS, ())


def test_crimes_of_two_files_under_two_numbers_fail_the_check(tmp_path: Path, city: City) -> None:
    one = write_rows(tmp_path / "one.csv", [])
    for renamed, found in ((40, 0), (41, 2)):
        changes = [{"IncidentNumber": f"APD-{n}"} for n in range(renamed)]
        findings = find_failures(tmp_path, city, one, write_rows(tmp_path / "two.csv", changes))
        assert len(findings) == found
    assert findings[1] == (
        "two.csv: 10% of its crimes stand in another file under another report number, at the same "
        "time and place"
    )


def test_numbers_that_restart_fail_the_check(tmp_path: Path, city: City) -> None:
    for used_again, found in ((4, 0), (5, 1)):
        changes = [{"IncidentNumber": f"21{ROWS - 1 - n:06}"} for n in range(used_again)]
        findings = find_failures(tmp_path, city, write_rows(tmp_path / "raw.csv", changes))
        assert len(findings) == found
    assert findings == [
        "raw.csv: 5 of 400 rows have the report number and offense of a row of another day; likely"
        " cause: numbers that restart, or another column"
    ]


def find_warnings(tmp_path: Path, city: City, raw: Path) -> list[str]:
    """Return the warnings about a file."""
    with open_build("test", tmp_path / f"{os.urandom(4).hex()}.duckdb") as build:
        return list(clean_files(build, [raw], city).warnings)


def test_offense_that_vanishes_is_warned_of(tmp_path: Path, city: City) -> None:
    murders = [{"NibrsUcrCode": "09A", "Longitude": "-85.0"}] * 17
    for kept, words in ((4, 1), (5, 0)):
        changes = [*murders, *[{"NibrsUcrCode": "09A"}] * kept]
        warnings = find_warnings(tmp_path, city, write_rows(tmp_path / "raw.csv", changes))
        found = [text for text in warnings if "Murder" in text]
        assert len(found) == words
    warnings = find_warnings(tmp_path, city, write_rows(tmp_path / "raw.csv", changes[:20]))
    assert (
        "of Murder and Nonnegligent Manslaughter 3 of 20 rows are kept; most fall to rule outside_city"
    ) in warnings


def test_dates_that_cannot_be_read_are_shown_before_they_fail_the_check(
    tmp_path: Path, city: City
) -> None:
    for unread, words in ((8, []), (9, ["raw.csv: 9 rows fall to rule missing_date (row 1: occurred"])):
        changes = [{"OccurredFromDate": "1. J\u00e4nner 2021 16:00"}] * unread
        warnings = find_warnings(tmp_path, city, write_rows(tmp_path / "raw.csv", changes))
        assert [text[: len(words[0])] for text in warnings if "missing_date" in text] == words
    assert "row 1: occurred '1. J\u00e4nner 2021 16:00'; row 2" in warnings[0]


def test_neighborhoods_that_zones_contradict_fail_the_check(tmp_path: Path, city: City) -> None:
    for broken, found in ((80, 0), (81, 1)):
        raw = write_broken(tmp_path / "raw.csv", {"BEAT_Text": "101"}, broken)
        findings = find_failures(tmp_path, city, raw)
        assert len(findings) == found
    assert findings[0].startswith(
        "raw.csv: 20% of the rows lie in another zone than their neighborhood's"
    )


def test_neighborhoods_that_polygons_contradict_fail_the_check(tmp_path: Path, city: City) -> None:
    square = [[-84.40, 33.74], [-84.38, 33.74], [-84.38, 33.77], [-84.40, 33.77], [-84.40, 33.74]]
    polygons = write_polygons(tmp_path / "p.geojson", Downtown=square)
    for broken, found in ((80, 0), (81, 1)):
        raw = write_broken(tmp_path / "raw.csv", {"NhoodName": "Midtown"}, broken)
        findings = find_failures(tmp_path, city, raw, boundaries=polygons)
        assert len(findings) == found
    assert findings[0].startswith("raw.csv: 20% of the rows lie in another polygon than")


def test_few_incidents_are_no_ground_for_a_forecast(tmp_path: Path, city: City) -> None:
    assert find_failures(tmp_path, city, write_broken(tmp_path / "raw.csv", {}, 0, good=112)) == []
    (finding,) = find_failures(tmp_path, city, write_broken(tmp_path / "raw.csv", {}, 0, good=108))
    assert finding == "108 incidents on 27 days are left; a forecast needs 100 on 28"


def test_build_that_fails_a_check_is_refused_and_published_by_force_on_record(
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


def write_points(path: Path, at_one: int) -> Path:
    """Write 400 rows, so many of them at one point of 3 decimals, the others at 100 points in all."""
    one = {"Latitude": "33.7004", "Longitude": "-84.4004"}
    others = [{"Latitude": f"33.7{number % 99:02}", "Longitude": "-84.388"} for number in range(ROWS)]
    return write_rows(path, [*[one] * at_one, *others[at_one:]])


def test_one_point_may_hold_its_share_and_no_row_more(tmp_path: Path, city: City) -> None:
    words = "lie at one point, more than"
    for count, failed, warned in ((16, 0, 0), (17, 0, 1), (32, 0, 1), (33, 1, 0)):
        with open_build("test", tmp_path / f"{count}.duckdb") as build:
            summary = clean_files(build, [write_points(tmp_path / "raw.csv", count)], city)
        failures = [text for text in summary.failed_checks if words in text]
        warnings = [text for text in summary.warnings if words in text]
        assert (len(failures), len(warnings)) == (failed, warned)
        for text in failures + warnings:
            assert text.startswith(f"raw.csv: {count} of 400 rows lie")
            assert "33.7" not in text


def test_file_of_few_points_is_not_judged_by_them(tmp_path: Path, city: City) -> None:
    assert find_failures(tmp_path, city, write_rows(tmp_path / "raw.csv", [])) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    one_in(
        2,
        [
            ({"Latitude": "-84.38", "Longitude": "33.75"}, "outside_city"),
            ({"Latitude": "", "NhoodName": ""}, "missing_place"),
        ],
    ),
)
def test_places_that_cannot_be_used_are_warned_of_before_they_fail(
    tmp_path: Path, city: City, changes: Mapping[str, str], rule: str
) -> None:
    for broken, warned in ((8, 0), (9, 1)):
        raw = write_broken(tmp_path / "raw.csv", changes, broken)
        warnings = [text for text in find_warnings(tmp_path, city, raw) if f"to rule {rule}" in text]
        assert len(warnings) == warned
