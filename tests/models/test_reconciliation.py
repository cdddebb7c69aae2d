"""Every coarser forecast table is the sum or mean of `forecast_hourly`, and not of its baseline."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from etl.city import City
from models import forecast_tables
from models.forecast import make_forecast
from models.forecast_tables import fill_category, fill_forecasts
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
        WHERE abs(part.expected_crimes - category_share * hourly.expected_crimes) > 0.6e-8"""
    assert count(build, off) == 0
    assert count(build, "SELECT count(*) FROM forecast_category") == 2 * 12 * 24 * 4


def test_categories_are_written_in_parts_as_at_once_rounded_and_1_together(
    city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make_panel(places=5, months=8)
    forecast, _ = make_forecast(panel, dt.date(2019, 8, 31), city.time_zone)
    rows = []
    for places in (2, 40):
        monkeypatch.setattr(forecast_tables, "CATEGORY_PLACES", places)
        with open_build("test", tmp_path / f"{places}.duckdb") as build:
            build.data_source = "simulated data"
            fill_category(build, forecast, panel)
            rows.append(build.connection.execute("FROM forecast_category").df())
    assert len(rows[0]) == 5 * 12 * 24 * 4
    pd.testing.assert_frame_equal(rows[0], rows[1])
    cells = rows[0].pivot_table("category_share", ["neighborhood", "month", "hour"], "offense_category")
    np.testing.assert_allclose(cells, forecast.categories.reshape(-1, 4), rtol=0, atol=4e-5)
    np.testing.assert_allclose(cells.sum(axis=1), 1, rtol=1e-15)
    assert (rows[0]["category_share"] == rows[0]["category_share"].round(5)).all()


def test_days_are_the_sum_of_their_hours_and_months_of_their_days(build: Build) -> None:
    off = """
        SELECT count(*) FROM average_daily JOIN (
            SELECT neighborhood, month, sum(expected_crimes) AS hours
            FROM forecast_hourly GROUP BY ALL) USING (neighborhood, month)
        WHERE abs(expected_daily_crimes / hours - 1) > 1e-12
           OR abs(expected_month_crimes / (hours * day(last_day(forecast_month))) - 1) > 1e-12"""
    assert count(build, off) == 0


def test_ranks_follow_the_rounded_shares_where_two_are_nearly_alike() -> None:
    shares = np.array([[0.333336, 0.333324, 0.33334], [0.2, 0.3, 0.5], [0.5, 0.5, 0.0]])
    ranked, order = forecast_tables.rank_categories(shares)
    assert (np.diff(ranked, axis=1) <= 0).all()
    np.testing.assert_allclose(ranked.sum(axis=1), 1, rtol=1e-15)
    assert order[1:].tolist() == [[2, 1, 0], [0, 1, 2]]
    np.testing.assert_allclose(np.take_along_axis(shares, order, axis=1), ranked, atol=2e-5)
