"""The volume forest: how far the base rate will be off, learned from past origins.

Input: a `Panel` that ends at the origin, and past origins. Output: factors on the base rate in the
months asked for. `RandomForestRegressor` predicts the ratio of counts to base rate; rows are drawn in
proportion to the expected count, so that cells where a single crime would be a huge ratio hardly matter.
The ratio is raised to a blend weight that is chosen at past origins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestRegressor

from models.arrays import Floats, Integers
from models.features import make_features
from models.metrics import poisson_deviance
from models.panel import Panel
from models.past_origin import HORIZON_MONTHS, PastOrigin
from warehouse import machine, settings

TREES = 40
TRIAL_TREES = 10
"""Trees of the forest that is published, and of the one that the blend weight is chosen by."""
LEAF_ROWS = 200
FEATURE_SHARE = 0.3
CRITERION = "squared_error"
DRAWN_ROWS = 20_000
"""Rows drawn per tree. What the ratio has to tell is little; more rows cost time and tell no more."""

BLEND_WEIGHTS = np.linspace(0, 1, 11)
"""Grid of the blend weight: the power of the forest's ratio that is applied, 0 nothing, 1 all."""
DEFAULT_BLEND_WEIGHT = 0.0
"""Blend weight where past origins say nothing else, and the mean of its prior: a forest that has not
been seen to help says nothing (docs/adr/0002-base-and-forests.md)."""
BLEND_WEIGHT_SD = 0.2
OVERLAP = 4.0
"""Standard deviation of the blend weight's prior, and by how much the deviance of overlapping target
months overstates what they tell."""

MIN_RATIO = 1e-3


@dataclass(frozen=True)
class VolumeModel:
    """A correction of the base rate; there is no forest where its blend weight is 0."""

    forest: RandomForestRegressor | None
    blend_weight: float

    def correct(self, past: Panel, origin: int, targets: Integers, rates: Floats) -> Floats:
        """Return factors on the base `rates` at `origin`, both (neighborhood, target, hour)."""
        if self.forest is None:
            return np.ones_like(rates)
        ratio = self.forest.predict(make_features(past, origin, targets, rates))
        ratio = np.maximum(ratio, MIN_RATIO).reshape(rates.shape)
        return keep_city(rates, ratio**self.blend_weight)


def keep_city(rates: Floats, factors: Floats) -> Floats:
    """Return factors (neighborhood, month, hour) on rates that leave the city's months as they are.

    The forest learns with the city divided out, so that what it says of the city is chance: of how its
    drawn rows differ from all, or of cells it never saw.
    """
    months = rates.sum(axis=(0, 2)) / (rates * factors).sum(axis=(0, 2))
    kept: Floats = factors * months[None, :, None]
    return kept


def fit_volume(past_origins: Sequence[PastOrigin], origin: int) -> VolumeModel:
    """Fit the correction on what happened after past origins, all before `origin`.

    There is no forest where none is worth applying.
    """
    weight = choose_blend_weight(past_origins, origin)
    return VolumeModel(fit_forest(past_origins, TREES) if weight else None, weight)


def choose_blend_weight(past_origins: Sequence[PastOrigin], origin: int) -> float:
    """Return how much of the correction to apply: 0 nothing, 1 all.

    A forest that saw nothing of the newest year is tried on it. The weight minimises half its deviance
    there plus the negative log of a normal prior: it is shrunk toward the default. With no origin before
    that year it is the default.
    """
    year = origin - HORIZON_MONTHS
    older = [r.until(year) for r in past_origins if r.origin < year]
    newer = [r for r in past_origins if r.origin >= year]
    if not older or not newer:
        return DEFAULT_BLEND_WEIGHT
    trial = fit_forest(older, TRIAL_TREES)
    losses = 0.5 * ((BLEND_WEIGHTS - DEFAULT_BLEND_WEIGHT) / BLEND_WEIGHT_SD) ** 2
    for past_origin in newer:
        ratio = trial.predict(describe(past_origin)).reshape(past_origin.rates.shape)
        ratio = np.maximum(ratio, MIN_RATIO)
        expected = past_origin.divide_city_out()
        for index, weight in enumerate(BLEND_WEIGHTS):
            factors = keep_city(expected, ratio**weight)
            deviance = poisson_deviance(past_origin.future.counts, expected * factors)
            losses[index] += deviance / 2 / OVERLAP
    return float(BLEND_WEIGHTS[losses.argmin()])


def fit_forest(past_origins: Sequence[PastOrigin], trees: int) -> RandomForestRegressor:
    """Fit the forest on the ratio of counts to base rate."""
    features = np.concatenate([describe(past_origin) for past_origin in past_origins])
    expected = [past_origin.divide_city_out() for past_origin in past_origins]
    ratios = np.concatenate(
        [(r.future.counts / mean).ravel() for r, mean in zip(past_origins, expected, strict=True)]
    )
    forest = RandomForestRegressor(
        n_estimators=trees,
        criterion=CRITERION,
        min_samples_leaf=max(1, min(LEAF_ROWS, len(ratios) // 10)),
        max_features=FEATURE_SHARE,
        max_samples=min(DRAWN_ROWS, len(ratios)),
        random_state=settings.SEED,
        n_jobs=machine.available_cores(),
    ).fit(features, ratios, sample_weight=np.concatenate([mean.ravel() for mean in expected]))
    # Threads would add up the trees' answers in the order they finish, which changes last digits.
    forest.n_jobs = 1
    return forest


def describe(past_origin: PastOrigin) -> npt.NDArray[np.float32]:
    """Return the features (cell, feature) of a past origin's cells."""
    return past_origin.features.reshape(-1, past_origin.features.shape[-1])
