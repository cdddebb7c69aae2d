"""Month numbers: a difference of two is a number of months."""

import datetime as dt

import duckdb
import pytest

from warehouse.months import MONTHS, number_month, select_month_number, start_month


@pytest.mark.parametrize(
    ("day", "number"),
    [("2020-12-31", 24251), ("2021-01-01", 24252), ("2021-01-31", 24252), ("2021-12-01", 24263)],
)
def test_month_has_the_same_number_in_python_and_in_sql(day: str, number: int) -> None:
    assert number_month(dt.date.fromisoformat(day)) == number
    expression = select_month_number(f"DATE '{day}'")
    assert duckdb.sql(f"SELECT {expression}").fetchone() == (number,)


def test_number_leads_back_to_the_first_day_of_its_month() -> None:
    days = [dt.date(year, month, 1) for year in (2020, 2021) for month in range(1, MONTHS + 1)]
    assert len(days) == 24
    assert [start_month(number_month(day)) for day in days] == days
    assert number_month(days[-1]) - number_month(days[0]) == 23
