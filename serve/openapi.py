"""What a route declares for the OpenAPI document, the document itself, and a page to browse it.

Input: the application's routes. Output: `/openapi.json` (3.1) and `/docs`, which asks no other host.
"""

from http import HTTPStatus
from importlib import resources
from typing import Any, cast

from flask import Response, current_app, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel

from serve.current_build import TAKEN, find_current_build, names_no_city
from serve.document import JSON, render_document

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


def answer_with(good: type[BaseModel] | str | dict[str, Any], *others: int) -> Responses:
    """Return the responses of a route: a JSON model or a media type, and the other status codes.

    Any route may find a request it cannot understand (400), a missing key (401), an address that is too
    long (414), and no build, or no time, to answer (503).
    """
    if isinstance(good, str):
        binary = {} if good.startswith("text/") else {"format": "binary"}
        good = {"content": {good: {"schema": {"type": "string", **binary}}}}
    codes = sorted({400, 401, 414, 503, *others})
    problem = {"content": PROBLEM_REFERENCE}
    return {"200": good, **{str(code): good if code < 300 else dict(problem) for code in codes}}


def make_blueprint(name: str, import_name: str, topic: str, prefix: str | None = None) -> APIBlueprint:
    """Return a blueprint; the document shows its routes under a tag of its name."""
    tag = Tag(name=name, description=topic)
    return APIBlueprint(name, import_name, url_prefix=prefix, abp_tags=[tag])


DOCUMENT = {"content": {JSON: {"schema": {"type": "object"}}}}
blueprint = make_blueprint("document", __name__, "This document, for programs and for people.")


@blueprint.get("/openapi.json", responses=answer_with(DOCUMENT))
def document() -> Response:
    """Answer the OpenAPI document.

    Its examples are answers of the build that is served.
    """
    served = None if names_no_city() else find_current_build().get()
    if served:
        request.environ[TAKEN] = served
    build_id = served.published.build_id if served else None
    return Response(render_document(cast("OpenAPI", current_app), build_id), mimetype=JSON)


@blueprint.get("/docs", responses=answer_with("text/html"))
def page() -> Response:
    """Answer a page that shows the document.

    It asks no other host, and sends requests to this one where you want to try them.
    """
    return Response(PAGE, mimetype="text/html", headers={"Content-Security-Policy": DOCS_POLICY})


@blueprint.get("/docs/rapidoc.js", responses=answer_with("text/javascript"))
def script() -> Response:
    """Answer the page's script.

    It is RapiDoc, from its package.
    """
    path = resources.files("flask_openapi3_rapidoc") / "templates/rapidoc/js/rapidoc-min.js"
    return Response(path.read_bytes(), mimetype="text/javascript")
