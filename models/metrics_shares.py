"""Scores of shares: how well they foretold the type of an incident, of a patrol or of an offense.

Input: counts and shares by type. Output: one number per score; `models.metrics` declares them.
"""

from dataclasses import dataclass

import numpy as np

from models.arrays import Floats

MIN_SHARE = 1e-6
"""Shares below this are scored as this: a log-loss must not be infinite for one odd incident."""


@dataclass(frozen=True)
class ShareSample:
    """Counts and expected shares (…, type); the shares of a cell add up to 1."""

    counts: Floats
    shares: Floats


def log_loss(counts: Floats, shares: Floats) -> float:
    """Return the mean of -log(share of the type that happened) over incidents; lower is better.

    NaN without any incident.
    """
    total = counts.sum()
    logs = np.log(np.maximum(shares, MIN_SHARE))
    return float(-(counts * logs).sum() / total) if total else float("nan")


def brier_score(counts: Floats, shares: Floats) -> float:
    """Return the mean squared error of the shares over incidents and types (Brier 1950); NaN if none."""
    total = counts.sum()
    squares = (shares**2).sum(axis=-1, keepdims=True) - 2 * shares + 1
    return float((counts * squares).sum() / total) if total else float("nan")


def count_confusion(counts: Floats, shares: Floats) -> Floats:
    """Return incidents (likeliest type, type that happened)."""
    called, types = shares.argmax(axis=-1), counts.shape[-1]
    return np.array([counts[called == number].sum(axis=0) for number in range(types)])


def accuracy(counts: Floats, shares: Floats) -> float:
    """Return the share of incidents whose type was the likeliest; NaN without any incident."""
    total = counts.sum()
    return float(np.diag(count_confusion(counts, shares)).sum() / total) if total else float("nan")


def macro_f1(counts: Floats, shares: Floats) -> float:
    """Return the mean over types of the F1 of the likeliest type; NaN without any incident.

    Types that never happened and were never the likeliest are left out.
    """
    if not counts.sum():
        return float("nan")
    confusion = count_confusion(counts, shares)
    hits, size = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    return float((2 * hits[size > 0] / size[size > 0]).mean())
