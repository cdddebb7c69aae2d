"""Intervals hold what they promise when counts are what they assume."""

import numpy as np
import pytest

from models.interval import SMALLEST_DRIFT, measure_drift, predict_interval
from tests.models.panels import FIRST_MONTH, make_panel


@pytest.mark.parametrize("drift", [SMALLEST_DRIFT, 0.02, 0.2])
def test_gamma_poisson_counts_are_covered(drift: float) -> None:
    random = np.random.default_rng(7)
    expected = np.full(40_000, 200.0)
    counts = random.poisson(expected * random.gamma(1 / drift, drift, expected.size))
    interval = predict_interval(expected, drift)
    covered = ((counts >= interval.lower) & (counts <= interval.upper)).mean()
    assert 0.79 < covered < 0.83


def test_interval_widens_with_drift_and_holds_zero_for_rare_crimes() -> None:
    expected = np.array([0.01, 5.0, 100.0])
    calm, restless = predict_interval(expected, 0.001), predict_interval(expected, 0.1)
    assert (restless.upper - restless.lower >= calm.upper - calm.lower).all()
    assert (calm.lower[0], calm.upper[0]) == (0, 0)


def test_drift_is_near_nothing_for_pure_poisson_and_found_where_it_is() -> None:
    calm = make_panel(places=60, months=36, rate=0.3)
    assert measure_drift(calm, FIRST_MONTH + 36) < 0.01
    moved = make_panel(places=60, months=36, rate=0.3)
    factors = np.random.default_rng(3).gamma(1 / 0.3, 0.3, 60)
    moved.patrol_counts[:, 24:] = np.round(moved.patrol_counts[:, 24:] * factors[:, None, None, None])
    assert 0.1 < measure_drift(moved, FIRST_MONTH + 36) < 0.8
