"""`python -m serve`: gunicorn over the published build."""

import socket
import sys
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from serve.app import create_app
from warehouse import settings
from warehouse.command import CommandParser, count_between, parse_path, parse_text, run_command
from warehouse.errors import ShieldError
from warehouse.read import connect_published

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
    parser = CommandParser(prog="python -m serve", description=__doc__)
    parser.add_argument("--host", type=parse_text, default="127.0.0.1")
    parser.add_argument("--port", type=count_between(1, 65_535), default=5000)
    parser.add_argument(
        "--builds", type=parse_path, default=settings.BUILDS_DIR, help="folder of builds"
    )
    options = parser.parse_args(arguments)
    return run_command(lambda: serve(options.builds, options.host, options.port))


def serve(builds: Path, host: str, port: int) -> None:
    """Serve until stopped. What would stop every worker is found out before there is one."""
    check_build(builds)
    options = {
        "bind": find_address(host, port),
        "worker_class": "gthread",
        "workers": WORKERS,
        "threads": THREADS,
        "proc_name": "atlshield",
        "control_socket_disable": True,
    }
    Server(builds, options).run()


def check_build(builds: Path) -> None:
    """Read what is served and close it again: DuckDB's threads do not survive the fork of a worker.

    Raises `NoBuildError` for a build that is damaged or lacks a table.
    """
    with connect_published(builds) as (_, connection):
        for table in ("mart_forecast_hourly", "average_daily"):
            connection.execute(f"SELECT bit_xor(hash({table})) FROM {table}").fetchall()


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
