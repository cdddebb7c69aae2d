"""The city's level: memory, season, trend, and how quickly it follows."""

import numpy as np
import pytest

from models.city_level import forecast_level

DAYS = np.full(36, 30.0)
MONTHS = np.arange(2019 * 12, 2019 * 12 + 36)
TARGETS = np.arange(MONTHS[-1] + 1, MONTHS[-1] + 13)


def forecast(by_month: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
    """Return the level of one stratum in the next twelve months."""
    level = forecast_level(by_month[:, None], DAYS[:, None], MONTHS, TARGETS).rates
    return [float(rate) for rate in level[:, 0]]


def test_small_counts_are_not_biased() -> None:
    random = np.random.default_rng(5)
    counts = random.poisson(1.2, (36, 400)).astype(float)
    level = forecast_level(counts, np.full((36, 400), 30.0), MONTHS, TARGETS).rates
    assert level.sum(axis=1) == pytest.approx(counts.mean(axis=0).sum() / 30, rel=0.03)


def test_steady_city_stays_where_it_is() -> None:
    assert forecast(np.full(36, 3000.0)) == pytest.approx([100.0] * 12, rel=1e-3)


def test_noise_of_one_month_is_not_carried_on() -> None:
    counts = np.full(36, 3000.0)
    counts[-1] *= 1.3
    level = forecast(counts)
    assert 100 < level[0] < 115
    assert level[11] < level[0]


def test_season_that_came_back_is_expected_again() -> None:
    season = 1 + 0.15 * np.cos(2 * np.pi * (MONTHS - 6) / 12)
    level = forecast(3000 * season)
    assert int(np.argmax(level)) == 6
    assert 1.10 < max(level) / (sum(level) / 12) < 1.16


def test_feed_that_falls_is_followed_and_its_trend_dies_away() -> None:
    falling = forecast(3000 * np.exp(-0.04 * np.arange(36)))
    newest = 100 * np.exp(-0.04 * 35)
    assert falling[0] == pytest.approx(newest, rel=0.12)
    assert falling[11] < falling[0] * 1.15


def test_step_is_believed_once_it_has_lasted() -> None:
    counts = np.full(36, 3000.0)
    counts[18:] *= 0.6
    assert forecast(counts)[5] == pytest.approx(60, rel=0.1)


def test_one_month_and_no_crime_at_all_give_finite_levels() -> None:
    one = forecast_level(np.array([[310.0, 0.0]]), np.full((1, 2), 31.0), MONTHS[:1], TARGETS).rates
    assert one[:, 0] == pytest.approx([10.0] * 12, rel=0.01)
    assert ((one[:, 1] > 0) & (one[:, 1] < 0.1)).all()


def test_gap_between_files_makes_the_newer_side_count() -> None:
    months = np.concatenate([MONTHS[:18], MONTHS[18:] + 36])
    counts = np.concatenate([np.full(18, 6000.0), np.full(18, 3000.0)])
    level = forecast_level(counts[:, None], DAYS[:, None], months, TARGETS + 36).rates
    assert level[:, 0] == pytest.approx([100.0] * 12, rel=0.15)


def test_offense_that_takes_over_another_s_cases_is_seen_and_not_counted_twice() -> None:
    random = np.random.default_rng(4)
    old, new, other = (random.poisson(600, 36).astype(float) for _ in range(3))
    old[33:] /= 6
    new[:33] = 0
    new[33:] *= 5 / 6
    level = forecast_level(
        np.column_stack([old, new, other]), np.full((36, 3), 30.0), MONTHS, TARGETS
    ).rates
    assert level[0].sum() == pytest.approx(40, rel=0.1)
    assert level[0, 1] > 3 * level[0, 0]
