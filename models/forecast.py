"""Both models to the published forecast tables.

Enters: a build with clean tables. Leaves: `forecast_hourly` and `average_daily`, complete for every
neighborhood, month and hour.
"""

import calendar
import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from models.base import estimate_base
from models.interval import measure_drift, predict_interval
from models.panel import HOURS, Floats, Integers, Panel
from models.patrol import fit_patrol
from models.volume import HORIZON_MONTHS, fit_volume
from warehouse.build import Build
from warehouse.schema import (
    AVERAGE_DAILY_TABLE,
    FORECAST_HOURLY_TABLE,
    INTENSITIES,
    PATROL_SHARES,
    PATROL_TYPES,
)

MODERATE_QUANTILE = 0.50
HIGH_QUANTILE = 0.90
"""Intensity is moderate above the median cell of city and year, high above nine cells in ten. The
same two thresholds hold for every neighborhood, month and hour, and are stored in refresh_run."""


@dataclass(frozen=True)
class Forecast:
    """Arrays by neighborhood, the twelve months in calendar order, and hour.

    `expected` and `baseline` are crimes in the clock hour on an average day of the month (a month's
    clock changes included), `shares` (…, type) add up to 1, `first_days` are the forecast months.
    """

    expected: Floats
    baseline: Floats
    shares: Floats
    first_days: tuple[dt.date, ...]
    drift: float


@dataclass(frozen=True)
class Thresholds:
    """Expected crimes per hour from which intensity is moderate and high."""

    moderate: float
    high: float


def next_months(cutoff: dt.date) -> list[int]:
    """Return the month numbers of the twelve months after the cutoff's, January first."""
    following = cutoff.year * 12 + cutoff.month
    return sorted(range(following, following + HORIZON_MONTHS), key=lambda number: number % 12)


def make_forecast(panel: Panel, cutoff: dt.date, zone: ZoneInfo) -> Forecast:
    """Fit both forests on all that is known at the cutoff and predict the twelve months after it."""
    targets = np.array(next_months(cutoff))
    origin = int(targets.min())
    first_days = tuple(dt.date(number // 12, number % 12 + 1, 1) for number in targets.tolist())
    occurring = np.stack([share_of_days(day, zone) for day in first_days])
    rates = fit_volume(panel, origin).predict(panel, origin, targets)
    return Forecast(
        expected=rates * occurring,
        baseline=estimate_base(panel, origin)[:, None, :] * occurring,
        shares=fit_patrol(panel, origin).predict(panel, targets),
        first_days=first_days,
        drift=measure_drift(panel, origin),
    )


def share_of_days(first_day: dt.date, zone: ZoneInfo) -> Floats:
    """Return how often each clock hour occurs per day of a month: 1, but for clock changes."""
    days = count_days(first_day)
    start = pd.Timestamp(first_day, tz=zone)
    hours = pd.date_range(start, start + pd.DateOffset(months=1), freq="h", inclusive="left")
    occurrences: Floats = np.bincount(hours.hour, minlength=HOURS) / days
    return occurrences


def count_days(first_day: dt.date) -> int:
    """Return the days of the month that begins on `first_day`."""
    return calendar.monthrange(first_day.year, first_day.month)[1]


def fill_forecasts(build: Build, forecast: Forecast, panel: Panel) -> Thresholds:
    """Fill `forecast_hourly` and `average_daily`; return the thresholds of `intensity`."""
    thresholds = Thresholds(*np.quantile(forecast.expected, [MODERATE_QUANTILE, HIGH_QUANTILE]))
    fill_hourly(build, forecast, panel, thresholds)
    fill_daily(build, forecast, panel)
    return thresholds


def sum_by_calendar_month(values: Floats | Integers, panel: Panel, axis: int) -> Floats:
    """Return sums over the observed months of each calendar month, January first."""
    is_month = panel.months[:, None] == np.arange(1, 13)[None, :]
    moved = np.moveaxis(np.asarray(values, dtype=np.float64), axis, -1)
    return np.moveaxis(moved @ is_month, -1, axis)


def fill_hourly(build: Build, forecast: Forecast, panel: Panel, thresholds: Thresholds) -> None:
    """Fill `forecast_hourly` from the arrays."""
    months = list_cells(forecast, panel, HOURS)
    support = sum_by_calendar_month(panel.counts, panel, axis=1)
    days = sum_by_calendar_month(panel.days, panel, axis=0)
    observed = np.divide(
        support, days[None, :, None], out=np.full_like(support, np.nan),
        where=days[None, :, None] > 0,
    )  # fmt: skip
    expected = forecast.expected.ravel()
    steps = np.searchsorted([thresholds.moderate, thresholds.high], expected, side="right")
    shares = forecast.shares.reshape(-1, len(PATROL_TYPES))
    rows = {
        **months,
        "hour": np.tile(np.arange(HOURS), len(expected) // HOURS),
        "expected_crimes": expected,
        "baseline_crimes": forecast.baseline.ravel(),
        "observed_crimes": observed.ravel(),
        "intensity": np.array(INTENSITIES)[steps],
        "suggested_patrol": np.array(PATROL_TYPES)[shares.argmax(axis=1)],
        **{column.name: shares[:, index] for index, column in enumerate(PATROL_SHARES)},
        "support_incidents": support.ravel().astype(np.int64),
    }
    build.insert_frame(FORECAST_HOURLY_TABLE, pd.DataFrame(rows))


def fill_daily(build: Build, forecast: Forecast, panel: Panel) -> None:
    """Fill `average_daily` from the arrays; its day is the sum of the hours."""
    observed = sum_by_calendar_month(panel.counts.sum(axis=2), panel, axis=1)
    days = np.broadcast_to(sum_by_calendar_month(panel.days, panel, axis=0), observed.shape)
    daily = forecast.expected.sum(axis=2)
    monthly = daily * np.array([count_days(day) for day in forecast.first_days])
    interval = predict_interval(monthly, forecast.drift)
    rows = {
        **list_cells(forecast, panel, 1),
        "average_daily_crime_count": np.divide(
            observed, days, out=np.full_like(observed, np.nan), where=days > 0
        ).ravel(),
        "observed_days": days.ravel().astype(np.int64),
        "observed_crimes": observed.ravel().astype(np.int64),
        "expected_daily_crimes": daily.ravel(),
        "expected_month_crimes": monthly.ravel(),
        "month_lower_80": interval.lower.ravel(),
        "month_upper_80": interval.upper.ravel(),
    }
    build.insert_frame(AVERAGE_DAILY_TABLE, pd.DataFrame(rows))


def list_cells(forecast: Forecast, panel: Panel, repeats: int) -> dict[str, object]:
    """Return the columns that name a cell: neighborhood, month, forecast month; `repeats` rows each."""
    count = len(panel.neighborhoods)
    first_days = pd.DatetimeIndex(forecast.first_days)
    return {
        "neighborhood": np.repeat(np.array(panel.neighborhoods, dtype=object), 12 * repeats),
        "month": np.tile(np.repeat(np.arange(1, 13), repeats), count),
        "forecast_month": np.tile(np.repeat(first_days, repeats), count),
    }
