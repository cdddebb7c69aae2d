"""Scores of forecasts against what then happened.

Enters: observed counts and expected counts of the same shape. Leaves: one number per score. None of
them is used to choose between models except the Poisson deviance (docs/adr/0003-scores.md).
"""

import numpy as np

from models.arrays import Floats

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


def pinball_loss(observed: Floats, lower: Floats, upper: Floats, coverage: float) -> float:
    """Return the mean pinball loss of the two ends of a central interval; lower is better.

    Koenker & Bassett (1978): an end at quantile q costs q per count it lies below, 1 - q above.
    """
    tail = (1 - coverage) / 2
    losses = [
        np.maximum(quantile * (observed - end), (quantile - 1) * (observed - end))
        for quantile, end in ((tail, lower), (1 - tail, upper))
    ]
    return float(np.mean(losses))


def classification_scores(counts: Floats, shares: Floats) -> dict[str, float]:
    """Return Brier score, accuracy and macro F1 of the likeliest type, over incidents.

    Types that never happened and were never called are left out of the macro F1. NaN without any
    incident.
    """
    total = counts.sum()
    if not total:
        return dict.fromkeys(("patrol_brier", "patrol_accuracy", "patrol_macro_f1"), float("nan"))
    squares = (shares**2).sum(axis=-1, keepdims=True) - 2 * shares + 1
    called = shares.argmax(axis=-1)
    kinds = counts.shape[-1]
    confusion = np.array([counts[called == kind].sum(axis=0) for kind in range(kinds)])
    hits, size = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    return {
        "patrol_brier": float((counts * squares).sum() / total),
        "patrol_accuracy": float(hits.sum() / total),
        "patrol_macro_f1": float((2 * hits[size > 0] / size[size > 0]).mean()),
    }


def resample_ratio(
    deviances: Floats, reference: Floats, seed: int, draws: int = 1000
) -> tuple[float, float]:
    """Return the 95 % interval of sum(deviances) / sum(reference), resampling neighborhoods in pairs.

    A paired block bootstrap (Efron & Tibshirani 1993, chapter 8): a neighborhood's months and hours
    stay together, because they share their level.
    """
    random = np.random.default_rng(seed)
    count = len(deviances)
    weights = random.multinomial(count, np.full(count, 1 / count), size=draws)
    lower, upper = np.quantile((weights @ deviances) / (weights @ reference), [0.025, 0.975])
    return float(lower), float(upper)
