"""Charts over HTTP.

Input: a neighborhood, whose name may hold slashes, and a month. Output: a PNG of the current build.
"""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from serve.chart_data import read_hourly
from serve.current_build import take_build
from serve.openapi import answer_with
from serve.parameters import Neighborhood, Parameters, TextMonth, checked

blueprint = APIBlueprint("charts", __name__, url_prefix="/charts")


class MonthPath(Parameters):
    """A neighborhood and a month in an address."""

    neighborhood: Neighborhood
    month: TextMonth


@blueprint.get("/hourly/<path:neighborhood>/<month>.png", responses=answer_with("image/png"))
@checked
def hourly_chart(path: MonthPath) -> Response:
    """Draw the hourly forecast of a neighborhood and month."""
    # Imported at the first chart: matplotlib costs half a second that lookups need not wait for.
    from serve.hourly_chart import draw_hourly

    served = take_build()
    name = served.answers.find_neighborhood(path.neighborhood)
    with served.engine.connect() as connection:
        series = read_hourly(connection, name, path.month)
    return Response(draw_hourly(series), mimetype="image/png")
