"""The level of the city: how many crimes a day to expect in each of the coming months.

Enters: monthly counts of each stratum. Leaves: expected crimes per day in the target months.

The log of a stratum's monthly rate is a Gaussian process (Rasmussen & Williams 2006, chapter 2): a
slow random walk, a deviation that dies away within months, a damped trend, a season of two harmonics,
and noise. How fast the level moves is not told but averaged over, each speed weighted by how well it
explains the past: a city whose crime is stable gets a long memory, a feed that falls is followed.
Counts are Poisson: their logs are linearised round a first fit (section 3.4), because the log of a
small count is neither unbiased nor of a known variance.
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


FIRST_FIT = Speed(0.02, 0.07, 1.0)
NEWTON_ROUNDS = 8
LARGEST_STEP = 2.0
"""Rounds of the first fit, and how far on the log scale one round may believe a count."""


def forecast_level(counts: Floats, days: Floats, months: Integers, targets: Integers) -> Floats:
    """Return expected crimes per day (target month, stratum).

    `counts` (month, stratum) were seen on `days` (month, stratum). `months` and `targets` are month
    numbers; there must be at least one month, and gaps between them are allowed.
    """
    moments = np.concatenate([months, targets]).astype(np.float64)
    now = float(months.max())
    middle = np.log((counts.sum(axis=0) + 0.5) / days.sum(axis=0))
    values, noise = linearize(counts, days, middle, spread_level(moments, now, FIRST_FIT))
    shares = counts.sum(axis=0) / max(counts.sum(), 1.0)
    means, evidence = [], []
    for speed in SPEEDS:
        mean, likelihood = condition(spread_level(moments, now, speed), values, noise)
        means.append(mean[len(months) :])
        # The strata share their shocks: together they count as much evidence as one of them.
        evidence.append(likelihood @ shares + np.log(speed.prior))
    weights = np.exp(np.array(evidence) - max(evidence))
    mean = np.einsum("g,gts->ts", weights / weights.sum(), np.array(means))
    forecast: Floats = np.exp(middle + mean)
    return forecast


def linearize(counts: Floats, days: Floats, middle: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Return the log rates less `middle` that the counts stand for, and their variance.

    Newton's method for the mode of the latent level; one observation of the log rate and its variance
    then tell what the Poisson likelihood tells near that mode.
    """
    level = np.zeros_like(counts)
    for _ in range(NEWTON_ROUNDS):
        mean = np.exp(middle + level) * days
        values = level + np.clip((counts - mean) / mean, -LARGEST_STEP, LARGEST_STEP)
        noise = 1 / mean + NOISE**2
        level = condition(covariance, values, noise)[0][: len(counts)]
    return values, noise


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
    """Return the posterior mean (month, stratum) and the log likelihood (stratum) of `values`.

    `values` and `noise` (month, stratum) belong to the first months of `covariance`; the others are
    the targets. Constants of the likelihood are left out.
    """
    seen = len(values)
    known = covariance[:seen, :seen] + np.einsum("ts,tu->stu", noise, np.eye(seen))
    solved = np.linalg.solve(known, values.T[:, :, None])[:, :, 0]
    mean: Floats = covariance[:, :seen] @ solved.T
    determinant = np.linalg.slogdet(known)[1]
    likelihood: Floats = -0.5 * ((solved * values.T).sum(axis=1) + determinant)
    return mean, likelihood
