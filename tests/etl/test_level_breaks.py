"""Breaks as a specification: a monthly series in, the months in which its level changed out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from etl.level_breaks import (
    MIN_SCORE,
    MIN_SIDE_MONTHS,
    ORDINARY_RATIO,
    find_breaks,
    score_months,
)
from warehouse.settings import BREAK_WINDOW_MONTHS, MIN_MONTH_DAYS

Floats = npt.NDArray[np.float64]
FIRST = 2021 * 12
YEARS = 5
SERIES = 1000
"""Series per case: a true rate of 2 % would give 10 false alarms or fewer in about 1 case of 100."""

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


def naive_score(counts: Floats, exposure: Floats, month: int) -> float:
    """Return the score at one month, spelled out; the oracle of `score_months`."""
    sides = [range(max(month - BREAK_WINDOW_MONTHS, 0), month),
             range(month, min(month + BREAK_WINDOW_MONTHS, len(counts)))]  # fmt: skip
    kept = [[m for m in side if exposure[m] > 0] for side in sides]
    if exposure[month] == 0 or min(map(len, kept)) < MIN_SIDE_MONTHS:
        return 0.0
    logs = [np.array([np.log((counts[m] + 0.5) / exposure[m]) for m in side]) for side in kept]
    noise = sum(((x - x.mean()) ** 2).sum() for x in logs) / (sum(map(len, kept)) - 2)
    totals = [sum(counts[m] for m in side) + 0.5 for side in kept]
    days = [sum(exposure[m] for m in side) for side in kept]
    variance = sum(max(1 / n, noise / len(side)) for n, side in zip(totals, kept, strict=True))
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
        ([100] * 22 + [300] * 2, []),
        ([100] * 12 + [300] * 12 + [100] * 12, [12, 24]),
        ([100] * 12 + [300] * 7 + [100] * 12, [12, 19]),
        ([1000] * 12 + [1200] * 12, []),
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
        expected = np.array([naive_score(counts, exposure, month) for month in range(40)])
        np.testing.assert_allclose(score_months(counts, exposure), expected, atol=1e-9)


def draw(random: np.random.Generator, means: Floats) -> Floats:
    """Return one Poisson series of monthly incidents, given means for a month of 30.4 days."""
    return random.poisson(means * DAYS / 30.4).astype(np.float64)


def share_with_breaks(shape: Callable[[int], Floats], seed: int) -> float:
    """Return the share of simulated five-year Poisson series in which any break is found."""
    random = np.random.default_rng(seed)
    alarms = sum(
        bool(find_breaks(MONTHS, draw(random, shape(number)), DAYS)) for number in range(SERIES)
    )
    return alarms / SERIES


@pytest.mark.parametrize("swing", [0.0, 0.15])
@pytest.mark.parametrize("mean", [1, 5, 20, 100, 500, 4000])
def test_stable_and_seasonal_series_are_quiet(mean: float, swing: float) -> None:
    def shape(number: int) -> Floats:
        return mean * (1 + swing * np.cos(2 * np.pi * (np.arange(60) - number % 12) / 12))

    assert share_with_breaks(shape, seed=int(mean)) < 0.02


@pytest.mark.parametrize(("mean", "ratio"), [(30, 3.0), (100, 2.0), (400, 1.6)])
def test_large_breaks_are_nearly_always_found(mean: float, ratio: float) -> None:
    steps = mean * np.where(np.arange(60) < 30, 1.0, ratio)
    assert share_with_breaks(lambda _: steps, seed=2) > 0.95


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
        "persons": [], "property": [], "all": [],
        "society": ["2024-11"],  # the new level of 2025 began two months before the year
        "other": ["2021-04", "2024-03", "2026-01"],  # thin first months; a rise; the end
    }  # fmt: skip
