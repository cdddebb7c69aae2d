"""Shares of neighborhoods: the formula one cell at a time, and what each of its steps is for."""

from dataclasses import replace

import numpy as np
import pytest

from models.arrays import Floats
from models.base_rate import (
    LONG_HALF_LIFE,
    MIX_PRIOR_WEIGHT,
    MOVE_PRIOR_WEIGHT,
    NPU_PRIOR_WEIGHT,
    RECENT_HALF_LIFE,
    estimate_shares,
)
from models.panel import Panel
from tests.models.panels import FIRST_MONTH, make_panel

Column = list[float]


def make_uneven(places: int = 5, months: int = 9) -> Panel:
    """Return a panel whose places differ by stratum, month and NPU, the last without an NPU."""
    panel = make_panel(places=places, months=months, rate=0.02)
    panel.stratum_counts[0, -2:] *= 3
    panel.stratum_counts[1, ..., 0] *= 2
    return replace(panel, npu=("A", "A", "B", "B", None)[:places])


def slow_shares(panel: Panel, origin: int, stratum: int) -> Column:
    """Return shares of a stratum in three steps: mix with all crime, move the NPU, move oneself."""
    places = range(len(panel.neighborhoods))

    def weigh(place: int, half_life: float, strata: list[int]) -> float:
        total = 0.0
        for t, month in enumerate(panel.month_numbers):
            weight = np.exp2(-(origin - 0.5 - int(month)) / half_life)
            total += float(weight * panel.stratum_counts[place, t][:, strata].sum())
        return total

    def move(shares: Column, groups: list[list[int]], prior_weight: float) -> Column:
        total = sum(recent)
        moved = [
            shares[n]
            * (sum(recent[g] for g in groups[n]) + prior_weight)
            / (total * sum(shares[g] for g in groups[n]) + prior_weight)
            for n in places
        ]
        return [share / sum(moved) for share in moved]

    recent = [weigh(n, RECENT_HALF_LIFE, [stratum]) for n in places]
    long = [weigh(n, LONG_HALF_LIFE, [stratum]) for n in places]
    overall = [weigh(n, LONG_HALF_LIFE, list(range(len(panel.strata)))) + 0.5 for n in places]
    mixed = [
        (long[n] + MIX_PRIOR_WEIGHT * overall[n] / sum(overall)) / (sum(long) + MIX_PRIOR_WEIGHT)
        for n in places
    ]
    npus = [[other for other in places if panel.npu[other] == panel.npu[n]] for n in places]
    return move(move(mixed, npus, NPU_PRIOR_WEIGHT), [[n] for n in places], MOVE_PRIOR_WEIGHT)


def test_shares_are_their_formula() -> None:
    panel, origin = make_uneven(), FIRST_MONTH + 9
    expected = np.array([slow_shares(panel, origin, s) for s in range(len(panel.strata))]).T
    np.testing.assert_allclose(estimate_shares(panel, origin), expected)


def share_after_a_rise(npu: tuple[str, ...]) -> Floats:
    """Return shares of four like places after a month in which the first had twenty times as much."""
    panel = replace(make_panel(places=4, months=24), npu=npu)
    panel.stratum_counts[:] = 1
    panel.stratum_counts[0, -1] = 20
    return estimate_shares(panel, FIRST_MONTH + 24)[:, 0]


def test_neighbor_in_the_npu_of_a_place_that_rose_rises_with_it() -> None:
    """The second place has the very history of the third: only its NPU tells them apart."""
    shares = share_after_a_rise(("A", "A", "B", "B"))
    assert shares[1] > 1.05 * shares[2]
    assert shares[2] == pytest.approx(shares[3])


def test_neighbor_in_another_npu_does_not() -> None:
    shares = share_after_a_rise(("A", "B", "B", "C"))
    assert shares[1] == pytest.approx(shares[2])
