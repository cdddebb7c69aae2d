"""Base rates: the formulas against a slow reading of them, and what shrinkage promises."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import (
    REFERENCE_HALF_LIFE,
    REFERENCE_PSEUDO_EVENTS,
    estimate_base,
    estimate_reference,
    estimate_shape,
    smooth_hours,
)
from models.panel import HOURS, Panel
from tests.models.panels import FIRST_MONTH, make_panel


def slow_reference(panel: Panel, origin: int) -> list[list[float]]:
    """Return the reference formula, one cell at a time."""
    k = REFERENCE_PSEUDO_EVENTS
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
    smoothed = smooth_hours(np.array(values))
    assert smoothed.sum() == pytest.approx(sum(values))
    assert smoothed.min() >= 0


def test_smoothing_goes_round_the_clock() -> None:
    smoothed = smooth_hours(np.eye(HOURS)[0])
    assert smoothed[23] == pytest.approx(smoothed[1])
    assert smoothed[23] > smoothed[12]


def test_shapes_add_up_to_one() -> None:
    shapes = estimate_shape(make_panel(), FIRST_MONTH + 30)
    np.testing.assert_allclose(shapes.sum(axis=1), 1)
    assert shapes.min() > 0


def test_base_recovers_a_stable_level() -> None:
    panel = make_panel(places=40, months=36, rate=0.5)
    expected = estimate_base(panel, FIRST_MONTH + 36).sum(axis=1)
    observed = panel.counts.sum(axis=(1, 2)) / panel.days.sum()
    assert np.abs(expected / observed - 1).max() < 0.1


def test_place_without_incidents_gets_a_small_rate_above_zero() -> None:
    panel = make_panel()
    counts = panel.patrol_counts.copy()
    counts[0] = 0
    base = estimate_base(replace(panel, patrol_counts=counts), FIRST_MONTH + 30)
    assert 0 < base[0].sum() < 0.05 * base[1:].sum(axis=1).min()


def test_base_follows_the_city_when_it_falls() -> None:
    panel = make_panel(places=30, months=24, rate=0.2)
    counts = panel.patrol_counts.copy()
    counts[:, 12:] /= 2
    halved = replace(panel, patrol_counts=counts)
    ratio = estimate_base(halved, FIRST_MONTH + 24).sum() / estimate_base(panel, FIRST_MONTH + 24).sum()
    assert 0.5 < ratio < 0.66


def test_unknown_npu_borrows_from_the_others_without_one() -> None:
    panel = replace(make_panel(), npu=(None,) * 6)
    assert np.isfinite(estimate_base(panel, FIRST_MONTH + 30)).all()
