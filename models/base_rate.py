"""Base rates: what counts and shrinkage alone say, before any forest.

Enters: a `Panel` that ends at the origin. Leaves: expected crimes per clock hour, by neighborhood,
target month, hour and stratum: the city's level (`models.city_level`), times the neighborhood's share of
it, times a shape over the hours. Shares and shapes are empirical Bayes: each is drawn towards a
broader one by a number of pseudo-events, so that a neighborhood with few incidents borrows from its
own past, its NPU and the city.
"""

import numpy as np

from models.arrays import Floats, Integers
from models.city_level import forecast_level
from models.day_types import count_kinds, weigh_kinds
from models.panel import HOURS, Panel

# Chosen by deviance at past origins (docs/adr/0002-base-and-forests.md).
RECENT_HALF_LIFE = 3.0
LONG_HALF_LIFE = 18.0
SHAPE_HALF_LIFE = 12.0
"""Half-lives of the weights on past months, in months."""
MIX_PSEUDO_EVENTS = 200.0
"""A neighborhood's share of a stratum is drawn to its share of all crime by so many of the city's."""
NPU_PSEUDO_EVENTS = 100.0
MOVE_PSEUDO_EVENTS = 25.0
"""How far recent events move the share of an NPU, and of a neighborhood."""
SHAPE_PSEUDO_EVENTS = 60.0
SHAPE_TYPES = 2
"""Ways in which the hours of a neighborhood differ from the city's (components of a low rank)."""
SHAPE_TYPE_SHARE = 0.5
"""Weight of those beside the NPU in what a neighborhood's hours are drawn to."""
HOUR_BANDWIDTH = 0.7
"""Standard deviation of the circular smoothing over the hours, in hours."""

REFERENCE_HALF_LIFE = 12.0
REFERENCE_PSEUDO_EVENTS = 10.0


def weigh_months(panel: Panel, origin: int, half_life: float) -> Floats:
    """Return a weight per month of the panel: 1 at the origin, halved every `half_life` months."""
    ages = origin - 0.5 - panel.month_numbers
    weights: Floats = np.exp2(-ages / half_life)
    return weights


def estimate_reference(panel: Panel, origin: int) -> Floats:
    """Return the reference of the backtest: empirical Bayes, half-life 12 months, k = 10.

    For weighted counts C(n,h) and days D(h), city hour profile p(h) and neighborhood rate
    r(n) = (C(n) + 0.5) / D: rate(n,h) = (C(n,h) + k) / (D(h) + k / (r(n) p(h))).
    """
    k = REFERENCE_PSEUDO_EVENTS
    weights = weigh_months(panel, origin, REFERENCE_HALF_LIFE)
    counts, exposure = np.einsum("nth,t->nh", panel.counts, weights), weights @ panel.exposure
    by_hour = counts.sum(axis=0) + 0.5
    prior = (counts.sum(axis=1) + 0.5)[:, None] / exposure.mean() * by_hour / by_hour.sum()
    rates: Floats = (counts + k) / (exposure + k / prior)
    return rates


def estimate_base(past: Panel, origin: int, targets: Integers) -> Floats:
    """Return expected crimes per clock hour (neighborhood, target month, hour, stratum).

    `targets` are month numbers from `origin` on. An hour is one of an average day of its month, with
    the weekdays and holidays the month has.
    """
    factors = past.kind_factors
    shapes = estimate_shapes(past, origin)
    city_shape = shapes.mean(axis=0)
    seen = np.einsum("ths,hs->ts", weigh_kinds(factors, past.kind_days), city_shape)
    counts = past.stratum_counts.sum(axis=(0, 2), dtype=np.float64)
    level = forecast_level(counts, past.days[:, None] * seen, past.month_numbers, targets)
    by_month = level[:, None, :] * weigh_kinds(factors, count_kinds(targets, past.holidays))
    by_place = estimate_shares(past, origin)[:, None, :] * shapes
    rates: Floats = by_place[:, None] * by_month[None]
    return rates


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
    shares = (long + MIX_PSEUDO_EVENTS * overall[:, None]) / (long.sum(axis=0) + MIX_PSEUDO_EVENTS)
    member = list_npus(past)
    shares = move_shares(shares, member @ (member.T @ recent), member @ (member.T @ shares),
                         recent.sum(axis=0), NPU_PSEUDO_EVENTS)  # fmt: skip
    return move_shares(shares, recent, shares, recent.sum(axis=0), MOVE_PSEUDO_EVENTS)


def move_shares(
    shares: Floats, recent: Floats, group_shares: Floats, total: Floats, pseudo_events: float
) -> Floats:
    """Return shares moved by what a group's recent events are beside its share of the city's."""
    moved = shares * (recent + pseudo_events) / (total * group_shares + pseudo_events)
    normalized: Floats = moved / moved.sum(axis=0)
    return normalized


def list_npus(panel: Panel) -> Floats:
    """Return membership (neighborhood, NPU), 1 or 0; those without an NPU are one group."""
    names = np.array([str(npu) for npu in panel.npu])
    member: Floats = (names[:, None] == np.unique(names)[None, :]).astype(np.float64)
    return member


def estimate_shapes(past: Panel, origin: int) -> Floats:
    """Return each hour's share of a day (neighborhood, hour, stratum); those of a day add up to 1.

    A neighborhood's own hours are drawn to the mean of two guesses: its NPU's hours, and what is left
    of its own when only the commonest ways of differing from the city are believed.
    """
    weights = weigh_months(past, origin, SHAPE_HALF_LIFE)
    counts, exposure = np.einsum("nths,t->nhs", past.stratum_counts, weights), weights @ past.exposure
    counts = smooth_hours(counts * (exposure.mean() / exposure)[:, None])
    city = counts.sum(axis=0) + 0.5
    city /= city.sum(axis=0)
    member = list_npus(past)
    district = shrink_shape(np.einsum("gn,nhs->ghs", member.T, counts), city)
    guess = (1 - SHAPE_TYPE_SHARE) * np.einsum("ng,ghs->nhs", member, district)
    return shrink_shape(counts, guess + SHAPE_TYPE_SHARE * find_shape_types(counts, city))


def find_shape_types(counts: Floats, city: Floats) -> Floats:
    """Return shapes (neighborhood, hour, stratum) of the best approximation of rank `SHAPE_TYPES`.

    Approximated is the log ratio of a neighborhood's shrunken shape to the city's, all strata beside
    each other, weighted by the root of their events.
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
    """Return shares over the hours (axis 1), drawn to `prior` by `SHAPE_PSEUDO_EVENTS`."""
    total = counts.sum(axis=1, keepdims=True)
    shares: Floats = (counts + SHAPE_PSEUDO_EVENTS * prior) / (total + SHAPE_PSEUDO_EVENTS)
    return shares


def smooth_hours(values: Floats) -> Floats:
    """Return values (…, hour, stratum) smoothed round the clock by a Gaussian; sums are kept."""
    hour = np.arange(HOURS)
    distance = np.abs(hour[:, None] - hour[None, :])
    distance = np.minimum(distance, HOURS - distance)
    kernel = np.exp(-0.5 * (distance / HOUR_BANDWIDTH) ** 2)
    smoothed: Floats = np.einsum("gh,...hs->...gs", kernel / kernel.sum(axis=0), values)
    return smoothed
