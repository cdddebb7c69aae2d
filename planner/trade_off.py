"""What other values of fairness and other floors would give and cost: `plan_trade_off`.

Input: cells, the limits of a request and its solution. Output: a frame with one row per plan.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from planner.allocation import Floats, Integers
from planner.limits import Limits
from planner.linear_program import FloorsError, Solution, solve

FAIRNESS_STEPS = (0.0, 0.5, 1.0, 2.0, 4.0)
FLOOR_STEPS = (0.5, 1.0, 2.0)
"""Floors at the request's own fairness; at others they are as asked, and everywhere left out once."""


def compare_plans(cells: pd.DataFrame, limits: Limits, solution: Solution) -> pd.DataFrame:
    """Return the rows of `plan_trade_off`, by fairness and multiple of the floors."""
    asked = limits.problem.exponent
    rows = []
    for fairness in sorted({*FAIRNESS_STEPS, asked}):
        of_fairness = replace(limits, problem=replace(limits.problem, exponent=fairness))
        free = solve(of_fairness.scale_floors(0).problem)
        steps = FLOOR_STEPS if fairness == asked else (1.0,)
        for multiple in (0.0, *(steps if len(limits.floors) else ())):
            is_request = fairness == asked and multiple == float(len(limits.floors) > 0)
            row = {"fairness": fairness, "floor_multiple": multiple, "is_request": is_request}
            try:
                scaled = of_fairness.scale_floors(multiple).problem
                found = solution if is_request else free if not multiple else solve(scaled)
                rows.append({**row, "is_feasible": True, **describe_plan(cells, limits, found, free)})
            except FloorsError:
                rows.append({**row, "is_feasible": False})
    return pd.DataFrame(rows)


def describe_plan(
    cells: pd.DataFrame, limits: Limits, found: Solution, free: Solution
) -> dict[str, object]:
    """Return what a plan gives, beside the one without floors."""
    place = cells["neighborhood"].astype("category").cat.codes.to_numpy()
    hours, demand = np.bincount(place, found.units), np.bincount(place, limits.problem.demand)
    moved = np.abs(found.units - free.units).sum() / 2
    return {
        "neighborhoods_without_hours": int((hours == 0).sum()),
        "patrolled_share": share_patrolled(limits.problem.demand, found.units),
        "hours_gini": find_gini(hours.astype(np.float64), demand.astype(np.float64)),
        "moved_share": float(moved / max(free.units.sum(), 1)),
        "objective": found.objective,
        "objective_loss_share": max(1 - found.objective / free.objective, 0.0)
        if free.objective
        else 0.0,
        "solver": found.solver,
        "gap": found.gap,
    }


def share_patrolled(demand: Floats, units: Integers) -> float:
    """Return the share of demand in cells that have hours; 0 where there is no demand."""
    total = demand.sum()
    return float(min(demand[units > 0].sum() / total, 1.0)) if total else 0.0


def find_gini(hours: Floats, demand: Floats) -> float:
    """Return the Gini coefficient of hours per expected crime, each expected crime counting once.

    Twice the area between the diagonal and the Lorenz curve of hours over expected crimes, places in the
    order of their hours per expected crime. Places without demand are left out; 0 without hours.
    """
    kept = demand > 0
    hours, demand = hours[kept], demand[kept]
    if not hours.sum():
        return 0.0
    order = np.argsort(hours / demand, kind="stable")
    crimes = np.concatenate([[0.0], np.cumsum(demand[order])]) / demand.sum()
    curve = np.concatenate([[0.0], np.cumsum(hours[order])]) / hours.sum()
    return float(np.clip(1 - np.trapezoid(curve, crimes) * 2, 0, 1))
