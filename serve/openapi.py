"""The OpenAPI document and a page to browse it, made of what each route declares.

Input: the application's routes. Output: `/openapi.json` (3.1) and `/docs`, which asks no other host.
"""

from http import HTTPStatus
from importlib import resources
from typing import Any

from flask import Blueprint, Response, current_app
from flask.json import dumps
from pydantic import BaseModel

JSON = "application/json"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ATLShield API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<script type="module" src="docs/rapidoc.js"></script></head>
<body><rapi-doc spec-url="openapi.json" load-fonts="false" theme="light" render-style="read"
show-header="false" allow-spec-url-load="false" allow-spec-file-load="false"></rapi-doc></body></html>
"""
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PROBLEM_REFERENCE = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}

Responses = dict[str | int | HTTPStatus, type[BaseModel] | dict[Any, Any] | None]

blueprint = Blueprint("openapi", __name__)


def answer_with(good: type[BaseModel] | str | dict[str, Any], *problems: int) -> Responses:
    """Return the responses of a route: a JSON model or a media type, and what may go wrong.

    Any route may find a request it cannot understand (400), a missing key (401), a neighborhood or
    table that is not there (404), or no build to answer from (503).
    """
    if isinstance(good, str):
        good = {"description": "OK", "content": {good: {"schema": {"type": "string"}}}}
    codes = (400, 401, 404, 503, *problems)
    return {"200": good, **{str(code): {"content": PROBLEM_REFERENCE} for code in codes}}


@blueprint.get("/openapi.json")
def document() -> Response:
    """Return the OpenAPI document."""
    return Response(dumps(current_app.api_doc), mimetype=JSON)  # type: ignore[attr-defined]


@blueprint.get("/docs")
def page() -> Response:
    """Return the page that shows the document."""
    return Response(PAGE, mimetype="text/html", headers={"Content-Security-Policy": DOCS_POLICY})


@blueprint.get("/docs/rapidoc.js")
def script() -> Response:
    """Return the page's script, RapiDoc, from its package."""
    path = resources.files("flask_openapi3_rapidoc") / "templates/rapidoc/js/rapidoc-min.js"
    return Response(path.read_bytes(), mimetype="text/javascript")
