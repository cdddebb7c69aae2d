"""The backtest: forecasts made at past origins from data before them, scored on what happened.

Enters: a `Panel`. Leaves: rows of `backtest_score`.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from models.arrays import Floats
from models.base_rate import estimate_base, estimate_reference
from models.baselines import SIMPLE_RIVALS, fit_first_version, fit_lightgbm, has_lightgbm
from models.interval import COVERAGES, Spread, measure_spread
from models.metrics import (
    capture_share,
    classification_scores,
    coverage_share,
    log_loss,
    mean_absolute_error,
    pinball_loss,
    poisson_deviance,
    predicted_to_actual,
    resample_ratio,
)
from models.panel import Panel
from models.past_origin import HORIZON_MONTHS, ORIGIN_STEP_MONTHS, SHORTEST_HISTORY, rehearse
from models.patrol import estimate_shares, fit_patrol, share_out
from models.volume import fit_volume
from warehouse import settings
from warehouse.errors import ShieldError

REFERENCE = "reference_empirical_bayes"
BASE = "base"
PUBLISHED = "base_and_forest"
HORIZONS = (1, 3, 6, HORIZON_MONTHS)
CELL_GRAIN = "neighborhood_month_hour"
MONTH_GRAIN = "neighborhood_month"
DAY_GRAIN = "neighborhood_day"
CAPTURE_SHARES = (0.01, 0.05, 0.10)
RELIABILITY_BINS = 10

Row = tuple[str, dt.date, int, str, str, float]


@dataclass(frozen=True)
class OriginForecast:
    """What was said at one origin about the months after it that were then observed.

    `rates` by model are crimes per clock hour (neighborhood, month, hour), `shares` by model those of
    patrol types (…, type).
    """

    origin: int
    future: Panel
    rates: dict[str, Floats]
    shares: dict[str, Floats]
    spread: Spread

    def until(self, horizon: int) -> "OriginForecast":
        """Return the forecast of the first `horizon` months only."""
        future = self.future.between(self.origin, self.origin + horizon)
        count = len(future.days)
        return OriginForecast(
            self.origin,
            future,
            {model: rates[:, :count] for model, rates in self.rates.items()},
            {model: shares[:, :count] for model, shares in self.shares.items()},
            self.spread,
        )


def list_origins(panel: Panel, origins: int) -> list[int]:
    """Return up to `origins` past origins, newest first, a quarter apart.

    The newest has a year of targets after it. Each has at least twice `SHORTEST_HISTORY` months of
    data before it and targets in the data after it; with too little data there are none.
    """
    first, end = int(panel.month_numbers[0]), int(panel.month_numbers[-1]) + 1
    fit = [
        start
        for start in range(end - HORIZON_MONTHS, first, -ORIGIN_STEP_MONTHS)
        if (panel.month_numbers < start).sum() >= 2 * SHORTEST_HISTORY
        and len(panel.between(start, start + HORIZON_MONTHS).days)
    ]
    return fit[:origins]


def require_origins(panel: Panel, wanted: int) -> list[int]:
    """Return `list_origins`. Raises `ShieldError` where the data has too few months for any."""
    origins = list_origins(panel, wanted)
    if not origins:
        raise ShieldError("the published build holds too few months for a backtest")
    return origins


def run_backtest(panel: Panel, origins: list[int], *, with_rivals: bool = False) -> pd.DataFrame:
    """Return the scores of every model at every origin, in the columns of `backtest_score`.

    A score that nothing defines, such as predicted over actual where nothing happened, has no row.

    Origins are shared out over the cores, a process each. `with_rivals` adds the first version and,
    where it is installed, LightGBM, which take longer than all others together.
    """
    workers = Parallel(n_jobs=max(1, min(settings.available_cores(), len(origins))))
    parts = workers(delayed(score_origin)(panel, origin, with_rivals) for origin in origins)
    columns = ["model", "origin", "horizon_months", "grain", "metric", "value"]
    scores = pd.DataFrame([row for part in parts for row in part], columns=columns)
    return scores.dropna(subset="value")


def score_origin(panel: Panel, origin: int, with_rivals: bool) -> list[Row]:
    """Return the scores at one origin, for every horizon that the data reaches."""
    forecast = forecast_origin(panel, origin, with_rivals=with_rivals)
    reached = int(panel.month_numbers[-1]) + 1 - origin
    rows: list[Row] = []
    for horizon in HORIZONS:
        if horizon <= reached:
            part = forecast.until(horizon)
            if len(part.future.days):
                rows += score_volume(part, horizon)
                rows += score_intervals(part, horizon)
                rows += score_patrol(part, horizon)
    return rows


def forecast_origin(panel: Panel, origin: int, *, with_rivals: bool = False) -> OriginForecast:
    """Return every model's forecast; all they know is `panel.before(origin)` and the months' dates."""
    past, future = panel.before(origin), panel.between(origin, origin + HORIZON_MONTHS)
    targets = future.month_numbers
    rehearsals = rehearse(past, origin)
    base = estimate_base(past, origin, targets)
    rates = base.sum(axis=3)
    volume, patrol = fit_volume(rehearsals, origin), fit_patrol(rehearsals, origin)
    base_shares = share_out(past, base)
    reference = estimate_reference(past, origin)
    by_model = {
        REFERENCE: np.broadcast_to(reference[:, None, :], rates.shape),
        BASE: rates,
        PUBLISHED: rates * volume.correct(past, origin, targets, rates),
        **{model: rival(past, targets) for model, rival in SIMPLE_RIVALS.items()},
    }
    if with_rivals:
        by_model |= fit_first_version(past, targets)
        if rehearsals and has_lightgbm():
            by_model["lightgbm_poisson"] = fit_lightgbm(rehearsals, past, origin, targets, rates)
    totals = past.patrol_counts.sum(axis=(0, 1, 2))
    shares = {
        "city_shares": np.broadcast_to(totals / totals.sum(), base_shares.shape),
        "neighborhood_hour_shares": np.broadcast_to(estimate_shares(past)[:, None], base_shares.shape),
        BASE: base_shares,
        PUBLISHED: patrol.predict(base_shares, targets),
    }
    return OriginForecast(origin, future, by_model, shares, measure_spread(rehearsals))


def name_day(origin: int) -> dt.date:
    """Return the first day of a month number."""
    return dt.date(origin // 12, origin % 12 + 1, 1)


def score_volume(forecast: OriginForecast, horizon: int) -> Iterator[Row]:
    """Yield the scores of expected counts."""
    future, day = forecast.future, name_day(forecast.origin)
    counts = future.counts
    expected = {model: rates * future.exposure for model, rates in forecast.rates.items()}
    by_place = {
        model: np.array([poisson_deviance(counts[n], means[n]) for n in range(len(counts))])
        for model, means in expected.items()
    }
    for model, means in expected.items():
        lower, upper = resample_ratio(by_place[model], by_place[REFERENCE], settings.SEED)
        scores = {
            "poisson_deviance": by_place[model].sum(),
            "deviance_to_reference": by_place[model].sum() / by_place[REFERENCE].sum(),
            "deviance_to_reference_lower_95": lower,
            "deviance_to_reference_upper_95": upper,
            "predicted_to_actual": predicted_to_actual(counts, means),
            "mean_absolute_error": mean_absolute_error(counts, means),
        }
        for share in CAPTURE_SHARES:
            captured = capture_share(counts.sum(axis=1), means.sum(axis=1), share)
            scores[f"capture_top_{share * 100:.0f}_percent"] = captured
            # Predictive accuracy index: hit rate over area share (Chainey, Tompson & Uhlig 2008).
            scores[f"pai_top_{share * 100:.0f}_percent"] = captured / share
            best = capture_share(counts.sum(axis=1), counts.sum(axis=1), share)
            scores[f"pei_top_{share * 100:.0f}_percent"] = captured / best
        for metric, value in scores.items():
            yield model, day, horizon, CELL_GRAIN, metric, float(value)
    published = expected[PUBLISHED]
    for zone in sorted({zone for zone in future.zone if zone}):
        member = np.array([other == zone for other in future.zone])
        ratio = predicted_to_actual(counts[member], published[member])
        yield PUBLISHED, day, horizon, f"zone_{zone}", "predicted_to_actual", ratio
    order = np.argsort(published.ravel(), kind="stable")
    for number, part in enumerate(np.array_split(order, RELIABILITY_BINS), start=1):
        seen, said = counts.ravel()[part], published.ravel()[part]
        grain = f"decile_{number}"
        yield PUBLISHED, day, horizon, grain, "predicted_to_actual", predicted_to_actual(seen, said)
        yield PUBLISHED, day, horizon, grain, "expected_crimes", float(said.mean())
        yield PUBLISHED, day, horizon, grain, "observed_crimes", float(seen.mean())


def score_intervals(forecast: OriginForecast, horizon: int) -> Iterator[Row]:
    """Yield how often the published intervals held, and their pinball loss."""
    future, day = forecast.future, name_day(forecast.origin)
    expected = (forecast.rates[PUBLISHED] * future.exposure).sum(axis=2)
    counts = future.counts.sum(axis=2)
    for coverage in COVERAGES:
        level = f"{coverage * 100:.0f}"
        month = forecast.spread.predict_month(expected, coverage)
        held = coverage_share(counts, month.lower, month.upper)
        yield PUBLISHED, day, horizon, MONTH_GRAIN, f"coverage_{level}", held
        loss = pinball_loss(counts, month.lower, month.upper, coverage)
        yield PUBLISHED, day, horizon, MONTH_GRAIN, f"pinball_{level}", loss
        daily = forecast.spread.predict_day(expected / future.calendar_days, expected, coverage)
        index = np.searchsorted(future.month_numbers, future.day_months)
        held = coverage_share(
            future.day_counts.astype(np.float64), daily.lower[:, index], daily.upper[:, index]
        )
        yield PUBLISHED, day, horizon, DAY_GRAIN, f"coverage_{level}", held


def score_patrol(forecast: OriginForecast, horizon: int) -> Iterator[Row]:
    """Yield the scores of the shares of patrol types."""
    counts, day = forecast.future.patrol_counts, name_day(forecast.origin)
    for model, shares in forecast.shares.items():
        scores = {"patrol_log_loss": log_loss(counts, shares), **classification_scores(counts, shares)}
        for metric, value in scores.items():
            yield model, day, horizon, CELL_GRAIN, metric, value
