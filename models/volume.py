"""The volume forest: how far the base rate will be off, learned from past origins.

Enters: a `Panel` that ends at the origin, and rehearsals of past origins. Leaves: expected crimes per
clock hour of the months asked for. `RandomForestRegressor` predicts the ratio of counts to base rate;
rows are drawn in proportion to the expected count, so that cells where a single crime would be a huge
ratio hardly matter. A gate decides from past origins how much of the ratio is applied.
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
from models.past_origin import HORIZON_MONTHS, Rehearsal
from warehouse import settings

TREES = 40
TRIAL_TREES = 10
"""Trees of the forest that is published, and of the one that the gate tries."""
LEAF_ROWS = 200
FEATURE_SHARE = 0.3
CRITERION = "squared_error"
DRAWN_ROWS = 20_000
"""Rows drawn per tree. What the ratio has to tell is little; more rows cost time and tell no more."""

SHARES = np.linspace(0, 1, 11)
USUAL_SHARE = 0.5
"""Share of the forest's log ratio that is applied where past origins say nothing else: part of what it
learns was of its years alone (docs/adr/0002-base-and-forests.md)."""
USUAL_SHARE_SPREAD = 0.2
GATE_DISPERSION = 4.0
"""How far the share is believed to lie from the usual one, and by how much the deviance of overlapping
target months overstates what they tell."""

SMALLEST_RATIO = 1e-3


@dataclass(frozen=True)
class VolumeModel:
    """A correction of the base rate; without past origins to learn from there is no forest."""

    forest: RandomForestRegressor | None
    share: float

    def correct(self, past: Panel, origin: int, targets: Integers, rates: Floats) -> Floats:
        """Return the factor on `rates`, the base rate (neighborhood, target, hour) at `origin`."""
        if self.forest is None:
            return np.ones_like(rates)
        ratio = self.forest.predict(make_features(past, origin, targets, rates))
        return keep_city(rates, np.maximum(ratio, SMALLEST_RATIO).reshape(rates.shape) ** self.share)


def keep_city(rates: Floats, factors: Floats) -> Floats:
    """Return factors (neighborhood, month, hour) on rates that leave the city's months as they are.

    The forest learns with the city divided out, so that what it says of the city is chance: of how its
    drawn rows differ from all, or of cells it never saw.
    """
    months = rates.sum(axis=(0, 2)) / (rates * factors).sum(axis=(0, 2))
    kept: Floats = factors * months[None, :, None]
    return kept


def fit_volume(rehearsals: Sequence[Rehearsal], origin: int) -> VolumeModel:
    """Fit the correction on what happened after past origins, all before `origin`."""
    if not rehearsals:
        return VolumeModel(None, 0.0)
    return VolumeModel(fit_forest(rehearsals, TREES), choose_share(rehearsals, origin))


def choose_share(rehearsals: Sequence[Rehearsal], origin: int) -> float:
    """Return how much of the correction to apply: 0 nothing, 1 all.

    A forest that saw nothing of the newest year is tried on it: the share with the lowest deviance
    there, drawn to the usual one. With no origin before that year it is the usual one.
    """
    year = origin - HORIZON_MONTHS
    older = [r.until(year) for r in rehearsals if r.origin < year]
    newer = [r for r in rehearsals if r.origin >= year]
    if not older or not newer:
        return USUAL_SHARE
    trial = fit_forest(older, TRIAL_TREES)
    losses = 0.5 * ((SHARES - USUAL_SHARE) / USUAL_SHARE_SPREAD) ** 2
    for rehearsal in newer:
        ratio = trial.predict(describe(rehearsal)).reshape(rehearsal.rates.shape)
        ratio = np.maximum(ratio, SMALLEST_RATIO)
        expected = divide_city_out(rehearsal)
        for index, share in enumerate(SHARES):
            factors = keep_city(expected, ratio**share)
            deviance = poisson_deviance(rehearsal.future.counts, expected * factors)
            losses[index] += deviance / 2 / GATE_DISPERSION
    return float(SHARES[losses.argmin()])


def fit_forest(rehearsals: Sequence[Rehearsal], trees: int) -> RandomForestRegressor:
    """Fit the forest on the ratio of counts to base rate."""
    features = np.concatenate([describe(rehearsal) for rehearsal in rehearsals])
    expected = [divide_city_out(rehearsal) for rehearsal in rehearsals]
    ratios = np.concatenate(
        [(r.future.counts / mean).ravel() for r, mean in zip(rehearsals, expected, strict=True)]
    )
    forest = RandomForestRegressor(
        n_estimators=trees,
        criterion=CRITERION,
        min_samples_leaf=max(1, min(LEAF_ROWS, len(ratios) // 10)),
        max_features=FEATURE_SHARE,
        max_samples=min(DRAWN_ROWS, len(ratios)),
        random_state=settings.SEED,
        n_jobs=settings.available_cores(),
    ).fit(features, ratios, sample_weight=np.concatenate([mean.ravel() for mean in expected]))
    # Threads would add up the trees' answers in the order they finish, which changes last digits.
    forest.n_jobs = 1
    return forest


def describe(rehearsal: Rehearsal) -> npt.NDArray[np.float32]:
    """Return the features of a rehearsal's cells, a row each."""
    return rehearsal.features.reshape(-1, rehearsal.features.shape[-1])


def divide_city_out(rehearsal: Rehearsal) -> Floats:
    """Return the expected counts with every month's city total as it came.

    What the whole city did in a month cannot be known at an origin, and a forest that learned last
    year's would repeat it.
    """
    observed = rehearsal.future.counts.sum(axis=(0, 2))
    drift = np.maximum(observed, 0.5) / rehearsal.expected.sum(axis=(0, 2))
    expected: Floats = rehearsal.expected * drift[None, :, None]
    return expected
