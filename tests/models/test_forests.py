"""Both forests: what they are trained on, what they promise, and that they repeat."""

import numpy as np
import pytest

from models.base import estimate_base
from models.patrol import estimate_shares, fit_patrol
from models.volume import fit_volume, list_training_origins
from tests.models.panels import FIRST_MONTH, make_panel
from warehouse.errors import ShieldError


@pytest.mark.parametrize(
    ("months", "offsets"),
    [
        (48, [(36, 48), (24, 36)]),
        (30, [(18, 30), (6, 18)]),
        (18, [(6, 18)]),
        (12, [(6, 12)]),
        (2, [(1, 2)]),
    ],
)
def test_training_origins_lie_whole_years_back_with_history_before_them(
    months: int, offsets: list[tuple[int, int]]
) -> None:
    pairs = list_training_origins(make_panel(months=months), FIRST_MONTH + months)
    assert [(start - FIRST_MONTH, end - FIRST_MONTH) for start, end in pairs] == offsets


def test_months_between_files_are_no_history() -> None:
    panel = make_panel(months=36)
    gap = panel.select_months((panel.months == 1) | (panel.month_numbers >= FIRST_MONTH + 30))
    assert list_training_origins(gap, FIRST_MONTH + 36) == [(FIRST_MONTH + 31, FIRST_MONTH + 36)]


def test_one_month_of_data_is_refused() -> None:
    with pytest.raises(ShieldError, match="at least two calendar months"):
        list_training_origins(make_panel(months=1), FIRST_MONTH + 1)


def test_volume_stays_near_the_base_where_there_is_nothing_to_learn() -> None:
    panel = make_panel(places=20, months=30, rate=0.3)
    origin = FIRST_MONTH + 30
    rates = fit_volume(panel, origin).predict(panel, origin, np.arange(origin, origin + 12))
    ratio = rates / estimate_base(panel, origin)[:, None, :]
    assert ratio.min() > 0.9
    assert ratio.max() < 1.1


def test_volume_learns_a_season_that_came_back_every_year() -> None:
    panel = make_panel(places=20, months=36, rate=0.3)
    panel.patrol_counts[:, panel.months == 7] *= 2
    origin = FIRST_MONTH + 36
    rates = fit_volume(panel, origin).predict(panel, origin, np.arange(origin, origin + 12))
    by_month = rates.sum(axis=(0, 2))
    assert by_month.argmax() == 6
    assert by_month[6] > 1.1 * np.median(by_month)


def test_both_forests_repeat() -> None:
    panel = make_panel()
    origin = FIRST_MONTH + 30
    targets = np.arange(origin, origin + 12)
    volumes = [fit_volume(panel, origin).predict(panel, origin, targets) for _ in range(2)]
    shares = [fit_patrol(panel, origin).predict(panel, targets) for _ in range(2)]
    np.testing.assert_array_equal(volumes[0], volumes[1])
    np.testing.assert_array_equal(shares[0], shares[1])


def test_patrol_shares_add_up_to_one_and_find_the_place_that_differs() -> None:
    panel = make_panel(places=10, months=30, rate=0.5)
    panel.patrol_counts[0, ..., 0] *= 4
    panel.patrol_counts[..., 2] = 0
    origin = FIRST_MONTH + 30
    shares = fit_patrol(panel, origin).predict(panel, np.arange(origin, origin + 12))
    np.testing.assert_allclose(shares.sum(axis=3), 1)
    assert not shares[..., 2].any()
    assert shares[0, ..., 0].mean() > shares[1:, ..., 0].mean() + 0.2


def test_shares_of_a_place_without_incidents_are_the_citys() -> None:
    panel = make_panel(places=10, months=30, rate=0.5)
    panel.patrol_counts[0] = 0
    shares = estimate_shares(panel)
    counts = panel.patrol_counts.sum(axis=(0, 1, 2), dtype=float)
    np.testing.assert_allclose(shares[0].mean(axis=0), counts / counts.sum(), atol=0.02)
    np.testing.assert_allclose(shares.sum(axis=2), 1)
