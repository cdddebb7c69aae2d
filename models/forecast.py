"""All models to one forecast of the twelve months after the cutoff.

Input: a `Panel` and the cutoff. Output: a `Forecast` of arrays and the `Decisions` of the models. Every
coarser number is the sum or mean of the finest: hours of weekdays, hours, days, months.
"""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from models.arrays import Floats, Integers
from models.base_rate import estimate_base
from models.category_mix import estimate_mix
from models.day_types import DAY_TYPES, average_factors, find_day_types
from models.interval import IntervalModel, fit_intervals
from models.panel import HOURS, Panel
from models.past_origin import HORIZON_MONTHS, replay_origins
from models.patrol_forest import fit_patrol, share_out
from models.volume_forest import fit_volume
from warehouse.months import MONTHS, number_month, start_month

MODERATE_QUANTILE = 0.50
HIGH_QUANTILE = 0.90
INTENSITY_QUANTILES = (MODERATE_QUANTILE, HIGH_QUANTILE)
"""Intensity is moderate from the median cell of city and year on, high from nine cells in ten on. The
same two thresholds hold for every neighborhood, month and hour, and are stored in refresh_run. Local
intensity is the same by the neighborhood's own cells of the year: months and hours."""

WEEKDAYS = 7


@dataclass(frozen=True)
class Days:
    """The days of the target months m by weekday w: how many, of which type, with which hours.

    `day_types[m, w, k]` counts days, `hours[m, w, h]` how often the clock hour occurs on them: once a
    day, but for the two clock changes.
    """

    first_days: tuple[dt.date, ...]
    day_types: Floats
    hours: Floats

    @property
    def counts(self) -> Floats:
        """Days (month, weekday)."""
        counted: Floats = self.day_types.sum(axis=2)
        return counted


@dataclass(frozen=True)
class Forecast:
    """Arrays by neighborhood, the twelve months in calendar order, and hour.

    `weekday` (…, weekday, hour) are crimes in the clock hour on an average such weekday of the month,
    `expected` and `baseline` (…, hour) on an average day; `weekday_reported` and `reported` are what the
    public reports of them. `shares` (…, type) and `categories`
    (…, category) are shares of `expected`; each adds up to 1. `city_variance` (month) is that of the
    city's level (`models.city_level.Level`).
    """

    days: Days
    weekday: Floats
    weekday_reported: Floats
    expected: Floats
    reported: Floats
    baseline: Floats
    shares: Floats
    category_names: tuple[str, ...]
    categories: Floats
    intervals: IntervalModel
    city_variance: Floats


@dataclass(frozen=True)
class Decisions:
    """What the models decided about themselves: stored in `refresh_run`.

    Thresholds are expected crimes per hour from which intensity is moderate and high, blend weights how
    much of the forests is applied (0-1), completeness the share reported of the newest month (0-1).
    """

    intensity_moderate_from: float
    intensity_high_from: float
    volume_blend_weight: float
    patrol_blend_weight: float
    newest_month_completeness: float


def next_months(cutoff: dt.date) -> list[int]:
    """Return the month numbers of the twelve months after the cutoff's, January first."""
    following = number_month(cutoff) + 1
    return sorted(range(following, following + HORIZON_MONTHS), key=lambda number: number % MONTHS)


def make_forecast(panel: Panel, cutoff: dt.date, zone: ZoneInfo) -> tuple[Forecast, Decisions]:
    """Fit both forests on all that is known at the cutoff and predict the twelve months after it."""
    targets = np.array(next_months(cutoff))
    origin = int(targets.min())
    past = panel.before(origin)
    past_origins = replay_origins(past, origin)
    volume, patrol = fit_volume(past_origins, origin), fit_patrol(past_origins, origin)
    base = estimate_base(past, origin, targets)
    correction = volume.correct(past, origin, targets, base.rates.sum(axis=3))
    days = list_days(targets, zone, past.holidays)
    rates, mix = base.rates * correction[..., None], estimate_mix(past)
    weekday = spread_over_weekdays(past, rates, days)
    reported = np.minimum(spread_over_weekdays(past, mix.keep_reported(rates), days), weekday)
    expected = average_weekdays(weekday, days)
    forecast = Forecast(
        days=days,
        weekday=weekday,
        weekday_reported=reported,
        expected=expected,
        reported=np.minimum(average_weekdays(reported, days), expected),
        baseline=average_weekdays(spread_over_weekdays(past, base.rates, days), days),
        shares=patrol.predict(share_out(past, base.rates), targets),
        category_names=past.category_names,
        categories=mix.share_categories(base.rates),
        intervals=fit_intervals(past_origins),
        city_variance=base.city_variance,
    )
    moderate, high = np.quantile(expected, INTENSITY_QUANTILES)
    return forecast, Decisions(
        intensity_moderate_from=float(moderate),
        intensity_high_from=float(high),
        volume_blend_weight=volume.blend_weight,
        patrol_blend_weight=patrol.blend_weight,
        newest_month_completeness=float(past.completeness[-1]),
    )


def list_days(targets: Integers, zone: ZoneInfo, holidays: pd.DatetimeIndex) -> Days:
    """Return the days of the target months."""
    day_types = np.zeros((len(targets), WEEKDAYS, DAY_TYPES))
    hours = np.zeros((len(targets), WEEKDAYS, HOURS))
    first_days = tuple(start_month(number) for number in targets.tolist())
    for index, first in enumerate(first_days):
        start = pd.Timestamp(first)
        end = start + pd.DateOffset(months=1)
        month = pd.date_range(start, end, inclusive="left")
        np.add.at(day_types[index], (month.weekday, find_day_types(month, holidays)), 1)
        # In some zones the clock changes at midnight, which is then skipped or comes twice.
        first_hour, end_hour = (
            midnight.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
            for midnight in (start, end)
        )
        local = pd.date_range(first_hour, end_hour, freq="h", inclusive="left")
        np.add.at(hours[index], (local.weekday, local.hour), 1)
    return Days(first_days, day_types, hours)


def spread_over_weekdays(past: Panel, rates: Floats, days: Days) -> Floats:
    """Return crimes per clock hour on an average such weekday (neighborhood, month, weekday, hour).

    `rates` (neighborhood, month, hour, stratum) are those of the average day of the month; holidays
    count for the weekday they fall on.
    """
    factors = past.day_type_factors
    average = average_factors(factors, days.day_types.sum(axis=1))
    lifts = np.stack(
        [average_factors(factors, days.day_types[:, weekday]) for weekday in range(WEEKDAYS)], axis=1
    )
    occurring = days.hours / days.counts[:, :, None]
    weights = lifts / average[:, None] * occurring[..., None]
    by_weekday: Floats = np.einsum("nmhs,mwhs->nmwh", rates, weights, optimize=True)
    return by_weekday


def average_weekdays(weekday: Floats, days: Days) -> Floats:
    """Return the mean over the days of the month (neighborhood, month, hour)."""
    shares = days.counts / days.counts.sum(axis=1, keepdims=True)
    average: Floats = np.einsum("nmwh,mw->nmh", weekday, shares)
    return average
