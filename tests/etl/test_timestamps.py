"""UTC to local wall clock, at both clock changes and on the real export."""

from pathlib import Path

import pytest

from tests.conftest import CleanFiles
from tests.one_in import one_in
from tests.raw import write_raw


@pytest.mark.parametrize(
    ("utc", "local"),
    one_in(2, [
        ("3/14/2021 6:59", "2021-03-14 01:59"),  # last minute before hour 2 is skipped
        ("3/14/2021 7:00", "2021-03-14 03:00"),
        ("11/7/2021 5:30", "2021-11-07 01:30"),  # hour 1 for the first time
        ("11/7/2021 6:30", "2021-11-07 01:30"),  # and again
        ("11/7/2021 7:00", "2021-11-07 02:00"),
        ("1/1/2022 4:59", "2021-12-31 23:59"),
        ("7/1/2021 0:00", "2021-06-30 20:00"),
        ("12/30/2021 3:14:05 PM", "2021-12-30 10:14"),
    ]),
)  # fmt: skip
def test_nibrs_times_are_utc(clean: CleanFiles, tmp_path: Path, utc: str, local: str) -> None:
    row = {"OccurredFromDate": utc, "OccurredToDate": utc, "ReportDate": utc}
    build = clean([write_raw(tmp_path / "raw.csv", [row])])
    found = build.fetch_value("SELECT strftime(occurred_at, '%Y-%m-%d %H:%M') FROM incident")
    assert found == local


@pytest.mark.real_data
def test_real_export_agrees_with_its_own_weekday_and_watch(clean: CleanFiles, real_data: Path) -> None:
    path = real_data / "apd_nibrs_sample_2021_2023.csv.gz"
    build = clean([path])
    compared, weekday, watch = build.connection.execute(f"""
        SELECT count(*), avg((dayname(occurred_at) = Day_of_the_week)::INTEGER),
               avg((event_watch = CASE
                   WHEN hour(occurred_at) BETWEEN 6 AND 13 THEN 'Day Watch'
                   WHEN hour(occurred_at) BETWEEN 14 AND 22 THEN 'Evening Watch'
                   ELSE 'Morning Watch' END)::INTEGER)
        FROM incident JOIN read_csv('{path}', all_varchar = true)
             ON report_number = IncidentNumber AND nibrs_code = NibrsUcrCode""").fetchall()[0]
    assert compared > 13_000
    assert weekday > 0.999
    assert watch > 0.999
