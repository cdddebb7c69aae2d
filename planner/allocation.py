"""Units of hours for cells: the allocation that weighs expected crimes most, within limits.

Input: a `Problem`. Output: whole units for each cell. A cell's unit number k = 0, 1, … adds demand * (k
+ 1/2)^-exponent to the objective, its slope. Slopes fall within a cell, so that an allocation takes a
cell's units in their order: exponent 1 gives Webster's method of divisors (Balinski & Young, Fair
Representation, 1982), 0 all to the largest demand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BISECTIONS = 14
"""Halvings of the range of a block's price: what is then undecided is a unit or two of each cell."""


@dataclass(frozen=True)
class Problem:
    """What is to be shared out; equal slopes go to the cell that comes first.

    `demand`, `block` and `cap` (in units) are by cell, `budget` is by block. `floors` has a row for each
    floor and a column for each cell, 1 where the cell counts for it; `floor` is by floor, in units.
    """

    demand: Floats
    exponent: float
    block: Integers
    budget: Integers
    cap: Integers
    floors: sparse.csr_array
    floor: Integers

    def find_slopes(self, units: Integers, owner: Integers | slice = slice(None)) -> Floats:
        """Return the slopes of the units of these numbers, of all cells or of each one's `owner`."""
        slopes: Floats = self.demand[owner] * (units + 0.5) ** -self.exponent
        return slopes

    def find_last_slopes(self, units: Integers) -> Floats:
        """Return by block the least slope of a unit that is given; 0 where budget is left."""
        least = np.full(len(self.budget), np.inf)
        last = np.where(units > 0, self.find_slopes(np.maximum(units - 1, 0)), np.inf)
        np.minimum.at(least, self.block, last)
        spent = np.bincount(self.block, units, len(self.budget)) == self.budget
        return np.where(spent & np.isfinite(least), least, 0.0)

    def count_room(self) -> int:
        """Return how many units budgets and caps let be placed."""
        room = np.bincount(self.block, self.cap, len(self.budget))
        return int(np.minimum(room, self.budget).sum())

    def rate(self, units: Integers) -> float:
        """Return the objective of an allocation: the sum of the slopes of its units."""
        steps = (np.arange(units.max(initial=0)) + 0.5) ** -self.exponent
        return float(self.demand @ np.concatenate([[0.0], np.cumsum(steps)])[units])


def share_out(problem: Problem) -> Integers:
    """Return the best allocation without floors.

    In each block these are the largest slopes, as many as its budget. A price for each block is
    bracketed at first: cells take what is above the upper price and may have what is above the lower
    one; then the units between the two are sorted.
    """
    top = np.zeros(len(problem.budget))
    np.maximum.at(top, problem.block, problem.find_slopes(np.zeros_like(problem.block)))
    high = np.where(top > 0, 2 * top, 1.0)
    low = high * _find_depth(problem)
    for _ in range(BISECTIONS):
        middle = np.sqrt(high) * np.sqrt(low)
        units = count_above(problem, middle[problem.block])
        fits = np.bincount(problem.block, units, len(problem.budget)) <= problem.budget
        high, low = np.where(fits, middle, high), np.where(fits, low, middle)
    # A unit more or less on either side makes rounding at a bracket harmless.
    least = np.maximum(count_above(problem, high[problem.block]) - 1, 0)
    most = np.minimum(count_above(problem, low[problem.block]) + 1, problem.cap)
    return _take_largest(problem, least, most * (problem.demand > 0))


def _find_depth(problem: Problem) -> float:
    """Return a share of the largest slope that all slopes of demand lie above."""
    positive = problem.demand[problem.demand > 0]
    if not positive.size:
        return 0.5
    last = (2 * problem.cap.max(initial=0) + 3.0) ** -problem.exponent
    return float(positive.min() / positive.max() * last / 4)


def count_above(problem: Problem, price: Floats) -> Integers:
    """Return how many units of each cell have slopes above its price; up to its cap."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(price > 0, problem.demand / price, np.inf)
        root = (
            np.where(ratio > 1, np.inf, 0.0) if not problem.exponent else ratio ** (1 / problem.exponent)
        )
    return np.minimum(np.floor(root + 0.5), problem.cap).astype(np.int64)


def _take_largest(problem: Problem, least: Integers, most: Integers) -> Integers:
    """Return `least` and, of the units up to `most`, the largest slopes that budgets have room for."""
    owner = np.repeat(np.arange(len(least)), most - least)
    first = np.cumsum(most - least) - (most - least)
    units = np.arange(len(owner)) - first[owner] + least[owner]
    block = problem.block[owner]
    order = np.lexsort((owner, -problem.find_slopes(units, owner), block))
    before = np.searchsorted(block[order], np.arange(len(problem.budget)))
    rank = np.arange(len(owner)) - before[block[order]]
    room = problem.budget - np.bincount(problem.block, least, len(problem.budget)).astype(np.int64)
    taken = owner[order][rank < room[block[order]]]
    return least + np.bincount(taken, minlength=len(least))
