"""Intervals cover what they should when counts are what they assume."""

import numpy as np
import pytest

from models.interval import (
    MIN_OVERDISPERSION,
    estimate_overdispersion,
    find_interval,
    fit_intervals,
)
from models.metrics import coverage_share
from models.past_origin import replay_origins
from tests.models.panels import FIRST_MONTH, fill_panel, make_panel
from warehouse.interval_levels import INTERVAL_LEVELS


@pytest.mark.parametrize("overdispersion", [MIN_OVERDISPERSION, 0.02, 0.2])
@pytest.mark.parametrize("level", INTERVAL_LEVELS)
def test_gamma_poisson_counts_are_covered(overdispersion: float, level: int) -> None:
    random = np.random.default_rng(7)
    expected = random.uniform(1, 60, 60_000)
    counts = random.poisson(expected * random.gamma(1 / overdispersion, overdispersion, expected.size))
    tail = np.full(expected.size, (1 - level / 100) / 2)
    interval = find_interval(expected, np.full(expected.size, overdispersion), tail)
    assert coverage_share(counts.astype(float), interval.lower, interval.upper) == pytest.approx(
        level / 100, abs=0.015
    )


def test_interval_widens_with_overdispersion_and_holds_zero_for_rare_crimes() -> None:
    expected, tail = np.array([0.01, 5.0, 100.0]), np.full(3, 0.1)
    calm, restless = (find_interval(expected, np.full(3, size), tail) for size in (0.001, 0.1))
    assert (restless.upper - restless.lower >= calm.upper - calm.lower).all()
    assert (calm.lower[0], calm.upper[0]) == (0, 0)


def test_overdispersion_is_near_nothing_for_pure_poisson_and_found_where_it_is() -> None:
    random = np.random.default_rng(3)
    expected = random.uniform(5, 50, 5000)
    assert estimate_overdispersion(random.poisson(expected).astype(float), expected) < 0.005
    moved = random.poisson(expected * random.gamma(1 / 0.3, 0.3, expected.size))
    assert 0.25 < estimate_overdispersion(moved.astype(float), expected) < 0.35


def test_intervals_cover_over_many_simulated_cities() -> None:
    covered: dict[int, list[float]] = {level: [] for level in INTERVAL_LEVELS}
    days: list[float] = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        places, months = 60, 36
        levels = 0.02 * random.lognormal(0, 1.2, places)
        # The level of each place wanders; every hour and type is as likely as any other.
        wandering = np.exp(np.cumsum(random.normal(0, 0.04, (places, months)), axis=1))
        mean = np.repeat((levels[:, None] * wandering)[:, :, None, None], 24, axis=2) * 30 / 4
        panel = fill_panel(random.poisson(np.repeat(mean, 4, axis=3)), random)
        origin = FIRST_MONTH + 24
        past, future = panel.before(origin), panel.between(origin, origin + 12)
        model = fit_intervals(replay_origins(past, origin))
        past_origin = next(r for r in replay_origins(panel, origin + 12) if r.origin == origin)
        expected = past_origin.expected.sum(axis=2)
        for level, shares in covered.items():
            month = model.predict_month(expected, level)
            shares.append(coverage_share(future.counts.sum(axis=2), month.lower, month.upper))
        day = model.predict_day(expected / 30, expected, 80)
        index = np.repeat(np.arange(12), 30)
        days.append(coverage_share(future.day_counts.astype(float), day.lower[:, index],
                                   day.upper[:, index]))  # fmt: skip
    assert 0.77 < np.mean(covered[80]) < 0.83
    assert 0.93 < np.mean(covered[95]) < 0.97
    assert np.mean(days) > 0.80  # most days of most places have an interval of 0 to 0 or 0 to 1


def test_little_data_has_the_default_overdispersion() -> None:
    model = fit_intervals(replay_origins(make_panel(months=3), FIRST_MONTH + 3))
    interval = model.predict_month(np.array([0.0001, 20.0]), 80)
    assert interval.lower.tolist() == [0, 13]
    assert interval.upper[0] == 0
    assert 26 <= interval.upper[1] <= 28


@pytest.mark.parametrize("rate", [1e-4, 1e-3, 0.01])
def test_intervals_of_rare_crimes_are_in_order_and_within_each_other(rate: float) -> None:
    panel = make_panel(places=80, months=30, rate=rate)
    model = fit_intervals(replay_origins(panel, FIRST_MONTH + 30))
    expected = np.geomspace(1e-6, 100, 3000)
    inner, outer = (model.predict_month(expected, level) for level in (80, 95))
    assert (outer.lower <= inner.lower).all()
    assert (inner.lower <= inner.upper).all()
    assert (inner.upper <= outer.upper).all()
