"""`python -m serve`: gunicorn over the published build."""

import argparse
import sys
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from serve.app import create_app
from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.publish import read_pointer

WORKERS = 1
THREADS = 4
"""One worker holds the answers once; four threads keep one core busy while clients are slow."""


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn, configured here and by no file or environment variable."""

    def __init__(self, builds: Path, options: dict[str, Any]) -> None:
        """Keep what to serve and how."""
        self.builds, self.options = builds, options
        super().__init__()

    def load_config(self) -> None:
        """Hand the options to gunicorn."""
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Return the application, made in the worker: DuckDB's threads do not survive a fork."""
        return create_app(self.builds)


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--builds", type=Path, default=settings.BUILDS_DIR, help="folder of builds")
    options = parser.parse_args(arguments)
    try:
        read_pointer(options.builds)
    except ShieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    Server(
        options.builds,
        {
            "bind": f"{options.host}:{options.port}",
            "worker_class": "gthread",
            "workers": WORKERS,
            "threads": THREADS,
            "proc_name": "atlshield",
            "control_socket_disable": True,
        },
    ).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
