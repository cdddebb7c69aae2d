"""The level of the city: how many crimes a day to expect in each of the coming months.

Enters: monthly counts of each stratum. Leaves: expected crimes per day in the target months.

The log of a stratum's monthly rate is a Gaussian process (Rasmussen & Williams 2006, chapter 2): a
slow random walk, a deviation that dies away within months, a damped trend, a season of two harmonics,
and noise. How fast the level moves is not told but averaged over, each speed weighted by how well it
explains the past: a city whose crime is stable gets a long memory, a feed that falls is followed.
Counts are Poisson, whose log is neither unbiased nor of a known variance where they are small.
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
RECODED = Speed(0.5, 0.14, 0.001)
"""An offense that begins, ends or takes over another's cases: a change of coding, not of crime."""
FIRST_ROUNDS, NEXT_ROUNDS = 8, 3
LARGEST_STEP = 2.0
LARGEST_ODDS = 500.0
"""Newton rounds for the first speed and for the next, which begin at its result; how far on the log
scale one round may go; and log odds beyond which nothing changes."""


def forecast_level(counts: Floats, days: Floats, months: Integers, targets: Integers) -> Floats:
    """Return expected crimes per day (target month, stratum).

    `counts` (month, stratum) were seen on `days` (month, stratum). `months` and `targets` are month
    numbers; there must be at least one month, and gaps between them are allowed. All strata together
    are forecast as a series of their own, to which they are scaled: cases that one stratum takes over
    from another are not counted twice.
    """
    shares = (counts.sum(axis=0) + 0.5) / (counts.sum(axis=0) + 0.5).sum()
    series = np.column_stack([counts, counts.sum(axis=1)])
    exposure = np.column_stack([days, days @ shares])
    moments = np.concatenate([months, targets]).astype(np.float64)
    middle = np.log((series.sum(axis=0) + 0.5) / exposure.sum(axis=0))
    offset = np.exp(middle) * exposure
    level = np.zeros_like(series)
    means, evidence = [], []
    for number, speed in enumerate((*SPEEDS, RECODED)):
        covariance = spread_level(moments, float(months.max()), speed)
        rounds = NEXT_ROUNDS if number else FIRST_ROUNDS
        level, mean, likelihood = fit_level(series, offset, covariance, level, rounds)
        means.append(mean[len(months) :])
        evidence.append(likelihood)
    rates = np.exp(middle + average_speeds(np.array(means), np.array(evidence), shares))
    forecast: Floats = rates[:, :-1] * (rates[:, -1:] / rates[:, :-1].sum(axis=1, keepdims=True))
    return forecast


def average_speeds(means: Floats, evidence: Floats, shares: Floats) -> Floats:
    """Return the forecast (target, series) averaged over the speeds (first axis), `RECODED` the last.

    The strata share their shocks: together they count as much evidence of the speed as one of them,
    and all series have the same weights. Only whether a stratum was recoded is its own affair; the
    last series, all strata together, cannot be.
    """
    usual, recoded = evidence[:-1], evidence[-1]
    shared = usual[:, :-1] @ shares + np.log([speed.prior for speed in SPEEDS])
    weights = np.exp(shared - shared.max())
    weights /= weights.sum()
    odds = np.clip(weights @ usual - recoded - np.log(RECODED.prior), -LARGEST_ODDS, LARGEST_ODDS)
    own = 1 / (1 + np.exp(odds))
    own[-1] = 0.0
    mean: Floats = (1 - own) * np.einsum("g,gts->ts", weights, means[:-1]) + own * means[-1]
    return mean


def fit_level(
    counts: Floats, offset: Floats, covariance: Floats, level: Floats, rounds: int
) -> tuple[Floats, Floats, Floats]:
    """Return the mode of the log level, its forecast and the log evidence (stratum) of one speed.

    Laplace's approximation (Rasmussen & Williams, section 3.4) for Poisson counts of mean
    `offset` * exp(level); `level` (month, stratum) is where Newton's method begins. The mode holds a
    month's noise, the forecast (month and target, stratum) does not.
    """
    seen = len(counts)
    noisy = covariance[:seen, :seen] + NOISE**2 * np.eye(seen)
    for _ in range(rounds):
        mean = offset * np.exp(level)
        values = level + np.clip((counts - mean) / mean, -LARGEST_STEP, LARGEST_STEP)
        known = noisy + np.einsum("ts,tu->stu", 1 / mean, np.eye(seen))
        solved = np.linalg.solve(known, values.T[:, :, None])[:, :, 0].T
        step = noisy @ solved - level
        level = level + np.clip(step, -LARGEST_STEP, LARGEST_STEP)
    mean = offset * np.exp(level)
    fit = (counts * np.log(mean) - mean).sum(axis=0) - 0.5 * (solved * level).sum(axis=0)
    complexity = np.linalg.slogdet(known)[1] + np.log(mean).sum(axis=0)
    evidence: Floats = fit - 0.5 * complexity
    forecast: Floats = covariance[:, :seen] @ solved
    return level, forecast, evidence


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
