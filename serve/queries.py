"""Queries that have a name: `GET /v1/queries` lists them, `/v1/queries/<name>` answers each.

Input: `warehouse/queries.toml`, and parameters in the address. Output: rows of the current build as
JSON. Every query has a path of its own in the OpenAPI document, made of its declaration.
"""

import datetime as dt
import re
from http import HTTPStatus
from typing import Annotated, Any, Literal

from flask import Response, jsonify, request
from pydantic import BaseModel, BeforeValidator, Field, create_model

from serve.current_build import take_build
from serve.document import JSON
from serve.errors import answer_problem
from serve.openapi import answer_with, make_blueprint
from serve.parameters import Parameters, Whole, checked
from serve.sql import SqlAnswer
from warehouse.queries import NamedQuery, Parameter, UnknownValueError, load_queries, run_query

blueprint = make_blueprint("queries", __name__, "Questions with an answer ready.")

QUERIES = load_queries()


class QueryEntry(BaseModel):
    """A query that has a name."""

    name: str
    title: str
    description: str
    path: str
    parameters: list[str]


class QueryList(BaseModel):
    """Every query that has a name."""

    queries: list[QueryEntry]


@blueprint.get("/v1/queries", responses=answer_with(QueryList))
@checked
def list_queries(query: Parameters) -> Response:
    """Answer which queries have a name, and what their parameters are called.

    Each has a path of its own, with its parameters described.
    """
    entries = [
        QueryEntry(
            name=name, title=query.title, description=query.description,
            path=f"{request.script_root}/v1/queries/{name}", parameters=[*query.parameters],
        )
        for name, query in QUERIES.items()
    ]  # fmt: skip
    return jsonify(QueryList(queries=entries).model_dump())


def add_route(name: str, declared: NamedQuery) -> None:
    """Give a query its path."""

    def view(query: Parameters) -> Response:
        build = take_build()
        values = query.model_dump()
        try:
            with build.connect() as connection:
                answer = run_query(connection, build.published.build_id, declared, values)
        except UnknownValueError as error:
            return answer_problem(HTTPStatus.NOT_FOUND, str(error), close_names=error.close_values)
        return Response(answer, mimetype=JSON)

    view.__name__ = name
    view.__annotations__["query"] = make_model(name, declared)
    blueprint.get(
        f"/v1/queries/{name}", responses=answer_with(SqlAnswer, 404),
        summary=declared.title, description=declared.description or declared.title,
    )(checked(view))  # fmt: skip


def make_model(name: str, declared: NamedQuery) -> type[Parameters]:
    """Return the model of a query's parameters."""
    fields: dict[str, Any] = {key: make_field(each) for key, each in declared.parameters.items()}
    return create_model(name, __base__=Parameters, **fields)


def make_field(declared: Parameter) -> tuple[Any, Any]:
    """Return the type and the field of a parameter, as pydantic takes them."""
    kinds = {
        "text": Annotated[str, Field(min_length=1, max_length=200)],
        "integer": Annotated[int, Whole(declared.minimum or 0, declared.maximum or 10**9 - 1, True)],
        "date": Annotated[dt.date, BeforeValidator(check_date)],
    }
    kind = Literal[declared.allowed] if declared.allowed else kinds[declared.type]
    example = declared.default if declared.example is None else declared.example
    return kind, Field(
        ... if declared.default is None else declared.default,
        description=declared.description,
        json_schema_extra={"example": str(example) if isinstance(example, dt.date) else example},
    )


def check_date(text: str) -> str:
    """Return a day as it was written. Raises `ValueError` for one that is written otherwise."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("a day YYYY-MM-DD")
    return text


for name, query in QUERIES.items():
    add_route(name, query)
