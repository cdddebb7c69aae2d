"""The parts of the city's level, each against a naive reading of its equation."""

import math

import numpy as np
import pytest

from models.arrays import Floats
from models.city_level import (
    DEVIATION_EFOLDING_MONTHS,
    DEVIATIONS,
    HARMONICS,
    LONG_LEVEL,
    NOISE,
    RECODED,
    SEASONS,
    SPEEDS,
    TREND_A_YEAR,
    TREND_EFOLDING_MONTHS,
    WALK_STEPS,
    Speed,
    compute_covariance,
    fit_level,
    forecast_level,
    weigh_speeds,
)
from tests.models.panels import FIRST_MONTH

SPEED = Speed(0.03, 0.07, 1.3, 1.0)
SEEN, AHEAD = 8, 14


def slow_covariance(one: int, two: int, speed: Speed) -> float:
    """Return the covariance of two months, counted from the first; the last seen is `SEEN - 1`."""

    def extrapolate(month: int) -> float:
        ahead = month - (SEEN - 1)
        if ahead <= 0:
            return float(ahead)
        return TREND_EFOLDING_MONTHS * (1 - math.exp(-ahead / TREND_EFOLDING_MONTHS))

    gap = abs(one - two)
    trend = (TREND_A_YEAR / 12) ** 2 * extrapolate(one) * extrapolate(two)
    walk = speed.walk**2 * min(one, two)
    deviation = speed.deviation**2 * math.exp(-gap / DEVIATION_EFOLDING_MONTHS)
    yearly = (speed.season * HARMONICS[0]) ** 2 * math.cos(2 * math.pi * gap / 12)
    half_yearly = (speed.season * HARMONICS[1]) ** 2 * math.cos(2 * math.pi * gap / 6)
    return LONG_LEVEL**2 + walk + deviation + trend + yearly + half_yearly


def make_covariance() -> Floats:
    """Return the covariance of the months seen and ahead."""
    months = np.arange(FIRST_MONTH, FIRST_MONTH + SEEN + AHEAD).astype(np.float64)
    return compute_covariance(months, float(months[SEEN - 1]), SPEED)


def test_covariance_is_the_sum_of_its_processes() -> None:
    months = range(SEEN + AHEAD)
    slow = [[slow_covariance(one, two, SPEED) for two in months] for one in months]
    np.testing.assert_allclose(make_covariance(), slow, rtol=1e-12)


def fit_two_series() -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Return counts and offsets (month, series) of a busy and a quiet series, and what is fitted."""
    counts = np.random.default_rng(2).poisson([200.0, 2.0], (SEEN, 2)).astype(np.float64)
    offset = np.linspace([180.0, 2.5], [220.0, 1.5], SEEN)
    start = np.zeros((SEEN, 2))
    return counts, offset, *fit_level(counts, offset, make_covariance(), start, rounds=20)


def test_mode_is_where_prior_and_counts_pull_alike() -> None:
    """Rasmussen & Williams 2006, eq. 3.17: K^-1 f is the gradient of the log likelihood, y - mean."""
    counts, offset, level, _, _, _ = fit_two_series()
    noisy = make_covariance()[:SEEN, :SEEN] + NOISE**2 * np.eye(SEEN)
    gradient = counts - offset * np.exp(level)
    np.testing.assert_allclose(np.linalg.inv(noisy) @ level, gradient, atol=1e-6)


def test_forecast_is_the_mean_given_the_mode_without_its_noise() -> None:
    """Eq. 3.21, for the months ahead."""
    _, _, level, forecast, _, _ = fit_two_series()
    covariance = make_covariance()
    noisy = covariance[:SEEN, :SEEN] + NOISE**2 * np.eye(SEEN)
    ahead = covariance[SEEN:, :SEEN]
    np.testing.assert_allclose(forecast, ahead @ np.linalg.inv(noisy) @ level)


def test_variance_is_that_of_the_last_series_given_what_it_was_seen_to_do() -> None:
    """Eq. 3.24, k(x, x) - k' (K + W^-1)^-1 k, month by month."""
    _, offset, level, _, variance, _ = fit_two_series()
    covariance = make_covariance()
    weight = np.diag(1 / (offset[:, 1] * np.exp(level[:, 1])))
    known = np.linalg.inv(covariance[:SEEN, :SEEN] + NOISE**2 * np.eye(SEEN) + weight)
    for month in range(AHEAD):
        ahead = covariance[SEEN + month, :SEEN]
        naive = covariance[SEEN + month, SEEN + month] - ahead @ known @ ahead
        assert variance[month] == pytest.approx(naive, rel=1e-6)


def test_evidence_is_laplace_s_without_the_terms_of_the_counts_alone() -> None:
    """Eq. 3.32 with B = I + W^1/2 K W^1/2, for each series on its own."""
    counts, offset, level, _, _, evidence = fit_two_series()
    noisy = make_covariance()[:SEEN, :SEEN] + NOISE**2 * np.eye(SEEN)
    for series in range(2):
        y, f, mean = counts[:, series], level[:, series], offset[:, series] * np.exp(level[:, series])
        root = np.diag(np.sqrt(mean))
        complexity = np.linalg.slogdet(np.eye(SEEN) + root @ noisy @ root)[1]
        naive = (y * np.log(mean) - mean).sum() - f @ np.linalg.inv(noisy) @ f / 2 - complexity / 2
        assert evidence[series] == pytest.approx(naive, rel=1e-9)


def test_speeds_are_a_grid_from_standing_still_up_whose_priors_add_up_to_one() -> None:
    assert WALK_STEPS[0] == 0
    assert list(WALK_STEPS) == sorted(set(WALK_STEPS))
    assert list(DEVIATIONS) == sorted(set(DEVIATIONS))
    assert list(SEASONS) == sorted(set(SEASONS))
    assert len(SPEEDS) == len(WALK_STEPS) * len(DEVIATIONS) * len(SEASONS)
    assert sum(speed.prior for speed in SPEEDS) == pytest.approx(1)


def test_recoding_moves_further_than_any_speed_and_is_believed_less() -> None:
    assert max(WALK_STEPS) < RECODED.walk < 1  # a month's step of 1 would be to 2.7 times as much
    assert min(speed.prior for speed in SPEEDS) > RECODED.prior


def test_speeds_are_weighted_by_prior_and_evidence_and_recoding_by_each_stratum_alone() -> None:
    random = np.random.default_rng(3)
    speeds, strata = len(SPEEDS), 3
    evidence = random.normal(size=(speeds + 1, strata + 1))
    evidence[-1] += [0, 7, 14, 14]  # recoded: hardly, perhaps, surely; of the total, never
    shares = np.array([0.5, 0.3, 0.2])
    weights = [
        speed.prior * math.exp(sum(shares[s] * evidence[g, s] for s in range(strata)))
        for g, speed in enumerate(SPEEDS)
    ]
    weights = [weight / sum(weights) for weight in weights]
    found, recoded = weigh_speeds(evidence, shares)
    np.testing.assert_allclose(found, weights)
    for series in range(strata + 1):
        usual = sum(w * evidence[g, series] for g, w in enumerate(weights))
        odds = RECODED.prior * math.exp(evidence[-1, series] - usual)
        own = odds / (1 + odds) if series < strata else 0.0
        assert recoded[series] == pytest.approx(own)


def test_strata_add_up_to_the_forecast_of_all_crime_together() -> None:
    """Two strata that trade cases month by month are one steady city, of 100 crimes a day."""
    months = np.arange(FIRST_MONTH, FIRST_MONTH + 24)
    trade = np.where(np.arange(24) % 8 < 4, 0.3, 0.7)
    counts = 3000 * np.column_stack([trade, 1 - trade])
    level = forecast_level(counts, np.full((24, 2), 30.0), months, months + 24).rates
    np.testing.assert_allclose(level.sum(axis=1), 100, rtol=1e-3)
    together = forecast_level(
        counts.sum(axis=1)[:, None], np.full((24, 1), 30.0), months, months + 24
    ).rates
    np.testing.assert_allclose(level.sum(axis=1), together[:, 0], rtol=1e-6)


def test_half_as_many_days_with_half_as_many_crimes_are_the_same_level() -> None:
    months = np.arange(FIRST_MONTH, FIRST_MONTH + 24)
    days = np.where(np.arange(24) % 2, 30.0, 15.0)[:, None]
    level = forecast_level(100 * days, days, months, months + 24).rates
    np.testing.assert_allclose(level[:, 0], 100, rtol=1e-3)


def test_stratum_that_was_never_seen_is_expected_half_a_crime_in_the_days_seen() -> None:
    """And a little less, since none was seen: the pseudocount is 0.5."""
    months = np.arange(FIRST_MONTH, FIRST_MONTH + 24)
    counts = np.column_stack([np.full(24, 3000.0), np.zeros(24)])
    level = forecast_level(counts, np.full((24, 2), 30.0), months, months + 24).rates
    assert 0.4 < level[:, 1].mean() * 24 * 30 < 0.5
