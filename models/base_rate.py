"""Base rates: what counts and shrinkage alone say, before any forest.

Input: a `Panel` that ends at the origin. Output: expected crimes per clock hour, by neighborhood,
target month, hour and stratum: the city's level (`models.city_level`), times the neighborhood's share of
it, times a shape over the hours. Shares and shapes are empirical Bayes: each is shrunk toward a broader
one, whose prior weight is a number of incidents, so that a neighborhood with few incidents borrows from
its own past, its NPU and the city (Gelman et al. 2013, Bayesian Data Analysis, 2.7: a Gamma prior of a
Poisson rate adds its weight to the counts).
"""

from dataclasses import dataclass

import numpy as np

from models.arrays import Floats, Integers
from models.city_level import Level, forecast_level
from models.day_types import average_factors, count_day_types
from models.hour_season import estimate_hour_seasons
from models.panel import HOURS, Panel

# Chosen by deviance at past origins (docs/adr/0002-base-and-forests.md).
RECENT_HALF_LIFE = 3.0
LONG_HALF_LIFE = 18.0
SHAPE_HALF_LIFE = 18.0
CITY_SHAPE_HALF_LIFE = 6.0
"""Half-lives of the weights on past months, in months."""
MIX_PRIOR_WEIGHT = 200.0
"""Prior weight, in incidents of the city, of a neighborhood's share of all crime in that of a
stratum."""
NPU_PRIOR_WEIGHT = 100.0
MOVE_PRIOR_WEIGHT = 18.0
"""Prior weights of the long shares of an NPU and of a neighborhood beside its recent incidents."""
SHAPE_PRIOR_WEIGHT = 40.0
"""Prior weight, in incidents, of the broader shape in that of a neighborhood or NPU."""
SHAPE_TYPES = 3
"""Ways in which the hours of a neighborhood differ from the city's (components of a low rank)."""
SHAPE_TYPE_SHARE = 0.5
"""Weight of those beside the NPU in what a neighborhood's hours are shrunk toward."""
HOUR_BANDWIDTH = 1.2
"""Standard deviation of the circular smoothing over the hours of a neighborhood, in hours."""

MEMORY_STEP = 0.02
"""Change of the newest months' counts, log scale, by which the memory of the level is measured."""

REFERENCE_HALF_LIFE = 12.0
REFERENCE_PRIOR_WEIGHT = 10.0


def weigh_months(panel: Panel, origin: int, half_life: float) -> Floats:
    """Return weights (month): 1 at the origin, halved every `half_life` months."""
    ages = origin - 0.5 - panel.month_numbers
    weights: Floats = np.exp2(-ages / half_life)
    return weights


def estimate_reference(panel: Panel, origin: int) -> Floats:
    """Return the reference of the backtest (neighborhood, hour), crimes per clock hour.

    Empirical Bayes with half-life `REFERENCE_HALF_LIFE` and prior weight k. For weighted counts C(n,h)
    and days D(h), city hour profile p(h) and neighborhood rate r(n) = (C(n) + 0.5) / D: rate(n,h) =
    (C(n,h) + k) / (D(h) + k / (r(n) p(h))).
    """
    k = REFERENCE_PRIOR_WEIGHT
    weights = weigh_months(panel, origin, REFERENCE_HALF_LIFE)
    counts, exposure = np.einsum("nth,t->nh", panel.counts, weights), weights @ panel.exposure
    by_hour = counts.sum(axis=0) + 0.5
    prior = (counts.sum(axis=1) + 0.5)[:, None] / exposure.mean() * by_hour / by_hour.sum()
    rates: Floats = (counts + k) / (exposure + k / prior)
    return rates


@dataclass(frozen=True)
class Base:
    """Expected crimes per clock hour, `rates` (neighborhood, target month, hour, stratum).

    An hour is one of an average day of its month, with the weekdays and holidays the month has.
    `city_variance` (target month) is that of `models.city_level.Level`.
    """

    rates: Floats
    city_variance: Floats


def estimate_base(past: Panel, origin: int, targets: Integers) -> Base:
    """Return the base rate of `targets`, month numbers from `origin` on."""
    factors = past.day_type_factors
    shapes = estimate_shapes(past, origin)
    city_shape = shapes.mean(axis=0)
    level = estimate_level(past, city_shape, targets, np.ones(len(past.days)))
    by_month = level.rates[:, None, :] * average_factors(
        factors, count_day_types(targets, past.holidays)
    )
    seasons = estimate_hour_seasons(past, targets)
    by_hour = seasons[:, :, None] / (seasons @ city_shape)[:, None, :]
    by_place = estimate_shares(past, origin)[:, None, :] * shapes
    return Base(by_place[:, None] * (by_month * by_hour)[None], level.city_variance)


def estimate_level(past: Panel, city_shape: Floats, targets: Integers, scales: Floats) -> Level:
    """Return the city's level in the target months, each past month's counts times `scales` (month)."""
    factors = average_factors(past.day_type_factors, past.day_type_days)
    seen = np.einsum("ths,hs->ts", factors, city_shape)
    counts = past.stratum_counts.sum(axis=(0, 2), dtype=np.float64) * scales[:, None]
    return forecast_level(counts, past.days[:, None] * seen, past.month_numbers, targets)


def measure_memory(past: Panel, origin: int, targets: Integers, months: int) -> float:
    """Return by how many percent the forecast of the city moves for 1 % more in its newest months.

    An elasticity, by the central difference: 1 where only these `months` count, 0 where none does. How
    fast the level moves is judged anew from the changed counts, as a refresh would.
    """
    city_shape = estimate_shapes(past, origin).mean(axis=0)
    newest = past.month_numbers >= origin - months
    more, less = (
        estimate_level(past, city_shape, targets, np.where(newest, np.exp(step), 1.0)).rates.sum()
        for step in (MEMORY_STEP, -MEMORY_STEP)
    )
    return float(np.log(more / less) / (2 * MEMORY_STEP))


def estimate_shares(past: Panel, origin: int) -> Floats:
    """Return each neighborhood's share of the city's crime (neighborhood, stratum) at the origin.

    The long share, moved as far as the recent incidents of its NPU and then its own warrant. Shares
    of a stratum add up to 1.
    """
    recent, long = (
        np.einsum("nths,t->ns", past.stratum_counts, weigh_months(past, origin, half_life))
        for half_life in (RECENT_HALF_LIFE, LONG_HALF_LIFE)
    )
    overall = long.sum(axis=1) + 0.5
    overall /= overall.sum()
    shares = (long + MIX_PRIOR_WEIGHT * overall[:, None]) / (long.sum(axis=0) + MIX_PRIOR_WEIGHT)
    member = list_npus(past)
    shares = move_shares(shares, member @ (member.T @ recent), member @ (member.T @ shares),
                         recent.sum(axis=0), NPU_PRIOR_WEIGHT)  # fmt: skip
    return move_shares(shares, recent, shares, recent.sum(axis=0), MOVE_PRIOR_WEIGHT)


def move_shares(
    shares: Floats, recent: Floats, group_shares: Floats, total: Floats, prior_weight: float
) -> Floats:
    """Return shares (neighborhood, stratum) moved by recent incidents beside those expected.

    The factor is (recent + k) / (expected + k) with prior weight k, where `recent` are a group's
    incidents and its `group_shares` of the city's `total` (stratum) are expected: the posterior mean of
    a relative risk with a Gamma(k, k) prior (Clayton & Kaldor 1987, Biometrics 43:3).
    """
    moved = shares * (recent + prior_weight) / (total * group_shares + prior_weight)
    normalized: Floats = moved / moved.sum(axis=0)
    return normalized


def list_npus(panel: Panel) -> Floats:
    """Return membership (neighborhood, NPU), 1 or 0; those without an NPU are one group."""
    names = np.array([str(npu) for npu in panel.npu])
    member: Floats = (names[:, None] == np.unique(names)[None, :]).astype(np.float64)
    return member


def estimate_shapes(past: Panel, origin: int) -> Floats:
    """Return each hour's share of a day (neighborhood, hour, stratum); those of a day add up to 1.

    A neighborhood's own hours are shrunk toward the mean of two guesses: its NPU's hours, and what is
    left of its own when only the commonest ways of differing from the city are believed. How it differs
    from the city is smooth; the city's own hours are not, and change sooner: reports heap at midnight
    and noon as the custom of recording has it.
    """
    counts = smooth_hours(count_hours(past, origin, SHAPE_HALF_LIFE))
    city = counts.sum(axis=0) + 0.5
    city /= city.sum(axis=0)
    member = list_npus(past)
    district = shrink_shape(np.einsum("gn,nhs->ghs", member.T, counts), city)
    guess = (1 - SHAPE_TYPE_SHARE) * np.einsum("ng,ghs->nhs", member, district)
    smooth = shrink_shape(counts, guess + SHAPE_TYPE_SHARE * find_shape_types(counts, city))
    recent = count_hours(past, origin, CITY_SHAPE_HALF_LIFE).sum(axis=0)
    shapes = smooth * shrink_shape(recent[None], city[None]) / city
    normalized: Floats = shapes / shapes.sum(axis=1, keepdims=True)
    return normalized


def count_hours(past: Panel, origin: int, half_life: float) -> Floats:
    """Return weighted counts (neighborhood, hour, stratum), as if all hours had been seen alike."""
    weights = weigh_months(past, origin, half_life)
    counts, exposure = np.einsum("nths,t->nhs", past.stratum_counts, weights), weights @ past.exposure
    even: Floats = counts * (exposure.mean() / exposure)[:, None]
    return even


def find_shape_types(counts: Floats, city: Floats) -> Floats:
    """Return shapes (neighborhood, hour, stratum) of the best approximation of rank `SHAPE_TYPES`.

    Approximated is the log ratio of a neighborhood's shrunken shape to the city's, all strata beside
    each other, weighted by the root of their incidents: the variance of a log count is about 1 / count,
    so that unweighted the noise of the quietest neighborhoods would be the first component. The best
    approximation keeps the largest singular values (Eckart & Young 1936, Psychometrika 1:3); its left
    singular vectors are the eigenvectors of the small matrix of neighborhoods, which is cheaper.
    """
    roots = np.sqrt(counts.sum(axis=1, keepdims=True) + 1)
    ratios = np.log(shrink_shape(counts, city) / city) * roots
    flat = ratios.reshape(len(counts), -1)
    types = np.linalg.eigh(flat @ flat.T).eigenvectors[:, -SHAPE_TYPES:]
    few = types @ (types.T @ flat)
    shapes = city * np.exp(few.reshape(counts.shape) / roots)
    normalized: Floats = shapes / shapes.sum(axis=1, keepdims=True)
    return normalized


def shrink_shape(counts: Floats, prior: Floats) -> Floats:
    """Return shares over the hours (axis 1), shrunk toward `prior`, in the shape of `counts`."""
    total = counts.sum(axis=1, keepdims=True)
    shares: Floats = (counts + SHAPE_PRIOR_WEIGHT * prior) / (total + SHAPE_PRIOR_WEIGHT)
    return shares


def smooth_hours(values: Floats) -> Floats:
    """Return values (…, hour, stratum) smoothed round the clock by a Gaussian; sums are kept."""
    hour = np.arange(HOURS)
    distance = np.abs(hour[:, None] - hour[None, :])
    distance = np.minimum(distance, HOURS - distance)
    kernel = np.exp(-0.5 * (distance / HOUR_BANDWIDTH) ** 2)
    smoothed: Floats = np.einsum("gh,...hs->...gs", kernel / kernel.sum(axis=0), values)
    return smoothed
