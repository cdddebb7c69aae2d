"""How the hours of the day change over the year: on long evenings crime comes later.

Input: a `Panel` that ends at the origin. Output: factors by month and hour, for the whole city and all
strata: what one neighborhood tells of it is noise.

The log of a factor is a yearly wave, a cosine and a sine whose sizes differ by hour. Their prior is a
Gaussian process round the clock (Rasmussen & Williams 2006, chapter 2), so that neighboring hours have
much the same wave; counts are Poisson, and one Newton step from no wave is the posterior mode to first
order (section 3.4), enough for waves of some percent.
"""

import numpy as np

from models.arrays import Floats, Integers
from models.panel import HOURS, Panel
from warehouse.months import MONTHS

# Chosen by deviance at past origins (docs/adr/0002-base-and-forests.md).
WAVE_SD = 0.04
"""Prior standard deviation of the waves' sizes, on the log scale."""
WAVE_BANDWIDTH = 3.0
"""Length scale of the process round the clock, in hours."""
PROFILE_BANDWIDTH = MONTHS
"""Standard deviation of the weights by which a month's hours are compared with those of the months round
it: a year, so that the seasons even out and a lasting change of recording does not count as one."""


def estimate_hour_seasons(past: Panel, months: Integers) -> Floats:
    """Return factors on the hours (month, hour) of `months`, seen or to come.

    Over the hours or the year they are only about 1 on average: whoever applies them keeps the totals.
    They are shrunk toward 1, the more the less was seen.
    """
    counts = past.counts.sum(axis=0)
    expected = expect_hours(counts, past.exposure, past.month_numbers)
    waves = make_waves(past.month_numbers)
    # Precision and gradient of the likelihood at no wave (eqs. 3.14 and 3.15), a block for each
    # hour; the prior ties the hours together.
    precision = np.einsum("tp,th,tq->hpq", waves, expected, waves)
    gradient = np.einsum("tp,th->hp", waves, counts - expected)
    size = waves.shape[1]
    prior = WAVE_SD**2 * np.kron(correlate_hours(), np.eye(size))
    information = np.zeros((HOURS, size, HOURS, size))
    information[np.arange(HOURS), :, np.arange(HOURS), :] = precision
    # (K^-1 + A)^-1 b is written K (I + A K)^-1 b: a smooth K is all but singular.
    mixed = np.eye(HOURS * size) + information.reshape(HOURS * size, -1) @ prior
    sizes = (prior @ np.linalg.solve(mixed, gradient.ravel())).reshape(HOURS, size)
    factors: Floats = np.exp(make_waves(months) @ sizes.T)
    return factors


def expect_hours(counts: Floats, exposure: Floats, months: Integers) -> Floats:
    """Return expected counts (month, hour): each month's total over the hours of those round it."""
    gaps = months[:, None] - months[None, :]
    weights = np.exp(-0.5 * (gaps / PROFILE_BANDWIDTH) ** 2)
    profile = (weights @ counts + 0.5) / (weights @ exposure)
    expected = profile * exposure
    spread: Floats = expected * (counts.sum(axis=1) / expected.sum(axis=1))[:, None]
    return spread


def make_waves(months: Integers) -> Floats:
    """Return the cosine and the sine of the year (month, 2)."""
    angle = 2 * np.pi * months / MONTHS
    waves: Floats = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return waves


def correlate_hours() -> Floats:
    """Return the prior correlation (hour, hour): a squared exponential of the way round the clock."""
    hour = np.arange(HOURS)
    distance = np.abs(hour[:, None] - hour[None, :])
    distance = np.minimum(distance, HOURS - distance)
    correlation: Floats = np.exp(-0.5 * (distance / WAVE_BANDWIDTH) ** 2)
    return correlation
