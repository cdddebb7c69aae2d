"""A forecast to its published tables.

Input: a `Forecast`, the models' `Decisions` and the `Panel` behind them. Output: `forecast_hourly`,
`forecast_hourly_weekday`, `forecast_category` and `average_daily`, complete for every neighborhood and
month, `forecast_zone` and `forecast_city`.
"""

import calendar
import datetime as dt
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.arrays import Floats, Integers
from models.forecast import INTENSITY_QUANTILES, WEEKDAYS, Days, Decisions, Forecast
from models.interval import Interval
from models.panel import HOURS, Panel
from models.patrol_forest import rank_patrols
from warehouse.build import Build
from warehouse.columns import INTENSITIES, PATROL_SHARES, PATROL_TYPES
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.months import MONTHS
from warehouse.tables_category import CRIMES_DECIMALS, FORECAST_CATEGORY_TABLE, SHARE_DECIMALS
from warehouse.tables_forecast import (
    AVERAGE_DAILY_TABLE,
    FORECAST_CITY_TABLE,
    FORECAST_HOURLY_TABLE,
    FORECAST_HOURLY_WEEKDAY_TABLE,
    FORECAST_ZONE_TABLE,
)

CATEGORY_PLACES = 40
"""Neighborhoods whose categories are written at a time."""


def fill_forecasts(build: Build, forecast: Forecast, decisions: Decisions, panel: Panel) -> None:
    """Fill the forecast tables."""
    fill_hourly(build, forecast, decisions, panel)
    fill_weekday(build, forecast, panel)
    fill_category(build, forecast, panel)
    fill_daily(build, forecast, panel)
    fill_areas(build, forecast, panel)


def sum_by_calendar_month(values: Floats | Integers, panel: Panel, axis: int) -> Floats:
    """Return sums by calendar month over the observed months: `axis` becomes twelve, January first."""
    is_month = panel.months[:, None] == np.arange(1, MONTHS + 1)[None, :]
    moved = np.moveaxis(np.asarray(values, dtype=np.float64), axis, -1)
    return np.moveaxis(moved @ is_month, -1, axis)


def fill_hourly(build: Build, forecast: Forecast, decisions: Decisions, panel: Panel) -> None:
    """Fill `forecast_hourly` from the arrays."""
    support = sum_by_calendar_month(panel.counts, panel, axis=1)
    days = sum_by_calendar_month(panel.calendar_days, panel, axis=0)
    observed = np.divide(
        support, days[None, :, None], out=np.full_like(support, np.nan),
        where=days[None, :, None] > 0,
    )  # fmt: skip
    thresholds = np.array([decisions.intensity_moderate_from, decisions.intensity_high_from])
    local = np.quantile(forecast.expected, INTENSITY_QUANTILES, axis=(1, 2))
    suggested, runner_up = (index.ravel() for index in rank_patrols(forecast.shares, forecast.expected))
    shares = forecast.shares.reshape(-1, len(PATROL_TYPES))
    cells = np.arange(len(shares))
    rows = {
        **list_cells(forecast, panel.neighborhoods, HOURS),
        "hour": np.tile(np.arange(HOURS), len(shares) // HOURS),
        "expected_crimes": forecast.expected.ravel(),
        "expected_reported_crimes": forecast.reported.ravel(),
        "baseline_crimes": forecast.baseline.ravel(),
        "observed_crimes": observed.ravel(),
        "intensity": find_intensity(forecast.expected, thresholds).ravel(),
        "intensity_local": find_intensity(forecast.expected, local[:, :, None, None]).ravel(),
        "suggested_patrol": np.array(PATROL_TYPES)[suggested],
        "suggested_patrol_share": shares[cells, suggested],
        "runner_up_patrol": np.array(PATROL_TYPES)[runner_up],
        "patrol_margin": shares[cells, suggested] - shares[cells, runner_up],
        **{column.name: shares[:, index] for index, column in enumerate(PATROL_SHARES)},
        "support_incidents": support.ravel().astype(np.int64),
    }
    build.insert_frame(FORECAST_HOURLY_TABLE, pd.DataFrame(rows))


def find_intensity(expected: Floats, thresholds: Floats) -> npt.NDArray[np.str_]:
    """Return the intensity of each cell: the thresholds (2, …) are those of moderate and of high."""
    moderate, high = thresholds
    steps = (expected >= moderate).astype(np.int64) + (expected >= high)
    found: npt.NDArray[np.str_] = np.array(INTENSITIES)[steps]
    return found


def fill_weekday(build: Build, forecast: Forecast, panel: Panel) -> None:
    """Fill `forecast_hourly_weekday` from the arrays."""
    count = len(panel.neighborhoods)
    rows = {
        **list_cells(forecast, panel.neighborhoods, WEEKDAYS * HOURS),
        "iso_weekday": np.tile(np.repeat(np.arange(1, WEEKDAYS + 1), HOURS), count * MONTHS),
        "hour": np.tile(np.arange(HOURS), count * MONTHS * WEEKDAYS),
        "exposure_days": np.tile(np.repeat(forecast.days.counts.astype(np.int64).ravel(), HOURS), count),
        "expected_crimes": forecast.weekday.ravel(),
        "expected_reported_crimes": forecast.weekday_reported.ravel(),
    }
    build.insert_frame(FORECAST_HOURLY_WEEKDAY_TABLE, pd.DataFrame(rows))


def fill_category(build: Build, forecast: Forecast, panel: Panel) -> None:
    """Fill `forecast_category`, some neighborhoods at a time: all at once would be the peak memory."""
    names = pd.Index(forecast.category_names)
    for first in range(0, len(panel.neighborhoods), CATEGORY_PLACES):
        part = slice(first, first + CATEGORY_PLACES)
        shares, order = rank_categories(forecast.categories[part].reshape(-1, len(names)))
        rows = {
            **list_cells(forecast, panel.neighborhoods[part], HOURS * len(names)),
            "hour": np.tile(np.repeat(np.arange(HOURS), len(names)), len(shares) // HOURS),
            "category_rank": np.tile(np.arange(1, len(names) + 1), len(shares)),
            "offense_category": names.take(order.ravel()).astype("category"),
            "expected_crimes": (shares * forecast.expected[part].reshape(-1, 1))
            .round(CRIMES_DECIMALS)
            .ravel(),
            "category_share": shares.ravel(),
        }
        build.insert_frame(FORECAST_CATEGORY_TABLE, pd.DataFrame(rows))


def rank_categories(shares: Floats) -> tuple[Floats, Integers]:
    """Return shares (cell, rank), the largest first, and the number of the category of each rank.

    They are rounded to `SHARE_DECIMALS`, the largest so that they add up to 1 again.
    """
    rounded = shares.round(SHARE_DECIMALS)
    rounded[np.arange(len(shares)), shares.argmax(axis=1)] += 1 - rounded.sum(axis=1)
    rounded = rounded.round(SHARE_DECIMALS)
    order = np.argsort(-rounded, axis=1, kind="stable")
    return np.take_along_axis(rounded, order, axis=1), order


def fill_daily(build: Build, forecast: Forecast, panel: Panel) -> None:
    """Fill `average_daily` from the arrays; its day is the sum of the hours."""
    observed = sum_by_calendar_month(panel.counts.sum(axis=2), panel, axis=1)
    days = np.broadcast_to(sum_by_calendar_month(panel.calendar_days, panel, axis=0), observed.shape)
    daily = forecast.expected.sum(axis=2)
    monthly = sum_months(forecast.expected, forecast.days)
    model, shock, day_level = forecast.intervals, forecast.city_variance, INTERVAL_LEVELS[0]
    intervals = {
        **{("month", level): model.predict_month(monthly, shock, level) for level in INTERVAL_LEVELS},
        ("day", day_level): model.predict_day(daily, monthly, shock, day_level),
    }
    rows = {
        **list_cells(forecast, panel.neighborhoods, 1),
        "average_daily_crime_count": np.divide(
            observed, days, out=np.full_like(observed, np.nan), where=days > 0
        ).ravel(),
        "observed_days": days.ravel().astype(np.int64),
        "observed_crimes": observed.ravel().astype(np.int64),
        "expected_daily_crimes": daily.ravel(),
        "expected_month_crimes": monthly.ravel(),
        "expected_reported_daily_crimes": forecast.reported.sum(axis=2).ravel(),
        "expected_reported_month_crimes": sum_months(forecast.reported, forecast.days).ravel(),
        **{
            f"{grain}_{end}_{level}": ends.ravel()
            for (grain, level), interval in intervals.items()
            for end, ends in (("lower", interval.lower), ("upper", interval.upper))
        },
    }
    build.insert_frame(AVERAGE_DAILY_TABLE, pd.DataFrame(rows))


def sum_months(hourly: Floats, days: Days) -> Floats:
    """Return the crimes of whole months (neighborhood, month) of those of an average day's hours."""
    monthly: Floats = hourly.sum(axis=2) * np.array([count_days(day) for day in days.first_days])
    return monthly


def fill_areas(build: Build, forecast: Forecast, panel: Panel) -> None:
    """Fill `forecast_zone` and `forecast_city` with sums over places and their intervals."""
    monthly, model = sum_months(forecast.expected, forecast.days), forecast.intervals
    zones = panel.zone_members.T @ monthly
    build.insert_frame(
        FORECAST_ZONE_TABLE,
        pd.DataFrame(
            {
                "zone": np.repeat(np.array(panel.zone_names, dtype=object), MONTHS),
                **list_area_months(forecast, zones, model.predict_zone),
            }
        ),
    )
    city = list_area_months(forecast, monthly.sum(axis=0, keepdims=True), model.predict_city)
    build.insert_frame(FORECAST_CITY_TABLE, pd.DataFrame(city))


def list_area_months(
    forecast: Forecast, expected: Floats, predict: Callable[[Floats, Floats, int], Interval]
) -> dict[str, object]:
    """Return the columns of areas whose months expect so much (area, month), `MONTHS` rows each."""
    intervals = {level: predict(expected, forecast.city_variance, level) for level in INTERVAL_LEVELS}
    return {
        "month": np.tile(np.arange(1, MONTHS + 1), len(expected)),
        "forecast_month": np.tile(pd.DatetimeIndex(forecast.days.first_days), len(expected)),
        "expected_month_crimes": expected.ravel(),
        **{
            f"month_{end}_{level}": ends.ravel()
            for level, interval in intervals.items()
            for end, ends in interval._asdict().items()
        },
    }


def count_days(first_day: dt.date) -> int:
    """Return the days of the month that begins on `first_day`."""
    return calendar.monthrange(first_day.year, first_day.month)[1]


def list_cells(forecast: Forecast, neighborhoods: tuple[str, ...], repeats: int) -> dict[str, object]:
    """Return the columns that name a cell: neighborhood, month, forecast month; `repeats` rows each."""
    count = len(neighborhoods)
    first_days = pd.DatetimeIndex(forecast.days.first_days)
    names = pd.Index(neighborhoods).repeat(MONTHS * repeats)
    return {
        "neighborhood": names.astype("category"),
        "month": np.tile(np.repeat(np.arange(1, MONTHS + 1), repeats), count),
        "forecast_month": np.tile(np.repeat(first_days, repeats), count),
    }
