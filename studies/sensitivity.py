"""Sensitivity to the constants of the base rate and the forests, repeatable on any build.

Input: a `Panel`. Output: the deviance beside the reference, mean over past origins and horizons, with
one constant changed at a time. Nothing is chosen here: docs/adr/0002 says what was.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from models import base_rate, city_level, hour_season, volume_forest
from models.backtest import HORIZONS
from models.metrics import poisson_deviance
from models.panel import Panel
from models.past_origin import HORIZON_MONTHS, replay_origins
from warehouse import machine

CANDIDATES: tuple[tuple[ModuleType, str, tuple[object, ...]], ...] = (
    (base_rate, "RECENT_HALF_LIFE", (2.0, 3.0, 5.0)),
    (base_rate, "LONG_HALF_LIFE", (12.0, 18.0, 30.0)),
    (base_rate, "SHAPE_HALF_LIFE", (12.0, 18.0, 27.0)),
    (base_rate, "CITY_SHAPE_HALF_LIFE", (3.0, 6.0, 12.0)),
    (base_rate, "MIX_PRIOR_WEIGHT", (50.0, 200.0, 800.0)),
    (base_rate, "NPU_PRIOR_WEIGHT", (30.0, 100.0, 1e6)),
    (base_rate, "MOVE_PRIOR_WEIGHT", (12.0, 18.0, 50.0)),
    (base_rate, "SHAPE_PRIOR_WEIGHT", (20.0, 40.0, 80.0)),
    (base_rate, "SHAPE_TYPES", (1, 3, 5)),
    (base_rate, "SHAPE_TYPE_SHARE", (0.0, 0.5, 1.0)),
    (base_rate, "HOUR_BANDWIDTH", (0.7, 1.2, 2.0)),
    (hour_season, "WAVE_SD", (0.0, 0.04, 0.08)),
    (hour_season, "WAVE_BANDWIDTH", (1.5, 3.0, 6.0)),
    (city_level, "DEVIATION_EFOLDING_MONTHS", (1.5, 2.5, 6.0)),
    (city_level, "TREND_A_YEAR", (0.0, 0.03, 0.08)),
    (city_level, "HARMONICS", ((1e-6,), (0.07, 0.025), (0.12, 0.06))),
    (city_level, "NOISE", (0.03, 0.07, 0.12)),
    (volume_forest, "LEAF_ROWS", (70, 200, 700)),
    (volume_forest, "FEATURE_SHARE", (0.15, 0.3, 0.6)),
    (volume_forest, "CRITERION", ("squared_error", "poisson")),
    (volume_forest, "TREES", (20, 40, 80)),
    (volume_forest, "DEFAULT_BLEND_WEIGHT", (0.0, 0.25, 0.5)),
)


def vary_constants(panel: Panel, origins: list[int]) -> pd.DataFrame:
    """Return a row per constant and value: mean ratio to the reference, and the worst single one."""
    tries = [(module.__name__, name, value) for module, name, values in CANDIDATES for value in values]
    workers = Parallel(n_jobs=machine.available_cores(), return_as="generator")
    results = workers(delayed(try_value)(panel, origins, *what) for what in tries)
    rows = [
        (f"{module}.{name}", str(value), value == getattr(sys.modules[module], name), *ratios)
        for (module, name, value), ratios in zip(
            tries, tqdm(results, total=len(tries), unit="try", disable=None), strict=True
        )
    ]
    return pd.DataFrame(rows, columns=["constant", "value", "is_kept", "mean_ratio", "worst_ratio"])


def try_value(
    panel: Panel, origins: list[int], module: str, name: str, value: object
) -> tuple[float, float]:
    """Return the mean and the worst ratio with one constant changed."""
    with changed(sys.modules[module], name, value):
        ratios = np.array([ratio for origin in origins for ratio in score(panel, origin)])
    return float(ratios.mean()), float(ratios.max())


@contextmanager
def changed(module: ModuleType, name: str, value: object) -> Iterator[None]:
    """Give a constant another value for a while."""
    kept = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, kept)


def score(panel: Panel, origin: int) -> Iterator[float]:
    """Yield the published model's deviance beside the reference's, per horizon."""
    past, future = panel.before(origin), panel.between(origin, origin + HORIZON_MONTHS)
    targets = future.month_numbers
    rates = base_rate.estimate_base(past, origin, targets).rates.sum(axis=3)
    corrected = rates * volume_forest.fit_volume(replay_origins(past, origin), origin).correct(
        past, origin, targets, rates
    )
    reference = base_rate.estimate_reference(past, origin)[:, None, :]
    for horizon in HORIZONS:
        part = future.between(origin, origin + horizon)
        count = len(part.days)
        if not count or origin + horizon > panel.month_numbers[-1] + 1:
            continue
        deviances = [
            poisson_deviance(part.counts, (means * np.ones_like(rates))[:, :count] * part.exposure)
            for means in (corrected, reference)
        ]
        yield deviances[0] / deviances[1]
