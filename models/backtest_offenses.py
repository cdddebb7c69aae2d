"""The backtest of what crimes are: how many of them the public reports.

Input: the panel before and after a past origin, and the rates by stratum that were forecast there.
Output: samples for the scores of `models.metrics`, by model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from models.arrays import Floats
from models.base_rate import estimate_reference
from models.category_mix import estimate_mix
from models.metrics import CountSample
from models.model_names import PUBLISHED, REFERENCE
from models.panel import HOURS, Panel


@dataclass(frozen=True)
class OffenseForecast:
    """What was said at a past origin of the offenses of the months after it.

    `reported` by model are crimes per clock hour (neighborhood, month, hour) that the public reports;
    there are none where it reports all.
    """

    reported: dict[str, Floats]


def forecast_offenses(past: Panel, origin: int, rates: Floats) -> OffenseForecast:
    """Return what the `rates` (neighborhood, month, hour, stratum) of `origin` say of offenses."""
    if all(offense.is_reported for offense in past.offenses):
        return OffenseForecast({})
    known = replace(past, stratum_counts=count_reported(past)[..., None].astype(np.float32))
    reference = estimate_reference(known, origin)[:, None]
    reported = {
        REFERENCE.name: np.broadcast_to(reference, rates.shape[:3]),
        PUBLISHED.name: estimate_mix(past).keep_reported(rates).sum(axis=3),
    }
    return OffenseForecast(reported)


def count_reported(panel: Panel) -> Floats:
    """Return incidents (neighborhood, month, hour) of offenses that the public reports."""
    is_reported = np.array([offense.is_reported for offense in panel.offenses])
    cells = panel.offense_cells[is_reported[panel.offense_cells["offense"]]]
    counts = np.zeros((len(panel.neighborhoods), len(panel.days), HOURS))
    month = np.searchsorted(panel.month_numbers, cells["month_number"])
    np.add.at(counts, (cells["place"], month, cells["hour"]), cells["incidents"])
    return counts


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
