"""Scores of forecasts against what then happened: each metric declared once, with its formula.

Input: observed counts beside expected counts, interval ends or shares. Output: one number per metric,
and `METRICS`, the only ones that `backtest_score` may hold. A new metric is one entry in one of three
tuples here; the backtest, `score_metric` and `mart_model_quality` follow. None of them is used to choose
between models except the Poisson deviance (docs/adr/0003-scores.md).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Generic, TypeVar

import numpy as np
import pandas as pd

from models.arrays import Floats
from models.metrics_shares import ShareSample, accuracy, brier_score, log_loss, macro_f1
from models.model_names import PLACE_SHARES, REFERENCE, Model
from warehouse import settings
from warehouse.interval_levels import INTERVAL_LEVELS

CELL_GRAIN = "neighborhood_month_hour"
MONTH_GRAIN = "neighborhood_month"
DAY_GRAIN = "neighborhood_day"
ZONE_MONTH_GRAIN = "zone_month"
CITY_MONTH_GRAIN = "city_month"
MONTH_GRAINS = (MONTH_GRAIN, ZONE_MONTH_GRAIN, CITY_MONTH_GRAIN)
ZONE_GRAIN = "zone"
DECILE_GRAIN = "decile"
ALL, NAMED, REPORTED, COMMON_FOUR = "all", "named", "reported", "common_4"
"""What is scored. Zones and deciles are parts of the cells, each a `subset` of its own: a zone's name,
or the number of a tenth of the cells by expected count, 1 the lowest. Elsewhere the subset is `ALL`,
`NAMED` for the cells of the named neighborhoods where there are other places, `REPORTED` for the
crimes that the public reports where there are others, or `COMMON_FOUR` for those of the four offense
categories that were the commonest before the origin."""

CAPTURE_LEVELS = (1, 5, 10)
RATIO_LEVEL = 95
"""Percent of the cells that are ranked highest, and of the bootstrap interval of the deviance ratio."""


@dataclass(frozen=True)
class CountSample:
    """Observed and expected counts of the same cells, and what the reference model expected of them.

    All have the same shape; the first axis is the neighborhood wherever `deviances` is asked for.
    """

    observed: Floats
    expected: Floats
    reference: Floats

    @cached_property
    def deviances(self) -> Floats:
        """Poisson deviance (neighborhood)."""
        return sum_by_place(deviance_terms(self.observed, self.expected))

    @cached_property
    def reference_deviances(self) -> Floats:
        """Poisson deviance (neighborhood) of the reference model."""
        return sum_by_place(deviance_terms(self.observed, self.reference))

    @cached_property
    def captures(self) -> dict[int, float]:
        """Capture share of the neighborhood x hour cells, months summed, by level in percent."""
        observed, expected = self.observed.sum(axis=1), self.expected.sum(axis=1)
        return {level: capture_share(observed, expected, level / 100) for level in CAPTURE_LEVELS}

    @cached_property
    def ratio_ends(self) -> tuple[float, float]:
        """Ends of the bootstrap interval of the ratio to the reference."""
        return resample_ratio(self.deviances, self.reference_deviances, settings.SEED)


@dataclass(frozen=True)
class IntervalSample:
    """Observed and expected counts, and by level in percent the interval's ends, all of one shape."""

    observed: Floats
    expected: Floats
    ends: Mapping[int, tuple[Floats, Floats]]


def deviance_terms(observed: Floats, expected: Floats) -> Floats:
    """Return each cell's part of the Poisson deviance, in the shape of the counts."""
    log_terms = np.zeros_like(observed)
    hit = observed > 0
    log_terms[hit] = observed[hit] * np.log(observed[hit] / expected[hit])
    terms: Floats = 2 * (log_terms - (observed - expected))
    return terms


def sum_by_place(values: Floats) -> Floats:
    """Return the sum over all axes but the first (neighborhood)."""
    summed: Floats = values.reshape(len(values), -1).sum(axis=1)
    return summed


def poisson_deviance(observed: Floats, expected: Floats) -> float:
    """Return 2 * sum(y log(y / mu) - (y - mu)), with y log y = 0 at 0 (McCullagh & Nelder 1989, 2.3).

    `expected` must be above 0 everywhere. Unit: none; lower is better, 0 is perfect.
    """
    return float(deviance_terms(observed, expected).sum())


def predicted_to_actual(observed: Floats, expected: Floats) -> float:
    """Return the sum of expected over the sum of observed counts; 1 is perfect, NaN without any."""
    return float(expected.sum() / observed.sum()) if observed.sum() else float("nan")


def mean_absolute_error(observed: Floats, expected: Floats) -> float:
    """Return the mean absolute error. On sparse counts predicting 0 minimises it: reported only."""
    return float(np.abs(observed - expected).mean())


def capture_share(observed: Floats, expected: Floats, share: float) -> float:
    """Return the share of incidents in the `share` of cells with the highest expected counts.

    The hit rate behind the PAI (Chainey, Tompson & Uhlig 2008). Ties fall in array order. NaN without
    any incident.
    """
    cells = int(round(share * expected.size))
    order = np.argsort(-expected.ravel(), kind="stable")[:cells]
    total = observed.sum()
    return float(observed.ravel()[order].sum() / total) if total else float("nan")


def find_capture(sample: CountSample, level: int) -> float:
    """Return the capture share of the `level` % of cells ranked highest."""
    return sample.captures[level]


def accuracy_index(sample: CountSample, level: int) -> float:
    """Return the predictive accuracy index: hit rate over area share (Chainey et al. 2008)."""
    return sample.captures[level] / (level / 100)


def efficiency_index(sample: CountSample, level: int) -> float:
    """Return the predictive efficiency index: hit rate over the best possible one (Hunt 2016)."""
    counts = sample.observed.sum(axis=1)
    return sample.captures[level] / capture_share(counts, counts, level / 100)


def resample_ratio(
    deviances: Floats, reference: Floats, seed: int, draws: int = 1000
) -> tuple[float, float]:
    """Return the interval of sum(deviances) / sum(reference), resampling neighborhoods in pairs.

    Its level is `RATIO_LEVEL`. A paired block bootstrap (Efron & Tibshirani 1993, chapter 8): a
    neighborhood's months and hours stay together, because they share their level.
    """
    random = np.random.default_rng(seed)
    count = len(deviances)
    weights = random.multinomial(count, np.full(count, 1 / count), size=draws)
    tails = [(100 - RATIO_LEVEL) / 200, (100 + RATIO_LEVEL) / 200]
    lower, upper = np.quantile((weights @ deviances) / (weights @ reference), tails)
    return float(lower), float(upper)


def coverage_share(
    observed: Floats, lower: Floats, upper: Floats, weights: Floats | None = None
) -> float:
    """Return the empirical coverage: the share of counts within their interval, ends included.

    With `weights`, of the shape of the counts, the share of the weights; NaN where all are 0.
    """
    covered = (observed >= lower) & (observed <= upper)
    if weights is None:
        return float(covered.mean())
    return float((covered * weights).sum() / weights.sum()) if weights.sum() else float("nan")


def pinball_loss(observed: Floats, lower: Floats, upper: Floats, coverage: float) -> float:
    """Return the mean pinball loss of the two ends of a central interval; lower is better.

    Koenker & Bassett (1978): an end at quantile q costs q per count it lies below, 1 - q above.
    """
    tail = (1 - coverage) / 2
    losses = [
        np.maximum(quantile * (observed - end), (quantile - 1) * (observed - end))
        for quantile, end in ((tail, lower), (1 - tail, upper))
    ]
    return float(np.mean(losses))


def score_coverage(sample: IntervalSample, level: int) -> float:
    """Return the empirical coverage of the intervals of one level."""
    return coverage_share(sample.observed, *sample.ends[level])


def weigh_coverage(sample: IntervalSample, level: int) -> float:
    """Return the empirical coverage of one level, each count weighted by its expected count.

    Most places expect little; this says whether the intervals cover where crime is.
    """
    return coverage_share(sample.observed, *sample.ends[level], weights=sample.expected)


def score_pinball(sample: IntervalSample, level: int) -> float:
    """Return the pinball loss of the intervals of one level."""
    return pinball_loss(sample.observed, *sample.ends[level], level / 100)


Sample = TypeVar("Sample")


@dataclass(frozen=True)
class Metric(Generic[Sample]):
    """A metric: its name in `backtest_score`, how to read it, and how it is computed.

    `grains` are those it is scored at, `level` is in percent, `target_value` is that of a perfect
    forecast. `is_lower_better` is None where nearest to the target is best, or nothing is.
    """

    name: str
    family: str
    label: str
    compute: Callable[[Sample], float]
    grains: tuple[str, ...] = (CELL_GRAIN,)
    level: int | None = None
    unit: str | None = None
    is_lower_better: bool | None = None
    target_value: float | None = None
    reference: Model | None = REFERENCE


POISSON_DEVIANCE = Metric[CountSample](
    "poisson_deviance", "poisson_deviance",
    "Distance of the counts from the forecast (Poisson deviance)",
    lambda sample: float(sample.deviances.sum()), is_lower_better=True, target_value=0,
)  # fmt: skip
DEVIANCE_RATIO = Metric[CountSample](
    "deviance_to_reference", "deviance_to_reference",
    "Deviance as a share of the reference model's",
    lambda sample: float(sample.deviances.sum() / sample.reference_deviances.sum()),
    is_lower_better=True, target_value=0,
)  # fmt: skip
RATIO_ENDS = tuple(
    Metric[CountSample](
        f"deviance_to_reference_{end}_{RATIO_LEVEL}", f"deviance_to_reference_{end}",
        f"{end.title()} end of the {RATIO_LEVEL} % interval of that share",
        compute, level=RATIO_LEVEL, is_lower_better=True, target_value=0,
    )
    for end, compute in (
        ("lower", lambda sample: sample.ratio_ends[0]), ("upper", lambda sample: sample.ratio_ends[1])
    )
)  # fmt: skip
PREDICTED_TO_ACTUAL = Metric[CountSample](
    "predicted_to_actual", "predicted_to_actual", "Crimes predicted per crime that happened",
    lambda sample: predicted_to_actual(sample.observed, sample.expected),
    grains=(CELL_GRAIN, ZONE_GRAIN, DECILE_GRAIN), target_value=1,
)  # fmt: skip
MEAN_ABSOLUTE_ERROR = Metric[CountSample](
    "mean_absolute_error", "mean_absolute_error",
    "Crimes off per cell; always predicting none makes it small",
    lambda sample: mean_absolute_error(sample.observed, sample.expected),
    unit="crimes", is_lower_better=True, target_value=0,
)  # fmt: skip
CAPTURE = {
    level: Metric[CountSample](
        f"capture_top_{level}_percent", "capture_top",
        f"Share of crimes in the {level} % of hours and places ranked highest",
        partial(find_capture, level=level), level=level, is_lower_better=False, target_value=1,
    )
    for level in CAPTURE_LEVELS
}  # fmt: skip
ACCURACY_INDEX = tuple(
    Metric[CountSample](
        f"pai_top_{level}_percent", "pai_top",
        f"Share of crimes in the top {level} %, by {level} % (predictive accuracy index)",
        partial(accuracy_index, level=level), level=level, is_lower_better=False,
    )
    for level in CAPTURE_LEVELS
)  # fmt: skip
EFFICIENCY_INDEX = tuple(
    Metric[CountSample](
        f"pei_top_{level}_percent", "pei_top",
        f"Share of crimes in the top {level} %, by the best possible (predictive efficiency index)",
        partial(efficiency_index, level=level), level=level, is_lower_better=False, target_value=1,
    )
    for level in CAPTURE_LEVELS
)  # fmt: skip
EXPECTED = Metric[CountSample](
    "expected_crimes", "expected_crimes", "Mean of the crimes expected",
    lambda sample: float(sample.expected.mean()), grains=(DECILE_GRAIN,), unit="crimes", reference=None,
)  # fmt: skip
OBSERVED = Metric[CountSample](
    "observed_crimes", "observed_crimes", "Mean of the crimes that happened",
    lambda sample: float(sample.observed.mean()), grains=(DECILE_GRAIN,), unit="crimes", reference=None,
)  # fmt: skip
CELLS = Metric[CountSample](
    "scored_cells", "scored_cells", "Cells scored: hours of places and months",
    lambda sample: float(sample.observed.size), grains=(DECILE_GRAIN,), unit="cells", reference=None,
)  # fmt: skip
COUNT_METRICS = (
    POISSON_DEVIANCE, DEVIANCE_RATIO, *RATIO_ENDS, PREDICTED_TO_ACTUAL, MEAN_ABSOLUTE_ERROR,
    *CAPTURE.values(), *ACCURACY_INDEX, *EFFICIENCY_INDEX, EXPECTED, OBSERVED, CELLS,
)  # fmt: skip

COVERAGE = {
    level: Metric[IntervalSample](
        f"coverage_{level}", "coverage", f"Share of counts inside the {level} % interval",
        partial(score_coverage, level=level),
        grains=(*MONTH_GRAINS, DAY_GRAIN), level=level, target_value=level / 100, reference=None,
    )
    for level in INTERVAL_LEVELS
}  # fmt: skip
WEIGHTED_COVERAGE = {
    level: Metric[IntervalSample](
        f"coverage_by_volume_{level}", "coverage_by_volume",
        f"Share of counts inside the {level} % interval, weighted by expected crimes",
        partial(weigh_coverage, level=level),
        grains=MONTH_GRAINS, level=level, target_value=level / 100, reference=None,
    )
    for level in INTERVAL_LEVELS
}  # fmt: skip
PINBALL = tuple(
    Metric[IntervalSample](
        f"pinball_{level}", "pinball", f"Width and misses of the {level} % interval (pinball loss)",
        partial(score_pinball, level=level),
        grains=MONTH_GRAINS, level=level, unit="crimes", is_lower_better=True, target_value=0,
        reference=None,
    )
    for level in INTERVAL_LEVELS
)  # fmt: skip
INTERVAL_METRICS = (*COVERAGE.values(), *WEIGHTED_COVERAGE.values(), *PINBALL)

PATROL_LOG_LOSS = Metric[ShareSample](
    "patrol_log_loss", "patrol_log_loss",
    "Surprise at the patrol type that an offense called for (log-loss)",
    lambda sample: log_loss(sample.counts, sample.shares),
    is_lower_better=True, target_value=0, reference=PLACE_SHARES,
)  # fmt: skip
PATROL_METRICS = (
    PATROL_LOG_LOSS,
    Metric[ShareSample](
        "patrol_brier", "patrol_brier", "Squared error of the shares of patrol types (Brier score)",
        lambda sample: brier_score(sample.counts, sample.shares),
        is_lower_better=True, target_value=0, reference=PLACE_SHARES,
    ),
    Metric[ShareSample](
        "patrol_accuracy", "patrol_accuracy",
        "Share of offenses that called for the likeliest patrol type",
        lambda sample: accuracy(sample.counts, sample.shares),
        is_lower_better=False, target_value=1, reference=PLACE_SHARES,
    ),
    Metric[ShareSample](
        "patrol_macro_f1", "patrol_macro_f1",
        "Precision and recall of the likeliest patrol type, mean over types (F1)",
        lambda sample: macro_f1(sample.counts, sample.shares),
        is_lower_better=False, target_value=1, reference=PLACE_SHARES,
    ),
)  # fmt: skip

CATEGORY_METRICS = (
    Metric[ShareSample](
        "category_log_loss", "category_log_loss", "Surprise at a crime's offense category (log-loss)",
        lambda sample: log_loss(sample.counts, sample.shares),
        is_lower_better=True, target_value=0, reference=PLACE_SHARES,
    ),
    Metric[ShareSample](
        "category_accuracy", "category_accuracy", "Share of crimes of the likeliest offense category",
        lambda sample: accuracy(sample.counts, sample.shares),
        is_lower_better=False, target_value=1, reference=PLACE_SHARES,
    ),
)  # fmt: skip

METRICS: tuple[Metric[CountSample] | Metric[IntervalSample] | Metric[ShareSample], ...] = (
    *COUNT_METRICS, *INTERVAL_METRICS, *PATROL_METRICS, *CATEGORY_METRICS,
)  # fmt: skip


def compute_metrics(
    metrics: tuple[Metric[Sample], ...], sample: Sample, grain: str
) -> Iterator[tuple[str, float]]:
    """Yield name and value of the metrics that are scored at a grain; NaN where one is not defined."""
    for metric in metrics:
        if grain in metric.grains:
            yield metric.name, metric.compute(sample)


def list_metrics() -> pd.DataFrame:
    """Return the rows of `score_metric`: one per declared metric."""
    rows = [
        {
            "metric": metric.name,
            "metric_label": metric.label,
            "metric_family": metric.family,
            "metric_level": metric.level,
            "unit": metric.unit,
            "is_lower_better": metric.is_lower_better,
            "target_value": metric.target_value,
            "reference_model": metric.reference.name if metric.reference else None,
        }
        for metric in METRICS
    ]
    return pd.DataFrame(rows).astype({"metric_level": "Int64", "is_lower_better": "boolean"})
