"""All models to the published forecast tables.

Enters: a build with clean tables. Leaves: `forecast_hourly`, `forecast_hourly_weekday`,
`forecast_category` and `average_daily`, complete for every neighborhood and month. Every coarser
number is the sum or mean of the finest: hours of weekdays, hours, days, months.
"""

import calendar
import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from models.arrays import Floats, Integers
from models.base_rate import estimate_base
from models.day_types import KINDS, find_kinds, weigh_kinds
from models.interval import Spread, measure_spread
from models.panel import HOURS, Panel
from models.past_origin import HORIZON_MONTHS, rehearse
from models.patrol import fit_patrol, rank_patrols, share_out
from models.volume import fit_volume
from warehouse.build import Build
from warehouse.columns import INTENSITIES, PATROL_SHARES, PATROL_TYPES
from warehouse.tables_forecast import (
    AVERAGE_DAILY_TABLE,
    FORECAST_CATEGORY_TABLE,
    FORECAST_HOURLY_TABLE,
    FORECAST_HOURLY_WEEKDAY_TABLE,
)

MODERATE_QUANTILE = 0.50
HIGH_QUANTILE = 0.90
"""Intensity is moderate above the median cell of city and year, high above nine cells in ten. The
same two thresholds hold for every neighborhood, month and hour, and are stored in refresh_run."""

WEEKDAYS = 7
TOP_CATEGORIES = 3


@dataclass(frozen=True)
class Days:
    """The days of the target months m by weekday w: how many, of which kind, with which hours.

    `kinds[m, w, k]` counts days, `hours[m, w, h]` how often the clock hour occurs on them: once a day,
    but for the two clock changes.
    """

    first_days: tuple[dt.date, ...]
    kinds: Floats
    hours: Floats

    @property
    def counts(self) -> Floats:
        """Days (month, weekday)."""
        counted: Floats = self.kinds.sum(axis=2)
        return counted


@dataclass(frozen=True)
class Forecast:
    """Arrays by neighborhood, the twelve months in calendar order, and hour.

    `weekday` (…, weekday, hour) are crimes in the clock hour on an average such weekday of the month,
    `expected` and `baseline` (…, hour) on an average day. `shares` (…, type) and `categories`
    (…, category) are shares of `expected`; each adds up to 1.
    """

    days: Days
    weekday: Floats
    expected: Floats
    baseline: Floats
    shares: Floats
    category_names: tuple[str, ...]
    categories: Floats
    spread: Spread


@dataclass(frozen=True)
class Decisions:
    """What the models decided about themselves: stored in `refresh_run`.

    Thresholds are expected crimes per hour from which intensity is moderate and high, shares how much
    of the forests is applied, completeness what is reported of the newest month.
    """

    intensity_moderate_from: float
    intensity_high_from: float
    volume_blend_weight: float
    patrol_blend_weight: float
    newest_month_completeness: float


def next_months(cutoff: dt.date) -> list[int]:
    """Return the month numbers of the twelve months after the cutoff's, January first."""
    following = cutoff.year * 12 + cutoff.month
    return sorted(range(following, following + HORIZON_MONTHS), key=lambda number: number % 12)


def make_forecast(panel: Panel, cutoff: dt.date, zone: ZoneInfo) -> tuple[Forecast, Decisions]:
    """Fit both forests on all that is known at the cutoff and predict the twelve months after it."""
    targets = np.array(next_months(cutoff))
    origin = int(targets.min())
    past = panel.before(origin)
    rehearsals = rehearse(past, origin)
    volume, patrol = fit_volume(rehearsals, origin), fit_patrol(rehearsals, origin)
    base = estimate_base(past, origin, targets)
    correction = volume.correct(past, origin, targets, base.sum(axis=3))
    days = list_days(targets, zone, past.holidays)
    weekday = spread_over_weekdays(past, base * correction[..., None], days)
    expected = average_weekdays(weekday, days)
    names = tuple(sorted({name for stratum in past.strata for name in stratum.category_shares}))
    mix = np.array([[s.category_shares.get(name, 0.0) for name in names] for s in past.strata])
    forecast = Forecast(
        days=days,
        weekday=weekday,
        expected=expected,
        baseline=average_weekdays(spread_over_weekdays(past, base, days), days),
        shares=patrol.predict(share_out(past, base), targets),
        category_names=names,
        categories=base @ mix / base.sum(axis=3, keepdims=True),
        spread=measure_spread(rehearsals),
    )
    moderate, high = np.quantile(expected, [MODERATE_QUANTILE, HIGH_QUANTILE])
    return forecast, Decisions(
        intensity_moderate_from=float(moderate),
        intensity_high_from=float(high),
        volume_blend_weight=volume.share,
        patrol_blend_weight=patrol.share,
        newest_month_completeness=float(past.completeness[-1]),
    )


def list_days(targets: Integers, zone: ZoneInfo, holidays: pd.DatetimeIndex) -> Days:
    """Return the days of the target months."""
    kinds = np.zeros((len(targets), WEEKDAYS, KINDS))
    hours = np.zeros((len(targets), WEEKDAYS, HOURS))
    first_days = tuple(dt.date(number // 12, number % 12 + 1, 1) for number in targets.tolist())
    for index, first in enumerate(first_days):
        start = pd.Timestamp(first)
        end = start + pd.DateOffset(months=1)
        month = pd.date_range(start, end, inclusive="left")
        np.add.at(kinds[index], (month.weekday, find_kinds(month, holidays)), 1)
        local = pd.date_range(start.tz_localize(zone), end.tz_localize(zone), freq="h", inclusive="left")
        np.add.at(hours[index], (local.weekday, local.hour), 1)
    return Days(first_days, kinds, hours)


def spread_over_weekdays(past: Panel, rates: Floats, days: Days) -> Floats:
    """Return crimes per clock hour on an average such weekday (neighborhood, month, weekday, hour).

    `rates` (neighborhood, month, hour, stratum) are those of the average day of the month; holidays
    count for the weekday they fall on.
    """
    factors = past.kind_factors
    average = weigh_kinds(factors, days.kinds.sum(axis=1))
    lifts = np.stack(
        [weigh_kinds(factors, days.kinds[:, weekday]) for weekday in range(WEEKDAYS)], axis=1
    )
    occurring = days.hours / days.counts[:, :, None]
    weights = lifts / average[:, None] * occurring[..., None]
    spread: Floats = np.einsum("nmhs,mwhs->nmwh", rates, weights, optimize=True)
    return spread


def average_weekdays(weekday: Floats, days: Days) -> Floats:
    """Return the mean over the days of the month (neighborhood, month, hour)."""
    shares = days.counts / days.counts.sum(axis=1, keepdims=True)
    average: Floats = np.einsum("nmwh,mw->nmh", weekday, shares)
    return average


def fill_forecasts(build: Build, forecast: Forecast, decisions: Decisions, panel: Panel) -> None:
    """Fill the forecast tables."""
    fill_hourly(build, forecast, decisions, panel)
    fill_weekday(build, forecast, panel)
    fill_category(build, forecast, panel)
    fill_daily(build, forecast, panel)


def sum_by_calendar_month(values: Floats | Integers, panel: Panel, axis: int) -> Floats:
    """Return sums over the observed months of each calendar month, January first."""
    is_month = panel.months[:, None] == np.arange(1, 13)[None, :]
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
    thresholds = [decisions.intensity_moderate_from, decisions.intensity_high_from]
    steps = np.searchsorted(thresholds, forecast.expected.ravel(), side="right")
    suggested, runner_up = (index.ravel() for index in rank_patrols(forecast.shares, forecast.expected))
    shares = forecast.shares.reshape(-1, len(PATROL_TYPES))
    cells = np.arange(len(shares))
    rows = {
        **list_cells(forecast, panel, HOURS),
        "hour": np.tile(np.arange(HOURS), len(shares) // HOURS),
        "expected_crimes": forecast.expected.ravel(),
        "baseline_crimes": forecast.baseline.ravel(),
        "observed_crimes": observed.ravel(),
        "intensity": np.array(INTENSITIES)[steps],
        "suggested_patrol": np.array(PATROL_TYPES)[suggested],
        "suggested_patrol_share": shares[cells, suggested],
        "runner_up_patrol": np.array(PATROL_TYPES)[runner_up],
        "patrol_margin": shares[cells, suggested] - shares[cells, runner_up],
        **{column.name: shares[:, index] for index, column in enumerate(PATROL_SHARES)},
        "support_incidents": support.ravel().astype(np.int64),
    }
    build.insert_frame(FORECAST_HOURLY_TABLE, pd.DataFrame(rows))


def fill_weekday(build: Build, forecast: Forecast, panel: Panel) -> None:
    """Fill `forecast_hourly_weekday` from the arrays."""
    count = len(panel.neighborhoods)
    rows = {
        **list_cells(forecast, panel, WEEKDAYS * HOURS),
        "iso_weekday": np.tile(np.repeat(np.arange(1, WEEKDAYS + 1), HOURS), count * 12),
        "hour": np.tile(np.arange(HOURS), count * 12 * WEEKDAYS),
        "exposure_days": np.tile(np.repeat(forecast.days.counts.astype(np.int64).ravel(), HOURS), count),
        "expected_crimes": forecast.weekday.ravel(),
    }
    build.insert_frame(FORECAST_HOURLY_WEEKDAY_TABLE, pd.DataFrame(rows))


def fill_category(build: Build, forecast: Forecast, panel: Panel) -> None:
    """Fill `forecast_category` with the categories of the largest share in every cell."""
    names = np.array(forecast.category_names, dtype=object)
    top = min(TOP_CATEGORIES, len(names))
    shares = forecast.categories.reshape(-1, len(names))
    order = np.argsort(-shares, axis=1, kind="stable")[:, :top]
    chosen = np.take_along_axis(shares, order, axis=1)
    rows = {
        **list_cells(forecast, panel, HOURS * top),
        "hour": np.tile(np.repeat(np.arange(HOURS), top), len(shares) // HOURS),
        "category_rank": np.tile(np.arange(1, top + 1), len(shares)),
        "offense_category": names[order.ravel()],
        "expected_crimes": (chosen * forecast.expected.reshape(-1, 1)).ravel(),
        "category_share": chosen.ravel(),
    }
    build.insert_frame(FORECAST_CATEGORY_TABLE, pd.DataFrame(rows))


def fill_daily(build: Build, forecast: Forecast, panel: Panel) -> None:
    """Fill `average_daily` from the arrays; its day is the sum of the hours."""
    observed = sum_by_calendar_month(panel.counts.sum(axis=2), panel, axis=1)
    days = np.broadcast_to(sum_by_calendar_month(panel.calendar_days, panel, axis=0), observed.shape)
    daily = forecast.expected.sum(axis=2)
    monthly = daily * np.array([count_days(day) for day in forecast.days.first_days])
    spread = forecast.spread
    intervals = {
        "month_{}_80": spread.predict_month(monthly, 0.80),
        "month_{}_95": spread.predict_month(monthly, 0.95),
        "day_{}_80": spread.predict_day(daily, monthly, 0.80),
    }
    rows = {
        **list_cells(forecast, panel, 1),
        "average_daily_crime_count": np.divide(
            observed, days, out=np.full_like(observed, np.nan), where=days > 0
        ).ravel(),
        "observed_days": days.ravel().astype(np.int64),
        "observed_crimes": observed.ravel().astype(np.int64),
        "expected_daily_crimes": daily.ravel(),
        "expected_month_crimes": monthly.ravel(),
        **{
            name.format(end): getattr(interval, end).ravel()
            for name, interval in intervals.items()
            for end in ("lower", "upper")
        },
    }
    build.insert_frame(AVERAGE_DAILY_TABLE, pd.DataFrame(rows))


def count_days(first_day: dt.date) -> int:
    """Return the days of the month that begins on `first_day`."""
    return calendar.monthrange(first_day.year, first_day.month)[1]


def list_cells(forecast: Forecast, panel: Panel, repeats: int) -> dict[str, object]:
    """Return the columns that name a cell: neighborhood, month, forecast month; `repeats` rows each."""
    count = len(panel.neighborhoods)
    first_days = pd.DatetimeIndex(forecast.days.first_days)
    names = pd.Index(panel.neighborhoods).repeat(12 * repeats)
    return {
        "neighborhood": names.astype("category"),
        "month": np.tile(np.repeat(np.arange(1, 13), repeats), count),
        "forecast_month": np.tile(np.repeat(first_days, repeats), count),
    }
