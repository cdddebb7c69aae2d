"""The backtest: forecasts made at past origins from data before them, scored on what happened.

Enters: a `Panel`. Leaves: rows of `backtest_score`.
"""

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pandas as pd

from models.base import estimate_base, estimate_reference
from models.interval import measure_drift, predict_interval
from models.panel import Floats, Panel
from models.patrol import estimate_shares, fit_patrol
from models.scores import (
    capture_share,
    coverage_share,
    log_loss,
    mean_absolute_error,
    poisson_deviance,
    predicted_to_actual,
)
from models.volume import HORIZON_MONTHS, SHORTEST_HISTORY, fit_volume

REFERENCE = "reference_empirical_bayes"
PUBLISHED = "base_and_forest"
CELL_GRAIN = "neighborhood_month_hour"
MONTH_GRAIN = "neighborhood_month"
CAPTURE_SHARE = 0.05
ORIGIN_STEP_MONTHS = 3


def list_origins(panel: Panel, origins: int) -> list[int]:
    """Return up to `origins` past origins, newest first, a quarter apart.

    The newest has a year of targets after it. Each has at least twice `SHORTEST_HISTORY` months of
    data before it and targets in the data after it; with too little data there are none.
    """
    first, end = int(panel.month_numbers[0]), int(panel.month_numbers[-1]) + 1
    fit = [
        start
        for start in range(end - HORIZON_MONTHS, first, -ORIGIN_STEP_MONTHS)
        if len(panel.before(start).days) >= 2 * SHORTEST_HISTORY
        and len(panel.between(start, start + HORIZON_MONTHS).days)
    ]
    return fit[:origins]


def run_backtest(panel: Panel, origins: list[int]) -> pd.DataFrame:
    """Return the scores of every model at every origin, in the columns of `backtest_score`."""
    rows = [row for origin in origins for row in score_origin(panel, origin)]
    columns = ["model", "origin", "horizon_months", "grain", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def score_origin(panel: Panel, origin: int) -> Iterator[tuple[str, dt.date, int, str, str, float]]:
    """Yield the scores at one origin. Forecasts see `panel.before(origin)` only."""
    past, future = panel.before(origin), panel.between(origin, origin + HORIZON_MONTHS)
    day = dt.date(origin // 12, origin % 12 + 1, 1)
    horizon = int(future.month_numbers[-1]) - origin + 1
    counts = future.counts
    forecasts = {
        name: rates * future.exposure for name, rates in forecast_volume(past, origin, future).items()
    }
    reference = poisson_deviance(counts, forecasts[REFERENCE])
    for model, expected in forecasts.items():
        deviance = poisson_deviance(counts, expected)
        scores = {
            "poisson_deviance": deviance,
            "deviance_to_reference": deviance / reference,
            "predicted_to_actual": predicted_to_actual(counts, expected),
            "mean_absolute_error": mean_absolute_error(counts, expected),
            "capture_top_5_percent": capture_share(
                counts.sum(axis=1), expected.sum(axis=1), CAPTURE_SHARE
            ),
        }
        for metric, value in scores.items():
            yield model, day, horizon, CELL_GRAIN, metric, value
    month_counts = counts.sum(axis=2)
    interval = predict_interval(forecasts[PUBLISHED].sum(axis=2), measure_drift(past, origin))
    covered = coverage_share(month_counts, interval.lower, interval.upper)
    yield PUBLISHED, day, horizon, MONTH_GRAIN, "coverage_80", covered
    for model, shares in forecast_patrol(past, origin, future).items():
        loss = log_loss(future.patrol_counts.astype(np.float64), shares)
        yield model, day, horizon, CELL_GRAIN, "patrol_log_loss", loss


def forecast_volume(past: Panel, origin: int, future: Panel) -> dict[str, Floats]:
    """Return expected crimes per clock hour by model; `future` gives its months, never its counts."""
    targets = future.month_numbers
    mean = past.counts.sum(axis=1) / past.exposure.sum(axis=0)
    return {
        "neighborhood_hour_mean": np.maximum(mean, mean[mean > 0].min() / 2)[:, None, :],
        REFERENCE: estimate_reference(past, origin)[:, None, :],
        "base": estimate_base(past, origin)[:, None, :],
        PUBLISHED: fit_volume(past, origin).predict(past, origin, targets),
    }


def forecast_patrol(past: Panel, origin: int, future: Panel) -> dict[str, Floats]:
    """Return shares of patrol types by model, to be set against each cell's counts."""
    totals = past.patrol_counts.sum(axis=(0, 1, 2), dtype=np.float64)
    return {
        "city_shares": totals / totals.sum(),
        "neighborhood_hour_shares": estimate_shares(past)[:, None],
        PUBLISHED: fit_patrol(past, origin).predict(past, future.month_numbers),
    }
