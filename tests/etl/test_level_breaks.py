"""Breaks as a specification: a monthly series in, the months in which its level changed out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from etl.level_breaks import (
    BOUNDARY_ODDS,
    MIN_SCORE,
    MIN_SIDE_MONTHS,
    MONTH_NOISE,
    ORDINARY_RATIO,
    WINDOWS,
    find_breaks,
    find_thresholds,
    fit_season,
    measure_dispersion,
    score_months,
)
from tests.one_in import one_in
from warehouse.settings import MIN_MONTH_DAYS

Floats = npt.NDArray[np.float64]
FIRST = 2021 * 12
YEARS = 5
SERIES, MOST_ALARMS = 400, 3
"""Series per case: a true rate of 2 % would give 3 false alarms or fewer in about 1 case of 25."""
OVERDISPERSION, DRIFT = 0.07, 0.01
"""Standard deviations, log scale, of a month's rate beyond Poisson noise and of a month's drift."""
POWER = 0.9

MONTHS = np.arange(FIRST, FIRST + 12 * YEARS)
DAYS = np.array([month.days_in_month for month in pd.period_range("2021-01", periods=60, freq="M")],
                dtype=np.float64)  # fmt: skip


def found(incidents: Sequence[float], days: Sequence[float] | None = None) -> list[int]:
    """Return at which positions a series breaks; 30 observed days a month if not said."""
    exposure = np.array(days or [30.0] * len(incidents), dtype=np.float64)
    months = FIRST + np.arange(len(incidents))
    return [
        b.month_number - FIRST
        for b in find_breaks(months, np.array(incidents, dtype=np.float64), exposure)
    ]


def naive_score(counts: Floats, exposure: Floats, month: int, window: tuple[int, int]) -> float:
    """Return the score at one month, spelled out; the oracle of `score_months`."""
    sides = [range(max(month - window[0], 0), month), range(month, min(month + window[1], len(counts)))]
    kept = [[m for m in side if exposure[m] > 0] for side in sides]
    needed = [min(months, MIN_SIDE_MONTHS) for months in window]
    if exposure[month] == 0 or any(len(k) < n for k, n in zip(kept, needed, strict=True)):
        return 0.0
    is_seen = exposure > 0
    logs = np.where(is_seen, np.log((counts + 0.5) / np.maximum(exposure, 1)), 0.0)
    season = fit_season(logs, is_seen, 1 / (counts + 0.5) + MONTH_NOISE**2)
    level = np.where(is_seen, logs - season, 0.0)
    totals = [sum(counts[m] for m in side) + 0.5 for side in kept]
    days = [sum(exposure[m] * np.exp(season[m]) for m in side) for side in kept]
    months = sum(map(len, kept))
    local = sum(((level[side] - level[side].mean()) ** 2).sum() for side in kept) / max(months - 2, 1)
    dispersion = max(measure_dispersion(level, counts, is_seen), local - months / sum(totals))
    variance = sum(1 / n + dispersion / len(side) for n, side in zip(totals, kept, strict=True))
    change = abs(np.log(totals[1] / days[1]) - np.log(totals[0] / days[0]))
    return float((change - np.log(ORDINARY_RATIO)) / np.sqrt(variance))


@pytest.mark.parametrize(
    ("incidents", "breaks"),
    [
        ([], []),
        ([100], []),
        ([100] * 24, []),
        ([0] * 24, []),
        ([100] * 12 + [300] * 12, [12]),
        ([300] * 12 + [100] * 12, [12]),
        ([100] * 12 + [0] * 12, [12]),
        ([5] * 3 + [100] * 21, [3]),
        ([100] * 21 + [300] * 3, [21]),
        ([100] * 22 + [300] * 2, [22]),
        ([100] * 23 + [300], []),
        ([100] * 12 + [300] * 12 + [100] * 12, [12, 24]),
        ([100] * 12 + [300] * 7 + [100] * 12, [12, 19]),
        ([100] * 12 + [300] * 2 + [100] * 12, [12, 14]),
        ([100] * 12 + [40] * 6 + [100] * 4 + [35] * 12, [12, 18, 22]),
        ([1000] * 12 + [1190] * 12, []),
        ([1] * 12 + [2] * 12, []),
        ([100] * 12 + [400] + [100] * 12, []),
        ([100 * 1.03**month for month in range(36)], []),
    ],
)  # fmt: skip
def test_months_in_which_the_level_breaks(incidents: Sequence[float], breaks: list[int]) -> None:
    assert found(incidents) == breaks


def test_break_tells_the_rates_on_its_two_sides() -> None:
    (found_break,) = find_breaks(FIRST + np.arange(24), np.repeat([60.0, 240.0], 12), np.full(24, 30.0))
    assert (found_break.before, found_break.after) == (2.0, 8.0)
    assert found_break.score >= MIN_SCORE
    assert (found_break.months_before, found_break.months_after) == (6, 6)


def test_month_half_observed_is_no_break_and_one_hardly_observed_is_left_out() -> None:
    half = [30.0] * 12 + [MIN_MONTH_DAYS] * 6 + [30.0] * 6
    assert found([100] * 12 + [50] * 6 + [100] * 6, half) == []
    hardly = [30.0] * 12 + [MIN_MONTH_DAYS - 1] * 6 + [30.0] * 6
    assert found([100] * 12 + [900] * 6 + [100] * 6, hardly) == []


@pytest.mark.parametrize(("pause", "breaks"), [(2, 1), (3, 1), (4, 0), (24, 0)])
def test_levels_are_not_compared_across_a_long_pause(pause: int, breaks: int) -> None:
    months = FIRST + np.r_[0:12, 12 + pause : 24 + pause]
    result = find_breaks(months, np.repeat([100.0, 300.0], 12), np.full(24, 30.0))
    assert [b.month_number for b in result] == [FIRST + 12 + pause][:breaks]


@pytest.mark.parametrize("months", [[1, 0], [1, 1]])
def test_months_that_do_not_ascend_are_refused(months: list[int]) -> None:
    with pytest.raises(ValueError, match="ascend"):
        find_breaks(np.array(months), np.ones(2), np.full(2, 30.0))


def test_scores_are_those_of_the_naive_computation() -> None:
    random = np.random.default_rng(1)
    for _ in range(20):
        exposure = np.asarray(random.choice([0.0, 20.0, 30.0, 31.0], size=40), dtype=np.float64)
        rates = random.choice([0.1, 3.0, 200.0], size=40) * (exposure > 0)
        counts = random.poisson(rates).astype(np.float64)
        expected = [[naive_score(counts, exposure, month, w) for month in range(40)] for w in WINDOWS]
        np.testing.assert_allclose(score_months(counts, exposure), expected, atol=1e-9)


def test_break_that_a_new_file_explains_needs_less() -> None:
    counts = np.array([100.0] * 12 + [141.0] * 12)
    months, days = FIRST + np.arange(24), np.full(24, 30.0)
    plain, lowered = find_thresholds(np.array([False, True]))
    assert plain == MIN_SCORE
    assert plain**2 / 2 - lowered**2 / 2 == pytest.approx(np.log(BOUNDARY_ODDS))
    assert lowered < score_months(counts, days).max() < plain
    assert find_breaks(months, counts, days) == []
    (at_boundary,) = find_breaks(months, counts, days, frozenset({FIRST + 12}))
    assert at_boundary.month_number == FIRST + 12
    assert find_breaks(months, counts, days, frozenset({FIRST + 11, FIRST + 13})) == []


def test_season_is_learned_beside_a_break_and_not_from_months_of_one_year() -> None:
    season = 0.15 * np.cos(2 * np.pi * np.arange(60) / 12)
    level = np.where(np.arange(60) < 30, 0.0, 0.7)
    seen, noise = np.full(60, True), np.full(60, 0.003)
    np.testing.assert_allclose(fit_season(season + level, seen, noise), season, atol=0.03)
    assert np.ptp(fit_season((season + level)[:3], seen[:3], noise[:3])) < 0.05
    np.testing.assert_array_equal(fit_season(np.zeros(1), seen[:1], noise[:1]), [0.0])


def draw(random: np.random.Generator, means: Floats) -> Floats:
    """Return monthly incidents of a series that drifts, given means for a month of 30.4 days.

    Counts are negative binomial, a month's rate off by `OVERDISPERSION`; the level is a random walk.
    """
    walk = np.exp(np.cumsum(random.normal(0, DRIFT, len(means))))
    noise = random.gamma(OVERDISPERSION**-2, OVERDISPERSION**2, len(means))
    return random.poisson(means * walk * noise * DAYS / 30.4).astype(np.float64)


def share_with_breaks(
    shape: Callable[[int], Floats], seed: int, count: int = SERIES, at: int | None = None
) -> float:
    """Return the share of simulated five-year series in which a break is found, at a position or any.

    Every January begins another file: a year's export.
    """
    random = np.random.default_rng(seed)
    files = frozenset(MONTHS[12::12].tolist())
    alarms = 0
    for number in range(count):
        found_breaks = find_breaks(MONTHS, draw(random, shape(number)), DAYS, files)
        alarms += any(at is None or b.month_number == FIRST + at for b in found_breaks)
    return alarms / count


@pytest.mark.parametrize("swing", one_in(2, [0.15, 0.0]))
@pytest.mark.parametrize("mean", one_in(3, [20, 1, 5, 500, 100, 4000]))
def test_stable_and_seasonal_series_are_quiet(mean: float, swing: float) -> None:
    def shape(number: int) -> Floats:
        return mean * (1 + swing * np.cos(2 * np.pi * (np.arange(60) - number % 12) / 12))

    assert share_with_breaks(shape, seed=int(mean)) <= MOST_ALARMS / SERIES


@pytest.mark.parametrize(
    ("mean", "ratio", "months"),
    one_in(3, [(30, 3.0, 30), (100, 2.0, 30), (400, 1.7, 30), (400, 1.8, 4), (1500, 1.8, 2),
               (1500, 0.55, 3)]),
)  # fmt: skip
def test_large_breaks_are_nearly_always_found(mean: float, ratio: float, months: int) -> None:
    """Also where the level returns after a few months, beside a season of 10 % up and down."""
    place = np.arange(60)
    steps = np.where((place >= 30) & (place < 30 + months), ratio, 1.0)
    means = mean * steps * (1 + 0.1 * np.cos(2 * np.pi * place / 12))
    assert share_with_breaks(lambda _: means, seed=2, count=200, at=30) > POWER


@pytest.mark.real_data
def test_breaks_of_the_real_feed(real_data: Path) -> None:
    table = pd.read_csv(real_data / "nibrs_monthly_offenses_by_neighborhood_2021_2026.csv.gz")
    totals = table.pivot_table("offenses", "month", "crime_against", aggfunc="sum")
    totals["all"] = totals.sum(axis=1)
    periods = pd.PeriodIndex(totals.index, freq="M")
    months = (periods.year * 12 + periods.month - 1).to_numpy()
    days = periods.days_in_month.to_numpy(dtype=np.float64)
    breaks = {
        name: [str(periods[b.month_number - months[0]])
               for b in find_breaks(months, totals[name].to_numpy(dtype=np.float64), days)]
        for name in totals
    }  # fmt: skip
    assert breaks == {
        "persons": [], "property": [],
        "all": ["2024-11"],  # what society rose by
        # A level of two months, which returned; that of 2025 began two months before the year.
        "society": ["2023-12", "2024-02", "2024-11"],
        "other": ["2021-04", "2024-03", "2026-01"],  # thin first months; a rise; the end
    }  # fmt: skip
