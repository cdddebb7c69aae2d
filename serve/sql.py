"""SQL over HTTP, for those who have a key, where it is switched on: `POST /v1/sql`.

Input: a statement. Output: its answer as JSON. Nothing of it runs in this process
(`warehouse.sql_runner`); here is only who may ask, and how many at once.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, cast

from flask import Response, current_app, request
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.exceptions import TooManyRequests

from serve.current_build import find_current_build, take_build
from serve.document import JSON
from serve.errors import answer_problem
from serve.openapi import answer_with, make_blueprint
from serve.parameters import checked
from serve.tables import take_place
from warehouse.operation import Operation
from warehouse.sql_gate import MAX_SQL_BYTES
from warehouse.sql_runner import StatementError, run_statement

SWITCHED_OFF = "SQL is switched off here: the settings sql and api_keys switch it on"

SQL_PATH = "/v1/sql"
MAX_STATEMENTS = 3
"""That run at a time: places of their own, as slow readers may hold all of those for whole tables."""

blueprint = make_blueprint(
    "sql", __name__, "SELECT statements, for those who have a key, where it is switched on."
)
statements = threading.BoundedSemaphore(MAX_STATEMENTS)
lock = threading.Lock()
busy: set[str] = set()
"""Keys of which a statement runs."""


class Statement(BaseModel):
    """One SELECT on the published tables; `/v1/tables` lists them."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"sql": "SELECT zone, count(*) AS n FROM incident GROUP BY ALL ORDER BY ALL"}
        }
    )
    sql: str = Field(min_length=1, max_length=MAX_SQL_BYTES)


class AnswerColumn(BaseModel):
    """A column of an answer."""

    name: str
    type: str = Field(description="DuckDB's type.")


class SqlAnswer(BaseModel):
    """Rows of a build. Dates and times are ISO texts; what is no number is null."""

    build_id: str
    columns: list[AnswerColumn]
    truncated: bool = Field(description="Whether there are more rows than an answer may hold.")
    rows: list[list[Any]]


@contextmanager
def take_turn(key: str) -> Iterator[None]:
    """Run the one statement of a key. Raises `TooManyRequests` while another of it runs."""
    with lock:
        if key in busy:
            raise TooManyRequests("expected one statement of a key at a time: wait for the last one")
        busy.add(key)
    try:
        yield
    finally:
        busy.discard(key)


@blueprint.post(SQL_PATH, responses=answer_with(SqlAnswer, 403, 413, 429))
@checked
def answer_sql(body: Statement) -> Response:
    """Answer one SELECT, where SQL is switched on.

    It may use listed functions, 256 MiB and 5 s. One at a time of a key.
    """
    operation = cast("Operation", vars(current_app)["operation"])
    if not operation.sql:
        return answer_problem(HTTPStatus.FORBIDDEN, SWITCHED_OFF)
    published = take_build().published
    key = request.headers.get("Authorization", "").partition(" ")[2].strip()
    path = find_current_build().builds / published.file
    with take_turn(key), take_place(statements, "statements"):
        try:
            return Response(run_statement(path, published.build_id, body.sql), mimetype=JSON)
        except StatementError as error:
            return answer_problem(HTTPStatus.BAD_REQUEST, f"sql: {error}")
