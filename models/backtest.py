"""The backtest: forecasts made at past origins from data before them, scored on what happened.

Input: a `Panel`. Output: rows of `backtest_score` and `backtest_month`.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed

from models.arrays import Floats
from models.backtest_offenses import (
    OffenseForecast,
    forecast_offenses,
    list_category_samples,
    list_reported_samples,
)
from models.base_rate import estimate_base, estimate_reference
from models.baselines import SIMPLE_BASELINES, fit_first_version, fit_lightgbm, has_lightgbm
from models.interval import Interval, IntervalModel, fit_intervals
from models.metrics import (
    ALL,
    CATEGORY_METRICS,
    CELL_GRAIN,
    CITY_MONTH_GRAIN,
    COUNT_METRICS,
    DAY_GRAIN,
    DECILE_GRAIN,
    INTERVAL_METRICS,
    MONTH_GRAIN,
    NAMED,
    PATROL_METRICS,
    REPORTED,
    ZONE_GRAIN,
    ZONE_MONTH_GRAIN,
    CountSample,
    IntervalSample,
    Metric,
    Sample,
    compute_metrics,
)
from models.metrics_shares import ShareSample
from models.model_names import BASE, CITY_SHARES, LIGHTGBM, PLACE_SHARES, PUBLISHED, REFERENCE
from models.origin_inputs import split_panel
from models.panel import Panel
from models.past_origin import HORIZON_MONTHS, MIN_HISTORY_MONTHS, ORIGIN_STEP_MONTHS, replay_origins
from models.patrol_forest import estimate_shares, fit_patrol, share_out
from models.volume_forest import fit_volume
from warehouse import machine
from warehouse.errors import ShieldError
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.months import start_month
from warehouse.tables_groups import LEVEL

HORIZONS = (1, 3, 6, HORIZON_MONTHS)
DECILES = 10


class Score(NamedTuple):
    """A row of `backtest_score`."""

    model: str
    origin: dt.date
    horizon_months: int
    grain: str
    subset: str
    metric: str
    value: float


class Backtest(NamedTuple):
    """Rows of `backtest_score`, and of `backtest_month`: the published model's months by place."""

    scores: pd.DataFrame
    months: pd.DataFrame


@dataclass(frozen=True)
class OriginForecast:
    """What was said at one origin about the months after it that were then observed.

    `rates` by model are crimes per clock hour (neighborhood, month, hour), `shares` by model those of
    patrol types (…, type), `offenses` is what was said of offenses, `city_variance` (month) is that of
    the city's level.
    """

    origin: int
    future: Panel
    rates: dict[str, Floats]
    shares: dict[str, Floats]
    offenses: OffenseForecast
    intervals: IntervalModel
    city_variance: Floats

    def until(self, horizon: int) -> "OriginForecast":
        """Return the forecast of the first `horizon` months only."""
        future = self.future.between(self.origin, self.origin + horizon)
        count = len(future.days)
        return OriginForecast(
            self.origin,
            future,
            {model: rates[:, :count] for model, rates in self.rates.items()},
            {model: shares[:, :count] for model, shares in self.shares.items()},
            self.offenses,
            self.intervals,
            self.city_variance[:count],
        )


def list_origins(panel: Panel, origins: int) -> list[int]:
    """Return up to `origins` past origins, newest first: first months of calendar quarters.

    So the next refresh has the same ones. The newest has a year of whole months after it. Each has at
    least twice `MIN_HISTORY_MONTHS` months of data before it and targets in the data after it; with
    too little data there are none.
    """
    newest = (panel.end - HORIZON_MONTHS) // ORIGIN_STEP_MONTHS * ORIGIN_STEP_MONTHS
    fit = [
        start
        for start in range(newest, int(panel.month_numbers[0]), -ORIGIN_STEP_MONTHS)
        if (panel.month_numbers < start).sum() >= 2 * MIN_HISTORY_MONTHS
        and len(panel.between(start, start + HORIZON_MONTHS).days)
    ]
    return fit[:origins]


def require_origins(panel: Panel, wanted: int) -> list[int]:
    """Return `list_origins`. Raises `ShieldError` where the data has too few months for any."""
    origins = list_origins(panel, wanted)
    if not origins:
        raise ShieldError("the published build holds too few months for a backtest")
    return origins


def run_backtest(panel: Panel, origins: list[int], *, with_slow_baselines: bool = False) -> Backtest:
    """Return the scores of every model at every origin, and the months that they follow from.

    A score that nothing defines, such as predicted over actual where nothing happened, has no row.

    Origins are shared out over the cores, a process each. `with_slow_baselines` adds the first version
    and, where it is installed, LightGBM, which take longer than all others together.
    """
    workers = Parallel(n_jobs=max(1, min(machine.available_cores(), len(origins))))
    parts = workers(delayed(score_origin)(panel, origin, with_slow_baselines) for origin in origins)
    scores = [row for found, _ in parts for row in found]
    return Backtest(
        pd.DataFrame(scores, columns=list(Score._fields)).dropna(subset="value"),
        pd.concat([months for _, months in parts]) if parts else pd.DataFrame(),
    )


def score_origin(
    panel: Panel, origin: int, with_slow_baselines: bool
) -> tuple[list[Score], pd.DataFrame]:
    """Return the scores at one of `list_origins`, for every horizon with months, and the months."""
    forecast = forecast_origin(panel, origin, with_slow_baselines=with_slow_baselines)
    rows: list[Score] = []
    for horizon in HORIZONS:
        part = forecast.until(horizon)
        if len(part.future.days):
            rows += score_volume(part, horizon)
            rows += score_intervals(part, horizon)
            rows += score_patrol(part, horizon)
            rows += score_offenses(part, horizon)
    return rows, list_months(forecast)


def forecast_origin(panel: Panel, origin: int, *, with_slow_baselines: bool = False) -> OriginForecast:
    """Return every model's forecast; all they know is `panel.before(origin)` and the months' dates."""
    past, future = split_panel(panel, origin)
    targets = future.month_numbers
    past_origins = replay_origins(past, origin)
    base = estimate_base(past, origin, targets)
    rates = base.rates.sum(axis=3)
    volume, patrol = fit_volume(past_origins, origin), fit_patrol(past_origins, origin)
    base_shares = share_out(past, base.rates)
    correction = volume.correct(past, origin, targets, rates)
    reference = estimate_reference(past, origin)
    by_model = {
        REFERENCE.name: np.broadcast_to(reference[:, None, :], rates.shape),
        BASE.name: rates,
        PUBLISHED.name: rates * correction,
        **{model: predict(past, targets) for model, predict in SIMPLE_BASELINES.items()},
    }
    if with_slow_baselines:
        by_model |= fit_first_version(past, targets)
        if past_origins and has_lightgbm():
            by_model[LIGHTGBM.name] = fit_lightgbm(past_origins, past, origin, targets, rates)
    totals = past.patrol_counts.sum(axis=(0, 1, 2))
    shares = {
        CITY_SHARES.name: np.broadcast_to(totals / totals.sum(), base_shares.shape),
        PLACE_SHARES.name: np.broadcast_to(estimate_shares(past)[:, None], base_shares.shape),
        BASE.name: base_shares,
        PUBLISHED.name: patrol.predict(base_shares, targets),
    }
    intervals = fit_intervals(past_origins)
    by_stratum = base.rates * correction[..., None]
    offenses = forecast_offenses(past, origin, targets, by_stratum, with_slow_baselines)
    return OriginForecast(origin, future, by_model, shares, offenses, intervals, base.city_variance)


def list_months(forecast: OriginForecast) -> pd.DataFrame:
    """Return the rows of `backtest_month` of one origin."""
    future = forecast.future
    expected, reference = (
        (forecast.rates[model.name] * future.exposure).sum(axis=2) for model in (PUBLISHED, REFERENCE)
    )
    interval = forecast.intervals.predict_month(expected, forecast.city_variance, LEVEL)
    places, months = expected.shape
    return pd.DataFrame(
        {
            "origin": start_month(forecast.origin),
            "neighborhood": np.repeat(np.array(future.neighborhoods, dtype=object), months),
            "target_month": [start_month(number) for number in future.month_numbers] * places,
            "observed_crimes": future.counts.sum(axis=2).ravel(),
            "expected_crimes": expected.ravel(),
            "reference_crimes": reference.ravel(),
            f"lower_{LEVEL}": interval.lower.ravel(),
            f"upper_{LEVEL}": interval.upper.ravel(),
        }
    )


def score_volume(forecast: OriginForecast, horizon: int) -> Iterator[Score]:
    """Yield the scores of expected counts: of every model, and of the published one by part."""
    future = forecast.future
    expected = {model: rates * future.exposure for model, rates in forecast.rates.items()}
    reference, published = expected[REFERENCE.name], expected[PUBLISHED.name]
    for model, means in expected.items():
        sample = CountSample(future.counts, means, reference)
        yield from list_scores(forecast, horizon, model, CELL_GRAIN, ALL, COUNT_METRICS, sample)
    for grain, subset, cells in list_parts(future, published):
        part = CountSample(future.counts[cells], published[cells], reference[cells])
        yield from list_scores(forecast, horizon, PUBLISHED.name, grain, subset, COUNT_METRICS, part)


def list_parts(
    future: Panel, expected: Floats
) -> Iterator[tuple[str, str, tuple[npt.NDArray[np.intp], ...]]]:
    """Yield grain, subset and cells (indexes) of named neighborhoods, zones, tenths by expected count.

    Named neighborhoods are a part only where there are other places.
    """
    if not future.is_named.all():
        yield CELL_GRAIN, NAMED, (np.flatnonzero(future.is_named),)
    for zone in sorted({zone for zone in future.zone if zone}):
        yield ZONE_GRAIN, zone, (np.flatnonzero([other == zone for other in future.zone]),)
    order = np.argsort(expected.ravel(), kind="stable")
    for number, part in enumerate(np.array_split(order, DECILES), start=1):
        yield DECILE_GRAIN, str(number), np.unravel_index(part, expected.shape)


def score_intervals(forecast: OriginForecast, horizon: int) -> Iterator[Score]:
    """Yield the empirical coverage of the published intervals, and their pinball loss."""
    for grain, sample in list_interval_samples(forecast):
        if sample.observed.size:
            yield from list_scores(
                forecast, horizon, PUBLISHED.name, grain, ALL, INTERVAL_METRICS, sample
            )


def list_interval_samples(forecast: OriginForecast) -> Iterator[tuple[str, IntervalSample]]:
    """Yield counts and interval ends of months by neighborhood, zone and city, and of days."""
    future, model, variance = forecast.future, forecast.intervals, forecast.city_variance
    observed = future.counts.sum(axis=2)
    expected = (forecast.rates[PUBLISHED.name] * future.exposure).sum(axis=2)
    zones = future.zone_members.T
    for grain, counts, means, predict in (
        (MONTH_GRAIN, observed, expected, model.predict_month),
        (ZONE_MONTH_GRAIN, zones @ observed, zones @ expected, model.predict_zone),
        (CITY_MONTH_GRAIN, observed.sum(axis=0), expected.sum(axis=0), model.predict_city),
    ):
        yield (
            grain,
            IntervalSample(
                counts, means, {level: predict(means, variance, level) for level in INTERVAL_LEVELS}
            ),
        )
    day = np.searchsorted(future.month_numbers, future.day_months)
    daily = expected / future.calendar_days
    ends = {level: model.predict_day(daily, expected, variance, level) for level in INTERVAL_LEVELS}
    yield (
        DAY_GRAIN,
        IntervalSample(
            future.day_counts.astype(np.float64),
            daily[:, day],
            {level: Interval(found.lower[:, day], found.upper[:, day]) for level, found in ends.items()},
        ),
    )


def score_patrol(forecast: OriginForecast, horizon: int) -> Iterator[Score]:
    """Yield the scores of the shares of patrol types."""
    for model, shares in forecast.shares.items():
        sample = ShareSample(forecast.future.patrol_counts, shares)
        yield from list_scores(forecast, horizon, model, CELL_GRAIN, ALL, PATROL_METRICS, sample)


def score_offenses(forecast: OriginForecast, horizon: int) -> Iterator[Score]:
    """Yield the scores of offense categories, and of what the public reports where that is not all."""
    for model, subset, shares in list_category_samples(forecast.offenses, forecast.future):
        yield from list_scores(forecast, horizon, model, CELL_GRAIN, subset, CATEGORY_METRICS, shares)
    for model, sample in list_reported_samples(forecast.offenses, forecast.future):
        yield from list_scores(forecast, horizon, model, CELL_GRAIN, REPORTED, COUNT_METRICS, sample)


def list_scores(
    forecast: OriginForecast, horizon: int, model: str, grain: str, subset: str,
    metrics: tuple[Metric[Sample], ...], sample: Sample,
) -> Iterator[Score]:  # fmt: skip
    """Yield a row for each metric that is declared for the grain."""
    origin = start_month(forecast.origin)
    for metric, value in compute_metrics(metrics, sample, grain):
        yield Score(model, origin, horizon, grain, subset, metric, value)
