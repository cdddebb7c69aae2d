"""The volume forest: how far the base rate will be off, learned from past origins.

Enters: a `Panel` that ends at the origin. Leaves: expected crimes per clock hour of the months asked
for. `RandomForestRegressor` predicts the ratio of counts to base rate; rows are drawn in proportion
to the expected count, so that cells where a single crime would be a huge ratio hardly matter.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from models.base import estimate_base
from models.features import make_features
from models.panel import HOURS, Floats, Integers, Panel
from warehouse import settings
from warehouse.errors import ShieldError

TREES = 40
LEAF_ROWS = 300
FEATURE_SHARE = 0.5
DRAWN_ROWS = 30_000
"""Rows drawn per tree. What the ratio has to tell is little; more rows cost time and tell no more."""

CORRECTION_SHARE = 0.3
"""Share of the forest's log ratio that is applied: part of what it learns was of its years alone
(docs/adr/0002-base-and-forests.md)."""

HORIZON_MONTHS = 12
SHORTEST_HISTORY = 6
"""Observed months that an origin needs before it; months in a gap between files do not count."""
LARGEST_ORIGINS = 2


@dataclass(frozen=True)
class VolumeModel:
    """A fitted correction of the base rate, and the past origins it was learned from."""

    forest: RandomForestRegressor
    training_origins: tuple[int, ...]

    def predict(self, past: Panel, origin: int, targets: Integers) -> Floats:
        """Return expected crimes per clock hour (neighborhood, target, hour) as known at `origin`."""
        base = estimate_base(past, origin)
        ratio = self.forest.predict(make_features(past, origin, targets, base))
        correction = np.maximum(ratio, 1e-3) ** CORRECTION_SHARE
        shape = (len(past.neighborhoods), len(targets), HOURS)
        rates: Floats = base[:, None, :] * correction.reshape(shape)
        return rates


def list_training_origins(panel: Panel, origin: int) -> list[tuple[int, int]]:
    """Return (origin, end of its target months) pairs, all before `origin`.

    Whole years back from `origin` while enough history lies before them; with less data than that,
    one origin that cuts the data in half. Raises `ShieldError` for a single month of data.
    """
    first = int(panel.month_numbers[0])
    pairs = [
        (start, start + HORIZON_MONTHS)
        for start in range(origin - HORIZON_MONTHS, first, -HORIZON_MONTHS)
        if len(panel.before(start).days) >= SHORTEST_HISTORY
        and len(panel.between(start, start + HORIZON_MONTHS).days)
    ]
    if pairs:
        return pairs[:LARGEST_ORIGINS]
    if len(panel.month_numbers) < 2:
        raise ShieldError(
            "training needs incidents of at least two calendar months; the clean data has one"
        )
    middle = int(panel.month_numbers[len(panel.month_numbers) // 2])
    return [(middle, origin)]


def fit_volume(panel: Panel, origin: int) -> VolumeModel:
    """Fit the correction on what `panel` knows, which ends at `origin`."""
    pairs = list_training_origins(panel, origin)
    features, ratios, weights = (
        np.concatenate(parts)
        for parts in zip(*(make_training_rows(panel, *pair) for pair in pairs), strict=True)
    )
    forest = RandomForestRegressor(
        n_estimators=TREES,
        min_samples_leaf=min(LEAF_ROWS, len(ratios) // 10),
        max_features=FEATURE_SHARE,
        max_samples=min(DRAWN_ROWS, len(ratios)),
        random_state=settings.SEED,
        n_jobs=settings.available_cores(),
    ).fit(features, ratios, sample_weight=weights)
    # Threads would add up the trees' answers in the order they finish, which changes last digits.
    forest.n_jobs = 1
    return VolumeModel(forest, tuple(start for start, _ in pairs))


def make_training_rows(
    panel: Panel, origin: int, end: int
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], Floats, Floats]:
    """Return features, ratios and weights of one past origin's target months.

    The city's own drift over the target months is divided out: it cannot be known at an origin, and
    a forest that learned last year's would repeat it.
    """
    past, future = panel.before(origin), panel.between(origin, end)
    base = estimate_base(past, origin)
    expected = base[:, None, :] * future.exposure
    counts = future.counts
    expected *= counts.sum() / expected.sum() if counts.sum() else 1.0
    features = make_features(past, origin, future.month_numbers, base)
    return features, (counts / expected).ravel(), expected.ravel()
