"""Scores: each vectorised formula against a loop."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics import (
    METRICS,
    CountSample,
    IntervalSample,
    capture_share,
    coverage_share,
    list_metrics,
    mean_absolute_error,
    pinball_loss,
    poisson_deviance,
    predicted_to_actual,
    resample_ratio,
    score_coverage,
    weigh_coverage,
)
from models.metrics_shares import accuracy, brier_score, log_loss, macro_f1

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


def test_coverage_by_volume_weighs_each_count_by_its_expected_crimes() -> None:
    observed, ends = np.array([[0.0, 9.0], [2.0, 3.0]]), np.array([[1.0, 4.0], [5.0, 5.0]])
    expected = np.array([[0.5, 6.0], [1.5, 2.0]])
    sample = IntervalSample(observed, expected, {80: (np.zeros((2, 2)), ends)})
    assert score_coverage(sample, 80) == 0.75
    assert weigh_coverage(sample, 80) == pytest.approx((0.5 + 1.5 + 2.0) / 10.0)
    nothing = IntervalSample(observed, np.zeros((2, 2)), {80: (np.zeros((2, 2)), ends)})
    assert np.isnan(weigh_coverage(nothing, 80))


def test_coverage_counts_ends_as_inside() -> None:
    observed = np.array([1.0, 2.0, 3.0, 9.0])
    assert coverage_share(observed, np.full(4, 2.0), np.full(4, 3.0)) == pytest.approx(0.5)


def test_log_loss_is_the_mean_over_incidents() -> None:
    counts = np.array([[2.0, 1.0], [0.0, 1.0]])
    shares = np.array([[0.5, 0.5], [0.8, 0.2]])
    assert log_loss(counts, shares) == pytest.approx(-(3 * math.log(0.5) + math.log(0.2)) / 4)
    assert log_loss(counts, np.array([[1.0, 0.0], [1.0, 0.0]])) < math.inf


@given(PAIRS)
def test_pinball_loss_is_its_formula(pairs: list[tuple[int, float]]) -> None:
    observed, lower = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    upper = lower + 2
    slow = [
        max(q * (y - end), (q - 1) * (y - end))
        for ends, q in ((lower, 0.1), (upper, 0.9))
        for y, end in zip(observed, ends, strict=True)
    ]
    assert pinball_loss(observed, lower, upper, 0.8) == pytest.approx(sum(slow) / len(slow))


def test_classification_scores_on_four_incidents() -> None:
    counts = np.array([[2.0, 1.0], [0.0, 1.0]])
    shares = np.array([[0.75, 0.25], [0.5, 0.5]])
    assert accuracy(counts, shares) == pytest.approx(0.5)
    brier = (2 * (0.25**2 + 0.25**2) + (0.75**2 + 0.75**2) + (0.5**2 + 0.5**2)) / 4
    assert brier_score(counts, shares) == pytest.approx(brier)
    assert macro_f1(counts, shares) == pytest.approx((2 * 2 / (4 + 2) + 0) / 2)


def test_resampled_ratio_holds_the_ratio_and_narrows_with_more_places() -> None:
    random = np.random.default_rng(2)
    widths = []
    for places in (30, 3000):
        reference = random.gamma(2, 1, places)
        deviances = reference * random.normal(0.97, 0.1, places)
        lower, upper = resample_ratio(deviances, reference, 1)
        assert lower < deviances.sum() / reference.sum() < upper
        widths.append(upper - lower)
    assert widths[1] < widths[0] / 5


def test_scores_of_no_incident_are_not_defined() -> None:
    counts, shares = np.zeros((3, 2)), np.full((3, 2), 0.5)
    for score in (log_loss, brier_score, accuracy, macro_f1):
        assert math.isnan(score(counts, shares))


def test_deviances_of_places_add_up_to_that_of_all() -> None:
    random = np.random.default_rng(1)
    expected = random.gamma(2, 1, (4, 3, 24))
    observed = random.poisson(expected).astype(float)
    sample = CountSample(observed, expected, expected * 2)
    slow = [poisson_deviance(observed[n], expected[n]) for n in range(4)]
    assert sample.deviances.tolist() == pytest.approx(slow)
    assert sample.reference_deviances.sum() == pytest.approx(poisson_deviance(observed, expected * 2))


def test_metrics_have_one_name_each_and_the_level_that_it_says() -> None:
    rows = {row["metric"]: row for row in list_metrics().to_dict("records")}
    assert len(rows) == len(METRICS)
    coverage = rows["coverage_80"]
    assert (coverage["metric_family"], coverage["metric_level"]) == ("coverage", 80)
    assert coverage["target_value"] == 0.8
    assert rows["deviance_to_reference_upper_95"]["metric_level"] == 95
    assert rows["capture_top_5_percent"]["reference_model"] == "reference_empirical_bayes"
    assert rows["mean_absolute_error"]["unit"] == "crimes"
