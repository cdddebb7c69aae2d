"""The page of the city: a map and a table of what to expect, by month and hour.

Input: a month, an hour or the whole day, which crimes. Output: HTML; every view has an address.
"""

import bisect
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

import sqlalchemy as sa
from flask import Response, request
from pydantic import Field

from serve.current_build import ServedBuild, take_build
from serve.map_shapes import WIDTH, read_shapes
from serve.pages import blueprint, once_per_build, render_page
from serve.parameters import Parameters, Whole, checked
from warehouse.months import MONTHS
from warehouse.read import CORE_TABLES

CLASS_QUANTILES = (0.5, 0.75, 0.9, 0.97)
"""Parts of the cells of the whole year that are below each limit: five classes."""
BUSIEST = 10
HOURS = 24

Crimes = Literal["all", "reported"]
Unit = Literal["hour", "day"]
COLUMNS: dict[tuple[Unit, Crimes], sa.Column[float]] = {
    ("hour", "all"): CORE_TABLES["forecast_hourly"].c.expected_crimes,
    ("hour", "reported"): CORE_TABLES["forecast_hourly"].c.expected_reported_crimes,
    ("day", "all"): CORE_TABLES["average_daily"].c.expected_daily_crimes,
    ("day", "reported"): CORE_TABLES["average_daily"].c.expected_reported_daily_crimes,
}
"""What a view shows: a column of a table of the build."""


class CityQuery(Parameters):
    """A view of the city; without a month the first forecast month."""

    month: Annotated[int, Whole(1, MONTHS, is_text=True)] | None = None
    hour: Annotated[int, Whole(0, HOURS - 1, is_text=True)] = 12
    per: Unit = "day"
    crimes: Crimes = "all"
    sort: Annotated[Literal["crimes", "name"], Field(description="Order of the table.")] = "crimes"


@dataclass(frozen=True)
class PlaceValue:
    """What is expected of a place in a view; `rank` counts from 1, the most.

    `address` is the name as an address has it.
    """

    name: str
    address: str
    zone: str | None
    value: float
    level: int
    rank: int


@once_per_build
def read_limits(build: ServedBuild) -> dict[tuple[Unit, Crimes], tuple[float, ...]]:
    """Return the limits of the five classes of each kind of view: the same for all months and hours."""
    limits = {}
    with build.connect() as connection:
        for view, column in COLUMNS.items():
            quantiles = [sa.func.quantile_cont(column, share) for share in CLASS_QUANTILES]
            found = connection.execute(sa.select(*quantiles)).one()
            limits[view] = tuple(float(f"{value:.2g}") for value in found)
    return limits


@once_per_build
def read_months(build: ServedBuild) -> tuple[tuple[int, str], ...]:
    """Return calendar months in the order of the forecast, and their names."""
    city = CORE_TABLES["forecast_city"].c
    with build.connect() as connection:
        rows = connection.execute(
            sa.select(city.month, city.forecast_month).order_by(city.forecast_month)
        )
        return tuple((month, f"{day:%B %Y}") for month, day in rows)


@once_per_build
def read_places(build: ServedBuild) -> dict[str, tuple[str, str | None]]:
    """Return every neighborhood's name as an address has it, and its zone."""
    place = CORE_TABLES["neighborhood"].c
    with build.connect() as connection:
        rows = connection.execute(sa.select(place.neighborhood, place.zone)).all()
    return {name: (quote(name), zone) for name, zone in rows}


def read_values(build: ServedBuild, query: CityQuery, month: int) -> list[PlaceValue]:
    """Return what is expected of every place in a view, most first.

    Each join or order in SQL would leave some KB in DuckDB's queue of buffers to evict, which is
    cleared only from tens of MB on.
    """
    column = COLUMNS[query.per, query.crimes]
    table = column.table.c
    select = sa.select(table.neighborhood, column).where(table.month == month)
    if query.per == "hour":
        select = select.where(table.hour == query.hour)
    limits, places = read_limits(build)[query.per, query.crimes], read_places(build)
    with build.connect() as connection:
        rows = connection.execute(select).all()
    return [
        PlaceValue(name, *places[name], value, bisect.bisect_right(limits, value), rank)
        for rank, (name, value) in enumerate(sorted(rows, key=lambda row: (-row[1], row[0])), start=1)
    ]


@blueprint.get("/", strict_slashes=False)  # no redirect to the host that a request names
@checked
def show_city(query: CityQuery) -> Response:
    """Answer the map and the table of a view."""
    build = take_build()
    months = read_months(build)
    month = query.month or months[0][0]
    values = read_values(build, query, month)
    table = sorted(values, key=lambda place: place.name) if query.sort == "name" else values
    column = COLUMNS[query.per, query.crimes]
    rows = {"month": month, **({"hour": query.hour} if query.per == "hour" else {})}
    csv = {**rows, "_columns": f"neighborhood,{column.name}", "_sort": f"-{column.name}"}
    return render_page(
        "city.html", build, query=query, month=month, months=months, places=table,
        busiest=values[:BUSIEST], limits=read_limits(build)[query.per, query.crimes],
        shapes=read_shapes(build), width=WIDTH, largest=values[0].value,
        drawn=[(place.name, place.value, place.level) for place in values],
        csv=f"v1/tables/{column.table.name}.csv?{urlencode(csv)}",
        link=lambda **changes: f"?{urlencode({**request.args.to_dict(), **changes})}",
    )  # fmt: skip
