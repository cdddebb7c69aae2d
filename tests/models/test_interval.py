"""Intervals cover what they should when counts are what they assume."""

import math
from dataclasses import replace

import numpy as np
import pytest

from models.interval import (
    CITY_PRIOR_WEIGHT,
    MIN_OVERDISPERSION,
    IntervalModel,
    estimate_city_scale,
    estimate_overdispersion,
    find_interval,
    fit_intervals,
)
from models.metrics import coverage_share
from models.past_origin import replay_origins
from tests.models.panels import FIRST_MONTH, fill_panel, make_panel, with_counts
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


@pytest.mark.slow
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
            month = model.predict_month(expected, past_origin.city_variance, level)
            shares.append(coverage_share(future.counts.sum(axis=2), month.lower, month.upper))
        day = model.predict_day(expected / 30, expected, past_origin.city_variance, 80)
        index = np.repeat(np.arange(12), 30)
        days.append(coverage_share(future.day_counts.astype(float), day.lower[:, index],
                                   day.upper[:, index]))  # fmt: skip
    assert 0.77 < np.mean(covered[80]) < 0.83
    assert 0.93 < np.mean(covered[95]) < 0.97
    assert np.mean(days) > 0.80  # most days of most places have an interval of 0 to 0 or 0 to 1


def test_little_data_has_the_default_overdispersion() -> None:
    model = fit_intervals(replay_origins(make_panel(months=3), FIRST_MONTH + 3))
    interval = model.predict_month(np.array([0.0001, 20.0]), np.zeros(2), 80)
    assert interval.lower.tolist() == [0, 13]
    assert interval.upper[0] == 0
    assert 26 <= interval.upper[1] <= 28


def test_shock_that_all_share_widens_the_city_as_much_as_a_place() -> None:
    """A place's own drift averages out over the city; the city's level does not."""
    model = IntervalModel(np.full(8, 0.04), np.full((8, 2), [0.1, 0.025]), 0.0, 0.01, 2.0)
    place, zone, city = (
        predict(np.full((1, 2), 10_000.0), np.array([0.0, 0.02]), 80)
        for predict in (model.predict_month, model.predict_zone, model.predict_city)
    )
    relative = [(found.upper - found.lower)[0] / 10_000 / 2 / 1.2816 for found in (place, zone, city)]
    # Standard deviations of the rate, the gamma's skewness aside; Poisson noise adds a hundredth.
    np.testing.assert_allclose(relative[0], np.sqrt([0.04, 0.08]), rtol=0.03)
    np.testing.assert_allclose(relative[1], np.sqrt([0.01, 0.05]), rtol=0.03)
    np.testing.assert_allclose(relative[2], np.sqrt([0.0001, 0.04]), rtol=0.03)


def test_overdispersion_of_places_leaves_out_what_the_whole_city_did() -> None:
    """Months in which every place has half as many or twice as many tell of the city alone."""
    panel = make_panel(places=40, months=36, rate=2.0)
    calm = fit_intervals(replay_origins(panel, FIRST_MONTH + 36))
    factors = np.where(np.arange(36) < 24, 1.0, 2.0)[None, :, None, None]
    moved = with_counts(panel, (panel.stratum_counts * factors).astype(np.float32))
    shocked = fit_intervals(replay_origins(moved, FIRST_MONTH + 36))
    assert shocked.overdispersion.max() < 0.01
    assert shocked.zone_overdispersion < 0.01
    assert shocked.city_scale > 3 * calm.city_scale


def test_city_scale_is_the_mean_square_of_the_misses_beside_what_was_said_shrunk_toward_1() -> None:
    past_origins = replay_origins(make_panel(months=24), FIRST_MONTH + 24)
    squares = []
    for past in past_origins:
        ratios = []
        for month, variance in enumerate(past.city_variance):
            seen = past.future.counts[:, month].sum() + 0.5
            said = past.expected[:, month].sum() + 0.5
            ratios.append(math.log(seen / said) ** 2 / (variance + 1 / said))
        squares.append(sum(ratios) / len(ratios))
    scale = (CITY_PRIOR_WEIGHT + sum(squares)) / (CITY_PRIOR_WEIGHT + len(squares))
    assert estimate_city_scale(past_origins) == pytest.approx(scale)


def test_city_without_zones_has_none_to_forecast() -> None:
    panel = replace(make_panel(months=24), zone=(None,) * 6)
    model = fit_intervals(replay_origins(panel, FIRST_MONTH + 24))
    assert panel.zone_names == ()
    assert model.predict_zone(panel.zone_members.T @ np.ones((6, 1)), np.ones(1), 80).lower.size == 0


def test_places_without_a_zone_are_one_of_their_own() -> None:
    panel = replace(make_panel(), zone=("2", None, "1", "2", None, "1"))
    assert panel.zone_names == ("1", "2", "unknown")
    assert panel.zone_members.T.tolist() == [
        [0, 0, 1, 0, 0, 1], [1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0],
    ]  # fmt: skip


@pytest.mark.parametrize("rate", [1e-4, 1e-3, 0.01])
def test_intervals_of_rare_crimes_are_in_order_and_within_each_other(rate: float) -> None:
    panel = make_panel(places=80, months=30, rate=rate)
    model = fit_intervals(replay_origins(panel, FIRST_MONTH + 30))
    expected = np.geomspace(1e-6, 100, 3000)
    inner, outer = (model.predict_month(expected, np.full(3000, 0.01), level) for level in (80, 95))
    assert (outer.lower <= inner.lower).all()
    assert (inner.lower <= inner.upper).all()
    assert (inner.upper <= outer.upper).all()
