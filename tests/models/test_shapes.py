"""Shapes over the hours: the formulas an hour at a time, and what each step is for."""

import math
from dataclasses import replace

import numpy as np
import pytest

from models.arrays import Floats
from models.base_rate import (
    CITY_SHAPE_HALF_LIFE,
    HOUR_BANDWIDTH,
    SHAPE_HALF_LIFE,
    SHAPE_PRIOR_WEIGHT,
    SHAPE_TYPE_SHARE,
    SHAPE_TYPES,
    estimate_base,
    estimate_shapes,
    find_shape_types,
    shrink_shape,
    smooth_hours,
)
from models.panel import HOURS, Panel
from tests.models.panels import DAYS, FIRST_MONTH, make_panel


def slow_smooth(values: list[float]) -> list[float]:
    """Return values over the clock, each spread over all hours by a Gaussian of the shorter way."""
    reached = [min(step, HOURS - step) for step in range(HOURS)]
    kernel = [math.exp(-0.5 * (steps / HOUR_BANDWIDTH) ** 2) for steps in reached]
    return [
        sum(values[hour] * kernel[(hour - at) % HOURS] for hour in range(HOURS)) / sum(kernel)
        for at in range(HOURS)
    ]


def test_smoothing_is_a_gaussian_round_the_clock() -> None:
    values = np.random.default_rng(1).gamma(1.0, size=HOURS)
    np.testing.assert_allclose(smooth_hours(values[:, None])[:, 0], slow_smooth(values.tolist()))


def test_shape_of_as_many_incidents_as_the_prior_weight_is_half_way_to_the_prior() -> None:
    counts, prior = np.zeros((1, HOURS, 1)), np.full((HOURS, 1), 1 / HOURS)
    counts[0, 22] = SHAPE_PRIOR_WEIGHT
    shape = shrink_shape(counts, prior)
    assert shape[0, 22, 0] == pytest.approx(0.5 + 0.5 / HOURS)
    assert shape[0, 3, 0] == pytest.approx(0.5 / HOURS)


def slow_shape_types(counts: Floats, city: Floats) -> Floats:
    """Return the approximation of low rank by a singular value decomposition."""
    shrunk = np.empty_like(counts)
    for n, s in np.ndindex(counts.shape[0], counts.shape[2]):
        total = counts[n, :, s].sum()
        shrunk[n, :, s] = (counts[n, :, s] + SHAPE_PRIOR_WEIGHT * city[:, s]) / (
            total + SHAPE_PRIOR_WEIGHT
        )
    roots = np.sqrt(counts.sum(axis=1, keepdims=True) + 1)
    ratios = np.log(shrunk / city) * roots
    left, sizes, right = np.linalg.svd(ratios.reshape(len(counts), -1), full_matrices=False)
    few = (left[:, :SHAPE_TYPES] * sizes[:SHAPE_TYPES]) @ right[:SHAPE_TYPES]
    shapes = city * np.exp(few.reshape(counts.shape) / roots)
    return np.array(shapes / shapes.sum(axis=1, keepdims=True))


def test_shape_types_are_the_largest_singular_values_of_the_log_ratios() -> None:
    counts = np.random.default_rng(2).poisson(8.0, (7, HOURS, 3)).astype(np.float64)
    city = counts.sum(axis=0) / counts.sum(axis=(0, 1))
    np.testing.assert_allclose(find_shape_types(counts, city), slow_shape_types(counts, city))


def count_slowly(panel: Panel, half_life: float) -> Floats:
    """Return weighted counts (neighborhood, hour, stratum) of nine months."""
    weights = [0.5 ** ((9 - 0.5 - t) / half_life) for t in range(9)]
    months = [w * panel.stratum_counts[:, t].astype(np.float64) for t, w in enumerate(weights)]
    return np.array(sum(months))


def test_shapes_are_shrunk_toward_half_their_npu_and_half_their_types() -> None:
    panel, origin = make_panel(places=5, months=9, rate=0.02), FIRST_MONTH + 9
    counts = count_slowly(panel, SHAPE_HALF_LIFE)
    counts = np.apply_along_axis(lambda hours: slow_smooth(hours.tolist()), 1, counts)
    city = counts.sum(axis=0) + 0.5
    city = city / city.sum(axis=0)
    types = slow_shape_types(counts, city)
    shapes = np.empty_like(counts)
    for n in range(5):
        district = counts[[m for m in range(5) if panel.npu[m] == panel.npu[n]]].sum(axis=0)
        district = (district + SHAPE_PRIOR_WEIGHT * city) / (district.sum(axis=0) + SHAPE_PRIOR_WEIGHT)
        prior = (1 - SHAPE_TYPE_SHARE) * district + SHAPE_TYPE_SHARE * types[n]
        shapes[n] = (counts[n] + SHAPE_PRIOR_WEIGHT * prior) / (
            counts[n].sum(axis=0) + SHAPE_PRIOR_WEIGHT
        )
    recent = count_slowly(panel, CITY_SHAPE_HALF_LIFE).sum(axis=0)
    exact = (recent + SHAPE_PRIOR_WEIGHT * city) / (recent.sum(axis=0) + SHAPE_PRIOR_WEIGHT)
    shapes *= exact / city
    shapes /= shapes.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(estimate_shapes(panel, origin), shapes)


def test_hour_at_which_the_city_s_reports_heap_keeps_its_height_and_its_neighbors_theirs() -> None:
    """Midnight has thrice the reports of any other hour: a smoothing would spread them."""
    panel = make_panel(places=4, months=24)
    panel.stratum_counts[:] = 200
    panel.stratum_counts[:, :, 0] = 600
    shapes = estimate_shapes(panel, FIRST_MONTH + 24)
    np.testing.assert_allclose(shapes[:, 0], 3 / 26, rtol=0.01)
    np.testing.assert_allclose(shapes[:, 1:], 1 / 26, rtol=0.01)


def test_hour_that_was_observed_half_as_often_is_not_half_as_busy() -> None:
    """As 2 o'clock is on the day of a clock change; here it is missing on every other day."""
    panel = make_panel(places=2, months=12)
    panel.stratum_counts[:] = 40
    panel.stratum_counts[:, :, 2] = 20
    panel.clock_hours[:, 2] = DAYS / 2
    np.testing.assert_allclose(estimate_shapes(panel, FIRST_MONTH + 12), 1 / HOURS)


def test_base_rate_is_crimes_per_clock_hour_of_an_average_day() -> None:
    """Two places with 2 and 4 crimes an hour and stratum in months of 30 days."""
    panel = make_panel(places=2, months=24)
    panel.stratum_counts[0], panel.stratum_counts[1] = 60, 120
    panel = replace(panel, npu=("A", "B"))
    panel.day_type_counts[:] = panel.day_type_days[:, :, None, None] * 6.0
    targets = np.arange(FIRST_MONTH + 24, FIRST_MONTH + 36)
    rates = estimate_base(panel, FIRST_MONTH + 24, targets).rates
    np.testing.assert_allclose(rates[0], 2, rtol=1e-3)
    np.testing.assert_allclose(rates[1], 4, rtol=1e-3)
