"""A plan in some ten lines: what was asked, what binds, who gets nothing, what fairness costs.

Input: a `Plan`. Output: lines.
"""

from collections.abc import Iterator, Sized

import pandas as pd

from planner.cells import DEMAND_COLUMNS
from planner.plan import Plan
from planner.request import PATROL_WORDS
from warehouse.columns import PATROL_TYPES
from warehouse.tables_plan import (
    BUDGET,
    PLAN_HOURS_TABLE,
    PLAN_LIMIT_TABLE,
    PLAN_NEIGHBORHOOD_TABLE,
    PLAN_REQUEST_TABLE,
    PLAN_TRADE_OFF_TABLE,
)

MAX_NAMES = 3
"""Places and limits of which a line tells."""

MOST = ["neighborhood", "hours", "hours_lower_80", "hours_upper_80"]


def describe_plan(plan: Plan) -> Iterator[str]:
    """Yield the lines."""
    facts = plan[PLAN_REQUEST_TABLE].iloc[0]
    crimes = f"expected {'reported ' * (facts.demand == 'reported')}crimes"
    yield (
        f"plan {plan.plan_id}: build {facts.build_id}, {facts.forecast_month:%B %Y}, {plan.data_source}"
    )
    yield (
        f"asked: {tell(facts.budget_hours)} hours a week in {count(plan.request.shifts, 'shift')},"
        f" fairness {facts.fairness:g}, {crimes}; planned: {tell(facts.planned_hours)}"
    )
    yield from describe_left_over(plan)
    better = f"another could be better by {facts.gap:.2g} of it" if facts.gap else "none is better"
    yield f"found by {facts.solver}, objective {facts.objective:,.1f}: {better}"
    yield from describe_places(plan[PLAN_NEIGHBORHOOD_TABLE])
    hours, demand = plan[PLAN_HOURS_TABLE], DEMAND_COLUMNS[facts.demand]
    yield f"hours by type (share of {crimes} that call for it): {sum_by(hours, 'patrol_type', demand)}"
    yield f"hours by shift (share of {crimes} in it): {sum_by(hours, 'shift', demand)}"
    yield from describe_limits(plan[PLAN_LIMIT_TABLE])
    yield from describe_trade_off(plan[PLAN_TRADE_OFF_TABLE], crimes)
    yield "hours where crime is expected: nothing here says that patrols reduce it"


def tell(hours: float) -> str:
    """Return hours with the parts that they have."""
    return f"{hours:,.10g}"


def count(things: Sized, kind: str) -> str:
    """Return how many of a kind there are."""
    return f"{len(things)} {kind}{'s' * (len(things) != 1)}"


def describe_left_over(plan: Plan) -> Iterator[str]:
    """Yield how many hours of each patrol type have no place, and why."""
    placed = plan[PLAN_HOURS_TABLE].groupby("patrol_type")["hours"].sum()
    for word, kind in zip(PATROL_WORDS, PATROL_TYPES, strict=True):
        left = sum(sum(getattr(hours, word)) for hours in plan.request.hours.values()) - placed[kind]
        if left > plan.request.unit_hours / 2:
            cap = getattr(plan.request.caps, word)
            why = (
                f"caps.{word} = {cap:g} is reached wherever crime calls for it"
                if cap
                else "no crime is expected that calls for it"
            )
            yield f"without a place: {tell(left)} hours of {kind}: {why}"


def describe_places(places: pd.DataFrame) -> Iterator[str]:
    """Yield who gets most, who gets nothing."""
    most = places[places["hours"] > 0].nlargest(MAX_NAMES, "hours")
    told = ", ".join(
        f"{name} {tell(hours)} ({tell(lower)} to {tell(upper)})"
        for name, hours, lower, upper in most[MOST].itertuples(index=False)
    )
    yield f"most hours a week (80 % range): {told or 'none'}"
    without = places.loc[places["hours"] == 0, "neighborhood"]
    names = f": {', '.join(without[:MAX_NAMES])}{', …' * (len(without) > MAX_NAMES)}"
    yield f"without hours: {len(without)} of {len(places)} neighborhoods{names if len(without) else ''}"


def sum_by(hours: pd.DataFrame, column: str, demand: str) -> str:
    """Return hours by the values of a column, most first, each with its share of expected crimes."""
    week = hours.groupby(column)[["hours", demand]].sum().sort_values("hours", ascending=False)
    shares = week[demand] / week[demand].sum()
    return ", ".join(
        f"{value} {tell(amount)} ({share:.0%})"
        for value, amount, share in zip(week.index, week["hours"], shares, strict=True)
    )


def describe_limits(limits: pd.DataFrame) -> Iterator[str]:
    """Yield how many limits bind and the dearest of the budgets and of the rest."""
    kinds = limits["limit_kind"].value_counts().sort_index()
    yield "limits that bind: " + (
        ", ".join(f"{number} {kind}{'s' * (number != 1)}" for kind, number in kinds.items()) or "none"
    )
    is_budget = limits["limit_kind"] == BUDGET
    for part in (limits[is_budget], limits[~is_budget]):
        if len(part):
            yield f"  dearest: {part['description'].iloc[0]}"


def describe_trade_off(rows: pd.DataFrame, crimes: str) -> Iterator[str]:
    """Yield what floors cost, and what other values of fairness would give."""
    asked = rows[rows["is_request"]].iloc[0]
    if asked.floor_multiple:
        yield (
            f"floors cost {asked.objective_loss_share:.1%} of the objective and move"
            f" {asked.moved_share:.0%} of the hours"
        )
    others = rows[rows["is_feasible"] & (rows["floor_multiple"] == asked.floor_multiple)]
    values, without, shares = (
        ", ".join(f"{number:.4g}" for number in numbers)
        for numbers in (
            others["fairness"],
            others["neighborhoods_without_hours"],
            (100 * others["patrolled_share"]).round(),
        )
    )
    yield (
        f"at fairness {values}: {without} neighborhoods without hours; {shares} % of {crimes} in cells"
        " (neighborhood, weekday, shift, type) with a patrol"
    )
