"""Reports that come late: how much of each past month is reported by now.

Input: incidents by month, and those reported in a later month than they occurred in. Output: the share
of each month's incidents that is reported before an origin. A newest month counts for less because of
it (`Panel.exposure`), instead of looking like a fall in crime.
"""

import numpy as np
import pandas as pd

from models.arrays import Floats, Integers

MAX_LAG_MONTHS = 12
"""Months after which a month counts as reported in full."""

LATE_COLUMNS = ["place", "month_number", "day", "hour", "stratum", "reported_month", "incidents"]


def estimate_completeness(
    counts: Floats, month_numbers: Integers, late: pd.DataFrame, origin: int
) -> Floats:
    """Return the share (month) of each month's incidents that is reported before `origin`, in 0-1.

    `counts` (month) are all incidents reported before it, `late` (columns `LATE_COLUMNS`) those of them
    that were reported in a later month. Months between files make no difference: each month is as old
    as the calendar says.
    """
    ages = origin - 1 - month_numbers
    completeness = chain_ladder(cumulate_reports(counts, month_numbers, late), ages)
    known: Floats = completeness[np.minimum(ages, MAX_LAG_MONTHS)]
    return known


def cumulate_reports(counts: Floats, month_numbers: Integers, late: pd.DataFrame) -> Floats:
    """Return the run-off triangle (month, age): incidents reported by each age of 0-12 months.

    Ages that a month has not reached yet hold what is reported so far.
    """
    lags = np.minimum(late["reported_month"] - late["month_number"], MAX_LAG_MONTHS)
    by_lag = np.zeros((len(month_numbers), MAX_LAG_MONTHS + 1))
    month = np.searchsorted(month_numbers, late["month_number"])
    np.add.at(by_lag, (month, lags), late["incidents"])
    by_lag[:, 0] = counts - by_lag.sum(axis=1)
    triangle: Floats = by_lag.cumsum(axis=1)
    return triangle


def chain_ladder(triangle: Floats, ages: Integers) -> Floats:
    """Return the share (age 0-12) of a month's incidents that is reported by that age.

    Chain ladder (Mack 1993, ASTIN Bulletin 23:2, estimator of f_k): the factor from age k to k + 1
    is f_k = sum_i C_{i,k+1} / sum_i C_{i,k}; the share reported by age k is 1 / (f_k f_{k+1} …).
    Ratios of sums, not means of ratios: a quiet month would else weigh as much as a busy one, and one
    without early reports would divide by zero. Only months older than k have reached k + 1; with those
    of age k itself, whose later reports are still to come, every factor would be too small. Where no
    month is old enough, or nothing was reported, a factor is 1.
    """
    completeness = np.ones(MAX_LAG_MONTHS + 1)
    for age in reversed(range(MAX_LAG_MONTHS)):
        old = ages > age
        later = triangle[old, age + 1].sum()
        step = triangle[old, age].sum() / later if later else 1.0
        completeness[age] = completeness[age + 1] * step
    return completeness
