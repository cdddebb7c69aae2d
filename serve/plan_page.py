"""The pages of patrol plans: which there are, and what one says.

Input: the folder of plans of the settings. Output: HTML, and the files of a plan.
"""

from typing import Any, cast

import sqlalchemy as sa
from flask import Response, current_app, send_from_directory
from werkzeug.exceptions import NotFound

from serve.current_build import take_build
from serve.pages import blueprint, render_page
from serve.parameters import Parameters, checked
from serve.rows import Rows, select_rows
from warehouse import settings
from warehouse.columns import UNKNOWN_ZONE
from warehouse.errors import ShieldError
from warehouse.plans import PLAN_CORE_TABLES, PLAN_FILES, connect_plan, describe_change, list_plans
from warehouse.schema import PLAN_TABLES

TABLES = {table.name: table for table in PLAN_TABLES}


class PlanPath(Parameters):
    """A plan in an address."""

    name: str


class PlanFilePath(PlanPath):
    """A file of a plan in an address."""

    file: str


def find_folder() -> Any:  # noqa: ANN401  # the application's own attribute
    """Return the folder of plans."""
    return cast("Any", current_app).operation.plans


def find_plan(name: str) -> str:
    """Return the name of a plan that is there. Raises `NotFound` naming those that are."""
    known = list_plans(find_folder())
    if name not in known:
        raise NotFound(f"There is no plan {name!r:.100}; there are {', '.join(known) or 'none'}.")
    return name


@blueprint.get("/plans")
@checked
def show_plans(query: Parameters) -> Response:
    """Answer which plans there are, and of which build."""
    build, requests, damaged = take_build(), {}, []
    for name in list_plans(find_folder()):
        try:
            with connect_plan(find_folder(), name) as connection:
                requests[name] = connection.execute(sa.select(PLAN_CORE_TABLES["plan_request"])).one()
            damaged.append(describe_change(find_folder(), name))
        except ShieldError as error:
            damaged.append(str(error))
    return render_page("plans.html", build, requests=requests, damaged=filter(None, damaged))


@blueprint.get("/plans/<name>")
@checked
def show_plan(path: PlanPath, query: Parameters) -> Response:
    """Answer a plan: its hours by zone and shift and by neighborhood, its limits, its trade-off."""
    build, name = take_build(), find_plan(path.name)
    try:
        with connect_plan(find_folder(), name) as connection:
            asked = connection.execute(sa.select(PLAN_CORE_TABLES["plan_request"])).one()
            shifts, zones = read_zone_shifts(connection)
            parts = [read_part(connection, name, *part) for part in PARTS]
    except ShieldError as error:
        raise NotFound(str(error)) from error
    curve = [row for row in parts[-1].rows if row.patrolled_share is not None]
    return render_page(
        "plan.html", build, name=name, asked=asked, shifts=shifts, zones=zones, parts=parts, curve=curve,
        is_synthetic=asked.data_source == settings.SIMULATED,
        change=describe_change(find_folder(), name),
    )  # fmt: skip


PARTS: tuple[tuple[str, str, tuple[str, ...], str | None], ...] = (
    ("plan_neighborhood", "Weekly hours by neighborhood",
     ("neighborhood", "zone", "hours", "hours_lower_80", "hours_upper_80", "expected_reported_crimes",
      "hours_per_expected_crime"), "hours"),
    ("plan_group", "Weekly hours by group",
     ("group_kind", "group_name", "hours", "hours_per_reported_crime", "population",
      "hours_per_1000_residents"), None),
    ("plan_limit", "Limits that bind, the dearest first",
     ("limit_kind", "description", "limit_hours", "shadow_price"), None),
    ("plan_trade_off", "What fairness and floors give and cost",
     ("fairness", "floor_multiple", "is_request", "neighborhoods_without_hours", "patrolled_share",
      "hours_gini", "objective_loss_share"), None),
)  # fmt: skip
"""Tables of a plan that its page shows: name, caption, columns, and what the largest of comes first."""


def read_part(
    connection: sa.Connection, plan: str, name: str, caption: str, columns: tuple[str, ...],
    first: str | None,
) -> Rows:  # fmt: skip
    """Return the rows of one of a plan's tables."""
    core = PLAN_CORE_TABLES[name]
    order = [core.c[first].desc(), *core.primary_key] if first else list(core.primary_key)
    return select_rows(
        connection, TABLES[name], core, caption, columns, f"plans/{plan}/files/{name}.csv", order=order
    )


def read_zone_shifts(connection: sa.Connection) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Return the shifts, and the weekly hours of each zone by shift."""
    hours = PLAN_CORE_TABLES["plan_hours"].c
    zone = sa.func.coalesce(hours.zone, UNKNOWN_ZONE)
    select = sa.select(zone, hours.shift, sa.func.sum(hours.hours)).group_by(zone, hours.shift)
    zones: dict[str, dict[str, float]] = {}
    for name, shift, total in connection.execute(select.order_by(zone, hours.shift)):
        zones.setdefault(name, {})[shift] = total
    return sorted({shift for row in zones.values() for shift in row}), zones


@blueprint.get("/plans/<name>/files/<file>")
@checked
def send_plan_file(path: PlanFilePath, query: Parameters) -> Response:
    """Answer a file of a plan, as `make plan` wrote it."""
    name = find_plan(path.name)
    if path.file not in PLAN_FILES:
        raise NotFound(f"There is no file {path.file!r:.100} of a plan.")
    response = send_from_directory(find_folder() / name, path.file, max_age=0)
    response.headers["Cache-Control"] = "no-cache"
    return response
