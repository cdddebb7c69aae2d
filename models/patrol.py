"""The patrol forest: which share of a cell's crimes calls for which patrol type.

Enters: base rates by stratum, and rehearsals of past origins. Leaves: shares over `PATROL_TYPES` per
neighborhood, month and hour. The label is a rule on the offense (`offense.patrol_type`), not an
observed deployment. `RandomForestClassifier` is fitted on cell x type rows, drawn in proportion to
their counts; it knows of a cell the shares that the base rate expects there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier

from models.arrays import Floats, Integers
from models.metrics import log_loss
from models.panel import HOURS, Panel
from models.past_origin import HORIZON_MONTHS, Rehearsal
from warehouse import settings
from warehouse.columns import PATROL_TYPES

TREES = 30
TRIAL_TREES = 10
"""Trees of the forest that is published, and of the one that its weight is chosen by."""
LEAF_ROWS = 40
FEATURE_SHARE = 0.5
DRAWN_ROWS = 8_000
"""Rows drawn per tree; each is one incident of a cell and type, so this is a sample of incidents."""

SHARES = np.linspace(0, 1, 11)
USUAL_SHARE = 0.5
USUAL_SHARE_SPREAD = 0.2
"""Weight of the forest beside the base shares, and how far from it past origins may move it."""
OVERLAP = 4.0
"""By how much the log-loss of overlapping target months overstates what they tell."""

PLACE_PSEUDO_EVENTS = 30.0
HOUR_PSEUDO_EVENTS = 30.0
"""The baseline's shares of a neighborhood are drawn to the city's, those of its hours to the product."""

REPRESENTED_POWER = 0.5
"""Power of a type's city share that its cell share is divided by before the largest is suggested."""
SMALLEST_SUGGESTED_SHARE = 0.15
"""A type with less of a cell's expected crimes than this is not suggested, unless it has the most."""


def estimate_shares(panel: Panel) -> Floats:
    """Return shrunken shares (neighborhood, hour, type): the baseline of the backtest.

    A neighborhood's shares are drawn to the city's. Those of an hour are drawn to the product of the
    neighborhood's shares and the city's profile of that hour, normalised. Every share is above 0
    where the city has seen the type at all.
    """
    counts = panel.patrol_counts.sum(axis=1)
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


def share_out(panel: Panel, base: npt.NDArray[np.float32] | Floats) -> Floats:
    """Return the shares (…, type) of base rates (…, stratum)."""
    rates = panel.sum_by_patrol(base)
    shares: Floats = rates / rates.sum(axis=-1, keepdims=True)
    return shares


def make_patrol_features(shares: Floats, targets: Integers) -> npt.NDArray[np.float32]:
    """Return rows (neighborhood, target, hour): base shares here and all day, hour and month."""
    hour_angle = 2 * np.pi * np.arange(HOURS) / HOURS
    month_angle = (2 * np.pi * (targets % 12) / 12)[:, None]
    columns = [
        *np.moveaxis(shares, -1, 0),
        *np.moveaxis(shares.mean(axis=2, keepdims=True), -1, 0),
        np.sin(hour_angle),
        np.cos(hour_angle),
        np.sin(month_angle),
        np.cos(month_angle),
    ]
    stacked = [np.broadcast_to(column, shares.shape[:3]).astype(np.float32) for column in columns]
    return np.stack(stacked, axis=-1).reshape(-1, len(columns))


@dataclass(frozen=True)
class PatrolModel:
    """A classifier of patrol types and its weight; without past origins there is no forest."""

    forest: RandomForestClassifier | None
    share: float

    def predict(self, base_shares: Floats, targets: Integers) -> Floats:
        """Return shares like `base_shares` (neighborhood, target, hour, type); they add up to 1."""
        if self.forest is None:
            return base_shares
        return (1 - self.share) * base_shares + self.share * ask(self.forest, base_shares, targets)


def fit_patrol(rehearsals: Sequence[Rehearsal], origin: int) -> PatrolModel:
    """Fit the classifier on what happened after past origins, all before `origin`."""
    if not any(rehearsal.future.counts.sum() for rehearsal in rehearsals):
        return PatrolModel(None, 0.0)
    return PatrolModel(fit_forest(rehearsals, TREES), choose_share(rehearsals, origin))


def choose_share(rehearsals: Sequence[Rehearsal], origin: int) -> float:
    """Return the weight of the forest: the best one at past origins it has not seen, drawn to 0.5."""
    year = origin - HORIZON_MONTHS
    older = [r.until(year) for r in rehearsals if r.origin < year]
    newer = [r for r in rehearsals if r.origin >= year]
    if not newer or not any(rehearsal.future.counts.sum() for rehearsal in older):
        return USUAL_SHARE
    trial = fit_forest(older, TRIAL_TREES)
    losses = 0.5 * ((SHARES - USUAL_SHARE) / USUAL_SHARE_SPREAD) ** 2
    for rehearsal in newer:
        known = share_out(rehearsal.future, rehearsal.base)
        learned = ask(trial, known, rehearsal.targets)
        counts = rehearsal.future.patrol_counts
        for index, share in enumerate(SHARES):
            blend = (1 - share) * known + share * learned
            losses[index] += log_loss(counts, blend) * counts.sum() / OVERLAP
    return float(SHARES[losses.argmin()])


def fit_forest(rehearsals: Sequence[Rehearsal], trees: int) -> RandomForestClassifier:
    """Fit the classifier on cell x type rows weighted by their counts."""
    features, counts = (
        np.concatenate(parts)
        for parts in zip(
            *(
                (
                    make_patrol_features(share_out(r.future, r.base), r.targets),
                    r.future.patrol_counts.reshape(-1, len(PATROL_TYPES)),
                )
                for r in rehearsals
            ),
            strict=True,
        )
    )
    cells, patrol = np.nonzero(counts)
    forest = RandomForestClassifier(
        n_estimators=trees,
        min_samples_leaf=max(1, min(LEAF_ROWS, len(cells) // 10)),
        max_features=FEATURE_SHARE,
        max_samples=min(DRAWN_ROWS, len(cells)),
        random_state=settings.SEED,
        n_jobs=settings.available_cores(),
    ).fit(features[cells], patrol, sample_weight=counts[cells, patrol])
    forest.n_jobs = 1  # see models/volume.py
    return forest


def ask(forest: RandomForestClassifier, base_shares: Floats, targets: Integers) -> Floats:
    """Return the forest's shares (neighborhood, target, hour, type); types it never saw get 0."""
    known = forest.predict_proba(make_patrol_features(base_shares, targets))
    learned = np.zeros((len(known), len(PATROL_TYPES)))
    learned[:, forest.classes_] = known
    return learned.reshape(base_shares.shape)


def rank_patrols(shares: Floats, volume: Floats) -> tuple[Integers, Integers]:
    """Return the suggested type and the runner-up (…), as indexes into `PATROL_TYPES`.

    Suggested is the type whose share of the cell, divided by the root of its share of the city
    (weighted by `volume`, the expected crimes), is largest: half-way between the commonest type, which
    would be the same nearly everywhere, and the one most over-represented, which would often be a
    rare one. Only types with at least `SMALLEST_SUGGESTED_SHARE` of the cell, or the most, take part.
    The runner-up is the next by the same measure among all types.
    """
    city = (shares * volume[..., None]).reshape(-1, shares.shape[-1]).sum(axis=0)
    city = np.maximum(city / city.sum(), 1e-9)
    scores = shares / city**REPRESENTED_POWER
    takes_part = (shares >= SMALLEST_SUGGESTED_SHARE) | (shares == shares.max(axis=-1, keepdims=True))
    order = np.argsort(np.where(takes_part, -scores, 1 - scores / scores.max()), axis=-1, kind="stable")
    return order[..., 0], order[..., 1]
