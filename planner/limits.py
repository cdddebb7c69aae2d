"""What a request allows: budgets, floors and caps of the cells, and which of them bind.

Input: cells and a request. Output: the `Problem` they make, its limits in words, and a `ShieldError`
that names the floors that cannot be met.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from planner.allocation import Floats, Integers, Problem
from planner.cells import find_name
from planner.linear_program import FloorsError, Solution, find_lacking, solve
from planner.request import PATROL_WORDS, WEEKDAYS, Request
from warehouse.columns import PATROL_TYPES
from warehouse.errors import ShieldError
from warehouse.tables_plan import BUDGET, CAP, NEIGHBORHOOD_FLOOR, ZONE_FLOOR

BLOCK = ["iso_weekday", "shift", "patrol_type"]
ZONE_SHIFT = ["zone", "iso_weekday", "shift"]
WHERE = ["zone", "neighborhood", *BLOCK]
"""What a limit may hold for; what it holds for all of is missing."""

MAX_TOLD = 5
"""Floors that an error names."""
MIN_PRICE = 1e-9
"""Share of the largest price below which a limit does not bind: what is less is a solver's rounding."""


@dataclass(frozen=True)
class Limits:
    """Budgets in the order of the problem's blocks, and its floors: hours, kind and `WHERE`."""

    problem: Problem
    budgets: pd.DataFrame
    floors: pd.DataFrame

    def scale_floors(self, multiple: float) -> "Limits":
        """Return the same with floors of so many times the hours, in whole units."""
        floor = np.rint(self.problem.floor * multiple).astype(np.int64)
        kept = floor > 0
        problem = replace(self.problem, floors=self.problem.floors[kept], floor=floor[kept])
        return replace(self, problem=problem, floors=self.floors[kept])


def make_limits(cells: pd.DataFrame, request: Request) -> Limits:
    """Return what a request allows the cells. Raises `ShieldError` for a place that is not known."""
    block = cells.groupby(BLOCK).ngroup().to_numpy().astype(np.int64)
    budgets = cells[BLOCK].drop_duplicates().sort_values(BLOCK, ignore_index=True)
    budgets["hours"] = [
        getattr(request.hours[shift], PATROL_WORDS[PATROL_TYPES.index(kind)])[weekday - 1]
        if shift in request.hours else 0.0
        for weekday, shift, kind in budgets[BLOCK].itertuples(index=False)
    ]  # fmt: skip
    budget = count_units(budgets["hours"], request)
    caps = dict(zip(PATROL_TYPES, (getattr(request.caps, word) for word in PATROL_WORDS), strict=True))
    cap = cells["patrol_type"].map(caps).astype("float64").fillna(np.inf).to_numpy() / request.unit_hours
    floors = list_floors(cells, request)
    problem = Problem(
        cells["demand"].to_numpy(np.float64), request.fairness, block, budget,
        # One more than the budget, so that the next unit of a cell that takes all of it has a price.
        np.minimum(np.rint(cap), budget[block] + (budget[block] > 0)).astype(np.int64),
        find_members(cells, floors), count_units(floors["hours"], request),
    )  # fmt: skip
    return Limits(problem, budgets, floors)


def count_units(hours: "pd.Series[float]", request: Request) -> Integers:
    """Return hours as numbers of units."""
    units: Integers = np.rint(hours.to_numpy(np.float64) / request.unit_hours).astype(np.int64)
    return units


def list_floors(cells: pd.DataFrame, request: Request) -> pd.DataFrame:
    """Return the floors above 0: of each zone, weekday and shift, and of each neighborhood's week.

    Raises `ShieldError` for a place that is not known, and for floors of zones where there are none.
    """
    asked = request.floors
    if asked.zone_shift and cells["zone"].isna().all():
        raise ShieldError("floors.zone_shift: the build knows no zones")
    shifts = cells[ZONE_SHIFT].dropna().drop_duplicates().sort_values(ZONE_SHIFT)
    named = {find_name("floors.zones", zone, cells["zone"]): of for zone, of in asked.zones.items()}
    shifts["hours"] = [
        named.get(zone, {}).get(shift, asked.zone_shift.get(shift, 0.0))
        for zone, _, shift in shifts[ZONE_SHIFT].itertuples(index=False)
    ]
    places = cells[["neighborhood"]].drop_duplicates().sort_values("neighborhood")
    own = {
        find_name("floors.neighborhoods", name, cells["neighborhood"]): hours
        for name, hours in asked.neighborhoods.items()
    }
    places["hours"] = places["neighborhood"].map(own).fillna(asked.neighborhood_week)
    found = [shifts.assign(limit_kind=ZONE_FLOOR), places.assign(limit_kind=NEIGHBORHOOD_FLOOR)]
    floors = pd.concat(found, ignore_index=True).reindex(columns=["limit_kind", *WHERE, "hours"])
    return floors[floors["hours"] > 0].reset_index(drop=True)


def find_members(cells: pd.DataFrame, floors: pd.DataFrame) -> sparse.csr_array:
    """Return the matrix (floor, cell) that is 1 where a cell's hours count for a floor."""
    rows, columns = [], []
    for kind, keys in ((ZONE_FLOOR, ZONE_SHIFT), (NEIGHBORHOOD_FLOOR, ["neighborhood"])):
        of_kind = floors[floors["limit_kind"] == kind]
        place = pd.MultiIndex.from_frame(of_kind[keys]).get_indexer(
            pd.MultiIndex.from_frame(cells[keys])
        )
        columns.append(np.flatnonzero(place >= 0))
        rows.append(of_kind.index.to_numpy()[place[place >= 0]])
    row, column = np.concatenate(rows), np.concatenate(columns)
    return sparse.csr_array((np.ones(len(row)), (row, column)), shape=(len(floors), len(cells)))


def solve_within(limits: Limits, unit_hours: float) -> Solution:
    """Return the best allocation. Raises `FloorsError` that names floors, and by how many hours."""
    try:
        return solve(limits.problem)
    except FloorsError as error:
        lacking = find_lacking_floors(limits.problem, limits.floors["limit_kind"] == ZONE_FLOOR)
        floors = limits.floors.assign(lacking=(lacking * unit_hours).round(6))
        missed = floors[floors["lacking"] > 0].sort_values("lacking", ascending=False, kind="stable")
        told = [f"{name_place(row)} lacks {row.lacking:g} of {row.hours:g} hours"
                for row in missed.itertuples()]  # fmt: skip
        if not told:
            raise FloorsError(
                "floors: only parts of unit_hours would meet them: choose a smaller one"
            ) from error
        more = f"; and {len(told) - MAX_TOLD} more" if len(told) > MAX_TOLD else ""
        asked = floors.groupby("limit_kind")["hours"].sum()
        raise FloorsError(
            "floors: the budgets and caps of hours cannot meet them:"
            f" neighborhoods ask for {asked.get(NEIGHBORHOOD_FLOOR, 0):g} hours a week, zones for"
            f" {asked.get(ZONE_FLOOR, 0):g}, and {limits.problem.count_room() * unit_hours:g} can be"
            f" placed; {'; '.join(told[:MAX_TOLD])}{more}"
        ) from error


def find_lacking_floors(problem: Problem, is_zone: "pd.Series[bool]") -> Floats:
    """Return by how many units each floor is missed.

    Floors of zones and of neighborhoods each by themselves: a mistake in one is not told of the other.
    Where each could be met, all together.
    """
    lacking = np.zeros(len(problem.floor))
    for part in (is_zone.to_numpy(), ~is_zone.to_numpy()):
        if part.any():
            own = replace(problem, floors=problem.floors[part], floor=problem.floor[part])
            lacking[part] = find_lacking(own)
    return lacking if lacking.max() > MIN_PRICE else find_lacking(problem)


def list_binding(
    cells: pd.DataFrame, limits: Limits, solution: Solution, unit_hours: float
) -> pd.DataFrame:
    """Return the limits that bind, the dearest first: `plan_limit`.

    A price is that of one unit, told by hour. A cap's is the slope beyond it, less what the unit costs
    where it comes from, plus what it saves floors. Without floors prices are exact, with them the most
    that they can be.
    """
    problem = limits.problem
    cost = solution.budget_price if len(limits.floors) else problem.find_last_slopes(solution.units)
    own = problem.floors.T @ solution.floor_price - cost[problem.block]
    gain = np.where(solution.units == problem.cap, problem.find_slopes(solution.units) + own, 0.0)
    at_cap = (problem.cap < problem.budget[problem.block]) & (gain > 0)
    found = [
        limits.budgets.assign(limit_kind=BUDGET, price=solution.budget_price),
        limits.floors.assign(price=solution.floor_price),
        cells.loc[at_cap, WHERE].assign(
            limit_kind=CAP, price=gain[at_cap], hours=problem.cap[at_cap] * unit_hours
        ),
    ]
    limit: pd.DataFrame = pd.concat([part for part in found if len(part)], ignore_index=True).reindex(
        columns=["limit_kind", *WHERE, "hours", "price"]
    )
    limit = limit[limit["price"] > MIN_PRICE * limit["price"].max()]
    limit = limit.sort_values(["price", "limit_kind", *WHERE], ascending=[False, *[True] * 6])
    limit["shadow_price"] = limit.pop("price") / unit_hours
    at_most = "at most " * (len(limits.floors) > 0)
    limit["description"] = [describe_limit(row, unit_hours, at_most) for row in limit.itertuples()]
    limit.insert(0, "limit_number", range(1, len(limit) + 1))
    limit["limit_hours"] = limit.pop("hours")
    return limit


def name_place(row: Any) -> str:  # noqa: ANN401  # a row of a frame
    """Return what a floor holds for, in words."""
    if row.limit_kind == NEIGHBORHOOD_FLOOR:
        return f"the week of {row.neighborhood}"
    return f"zone {row.zone}, {WEEKDAYS[int(row.iso_weekday) - 1]}, {row.shift}"


def describe_limit(row: Any, unit_hours: float, at_most: str) -> str:  # noqa: ANN401  # a row of a frame
    """Return a limit that binds, in words: what its next or last unit is worth."""
    worth = f"{at_most}{row.shadow_price * unit_hours:.4g}"
    is_hour = unit_hours == 1
    if row.limit_kind in (ZONE_FLOOR, NEIGHBORHOOD_FLOOR):
        last = "hour of it costs" if is_hour else f"{unit_hours:g} hours of it cost"
        return (
            f"the floor of {row.hours:g} hours in {name_place(row)}: the last {last} {worth} of the"
            " objective"
        )
    when = f"{WEEKDAYS[int(row.iso_weekday) - 1]}, {row.shift}, {row.patrol_type}"
    where = f" in {row.neighborhood}" if row.limit_kind == CAP else ""
    more = "one hour" if is_hour else f"{unit_hours:g} hours"
    return f"all {row.hours:g} hours{where} on {when}: {more} more would add {worth} to the objective"
