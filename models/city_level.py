"""The level of the city: how many crimes a day to expect in each of the coming months.

Input: monthly counts of each stratum. Output: a `Level`: expected crimes per day in the target months,
and how uncertain the city's are.

The log of a stratum's monthly rate is a Gaussian process (Rasmussen & Williams 2006, chapter 2): a
slow random walk, a deviation that dies away within months, a damped trend, a season of two harmonics,
and noise. How fast the level moves and how large the season is are hyperparameters on a grid (`SPEEDS`)
and are marginalised over it: the forecast is the mean over its points, each weighted by its prior times
its evidence, the approximate marginal likelihood, which is what the point said of each month before it
was seen. A city whose crime is stable gets a long memory, a feed that falls is followed.
Counts are Poisson and stay so: a Gaussian model of their log has no value at 0, is biased where counts
are small, and would need a variance that depends on the unknown rate.
"""

from dataclasses import dataclass

import numpy as np

from models.arrays import Floats, Integers
from warehouse.months import MONTHS

# Standard deviations on the log scale; chosen once, for all cities (docs/adr/0002).
WALK_STEPS = (0.0, 0.01, 0.02, 0.03, 0.05)
WALK_PRIOR = (0.30, 0.40, 0.20, 0.07, 0.03)
"""Grid of the standard deviation of a month's step of the random walk, and the prior of each value."""
DEVIATIONS = (0.03, 0.07, 0.14)
"""Grid of the standard deviation of the passing deviation, all of the same prior."""
DEVIATION_EFOLDING_MONTHS = 2.5
"""E-folding time of the deviation: after so many months 1/e of it is left."""
TREND_A_YEAR = 0.03
"""Standard deviation of the trend, log scale a year."""
TREND_EFOLDING_MONTHS = 12.0
"""E-folding time of the damped trend (Gardner & McKenzie 1985, Management Science 31:10): its slope
falls as exp(-t / 12), so that in all it goes as far as it would undamped in so many months."""
HARMONICS = (0.07, 0.025)
"""Standard deviations of the yearly and the half-yearly wave."""
SEASONS = (0.3, 1.0, 1.7)
"""Grid of what both are multiplied by, all of the same prior."""
NOISE = 0.07
"""What is left of a month beyond Poisson noise: weather, holidays, recording."""
LONG_LEVEL = 0.3
"""How far the level of all months may lie from the mean of what was seen."""


@dataclass(frozen=True)
class Speed:
    """One point of the grid: size of a walk's step, the deviation and the season, and prior weight."""

    walk: float
    deviation: float
    season: float
    prior: float


SPEEDS = tuple(
    Speed(walk, deviation, season, prior / len(DEVIATIONS) / len(SEASONS))
    for season in SEASONS
    for walk, prior in zip(WALK_STEPS, WALK_PRIOR, strict=True)
    for deviation in DEVIATIONS
)
RECODED = Speed(0.5, 0.14, 1.0, 0.001)
"""An offense that begins, ends or takes over another's cases: a change of coding, not of crime."""
FIRST_ROUNDS, NEXT_ROUNDS = 8, 3
MAX_STEP = 2.0
MAX_LOG_ODDS = 500.0
"""Newton rounds for the first speed and for the next, which begin at its result; how far on the log
scale one round may go; and log odds beyond which nothing changes."""


@dataclass(frozen=True)
class Level:
    """Expected crimes per day, `rates` (target month, stratum), and how uncertain their sum is.

    `city_variance` (target month) is the variance of the log of the city's rate in that month, a month's
    own noise included: as a share of the square of the expected count, the variance beyond Poisson.
    """

    rates: Floats
    city_variance: Floats


def forecast_level(counts: Floats, days: Floats, months: Integers, targets: Integers) -> Level:
    """Return the level of the target months.

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
    means, variances, evidence = [], [], []
    for number, speed in enumerate((*SPEEDS, RECODED)):
        covariance = compute_covariance(moments, float(months.max()), speed)
        rounds = NEXT_ROUNDS if number else FIRST_ROUNDS
        level, mean, variance, likelihood = fit_level(series, offset, covariance, level, rounds)
        means.append(mean)
        variances.append(variance)
        evidence.append(likelihood)
    weights, own = weigh_speeds(np.array(evidence), shares)
    mean = np.einsum("g,gts->ts", weights, means[:-1])
    spread = weights @ (variances[:-1] + (np.array(means[:-1])[:, :, -1] - mean[:, -1]) ** 2)
    rates = np.exp(middle + (1 - own) * mean + own * means[-1])
    shared = rates[:, :-1] * (rates[:, -1:] / rates[:, :-1].sum(axis=1, keepdims=True))
    return Level(shared, spread + NOISE**2)


def weigh_speeds(evidence: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """Return the weights of the speeds (speed), and of `RECODED`, the last, in each series (series).

    `evidence` are the log marginal likelihoods (speed, series), `shares` the strata's shares of all
    crime. Weights are prior times evidence (Rasmussen & Williams, eq. 5.5, over a grid instead of an
    integral), in logs: the evidence of three years underflows.

    The strata share their shocks: together they count as much evidence of the speed as one of them,
    and all series have the same weights. Only whether a stratum was recoded is its own affair; the
    last series, all strata together, cannot be.
    """
    regular, recoded = evidence[:-1], evidence[-1]
    shared = regular[:, :-1] @ shares + np.log([speed.prior for speed in SPEEDS])
    weights = np.exp(shared - shared.max())
    weights /= weights.sum()
    odds = np.clip(weights @ regular - recoded - np.log(RECODED.prior), -MAX_LOG_ODDS, MAX_LOG_ODDS)
    own = 1 / (1 + np.exp(odds))
    own[-1] = 0.0
    return weights, own


def fit_level(
    counts: Floats, offset: Floats, covariance: Floats, level: Floats, rounds: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return mode (month, series), forecast (target, series), variance (target), log evidence (series).

    Of one speed, by Laplace's approximation (Rasmussen & Williams 2006, section 3.4) for Poisson counts
    of mean `offset` * exp(level); `level` (month, series) is where Newton's method begins. The mode
    holds a month's noise, the forecast does not. The variance is that of the last series' forecast.
    """
    seen = len(counts)
    noisy = covariance[:seen, :seen] + NOISE**2 * np.eye(seen)
    # The mode maximises eq. 3.12. With K the covariance, W = mean and gradient = counts - mean, Newton's
    # step of eq. 3.18, (K^-1 + W)^-1 (W f + gradient), is written K (K + W^-1)^-1 (f + W^-1 gradient):
    # a smooth K is all but singular and its inverse is noise, while K + W^-1 is well conditioned, and
    # a month that says next to nothing (small W) simply has a large variance there. Steps are clipped
    # since W^-1 gradient is huge where much was seen and little expected: exp would overflow.
    for _ in range(rounds):
        mean = offset * np.exp(level)
        values = level + np.clip((counts - mean) / mean, -MAX_STEP, MAX_STEP)
        known = noisy + np.einsum("ts,tu->stu", 1 / mean, np.eye(seen))
        solved = np.linalg.solve(known, values.T[:, :, None])[:, :, 0].T
        step = noisy @ solved - level
        level = level + np.clip(step, -MAX_STEP, MAX_STEP)
    # Eq. 3.32: log p(y | f) - f' K^-1 f / 2 - log |B| / 2. At the mode `solved` is K^-1 f (eq. 3.17),
    # and log |B| = log |I + W^1/2 K W^1/2| is log |K + W^-1| + log |W|. Terms of the counts alone are
    # left out: they are the same for every speed. Without |B| the quickest speed, which fits best, would
    # win.
    mean = offset * np.exp(level)
    fit = (counts * np.log(mean) - mean).sum(axis=0) - 0.5 * (solved * level).sum(axis=0)
    complexity = np.linalg.slogdet(known)[1] + np.log(mean).sum(axis=0)
    evidence: Floats = fit - 0.5 * complexity
    ahead = covariance[seen:, :seen]
    forecast: Floats = ahead @ solved  # eq. 3.21, whose covariance is without the noise
    variance = covariance.diagonal()[seen:] - (ahead * np.linalg.solve(known[-1], ahead.T).T).sum(axis=1)
    return level, forecast, variance, evidence  # eq. 3.24


def compute_covariance(moments: Floats, now: float, speed: Speed) -> Floats:
    """Return the prior covariance (moment, moment) of the log level, noise left out.

    `now` is the last month that was seen, from which on the trend is damped.
    """
    gaps = np.abs(moments[:, None] - moments[None, :])
    since_first = moments - moments.min()
    ahead = np.maximum(moments - now, 0.0)
    trend = np.minimum(moments - now, 0.0) + TREND_EFOLDING_MONTHS * (
        1 - np.exp(-ahead / TREND_EFOLDING_MONTHS)
    )
    covariance: Floats = (
        LONG_LEVEL**2
        + speed.walk**2 * np.minimum.outer(since_first, since_first)
        + speed.deviation**2 * np.exp(-gaps / DEVIATION_EFOLDING_MONTHS)
        + (TREND_A_YEAR / MONTHS) ** 2 * np.multiply.outer(trend, trend)
        + sum(
            (speed.season * size) ** 2 * np.cos(2 * np.pi * wave * gaps / MONTHS)
            for wave, size in enumerate(HARMONICS, start=1)
        )
    )
    return covariance
