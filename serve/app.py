"""The application: routes over the published build.

Enters: a folder of builds. Leaves: a Flask application. It reads; it never trains and never writes.
"""

from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import BadRequest, HTTPException

from serve.answers import Answers, UnknownNeighborhoodError
from serve.current_build import Library
from warehouse import settings

JSON = "application/json"
MONTHS = range(1, 13)


def create_app(builds: Path | str = settings.BUILDS_DIR) -> Flask:
    """Return the application over `builds`. Raises `NoBuildError` where nothing is published."""
    app = Flask(__name__)
    library = Library(Path(builds))
    app.extensions["library"] = library
    register_errors(app)
    register_health(app, library)
    register_lookups(app, library)
    register_charts(app, library)
    return app


def register_lookups(app: Flask, library: Library) -> None:
    """Add the two lookups that existing clients call; their answers are ready-made bytes."""

    @app.post("/predict_hourly_crime")
    def predict_hourly_crime() -> Response:
        """Answer 24 hours of a neighborhood and month."""
        answers = library.current()
        return Response(answers.hourly[parse_body(answers)], mimetype=JSON)

    @app.post("/average_daily_crime")
    def average_daily_crime() -> Response:
        """Answer the average day of a neighborhood and month."""
        answers = library.current()
        return Response(answers.daily[parse_body(answers)], mimetype=JSON)


def register_charts(app: Flask, library: Library) -> None:
    """Add the chart. A neighborhood's name may hold slashes."""

    @app.get("/charts/hourly/<path:neighborhood>/<month>.png")
    def hourly_chart(neighborhood: str, month: str) -> Response:
        """Draw the hourly forecast of a neighborhood and month."""
        # Imported at the first chart: matplotlib costs half a second that lookups need not wait for.
        from serve.hourly_chart import draw_hourly

        answers = library.current()
        number = parse_month(int(month) if month.isascii() and month.isdigit() else month)
        series = answers.make_series(answers.find_neighborhood(neighborhood), number)
        return Response(draw_hourly(series), mimetype="image/png")


def register_health(app: Flask, library: Library) -> None:
    """Add liveness, and readiness with what is served."""

    @app.get("/livez")
    def livez() -> Response:
        """Answer that the process answers."""
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> Response:
        """Answer which build is served; a newer one that cannot be loaded is named."""
        published = library.current().published
        return jsonify(
            status="ok" if library.reload_error is None else "stale",
            build_id=published.build_id,
            cutoff=published.cutoff,
            source=published.source,
            is_synthetic=published.is_synthetic,
            reload_error=library.reload_error,
        )


def register_errors(app: Flask) -> None:
    """Give every error one shape: JSON with `error`, and what helps to mend it."""

    @app.errorhandler(UnknownNeighborhoodError)
    def unknown_neighborhood(error: UnknownNeighborhoodError) -> tuple[Response, int]:
        """Offer close names."""
        message = f"unknown neighborhood {error.name!r}"
        return jsonify(error=message, close_names=error.close_names), HTTPStatus.BAD_REQUEST

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[Response, int]:
        """Say in JSON what Flask would say in HTML."""
        code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        return jsonify(error=error.description or error.name), code


def parse_body(answers: Answers) -> tuple[str, int]:
    """Return neighborhood and month of a lookup's JSON body.

    Raises `BadRequest` naming the field, what was expected and what was found.
    """
    body: Any = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise BadRequest('expected a JSON object like {"neighborhood": "Downtown", "month": 1}')
    for field in ("neighborhood", "month"):
        if field not in body:
            raise BadRequest(f"missing field {field!r}")
    name = body["neighborhood"]
    if not isinstance(name, str):
        raise BadRequest(f"neighborhood: expected text, found {name!r}")
    return answers.find_neighborhood(name), parse_month(body["month"])


def parse_month(value: object) -> int:
    """Return a month from 1 to 12; 1.0 counts as 1, as some clients know only floats."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value in MONTHS:
        return int(value)
    raise BadRequest(f"month: expected a whole number from 1 to 12, found {value!r}")
