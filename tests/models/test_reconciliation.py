"""Every coarser forecast table is the sum or mean of `forecast_hourly`, and not of its baseline."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etl.city import City
from models.forecast import make_forecast
from models.forecast_tables import fill_forecasts
from tests.models.panels import make_panel
from warehouse.build import Build, open_build


@pytest.fixture
def build(city: City, tmp_path: Path) -> Iterator[Build]:
    """Forecast tables of eight months, with a baseline of half the forecast, so that they differ."""
    panel = make_panel(places=2, months=8)
    panel.day_type_counts[:, 6] /= 4  # quiet Sundays
    forecast, decisions = make_forecast(panel, dt.date(2019, 8, 31), city.time_zone)
    forecast = replace(forecast, baseline=forecast.expected / 2)
    with open_build("test", tmp_path / "build.duckdb") as build:
        build.data_source = "simulated data"
        fill_forecasts(build, forecast, decisions, panel)
        yield build


def count(build: Build, select: str) -> int:
    """Return the number that a SELECT gives."""
    return int(str(build.fetch_value(select)))


def test_weekdays_weighted_by_their_days_average_to_the_hour(build: Build) -> None:
    assert count(build, "SELECT count(*) FROM forecast_hourly_weekday") == 2 * 12 * 7 * 24
    off = """
        SELECT count(*) FROM forecast_hourly JOIN (
            SELECT neighborhood, month, hour,
                   sum(expected_crimes * exposure_days) / sum(exposure_days) AS mean
            FROM forecast_hourly_weekday GROUP BY ALL) USING (neighborhood, month, hour)
        WHERE abs(expected_crimes / mean - 1) > 1e-12"""
    assert count(build, off) == 0


def test_categories_are_their_shares_of_the_hour(build: Build) -> None:
    off = """
        SELECT count(*) FROM forecast_category AS part JOIN forecast_hourly AS hourly
            USING (neighborhood, month, hour)
        WHERE abs(part.expected_crimes - category_share * hourly.expected_crimes) > 1e-12"""
    assert count(build, off) == 0


def test_days_are_the_sum_of_their_hours_and_months_of_their_days(build: Build) -> None:
    off = """
        SELECT count(*) FROM average_daily JOIN (
            SELECT neighborhood, month, sum(expected_crimes) AS hours
            FROM forecast_hourly GROUP BY ALL) USING (neighborhood, month)
        WHERE abs(expected_daily_crimes / hours - 1) > 1e-12
           OR abs(expected_month_crimes / (hours * day(last_day(forecast_month))) - 1) > 1e-12"""
    assert count(build, off) == 0
