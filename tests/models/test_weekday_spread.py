"""Rates of a month over its weekdays: clock changes, holidays, and that nothing is lost."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from etl.city import City
from models.arrays import Floats
from models.day_types import HOLIDAY
from models.forecast import Days, average_weekdays, list_days, make_forecast, spread_over_weekdays
from models.panel import Panel
from tests.models.panels import make_panel
from warehouse.months import number_month

MARCH, JULY, NOVEMBER = (number_month(dt.date(2026, month, 1)) for month in (3, 7, 11))
MONDAY, SUNDAY = 0, 6
HOLIDAYS = pd.DatetimeIndex(["2026-07-06"])
"""A Monday, the first of July's four."""


def make_days(city: City) -> Days:
    """Return the days of March, July and November 2026."""
    return list_days(np.array([MARCH, JULY, NOVEMBER]), city.time_zone, HOLIDAYS)


def spread(panel: Panel, days: Days) -> Floats:
    """Return (month, weekday, hour) what becomes of a rate of 1 in every hour, of four like strata."""
    by_weekday: Floats = spread_over_weekdays(panel, np.full((1, 3, 24, 4), 0.25), days)[0]
    return by_weekday


def make_quiet_holidays() -> Panel:
    """Return a panel whose holidays have a quarter of the crime of other days, whose days are alike."""
    panel = make_panel(places=1, months=24)
    days = np.array([4, 4, 4, 4, 4, 4, 5, 1])
    counts = np.broadcast_to(400.0 * days[:, None, None], (24, 8, 24, 4)).astype(np.float32)
    counts[:, HOLIDAY] /= 4
    return replace(
        panel, day_type_days=np.tile(days, (24, 1)), day_type_counts=counts, holidays=HOLIDAYS
    )


def test_hour_that_the_clock_skips_or_repeats_is_expected_so_often(city: City) -> None:
    by_weekday = spread(make_panel(places=1), make_days(city))
    march, july, november = by_weekday
    assert march[SUNDAY, 1:4].tolist() == pytest.approx(
        [1, 4 / 5, 1]
    )  # on one Sunday of five, no 2 o'clock
    assert november[SUNDAY, 0:3].tolist() == pytest.approx([1, 6 / 5, 1])  # on one, 1 o'clock twice
    np.testing.assert_allclose(march[:SUNDAY], 1)
    np.testing.assert_allclose(july, 1)


def test_month_has_the_crimes_of_its_clock_hours(city: City) -> None:
    days = make_days(city)
    months = (spread(make_panel(places=1), days) * days.counts[:, :, None]).sum(axis=(1, 2))
    assert months.tolist() == pytest.approx([31 * 24 - 1, 31 * 24, 30 * 24 + 1])


def test_holiday_counts_for_the_weekday_it_falls_on(city: City) -> None:
    panel, days = make_quiet_holidays(), make_days(city)
    holiday, monday = panel.day_type_factors[HOLIDAY, 0, 0], panel.day_type_factors[MONDAY, 0, 0]
    july = spread(panel, days)[1, :, 12]
    assert holiday < 0.3 * monday
    assert july[MONDAY] / july[1] == pytest.approx((3 * monday + holiday) / (4 * monday))
    np.testing.assert_allclose(july[1:], july[1])


def test_mean_over_every_day_of_the_month_is_the_rate_of_the_average_day(city: City) -> None:
    days = make_days(city)
    by_weekday = spread(make_quiet_holidays(), days)
    july = pd.date_range("2026-07-01", "2026-07-31").weekday
    slow = np.mean([by_weekday[1, weekday] for weekday in july], axis=0)
    np.testing.assert_allclose(slow, 1)
    np.testing.assert_allclose(average_weekdays(by_weekday[None], days)[0, 1], slow)


@pytest.fixture(scope="module")
def cutoff() -> dt.date:
    """The last day of a panel of eight months from 2019 on, too short for forests."""
    return dt.date(2019, 8, 31)


def test_forecast_s_weekdays_and_categories_add_up_to_its_hours(city: City, cutoff: dt.date) -> None:
    forecast, _ = make_forecast(make_quiet_start(), cutoff, city.time_zone)
    counts = forecast.days.counts
    for month in range(12):
        total = sum(forecast.weekday[:, month, w] * counts[month, w] for w in range(7))
        np.testing.assert_allclose(total, forecast.expected[:, month] * counts[month].sum())
    np.testing.assert_allclose(forecast.categories.sum(axis=3), 1)
    np.testing.assert_allclose(forecast.shares.sum(axis=3), 1)


def make_quiet_start() -> Panel:
    """Return eight months of two places whose Sundays are quiet."""
    panel = make_panel(places=2, months=8)
    panel.day_type_counts[:, SUNDAY] /= 4
    return panel
