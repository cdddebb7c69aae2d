"""Prediction intervals for the month of a neighborhood, a zone and the city, and for a day.

Input: past origins. Output: lower and upper counts for expected counts.

Counts are Poisson given the rate, and the rate itself is uncertain, so they are Gamma-Poisson (negative
binomial) with variance mu + overdispersion * mu^2 (Cameron & Trivedi, Regression Analysis of Count Data,
NB2). The overdispersion is the sum of two: that of the city's level, which all places share and which
does not average out over them, and that of a place within the city. The first is what the city level
says of itself (`models.city_level.Level`), times a scale by how far past origins missed the city; the
second is estimated at past origins with every month's city total as it came. The few past origins saw a
few shocks, or none: to estimate both together would be to expect those again.

The tails of neighborhoods are calibrated at past origins: within each group of expected volume, so that
the empirical coverage there is near the level. Past origins overlap and the future need not be
exchangeable with them, so no coverage is guaranteed; the backtest measures it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from models.arrays import Floats, Integers
from models.past_origin import PastOrigin
from warehouse.interval_levels import INTERVAL_LEVELS

VOLUME_EDGES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Expected crimes a month that separate groups of volume."""
MIN_OVERDISPERSION = 1e-6
DEFAULT_OVERDISPERSION = 0.03
"""Overdispersion where there is no past origin to estimate it at: a level off by 17 %."""
CITY_PRIOR_WEIGHT = 1.0
"""Prior weight, in past origins, of the city level's own variance in what the city's is scaled to."""
PRIOR_WEIGHT_CELLS = 100.0
"""Prior weight, in cells, of the city's overdispersion in that of a group, and of the model's own
tail."""

MAX_TAIL = 0.25
"""Neighboring mid-p values differ by half at most: with tails up to this, an interval is never empty and
lies within that of a higher level."""


class Interval(NamedTuple):
    """Lower and upper counts with the same shape as the expected counts."""

    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class IntervalModel:
    """Overdispersion (group) and tails (group, level) by group of volume, levels in `INTERVAL_LEVELS`.

    Overdispersion is that of a neighborhood within the city, `zone_overdispersion` that of a zone;
    `day_overdispersion` is what the days within a month add to it, `city_scale` the factor on the
    variance that the city level says of itself.

    In its methods `city_variance` (month) is that of the months of the last axis, `level` is in percent.
    They raise `ValueError` where it is not one of `INTERVAL_LEVELS`.
    """

    overdispersion: Floats
    tails: Floats
    day_overdispersion: float
    zone_overdispersion: float
    city_scale: float

    def predict_month(self, expected: Floats, city_variance: Floats, level: int) -> Interval:
        """Return intervals of a neighborhood's month counts, in the shape of `expected` (…, month)."""
        group = find_groups(expected)
        tail = self.tails[group, INTERVAL_LEVELS.index(level)]
        return find_interval(
            expected, self.overdispersion[group] + self.share_shock(city_variance), tail
        )

    def predict_day(self, daily: Floats, monthly: Floats, city_variance: Floats, level: int) -> Interval:
        """Return intervals of a day's count, in the shape of `daily`; its month expects `monthly`."""
        overdispersion = self.overdispersion[find_groups(monthly)] + self.day_overdispersion
        overdispersion = overdispersion + self.share_shock(city_variance)
        return find_interval(daily, overdispersion, np.full_like(daily, find_tail(level)))

    def predict_zone(self, expected: Floats, city_variance: Floats, level: int) -> Interval:
        """Return intervals of a zone's month counts, in the shape of `expected` (…, month)."""
        overdispersion = self.zone_overdispersion + self.share_shock(city_variance)
        spread = np.broadcast_to(overdispersion, expected.shape)
        return find_interval(expected, spread, np.full_like(expected, find_tail(level)))

    def predict_city(self, expected: Floats, city_variance: Floats, level: int) -> Interval:
        """Return intervals of the city's month counts, in the shape of `expected` (month)."""
        tail = np.full_like(expected, find_tail(level))
        return find_interval(expected, self.share_shock(city_variance), tail)

    def share_shock(self, city_variance: Floats) -> Floats:
        """Return the overdispersion that all places have in common (month)."""
        shared: Floats = np.maximum(self.city_scale * city_variance, MIN_OVERDISPERSION)
        return shared


def find_tail(level: int) -> float:
    """Return the probability beyond either end of a central interval of a level in percent."""
    return (1 - level / 100) / 2


def find_groups(expected: Floats) -> Integers:
    """Return the group of volume of each expected month count, in the same shape."""
    return np.searchsorted(VOLUME_EDGES, expected, side="right").astype(np.int64)


def fit_intervals(past_origins: Sequence[PastOrigin]) -> IntervalModel:
    """Return the interval model that is calibrated at past origins; the default one without any."""
    groups = len(VOLUME_EDGES) + 1
    nominal = np.array([find_tail(level) for level in INTERVAL_LEVELS])
    tails = np.tile(nominal, (groups, 1))
    if not past_origins:
        spread = np.full(groups, DEFAULT_OVERDISPERSION)
        return IntervalModel(spread, tails, 0.0, DEFAULT_OVERDISPERSION, 1.0)
    observed = np.concatenate([p.future.counts.sum(axis=2).ravel() for p in past_origins])
    expected = np.concatenate([p.divide_city_out().sum(axis=2).ravel() for p in past_origins])
    city = estimate_overdispersion(observed, expected)
    overdispersion = np.full(groups, city)
    members = find_groups(expected)
    for group in np.unique(members):
        seen, said = observed[members == group], expected[members == group]
        own = estimate_overdispersion(seen, said)
        overdispersion[group] = shrink_group(own, city, len(seen))
        tails[group] = calibrate_tails(seen, said, overdispersion[group], nominal)
    return IntervalModel(
        overdispersion,
        tails,
        estimate_day_overdispersion(past_origins),
        estimate_zone_overdispersion(past_origins),
        estimate_city_scale(past_origins),
    )


def estimate_zone_overdispersion(past_origins: Sequence[PastOrigin]) -> float:
    """Return the variance of a zone's month counts within the city beyond Poisson, relative to mu^2.

    The default in a city without zones.
    """
    member = past_origins[0].future.zone_members
    if not member.size:
        return DEFAULT_OVERDISPERSION
    observed, expected = (
        np.concatenate([(member.T @ by_hour.sum(axis=2)).ravel() for by_hour in arrays])
        for arrays in zip(*((p.future.counts, p.divide_city_out()) for p in past_origins), strict=True)
    )
    return estimate_overdispersion(observed, expected)


def estimate_city_scale(past_origins: Sequence[PastOrigin]) -> float:
    """Return the factor on the city level's variance: the mean square of its misses beside it.

    Shrunk toward 1. The months after one origin share its miss: together they count as one.
    """
    squares = []
    for past_origin in past_origins:
        observed = past_origin.future.counts.sum(axis=(0, 2)) + 0.5
        expected = past_origin.expected.sum(axis=(0, 2)) + 0.5
        variance = past_origin.city_variance + 1 / expected
        squares.append(float((np.log(observed / expected) ** 2 / variance).mean()))
    return (CITY_PRIOR_WEIGHT + sum(squares)) / (CITY_PRIOR_WEIGHT + len(squares))


def shrink_group(own: Floats | float, prior: Floats | float, cells: int) -> Floats:
    """Return a group's own value shrunk toward `prior` by `PRIOR_WEIGHT_CELLS`, in the shape of both."""
    return np.asarray((cells * own + PRIOR_WEIGHT_CELLS * prior) / (cells + PRIOR_WEIGHT_CELLS))


def calibrate_tails(
    observed: Floats, expected: Floats, overdispersion: float, nominal: Floats
) -> Floats:
    """Return tails (level) beyond which as few counts lay as the levels allow, shrunk to `nominal`.

    A level's tail is the quantile of the counts' tail probabilities that leaves its share of them
    inside: 1 - level of the counts lay deeper in the tails.
    """
    depth = compute_tail_probability(observed, expected, overdispersion)
    found = np.array([np.quantile(depth, 1 - level / 100) for level in INTERVAL_LEVELS])
    return np.minimum(shrink_group(found, nominal, len(observed)), MAX_TAIL)


def estimate_overdispersion(observed: Floats, expected: Floats) -> float:
    """Return the variance of counts beyond Poisson, relative to mu^2, by the method of moments."""
    excess = ((observed - expected) ** 2 - expected).sum() / (expected**2).sum()
    return max(float(excess), MIN_OVERDISPERSION)


def estimate_day_overdispersion(past_origins: Sequence[PastOrigin]) -> float:
    """Return the variance of a day's count beyond Poisson within its month, relative to mu^2.

    By the method of moments; mu^2 of a month's days is estimated without bias from y (y - 1), the
    second factorial moment of a Poisson count.
    """
    excess, squares = 0.0, 0.0
    for past_origin in past_origins:
        counts = past_origin.future.day_counts.astype(np.float64)
        for number in past_origin.targets:
            month = counts[:, past_origin.future.day_months == number]
            total, days = month.sum(axis=1), month.shape[1]
            excess += float((month * (month - 1)).sum())
            squares += float((total * (total - 1)).sum()) / days
    return max(excess / squares - 1, 0.0) if squares > 0 else 0.0


def compute_tail_probability(observed: Floats, expected: Floats, overdispersion: float) -> Floats:
    """Return how deep in its distribution each count lay: mid-p value of the nearer tail, same shape."""
    size = 1 / overdispersion
    chance = size / (size + expected)
    below = stats.nbinom.cdf(observed - 1, size, chance)
    middle = below + stats.nbinom.pmf(observed, size, chance) / 2
    depth: Floats = np.minimum(middle, 1 - middle)
    return depth


def find_interval(expected: Floats, overdispersion: Floats, tail: Floats) -> Interval:
    """Return the counts whose mid-p value is at least `tail` away from 0 and 1, all of one shape.

    Counts are whole: where very little is expected, the interval is 0 to 0, and covers more or less
    than asked; mid-p values (Lancaster 1961) make the coverage right on average over a group.
    """
    size = 1 / overdispersion
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
