"""The patrol forest: which share of a cell's crimes calls for which patrol type.

Enters: a `Panel` that ends at the origin. Leaves: shares over `PATROL_TYPES` per neighborhood, month
and hour, half from the forest and half from shrunken shares. The label is a rule on the offense
(`offense.patrol_type`), not an observed deployment. `RandomForestClassifier` is fitted on cell x type
rows, drawn in proportion to their counts; what it knows of a cell are shares known before the counts
it learns from.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier

from models.panel import HOURS, Floats, Integers, Panel
from models.volume import list_training_origins
from warehouse import settings
from warehouse.schema import PATROL_TYPES

TREES = 40
LEAF_ROWS = 100
FEATURE_SHARE = 0.5
DRAWN_ROWS = 20_000
"""Rows drawn per tree; each is one incident of a cell and type, so this is a sample of incidents."""

FOREST_SHARE = 0.5
"""Weight of the forest beside the shrunken shares: at every past origin tried, the mean of the two had
a lower log-loss than the shares alone, and mostly than either (docs/adr/0002-base-and-forests.md)."""

PLACE_PSEUDO_EVENTS = 30.0
HOUR_PSEUDO_EVENTS = 30.0
"""Shares of a neighborhood are drawn to the city's, and those of its hours to the product."""


def estimate_shares(panel: Panel) -> Floats:
    """Return shrunken shares (neighborhood, hour, type): the baseline, and the forest's knowledge.

    A neighborhood's shares are drawn to the city's. Those of an hour are drawn to the product of the
    neighborhood's shares and the city's profile of that hour, normalised. Every share is above 0
    where the city has seen the type at all.
    """
    counts = panel.patrol_counts.sum(axis=1, dtype=np.float64)
    city = counts.sum(axis=(0, 1))
    city = city / max(city.sum(), 1.0)
    place = counts.sum(axis=1)
    place = (place + PLACE_PSEUDO_EVENTS * city) / (
        place.sum(axis=1, keepdims=True) + PLACE_PSEUDO_EVENTS
    )
    by_hour = counts.sum(axis=0) + PLACE_PSEUDO_EVENTS * city
    by_hour /= by_hour.sum(axis=1, keepdims=True)
    lift = np.divide(by_hour, city, out=np.ones_like(by_hour), where=city > 0)
    product = place[:, None, :] * lift[None, :, :]
    product /= product.sum(axis=2, keepdims=True)
    shares: Floats = (counts + HOUR_PSEUDO_EVENTS * product) / (
        counts.sum(axis=2, keepdims=True) + HOUR_PSEUDO_EVENTS
    )
    return shares


def make_patrol_features(past: Panel, targets: Integers) -> npt.NDArray[np.float32]:
    """Return rows (neighborhood, target, hour): shares known so far, hour and month on a circle."""
    shares = estimate_shares(past)
    shape = (len(past.neighborhoods), len(targets), HOURS)
    hour_angle = 2 * np.pi * np.arange(HOURS) / HOURS
    month_angle = (2 * np.pi * (targets % 12) / 12)[:, None]
    columns = [
        *(shares[:, None, :, patrol] for patrol in range(len(PATROL_TYPES))),
        *(shares.mean(axis=1)[:, None, None, patrol] for patrol in range(len(PATROL_TYPES))),
        np.sin(hour_angle),
        np.cos(hour_angle),
        np.sin(month_angle),
        np.cos(month_angle),
    ]
    stacked = [np.broadcast_to(column, shape).astype(np.float32) for column in columns]
    return np.stack(stacked, axis=-1).reshape(-1, len(columns))


@dataclass(frozen=True)
class PatrolModel:
    """A fitted classifier of patrol types."""

    forest: RandomForestClassifier

    def predict(self, past: Panel, targets: Integers) -> Floats:
        """Return shares (neighborhood, target, hour, type); they add up to 1, unseen types get 0."""
        known = self.forest.predict_proba(make_patrol_features(past, targets))
        learned = np.zeros((len(known), len(PATROL_TYPES)))
        learned[:, self.forest.classes_] = known
        shape = (len(past.neighborhoods), len(targets), HOURS, len(PATROL_TYPES))
        shares = (1 - FOREST_SHARE) * estimate_shares(past)[:, None] + FOREST_SHARE * (
            learned.reshape(shape)
        )
        normalized: Floats = shares / shares.sum(axis=3, keepdims=True)
        return normalized


def fit_patrol(panel: Panel, origin: int) -> PatrolModel:
    """Fit the classifier on the target months of the newest past origin."""
    start, end = list_training_origins(panel, origin)[0]
    future = panel.between(start, end)
    features = make_patrol_features(panel.before(start), future.month_numbers)
    counts = future.patrol_counts.reshape(-1, len(PATROL_TYPES))
    cells, patrol = np.nonzero(counts)
    weights = counts[cells, patrol].astype(np.float64)
    forest = RandomForestClassifier(
        n_estimators=TREES,
        min_samples_leaf=max(1, min(LEAF_ROWS, len(cells) // 10)),
        max_features=FEATURE_SHARE,
        max_samples=min(DRAWN_ROWS, len(cells)),
        random_state=settings.SEED,
        n_jobs=settings.available_cores(),
    ).fit(features[cells], patrol, sample_weight=weights)
    forest.n_jobs = 1  # see fit_volume
    return PatrolModel(forest)
