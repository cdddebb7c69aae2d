"""The best allocation where there are floors, and which floors cannot be met.

Input: a `Problem`. Output: a `Solution` with the prices of its limits. One variable from 0 to 1 stands
for a unit of a cell; as slopes fall, units fill in their order. Limits by block, by zone and by
neighborhood cross, so that nothing but a look at the answer says whether it is whole; if not, the
integer program is solved. HiGHS solves both (Huangfu & Hall 2018, Math. Prog. Comp. 10).
"""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from planner.allocation import Floats, Integers, Problem, count_above, share_out
from warehouse.errors import ShieldError
from warehouse.tables_plan import GREEDY, INTEGER, LINEAR

SPARE_UNITS = 2
"""Units of a cell beyond those it is thought to get that have a variable each."""
REACH = 2.0
"""Factor between slope and price beyond which another demand is not thought to move a unit."""
TOLERANCE = 1e-6
"""What is nearer to a whole number than this is one."""
MAX_GAP = 1e-6
TIME_LIMIT = 60.0
"""Of the integer program: the share of the objective, and the seconds, at which it may stop."""
FIRST_LOSSES = (0.03, 0.3)
"""Reduced costs, in median slopes, beyond which variables stay fixed at first in the integer program."""
OUT_OF_TIME, INFEASIBLE = 1, 2
"""What scipy calls a program that is not solved in time, and one without an answer."""


class FloorsError(ShieldError):
    """No allocation meets the floors."""


@dataclass(frozen=True)
class Solution:
    """Units by cell; what one more unit of each budget adds, and of each floor costs, of the objective.

    `gap` is the share of the objective by which an allocation could be better at most. The prices of an
    integer program are those of the linear one, and its gap is the distance to that.
    """

    units: Integers
    objective: float
    budget_price: Floats
    floor_price: Floats
    solver: str
    gap: float


def solve(problem: Problem) -> Solution:
    """Return the best allocation. Raises `FloorsError` where no allocation meets the floors."""
    if problem.floor.size:
        return _solve_program(problem)
    units = share_out(problem)
    prices = np.zeros(len(problem.budget))
    np.maximum.at(prices, problem.block, np.where(units < problem.cap, problem.find_slopes(units), 0.0))
    spent = np.bincount(problem.block, units, len(prices)) == problem.budget
    return Solution(units, problem.rate(units), prices * spent, np.zeros(0), GREEDY, 0.0)


def _solve_program(problem: Problem) -> Solution:
    """Return the best allocation with floors, at first with few variables a cell.

    The units of a cell beyond those, its rest, share one variable with the slope of the first of them:
    no allocation is worth more than this program says. An answer that takes one unit of a rest at most
    is the best there is; else cells get variables for what is worth its price and for what they took of
    their rest, at most twice as many as before.
    """
    cell_limits, _ = _make_limits(problem)
    known, none = np.minimum(share_out(problem) + SPARE_UNITS, problem.cap), np.zeros_like(problem.cap)
    known = known * (problem.exponent > 0)  # all slopes of a cell are one, a rest's too
    while True:
        program = _make_program(problem, none, known, problem.cap)
        answer = program.solve()
        rest = program.count(np.where(program.is_rest, answer.x, 0.0))
        if not problem.exponent or rest.max() <= 1 + TOLERANCE:
            break
        price = -program.scale * (answer.ineqlin.marginals @ cell_limits)
        more = np.ceil(rest * (rest > 1)).astype(np.int64)
        wanted = np.maximum(count_above(problem, price / REACH) + 1, known + more)
        known = np.minimum(np.minimum(wanted, 2 * known + SPARE_UNITS), problem.cap)
    prices = -program.scale * np.asarray(answer.ineqlin.marginals)
    units, solver, gap = np.rint(program.count(answer.x)).astype(np.int64), LINEAR, 0.0
    if np.abs(program.count(answer.x) - units).max() > TOLERANCE:
        units, solver = _solve_whole(program, answer), INTEGER
        bound = -answer.fun * program.scale
        gap = max(bound - problem.rate(units), 0.0) / (bound or 1.0)
    budgets = len(problem.budget)
    return Solution(units, problem.rate(units), prices[:budgets], prices[budgets:], solver, gap)


def solve_near(problem: Problem, solution: Solution, demand: Floats) -> Floats:
    """Return the best units, perhaps in parts, for another demand, near the solution for the problem's.

    A unit whose slope was `REACH` times its price stays, one whose price was `REACH` times its slope
    stays out, and no cell more than doubles but for a few units: that leaves a program that is small,
    and for the problem's own demand has the solution.
    """
    if not problem.floor.size:
        return share_out(replace(problem, demand=demand)).astype(np.float64)
    price = solution.budget_price[problem.block] - problem.floors.T @ solution.floor_price
    first = np.minimum(count_above(problem, price * REACH), solution.units)
    last = np.maximum(count_above(problem, price / REACH), solution.units)
    last = np.minimum(last, np.minimum(2 * solution.units + SPARE_UNITS, problem.cap))
    program = _make_program(replace(problem, demand=demand), first, last, last)
    return first + program.count(program.solve().x)


def _solve_whole(program: "Program", linear: Any) -> Integers:  # noqa: ANN401  # scipy's answer
    """Return whole units, the best or those found in time.

    Where a variable leaves the bound at which the linear answer has it, the objective loses its reduced
    cost or more. So those that cost much stay there at first: an answer that loses less than they would
    is the best (Dantzig, Fulkerson & Johnson 1954, Operations Research 2, fix variables so). Raises
    `FloorsError` where no whole units meet the floors, `ShieldError` where none were found in time.
    """
    is_whole = np.ones(len(program.cost), np.int64)
    deadline = time.monotonic() + TIME_LIMIT
    for loss in (*FIRST_LOSSES, np.inf):
        lower = np.where(linear.upper.marginals < -loss, program.upper, 0.0)
        upper = np.where(linear.lower.marginals > loss, 0.0, program.upper)
        left = deadline - time.monotonic()
        found = optimize.milp(
            program.cost, integrality=is_whole, bounds=optimize.Bounds(lower, upper),
            constraints=optimize.LinearConstraint(program.limits, ub=program.bounds),
            options={"time_limit": max(left, 1.0), "mip_rel_gap": MAX_GAP},
        )  # fmt: skip
        if found.x is not None and (found.fun - linear.fun <= loss or found.status == OUT_OF_TIME):
            return np.rint(program.count(found.x)).astype(np.int64)
    if found.status == INFEASIBLE:
        raise FloorsError("no allocation of whole units meets the floors")
    raise ShieldError(f"no allocation that meets the floors was found in {TIME_LIMIT:g} s")


@dataclass(frozen=True)
class Program:
    """A linear program: variables are units of cells (`owner`), the last of a cell may be its rest.

    `first` units of each cell are taken for sure and have none.
    """

    owner: Integers
    cost: Floats
    upper: Floats
    is_rest: NDArray[np.bool_]
    limits: sparse.csc_array
    bounds: Floats
    first: Integers
    scale: float

    def count(self, values: Floats) -> Floats:
        """Return the sum of the variables by cell."""
        return np.bincount(self.owner, values, len(self.first)).astype(np.float64)

    def solve(self) -> Any:  # noqa: ANN401  # scipy declares no type
        """Return scipy's answer. Raises `FloorsError` where there is none."""
        answer = solve_linear(self.cost, self.limits, self.bounds, self.upper)
        if answer.status == INFEASIBLE:
            raise FloorsError("no allocation meets the floors")
        if answer.status:
            raise ShieldError(f"the linear program was not solved: {answer.message}")
        return answer


def _make_program(problem: Problem, first: Integers, known: Integers, last: Integers) -> Program:
    """Return the program with a variable for each unit from `first` to `known`, one for the others."""
    rest = last - known
    count = known - first + (rest > 0)
    owner = np.repeat(np.arange(len(known)), count)
    units = np.arange(len(owner)) - (np.cumsum(count) - count)[owner] + first[owner]
    is_rest = units == known[owner]
    slopes = problem.find_slopes(units, owner)
    scale = float(np.median(slopes[slopes > 0])) if slopes.any() else 1.0
    limits, bounds = _make_limits(problem)
    return Program(
        owner, -slopes / scale, np.where(is_rest, rest[owner], 1.0), is_rest,
        limits.tocsc()[:, owner], bounds - limits @ first, first, scale,
    )  # fmt: skip


def _make_limits(problem: Problem) -> tuple[sparse.csr_array, Floats]:
    """Return the limits (budget, then floor) on cells as rows of a matrix, and their upper bounds."""
    cells = np.arange(len(problem.demand))
    blocks = sparse.csr_array(
        (np.ones(len(cells)), (problem.block, cells)), shape=(len(problem.budget), len(cells))
    )
    bounds = np.concatenate([problem.budget, -problem.floor]).astype(np.float64)
    return sparse.csr_array(sparse.vstack([blocks, -problem.floors])), bounds


def find_lacking(problem: Problem) -> Floats:
    """Return by how many units each floor is missed where as few as possible are, by floor."""
    limits, bounds = _make_limits(problem)
    budgets, floors = len(problem.budget), len(problem.floor)
    helping = sparse.vstack([sparse.csr_array((budgets, floors)), -sparse.eye_array(floors)])
    cost = np.concatenate([np.zeros(len(problem.demand)), np.ones(floors)])
    upper = np.concatenate([problem.cap, problem.floor]).astype(np.float64)
    answer = solve_linear(cost, sparse.csc_array(sparse.hstack([limits, helping])), bounds, upper)
    lacking: Floats = answer.x[len(problem.demand):]  # fmt: skip
    return lacking


def solve_linear(cost: Floats, limits: sparse.csc_array, bounds: Floats, upper: Floats) -> Any:  # noqa: ANN401  # scipy declares no type
    """Return scipy's answer to a program of variables from 0 to `upper` whose `limits` are `bounds`."""
    return optimize.linprog(  # type: ignore[call-overload]  # its stub knows no sparse matrix
        cost, A_ub=limits, b_ub=bounds, bounds=np.column_stack([np.zeros(len(upper)), upper]),
        method="highs", options={"presolve": False},  # it takes longer than it saves
    )  # fmt: skip
