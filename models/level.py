"""The level of the city: how many crimes a day to expect in each of the coming months.

Enters: monthly counts of each stratum. Leaves: expected crimes per day in the target months.

The log of a stratum's monthly rate is a Gaussian process (Rasmussen & Williams 2006, chapter 2): a
slow random walk, a deviation that dies away within months, a damped trend, a season of two harmonics,
and noise. How fast the level moves is not told but averaged over, each speed weighted by how well it
explains the past: a city whose crime is stable gets a long memory, a feed that falls is followed.
"""

from dataclasses import dataclass

import numpy as np

from models.arrays import Floats, Integers

# Standard deviations on the log scale; chosen once, for all cities (docs/adr/0002).
WALK_STEPS = (0.0, 0.01, 0.02, 0.03, 0.05)
WALK_PRIOR = (0.30, 0.40, 0.20, 0.07, 0.03)
"""Standard deviation of a month's step of the random walk, and how much each is believed at first."""
DEVIATIONS = (0.03, 0.07, 0.14)
"""Standard deviation of the passing deviation; all are believed alike."""
DEVIATION_MONTHS = 2.5
"""Months after which a deviation has fallen to 1/e."""
TREND_A_YEAR = 0.03
TREND_MONTHS = 12.0
"""A trend goes on less and less: in all as far as it would in so many months."""
HARMONICS = (0.07, 0.025)
"""Standard deviations of the yearly and the half-yearly wave."""
NOISE = 0.07
"""What is left of a month beyond Poisson noise: weather, holidays, recording."""
LONG_LEVEL = 0.3


@dataclass(frozen=True)
class Speed:
    """One assumption about how the level moves."""

    walk: float
    deviation: float
    prior: float


SPEEDS = tuple(
    Speed(walk, deviation, prior / len(DEVIATIONS))
    for walk, prior in zip(WALK_STEPS, WALK_PRIOR, strict=True)
    for deviation in DEVIATIONS
)


def forecast_level(counts: Floats, days: Floats, months: Integers, targets: Integers) -> Floats:
    """Return expected crimes per day (target month, stratum).

    `counts` (month, stratum) were seen on `days` (month) or (month, stratum). `months` and `targets`
    are month numbers; there must be at least one month, and gaps between them are allowed.
    """
    rates = np.log((counts + 0.5) / np.broadcast_to(days.reshape(len(months), -1), counts.shape))
    noise = 1 / (counts + 0.5) + NOISE**2
    middle = (rates / noise).sum(axis=0) / (1 / noise).sum(axis=0)
    shares = counts.sum(axis=0) / max(counts.sum(), 1.0)
    moments = np.concatenate([months, targets]).astype(np.float64)
    means, evidence = [], []
    for speed in SPEEDS:
        covariance = spread_level(moments, float(months.max()), speed)
        mean, likelihood = condition(covariance, rates - middle, noise)
        means.append(mean + middle)
        # The strata share their shocks: together they count as much evidence as one of them.
        evidence.append(likelihood @ shares + np.log(speed.prior))
    weights = np.exp(np.array(evidence) - max(evidence))
    forecast: Floats = np.exp(np.einsum("g,gts->ts", weights / weights.sum(), np.array(means)))
    return forecast


def spread_level(moments: Floats, now: float, speed: Speed) -> Floats:
    """Return the prior covariance of the log level between months."""
    gaps = np.abs(moments[:, None] - moments[None, :])
    since_first = moments - moments.min()
    ahead = np.maximum(moments - now, 0.0)
    trend = np.minimum(moments - now, 0.0) + TREND_MONTHS * (1 - np.exp(-ahead / TREND_MONTHS))
    covariance: Floats = (
        LONG_LEVEL**2
        + speed.walk**2 * np.minimum.outer(since_first, since_first)
        + speed.deviation**2 * np.exp(-gaps / DEVIATION_MONTHS)
        + (TREND_A_YEAR / 12) ** 2 * np.multiply.outer(trend, trend)
        + sum(
            size**2 * np.cos(2 * np.pi * wave * gaps / 12)
            for wave, size in enumerate(HARMONICS, start=1)
        )
    )
    return covariance


def condition(covariance: Floats, values: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Return the posterior mean (target, stratum) and the log likelihood (stratum) of `values`.

    `values` and `noise` (month, stratum) belong to the first months of `covariance`; the others are
    the targets. Constants of the likelihood are left out.
    """
    seen = len(values)
    known = covariance[:seen, :seen] + np.einsum("ts,tu->stu", noise, np.eye(seen))
    solved = np.linalg.solve(known, values.T[:, :, None])[:, :, 0]
    mean: Floats = covariance[seen:, :seen] @ solved.T
    determinant = np.linalg.slogdet(known)[1]
    likelihood: Floats = -0.5 * ((solved * values.T).sum(axis=1) + determinant)
    return mean, likelihood
