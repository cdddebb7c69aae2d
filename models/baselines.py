"""Other models that the backtest scores beside ours.

Input: a `Panel` that ends at the origin, and target months. Output: expected crimes per clock hour
(neighborhood, target month, hour), above 0 everywhere.
"""

import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from models.arrays import Floats, Integers
from models.features import FEATURES, make_features
from models.model_names import (
    CELL_MEAN,
    FIRST_VERSION,
    FIRST_VERSION_EXPOSURE,
    HOUR_MEAN,
    POISSON_GLM,
    SEASONAL_NAIVE,
)
from models.panel import HOURS, Panel
from models.past_origin import PastOrigin
from models.volume_forest import MIN_RATIO, describe
from warehouse import machine, settings
from warehouse.months import MONTHS

FITTING_ROUNDS = 20
"""Rounds of iterative proportional fitting; the margins agree to 1e-9 long before."""

FIRST_VERSION_DAYS = 30
"""What the first version divided its summed years by."""

LIGHTGBM_TREES = 150
MIN_RATE = 1e-9


def average_hours(past: Panel, targets: Integers) -> Floats:
    """Return (neighborhood, target, hour) the mean rate of the hour over all of the past."""
    rates = past.counts.sum(axis=1) / past.exposure.sum(axis=0)
    return np.repeat(keep_above_zero(rates)[:, None, :], len(targets), axis=1)


def average_cells(past: Panel, targets: Integers) -> Floats:
    """Return (neighborhood, target, hour) the mean rate of the calendar month; of all where unseen."""
    fallback = average_hours(past, targets)
    rates = np.empty_like(fallback)
    for index, target in enumerate(targets):
        same = past.select_months(past.month_numbers % MONTHS == target % MONTHS)
        if len(same.days):
            rates[:, index] = keep_above_zero(same.counts.sum(axis=1) / same.exposure.sum(axis=0))
        else:
            rates[:, index] = fallback[:, index]
    return rates


def repeat_last_year(past: Panel, targets: Integers) -> Floats:
    """Return (neighborhood, target, hour) the rate in the newest such month; of all where unseen."""
    fallback = average_hours(past, targets)
    rates = np.empty_like(fallback)
    for index, target in enumerate(targets):
        same = np.flatnonzero(past.month_numbers % MONTHS == target % MONTHS)
        if len(same):
            newest = same[-1]
            rates[:, index] = keep_above_zero(past.counts[:, newest] / past.exposure[newest])
        else:
            rates[:, index] = fallback[:, index]
    return rates


def fit_poisson_glm(past: Panel, targets: Integers) -> Floats:
    """Return rates (neighborhood, target, hour) of the log-linear Poisson model of their main effects.

    Its maximum likelihood is found by iterative proportional fitting (Deming & Stephan 1940). Months
    that the past never saw have the mean effect.
    """
    seen = np.unique(past.month_numbers % MONTHS)
    is_month = (past.month_numbers[:, None] % MONTHS == seen[None, :]).astype(np.float64)
    counts = np.einsum("nth,tm->nmh", past.counts, is_month)
    exposure = np.einsum("th,tm->mh", past.exposure, is_month)
    place, month, hour = np.ones(len(counts)), np.ones(len(seen)), np.ones(HOURS)
    for _ in range(FITTING_ROUNDS):
        place = counts.sum(axis=(1, 2)) / np.einsum("m,h,mh->", month, hour, exposure)
        month = counts.sum(axis=(0, 2)) / np.einsum("n,h,mh->m", place, hour, exposure)
        hour = counts.sum(axis=(0, 1)) / np.einsum("n,m,mh->h", place, month, exposure)
    effects = dict(zip(seen.tolist(), month.tolist(), strict=True))
    by_target = np.array([effects.get(int(target) % MONTHS, month.mean()) for target in targets])
    return keep_above_zero(np.einsum("n,t,h->nth", place, by_target, hour))


def fit_first_version(past: Panel, targets: Integers) -> dict[str, Floats]:
    """Return rates by model: the first version's, and its forest's divided by the days it had seen.

    Counts summed over all years for cells with at least one incident, identifiers as integers, a
    forest with default settings, rounded up after division by 30. As published, that was read as the
    crimes of the clock hour of one day.
    """
    month = past.month_numbers % MONTHS
    is_month = (month[:, None] == np.arange(MONTHS)[None, :]).astype(np.float64)
    counts = np.einsum("nth,tm->nmh", past.counts, is_month)
    cells = np.argwhere(counts > 0)
    forest = RandomForestRegressor(random_state=settings.SEED, n_jobs=machine.available_cores())
    forest.fit(cells.astype(np.float32), counts[counts > 0])
    shape = (len(counts), len(targets), HOURS)
    place, target, hour = np.indices(shape)
    asked = np.stack([place, np.asarray(targets)[target] % MONTHS, hour], axis=-1).reshape(-1, 3)
    summed = forest.predict(asked.astype(np.float32)).reshape(shape)
    days = is_month.T @ past.days
    days = np.where(days > 0, days, days[days > 0].mean())
    return {
        FIRST_VERSION.name: np.ceil(summed / FIRST_VERSION_DAYS),
        FIRST_VERSION_EXPOSURE.name: keep_above_zero(summed / days[targets % MONTHS][None, :, None]),
    }


def has_lightgbm() -> bool:
    """Return whether LightGBM, which only tests and `make backtest` use, is installed."""
    return find_spec("lightgbm") is not None


def fit_lightgbm(
    past_origins: Sequence[PastOrigin], past: Panel, origin: int, targets: Integers, rates: Floats
) -> Floats:
    """Return `rates` in their shape, corrected by boosted trees with Poisson loss."""
    import lightgbm  # a test dependency: no refresh needs it

    features = np.concatenate([describe(past_origin) for past_origin in past_origins])
    expected = [past_origin.divide_city_out() for past_origin in past_origins]
    ratios = np.concatenate(
        [(r.future.counts / mean).ravel() for r, mean in zip(past_origins, expected, strict=True)]
    )
    booster = lightgbm.LGBMRegressor(
        objective="poisson", n_estimators=LIGHTGBM_TREES, learning_rate=0.03, num_leaves=15,
        min_child_samples=1000, subsample=0.5, subsample_freq=1, random_state=settings.SEED,
        n_jobs=machine.available_cores(), deterministic=True, force_row_wise=True, verbose=-1,
    )  # fmt: skip
    booster.fit(features, ratios, np.concatenate([mean.ravel() for mean in expected]),
                feature_name=list(FEATURES))  # fmt: skip
    with warnings.catch_warnings():
        # Its scikit-learn interface misses the names it was given itself.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        ratio = booster.predict(make_features(past, origin, targets, rates))
    corrected: Floats = rates * np.maximum(np.asarray(ratio), MIN_RATIO).reshape(rates.shape)
    return corrected


def keep_above_zero(rates: Floats) -> Floats:
    """Return rates (same shape) of at least a hundredth of their mean: at 0 a deviance is infinite."""
    return np.maximum(rates, max(rates.mean() / 100, MIN_RATE))


SIMPLE_BASELINES: dict[str, Callable[[Panel, Integers], Floats]] = {
    CELL_MEAN.name: average_cells,
    HOUR_MEAN.name: average_hours,
    SEASONAL_NAIVE.name: repeat_last_year,
    POISSON_GLM.name: fit_poisson_glm,
}
"""Baselines that every backtest scores, by name in `backtest_score`."""
