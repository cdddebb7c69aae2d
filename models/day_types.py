"""Kinds of day: the seven weekdays and the holidays, and how crime differs between them.

Enters: days and the city's holidays, or counts by kind of day. Leaves: the kind of each day, and
factors on the rate by kind of day, clock hour and stratum whose mean over a long calendar is 1.
"""

import numpy as np
import pandas as pd

from models.arrays import Floats, Integers

KINDS = 8
"""Kinds of day: Monday 0 to Sunday 6, and holidays."""
HOLIDAY = KINDS - 1

CITY_PSEUDO_EVENTS = 100.0
STRATUM_PSEUDO_EVENTS = 100.0
"""Factors of an hour are drawn to 1, and those of a stratum to the city's, by so many events."""


def find_kinds(days: pd.DatetimeIndex, holidays: pd.DatetimeIndex) -> Integers:
    """Return the kind of each day: 0 Monday to 6 Sunday, 7 a holiday, whatever its weekday."""
    kinds: Integers = np.where(days.isin(holidays), HOLIDAY, days.weekday).astype(np.int64)
    return kinds


def average_holidays(holidays: pd.DatetimeIndex) -> float:
    """Return the mean number a year, over the years that have any; 0 without holidays."""
    return len(holidays) / max(holidays.year.nunique(), 1)


def estimate_factors(counts: Floats, kind_days: Floats | Integers, holidays_a_year: float) -> Floats:
    """Return factors (kind, hour, stratum): the rate on such a day beside that of an average day.

    `counts` (kind, hour, stratum) are those of the city, seen on `kind_days` (kind). The factors are
    shrunk; their mean over weekdays and `holidays_a_year` holidays, as often as they come, is 1. A kind
    that was never seen has the factor 1 before that mean is taken out.
    """
    days = kind_days[:, None, None].astype(np.float64)
    expected = days * counts.sum(axis=0) / days.sum()
    city = counts.sum(axis=2) + CITY_PSEUDO_EVENTS
    city = (city / (expected.sum(axis=2) + CITY_PSEUDO_EVENTS))[:, :, None]
    factors = (counts + STRATUM_PSEUDO_EVENTS * city) / (expected + STRATUM_PSEUDO_EVENTS)
    often = np.full(KINDS, (365.25 - holidays_a_year) / 7)
    often[HOLIDAY] = holidays_a_year
    normalized: Floats = factors / np.einsum("k,khs->hs", often / often.sum(), factors)
    return normalized


def count_kinds(month_numbers: Integers, holidays: pd.DatetimeIndex) -> Floats:
    """Return the days of each kind (month, kind) in whole calendar months."""
    counted = np.zeros((len(month_numbers), KINDS))
    for index, number in enumerate(month_numbers.tolist()):
        start = pd.Timestamp(number // 12, number % 12 + 1, 1)
        days = pd.date_range(start, start + pd.DateOffset(months=1), inclusive="left")
        counted[index] = np.bincount(find_kinds(days, holidays), minlength=KINDS)
    return counted


def weigh_kinds(factors: Floats, kind_days: Floats | Integers) -> Floats:
    """Return factors (month, hour, stratum): the mean over the days that each month has."""
    shares = kind_days / kind_days.sum(axis=1, keepdims=True)
    weighed: Floats = np.einsum("tk,khs->ths", shares, factors)
    return weighed
