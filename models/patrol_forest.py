"""The patrol forest: which share of a cell's crimes calls for which patrol type.

Input: base rates by stratum, and past origins. Output: shares over `PATROL_TYPES` per
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
from models.metrics_shares import log_loss
from models.panel import HOURS, Panel
from models.past_origin import HORIZON_MONTHS, PastOrigin
from warehouse import machine, settings
from warehouse.columns import PATROL_TYPES
from warehouse.months import MONTHS

TREES = 30
TRIAL_TREES = 10
"""Trees of the forest that is published, and of the one that its weight is chosen by."""
LEAF_ROWS = 40
FEATURE_SHARE = 0.5
DRAWN_ROWS = 8_000
"""Rows drawn per tree; each is one incident of a cell and type, so this is a sample of incidents."""

MAX_SAMPLED_ROWS = 100_000
"""Rows that the trees draw from, sampled where there are more cells and types with counts."""

BLEND_WEIGHTS = np.linspace(0, 0.3, 7)
"""Grid of the blend weight: that of the forest beside the base shares. More than 0.3 gained next to
nothing at past origins and cost most where offenses were recoded (docs/adr/0002-base-and-forests.md)."""
DEFAULT_BLEND_WEIGHT = 0.0
BLEND_WEIGHT_SD = 0.2
"""Mean and standard deviation of the blend weight's prior; the mean holds without past origins: a forest
that has not been seen to help says nothing."""
OVERLAP = 4.0
"""By how much the log-loss of overlapping target months overstates what they tell."""

PLACE_PRIOR_WEIGHT = 30.0
HOUR_PRIOR_WEIGHT = 30.0
"""Prior weights, in incidents: of the city's shares, and of the product for a neighborhood's hour."""

REPRESENTED_POWER = 0.5
"""Power of a type's city share that its cell share is divided by before the largest is suggested."""


def estimate_shares(panel: Panel) -> Floats:
    """Return shrunken shares (neighborhood, hour, patrol type): the baseline of the backtest."""
    return shrink_shares(panel.patrol_counts.sum(axis=1))


def shrink_shares(counts: Floats) -> Floats:
    """Return shares of counts, both (neighborhood, hour, type).

    A neighborhood's shares are shrunk toward the city's. Those of an hour are shrunk toward the product
    of the neighborhood's shares and the city's profile of that hour, normalised. Every share is above 0
    where the city has seen the type at all.
    """
    city = counts.sum(axis=(0, 1))
    city = city / max(city.sum(), 1.0)
    place = counts.sum(axis=1)
    place = (place + PLACE_PRIOR_WEIGHT * city) / (place.sum(axis=1, keepdims=True) + PLACE_PRIOR_WEIGHT)
    by_hour = counts.sum(axis=0) + PLACE_PRIOR_WEIGHT * city
    by_hour /= by_hour.sum(axis=1, keepdims=True)
    lift = np.divide(by_hour, city, out=np.ones_like(by_hour), where=city > 0)
    product = place[:, None, :] * lift[None, :, :]
    product /= product.sum(axis=2, keepdims=True)
    shares: Floats = (counts + HOUR_PRIOR_WEIGHT * product) / (
        counts.sum(axis=2, keepdims=True) + HOUR_PRIOR_WEIGHT
    )
    return shares


def share_out(panel: Panel, base: npt.NDArray[np.float32] | Floats) -> Floats:
    """Return the shares (…, type) of base rates (…, stratum)."""
    rates = panel.sum_by_patrol(base)
    shares: Floats = rates / rates.sum(axis=-1, keepdims=True)
    return shares


def make_patrol_features(shares: Floats, targets: Integers) -> npt.NDArray[np.float32]:
    """Return features (cell, feature), cells by neighborhood, target and hour, hours fastest.

    Features are the base `shares` (neighborhood, target, hour, type) here and all day, hour and month.
    """
    hour_angle = 2 * np.pi * np.arange(HOURS) / HOURS
    month_angle = (2 * np.pi * (targets % MONTHS) / MONTHS)[:, None]
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
    """A classifier of patrol types and its weight; there is no forest where that is 0."""

    forest: RandomForestClassifier | None
    blend_weight: float

    def predict(self, base_shares: Floats, targets: Integers) -> Floats:
        """Return shares like `base_shares` (neighborhood, target, hour, type); they add up to 1."""
        if self.forest is None:
            return base_shares
        weight = self.blend_weight
        return (1 - weight) * base_shares + weight * predict_shares(self.forest, base_shares, targets)


def fit_patrol(past_origins: Sequence[PastOrigin], origin: int) -> PatrolModel:
    """Fit the classifier on what happened after past origins, all before `origin`.

    There is no forest where none is worth blending in.
    """
    weight = choose_blend_weight(past_origins, origin)
    return PatrolModel(fit_forest(past_origins, TREES) if weight else None, weight)


def choose_blend_weight(past_origins: Sequence[PastOrigin], origin: int) -> float:
    """Return the weight of the forest: 0 its base shares alone, 1 the forest alone.

    A forest that saw nothing of the newest year is tried on it. The weight minimises the log-loss there
    plus the negative log of a normal prior: it is shrunk toward the default.
    """
    year = origin - HORIZON_MONTHS
    older = [r.until(year) for r in past_origins if r.origin < year]
    newer = [r for r in past_origins if r.origin >= year]
    if not newer or not any(past_origin.future.counts.sum() for past_origin in older):
        return DEFAULT_BLEND_WEIGHT
    trial = fit_forest(older, TRIAL_TREES)
    losses = 0.5 * ((BLEND_WEIGHTS - DEFAULT_BLEND_WEIGHT) / BLEND_WEIGHT_SD) ** 2
    for past_origin in newer:
        known = share_out(past_origin.future, past_origin.base)
        learned = predict_shares(trial, known, past_origin.targets)
        counts = past_origin.future.patrol_counts
        for index, weight in enumerate(BLEND_WEIGHTS):
            blend = (1 - weight) * known + weight * learned
            losses[index] += log_loss(counts, blend) * counts.sum() / OVERLAP
    return float(BLEND_WEIGHTS[losses.argmin()])


def fit_forest(past_origins: Sequence[PastOrigin], trees: int) -> RandomForestClassifier:
    """Fit the classifier on cell x type rows weighted by their counts."""
    features, counts = (
        np.concatenate(parts)
        for parts in zip(
            *(
                (
                    make_patrol_features(share_out(r.future, r.base), r.targets),
                    r.future.patrol_counts.reshape(-1, len(PATROL_TYPES)),
                )
                for r in past_origins
            ),
            strict=True,
        )
    )
    cells, patrol = np.nonzero(counts)
    weights = counts[cells, patrol]
    if len(cells) > MAX_SAMPLED_ROWS:
        random = np.random.default_rng(settings.SEED)
        drawn = random.choice(len(cells), MAX_SAMPLED_ROWS, p=weights / weights.sum())
        cells, patrol, weights = cells[drawn], patrol[drawn], np.ones(MAX_SAMPLED_ROWS)
    forest = RandomForestClassifier(
        n_estimators=trees,
        min_samples_leaf=max(1, min(LEAF_ROWS, len(cells) // 10)),
        max_features=FEATURE_SHARE,
        max_samples=min(DRAWN_ROWS, len(cells)),
        random_state=settings.SEED,
        n_jobs=machine.available_cores(),
    ).fit(features[cells], patrol, sample_weight=weights)
    forest.n_jobs = 1  # see models/volume_forest.py
    return forest


def predict_shares(forest: RandomForestClassifier, base_shares: Floats, targets: Integers) -> Floats:
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
    rare one. Only types with at least `MIN_SUGGESTED_SHARE` of the cell, or the most, take part.
    The runner-up is the next by the same measure among all types.
    """
    city = (shares * volume[..., None]).reshape(-1, shares.shape[-1]).sum(axis=0)
    city = np.maximum(city / city.sum(), 1e-9)
    scores = shares / city**REPRESENTED_POWER
    takes_part = (shares >= settings.MIN_SUGGESTED_SHARE) | (
        shares == shares.max(axis=-1, keepdims=True)
    )
    order = np.argsort(np.where(takes_part, -scores, 1 - scores / scores.max()), axis=-1, kind="stable")
    return order[..., 0], order[..., 1]
