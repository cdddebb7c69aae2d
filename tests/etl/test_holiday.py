"""The city's holidays: which days, in which years, by which names."""

import datetime as dt
from pathlib import Path

import pytest

from etl.city import Holidays
from etl.holiday import fill_holidays, list_holidays
from tests.tables import fill
from warehouse.build import open_build
from warehouse.tables_clean import CALENDAR_TABLE

CALENDAR = """
calendar_date
2020-12-30
2022-01-02
"""


def fill_from(folder: Path, source: Holidays | None) -> dict[dt.date, str]:
    """Return day and name of `holiday` of a build that was observed from 2020 to 2022."""
    with open_build("test", folder / "b.duckdb") as build:
        build.data_source = "test data"
        fill(build, CALENDAR_TABLE, CALENDAR)
        assert fill_holidays(build, source, dt.date(2022, 1, 2)) == build.fetch_value(
            "SELECT count(*) FROM holiday"
        )
        return dict(build.connection.execute("FROM holiday").fetchall())


def test_observed_years_and_the_two_after_the_cutoff_have_holidays(tmp_path: Path) -> None:
    days = fill_from(tmp_path, Holidays(country="US"))
    assert {day.year for day in days} == {2020, 2021, 2022, 2023, 2024}
    assert days[dt.date(2021, 12, 31)] == "New Year's Day (observed)"  # that of a Saturday in 2022
    assert dt.date(2020, 6, 19) not in days  # Juneteenth, a holiday since 2021
    assert days[dt.date(2022, 6, 19)] == "Juneteenth National Independence Day"
    assert list(days) == sorted(days)


def test_city_without_holidays_has_none(tmp_path: Path) -> None:
    assert fill_from(tmp_path, None) == {}


def test_names_are_english_whatever_the_machine_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    names = dict(list_holidays(Holidays(country="DE", subdivision="BY"), [2008]))
    assert names[dt.date(2008, 5, 1)] == "Ascension Day; Labor Day"
    assert names[dt.date(2008, 1, 6)] == "Epiphany"  # a holiday in Bavaria
    assert dt.date(2008, 1, 6) not in dict(list_holidays(Holidays(country="DE"), [2008]))


def test_countries_of_the_southern_hemisphere_keep_their_own_days() -> None:
    sydney = dict(list_holidays(Holidays(country="AU", subdivision="NSW"), [2023]))
    assert sydney[dt.date(2023, 1, 26)] == "Australia Day"
    assert sydney[dt.date(2023, 6, 12)] == "King's Birthday"
    assert dt.date(2023, 7, 4) not in sydney
    perth = dict(list_holidays(Holidays(country="AU", subdivision="WA"), [2023]))
    assert dt.date(2023, 6, 12) not in perth  # Western Australia keeps it in September
    assert dt.date(2023, 9, 7) in dict(list_holidays(Holidays(country="BR"), [2023]))
