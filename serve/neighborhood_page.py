"""The pages of neighborhoods: one with all that is expected of a place, and a list to search.

Input: a name, whose letters and digits count, and a month; or words of a search. Output: HTML.
"""

import bisect
import statistics
from typing import Annotated, Any

import sqlalchemy as sa
from flask import Response
from pydantic import StringConstraints

from serve.answers import UnknownNeighborhoodError
from serve.city_page import read_months
from serve.current_build import ServedBuild, take_build
from serve.hour_grid_data import HourGrid, read_all_weekdays
from serve.hourly_data import select_ranks
from serve.month_data import MonthSeries, read_month
from serve.page_scale import Scale, fit_scale
from serve.pages import blueprint, once_per_build, render_page
from serve.parameters import Neighborhood, Parameters, Whole, checked
from warehouse.months import MONTHS
from warehouse.read import CORE_TABLES
from warehouse.spelling import fold

CLASSES = 5
LOCAL_CLASSES = {"low": 1, "moderate": 2, "high": 4}
"""Colors of local intensity."""
LEFT, RIGHT, TOP, BOTTOM = 48, 712, 10, 220
"""Edges of the axes in a picture."""


class PlacePath(Parameters):
    """A neighborhood."""

    name: Neighborhood


class PlaceQuery(Parameters):
    """A month; without one the first forecast month."""

    month: Annotated[int, Whole(1, MONTHS, is_text=True)] | None = None


class SearchQuery(Parameters):
    """Part of a name, or a name that is spelled otherwise."""

    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""


@blueprint.get("/neighborhoods")
@checked
def list_neighborhoods(query: SearchQuery) -> Response:
    """Answer the names that were searched for, or the page of the only one."""
    build = take_build()
    names, is_close = search(build, query.q)
    if len(names) == 1 and not is_close:
        return render_place(build, names[0], read_months(build)[0][0])
    everything = sorted(set(build.answers.names.values()))
    return render_page(
        "neighborhoods.html", build, query=query, names=names, is_close=is_close, everything=everything
    )


def search(build: ServedBuild, text: str) -> tuple[list[str], bool]:
    """Return the names that a text finds, and whether they are only spelled like it."""
    try:
        return [build.answers.find_neighborhood(text)], False
    except UnknownNeighborhoodError as error:
        part = fold(text)
        known = set(build.answers.names.values()) if part or not text else ()  # else signs find all
        names = sorted(name for name in known if part in fold(name))
        return (names, False) if names else (error.close_names, True)


@blueprint.get("/neighborhoods/<path:name>")
@checked
def show_neighborhood(path: PlacePath, query: PlaceQuery) -> Response:
    """Answer the page of a neighborhood and month."""
    build = take_build()
    name = build.answers.find_neighborhood(path.name)
    return render_place(build, name, query.month or read_months(build)[0][0])


@once_per_build
def read_weeks(build: ServedBuild) -> dict[str, HourGrid]:
    """Return the hours of the week of every neighborhood."""
    with build.connect() as connection:
        return read_all_weekdays(connection)


@once_per_build
def read_ranks(build: ServedBuild) -> dict[tuple[str, int], tuple[int, int]]:
    """Return the rank of every neighborhood in every month, and the number of neighborhoods."""
    with build.connect() as connection:
        rows = connection.execute(select_ranks()).all()
    return {(name, month): (rank, count) for name, month, rank, count, _ in rows}


def render_place(build: ServedBuild, name: str, month: int) -> Response:
    """Return the page of a neighborhood by its own spelling.

    Rows come as they are stored and are sorted here, for the reason that `city_page.read_values` gives.
    """
    with build.connect() as connection:
        hours = connection.execute(select_rows("mart_forecast_hourly", name, month)).all()
        values: dict[str, Any] = {
            "day": connection.execute(select_rows("average_daily", name, month)).one(),
            "place": connection.execute(select_rows("neighborhood", name)).one(),
            "similar": connection.execute(select_rows("mart_similar_place", name, month)).all(),
            "categories": read_categories(connection, name, month),
            "year": read_month(connection, name),
        }
    week = read_weeks(build)[name]
    return render_page(
        "neighborhood.html", build, name=name, month=month, months=read_months(build),
        hours=sorted(hours, key=lambda row: row.hour), rank=read_ranks(build)[name, month],
        local_classes=LOCAL_CLASSES, week=week, **values,
        hour_scale=fit_scale(max(row.expected_crimes for row in hours), BOTTOM, TOP),
        week_limits=find_limits(week), find_class=bisect.bisect_right,
        **describe_year(values["year"]),
    )  # fmt: skip


def select_rows(table: str, name: str, month: int | None = None) -> sa.Select[Any]:
    """Return the query for the rows of a neighborhood in a table, of all months unless one is given."""
    core = CORE_TABLES[table]
    select = sa.select(core).where(core.c.neighborhood == name)
    return select if month is None else select.where(core.c.month == month)


def read_categories(
    connection: sa.Connection, name: str, month: int
) -> list[tuple[str, float, float | None]]:
    """Return expected crimes a day and their share by offense category, most first.

    There is no share where no crime is expected.
    """
    crimes: dict[str, float] = {}
    for row in connection.execute(select_rows("mart_forecast_category", name, month)).all():
        category = row.offense_category
        crimes[category] = crimes.get(category, 0.0) + row.expected_daily_crimes
    whole = sum(crimes.values())
    ranked = sorted(crimes.items(), key=lambda item: (-item[1], item[0]))
    return [(name, value, value / whole if whole else None) for name, value in ranked]


def find_limits(week: HourGrid) -> list[float]:
    """Return the limits of five classes of a place's hours of the week, a fifth of them in each."""
    cells = [value for row in week.expected_crimes for value in row]
    return [float(f"{limit:.3g}") for limit in statistics.quantiles(cells, n=CLASSES)]


def describe_year(year: MonthSeries) -> dict[str, Any]:
    """Return what the picture and the table of months need: axes, and observed crimes by year and month.

    The axis of time counts months from year 0.
    """
    observed = {(row.month_start.year, row.month_start.month): row.crimes for row in year.observed}
    starts = [row.month_start for row in year.observed] + list(year.forecast_months)
    numbers = [day.year * MONTHS + day.month for day in starts]
    largest = max([*(high for _, high in year.intervals[95]), *observed.values()])
    return {
        "observed": observed,
        "numbers": numbers[len(year.observed) :],
        "observed_years": sorted({number for number, _ in observed}),
        "time_scale": Scale(min(numbers) - 0.5, max(numbers) + 0.5, LEFT, RIGHT),
        "year_scale": fit_scale(largest, BOTTOM, TOP),
        "first_years": sorted({day.year for day in starts if day.month == 1}),
    }
