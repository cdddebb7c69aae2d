"""Pages for people: what all of them share.

Input: a build, a template in `serve/templates`, values. Output: HTML that asks no other host, works
without JavaScript and says of which build it is; `/assets/…`, its style sheet and its script.
"""

import datetime as dt
import hashlib
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from flask import Blueprint, Response, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from serve.answers import UnknownNeighborhoodError
from serve.current_build import NotServedError, ServedBuild, take_build
from serve.errors import FOLDER, http_error, log_error
from serve.parameters import InvalidRequestError
from warehouse import settings
from warehouse.errors import NoBuildError, ShieldError
from warehouse.read import CORE_TABLES

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ASSETS = {"style.css": "text/css", "page.js": "text/javascript"}
PERMANENT = 308
ASSET_FOLDER = Path(__file__).resolve().parent / "assets"

NAVIGATION = (
    ("/", "City"),
    ("/neighborhoods", "Neighborhoods"),
    ("/plans", "Plans"),
    ("/quality", "Quality"),
    ("/account", "Account"),
    ("/data", "Data"),
    ("/compare", "Changes"),
)
"""Pages that every page leads to, and what they are called."""

blueprint = Blueprint("pages", __name__, template_folder="templates")

Found = TypeVar("Found")


def once_per_build(read: Callable[[ServedBuild], Found]) -> Callable[[ServedBuild], Found]:
    """Return a function that reads something of a build once, and keeps it for as long as the build."""
    kept: WeakKeyDictionary[ServedBuild, Found] = WeakKeyDictionary()
    lock = threading.Lock()

    def find(build: ServedBuild) -> Found:
        with lock:
            if build not in kept:
                kept[build] = read(build)
            return kept[build]

    return find


@once_per_build
def read_run(build: ServedBuild) -> sa.Row[Any]:
    """Return the lineage of a build."""
    with build.connect() as connection:
        return connection.execute(sa.select(CORE_TABLES["refresh_run"])).one()


def render_page(template: str, build: ServedBuild, **values: Any) -> Response:  # noqa: ANN401
    """Return a page of a build; a browser that has it, of today, is told so.

    The foot says how old the data are: the page has another tag every day.
    """
    today = dt.datetime.now(dt.UTC).date()
    age = (today - dt.date.fromisoformat(build.published.cutoff)).days
    page = render_template(
        template, published=build.published, run=read_run(build), age_days=age, version=settings.VERSION,
        simulated=settings.SIMULATED, navigation=NAVIGATION, **values,
    )  # fmt: skip
    response = Response(page, mimetype="text/html", headers={"Content-Security-Policy": POLICY})
    response.set_etag(hashlib.sha256(page.encode()).hexdigest()[:16])
    response.make_conditional(request)
    return response


def render_error(status: HTTPStatus, reason: str, **values: Any) -> ResponseReturnValue:  # noqa: ANN401
    """Return a page that says what is wrong."""
    page = render_template(
        "error.html", status=status, reason=reason, navigation=NAVIGATION, version=settings.VERSION,
        **values,
    )  # fmt: skip
    return page, status, {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}


@blueprint.errorhandler(NoBuildError)
@blueprint.errorhandler(NotServedError)
def tell_no_build(error: ShieldError) -> ResponseReturnValue:
    """Say that there is no build yet, or none that can be served; the log has the place of its file."""
    if isinstance(error, NoBuildError):
        log_error(str(error), error)
    return render_error(HTTPStatus.SERVICE_UNAVAILABLE, FOLDER.sub("", str(error)))


@blueprint.app_errorhandler(HTTPStatus.NOT_FOUND)
def tell_nowhere(error: HTTPException) -> ResponseReturnValue:
    """Say that nothing is at an address: to a browser on a page, to a program as all errors.

    A browser that asks with a slash too many is led to the page without it, on this host.
    """
    if "text/html" in request.headers.get("Accept", ""):
        bare = request.path.rstrip("/")  # it begins with one slash, whatever the browser sent
        if bare != request.path and is_address(bare):
            query = request.query_string.decode("latin-1")
            return redirect(request.script_root + quote(bare) + (query and f"?{query}"), PERMANENT)
        return render_error(HTTPStatus.NOT_FOUND, str(error.description))
    return http_error(error)


def is_address(path: str) -> bool:
    """Return whether something is at a path."""
    adapter = current_app.create_url_adapter(request)
    return adapter is not None and adapter.test(path, "GET")


@blueprint.errorhandler(InvalidRequestError)
def tell_mistake(error: InvalidRequestError) -> ResponseReturnValue:
    """Say which part of an address is wrong."""
    return render_error(HTTPStatus.BAD_REQUEST, str(error))


@blueprint.errorhandler(HTTPStatus.NOT_FOUND)  # else the application's own comes before the next
@blueprint.errorhandler(HTTPException)
def tell_refusal(error: HTTPException) -> ResponseReturnValue:
    """Say that something is not there, or cannot be had now."""
    return render_error(HTTPStatus(error.code or 500), str(error.description))


@blueprint.errorhandler(UnknownNeighborhoodError)
def tell_unknown(error: UnknownNeighborhoodError) -> ResponseReturnValue:
    """Say that there is no such neighborhood, and which are spelled like it."""
    take_build()
    reason = f"There is no neighborhood {error.name!r}."
    return render_error(HTTPStatus.NOT_FOUND, reason, close_names=error.close_names)


@blueprint.get("/assets/<name>")
def send_asset(name: str) -> ResponseReturnValue:
    """Answer a file that pages need."""
    if name not in ASSETS:
        return render_error(HTTPStatus.NOT_FOUND, "There is no such file.")
    response = Response((ASSET_FOLDER / name).read_bytes(), mimetype=ASSETS[name])
    response.add_etag()
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)
