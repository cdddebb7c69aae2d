"""Day types: the seven weekdays and the holidays, and how crime differs between them.

Input: days and the city's holidays, or counts by day type. Output: the type of each day, and
factors on the rate by day type, clock hour and stratum whose mean over a long calendar is 1.
"""

import numpy as np
import pandas as pd

from models.arrays import Floats, Integers
from warehouse.months import start_month

DAY_TYPES = 8
"""Day types: Monday 0 to Sunday 6, and holidays."""
HOLIDAY = DAY_TYPES - 1

CITY_PRIOR_WEIGHT = 100.0
STRATUM_PRIOR_WEIGHT = 100.0
"""Prior weights, in incidents: of 1 in the factors of an hour, of the city's in those of a stratum."""


def find_day_types(days: pd.DatetimeIndex, holidays: pd.DatetimeIndex) -> Integers:
    """Return the type (day): 0 Monday to 6 Sunday, 7 a holiday, whatever its weekday."""
    types: Integers = np.where(days.isin(holidays), HOLIDAY, days.weekday).astype(np.int64)
    return types


def average_holidays(holidays: pd.DatetimeIndex) -> float:
    """Return the mean number a year, over the years that have any; 0 without holidays."""
    return len(holidays) / max(holidays.year.nunique(), 1)


def estimate_factors(counts: Floats, day_type_days: Floats | Integers, holidays_a_year: float) -> Floats:
    """Return factors (day type, hour, stratum): the rate on such a day beside that of an average day.

    `counts` (day type, hour, stratum) are those of the city, seen on `day_type_days` (day type). The
    factors are shrunk; their mean over weekdays and `holidays_a_year` holidays, as often as they come,
    is 1. A type that was never seen has the factor 1 before that mean is taken out.
    """
    days = day_type_days[:, None, None].astype(np.float64)
    expected = days * counts.sum(axis=0) / days.sum()
    city = counts.sum(axis=2) + CITY_PRIOR_WEIGHT
    city = (city / (expected.sum(axis=2) + CITY_PRIOR_WEIGHT))[:, :, None]
    factors = (counts + STRATUM_PRIOR_WEIGHT * city) / (expected + STRATUM_PRIOR_WEIGHT)
    often = np.full(DAY_TYPES, (365.25 - holidays_a_year) / 7)
    often[HOLIDAY] = holidays_a_year
    normalized: Floats = factors / np.einsum("k,khs->hs", often / often.sum(), factors)
    return normalized


def count_day_types(month_numbers: Integers, holidays: pd.DatetimeIndex) -> Floats:
    """Return the days of each type (month, day type) in whole calendar months."""
    counted = np.zeros((len(month_numbers), DAY_TYPES))
    for index, number in enumerate(month_numbers.tolist()):
        start = pd.Timestamp(start_month(number))
        days = pd.date_range(start, start + pd.DateOffset(months=1), inclusive="left")
        counted[index] = np.bincount(find_day_types(days, holidays), minlength=DAY_TYPES)
    return counted


def average_factors(factors: Floats, day_type_days: Floats | Integers) -> Floats:
    """Return factors (month, hour, stratum): the mean over the days that each month has."""
    shares = day_type_days / day_type_days.sum(axis=1, keepdims=True)
    weighed: Floats = np.einsum("tk,khs->ths", shares, factors)
    return weighed
