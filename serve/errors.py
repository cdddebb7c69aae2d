"""Every error in one shape: problem details as RFC 9457 has them.

Input: an exception of a request. Output: `application/problem+json` with `error` too, which older
clients read, the request's id, and what helps to mend it.
"""

import json
import logging
import re
from http import HTTPStatus

from flask import Blueprint, Response, request
from pydantic import BaseModel, Field
from werkzeug.exceptions import HTTPException

from serve.answers import UnknownNeighborhoodError
from serve.current_build import NotServedError
from serve.log import FIELDS
from serve.parameters import MAX_ECHO, InvalidRequestError
from warehouse.errors import NoBuildError
from warehouse.parquet import NoRoomError

PROBLEM_JSON = "application/problem+json"
REQUEST_ID = "atlshield.request_id"
"""Where the environ of a request keeps its id."""

RETRY_SECONDS = 5
"""When a client may ask again for what cannot be answered now."""

TABLEAU = re.compile(r"/(info|evaluate|query/.*)", re.DOTALL)
"""Paths of Tableau's Analytics Extensions API: their clients show `message` and `info` of an error, and
know usernames and passwords only."""

FOLDER = re.compile(r"""(?<=["'])/[^"'\n]*/""")
"""The folder of a file whose path is quoted."""

log = logging.getLogger(__name__)
blueprint = Blueprint("errors", __name__)


class Problem(BaseModel):
    """An error (RFC 9457). `error` repeats `detail` for older clients."""

    type: str = Field(description="Always about:blank: the status says what kind of problem it is.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What was expected and what was found.")
    error: str = Field(description="The same as detail.")
    request_id: str = Field(description="The id of the request, as X-Request-ID and the log have it.")
    close_names: list[str] = Field([], description="Neighborhoods spelled most like the unknown one.")
    message: str = Field("", description="Who says it; for Tableau, below `/evaluate` and its like.")
    info: str = Field("", description="The same as detail, where Tableau looks for it.")


def make_problem(status: int, detail: str, request_id: str, **more: object) -> bytes:
    """Return the body of an error."""
    title = HTTPStatus(status).phrase
    problem = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "error": detail,
    }
    return json.dumps({**problem, "request_id": request_id, **more}).encode()


def answer_problem(status: int, detail: str, **more: object) -> Response:
    """Return the answer to the current request that tells an error."""
    if TABLEAU.fullmatch(request.path):
        more |= {"message": "ATLShield", "info": detail}
    body = make_problem(status, detail, request.environ.get(REQUEST_ID, ""), **more)
    response = Response(body, status, content_type=PROBLEM_JSON)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


@blueprint.app_errorhandler(UnknownNeighborhoodError)
def unknown_neighborhood(error: UnknownNeighborhoodError) -> Response:
    """Offer close names: 404 for an address, 400 for a body, as older clients know it."""
    status = HTTPStatus.BAD_REQUEST if request.method == "POST" else HTTPStatus.NOT_FOUND
    detail = f"unknown neighborhood {error.name!r:.{MAX_ECHO}}"
    return answer_problem(status, detail, close_names=error.close_names)


@blueprint.app_errorhandler(InvalidRequestError)
def invalid_request(error: InvalidRequestError) -> Response:
    """Name the parameter, what was expected and what was found."""
    return answer_problem(HTTPStatus.BAD_REQUEST, str(error))


@blueprint.app_errorhandler(NotServedError)
def not_served(error: NotServedError) -> Response:
    """Say that there is no build, and what to do."""
    return answer_problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


@blueprint.app_errorhandler(NoBuildError)
@blueprint.app_errorhandler(NoRoomError)
def unable(error: NoBuildError | NoRoomError) -> Response:
    """Say what the machine lacks, without the place of a file; the log has where it was found."""
    is_room = isinstance(error, NoRoomError)
    status = HTTPStatus.INSUFFICIENT_STORAGE if is_room else HTTPStatus.SERVICE_UNAVAILABLE
    log_error(str(error), error)
    return answer_problem(status, FOLDER.sub("", str(error)))


@blueprint.app_errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    """Say in JSON what Flask would say in HTML, with the headers it would send."""
    code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    response = answer_problem(code, error.description or error.name)
    for name, value in error.get_headers(request.environ):
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response


@blueprint.app_errorhandler(Exception)
def unforeseen_error(error: Exception) -> Response:
    """Log a mistake of this program with its traceback; tell the client only where to look."""
    log_error("unforeseen error", error)
    detail = "the service made a mistake; its log has it under the request id"
    return answer_problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def log_error(message: str, error: Exception) -> None:
    """Log an error with its traceback, under the id of the request."""
    log.error(message, exc_info=error, extra={FIELDS: {"request_id": request.environ[REQUEST_ID]}})
