"""The flow of reports: which daily counts belong to one feed, and where it has gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.coverage import find_level, find_spans, is_gap, scan_spans


def test_flow_that_multiplies_or_dies_down_is_no_gap() -> None:
    for levels in ((2, 12), (12, 3), (12, 5, 12)):
        counts = np.repeat(levels, 200)
        assert find_spans(counts) == [(0, 200 * len(levels) - 1)]


def test_scattered_reports_between_two_files_are_no_flow() -> None:
    counts = np.zeros(1500, dtype=np.int64)
    counts[:300] = counts[-300:] = 20
    counts[400:1100:9] = 2
    assert find_spans(counts) == [(0, 299), (1200, 1499)]


def test_days_without_anything_are_a_gap_from_three_on() -> None:
    for pause, spans in ((2, [(0, 201)]), (3, [(0, 99), (103, 202)])):
        assert find_spans(np.concatenate([[20] * 100, [0] * pause, [20] * 100])) == spans


def test_ten_days_at_a_quarter_of_the_level_are_no_gap_but_twelve_are() -> None:
    for thin, spans in ((10, [(0, 209)]), (12, [(0, 99), (112, 211)])):
        assert find_spans(np.concatenate([[20] * 100, [5] * thin, [20] * 100])) == spans


@pytest.mark.parametrize("days", [1, 20, 60, 300])
def test_level_is_the_higher_mean_of_91_days_on_either_side(days: int) -> None:
    counts = np.random.default_rng(days).poisson(np.linspace(0, 90, days) ** 2 / 90)
    means = [
        max(
            counts[max(day - 90, 0) : day + 1].sum() / min(max(day + 1, 28), 91),
            counts[day : day + 91].sum() / min(max(days - day, 28), 91),
        )
        for day in range(days)
    ]
    expected = [max(mean, 0.1 * max(means)) for mean in means]
    np.testing.assert_allclose(find_level(counts), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("increments", "threshold", "spans"),
    [
        ([], 2, []),
        ([-1, -1], 2, []),
        ([0, 1, 0, -9], 2, [(1, 1)]),
        ([3, -2, 3], 2, [(0, 2)]),
        ([3, -2.5, 3], 2, [(0, 0), (2, 2)]),
        ([2, -2, 3], 9, [(0, 0), (2, 2)]),
        ([-5, 1, 1, -3, 1], 2, [(1, 2), (4, 4)]),
    ],
)
def test_span_rises_from_any_level_and_ends_at_its_maximum_before_a_fall(
    increments: list[float], threshold: float, spans: list[tuple[int, int]]
) -> None:
    thresholds = np.full(len(increments), float(threshold))
    assert scan_spans(np.array(increments, dtype=np.float64), thresholds) == spans


@pytest.mark.parametrize(
    ("before", "between", "after", "expected"),
    [
        ([6] * 4, [0, 0], [6] * 4, False),
        ([6] * 4, [0, 0, 0], [6] * 4, True),
        ([6] * 4, [2, 2, 1], [6] * 4, True),
        ([6] * 4, [2, 2, 2], [6] * 4, False),
        ([3] * 4, [1, 1, 1], [30] * 4, False),
        ([30] * 4, [1, 1, 1], [3] * 4, False),
        ([1, 1, 1, 9], [1, 1, 1], [9] * 4, False),
        ([9] * 4, [1, 1, 1], [9, 1, 1, 1], False),
        ([90] + [3] * 91, [1, 1, 1], [90] * 4, False),
        ([90] * 4, [1, 1, 1], [3] * 91 + [90], False),
    ],
)
def test_gap_has_three_days_with_less_than_a_third_of_the_lower_side(
    before: list[int], between: list[int], after: list[int], expected: bool
) -> None:
    counts = np.array([99, *before, *between, *after, 99])
    begin = 1 + len(before) + len(between)
    assert is_gap((1, len(before)), (begin, len(counts) - 2), counts) is expected


def test_pause_after_a_first_day_is_no_gap() -> None:
    assert find_spans(np.array([16, 0, 0, *[20] * 100])) == [(0, 102)]


def test_thin_feed_may_pause_for_longer() -> None:
    thin = np.tile([1, 0, 0, 0], 50)
    assert find_spans(np.concatenate([thin, np.zeros(50, dtype=np.int64), thin])) == [(0, 446)]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    level=st.integers(20, 90),
    moves=st.lists(st.tuples(st.integers(0, 799), st.integers(-400, 1200)), min_size=5, max_size=5),
    seed=st.integers(0, 1000),
)
def test_five_moved_reports_move_no_edge_by_more_than_a_day(
    level: int, moves: list[tuple[int, int]], seed: int
) -> None:
    counts = np.zeros(1601, dtype=np.int64)
    counts[400:1200] = np.random.default_rng(seed).poisson(level, 800)
    whole = find_spans(counts)
    assert whole == [(400, 1199)]
    for origin, target in moves:
        counts[400 + origin] -= 1
        counts[400 + target] += 1
    ((begin, end),) = find_spans(counts)
    assert abs(begin - 400) <= 1
    assert abs(end - 1199) <= 1
