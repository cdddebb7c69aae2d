"""Prediction intervals for a neighborhood's month and day.

Enters: rehearsals of past origins. Leaves: lower and upper counts for expected counts.

Counts are Poisson given the rate; the rate drifts, so they are Gamma-Poisson (negative binomial) with
variance mu + drift * mu^2 (Cameron & Trivedi, Regression Analysis of Count Data, NB2). The tails are
then set so that, within each group of volume, the intervals would have held at past origins as often
as they promise (conformal prediction; Angelopoulos & Bates 2023, Foundations and Trends in ML 16:4).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from models.arrays import Floats
from models.past_origin import Rehearsal

COVERAGES = (0.80, 0.95)
VOLUME_EDGES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Expected crimes a month that separate groups of volume."""
SMALLEST_DRIFT = 1e-6
USUAL_DRIFT = 0.03
"""Drift where there is no past origin to measure it at: a level off by 17 %."""
USUAL_CELLS = 100.0
"""Weight of the whole city's drift in that of a group, and of the model's own tail, in cells."""


LARGEST_TAIL = 0.25
"""Neighboring mid-p values differ by half at most: with tails up to this, an interval is never empty and
lies within that of a larger coverage."""


@dataclass(frozen=True)
class Interval:
    """Lower and upper counts with the same shape as the expected counts."""

    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class Spread:
    """Drift and tails (group, coverage) by group of volume; `day_drift` is what days add to it."""

    drift: Floats
    tails: Floats
    day_drift: float

    def predict_month(self, expected: Floats, coverage: float) -> Interval:
        """Return intervals of month counts that hold with probability `coverage`, one of `COVERAGES`."""
        group = find_groups(expected)
        tail = self.tails[group, COVERAGES.index(coverage)]
        return find_interval(expected, self.drift[group], tail)

    def predict_day(self, daily: Floats, monthly: Floats, coverage: float) -> Interval:
        """Return intervals of the counts of a day, in a month that is expected to have `monthly`."""
        drift = self.drift[find_groups(monthly)] + self.day_drift
        return find_interval(daily, drift, np.full_like(daily, (1 - coverage) / 2))


def find_groups(expected: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return the group of volume of each expected month count."""
    return np.searchsorted(VOLUME_EDGES, expected, side="right").astype(np.int64)


def measure_spread(rehearsals: Sequence[Rehearsal]) -> Spread:
    """Return how far counts lay from what was expected at past origins."""
    groups = len(VOLUME_EDGES) + 1
    usual = np.array([(1 - coverage) / 2 for coverage in COVERAGES])
    if not rehearsals:
        return Spread(np.full(groups, USUAL_DRIFT), np.tile(usual, (groups, 1)), 0.0)
    observed, expected = (
        np.concatenate([np.ravel(values) for values in parts])
        for parts in zip(
            *((r.future.counts.sum(axis=2), r.expected.sum(axis=2)) for r in rehearsals), strict=True
        )
    )
    city = measure_drift(observed, expected)
    drift, tails = np.full(groups, city), np.tile(usual, (groups, 1))
    for group in range(groups):
        member = find_groups(expected) == group
        if not member.any():
            continue
        cells = member.sum()
        own = measure_drift(observed[member], expected[member])
        drift[group] = (cells * own + USUAL_CELLS * city) / (cells + USUAL_CELLS)
        depth = measure_depth(observed[member], expected[member], drift[group])
        found = np.array([np.quantile(depth, 1 - coverage) for coverage in COVERAGES])
        mixed = (cells * found + USUAL_CELLS * usual) / (cells + USUAL_CELLS)
        tails[group] = np.minimum(mixed, LARGEST_TAIL)
    return Spread(drift, tails, measure_day_drift(rehearsals))


def measure_drift(observed: Floats, expected: Floats) -> float:
    """Return the variance of counts beyond Poisson, relative to mu^2, by the method of moments."""
    excess = ((observed - expected) ** 2 - expected).sum() / (expected**2).sum()
    return max(float(excess), SMALLEST_DRIFT)


def measure_day_drift(rehearsals: Sequence[Rehearsal]) -> float:
    """Return the variance of a day's count beyond Poisson within its month, relative to mu^2.

    By the method of moments; mu^2 of a month's days is estimated without bias from y (y - 1).
    """
    excess, squares = 0.0, 0.0
    for rehearsal in rehearsals:
        counts = rehearsal.future.day_counts.astype(np.float64)
        for number in rehearsal.targets:
            month = counts[:, rehearsal.future.day_months == number]
            total, days = month.sum(axis=1), month.shape[1]
            excess += float((month * (month - 1)).sum())
            squares += float((total * (total - 1)).sum()) / days
    return max(excess / squares - 1, 0.0) if squares > 0 else 0.0


def measure_depth(observed: Floats, expected: Floats, drift: float) -> Floats:
    """Return how deep in its distribution each count lay: mid-p value of the nearer tail."""
    size = 1 / drift
    chance = size / (size + expected)
    below = stats.nbinom.cdf(observed - 1, size, chance)
    middle = below + stats.nbinom.pmf(observed, size, chance) / 2
    depth: Floats = np.minimum(middle, 1 - middle)
    return depth


def find_interval(expected: Floats, drift: Floats, tail: Floats) -> Interval:
    """Return the counts whose mid-p value is at least `tail` away from 0 and 1.

    Counts are whole: where very little is expected, the interval is 0 to 0, and holds more or less
    than asked; mid-p values make the groups hold what is asked on average.
    """
    size = 1 / drift
    chance = size / (size + expected)
    lower, upper = (
        np.asarray(stats.nbinom.ppf(level, size, chance), dtype=np.float64) for level in (tail, 1 - tail)
    )
    middle_of_lower, middle_of_upper = (
        stats.nbinom.cdf(count - 1, size, chance) + stats.nbinom.pmf(count, size, chance) / 2
        for count in (lower, upper)
    )
    lower = lower + (middle_of_lower < tail)
    upper = upper - (middle_of_upper > 1 - tail)
    return Interval(lower, upper)
