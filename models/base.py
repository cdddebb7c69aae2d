"""Base rates: what counts and shrinkage alone say, before any forest.

Enters: a `Panel` that ends at the origin. Leaves: expected crimes per clock hour, by neighborhood
and hour. Empirical Bayes: each rate is drawn towards a broader one by a number of pseudo-events, so
that a neighborhood with few incidents borrows from its own past, its NPU and the city.
"""

import numpy as np

from models.panel import HOURS, Floats, Panel

# Chosen by deviance a year ahead at past origins (docs/adr/0002-base-and-forests.md).
CITY_HALF_LIFE = 6.0
LEVEL_HALF_LIFE = 8.0
LONG_HALF_LIFE = 24.0
SHAPE_HALF_LIFE = 18.0
"""Half-lives of the weights on past months, in months."""
LEVEL_PSEUDO_EVENTS = 40.0
SHAPE_PSEUDO_EVENTS = 120.0
HOUR_BANDWIDTH = 1.0
"""Standard deviation of the circular smoothing over the hours, in hours."""

REFERENCE_HALF_LIFE = 12.0
REFERENCE_PSEUDO_EVENTS = 10.0


def weigh_months(panel: Panel, origin: int, half_life: float) -> Floats:
    """Return a weight per month of the panel: 1 at the origin, halved every `half_life` months."""
    ages = origin - 0.5 - panel.month_numbers
    weights: Floats = np.exp2(-ages / half_life)
    return weights


def sum_weighted(panel: Panel, weights: Floats) -> tuple[Floats, Floats]:
    """Return weighted counts (neighborhood, hour) and weighted exposure (hour)."""
    return np.einsum("nth,t->nh", panel.counts, weights), weights @ panel.exposure


def estimate_reference(panel: Panel, origin: int) -> Floats:
    """Return the reference of the backtest: empirical Bayes, half-life 12 months, k = 10.

    For weighted counts C(n,h) and days D(h), city hour profile p(h) and neighborhood rate
    r(n) = (C(n) + 0.5) / D: rate(n,h) = (C(n,h) + k) / (D(h) + k / (r(n) p(h))).
    """
    k = REFERENCE_PSEUDO_EVENTS
    counts, exposure = sum_weighted(panel, weigh_months(panel, origin, REFERENCE_HALF_LIFE))
    prior = (counts.sum(axis=1) + 0.5)[:, None] / exposure.mean() * profile_city(counts)
    rates: Floats = (counts + k) / (exposure + k / prior)
    return rates


def profile_city(counts: Floats) -> Floats:
    """Return the city's share of each hour; half an event per hour keeps every share above 0."""
    by_hour = counts.sum(axis=0) + 0.5
    shares: Floats = by_hour / by_hour.sum()
    return shares


def estimate_base(panel: Panel, origin: int) -> Floats:
    """Return the base rate: a recent level times a shape over the hours, both shrunk.

    The level is drawn to the neighborhood's own long rate, the shape to its NPU's; the shape is
    smoothed round the clock.
    """
    return estimate_level(panel, origin)[:, None] * estimate_shape(panel, origin)


def estimate_level(panel: Panel, origin: int) -> Floats:
    """Return crimes per day of each neighborhood at the origin.

    The city's own rate, which its many incidents fix well and which can follow a drift fast, times
    the neighborhood's share of it: the long share, moved as far as its recent incidents warrant.
    """
    city, city_days = sum_days(panel, weigh_months(panel, origin, CITY_HALF_LIFE))
    recent, _ = sum_days(panel, weigh_months(panel, origin, LEVEL_HALF_LIFE))
    long, _ = sum_days(panel, weigh_months(panel, origin, LONG_HALF_LIFE))
    long_share = (long + 0.5) / (long + 0.5).sum()
    move = (recent + LEVEL_PSEUDO_EVENTS) / (recent.sum() * long_share + LEVEL_PSEUDO_EVENTS)
    level: Floats = city.sum() / city_days * long_share * move
    return level


def sum_days(panel: Panel, weights: Floats) -> tuple[Floats, float]:
    """Return weighted counts per neighborhood and weighted days."""
    return panel.counts.sum(axis=2) @ weights, float(weights @ panel.days)


def estimate_shape(panel: Panel, origin: int) -> Floats:
    """Return each hour's share of a neighborhood's day; shares of a neighborhood add up to 1."""
    counts, exposure = sum_weighted(panel, weigh_months(panel, origin, SHAPE_HALF_LIFE))
    per_day = smooth_hours(counts * (exposure.mean() / exposure))
    city = profile_city(per_day)
    shapes = np.empty_like(per_day)
    for npu in sorted(set(panel.npu), key=str):
        members = [index for index, other in enumerate(panel.npu) if other == npu]
        district = shrink_shape(per_day[members].sum(axis=0), city)
        shapes[members] = shrink_shape(per_day[members], district)
    return shapes


def shrink_shape(counts: Floats, prior: Floats) -> Floats:
    """Return shares over the hours, drawn to `prior` by `SHAPE_PSEUDO_EVENTS`."""
    total = counts.sum(axis=-1, keepdims=True)
    shares: Floats = (counts + SHAPE_PSEUDO_EVENTS * prior) / (total + SHAPE_PSEUDO_EVENTS)
    return shares


def smooth_hours(values: Floats) -> Floats:
    """Return values smoothed round the clock by a Gaussian; sums over the 24 hours are kept."""
    hour = np.arange(HOURS)
    distance = np.abs(hour[:, None] - hour[None, :])
    distance = np.minimum(distance, HOURS - distance)
    kernel = np.exp(-0.5 * (distance / HOUR_BANDWIDTH) ** 2)
    smoothed: Floats = values @ (kernel / kernel.sum(axis=0))
    return smoothed
