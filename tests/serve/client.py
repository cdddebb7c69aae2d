"""A client of the application for tests.

Input: an application. Output: whole answers, closed behind their last byte as a server does.
"""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from serve.app import Service


class WholeClient(FlaskClient):
    """A client that takes the whole of an answer, unless it is told to leave it open."""

    def open(self, *args: Any, buffered: bool = True, **options: Any) -> TestResponse:  # noqa: ANN401
        """Return the answer to a request."""
        return super().open(*args, buffered=buffered, **options)


def make_client(app: Service) -> WholeClient:
    """Return a client of an application."""
    return WholeClient(app, app.response_class)
