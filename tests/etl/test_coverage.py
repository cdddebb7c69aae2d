"""The days the files cover: the exposure of every rate."""

import datetime as dt
import os
from pathlib import Path

import duckdb
import numpy as np
import pytest

from etl.city import City
from etl.clean import clean_files
from etl.coverage import DAY_COUNT, count_days, describe_gaps
from tests.conftest import CleanFiles
from tests.one_in import one_in
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


def test_newest_weeks_without_report_dates_are_covered(tmp_path: Path, city: City) -> None:
    rows = daily("2021-01-01", 150)
    for row in rows[-3 * 42 :]:
        row["ReportDate"] = ""
    raw = write_raw(tmp_path / "raw.csv", rows)
    with open_build("test", tmp_path / "b.duckdb") as build:
        summary = clean_files(build, [raw], city)
    assert (summary.cutoff, summary.rows_kept) == (dt.date(2021, 5, 30), 450)


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


def daily(first: str, days: int, per_day: int = 3, prefix: str = "") -> list[dict[str, str]]:
    """Return rows that occurred and were reported on each of some days."""
    start = dt.date.fromisoformat(first)
    named = [f"{start + dt.timedelta(days=day):%m/%d/%Y}" for day in range(days) for _ in range(per_day)]
    return [{**row, "IncidentNumber": prefix + row["IncidentNumber"]} for row in reported(*named)]


def window_rows(build: Build) -> tuple[int, str | None]:
    """Return how many rows the window rejects, and the first of them."""
    rows, examples = build.connection.execute(
        "SELECT row_count, example_rows FROM rejected_incident WHERE rule = 'outside_window'"
    ).fetchall()[0]
    return int(rows), examples


@pytest.mark.parametrize("later", one_in(4, [1, 3, 14, 30, 400]))
def test_reports_beyond_the_flow_cover_nothing_and_are_named(
    clean: CleanFiles, tmp_path: Path, later: int
) -> None:
    rows = daily("2021-01-01", 120, per_day=16)
    day = dt.date(2021, 4, 30) + dt.timedelta(days=later)
    rows[6:8] = [{**row, "ReportDate": f"{day:%m/%d/%Y} 16:00"} for row in rows[6:8]]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    assert calendar(build) == ("2021-01-01", "2021-04-30", 120)
    assert window_rows(build) == (2, "7, 8")


def test_reports_before_the_flow_cover_nothing(clean: CleanFiles, tmp_path: Path) -> None:
    rows = [*daily("2020-12-20", 1, 5, "1"), *daily("2021-01-01", 60, 16)]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    assert calendar(build) == ("2021-01-01", "2021-03-01", 60)
    assert window_rows(build)[0] == 5


@pytest.mark.parametrize("edge", ["2020-12-31", "2021-03-02"])
def test_broken_off_first_and_last_days_are_not_covered(
    clean: CleanFiles, tmp_path: Path, edge: str
) -> None:
    rows = [*daily("2021-01-01", 60, 16), *daily(edge, 1, 5, "1")]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    assert calendar(build) == ("2021-01-01", "2021-03-01", 60)


def test_report_after_the_file_was_read_is_mended_not_believed(
    clean: CleanFiles, tmp_path: Path
) -> None:
    rows = daily("2021-01-01", 60, 16)
    rows[0]["ReportDate"] = "1/1/2124 16:00"
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    assert window_rows(build)[0] == 0
    assert build.fetch_value("SELECT max(reported_at)::DATE::VARCHAR FROM incident") == "2021-03-01"


def read_on(path: Path, day: str) -> Path:
    """Return a file whose last change is noon of a day."""
    noon = dt.datetime.fromisoformat(f"{day}T16:00:00Z").timestamp()
    os.utime(path, (noon, noon))
    return path


@pytest.mark.parametrize(("day", "rejected"), [("3/20/2021", 1), ("3/21/2021", 0)])
def test_report_is_believed_up_to_the_day_on_which_its_own_file_was_read(
    clean: CleanFiles, tmp_path: Path, day: str, rejected: int
) -> None:
    rows = daily("2021-01-01", 60, 16)
    rows[0]["ReportDate"] = f"{day} 16:00"
    one = read_on(write_raw(tmp_path / "one.csv", rows), "2021-03-20")
    two = write_raw(tmp_path / "two.csv", daily("2021-01-01", 60, 1, "2"))
    assert window_rows(clean([one, two]))[0] == rejected


def test_half_of_a_file_may_lie_after_the_day_it_was_read_and_no_row_more(
    clean: CleanFiles, tmp_path: Path, city: City
) -> None:
    rows = [*daily("2021-01-03", 30, 2), *daily("2021-03-01", 30, 2, "2")]
    build = clean([read_on(write_raw(tmp_path / "half.csv", rows), "2021-02-01")])
    assert calendar(build) == ("2021-01-03", "2021-02-01", 30)
    raw = read_on(write_raw(tmp_path / "more.csv", [*rows, *daily("2021-04-01", 1, 1)]), "2021-02-01")
    with (
        pytest.raises(ShieldError, match=r"more.csv: 61 of 121 dates lie after 2021-02-01, .*-04-01"),
        open_build("test", tmp_path / "b.duckdb") as other,
    ):
        clean_files(other, [raw], city)


@pytest.mark.parametrize("field", ["ReportDate", "OccurredFromDate"])
def test_gap_within_a_file_is_a_gap_of_exposure_whichever_date_lacks_it(
    tmp_path: Path, city: City, field: str
) -> None:
    rows = [
        row
        for row in daily("2021-01-01", 300, 6)
        if not dt.date(2021, 5, 1)
        <= dt.datetime.strptime(row[field][:10], "%m/%d/%Y").date()  # noqa: DTZ007
        <= dt.date(2021, 8, 13)
    ]
    rows.append({**daily("2021-06-15", 1, 1, "9")[0]})
    raw = write_raw(tmp_path / "raw.csv", rows)
    with open_build("test", tmp_path / "b.duckdb") as build:
        summary = clean_files(build, [raw], city)
        assert calendar(build) == ("2021-01-01", "2021-10-27", 300 - 105)
        assert window_rows(build) == (1, str(len(rows)))
    assert summary.warnings[0] == (
        "2021-05-01 to 2021-08-13 (105 days) are not covered by any file: "
        "a gap of exposure, not days without crime"
    )
    assert summary.rows_kept == 6 * 195


def test_office_that_pauses_leaves_no_gap_and_bulk_dates_no_other(
    clean: CleanFiles, tmp_path: Path
) -> None:
    rows = daily("2021-01-01", 120, 6)
    for row in rows:  # all of February is reported on the first of March
        if row["OccurredFromDate"].startswith("02/"):
            row["ReportDate"] = "03/01/2021 16:00"
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    assert calendar(build) == ("2021-01-01", "2021-04-30", 120)
    assert window_rows(build)[0] == 0


def test_office_that_pauses_beside_a_gap_elsewhere_leaves_that_gap_only(
    clean: CleanFiles, tmp_path: Path
) -> None:
    rows = [row for row in daily("2021-01-01", 150, 6) if not row["OccurredFromDate"].startswith("04/")]
    for row in rows:
        if row["OccurredFromDate"].startswith("02/"):
            row["ReportDate"] = "03/01/2021 16:00"
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    assert calendar(build) == ("2021-01-01", "2021-05-30", 150 - 30)
    assert window_rows(build)[0] == 0


def test_days_before_a_file_that_only_late_reports_tell_of_are_not_covered(
    clean: CleanFiles, tmp_path: Path
) -> None:
    late = [{**row, "ReportDate": "07/01/2021 17:00"} for row in daily("2021-06-30", 1, 9, "2")]
    one = write_raw(tmp_path / "one.csv", daily("2021-01-01", 60, 16))
    two = write_raw(tmp_path / "two.csv", [*late, *daily("2021-07-01", 60, 16, "3")])
    assert calendar(clean([one, two])) == ("2021-01-01", "2021-08-29", 120)


def test_days_on_which_only_old_crimes_are_recorded_are_a_gap(clean: CleanFiles, tmp_path: Path) -> None:
    rows = daily("2021-01-01", 120, 6)
    for row in rows:
        if row["OccurredFromDate"].startswith("03/"):
            row |= {"OccurredFromDate": "02/28/2021 16:00", "OccurredToDate": "02/28/2021 16:00"}
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    assert calendar(build) == ("2021-01-01", "2021-04-30", 120 - 31)


@pytest.mark.parametrize(
    ("lengths", "named", "others"),
    [
        ([], [], []),
        ([0, 2, 0], [2], []),
        ([1, 2, 3, 2, 1], [1, 2, 3, 2, 1], []),
        ([1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6], ["1 shorter gaps of 1 days in all"]),
        ([9, 1, 7, 2, 8, 6, 5], [9, 7, 8, 6, 5], ["2 shorter gaps of 3 days in all"]),
    ],
)
def test_five_longest_gaps_are_named_in_order_of_time(
    lengths: list[int], named: list[int], others: list[str]
) -> None:
    starts = np.cumsum([0, *(length + 1 for length in lengths)])[::-1]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE covered_day (calendar_date DATE)")
        for start in starts.tolist():
            connection.execute("INSERT INTO covered_day SELECT DATE '2021-01-01' + ?::INTEGER", [start])
        sentences = describe_gaps(connection)
    assert [int(text.split("(")[1].split()[0]) for text in sentences if "(" in text] == named
    assert [text for text in sentences if "(" not in text] == others


def test_many_gaps_are_named_by_the_longest(tmp_path: Path, city: City) -> None:
    rows = [row for row in daily("2021-01-01", 240, 20) if int(row["ReportDate"][3:5]) <= 18]
    raw = write_raw(tmp_path / "raw.csv", rows)
    with open_build("test", tmp_path / "b.duckdb") as build:
        summary = clean_files(build, [raw], city)
        assert calendar(build) == ("2021-01-01", "2021-08-18", 8 * 18)
    gaps = [text for text in summary.warnings if "gap" in text]
    assert len(gaps) == 6
    assert gaps[-1] == "2 shorter gaps of 22 days in all"


def test_rows_that_flow_nowhere_are_refused(tmp_path: Path, city: City) -> None:
    days = [f"{dt.date(2010, 1, 1) + dt.timedelta(days=150 * n):%m/%d/%Y}" for n in range(13)]
    raw = write_raw(tmp_path / "raw.csv", reported(*(12 * days)))
    with (
        pytest.raises(ShieldError, match=r"raw.csv: no stretch of days holds 15 of the 156 reports"),
        open_build("test", tmp_path / "b.duckdb") as build,
    ):
        clean_files(build, [raw], city)


def test_file_without_report_dates_is_covered_by_its_occurrences(
    clean: CleanFiles, tmp_path: Path
) -> None:
    rows = [{**row, "ReportDate": ""} for row in daily("2021-01-01", 60, 16)]
    assert calendar(clean([write_raw(tmp_path / "raw.csv", rows)])) == ("2021-01-01", "2021-03-01", 60)


def test_file_of_dates_to_come_is_refused_with_the_day_it_was_read(tmp_path: Path, city: City) -> None:
    raw = write_raw(tmp_path / "raw.csv", daily("2090-01-01", 40))
    other = write_raw(tmp_path / "other.csv", daily("2091-01-01", 40))
    with (
        pytest.raises(ShieldError, match=r"raw.csv: 120 of 120 dates lie after .*newest is 2090-02-09"),
        open_build("test", tmp_path / "b.duckdb") as build,
    ):
        clean_files(build, [raw, other], city)


@pytest.mark.parametrize("year", ["21", "1821"])
def test_file_without_a_believable_date_says_what_it_has(tmp_path: Path, city: City, year: str) -> None:
    rows = [{"OccurredFromDate": f"6/1/{year} 16:00", "ReportDate": "soon", "OccurredToDate": ""}] * 4
    with (
        pytest.raises(ShieldError) as caught,
        open_build("test", tmp_path / "b.duckdb") as build,
    ):
        clean_files(build, [write_raw(tmp_path / "raw.csv", rows)], city)
    assert str(caught.value) == (
        "raw.csv: no date of the last 100 years can be read; expected %m/%d/%Y %H:%M, "
        "%m/%d/%Y %H:%M:%S, %m/%d/%Y %I:%M:%S %p of layout nibrs, "
        "found " + "; ".join(f"row {row}: 'soon', '6/1/{year} 16:00', ''" for row in (1, 2, 3))
    )


def test_days_are_counted_over_all_files_from_the_first_to_the_last_that_can_be_meant() -> None:
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE day_count AS
            SELECT day::DATE AS day, reports, occurrences, DATE '2021-06-30' AS read_date
            FROM (VALUES ('1921-06-29', 9, 9), ('2021-06-27', 1, 0), ('2021-06-27', 2, 3),
                         ('2021-06-30', 4, 1), ('2021-07-01', 9, 9)) given (day, reports, occurrences)
            """)
        start, reports, occurrences = count_days(connection, [])
    assert start == dt.date(2021, 6, 27)
    assert (reports.tolist(), occurrences.tolist()) == ([3, 0, 0, 4], [3, 0, 0, 1])


def test_day_has_its_reports_and_occurrences_and_a_row_without_report_counts_as_both() -> None:
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE file_read_date AS FROM (VALUES
                (0, DATE '2021-07-01'), (1, DATE '2021-07-02')) given (file_number, read_date);
            CREATE TABLE staged AS
            SELECT file_number, reported::TIMESTAMP AS reported, occurred::TIMESTAMP AS occurred
            FROM (VALUES (0, '2021-06-02 10:00', '2021-06-01 09:00'), (0, '2021-06-02 11:00', NULL),
                         (0, NULL, '2021-06-02 00:00'), (0, '2021-06-03 23:00', '2021-06-01 23:00'),
                         (1, NULL, '2021-06-05 12:00'), (1, NULL, NULL))
                given (file_number, reported, occurred)""")
        connection.execute(DAY_COUNT)
        rows = connection.execute("""
            SELECT file_number, day::VARCHAR, read_date::VARCHAR, occurrences, reports
            FROM day_count ORDER BY ALL""").fetchall()
    assert rows == [
        (0, "2021-06-01", "2021-07-01", 2, 0),
        (0, "2021-06-02", "2021-07-01", 1, 3),
        (0, "2021-06-03", "2021-07-01", 0, 1),
        (1, "2021-06-05", "2021-07-02", 1, 1),
    ]
