"""Shares of hours: the fast path, the linear program and trying everything agree."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from planner import linear_program
from planner.allocation import Floats, Integers, Problem, share_out
from planner.linear_program import FloorsError, find_lacking, solve, solve_near
from warehouse.tables_plan import GREEDY, INTEGER, LINEAR


def make_problem(
    demand: Sequence[float] | Floats,
    budget: Sequence[int],
    *,
    exponent: float = 1.0,
    block: Sequence[int] | None = None,
    cap: Sequence[int] | None = None,
    floors: Sequence[Sequence[int]] = (),
    floor: Sequence[int] = (),
) -> Problem:
    """Return a problem; without more words all cells are in one block, and nothing caps them."""
    blocks = np.array(block if block is not None else [0] * len(demand))
    most = np.array(budget)[blocks]
    members = np.array(floors, dtype=np.float64).reshape(len(floors), len(demand))
    return Problem(
        np.array(demand, dtype=np.float64),
        exponent,
        blocks,
        np.array(budget),
        most if cap is None else np.minimum(cap, most),
        sparse.csr_array(members),
        np.array(floor, dtype=np.int64),
    )


def draw_problem(seed: int, *, with_floors: bool) -> Problem:
    """Return a random problem that is small enough to try everything; half have ties and zeros."""
    random = np.random.default_rng(seed)
    cells, blocks = int(random.integers(2, 6)), int(random.integers(1, 4))
    ties = random.choice([0, 0.1, 0.2, 0.2, 0.5, 3.0], cells)
    floors = int(random.integers(1, 4)) if with_floors else 0
    return make_problem(
        ties if seed % 2 else random.random(cells),
        [int(number) + 1 for number in random.integers(0, 4, blocks)],
        exponent=float(random.choice([0, 0.5, 1, 2, 4, 6])),
        block=random.integers(0, blocks, cells).tolist(),
        cap=random.integers(1, 5, cells).tolist(),
        floors=(random.random((floors, cells)) < 0.5).astype(int).tolist(),
        floor=random.integers(0, 4, floors).tolist(),
    )


def is_allowed(problem: Problem, units: Integers) -> bool:
    """Return whether an allocation keeps every limit."""
    used = np.bincount(problem.block, units, len(problem.budget))
    enough = (problem.floors @ units >= problem.floor).all() if problem.floor.size else True
    return bool((units <= problem.cap).all() and (used <= problem.budget).all() and enough)


def try_everything(problem: Problem) -> float | None:
    """Return the best objective of all allocations, None where none is allowed."""
    everything = np.indices((problem.cap + 1).tolist()).reshape(len(problem.cap), -1)
    used = np.array(
        [everything[problem.block == block].sum(axis=0) for block in range(len(problem.budget))]
    )
    allowed = (used <= problem.budget[:, None]).all(axis=0)
    if problem.floor.size:
        allowed &= (problem.floors @ everything >= problem.floor[:, None]).all(axis=0)
    slopes = (np.arange(problem.cap.max()) + 0.5) ** -problem.exponent
    worth = problem.demand @ np.concatenate([[0.0], np.cumsum(slopes)])[everything]
    return float(worth[allowed].max()) if allowed.any() else None


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_fast_path_and_linear_program_are_the_best_of_everything(first: int) -> None:
    for seed in range(first, first + 100):
        problem = draw_problem(seed, with_floors=False)
        best = try_everything(problem)
        fast = solve(problem)
        assert fast.solver == GREEDY
        assert is_allowed(problem, fast.units)
        assert fast.objective == pytest.approx(best, rel=1e-9, abs=1e-12), seed
        by_program = linear_program._solve_program(problem)
        assert by_program.objective == pytest.approx(best, rel=1e-9, abs=1e-12), seed


@pytest.mark.parametrize("first", range(300, 600, 100))
def test_with_floors_the_answer_is_the_best_of_everything(first: int) -> None:
    solvers = set()
    for seed in range(first, first + 100):
        problem = draw_problem(seed, with_floors=True)
        best = try_everything(problem)
        if best is None:
            with pytest.raises(FloorsError):
                solve(problem)
            assert find_lacking(problem).sum() > 0.4
            continue
        found = solve(problem)
        assert is_allowed(problem, found.units)
        assert found.objective == pytest.approx(best, rel=1e-9, abs=1e-12), seed
        solvers.add(found.solver)
    assert LINEAR in solvers


def test_crossing_floors_go_to_the_integer_program() -> None:
    # Each pair of three cells needs a unit: halves cost least, and no whole answer costs as little.
    problem = make_problem(
        [1, 1, 1, 9], [3], floors=[[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 0]], floor=[1, 1, 1]
    )
    found = solve(problem)
    assert found.solver == INTEGER
    assert is_allowed(problem, found.units)
    assert found.objective == pytest.approx(try_everything(problem))
    assert 0 < found.gap < 0.5


def test_objective_is_concave_in_the_budget() -> None:
    random = np.random.default_rng(5)
    for exponent in (0.0, 0.5, 1.0, 3.0):
        problem = make_problem(random.random(40).tolist(), [1], exponent=exponent)
        gains = np.diff(
            [
                solve(replace(problem, budget=np.array([n]), cap=np.full(40, n))).objective
                for n in range(0, 120, 10)
            ]
        )
        assert (gains > 0).all()
        assert (np.diff(gains) <= 1e-9).all()


def test_fairness_from_winner_takes_all_to_equality() -> None:
    demand = [8.0, 4.0, 2.0, 1.0]
    shares = {a: share_out(make_problem(demand, [30], exponent=a)) for a in (0.0, 1.0, 2.0, 6.0)}
    assert shares[0.0].tolist() == [30, 0, 0, 0]
    assert shares[1.0].tolist() == [16, 8, 4, 2]
    roots = np.sqrt(demand) / np.sqrt(demand).sum() * 30
    assert np.abs(shares[2.0] - roots).max() < 1
    assert np.ptp(shares[6.0]) <= 3


def test_equal_cells_are_served_in_their_order() -> None:
    assert share_out(make_problem([1, 1, 1, 1], [2])).tolist() == [1, 1, 0, 0]
    assert share_out(make_problem([1, 1, 1], [4])).tolist() == [2, 1, 1]


def test_cells_without_demand_get_nothing_but_for_floors() -> None:
    assert share_out(make_problem([0, 0], [5])).tolist() == [0, 0]
    found = solve(make_problem([0, 1], [5], floors=[[1, 0]], floor=[2]))
    assert found.units.tolist() == [2, 3]


def test_caps_are_kept_and_what_they_free_goes_elsewhere() -> None:
    found = solve(make_problem([9, 1, 1], [6], cap=[2, 6, 6]))
    assert found.units.tolist() == [2, 2, 2]
    assert solve(make_problem([9, 1], [6], cap=[2, 1])).budget_price.tolist() == [0.0]


def test_prices_are_what_one_unit_more_or_less_is_worth() -> None:
    problem = make_problem([3, 2, 1, 0.5], [7], floors=[[0, 0, 1, 1]], floor=[4])
    found = solve(problem)
    assert found.solver == LINEAR
    more = solve(replace(problem, budget=np.array([8]), cap=np.full(4, 8))).objective
    less = solve(replace(problem, floor=np.array([3]))).objective
    assert 0 < more - found.objective <= found.budget_price[0] + 1e-9
    assert 0 < less - found.objective <= found.floor_price[0] + 1e-9
    free, freer = (solve(make_problem([3, 2, 1, 0.5], [budget])) for budget in (7, 8))
    assert free.budget_price[0] == pytest.approx(freer.objective - free.objective)


def test_solution_for_another_demand_keeps_the_limits_and_is_nearly_the_best() -> None:
    random = np.random.default_rng(2)
    floors = np.kron(np.eye(5), np.ones(4)).astype(int).tolist()
    problem = make_problem(
        random.random(20), [12] * 4, block=[0, 1, 2, 3] * 5, floors=floors, floor=[9] * 5
    )
    solution = solve(problem)
    same = solve_near(problem, solution, problem.demand)
    assert problem.rate(np.rint(same).astype(int)) == pytest.approx(solution.objective)
    for _ in range(20):
        demand = problem.demand * np.repeat(random.gamma(20, 1 / 20, 5), 4)
        near = solve_near(problem, solution, demand)
        best = solve(replace(problem, demand=demand))
        assert (problem.floors @ near >= 9 - 1e-6).all()
        assert (np.bincount(problem.block, near) <= 12 + 1e-6).all()
        rate = replace(problem, demand=demand).rate(np.rint(near).astype(int))
        assert rate == pytest.approx(best.objective, rel=0.002)
        assert abs(problem.floors @ (near - best.units)).max() <= 1
    free = replace(problem, floors=problem.floors[:0], floor=np.zeros(0, np.int64))
    assert solve_near(free, solve(free), free.demand).tolist() == share_out(free).tolist()


def test_more_units_than_the_first_program_has_variables_for() -> None:
    problem = make_problem([100, 1], [60], exponent=0.5, floors=[[0, 1]], floor=[40])
    assert solve(problem).units.tolist() == [20, 40]
