"""Tables over HTTP: what there is, and their rows as JSON, CSV and Parquet.

Input: a table, filters, an order, a page. Output: pages of JSON; CSV that is sent while it is read, with
the bytes of an export; the Parquet of a whole table.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from itertools import chain
from typing import Any, BinaryIO, cast
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Response, abort, current_app, request
from pydantic import BaseModel, Field
from pydantic_core import to_json
from werkzeug.exceptions import NotFound, ServiceUnavailable
from werkzeug.wsgi import wrap_file

from serve.current_build import ServedBuild, take_build
from serve.document import JSON
from serve.openapi import answer_with, make_blueprint
from serve.parameters import MAX_ECHO, Parameters, checked
from serve.row_filters import offer
from serve.row_request import DEFAULT_LIMIT, PageQuery, RowRequest, parse_request
from warehouse.csv_lines import LINE, iterate_csv
from warehouse.parquet import spool_parquet
from warehouse.read import CORE_TABLES
from warehouse.schema import TABLES
from warehouse.table import Column, Table

MAX_HEAVY = 3
"""Whole tables that may be under way at a time; who asks for one more is told to come back. A thread
stays free for the rest."""

PART_BYTES = 256 * 1024
CONFLICT, GONE, NO_ROOM = 409, 410, 507
NAMES = {table.name: table for table in TABLES}

heavy = threading.BoundedSemaphore(MAX_HEAVY)
TOPIC = "Every table of the build: filtered, sorted, page by page, or whole."
blueprint = make_blueprint("tables", __name__, TOPIC, "/v1/tables")


class TablePath(Parameters):
    """A table in an address."""

    table: str = Field(
        description="Name of the table.",
        json_schema_extra={"enum": list(NAMES), "example": "average_daily"},
    )


class TableFacts(BaseModel):
    """A table of the build."""

    name: str
    description: str
    grain: str = Field(description="What a row is.")
    key: tuple[str, ...]
    rows: int
    columns: tuple[Column, ...] = Field(
        description="As declared. `type` is DuckDB's: in JSON dates and times are ISO text."
    )


class TablesAnswer(BaseModel):
    """Every table that can be asked for."""

    build_id: str
    tables: list[TableFacts]


class TableRows(BaseModel):
    """A page of rows, each with its columns by name: they stay right whatever `_columns` asks for."""

    table: str
    build_id: str
    columns: list[str]
    rows: list[dict[str, str | float | int | bool | None]]
    limit: int = Field(description="Rows that this page could hold.")
    truncated: bool = Field(description="Whether more rows follow.")
    next: str | None = Field(description="What `_next` is for the page behind this one.")
    next_url: str | None
    count: int | None = Field(description="Rows of all pages, where `_count` asks for them.")


@blueprint.get("", responses=answer_with(TablesAnswer))
@checked
def list_tables(query: Parameters) -> Response:
    """Answer which tables there are, with all their columns.

    What a column means, its unit and the values it may take come from the declaration that made it.
    """
    build = take_build()
    counts = [
        sa.select(sa.literal(name), sa.func.count()).select_from(core)
        for name, core in CORE_TABLES.items()
    ]
    with build.connect() as connection:
        rows = {name: count for name, count in connection.execute(sa.union_all(*counts))}
    tables = [
        TableFacts(**vars(table) | {"grain": table.full_grain, "rows": rows[table.name]})
        for table in TABLES
    ]
    answer = TablesAnswer(build_id=build.published.build_id, tables=tables)
    return send_json(answer.model_dump())


@blueprint.get("/<table>", responses=answer_with(TableRows, 404, CONFLICT, GONE))
@blueprint.get("/<table>.json", responses=answer_with(TableRows, 404, CONFLICT, GONE))
@checked
def get_rows(path: TablePath, query: PageQuery) -> Response:
    """Answer a page of rows.

    Other parameters are filters, `column=value` or `column__operator=value`, like `month__gte=6`.
    Operators: not, gt, gte, lt, lte, in, notin, contains, startswith, isnull, notnull. Several must all
    hold; only those of lists may be repeated, and then each value is taken whole, commas included. Case
    counts, but in the names of neighborhoods. A day without a clock is its midnight.
    """
    build, asked = take_request(path, query)
    limit = asked.limit or DEFAULT_LIMIT
    with build.connect() as connection:
        page, token = fetch_page(connection, asked, limit)
        count = connection.execute(asked.count_rows()).scalar() if query.count else None
    names = [column.name for column in asked.columns]
    answer = {
        "table": path.table,
        "build_id": build.published.build_id,
        "columns": names,
        "rows": [{name: row[name] for name in names} for row in page],
        "limit": limit,
        "truncated": token is not None,
        "next": token,
        "next_url": link_next(token),
        "count": count,
    }
    return tell_page(send_json(answer), limit, token, count)


@blueprint.get("/<table>.csv", responses=answer_with("text/csv", 404, CONFLICT, GONE))
@checked
def get_csv(path: TablePath, query: PageQuery) -> Response:
    """Answer rows as CSV.

    All that the filters of `/v1/tables/{table}` find, or a page where `_limit` is given.
    Without an order or a page they come as they are stored: the bytes of an export.
    """
    build, asked = take_request(path, query)
    with ExitStack() as stack:
        stack.enter_context(take_place(heavy, "whole tables"))
        connection = stack.enter_context(build.connect())
        token = fetch_page(connection, asked, asked.limit)[1] if asked.limit else None
        line = sa.literal_column(LINE, sa.String).label("line")
        count = connection.execute(asked.count_rows()).scalar() if query.count else None
        lines = sa.select(line).select_from(asked.select_rows().subquery())
        chunks = iterate_csv([c.name for c in asked.columns], connection.execute(lines))
        first = [next(chunks), next(chunks, b"")]  # what cannot be read fails here, not behind a 200
        response = Response(chain(first, chunks), mimetype="text/csv")
        response.call_on_close(stack.pop_all().close)
    return tell_page(name_file(response, f"{path.table}.csv"), asked.limit, token, count)


@blueprint.get("/<table>.parquet", responses=answer_with("application/vnd.apache.parquet", 404, NO_ROOM))
@checked
def get_parquet(path: TablePath, query: Parameters) -> Response:
    """Answer a whole table as Parquet.

    The file has the columns' own types; a few may be under way at a time.
    """
    table, build = find_table(path.table), take_build()
    refuse_known()
    with take_place(heavy, "whole tables"), build.connect() as connection:
        stream = spool_parquet(connection, table)
    response = send_file(stream, "application/vnd.apache.parquet")
    return name_file(response, f"{path.table}.parquet")


def find_table(name: str) -> Table:
    """Return a table by its name. Raises `NotFound` offering close ones."""
    if name not in NAMES:
        raise NotFound(f"unknown table {name!r:.{MAX_ECHO}}{offer(name, list(NAMES))}")
    return NAMES[name]


def take_request(path: TablePath, query: PageQuery) -> tuple[ServedBuild, RowRequest]:
    """Return the build that answers and what it is asked for."""
    table, build = find_table(path.table), take_build()
    spell = build.answers.find_neighborhood
    asked = parse_request(table, build.published.build_id, query, spell)
    refuse_known()
    return build, asked


def refuse_known() -> None:
    """End a request whose client has the answer with 304, before anything of it is made."""
    if cast("Any", current_app).has_answer(request.environ):
        abort(Response(status=HTTPStatus.NOT_MODIFIED))


@contextmanager
def take_place(places: threading.BoundedSemaphore, what: str) -> Iterator[None]:
    """Do what takes seconds while few others do the same. Raises `ServiceUnavailable`."""
    if not places.acquire(blocking=False):
        raise ServiceUnavailable(f"as many {what} as may be are under way: ask again")
    try:
        yield
    finally:
        places.release()


def fetch_page(
    connection: sa.Connection, asked: RowRequest, limit: int
) -> tuple[Sequence[sa.RowMapping], str | None]:
    """Return the rows of a page and the token of the next; no token where there is none."""
    rows = connection.execute(asked.select_page(limit)).mappings().fetchall()
    return rows[:limit], asked.render_token(rows[limit - 1]) if len(rows) > limit else None


def link_next(token: str | None) -> str | None:
    """Return the address of the next page: this one's, with its token."""
    if token is None:
        return None
    others = [(name, text) for name, text in request.args.items(multi=True) if name != "_next"]
    return f"{request.script_root}{request.path}?{urlencode([*others, ('_next', token)])}"


def tell_page(response: Response, limit: int | None, token: str | None, count: int | None) -> Response:
    """Say in headers how many rows an answer could hold, where the next are (RFC 8288), and all rows."""
    if limit is not None:
        response.headers["X-Row-Limit"] = str(limit)
    if token is not None:
        response.headers["Link"] = f'<{link_next(token)}>; rel="next"'
    if count is not None:
        response.headers["X-Total-Count"] = str(count)
    return response


def name_file(response: Response, name: str) -> Response:
    """Name the file as which a browser keeps an answer."""
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    return response


def send_json(answer: dict[str, Any]) -> Response:
    """Answer JSON; dates and times are ISO text."""
    return Response(to_json(answer), mimetype=JSON)


def send_file(stream: BinaryIO, mimetype: str) -> Response:
    """Answer an open file, which is closed behind it."""
    body = wrap_file(request.environ, stream, PART_BYTES)
    response = Response(body, mimetype=mimetype, direct_passthrough=True)
    response.content_length = os.fstat(stream.fileno()).st_size
    return response
