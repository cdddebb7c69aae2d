"""Base rates: the formulas against a slow reading of them, and what shrinkage promises."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.arrays import Floats
from models.base_rate import (
    REFERENCE_HALF_LIFE,
    REFERENCE_PRIOR_WEIGHT,
    estimate_base,
    estimate_reference,
    estimate_shapes,
    estimate_shares,
    find_shape_types,
    smooth_hours,
)
from models.day_types import HOLIDAY
from models.panel import HOURS, Panel
from tests.models.panels import FIRST_MONTH, make_panel, with_counts


def expect(panel: Panel, months: int) -> Floats:
    """Return crimes per day of each place in the year after so many months."""
    origin = FIRST_MONTH + months
    rates = estimate_base(panel.before(origin), origin, np.arange(origin, origin + 12)).rates
    by_day: Floats = rates.sum(axis=(2, 3)).mean(axis=1)
    return by_day


def slow_reference(panel: Panel, origin: int) -> list[list[float]]:
    """Return the reference formula, one cell at a time."""
    k = REFERENCE_PRIOR_WEIGHT
    weights = [0.5 ** ((origin - 0.5 - int(t)) / REFERENCE_HALF_LIFE) for t in panel.month_numbers]
    days = sum(w * float(e[0]) for w, e in zip(weights, panel.exposure, strict=True))
    places = range(len(panel.neighborhoods))
    counts = [
        [sum(w * panel.counts[n, t, h] for t, w in enumerate(weights)) for h in range(HOURS)]
        for n in places
    ]
    by_hour = [sum(counts[n][h] for n in places) + 0.5 for h in range(HOURS)]
    rates = []
    for n in places:
        level = (sum(counts[n]) + 0.5) / days
        prior = [level * by_hour[h] / sum(by_hour) for h in range(HOURS)]
        rates.append([(counts[n][h] + k) / (days + k / prior[h]) for h in range(HOURS)])
    return rates


def test_reference_is_its_formula() -> None:
    panel = make_panel(places=3, months=9)
    origin = FIRST_MONTH + 9
    np.testing.assert_allclose(estimate_reference(panel, origin), slow_reference(panel, origin))


@given(st.lists(st.floats(0, 100), min_size=HOURS, max_size=HOURS))
def test_smoothing_keeps_the_sum_and_never_goes_below_zero(values: list[float]) -> None:
    smoothed = smooth_hours(np.array(values)[:, None])
    assert smoothed.sum() == pytest.approx(sum(values))
    assert smoothed.min() >= 0


def test_smoothing_goes_round_the_clock() -> None:
    smoothed = smooth_hours(np.eye(HOURS)[0][:, None])
    assert smoothed[23] == pytest.approx(smoothed[1])
    assert smoothed[23] > smoothed[12]


def test_shapes_and_shares_add_up_to_one() -> None:
    panel, origin = make_panel(), FIRST_MONTH + 30
    shapes, shares = estimate_shapes(panel, origin), estimate_shares(panel, origin)
    np.testing.assert_allclose(shapes.sum(axis=1), 1)
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    assert shapes.min() > 0
    assert shares.min() > 0


def test_shape_types_find_the_places_that_share_a_rhythm() -> None:
    hour = np.arange(HOURS)
    nightly = 1 + 0.8 * np.cos(2 * np.pi * hour / HOURS)
    counts = np.stack([100 * (nightly if n % 3 == 0 else np.ones(HOURS)) for n in range(12)])[..., None]
    city = counts.sum(axis=0) / counts.sum()
    shapes = find_shape_types(counts, city)
    assert shapes[0, 0, 0] > 1.5 * shapes[1, 0, 0]
    np.testing.assert_allclose(shapes[0], shapes[3], rtol=1e-6)


def test_base_recovers_a_stable_level() -> None:
    panel = make_panel(places=40, months=36, rate=0.5)
    observed = panel.counts.sum(axis=(1, 2)) / panel.days.sum()
    assert np.abs(expect(panel, 36) / observed - 1).max() < 0.12


def test_place_without_incidents_gets_a_small_rate_above_zero() -> None:
    panel = make_panel()
    counts = panel.stratum_counts.copy()
    counts[0] = 0
    rates = expect(with_counts(panel, counts), 30)
    assert 0 < rates[0] < 0.05 * rates[1:].min()


def test_new_place_with_three_incidents_gets_a_sane_rate() -> None:
    panel = make_panel(places=20)
    counts = panel.stratum_counts.copy()
    counts[0] = 0
    counts[0, -1, 12, :3] = 1
    rates = expect(with_counts(panel, counts), 30)
    observed_last_month = 3 / 30
    assert 3 / (30 * 30) / 3 < rates[0] < observed_last_month


def test_place_that_ends_fades_and_one_that_begins_is_believed() -> None:
    panel = make_panel(places=12, rate=0.3)
    counts = panel.stratum_counts.copy()
    counts[1] = counts[0]
    counts[0, 15:] = 0
    counts[1, :15] = 0
    rates = expect(with_counts(panel, counts), 30)
    assert rates[0] < 0.25 * rates[1]


def test_base_follows_the_city_when_it_falls() -> None:
    panel = make_panel(places=30, months=24, rate=0.2)
    counts = panel.stratum_counts.copy()
    counts[:, 12:] /= 2
    assert 0.45 < (expect(with_counts(panel, counts), 24) / expect(panel, 24)).mean() < 0.66


@pytest.mark.parametrize("months", [1, 2, 13])
def test_little_data_one_place_and_a_month_without_crime_give_finite_rates(months: int) -> None:
    panel = make_panel(places=1, months=months)
    panel.stratum_counts[:, -1] = 0
    rates = expect(panel, months)
    assert np.isfinite(rates).all()
    assert (rates > 0).all()


def test_month_with_more_quiet_holidays_has_lower_rates() -> None:
    panel, origin = make_panel(rate=0.5), FIRST_MONTH + 30  # July 2021
    day_type_days = panel.day_type_days.copy()
    day_type_days[:, HOLIDAY] = 1  # on which nothing happened
    days = pd.DatetimeIndex(["2021-07-05", "2021-07-12", "2021-08-02", "2020-01-01"])
    panel = replace(panel, day_type_days=day_type_days, holidays=days)
    none = replace(panel, holidays=days[3:])
    with_days, without = (
        estimate_base(p, origin, np.arange(origin, origin + 3)).rates.sum(axis=(0, 2, 3))
        for p in (panel, none)
    )
    lowered = with_days / without
    assert lowered[0] < lowered[1] < lowered[2]


def test_unknown_npu_borrows_from_the_others_without_one() -> None:
    panel = replace(make_panel(), npu=(None,) * 6)
    assert np.isfinite(expect(panel, 30)).all()
