"""Feed health as a specification: raw rows in, findings, warnings and delays out."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pytest

from etl.city import City
from etl.clean import CleanSummary, clean_files
from refresh import say_cleaned
from tests.conftest import CleanFiles
from tests.etl.cleaned import fetch
from tests.one_in import one_in
from tests.raw import GOOD_COBRA_2013, write_raw
from warehouse.build import Build, open_build
from warehouse.settings import MAX_DELAY_DAYS

GAP = "a gap of exposure, not days without crime"


def findings(build: Build, health_check: str) -> list[tuple[object, ...]]:
    """Return what one check found: subject, month, value, expected value, whether it is a warning."""
    return fetch(
        build,
        f"""SELECT subject, month_start::VARCHAR, value, expected_value, is_warning FROM feed_health
            WHERE health_check = '{health_check}' ORDER BY ALL""",
    )


def list_rows(changes: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the changes with report numbers of their own."""
    return [{"IncidentNumber": str(number), **change} for number, change in enumerate(changes)]


def occur(day: str, reported: str | None = None, until: str | None = None) -> dict[str, str]:
    """Return an offense at noon of `day` UTC, reported then and over then if not said otherwise."""
    return {
        "OccurredFromDate": f"{day} 16:00",
        "OccurredToDate": f"{until or day} 16:00",
        "ReportDate": f"{reported or day} 16:00",
    }


def delays(build: Build) -> dict[object, object]:
    """Return incidents by days of delay, days without any left out."""
    rows = fetch(build, "SELECT delay_days, incident_count FROM report_delay WHERE incident_count > 0")
    return {days: incidents for days, incidents in rows}


def summarize(path: Path, raw: Sequence[Path], city: City) -> CleanSummary:
    """Clean raw files into a build at `path` and return the summary."""
    with open_build("test", path) as build:
        return clean_files(build, raw, city)


@pytest.mark.parametrize(
    ("column", "spoilt", "share", "is_warning"),
    one_in(
        5,
        [
            (column, *case)
            for column in ("NhoodName", "BEAT_Text", "NPU", "Longitude")
            for case in ((0, 0.0, False), (1, 0.25, False), (2, 0.5, True))
        ],
    ),
)
def test_missing_share_of_each_column_under_its_own_name(
    clean: CleanFiles, tmp_path: Path, column: str, spoilt: int, share: float, is_warning: bool
) -> None:
    changes = list_rows([{column: ""}] * spoilt + [{}] * (4 - spoilt))
    build = clean([write_raw(tmp_path / "raw.csv", changes)])
    found = {row[0]: row[1:] for row in findings(build, "missing_share")}
    assert found.pop(f"raw.csv:{column}") == (None, share, 0.3, is_warning)
    assert len(found) == 11
    # One coordinate without the other is none.
    assert found.pop("raw.csv:Latitude", (None, 0.0))[1] == (share if column == "Longitude" else 0.0)
    assert {row[1] for row in found.values()} == {0.0}


def test_values_that_cannot_be_read_are_missing(clean: CleanFiles, tmp_path: Path) -> None:
    changes = list_rows([{"OccurredFromDate": "soon", "Latitude": "0"}, {}])
    build = clean([write_raw(tmp_path / "raw.csv", changes)])
    shares = {row[0]: row[2] for row in findings(build, "missing_share")}
    assert (shares["raw.csv:OccurredFromDate"], shares["raw.csv:Latitude"]) == (0.5, 0.5)


def test_offense_without_codes_goes_by_its_literal(clean: CleanFiles, tmp_path: Path) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{}], "cobra_2013", GOOD_COBRA_2013)])
    subjects = {row[0] for row in findings(build, "missing_share")}
    assert "raw.csv:UC2 Literal" in subjects
    assert "raw.csv:MinOfibr_code" not in subjects


@pytest.mark.parametrize(
    ("times", "share", "is_warning"),
    [
        (["04:00"] + ["16:00"] * 19, 0.05, False),
        (["04:00", "16:00"], 0.5, True),
        (["00:00", "16:00"], 0.0, False),
    ],
)
def test_share_of_exact_local_midnights(
    clean: CleanFiles, tmp_path: Path, times: list[str], share: float, is_warning: bool
) -> None:
    changes = list_rows([{"OccurredFromDate": f"6/1/2021 {time}"} for time in times])
    build = clean([write_raw(tmp_path / "raw.csv", changes)])
    assert findings(build, "midnight_share") == [("raw.csv", None, share, 0.05, is_warning)]


def test_monthly_incidents_are_a_complete_grid_with_a_total(clean: CleanFiles, tmp_path: Path) -> None:
    changes = [occur("1/15/2021"), occur("1/16/2021"), {**occur("3/2/2021"), "NibrsUcrCode": "13A"}]
    build = clean([write_raw(tmp_path / "raw.csv", list_rows(changes))])
    assert [(row[0], row[1], row[2]) for row in findings(build, "monthly_incidents")] == [
        ("Person", "2021-01-01", 0), ("Person", "2021-02-01", 0), ("Person", "2021-03-01", 1),
        ("Property", "2021-01-01", 2), ("Property", "2021-02-01", 0), ("Property", "2021-03-01", 0),
        ("all", "2021-01-01", 2), ("all", "2021-02-01", 0), ("all", "2021-03-01", 1),
    ]  # fmt: skip
    details = fetch(build, "SELECT detail FROM feed_health WHERE detail LIKE 'all, 2021-01%'")
    assert details == [("all, 2021-01: 2 incidents on 17 observed days",)]


@pytest.mark.parametrize(
    ("later", "months", "warning"),
    [
        (dt.date(2013, 7, 4), 0, None),
        (dt.date(2013, 8, 1), 1, "2013-07-01 to 2013-07-31 (31 days)"),
        (dt.date(2014, 2, 1), 7, "2013-07-01 to 2014-01-31 (215 days)"),
    ],
)
def test_months_that_no_file_covers(
    tmp_path: Path, city: City, later: dt.date, months: int, warning: str | None
) -> None:
    days = [f"06/{day:02}/2013" for day in range(1, 31) for _ in range(3)]
    cobra = [{"offense_id": f"1{number}", "rpt_date": day, "occur_date": day, "poss_date": day}
             for number, day in enumerate(days)]  # fmt: skip
    old = write_raw(tmp_path / "old.csv", cobra, "cobra_2013", GOOD_COBRA_2013)
    later_days = [f"{later + dt.timedelta(days=day):%m/%d/%Y}" for day in range(30) for _ in range(3)]
    new = write_raw(tmp_path / "new.csv", list_rows([occur(day) for day in later_days]))
    with open_build("test", tmp_path / "built.duckdb") as build:
        summary = clean_files(build, [old, new], city)
        found = findings(build, "missing_month")
        assert len(found) == months
        assert found[:1] == [("all", "2013-07-01", 0.0, 31.0, True)][:months]
    gaps = [text for text in summary.warnings if "not covered" in text]
    assert gaps == ([f"{warning} are not covered by any file: {GAP}"] if warning else [])


def test_break_in_level_is_found_and_warned_of(tmp_path: Path, city: City) -> None:
    changes = [
        {**occur(f"{month}/{day}/2021"), "NibrsUcrCode": "35A"}
        for month in range(1, 13)
        for day in range(1, 29)
        for _ in range(2 if month < 7 else 12)
    ]
    raw = write_raw(tmp_path / "raw.csv", list_rows(changes))
    with open_build("test", tmp_path / "built.duckdb") as build:
        summary = clean_files(build, [raw], city)
        found = findings(build, "level_break")
    # Three days without any are a gap.
    before, after = 6 * 28 * 2 / 181, 6 * 28 * 12 / 172
    assert found[0] == ("Society", "2021-07-01", pytest.approx(after), pytest.approx(before), True)
    assert [row[:2] for row in found[1:]] == [("all", "2021-07-01")]
    assert next(text for text in summary.warnings if "levels" in text) == (
        "Society: from 1.86 to 11.7 incidents a day since 2021-07 (6 months and 6 compared); "
        "training across this break mixes two levels"
    )


def test_level_that_returns_is_found_where_a_new_file_begins(tmp_path: Path, city: City) -> None:
    """A year of three a day, then a file of five a day for four months and three again."""
    periods = [
        (dt.date(2021, 1, 1), 365, 3),
        (dt.date(2022, 1, 1), 120, 8),
        (dt.date(2022, 5, 1), 120, 3),
    ]
    days = [
        (start + dt.timedelta(days=day), place)
        for start, count, daily in periods
        for day in range(count)
        for place in range(daily)
    ]
    rows = list_rows([occur(f"{day:%m/%d/%Y}") for day, _ in days])
    raws = [
        write_raw(
            tmp_path / name, [row for row, (day, _) in zip(rows, days, strict=True) if day.year == year]
        )
        for name, year in (("old.csv", 2021), ("new.csv", 2022))
    ]
    warnings = [
        text for text in summarize(tmp_path / "built.duckdb", raws, city).warnings if "all" in text
    ]
    assert [text.split(" (")[0] for text in warnings] == [
        "all: from 3 to 8 incidents a day since 2022-01",
        "all: from 8 to 3 incidents a day since 2022-05",
    ]
    assert ["where new.csv follows old.csv" in text for text in warnings] == [True, False]


def test_refresh_gives_each_warning_once(
    tmp_path: Path, city: City, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gap of seven months and a sparse column are warned of; one left out is in the ledger only."""
    days = [day for day in range(1, 29) for _ in range(3)]
    dates = ("rpt_date", "occur_date", "poss_date")
    cobra = [{"offense_id": f"1{number}", **dict.fromkeys(dates, f"06/{day}/2013")}
             for number, day in enumerate(days)]  # fmt: skip
    nibrs = [{**occur(f"2/{day}/2014"), "LocationType": "", "NhoodName": ("", "Downtown")[number % 2]}
             for number, day in enumerate(days)]  # fmt: skip
    old = write_raw(tmp_path / "old.csv", cobra, "cobra_2013", GOOD_COBRA_2013)
    new = write_raw(tmp_path / "new.csv", list_rows(nibrs))
    with open_build("test", tmp_path / "built.duckdb") as build:
        say_cleaned(build, clean_files(build, [old, new], city))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("  warning: ")] == [
        f"  warning: 2013-06-29 to 2014-01-31 (217 days) are not covered by any file: {GAP}",
        "  warning: new.csv:NhoodName is missing in 50.0 % of the rows",
    ]
    assert [line for line in lines if "LocationType" in line] == [
        "  left out, over 30 % missing: new.csv: LocationType"
    ]


# Reports every two months make one stretch of days up to the cutoff, 2021-09-01; what was over by
# 2021-03-05 is old enough.
LATER = [occur("3/6/2021"), occur("5/1/2021"), occur("7/1/2021"), occur("9/1/2021")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    one_in(3, [
        ([occur("1/1/2021", reported="1/8/2021", until="1/5/2021")], {3: 1}),
        ([occur("1/1/2021")], {0: 1}),
        ([occur("1/1/2021", reported="1/3/2021")], {2: 1}),
        ([occur("1/1/2021", reported="6/30/2021")], {180: 1}),
        ([occur("1/1/2021", reported="1/3/2021", until="1/5/2021")], {0: 1}),
        ([occur("1/1/2021", reported="6/29/2021")], {179: 1}),
        ([occur("1/1/2021"), {**occur("1/1/2021"), "ReportDate": ""}], {0: 1}),
        ([occur("1/1/2021", reported="8/31/2021")], {180: 1}),
        ([occur("3/5/2021", reported="3/6/2021")], {1: 1}),
        ([], {}),
    ]),
)  # fmt: skip
def test_days_between_occurrence_and_report(
    clean: CleanFiles, tmp_path: Path, changes: list[dict[str, str]], expected: dict[int, int]
) -> None:
    start = [occur("12/31/2020", reported="1/1/2021")]  # before the covered days
    build = clean([write_raw(tmp_path / "raw.csv", list_rows([*start, *changes, *LATER]))])
    assert delays(build) == expected


def test_delays_are_a_complete_grid_that_ends_at_all(clean: CleanFiles, tmp_path: Path) -> None:
    changes = [occur("1/1/2021"), occur("1/1/2021", reported="1/3/2021"), occur("1/2/2021"),
               occur("1/1/2021", reported="8/1/2021"), *LATER]  # fmt: skip
    build = clean([write_raw(tmp_path / "raw.csv", list_rows(changes))])
    rows = fetch(build, "SELECT delay_days, cumulative_share FROM report_delay ORDER BY delay_days")
    assert rows == [
        (day, 0.5 if day < 2 else 0.75 if day < MAX_DELAY_DAYS else 1.0)
        for day in range(MAX_DELAY_DAYS + 1)
    ]


def test_young_build_has_no_delays(clean: CleanFiles, tmp_path: Path) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{}])])
    assert fetch(build, "SELECT * FROM report_delay") == []


def test_reports_that_a_pause_swallowed_do_not_count_as_early(clean: CleanFiles, tmp_path: Path) -> None:
    cobra = [
        {"offense_id": str(number), "rpt_date": day, "occur_date": day, "poss_date": day}
        for number, day in enumerate(("01/01/2013", "03/01/2013", "05/01/2013", "07/01/2013"))
    ]
    old = write_raw(tmp_path / "old.csv", cobra, "cobra_2013", GOOD_COBRA_2013)
    new = write_raw(tmp_path / "new.csv", list_rows([occur("6/1/2021")]))
    assert delays(clean([old, new])) == {0: 1}


def test_simulated_build_has_all_delays_and_no_break(published: Path) -> None:
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        shares = connection.execute(
            "SELECT cumulative_share FROM report_delay ORDER BY delay_days"
        ).fetchall()
        checks = connection.execute(
            "SELECT DISTINCT health_check FROM feed_health ORDER BY ALL"
        ).fetchall()
    assert len(shares) == MAX_DELAY_DAYS + 1
    assert shares == sorted(shares)
    assert shares[-1] == (1.0,)
    assert checks == [("midnight_share",), ("missing_share",), ("monthly_incidents",)]


@pytest.mark.slow
@pytest.mark.real_data
def test_real_files_without_2017_and_2018_say_so_once(
    real_build: tuple[Build, CleanSummary],
) -> None:
    gaps = [warning for warning in real_build[1].warnings if GAP in warning]
    assert gaps == [f"2017-01-01 to 2018-12-31 (730 days) are not covered by any file: {GAP}"]


@pytest.mark.slow
@pytest.mark.real_data
def test_thin_real_sample_breaks_in_2022(tmp_path: Path, city: City, real_data: Path) -> None:
    raw = real_data / "apd_nibrs_sample_2021_2023.csv.gz"
    warnings = summarize(tmp_path / "built.duckdb", [raw], city).warnings
    assert [warning.split(" incidents")[0] for warning in warnings if "level" in warning][-1] == (
        "all: from 25.8 to 11.7"
    )
    assert all("since 2022-01" in warning for warning in warnings)


@pytest.mark.slow
@pytest.mark.real_data
def test_real_lockdown_and_change_of_records_system_are_seen(
    tmp_path: Path, city: City, real_data: Path
) -> None:
    names = ("cobra_2019", "cobra_2020_to_september", "cobra_2020_from_october", "cobra_2021")
    raws = [real_data / f"{name}.csv.gz" for name in names]
    warnings = summarize(tmp_path / "built.duckdb", raws, city).warnings
    assert [w.split(" incidents")[0] for w in warnings if w.startswith("all")] == [
        "all: from 66.4 to 40.4", "all: from 50.7 to 78.5"
    ]  # fmt: skip
    months = [warning.split("since ")[1][:7] for warning in warnings if "since" in warning]
    assert set(months) == {"2020-04", "2020-10"}
