"""The OpenAPI document: what routes declare, what holds for all of them, and an example of each answer.

Input: an application and the build it serves. Output: JSON. The examples are what the routes answer to
the examples of their parameters, so they cannot differ from it.
"""

import copy
import json
from typing import Any
from urllib.parse import quote, urlencode

from flask import Response, request
from flask_openapi3.openapi import OpenAPI

from serve.current_build import CITY
from serve.errors import TABLEAU

JSON = "application/json"

HEADERS = {
    "X-Request-ID": "The id of the request, also in the log: the one that the client gave, if it did.",
    "X-Build-ID": "The build that was read, where one was.",
    "ETag": "What `If-None-Match` may name, to be answered 304 as long as the answer would be the same.",
}
NOT_MODIFIED = {"304": {"description": "The client has the answer: its `If-None-Match` names it."}}

LONG_LIST, FEW = 24, 2
"""Of a list longer than 24 elements, and of the rows of a text, an example shows two."""


def render_document(app: OpenAPI, build_id: str | None) -> str:
    """Return the document with examples of a build, made once for each."""
    if app.extensions.get("document", [None])[0] != (build_id,):
        app.extensions["document"] = (build_id,), json.dumps(make_document(app, build_id is not None))
    text: str = app.extensions["document"][1]
    return text


def make_document(app: OpenAPI, has_build: bool) -> dict[str, Any]:
    """Return the document; without a build its answers have no examples."""
    found = copy.deepcopy(app.api_doc)
    found["components"]["headers"] = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()
    }
    for path, item in found["paths"].items():
        for method, operation in item.items():
            complete_operation(method, operation)
            if found["security"] and TABLEAU.fullmatch(path):
                operation["security"] = [*found["security"], {"password": []}]
            if has_build and "document" not in operation["tags"]:
                add_example(app, path, method, operation)
    return found


def complete_operation(method: str, operation: dict[str, Any]) -> None:
    """Add to an operation what holds for all."""
    operation["description"] = operation["description"].replace("<br/>", " ").strip()
    for parameter in operation.get("parameters", []):
        parameter["schema"] = drop_null(parameter["schema"])
    good = operation["responses"]["200"]
    good["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS}
    if method == "get":
        operation["responses"] |= NOT_MODIFIED


def drop_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter: no text in an address is the null that a default would add."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name != "anyOf" and value is not None}
    return {**rest, **kinds[0]} if kinds else rest


def add_example(app: OpenAPI, path: str, method: str, operation: dict[str, Any]) -> None:
    """Add what a route answers to its own example, where that is text."""
    content = operation["responses"]["200"]["content"]
    if not any(media == JSON or media.startswith("text/") for media in content):
        return
    answer = ask(app, path, method, operation)
    if answer.status_code == 200 and answer.mimetype in content:
        text = answer.get_data(as_text=True)
        lines = "".join(text.splitlines(keepends=True)[:FEW])
        example = shorten(json.loads(text)) if answer.mimetype == JSON else lines
        # Under a name: RapiDoc stumbles over an `example` that has a null.
        content[answer.mimetype]["examples"] = {"answer": {"value": example}}
    answer.close()


def ask(app: OpenAPI, path: str, method: str, operation: dict[str, Any]) -> Response:
    """Return what a route answers to the example of its request, without what surrounds a request."""
    parameters = operation.get("parameters", [])
    given = {each["name"]: str(each["example"]) for each in parameters if "example" in each}
    if "chart_format" in given:
        given["chart_format"] = "json"  # the one that is text
    inside = {each["name"]: quote(given[each["name"]]) for each in parameters if each["in"] == "path"}
    query = {name: text for name, text in given.items() if name not in inside}
    body = find_body(app, operation)
    address = f"{path.format(**inside)}?{urlencode(query)}"
    of_city = {CITY: request.environ[CITY]} if CITY in request.environ else {}
    with app.test_request_context(address, method=method.upper(), json=body, environ_overrides=of_city):
        try:
            return app.make_response(app.dispatch_request())
        except Exception as error:  # what the handlers make of it is no example
            return app.make_response(app.handle_user_exception(error))


def find_body(app: OpenAPI, operation: dict[str, Any]) -> Any:  # noqa: ANN401  # JSON
    """Return the example of a request's body, none where there is no body."""
    if "requestBody" not in operation:
        return None
    reference = operation["requestBody"]["content"][JSON]["schema"]["$ref"]
    return app.api_doc["components"]["schemas"][reference.rpartition("/")[2]]["example"]


def shorten(value: Any) -> Any:  # noqa: ANN401  # JSON
    """Return JSON whose long lists have few elements."""
    if isinstance(value, dict):
        return {name: shorten(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shorten(each) for each in (value if len(value) <= LONG_LIST else value[:FEW])]
    return value
