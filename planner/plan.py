"""A plan: the same for the same build and request, every time.

Input: a published build and a request. Output: a `Plan`, whose frames are the rows of `PLAN_TABLES`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
import scipy

from planner.cells import DEMAND_COLUMNS, read_cells
from planner.groups import sum_groups
from planner.levels import draw_ranges, estimate_overdispersion
from planner.limits import list_binding, make_limits, solve_within
from planner.request import WEEKDAYS, Request
from planner.trade_off import compare_plans
from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.pointer import PublishedBuild
from warehouse.table import Table
from warehouse.tables_plan import (
    PLAN_GROUP_TABLE,
    PLAN_HOURS_TABLE,
    PLAN_LIMIT_TABLE,
    PLAN_NEIGHBORHOOD_TABLE,
    PLAN_REQUEST_TABLE,
    PLAN_TRADE_OFF_TABLE,
)

ID_LENGTH = 12


@dataclass(frozen=True)
class Plan:
    """The rows of `PLAN_TABLES` by name, without `data_source`, which is the same of all."""

    plan_id: str
    data_source: str
    request: Request
    frames: Mapping[str, pd.DataFrame]

    def __getitem__(self, table: Table) -> pd.DataFrame:
        """Return the rows of a table."""
        return self.frames[table.name]


def make_plan(
    connection: duckdb.DuckDBPyConnection, published: PublishedBuild, request: Request
) -> Plan:
    """Return the plan for a request.

    Raises `ShieldError` for a place that the build does not know, and for floors that cannot be met,
    with what each lacks; each with the name of the request's file.
    """
    try:
        cells = read_cells(connection, published.build_id, request)
        limits = make_limits(cells, request)
        solution = solve_within(limits, request.unit_hours)
    except ShieldError as error:
        raise ShieldError(f"{request.file}: {error}") from error
    cells["hours"] = solution.units * request.unit_hours
    ranges = draw_ranges(
        cells, limits.problem, solution, estimate_overdispersion(connection), request.seed
    )
    weeks = sum_weeks(cells, ranges, request)
    of_request = pd.DataFrame(
        [
            {
                **describe_build(connection, published, request),
                "fairness": request.fairness,
                "budget_hours": limits.budgets["hours"].sum(),
                "planned_hours": cells["hours"].sum(),
                "objective": solution.objective,
                "solver": solution.solver,
                "gap": solution.gap,
            }
        ]
    )
    (source,) = connection.execute("SELECT data_source FROM refresh_run").fetchall()[0]
    return Plan(
        str(of_request["plan_id"][0]),
        str(source),
        request,
        {
            PLAN_REQUEST_TABLE.name: of_request,
            PLAN_NEIGHBORHOOD_TABLE.name: weeks,
            PLAN_GROUP_TABLE.name: sum_groups(connection, weeks),
            PLAN_HOURS_TABLE.name: list_hours(cells),
            PLAN_LIMIT_TABLE.name: list_binding(cells, limits, solution, request.unit_hours),
            PLAN_TRADE_OFF_TABLE.name: compare_plans(cells, limits, solution),
        },
    )


def describe_build(
    connection: duckdb.DuckDBPyConnection, published: PublishedBuild, request: Request
) -> dict[str, object]:
    """Return what `plan_request` says of the request and of the build it was asked of."""
    told = f"{published.build_id}\n{request.hash}"
    (month,) = connection.execute(
        "SELECT min(forecast_month) FROM forecast_hourly WHERE month = ?", [request.month]
    ).fetchall()[0]
    return {
        "plan_id": hashlib.sha256(told.encode()).hexdigest()[:ID_LENGTH],
        "request_text": request.text,
        "request_hash": request.hash,
        "build_id": published.build_id,
        "cutoff": published.cutoff,
        "month": request.month,
        "forecast_month": month,
        "demand": request.demand,
        "seed": request.seed,
        "atlshield_version": settings.VERSION,
        "scipy_version": scipy.__version__,
        "numpy_version": np.__version__,
    }


def list_hours(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `plan_hours`, in the order of its key."""
    hours = cells.drop(columns="demand").sort_values(
        ["neighborhood", "iso_weekday", "shift", "patrol_type"], ignore_index=True
    )
    hours["weekday_name"] = hours["iso_weekday"].map(dict(enumerate(WEEKDAYS, start=1)))
    return hours


def sum_weeks(cells: pd.DataFrame, ranges: pd.DataFrame, request: Request) -> pd.DataFrame:
    """Return the rows of `plan_neighborhood`, in the order of their names."""
    hours = list_hours(cells)  # in one order, so that sums are the same to their last digit
    place = hours.groupby("neighborhood")
    week = place[["hours", "expected_crimes", "expected_reported_crimes"]].sum()
    week.insert(0, "zone", place["zone"].first())
    week = week.join(ranges[["overdispersion"]])
    week["hours_lower_80"] = ranges["lower"] * request.unit_hours
    week["hours_upper_80"] = ranges["upper"] * request.unit_hours
    demand = week[DEMAND_COLUMNS[request.demand]]
    week["hours_per_expected_crime"] = (week["hours"] / demand).where(demand > 0)
    return week.reset_index()
