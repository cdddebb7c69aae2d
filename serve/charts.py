"""Charts over HTTP.

Input: a neighborhood, whose name may hold slashes, and a month. Output: a PNG of the current build.
"""

from flask import Blueprint, Response

from serve.chart_data import read_hourly
from serve.current_build import take_build
from serve.parameters import parse_month

blueprint = Blueprint("charts", __name__, url_prefix="/charts")


@blueprint.get("/hourly/<path:neighborhood>/<month>.png")
def hourly_chart(neighborhood: str, month: str) -> Response:
    """Draw the hourly forecast of a neighborhood and month."""
    # Imported at the first chart: matplotlib costs half a second that lookups need not wait for.
    from serve.hourly_chart import draw_hourly

    served = take_build()
    number = parse_month(int(month) if month.isascii() and month.isdigit() else month)
    name = served.answers.find_neighborhood(neighborhood)
    with served.engine.connect() as connection:
        series = read_hourly(connection, name, number)
    return Response(draw_hourly(series), mimetype="image/png")
