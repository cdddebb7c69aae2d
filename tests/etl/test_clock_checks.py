"""Checks of the clock as a specification: what a file says beside its times in, sentences out."""

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pytest

from etl.city import City
from etl.clean import CleanSummary, clean_files
from etl.clock_checks import CITY_PROFILE, Floats, Hours, check_hours, measure_distance
from etl.layout import load_layout
from etl.raw_file import RawFile
from tests.raw import GOOD_COBRA_2013, write_raw
from warehouse.build import Build, open_build

CITY_HOURS = np.repeat(CITY_PROFILE / 3, 3) * 6000


def make_file(layout: str) -> RawFile:
    """Return a file of a layout, of which nothing else matters."""
    return RawFile(
        Path("raw.csv"), 0, "csv", "", (), load_layout(layout), dt.date(2026, 1, 1), (0, 0, 0)
    )


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (CITY_HOURS, []),
        (np.full(24, 250.0), ["6,000 times spread evenly over the day"]),
        (np.full(24, 40.0), []),  # too few to know
        (np.eye(24)[0] * 200, ["100% of 200 times lie between 00:00 and 00:59"]),
        (np.eye(24)[0] * 199, []),
        (np.eye(24)[0] * 101 + np.eye(24)[9] * 99, ["50% of 200 times lie between 00:00"]),
        (np.eye(24)[0] * 100 + np.eye(24)[9] * 100, []),
        (np.repeat([30.0, 0.0], [13, 11]), ["none of 390 times lies between 13:00 and 23:59"]),
        (np.repeat([0.0, 60.0, 0.0], [6, 5, 13]), []),  # a day shift, not a 12-hour clock
    ],
)
def test_hours_that_no_city_has_fail_the_check(read: Floats, words: list[str]) -> None:
    found = list(check_hours(Hours(read, read), make_file("cobra_2013"), is_proven=False))
    assert [sentence[: len(word)] for sentence, word in zip(found, words, strict=True)] == words


@pytest.mark.parametrize(
    ("layout", "shift", "clock"), [("cobra_2013", 5, "as UTC"), ("nibrs", -5, "as local")]
)
def test_other_clock_is_named_where_it_fits_better(layout: str, shift: int, clock: str) -> None:
    hours = Hours(np.roll(CITY_HOURS, shift), CITY_HOURS)
    (sentence,) = check_hours(hours, make_file(layout), is_proven=False)
    assert f"fit a city's day better when read {clock}" in sentence
    assert list(check_hours(hours, make_file(layout), is_proven=True)) == []
    assert list(check_hours(Hours(CITY_HOURS, hours.read), make_file(layout), is_proven=False)) == []


def test_day_that_fits_only_when_moved_fails_the_check() -> None:
    hours = Hours(np.roll(CITY_HOURS, 12), np.roll(CITY_HOURS, 7))
    (sentence,) = check_hours(hours, make_file("cobra_2019"), is_proven=False)
    assert sentence == "its hours fit a city's day only when moved by +12 hours"
    near = Hours(np.roll(CITY_HOURS, 2), np.roll(CITY_HOURS, 7))
    assert list(check_hours(near, make_file("cobra_2019"), is_proven=False)) == []


def test_day_of_its_own_that_fits_nowhere_passes() -> None:
    own = np.full(24, 100.0)
    own[8:12] = 900
    assert measure_distance(own, CITY_PROFILE) > 0.2
    hours = Hours(own, np.roll(own, -5))
    assert list(check_hours(hours, make_file("nibrs"), is_proven=False)) == []


def clean_times(
    tmp_path: Path, city: City, *, changes: list[dict[str, str]], moved: int = 0
) -> list[str]:
    """Return the failed checks of a COBRA file of as many rows, their clock moved by so many hours."""
    random = np.random.default_rng(5)
    day = np.sort(random.integers(0, 300, len(changes)))
    hours = random.choice(24, len(changes), p=np.repeat(CITY_PROFILE / 3, 3) / CITY_PROFILE.sum())
    rows = []
    for number, (change, days, hour) in enumerate(zip(changes, day, hours, strict=True)):
        day_of = dt.date(2013, 1, 1) + dt.timedelta(days=int(days))
        date, weekday = f"{day_of:%m/%d/%Y}", f"{day_of:%a}"
        clock = f"{(hour + moved) % 24:02}:{random.integers(60):02}:00"
        rows.append(
            {"offense_id": str(number), "rpt_date": date, "occur_date": date, "poss_date": date,
             "occur_time": clock, "poss_time": clock, "Avg Day": weekday, **change}
        )  # fmt: skip
    raw = write_raw(tmp_path / "raw.csv", rows, "cobra_2013", GOOD_COBRA_2013)
    with open_build("test", tmp_path / "b.duckdb") as build:
        return list(clean_files(build, [raw], city).failed_checks)


MANY = 3200


def test_city_day_passes_every_check(tmp_path: Path, city: City) -> None:
    assert clean_times(tmp_path, city, changes=[{}] * MANY) == []


@pytest.mark.parametrize(
    ("change", "share", "words"),
    [
        ({"occur_time": "00:01:00", "poss_time": "23:59:00"}, 0.3, "times are exactly 00:01: it stands"),
        ({"occur_time": "00:01:00", "poss_time": "23:59:00"}, 0.7, "times lie between 00:00 and 00:59"),
        ({"poss_time": "00:00:00"}, 0.2, "occurrences end before they begin"),
        ({"rpt_date": "01/01/2013"}, 0.2, "reports come before the day of the occurrence"),
    ],
)
def test_default_times_and_backward_windows_fail_the_check(
    tmp_path: Path, city: City, change: dict[str, str], share: float, words: str
) -> None:
    changes = [change if number % 100 < 100 * share else {} for number in range(MANY)]
    (finding,) = clean_times(tmp_path, city, changes=changes)
    assert words in finding


def test_few_times_make_no_period(tmp_path: Path, city: City) -> None:
    mornings = [{"occur_time": f"{1 + n % 12:02}:30:00", "poss_time": "23:59:00"} for n in range(500)]
    findings = clean_times(tmp_path, city, changes=[{}] * 1500 + mornings)
    assert not [text for text in findings if "another clock" in text]


def test_weekdays_prove_no_clock_of_its_own_column(tmp_path: Path, city: City) -> None:
    (finding,) = clean_times(tmp_path, city, changes=[{}] * MANY, moved=12)
    assert "fit a city's day only when moved by" in finding


def test_period_on_another_clock_fails_the_check(tmp_path: Path, city: City) -> None:
    random = np.random.default_rng(6)
    mornings = [{"occur_time": f"{hour:02}:30:00", "poss_time": f"{hour:02}:30:00"}
                for hour in random.integers(1, 13, MANY // 4)]  # fmt: skip
    findings = clean_times(tmp_path, city, changes=[{}] * (MANY - len(mornings)) + mornings)
    finding = next(text for text in findings if text.startswith("raw.csv: from 2013-08-"))
    assert "lies in other hours than in the rest of the file: another clock" in finding


def write_days(path: Path, names: list[str], shift: str = "Day Watch", hour: int = 16) -> Path:
    """Write 60 nibrs rows on the days from Tuesday, 2021-06-01 on, with these weekdays in turn."""
    rows = [
        {
            "IncidentNumber": str(day),
            "OccurredFromDate": f"{dt.date(2021, 6, 1) + dt.timedelta(days=day):%m/%d/%Y} {hour}:00",
            "OccurredToDate": f"{dt.date(2021, 6, 1) + dt.timedelta(days=day):%m/%d/%Y} {hour}:00",
            "ReportDate": f"{dt.date(2021, 6, 1) + dt.timedelta(days=day):%m/%d/%Y} {hour}:00",
            "Day_of_the_week": names[day % len(names)],
            "event_watch": shift,
        }
        for day in range(60)
    ]
    return write_raw(path, rows)


WEEK = ["Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Monday"]


def find_failures(tmp_path: Path, city: City, raw: Path) -> list[str]:
    """Return the failed checks of the clock of a file."""
    with open_build("test", tmp_path / "b.duckdb") as build:
        findings = clean_files(build, [raw], city).failed_checks
    return [
        finding
        for finding in findings
        if "weekdays" in finding or "shift" in finding or "dates" in finding
    ]


def test_weekdays_and_shifts_that_fit_pass(tmp_path: Path, city: City) -> None:
    assert find_failures(tmp_path, city, write_days(tmp_path / "raw.csv", WEEK)) == []


def test_weekdays_that_contradict_the_dates_are_counted(tmp_path: Path, city: City) -> None:
    (finding,) = find_failures(tmp_path, city, write_days(tmp_path / "raw.csv", WEEK[1:] + WEEK[:1]))
    assert finding == "raw.csv: 100% of 60 weekdays that the file names are not those of its dates"


def test_weekdays_that_fit_the_other_clock_name_it(tmp_path: Path, city: City) -> None:
    raw = write_days(tmp_path / "raw.csv", WEEK, hour=2)  # the evening before in Atlanta
    (finding, _) = find_failures(tmp_path, city, raw)
    assert finding.endswith(
        "weekdays that the file names are not those of its dates; read as local it is 0%"
    )


def test_shifts_that_contradict_the_times_are_counted(tmp_path: Path, city: City) -> None:
    (finding,) = find_failures(tmp_path, city, write_days(tmp_path / "raw.csv", WEEK, "Morning Watch"))
    assert finding == "raw.csv: 100% of 60 times lie outside the shift that the file names for them"


def test_dates_older_than_any_feed_fail_the_check(tmp_path: Path, city: City) -> None:
    raw = tmp_path / "raw.parquet"
    columns = load_layout("nibrs_portal").columns
    values = {"IncidentNumber": "n::VARCHAR", "NibrsUcrCode": "'23F'", "Longitude": "-84.388",
              "Latitude": "33.756", "NhoodName": "'Downtown'", "BEAT_Text": "'509'",
              **dict.fromkeys(("ReportDate", "OccurredFromDate", "OccurredToDate"),
                              "1622563200 + n * 3600")}  # fmt: skip
    select = ", ".join(f"{values.get(name, 'NULL::VARCHAR')} AS {name}" for name in columns)
    duckdb.sql(f"COPY (SELECT {select} FROM range(60) AS t(n)) TO '{raw}' (FORMAT parquet)")
    (finding,) = find_failures(tmp_path, city, raw)
    assert finding == (
        "raw.parquet: half of its dates are before 1970-01-19: check the unit of datetime_formats"
    )


@pytest.mark.slow
@pytest.mark.real_data
def test_real_files_pass_every_check(real_build: tuple[Build, CleanSummary]) -> None:
    _, summary = real_build
    assert summary.failed_checks == ()
