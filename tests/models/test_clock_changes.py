"""Clock changes of other countries, from UTC rows to the exposure of each clock hour."""

import datetime as dt
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import pytest

from etl.city import City
from etl.clean import CALENDAR_SELECT, clean_files
from models.forecast import list_days
from models.load_panel import DAYS_SELECT, count_clock_hours
from tests.one_in import one_in
from tests.raw import write_raw
from warehouse.build import open_build

FIRST, LAST = dt.date(2015, 1, 1), dt.date(2020, 12, 31)
ZONES = {
    "America/New_York": {("spring", 2), ("autumn", 1)},
    "Australia/Sydney": {("spring", 2), ("autumn", 2)},  # in October and in April
    "Europe/London": {("spring", 1), ("autumn", 1)},
    "America/Santiago": {("spring", 0), ("autumn", 23)},
    "America/Havana": {("spring", 0), ("autumn", 0)},
    "America/Asuncion": {("spring", 0), ("autumn", 23)},  # October 2017 began without a midnight
    "Asia/Kolkata": set(),
}


def fill_calendar(zone: str) -> duckdb.DuckDBPyConnection:
    """Return a database with the calendar of a city in a zone."""
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE covered_day AS SELECT unnest(generate_series($1, $2, INTERVAL 1 DAY))::DATE"
        " AS calendar_date",
        [FIRST, LAST],
    )
    connection.execute(f"CREATE TABLE calendar AS {CALENDAR_SELECT.replace('$zone', repr(zone))}")
    return connection


def walk_hours(zone: str) -> Counter[tuple[dt.date, int]]:
    """Return how often each clock hour of each day comes, by a walk through all hours of UTC."""
    start = dt.datetime(FIRST.year, 1, 1, tzinfo=dt.UTC) - dt.timedelta(days=1)
    hours = (start + dt.timedelta(hours=n) for n in range(24 * ((LAST - FIRST).days + 3)))
    walked = (moment.astimezone(ZoneInfo(zone)) for moment in hours)
    return Counter((local.date(), local.hour) for local in walked)


@pytest.mark.parametrize("zone", one_in(2, ZONES))
def test_calendar_and_forecast_count_the_hours_that_a_clock_shows(zone: str) -> None:
    walked = walk_hours(zone)
    with fill_calendar(zone) as connection:
        changes = connection.execute(
            "SELECT calendar_date, clock_change, changed_hour FROM calendar WHERE clock_change <> 'none'"
        ).fetchall()
        days = connection.execute(DAYS_SELECT).df()
        assert connection.execute(
            "SELECT count(*) FROM calendar WHERE (clock_change = 'none') <> (changed_hour IS NULL)"
        ).fetchone() == (0,)
    expected = {
        (day, {0: "spring", 2: "autumn"}[times], hour)
        for day in pd.date_range(FIRST, LAST).date
        for hour in range(24)
        if (times := walked[day, hour]) != 1
    }
    assert set(changes) == expected
    assert {(change, hour) for _, change, hour in changes} == ZONES[zone]
    numbers = days["month_number"].to_numpy()
    observed = count_clock_hours(days, numbers - numbers[0])
    predicted = list_days(np.unique(numbers), ZoneInfo(zone), pd.DatetimeIndex([])).hours.sum(axis=1)
    np.testing.assert_array_equal(observed, predicted)


@pytest.mark.parametrize(
    ("zone", "utc", "local"),
    one_in(2, [
        ("Australia/Sydney", "4/3/2021 15:30", "2021-04-04 02:30"),  # hour 2 for the first time
        ("Australia/Sydney", "4/3/2021 16:30", "2021-04-04 02:30"),  # and again
        ("Australia/Sydney", "4/3/2021 17:00", "2021-04-04 03:00"),
        ("Australia/Sydney", "10/2/2021 15:59", "2021-10-03 01:59"),  # hour 2 is skipped
        ("Australia/Sydney", "10/2/2021 16:00", "2021-10-03 03:00"),
        ("Asia/Kolkata", "3/13/2021 18:30", "2021-03-14 00:00"),
        ("Asia/Kolkata", "11/7/2021 6:30", "2021-11-07 12:00"),
    ]),
)  # fmt: skip
def test_utc_rows_of_another_city(tmp_path: Path, city: City, zone: str, utc: str, local: str) -> None:
    row = {"OccurredFromDate": utc, "OccurredToDate": utc, "ReportDate": utc}
    elsewhere = city.model_copy(update={"time_zone": ZoneInfo(zone)})
    with open_build("test", tmp_path / "b.duckdb") as build:
        clean_files(build, [write_raw(tmp_path / "raw.csv", [row])], elsewhere)
        occurred = build.fetch_value("SELECT strftime(occurred_at, '%Y-%m-%d %H:%M') FROM incident")
    assert occurred == local
