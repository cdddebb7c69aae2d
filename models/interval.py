"""Prediction intervals for a neighborhood's month.

Enters: expected month counts and the variance of the level's drift. Leaves: lower and upper counts.
Counts are Poisson given the month's rate; the rate drifts, so they are Gamma-Poisson (negative
binomial) with variance mu + drift * mu^2 (Cameron & Trivedi, Regression Analysis of Count Data, NB2).
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from models.base import estimate_base
from models.panel import Floats, Panel
from models.volume import list_training_origins

COVERAGE = 0.80
SMALLEST_DRIFT = 1e-6


def measure_drift(panel: Panel, origin: int) -> float:
    """Return the variance of month counts round the base rate beyond Poisson, relative to mu^2.

    Method of moments over the target months of the newest training origin, whose base rate knows
    nothing of them: sum((y - mu)^2 - mu) / sum(mu^2). Not below `SMALLEST_DRIFT`.
    """
    start, end = list_training_origins(panel, origin)[0]
    future = panel.between(start, end)
    base = estimate_base(panel.before(start), start)
    expected = base @ future.exposure.T
    observed = future.counts.sum(axis=2)
    excess = ((observed - expected) ** 2 - expected).sum() / (expected**2).sum()
    return max(float(excess), SMALLEST_DRIFT)


@dataclass(frozen=True)
class Interval:
    """Lower and upper counts with the same shape as the expected counts."""

    lower: Floats
    upper: Floats


def predict_interval(expected: Floats, drift: float, coverage: float = COVERAGE) -> Interval:
    """Return central intervals of counts with mean `expected` that hold at least `coverage`.

    Ends are whole counts, so small expected counts give intervals that hold more than asked.
    """
    size = 1 / drift
    probability = size / (size + expected)
    tail = (1 - coverage) / 2
    return Interval(
        np.asarray(stats.nbinom.ppf(tail, size, probability), dtype=np.float64),
        np.asarray(stats.nbinom.ppf(1 - tail, size, probability), dtype=np.float64),
    )
