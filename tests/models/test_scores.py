"""Scores: each vectorised formula against a loop."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.scores import (
    capture_share,
    coverage_share,
    log_loss,
    mean_absolute_error,
    poisson_deviance,
    predicted_to_actual,
)

PAIRS = st.lists(st.tuples(st.integers(0, 20), st.floats(0.01, 20)), min_size=1, max_size=40)


@given(PAIRS)
def test_deviance_is_its_formula(pairs: list[tuple[int, float]]) -> None:
    slow = sum(2 * ((y * math.log(y / mu) if y else 0.0) - (y - mu)) for y, mu in pairs)
    observed, expected = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    assert poisson_deviance(observed, expected) == pytest.approx(slow, abs=1e-9)
    assert poisson_deviance(observed, expected) >= -1e-9


def test_deviance_is_zero_for_the_truth_and_grows_with_the_error() -> None:
    observed = np.array([1.0, 4.0, 9.0])
    assert poisson_deviance(observed, observed) == pytest.approx(0)
    assert poisson_deviance(observed, observed * 2) < poisson_deviance(observed, observed * 3)


@given(PAIRS)
def test_totals_and_absolute_error(pairs: list[tuple[int, float]]) -> None:
    observed, expected = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    slow = sum(abs(y - mu) for y, mu in pairs) / len(pairs)
    assert mean_absolute_error(observed, expected) == pytest.approx(slow)
    ratio = predicted_to_actual(observed, expected)
    if observed.sum():
        assert ratio == pytest.approx(sum(expected) / sum(observed))
    else:
        assert math.isnan(ratio)


def test_capture_counts_incidents_in_the_highest_cells() -> None:
    expected = np.array([[0.1, 5.0], [0.2, 4.0]])
    observed = np.array([[3.0, 6.0], [0.0, 1.0]])
    assert capture_share(observed, expected, 0.25) == pytest.approx(0.6)
    assert capture_share(observed, expected, 0.5) == pytest.approx(0.7)
    assert capture_share(observed, expected, 1.0) == pytest.approx(1.0)


def test_coverage_counts_ends_as_inside() -> None:
    observed = np.array([1.0, 2.0, 3.0, 9.0])
    assert coverage_share(observed, np.full(4, 2.0), np.full(4, 3.0)) == pytest.approx(0.5)


def test_log_loss_is_the_mean_over_incidents() -> None:
    counts = np.array([[2.0, 1.0], [0.0, 1.0]])
    shares = np.array([[0.5, 0.5], [0.8, 0.2]])
    assert log_loss(counts, shares) == pytest.approx(-(3 * math.log(0.5) + math.log(0.2)) / 4)
    assert log_loss(counts, np.array([[1.0, 0.0], [1.0, 0.0]])) < math.inf
