"""Scores of forecasts against what then happened.

Enters: observed counts and expected counts of the same shape. Leaves: one number per score. None of
them is used to choose between models except the Poisson deviance (docs/adr/0003-scores.md).
"""

import numpy as np

from models.panel import Floats

SMALLEST_SHARE = 1e-6
"""Shares below this are scored as this: a log-loss must not be infinite for one odd incident."""


def poisson_deviance(observed: Floats, expected: Floats) -> float:
    """Return 2 * sum(y log(y / mu) - (y - mu)), with y log y = 0 at 0 (McCullagh & Nelder 1989, 2.3).

    `expected` must be above 0 everywhere. Unit: none; lower is better, 0 is perfect.
    """
    log_terms = np.zeros_like(observed)
    hit = observed > 0
    log_terms[hit] = observed[hit] * np.log(observed[hit] / expected[hit])
    return float(2 * (log_terms - (observed - expected)).sum())


def predicted_to_actual(observed: Floats, expected: Floats) -> float:
    """Return the sum of expected over the sum of observed counts; 1 is perfect, NaN without any."""
    return float(expected.sum() / observed.sum()) if observed.sum() else float("nan")


def mean_absolute_error(observed: Floats, expected: Floats) -> float:
    """Return the mean absolute error. On sparse counts predicting 0 minimises it: reported only."""
    return float(np.abs(observed - expected).mean())


def capture_share(observed: Floats, expected: Floats, share: float) -> float:
    """Return the share of incidents in the `share` of cells with the highest expected counts.

    The hit rate behind the PAI (Chainey, Tompson & Uhlig 2008). Ties fall in array order.
    """
    cells = int(round(share * expected.size))
    order = np.argsort(-expected.ravel(), kind="stable")[:cells]
    total = observed.sum()
    return float(observed.ravel()[order].sum() / total) if total else float("nan")


def coverage_share(observed: Floats, lower: Floats, upper: Floats) -> float:
    """Return the share of observed counts that lie within their interval, ends included."""
    return float(((observed >= lower) & (observed <= upper)).mean())


def log_loss(counts: Floats, shares: Floats) -> float:
    """Return the mean of -log(share of the type that happened) over incidents; lower is better."""
    total = counts.sum()
    logs = np.log(np.maximum(shares, SMALLEST_SHARE))
    return float(-(counts * logs).sum() / total) if total else float("nan")
