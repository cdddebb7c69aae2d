"""The application over the published build. It reads; it never trains and never writes.

Input: a folder of builds. Output: a Flask application: one blueprint per topic, one `CurrentBuild`.
"""

from pathlib import Path

from flask import Flask

from serve import charts, errors, health, lookups
from serve.current_build import EXTENSION, CurrentBuild
from warehouse import settings

MAX_BODY_BYTES = 64 * 1024
"""A lookup takes some 60 bytes."""


def create_app(builds: Path | str = settings.BUILDS_DIR) -> Flask:
    """Return the application over `builds`.

    Raises `NoBuildError` where nothing is published, or nothing that can be served.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.extensions[EXTENSION] = CurrentBuild(Path(builds))
    for topic in (errors, health, lookups, charts):
        app.register_blueprint(topic.blueprint)
    return app
