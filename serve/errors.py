"""Every error in one shape.

Input: an exception of a request. Output: JSON with `error`, and what helps to mend it.
"""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import HTTPException

from serve.answers import UnknownNeighborhoodError
from serve.parameters import MAX_ECHO

blueprint = Blueprint("errors", __name__)


@blueprint.app_errorhandler(UnknownNeighborhoodError)
def unknown_neighborhood(error: UnknownNeighborhoodError) -> tuple[Response, int]:
    """Offer close names."""
    message = f"unknown neighborhood {error.name!r:.{MAX_ECHO}}"
    return jsonify(error=message, close_names=error.close_names), HTTPStatus.BAD_REQUEST


@blueprint.app_errorhandler(HTTPException)
def http_error(error: HTTPException) -> tuple[Response, int]:
    """Say in JSON what Flask would say in HTML."""
    code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    return jsonify(error=error.description or error.name), code
