"""Both forests: what they learn, what they promise, and that they repeat."""

import numpy as np
import pytest

from models import patrol_forest
from models.arrays import Floats
from models.base_rate import estimate_base
from models.panel import Panel
from models.past_origin import replay_origins
from models.patrol_forest import estimate_shares, fit_patrol, rank_patrols, share_out
from models.volume_forest import choose_blend_weight, fit_volume, keep_city
from tests.models.panels import FIRST_MONTH, make_panel, with_counts
from tests.quick_models import quick_models


def correct(panel: Panel, months: int) -> tuple[Floats, float]:
    """Return the volume forest's factors for the year after so many months, and its blend weight."""
    origin, targets = FIRST_MONTH + months, np.arange(FIRST_MONTH + months, FIRST_MONTH + months + 12)
    past = panel.before(origin)
    model = fit_volume(replay_origins(past, origin), origin)
    rates = estimate_base(past, origin, targets).rates.sum(axis=3)
    return model.correct(past, origin, targets, rates), model.blend_weight


def share(panel: Panel, months: int) -> Floats:
    """Return shares of patrol types for the year after so many months."""
    origin, targets = FIRST_MONTH + months, np.arange(FIRST_MONTH + months, FIRST_MONTH + months + 12)
    past = panel.before(origin)
    base_shares = share_out(past, estimate_base(past, origin, targets).rates)
    return fit_patrol(replay_origins(past, origin), origin).predict(base_shares, targets)


def test_volume_stays_near_the_base_where_there_is_nothing_to_learn() -> None:
    factors, _ = correct(make_panel(places=20, months=30, rate=0.3), 30)
    assert 0.9 < factors.min() <= factors.max() < 1.1


def test_volume_learns_places_whose_summers_differ() -> None:
    panel = make_panel(places=24, months=48, rate=1.0)
    summer = np.isin(panel.months, [6, 7, 8])
    panel.stratum_counts[:12, summer] *= 2
    factors, applied = correct(panel, 48)
    ratio = factors[:12, 5:8].mean() / factors[12:, 5:8].mean()
    assert applied > 0.3
    assert ratio > 1.1


def test_correction_moves_crimes_between_cells_and_leaves_the_citys_months() -> None:
    random = np.random.default_rng(3)
    rates, factors = random.gamma(2.0, size=(2, 5, 12, 24))
    kept = keep_city(rates, factors)
    np.testing.assert_allclose((rates * kept).sum(axis=(0, 2)), rates.sum(axis=(0, 2)))
    np.testing.assert_allclose(kept[1] / kept[0], factors[1] / factors[0])
    panel = make_panel(places=24, months=48, rate=1.0)
    panel.stratum_counts[:12, 40:] *= 4
    origin, targets = FIRST_MONTH + 48, np.arange(FIRST_MONTH + 48, FIRST_MONTH + 60)
    rates = estimate_base(panel, origin, targets).rates.sum(axis=3)
    applied, _ = correct(panel, 48)
    np.testing.assert_allclose((rates * applied).sum(axis=(0, 2)), rates.sum(axis=(0, 2)), rtol=1e-6)


@pytest.mark.parametrize(("newest", "is_applied"), [((6, 7, 8), True), ((12, 1, 2), False)])
def test_blend_weight_is_0_where_the_newest_year_refutes_the_correction(
    newest: tuple[int, ...], is_applied: bool
) -> None:
    """Half of the places have thrice the crime for three months, in the newest year for other three."""
    panel = make_panel(places=24, months=48, rate=1.0)
    counts = panel.stratum_counts.copy()
    high = np.concatenate([np.isin(panel.months[:36], (6, 7, 8)), np.isin(panel.months[36:], newest)])
    counts[np.ix_(np.arange(24) % 2 == 0, high)] *= 3
    origin = FIRST_MONTH + 48
    weight = choose_blend_weight(replay_origins(with_counts(panel, counts), origin), origin)
    assert (weight > 0.5) == is_applied
    assert (weight == 0) != is_applied


@pytest.mark.parametrize("months", [1, 6, 8])
def test_without_past_origins_nothing_is_corrected(months: int) -> None:
    panel = make_panel(months=months)
    factors, applied = correct(panel, months)
    assert applied == 0
    assert (factors == 1).all()
    np.testing.assert_allclose(share(panel, months).sum(axis=3), 1)


def test_patrol_forest_of_many_cells_learns_from_a_sample_of_the_incidents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its shares are those of all rows but for chance; cells are drawn by their counts."""
    panel = make_panel(places=10, months=24, rate=0.5)
    panel.stratum_counts[0, ..., 0] *= 20
    past_origins = replay_origins(panel, FIRST_MONTH + 24)
    known = share_out(past_origins[0].future, past_origins[0].base)
    shares = []
    for most in (10**9, 15_000):
        monkeypatch.setattr(patrol_forest, "MAX_SAMPLED_ROWS", most)
        forest = patrol_forest.fit_forest(past_origins, 40)
        shares.append(patrol_forest.predict_shares(forest, known, past_origins[0].targets))
    assert (shares[0] != shares[1]).any()
    np.testing.assert_allclose(shares[1].mean(axis=(1, 2)), shares[0].mean(axis=(1, 2)), atol=0.1)
    np.testing.assert_allclose(shares[1][0].mean(axis=(0, 1)), shares[0][0].mean(axis=(0, 1)), atol=0.02)


def test_both_forests_repeat() -> None:
    panel = make_panel()
    with quick_models():
        np.testing.assert_array_equal(correct(panel, 30)[0], correct(panel, 30)[0])
        np.testing.assert_array_equal(share(panel, 30), share(panel, 30))


def test_patrol_shares_add_up_to_one_and_find_the_place_that_differs() -> None:
    panel = make_panel(places=10, months=30, rate=0.5)
    panel.stratum_counts[0, ..., 0] *= 4
    panel.stratum_counts[..., 2] = 0
    shares = share(panel, 30)
    np.testing.assert_allclose(shares.sum(axis=3), 1)
    assert shares[..., 2].max() < 1e-3
    assert shares[0, ..., 0].mean() > shares[1:, ..., 0].mean() + 0.2


def test_shares_of_a_place_without_incidents_are_the_citys() -> None:
    panel = make_panel(places=10, months=30, rate=0.5)
    panel.stratum_counts[0] = 0
    shares = estimate_shares(panel)
    counts = panel.patrol_counts.sum(axis=(0, 1, 2))
    np.testing.assert_allclose(shares[0].mean(axis=0), counts / counts.sum(), atol=0.02)
    np.testing.assert_allclose(shares.sum(axis=2), 1)


def test_suggested_patrol_is_neither_always_the_commonest_nor_a_rarity() -> None:
    usual = [0.60, 0.02, 0.10, 0.28]
    shares = np.array([usual] * 8 + [[0.45, 0.02, 0.10, 0.43], [0.60, 0.14, 0.02, 0.24]])
    suggested, runner_up = rank_patrols(shares, np.ones(len(shares)))
    assert suggested.tolist() == [0] * 8 + [3, 0]
    assert runner_up.tolist() == [3] * 8 + [0, 3]
    assert (suggested != runner_up).all()
