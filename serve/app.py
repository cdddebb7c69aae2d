"""The application over the published build. It reads; it never trains and never writes.

Input: an `Operation`. Output: a Flask application: one blueprint per topic, one `CurrentBuild`, and what
holds for every request: its id, the key, the build's headers, a 304, the count of its seconds.
"""

import base64
import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Response, request
from flask.sessions import NullSession, SessionInterface
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from werkzeug.exceptions import NotFound
from werkzeug.http import parse_etags

from serve import (
    builds,
    charts,
    cities,
    errors,
    evaluate,
    health,
    lookups,
    openapi,
    queries,
    site,
    sql,
    tables,
)
from serve.chart_cache import find_drawn
from serve.cities import Cities, enter_city
from serve.cities_page import show_cities
from serve.current_build import (
    CITIES,
    CITY,
    EXTENSION,
    TAKEN,
    CurrentBuild,
    ServedBuild,
    find_current_build,
    keep_following,
    names_no_city,
)
from serve.errors import REQUEST_ID, TABLEAU, Problem, answer_problem
from serve.log import FIELDS
from serve.lookups import QUICK, find_quickly
from serve.metrics import CACHE_REQUESTS, count_request
from serve.parameters import MAX_BODY_BYTES, MAX_TABLE_BYTES
from warehouse import settings
from warehouse.operation import Operation

OPEN_PATHS = {"/livez", "/readyz"}
"""What needs no key."""

QUICK_PATHS = {path for _, path in QUICK} | OPEN_PATHS

PINNED = re.compile(r"/v1/builds/([^/]+)(/.+)")
"""The address of something in one build: the rest is an address as it is without the build."""

PINNED_TOPICS = {"lookups", "tables", "queries", "charts"}
"""What a build alone decides: under its address it never changes."""

CITY_FREE = re.compile(r"/(v1/cities|livez|readyz|metrics|openapi.json|docs.*|assets/.*)$")
"""What needs no city in its address where the service has several."""

PIN, BEGUN, REFUSED = "atlshield.pin", "atlshield.begun", "atlshield.refused"
"""Where the environ of a request keeps the build that its address names, when it began, and why it was
refused before it came here."""

SECURITY_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
]
CONTENT_POLICY = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
REVALIDATE, IMMUTABLE = "no-cache", "max-age=31536000, immutable"
REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")

DESCRIPTION = """Crimes to expect per neighborhood, month and hour, and what patrol fits, read from a
published build. Every answer from a build names it in `X-Build-ID` and has an `ETag`; it may be kept,
and asked for again with `If-None-Match`. Below `/v1/builds/{build_id}` the same addresses answer from
that build or not at all, and never change."""

log = logging.getLogger("serve.requests")


class NoSessions(SessionInterface):
    """No request has a session, and none is looked for."""

    session = NullSession()

    def open_session(self, app: Any, request: Any) -> NullSession:  # noqa: ANN401
        """Return the one session, which cannot be written to."""
        return self.session


class Service(OpenAPI):
    """The application, with the request cycle that this file describes."""

    session_interface = NoSessions()

    def __init__(self, operation: Operation) -> None:
        """Open what is published and register every topic."""
        super().__init__(
            __name__,
            info=Info(title="ATLShield", version=settings.VERSION, description=DESCRIPTION),
            security_schemes={
                "key": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
            doc_ui=False,
            validation_error_status=400,
            validation_error_model=Problem,
            openapi_extensions={"security": [{"key": []}] if operation.api_keys else []},
            static_folder=None,
        )
        self.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
        self.operation = operation
        self.url_map.merge_slashes = False  # it would redirect to whatever host the client names
        self.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
        self.key_hashes = [hash_key(key) for key in operation.api_keys]
        self.code_version = hash_code()
        if operation.serve_fleet:
            self.extensions[CITIES] = Cities(operation.fleet_builds, operation.fleet_megabytes)
        else:
            self.extensions[EXTENSION] = keep_following(CurrentBuild(operation.builds))

    def enter(self, environ: dict[str, Any]) -> dict[str, Any]:
        """Take the city out of the address, where the service has several, and return the request."""
        if CITIES in self.extensions:
            enter_city(environ)
        return environ

    def find_ready(self, environ: dict[str, Any]) -> ServedBuild | None:
        """Return the build that a request is about, if it is open."""
        if CITIES not in self.extensions:
            return self.extensions[EXTENSION].get()  # type: ignore[no-any-return]
        current = self.extensions[CITIES].find_open(environ.get(CITY, ""))
        return current.get() if current else None

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        """Answer a request; every answer gets its id, and the headers of its build and of safety."""
        begun = environ[BEGUN] = time.perf_counter()
        asked = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = asked if REQUEST_ID_FORM.fullmatch(asked) else secrets.token_hex(8)
        environ[REQUEST_ID] = request_id
        status_line = ""

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:  # noqa: ANN401
            nonlocal status_line
            status_line = status
            self.add_headers(environ, status, headers)
            headers.append(("X-Request-ID", request_id))
            return start_response(status, headers, exc_info)

        self.enter(environ)
        if pinned := PINNED.fullmatch(environ["PATH_INFO"]):
            environ[PIN] = pinned[1]
            environ["SCRIPT_NAME"] += f"/v1/builds/{pinned[1]}"
            environ["PATH_INFO"] = pinned[2]
        body: Iterable[bytes] | None = self.answer_quickly(environ, start)
        if body is None:
            body = super().wsgi_app(environ, start)
        if self.operation.log_requests or status_line >= "400":
            log_request(environ, int(status_line[:3]), time.perf_counter() - begun)
        return body

    def answer_quickly(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes] | None:
        """Answer a good lookup, or a chart drawn before; return nothing for any other request."""
        build = self.find_ready(environ)
        if build is None or PIN in environ or REFUSED in environ or not self.is_allowed(environ):
            return None
        found = find_quickly(build, environ) or find_drawn(build, environ)
        if found is None:
            return None
        environ[TAKEN] = build
        route, headers, body = found
        if route.startswith("/charts/"):
            CACHE_REQUESTS.labels("hit").inc()
        if self.has_answer(environ):
            start("304 NOT MODIFIED", [])
            count_request(route, "304", time.perf_counter() - environ[BEGUN])
            return [b""]
        start("200 OK", [*headers, ("Content-Length", str(len(body)))])
        count_request(route, "200", time.perf_counter() - environ[BEGUN])
        return [body]

    def is_quick(self, environ: dict[str, Any]) -> bool:
        """Return whether an answer takes less time than a change of threads."""
        build = self.find_ready(environ)
        if environ["PATH_INFO"] in QUICK_PATHS:
            return build is not None or CITIES not in self.extensions
        return build is not None and find_drawn(build, environ) is not None

    def add_headers(self, environ: dict[str, Any], status: str, headers: list[tuple[str, str]]) -> None:
        """Add what says of which build an answer is, how long it may be kept, and what a browser may."""
        headers += SECURITY_HEADERS
        names = {name for name, _ in headers}
        if "Content-Security-Policy" not in names:
            headers.append(CONTENT_POLICY)
        build = environ.get(TAKEN)
        if build is None or not status.startswith(("2", "304")):
            if "Cache-Control" not in names:
                headers.append(("Cache-Control", "no-store"))
            return
        headers.append(("X-Build-ID", build.published.build_id))
        if "Cache-Control" not in names:
            is_pinned = PIN in environ
            headers.append(("Cache-Control", IMMUTABLE if is_pinned else REVALIDATE))
        if "ETag" not in names and environ["REQUEST_METHOD"] in {"GET", "HEAD"}:
            headers.append(("ETag", self.make_etag(build)))

    def make_etag(self, build: ServedBuild) -> str:
        """Return the tag of every address's answer: it follows from the build and the code alone."""
        return f'"{build.published.build_id}-{self.code_version}"'

    def preprocess_request(self) -> Response | None:
        """Refuse a request that was refused before, has no key, or is for a build that is not served."""
        if REFUSED in request.environ:
            raise request.environ[REFUSED]
        is_open = request.path in OPEN_PATHS and not {PIN, CITY} & request.environ.keys()
        if not is_open and not self.is_allowed(request.environ):
            return refuse_stranger()
        if names_no_city() and not CITY_FREE.match(request.path):
            if request.path == "/":
                return show_cities()
            raise NotFound("expected an address of a city, /v1/cities/<city>/…; /v1/cities lists them")
        if TABLEAU.fullmatch(request.path):
            request.max_content_length = MAX_TABLE_BYTES
        if pinned := request.environ.get(PIN):
            return self.refuse_other_build(pinned)
        return None

    def is_allowed(self, environ: dict[str, Any]) -> bool:
        """Return whether no key is needed, or one of them is there; its time tells nothing of them."""
        if not self.key_hashes:
            return True
        found = hash_key(find_key(environ))
        return any([hmac.compare_digest(found, known) for known in self.key_hashes])

    def refuse_other_build(self, build_id: str) -> Response | None:
        """Return the refusal of a request for any other build than the one that is served."""
        served = find_current_build().get()
        if request.blueprint not in PINNED_TOPICS or request.method not in {"GET", "HEAD"}:
            return answer_problem(HTTPStatus.NOT_FOUND, "expected what can be read from a build")
        if served and served.published.build_id == build_id:
            request.environ[TAKEN] = served
            return None
        now = served.published.build_id if served else None
        return answer_problem(
            HTTPStatus.NOT_FOUND, f"build {build_id!r:.100} is not served here; served now: {now}"
        )

    def process_response(self, response: Response) -> Response:
        """Count a request; turn an answer that the client has into a 304."""
        rule, environ = request.url_rule, request.environ
        if (
            response.status_code == HTTPStatus.OK
            and "ETag" not in response.headers
            and self.has_answer(environ)
        ):
            response.close()
            response = Response(status=HTTPStatus.NOT_MODIFIED)
        route = rule.rule if rule else "none"
        count_request(route, str(response.status_code), time.perf_counter() - environ[BEGUN])
        return response

    def has_answer(self, environ: dict[str, Any]) -> bool:
        """Return whether the client says that it has the answer of the build that was taken."""
        tags, build = environ.get("HTTP_IF_NONE_MATCH"), environ.get(TAKEN)
        if not tags or build is None or environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return False
        found = parse_etags(tags)
        return found.star_tag or found.contains_weak(self.make_etag(build)[1:-1])


def find_key(environ: dict[str, Any]) -> str:
    """Return the key that a request has, empty without one.

    Tableau's and a browser's is the password of any user. A browser sends that with requests which other
    sites make, too: it counts where nothing but an answer comes of them.
    """
    scheme, _, key = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    may_be_basic = environ["REQUEST_METHOD"] in {"GET", "HEAD"} or TABLEAU.fullmatch(
        environ["PATH_INFO"]
    )
    if scheme.lower() == "basic" and may_be_basic:
        try:
            return base64.b64decode(key, validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return key.strip() if scheme.lower() == "bearer" else ""


def refuse_stranger() -> Response:
    """Return the answer to a request without a key."""
    is_basic = TABLEAU.fullmatch(request.path) or "text/html" in request.headers.get("Accept", "")
    expected = "a key as the password of any username" if is_basic else "Authorization: Bearer <key>"
    response = answer_problem(HTTPStatus.UNAUTHORIZED, f"expected {expected}")
    response.headers["WWW-Authenticate"] = 'Basic realm="ATLShield"' if is_basic else "Bearer"
    return response


def hash_key(key: str) -> bytes:
    """Return what is kept and compared of an API key."""
    return hashlib.sha256(key.encode()).digest()


def hash_code() -> str:
    """Return what changes with this program's code: the same build then has other answers."""
    found = hashlib.sha256(settings.VERSION.encode())
    for room in ("serve", "warehouse"):
        for path in sorted(Path(settings.ROOT, room).rglob("*.*")):
            if path.suffix in {".py", ".sql", ".toml", ".html", ".css", ".js"}:
                found.update(path.read_bytes())
    return found.hexdigest()[:12]


def log_request(environ: dict[str, Any], status: int, seconds: float) -> None:
    """Log a request without the address of a client, a body, a key or a query."""
    request_path = (
        (environ["SCRIPT_NAME"] + environ["PATH_INFO"]).encode("latin-1").decode(errors="replace")
    )
    fields = {
        "request_id": environ[REQUEST_ID], "method": environ["REQUEST_METHOD"],
        "path": request_path[:200], "status": status, "milliseconds": round(1000 * seconds, 1),
    }  # fmt: skip
    level = logging.ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
    log.log(level, "answered", extra={FIELDS: fields})


def create_app(operation: Operation | Path | str = settings.BUILDS_DIR) -> Service:
    """Return the application over the builds of a folder, or as an operator set it.

    It answers without a build too: with 503, until there is one.
    """
    if not isinstance(operation, Operation):
        operation = Operation(builds=Path(operation))
    app = Service(operation)
    app.register_blueprint(errors.blueprint)
    app.register_blueprint(site.blueprint)
    for documented in (
        lookups,
        evaluate,
        queries,
        charts,
        tables,
        builds,
        cities,
        sql,
        health,
        openapi,
    ):
        app.register_api(documented.blueprint)
    return app
