"""Lookups: the two that existing clients call, and many in one request.

Input: a neighborhood and a month, in an address or in JSON. Output: the prepared bytes of the current
build, put together: by Flask's routes, or before them where nothing is wrong with the request.
"""

import io
import json
from collections.abc import Callable
from typing import Annotated, Any, NotRequired

from flask import Response
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError
from typing_extensions import TypedDict

from serve.answers import Answers, UnknownNeighborhoodError
from serve.current_build import ServedBuild, take_build
from serve.document import JSON
from serve.openapi import answer_with, make_blueprint
from serve.parameters import (
    EXAMPLE_NEIGHBORHOOD,
    MAX_BODY_BYTES,
    Hour,
    InvalidRequestError,
    Month,
    Neighborhood,
    Parameters,
    TextMonth,
    checked,
    parse_json,
    parse_query,
)
from warehouse.spelling import fold

MAX_LOOKUPS = 2_000
"""Lookups in one request: some 3 ms of one core."""

blueprint = make_blueprint("lookups", __name__, "A neighborhood and a month: the fast way.")


class LookupQuery(Parameters):
    """A neighborhood and a month."""

    neighborhood: Neighborhood
    month: TextMonth


class LookupBody(BaseModel):
    """A neighborhood and a month; other fields are not looked at."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"neighborhood": EXAMPLE_NEIGHBORHOOD, "month": 1}}
    )
    neighborhood: Neighborhood
    month: Month


class Lookup(TypedDict):
    """A neighborhood and a month: its average day. With an hour, that hour."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    neighborhood: Neighborhood
    month: Month
    hour: NotRequired[Hour]


class Lookups(BaseModel):
    """Lookups, answered in their order."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"lookups": [{"neighborhood": EXAMPLE_NEIGHBORHOOD, "month": 1, "hour": 20}]}
        },
    )
    lookups: Annotated[list[Lookup], Field(max_length=MAX_LOOKUPS)]
    known_build: str | None = Field(
        None, max_length=100, description="Whose answers the client has: they are not repeated."
    )


class HourAnswer(BaseModel):
    """One hour of a neighborhood and month."""

    hour: str = Field(description="HH:00, local time.", json_schema_extra={"example": "20:00"})
    predicted_crimes: float = Field(
        ge=0, description="Expected crimes in that clock hour on an average day of that month."
    )
    suggested_patrol: str
    intensity: str = Field(description="Beside all neighborhoods and hours of the year.")
    intensity_local: str = Field(description="Beside the neighborhood's own hours of the year.")
    expected_reported_crimes: float = Field(ge=0, description="The part that the public reports.")
    forecast_month: str = Field(description="First day of the month that is forecast.")
    data_source: str


class HourlyAnswer(RootModel[list[HourAnswer]]):
    """24 hours."""


class PlaceHourAnswer(HourAnswer):
    """One hour of one of many lookups."""

    neighborhood: str
    month: int


class DailyAnswer(BaseModel):
    """The average day of a neighborhood and month."""

    neighborhood: str
    month: int
    average_daily_crime_count: float | None = Field(description="Observed; null if never observed.")
    expected_daily_crimes: float
    expected_reported_daily_crimes: float
    data_source: str
    forecast_month: str
    is_named: bool


class LookupsAnswer(BaseModel):
    """Answers in the order of the lookups; null for a neighborhood that is not known.

    No list but null where `known_build` is the build that is served.
    """

    build_id: str
    results: list[PlaceHourAnswer | DailyAnswer | None] | None


@blueprint.post("/v1/lookups", responses=answer_with(LookupsAnswer, 413))
@checked
def many_lookups(body: Lookups) -> Response:
    """Answer many lookups at once: an hour where one is given, else the average day.

    Results stand in the order of the lookups, null for an unknown neighborhood.
    """
    return Response(find_many(take_build(), body), mimetype=JSON)


Find = Callable[[ServedBuild, LookupQuery | LookupBody], bytes]


def find_hours(build: ServedBuild, asked: LookupQuery | LookupBody) -> bytes:
    """Return 24 hours. Raises `UnknownNeighborhoodError`."""
    answers = build.answers
    _, *hours = answers.find_hours((answers.find_neighborhood(asked.neighborhood), asked.month))
    return b"[{%s]" % b",{".join(hours)


def find_day(build: ServedBuild, asked: LookupQuery | LookupBody) -> bytes:
    """Return the average day. Raises `UnknownNeighborhoodError`."""
    answers = build.answers
    return answers.daily[answers.find_neighborhood(asked.neighborhood), asked.month]


def add_lookup(name: str, name_of_get: str, answer: type[BaseModel], find: Find, summary: str) -> None:
    """Let a lookup be asked for in an address and, as older clients do, in a body."""

    def get(query: LookupQuery) -> Response:
        return Response(find(take_build(), query), mimetype=JSON)

    def post(body: LookupBody) -> Response:
        return Response(find(take_build(), body), mimetype=JSON)

    get.__name__, post.__name__ = name_of_get, name
    for route, view, code, more in (
        (blueprint.get, get, 404, "A name may be written in any case; close ones are offered."),
        (blueprint.post, post, 413, "For clients that post. An unknown neighborhood is a 400 here."),
    ):
        responses = answer_with(answer, code)
        route(f"/{name}", responses=responses, summary=summary, description=more)(checked(view))


add_lookup("predict_hourly_crime", "get_hourly_crime", HourlyAnswer, find_hours,
           "Answer 24 hours of a neighborhood and month.")  # fmt: skip
add_lookup("average_daily_crime", "get_daily_crime", DailyAnswer, find_day,
           "Answer the average day of a neighborhood and month.")  # fmt: skip


def find_many(build: ServedBuild, asked: Lookups) -> bytes:
    """Return the answers in the order of the lookups, or that the client has them."""
    build_id = json.dumps(build.published.build_id).encode()
    if asked.known_build == build.published.build_id:
        return b'{"build_id":%s,"results":null}' % build_id
    results = b",".join([find_result(build.answers, lookup) for lookup in asked.lookups])
    return b'{"build_id":%s,"results":[%s]}' % (build_id, results)


def find_result(answers: Answers, lookup: Lookup) -> bytes:
    """Return the prepared answer to one of many lookups; null for an unknown neighborhood."""
    asked = lookup["neighborhood"]
    name = answers.names.get(asked) or answers.names.get(fold(asked))
    if name is None:
        return b"null"
    key = name, lookup["month"]
    if "hour" in lookup:
        hours = answers.find_hours(key)
        return hours[0] + hours[1 + int(lookup["hour"])]
    return answers.daily[key]


def read_address(environ: dict[str, Any]) -> LookupQuery:
    """Return the lookup that an address holds."""
    return LookupQuery.model_validate(parse_query(environ["QUERY_STRING"]))


def read_one(environ: dict[str, Any]) -> LookupBody:
    """Return the lookup that a body holds."""
    return LookupBody.model_validate(parse_json(peek_body(environ)))


def read_many(environ: dict[str, Any]) -> Lookups:
    """Return the lookups that a body holds.

    Raises `InvalidRequestError` where there are more colons than fields: then a field is given twice,
    unless a name holds a colon.
    """
    body = peek_body(environ)
    asked = Lookups.model_validate_json(body)
    if body.count(b":") != len(asked.model_fields_set) + sum(map(len, asked.lookups)):
        raise InvalidRequestError("not surely without repeated fields")
    return asked


def peek_body(environ: dict[str, Any]) -> bytes:
    """Return a body that can be read again. Raises `InvalidRequestError` for one that is too long."""
    stream = environ["wsgi.input"]
    if environ["QUERY_STRING"]:
        raise InvalidRequestError("parameters beside a body")
    if not isinstance(stream, io.BytesIO) or len(body := stream.getvalue()) > MAX_BODY_BYTES:
        raise InvalidRequestError("not a body in memory")
    return body


Headers = list[tuple[str, str]]
HEADERS = [("Content-Type", JSON)]

QUICK: dict[
    tuple[str, str], tuple[Callable[[dict[str, Any]], Any], Callable[[ServedBuild, Any], bytes]]
] = {
    ("POST", "/predict_hourly_crime"): (read_one, find_hours),
    ("GET", "/predict_hourly_crime"): (read_address, find_hours),
    ("POST", "/average_daily_crime"): (read_one, find_day),
    ("GET", "/average_daily_crime"): (read_address, find_day),
    ("POST", "/v1/lookups"): (read_many, find_many),
}


def find_quickly(build: ServedBuild, environ: dict[str, Any]) -> tuple[str, Headers, bytes] | None:
    """Return route, headers and body of what the routes above answer to a request without a mistake.

    Flask takes three times as long to find a route and to make its response. Whatever is wrong is left
    to it, and so are the words for it: the body can be read again. So is any other request.
    """
    route = QUICK.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
    if route is None:
        return None
    read, find = route
    try:
        return environ["PATH_INFO"], HEADERS, find(build, read(environ))
    except (InvalidRequestError, UnknownNeighborhoodError, ValidationError):
        return None
