"""What the forests may learn from; their blend weights are chosen on months they did not see."""

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from models import patrol_forest, volume_forest
from models.arrays import Floats
from models.past_origin import PastOrigin, replay_origins
from tests.models.panels import FIRST_MONTH, make_panel, with_counts

MONTHS = 36
ORIGIN = FIRST_MONTH + MONTHS


@pytest.mark.parametrize("module", [volume_forest, patrol_forest])
def test_forest_on_trial_saw_no_month_of_the_year_it_is_tried_on(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[int] = []
    fit = module.fit_forest

    def spy(past_origins: list[PastOrigin], trees: int) -> object:
        learned.extend(int(month) for past in past_origins for month in past.targets)
        return fit(past_origins, trees)

    monkeypatch.setattr(module, "fit_forest", spy)
    module.choose_blend_weight(replay_origins(make_panel(months=MONTHS), ORIGIN), ORIGIN)
    assert max(learned) == ORIGIN - 12 - 1


def test_patrol_blend_weight_falls_where_each_year_refutes_the_one_before() -> None:
    """A forest that had seen the newest year would find itself right about it."""
    panel = make_panel(places=24, months=MONTHS, rate=1.0)
    odd = np.arange(24) % 2 == 0
    for year, (foot, vehicle) in enumerate(((4, 1), (1, 4), (4, 1))):
        panel.stratum_counts[odd, 12 * year : 12 * year + 12, :, 0] *= foot
        panel.stratum_counts[odd, 12 * year : 12 * year + 12, :, 3] *= vehicle
    weight = patrol_forest.choose_blend_weight(replay_origins(panel, ORIGIN), ORIGIN)
    assert weight == 0


def multiply_future(past_origins: list[PastOrigin], factors: Floats) -> list[PastOrigin]:
    """Return past origins after which the whole city had so many times as much, month by month."""
    return [
        replace(past, future=with_counts(past.future, past.future.stratum_counts * factor))
        for past, factor in zip(past_origins, factors, strict=True)
    ]


def test_volume_forest_learns_nothing_of_months_in_which_the_whole_city_doubled() -> None:
    past_origins = replay_origins(make_panel(months=18, rate=0.5), FIRST_MONTH + 18)
    features = np.concatenate([volume_forest.describe(past) for past in past_origins])
    ratios = []
    for factor in (1.0, 2.0):
        doubled = multiply_future(past_origins, np.full(len(past_origins), factor))
        ratios.append(volume_forest.fit_forest(doubled, volume_forest.TREES).predict(features))
    assert ratios[0].mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(ratios[1], ratios[0])
