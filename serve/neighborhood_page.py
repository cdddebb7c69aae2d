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
from serve.hour_grid_data import HourGrid, read_weekdays
from serve.hourly_data import select_rank
from serve.month_data import MonthSeries, read_month
from serve.page_scale import Scale, fit_scale
from serve.pages import blueprint, render_page
from serve.parameters import Neighborhood, Parameters, Whole, checked
from warehouse.months import MONTHS
from warehouse.read import CORE_TABLES
from warehouse.spelling import fold

CLASSES = 5
LOCAL_CLASSES = {"low": 1, "moderate": 2, "high": 4}
"""Colors of local intensity."""
SIMILAR = 5
VOLUME_FACTOR = 2
"""A similar place expects between a half and twice as many crimes a day."""
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


def render_place(build: ServedBuild, name: str, month: int) -> Response:
    """Return the page of a neighborhood by its own spelling."""
    hourly, place = CORE_TABLES["mart_forecast_hourly"], CORE_TABLES["neighborhood"]
    daily = CORE_TABLES["average_daily"]
    with build.connect() as connection:
        hours = connection.execute(
            sa.select(hourly)
            .where(hourly.c.neighborhood == name, hourly.c.month == month)
            .order_by(hourly.c.hour)
        ).all()
        day = connection.execute(
            sa.select(daily).where(daily.c.neighborhood == name, daily.c.month == month)
        ).one()
        values: dict[str, Any] = {
            "place": connection.execute(sa.select(place).where(place.c.neighborhood == name)).one(),
            "rank": connection.execute(select_rank(name, month)).one(),
            "categories": connection.execute(select_categories(name, month)).all(),
            "similar": connection.execute(select_similar(name, month)).all(),
            "year": read_month(connection, name),
            "week": read_weekdays(connection, name),
        }
    return render_page(
        "neighborhood.html", build, name=name, month=month, months=read_months(build), hours=hours,
        day=day, local_classes=LOCAL_CLASSES, **values,
        hour_scale=fit_scale(max(row.expected_crimes for row in hours), BOTTOM, TOP),
        week_limits=find_limits(values["week"]), find_class=bisect.bisect_right,
        **describe_year(values["year"]),
    )  # fmt: skip


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


def select_categories(name: str, month: int) -> sa.Select[tuple[str, float, float]]:
    """Return the query for expected crimes a day and their share by offense category, most first."""
    mart = CORE_TABLES["mart_forecast_category"].c
    crimes = sa.func.sum(mart.expected_daily_crimes)
    share = crimes / sa.func.nullif(sa.func.sum(crimes).over(), 0)
    return (
        sa.select(mart.offense_category, crimes.label("crimes"), share.label("share"))
        .where(mart.neighborhood == name, mart.month == month)
        .group_by(mart.offense_category)
        .order_by(crimes.desc(), mart.offense_category)
    )


def select_similar(name: str, month: int) -> sa.Select[tuple[str, float, float]]:
    """Return the query for the places of like volume whose hours are shaped most alike, nearest first.

    The difference is the total variation distance of both days over their hours: the share of the crimes
    that would have to fall in other hours, 0 to 1.
    """
    hourly, daily = CORE_TABLES["forecast_hourly"], CORE_TABLES["average_daily"]
    parts = (
        sa.select(
            hourly.c.neighborhood, hourly.c.hour, daily.c.expected_daily_crimes,
            (hourly.c.expected_crimes / daily.c.expected_daily_crimes).label("share"),
        )
        .where(hourly.c.neighborhood == daily.c.neighborhood, hourly.c.month == daily.c.month)
        .where(hourly.c.month == month, daily.c.expected_daily_crimes > 0)
        .cte()
    )  # fmt: skip
    own, other = parts.alias().c, parts.alias().c
    difference = sa.func.sum(sa.func.abs(own.share - other.share)) / 2
    volume = own.expected_daily_crimes
    return (
        sa.select(other.neighborhood, other.expected_daily_crimes, difference.label("difference"))
        .where(own.neighborhood == name, other.neighborhood != name, own.hour == other.hour)
        .where(other.expected_daily_crimes.between(volume / VOLUME_FACTOR, volume * VOLUME_FACTOR))
        .group_by(other.neighborhood, other.expected_daily_crimes)
        .order_by(difference, other.neighborhood)
        .limit(SIMILAR)
    )
