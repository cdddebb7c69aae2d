"""The page of a service of many cities: which there are.

Input: their pointers. Output: a page that leads to those of each city.
"""

from flask import Response, render_template

from serve.cities import list_facts
from serve.pages import POLICY
from warehouse import settings


def show_cities() -> Response:
    """Answer which cities are served; there is no build that the page is of."""
    page = render_template(
        "cities.html", cities=list_facts(), navigation=(), version=settings.VERSION,
        simulated=settings.SIMULATED,
    )  # fmt: skip
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    return Response(page, mimetype="text/html", headers=headers)
