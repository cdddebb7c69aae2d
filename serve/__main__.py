"""`python -m serve`: gunicorn over the published build.

Input: a folder of builds, a host and a port. Output: answers over HTTP until SIGTERM, Ctrl-C or SIGQUIT.
Requests that run or wait then finish: Python joins their threads before it closes the build and exits.
"""

import socket
import sys
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.errors import AppImportError

from serve.app import create_app
from serve.current_build import check_build
from warehouse import settings
from warehouse.command import CommandParser, count_between, parse_path, parse_text, run_command
from warehouse.errors import ShieldError
from warehouse.read import release_threads

WORKERS = 1
THREADS = 4
"""One worker holds the answers once; four threads keep one core busy while clients are slow."""

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 5000


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
        """Return the application, made in the worker: DuckDB's threads do not survive a fork.

        Raises `AppImportError`, at which gunicorn stops, for a build that has been damaged since it was
        checked.
        """
        try:
            return create_app(self.builds)
        except ShieldError as error:
            raise AppImportError(f"error: {error}") from error


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped; return the exit code."""
    parser = CommandParser(prog="python -m serve", description=__doc__)
    parser.add_argument("--host", type=parse_text, default=DEFAULT_HOST)
    parser.add_argument("--port", type=count_between(1, 65_535), default=DEFAULT_PORT)
    parser.add_argument(
        "--builds", type=parse_path, default=settings.BUILDS_DIR, help="folder of builds"
    )
    options = parser.parse_args(arguments)
    return run_command(lambda: serve(options.builds, options.host, options.port))


def serve(builds: Path, host: str, port: int) -> None:
    """Serve until stopped. What would stop every worker is found out before there is one.

    Raises `NoBuildError` for a build that cannot be served, and `ShieldError` for an address.
    """
    check_build(builds)
    options = {
        "bind": find_address(host, port),
        "worker_class": "gthread",
        "workers": WORKERS,
        "threads": THREADS,
        "proc_name": "atlshield",
        "control_socket_disable": True,
    }
    release_threads()
    Server(builds, options).run()


def find_address(host: str, port: int) -> str:
    """Return the address as gunicorn takes it.

    Raises `ShieldError` where nobody can listen: gunicorn would try for five seconds.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, (address, *_) = min(found)  # `localhost` is 127.0.0.1 before it is ::1
        with socket.create_server((str(address), port), family=family):
            return f"[{address}]:{port}"
    except (OSError, UnicodeError) as error:
        raise ShieldError(f"cannot listen on {host} port {port}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
