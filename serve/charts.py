"""Charts over HTTP: as a picture, and in words.

Input: a neighborhood, whose name may hold slashes, or a month, or both; a size. Output: PNG, SVG or JSON
of the current build.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal

from flask import Response, request
from pydantic import BaseModel, Field

from serve.chart_cache import find_cache, find_chart
from serve.chart_size import ChartSize
from serve.city_data import read_city
from serve.current_build import ServedBuild, take_build
from serve.document import JSON
from serve.hour_grid_data import read_months, read_weekdays
from serve.hourly_data import read_hourly
from serve.month_data import read_month
from serve.openapi import answer_with, make_blueprint
from serve.parameters import Neighborhood, Parameters, TextMonth, checked

ChartFormat = Annotated[
    Literal["png", "svg", "json"],
    Field(description="File format.", json_schema_extra={"example": "png"}),
]
FORMAT = "<any(png, svg, json):chart_format>"
MEDIA_TYPES = {"png": "image/png", "svg": "image/svg+xml", "json": JSON}
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""An SVG has styles of its own."""

blueprint = make_blueprint(
    "charts", __name__, "Pictures, and what they show in words and numbers.", "/charts"
)


class ChartDescription(BaseModel):
    """A chart in words and numbers."""

    title: str
    alt_text: str = Field(description="What the chart says, for those who cannot see it.")
    data_source: str
    build_id: str
    series: dict[str, Any] = Field(description="All that is drawn.")


class PlacePath(Parameters):
    """A neighborhood, and a file format."""

    neighborhood: Neighborhood
    chart_format: ChartFormat


class MonthPath(Parameters):
    """A month, and a file format."""

    month: TextMonth
    chart_format: ChartFormat


class PlaceMonthPath(PlacePath, MonthPath):
    """A neighborhood and a month, and a file format."""


PICTURE = {"schema": {"type": "string", "format": "binary"}}
CHART = answer_with(
    {
        "description": "A picture, or its description in JSON.",
        "content": {
            **dict.fromkeys((MEDIA_TYPES["png"], MEDIA_TYPES["svg"]), PICTURE),
            JSON: {"schema": ChartDescription.model_json_schema()},
        },
    },
    404,
)


@blueprint.get(f"/hourly/<path:neighborhood>/<month>.{FORMAT}", responses=CHART)
@checked
def hourly_chart(path: PlaceMonthPath, query: ChartSize) -> Response:
    """Draw the hours of a neighborhood and month.

    Bars are expected crimes of an average day; colours say which patrol is suggested.
    """
    return answer(read_hourly, path, query)


@blueprint.get(f"/month/<path:neighborhood>.{FORMAT}", responses=CHART)
@checked
def month_chart(path: PlacePath, query: ChartSize) -> Response:
    """Draw 12 months of a neighborhood with prediction intervals, observed months beside them.

    Each forecast month is the next of its name; JSON has the numbers.
    """
    return answer(read_month, path, query)


@blueprint.get(f"/heatmap/<path:neighborhood>.{FORMAT}", responses=CHART)
@checked
def heatmap_chart(path: PlacePath, query: ChartSize) -> Response:
    """Draw the hours of every month of a neighborhood.

    A grid of months and hours, darker where more crimes are expected.
    """
    return answer(read_months, path, query)


@blueprint.get(f"/weekday/<path:neighborhood>.{FORMAT}", responses=CHART)
@checked
def weekday_chart(path: PlacePath, query: ChartSize) -> Response:
    """Draw the hours of every weekday of a neighborhood.

    A grid of weekdays and hours, darker where more crimes are expected.
    """
    return answer(read_weekdays, path, query)


@blueprint.get(f"/city/<month>.{FORMAT}", responses=CHART)
@checked
def city_chart(path: MonthPath, query: ChartSize) -> Response:
    """Draw a map of all places by expected crimes in a month.

    Polygons where the build has them, else bubbles.
    """
    return answer(read_city, path, query)


def answer(read: Callable[..., Any], path: PlacePath | MonthPath, size: ChartSize) -> Response:
    """Return the chart of what is read of a place or month."""
    build = take_build()
    where = path.model_dump(exclude={"chart_format"})
    if isinstance(path, PlacePath):
        where["neighborhood"] = build.answers.find_neighborhood(path.neighborhood)
    key = (read, *where.values(), size, path.chart_format)
    content = find_chart(build, key, lambda: make_file(build, read, where, size, path.chart_format))
    response = Response(content, mimetype=MEDIA_TYPES[path.chart_format])
    if path.chart_format == "svg":
        response.headers["Content-Security-Policy"] = SVG_POLICY
    address = request.environ["PATH_INFO"], request.environ["QUERY_STRING"]
    rule = request.url_rule
    find_cache(build).remember(address, key, rule.rule if rule else "", list(response.headers))
    return response


def make_file(
    build: ServedBuild,
    read: Callable[..., Any],
    where: dict[str, Any],
    size: ChartSize,
    chart_format: ChartFormat,
) -> bytes:
    """Read what a chart shows and draw or describe it."""
    with build.connect() as connection:
        series = read(connection, **where)
    if chart_format == "json":
        description = ChartDescription(
            title=series.title,
            alt_text=series.alt_text,
            data_source=series.data_source,
            build_id=build.published.build_id,
            series=asdict(series),
        )
        return description.model_dump_json().encode()
    return import_drawing()(series, size, chart_format)


def import_drawing() -> Callable[[Any, ChartSize, Literal["png", "svg"]], bytes]:
    """Import what draws: matplotlib costs half a second that no lookup should wait for."""
    from serve.chart_file import draw_chart

    return draw_chart
