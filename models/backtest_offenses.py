"""The backtest of what crimes are: their offense category, and how many of them the public reports.

Input: the panel before and after a past origin, and the rates by stratum that were forecast there.
Output: samples for the scores of `models.metrics`, by model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

from models.arrays import Floats, Integers
from models.base_rate import estimate_reference
from models.category_mix import estimate_mix
from models.metrics import ALL, COMMON_FOUR, CountSample
from models.metrics_shares import MIN_SHARE, ShareSample
from models.model_names import BOOSTED, CITY_SHARES, PLACE_SHARES, PUBLISHED, REFERENCE
from models.panel import HOURS, Panel
from models.patrol_forest import shrink_shares
from warehouse import settings
from warehouse.months import MONTHS

COMMON = 4
"""Categories that a published classifier of Atlanta's incidents told apart."""

BOOSTING_ROUNDS = 25
"""Rounds of the boosted baseline: with scikit-learn's 100, shares of rare categories run to 0 and 1."""


@dataclass(frozen=True)
class OffenseForecast:
    """What was said at a past origin of the offenses of the months after it.

    `reported` by model are crimes per clock hour (neighborhood, month, hour) that the public reports;
    there are none where it reports all. `categories` by model are shares (…, category) of the crimes,
    `common` the numbers of the categories that were the commonest before.
    """

    reported: dict[str, Floats]
    categories: dict[str, Floats]
    common: Integers


def forecast_offenses(
    past: Panel, origin: int, targets: Integers, rates: Floats, with_slow_baselines: bool
) -> OffenseForecast:
    """Return what the `rates` (neighborhood, month, hour, stratum) of `origin` say of offenses."""
    mix, counts = estimate_mix(past), count_categories(past).sum(axis=1)
    shape = (*rates.shape[:3], counts.shape[-1])
    city = counts.sum(axis=(0, 1))
    categories = {
        CITY_SHARES.name: np.broadcast_to(city / max(city.sum(), 1), shape),
        PLACE_SHARES.name: np.broadcast_to(shrink_shares(counts)[:, None], shape),
        PUBLISHED.name: mix.share_categories(rates),
    }
    if with_slow_baselines:
        categories[BOOSTED.name] = fit_boosted(past, targets)
    common = np.argsort(-city, kind="stable")[:COMMON]
    if mix.is_reported.all():
        return OffenseForecast({}, categories, common)
    known = replace(past, stratum_counts=count_reported(past)[..., None].astype(np.float32))
    reference = estimate_reference(known, origin)[:, None]
    reported = {
        REFERENCE.name: np.broadcast_to(reference, rates.shape[:3]),
        PUBLISHED.name: mix.keep_reported(rates).sum(axis=3),
    }
    return OffenseForecast(reported, categories, common)


def fit_boosted(past: Panel, targets: Integers) -> Floats:
    """Return shares (neighborhood, target, hour, category) of trees boosted on identifiers.

    The kind of model that was published for Atlanta's incidents: a row per incident; neighborhood, month
    and hour as integers.
    """
    cells, count = past.offense_cells, len(past.category_names)
    known = np.stack([cells["place"], cells["month_number"] % MONTHS, cells["hour"]], axis=1)
    model = HistGradientBoostingClassifier(
        max_iter=BOOSTING_ROUNDS, early_stopping=False, random_state=settings.SEED
    )
    model.fit(known, number_categories(past)[cells["offense"]], sample_weight=cells["incidents"])
    shape = (len(past.neighborhoods), len(targets), HOURS)
    place, target, hour = np.indices(shape)
    asked = np.stack([place, np.asarray(targets)[target] % MONTHS, hour], axis=-1).reshape(-1, 3)
    shares = np.zeros((len(asked), count))
    shares[:, model.classes_] = model.predict_proba(asked)
    return shares.reshape(*shape, count)


def number_categories(panel: Panel) -> npt.NDArray[np.intp]:
    """Return the number (offense) of each offense's category."""
    names = {name: number for number, name in enumerate(panel.category_names)}
    return np.array([names[offense.category] for offense in panel.offenses], dtype=np.intp)


def count_categories(panel: Panel) -> Floats:
    """Return incidents (neighborhood, month, hour, category)."""
    cells = panel.offense_cells
    counts = np.zeros((len(panel.neighborhoods), len(panel.days), HOURS, len(panel.category_names)))
    month = np.searchsorted(panel.month_numbers, cells["month_number"])
    category = number_categories(panel)[cells["offense"]]
    np.add.at(counts, (cells["place"], month, cells["hour"], category), cells["incidents"])
    return counts


def count_reported(panel: Panel) -> Floats:
    """Return incidents (neighborhood, month, hour) of offenses that the public reports."""
    is_reported = np.array([offense.is_reported for offense in panel.offenses])
    cells = panel.offense_cells[is_reported[panel.offense_cells["offense"]]]
    counts = np.zeros((len(panel.neighborhoods), len(panel.days), HOURS))
    month = np.searchsorted(panel.month_numbers, cells["month_number"])
    np.add.at(counts, (cells["place"], month, cells["hour"]), cells["incidents"])
    return counts


def list_category_samples(
    forecast: OffenseForecast, future: Panel
) -> Iterator[tuple[str, str, ShareSample]]:
    """Yield model, subset and sample of the categories in the first months, those of `future`.

    Only cells with crime are in a sample: shares say what a crime is, given that it happened. Among the
    commonest categories, shares are those of each among them.
    """
    counts = count_categories(future)
    happened = counts.sum(axis=3) > 0
    seen, common = counts[happened], forecast.common
    for model, forecast_shares in forecast.categories.items():
        shares = forecast_shares[:, : len(future.days)][happened]
        yield model, ALL, ShareSample(seen, shares)
        among = np.maximum(shares[:, common], MIN_SHARE)
        among /= among.sum(axis=1, keepdims=True)
        yield model, COMMON_FOUR, ShareSample(seen[:, common], among)


def list_reported_samples(forecast: OffenseForecast, future: Panel) -> Iterator[tuple[str, CountSample]]:
    """Yield model and sample of the reported crimes in the first months, those of `future`."""
    if forecast.reported:
        observed = count_reported(future)
        expected = {
            model: rates[:, : len(future.days)] * future.exposure
            for model, rates in forecast.reported.items()
        }
        for model, means in expected.items():
            yield model, CountSample(observed, means, expected[REFERENCE.name])
