"""`python -m serve`: Granian over the published build.

Input: an operator's settings, of which a command line may change folder, host and port. Output:
answers over HTTP until SIGTERM, Ctrl-C or SIGQUIT. Requests that run or wait then finish.
"""

import functools
import gc
import signal
import socket
import sys
import threading
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from serve.log import LOGGING
from warehouse.command import (
    CommandParser,
    add_builds,
    count_between,
    load_operation,
    parse_text,
    run_command,
)
from warehouse.errors import ShieldError
from warehouse.operation import Operation
from warehouse.read import release_threads

MAX_CONNECTIONS = 1_024
MAX_HEAD_BYTES = 32 * 1024
HEAD_SECONDS = 10
STOP_SECONDS = 30
"""How long a client may take for the head of a request, and how long requests may run on at a stop."""

GC_THRESHOLD = 20_000
"""Objects after which Python looks for cycles: a thousand lookups in one request make some thousands."""

DRAWING_SECONDS = 3.0
"""When what draws is imported: after lookups are ready, before the first chart."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped; return the exit code."""
    parser = CommandParser(prog="python -m serve", description=__doc__)
    operation = load_operation()
    parser.add_argument("--host", type=parse_text, default=operation.host)
    parser.add_argument("--port", type=count_between(1, 65_535), default=operation.port)
    add_builds(parser)
    parser.add_argument(
        "--serve-fleet", action="store_true", default=operation.serve_fleet,
        help="serve all cities of the folder fleet_builds",
    )  # fmt: skip
    asked = vars(parser.parse_args(arguments))
    if asked["serve_fleet"] and asked["builds"] != operation.builds:  # then it names the cities' folder
        asked["fleet_builds"] = asked["builds"]
    return run_command(lambda: serve(operation.model_copy(update=asked)))


def serve(operation: Operation) -> None:
    """Serve until stopped.

    Raises `ShieldError` for a folder that cannot be one, and an address at which nobody can listen.
    """
    builds = operation.fleet_builds if operation.serve_fleet else operation.builds
    if not builds.is_dir() and (builds.exists() or not builds.parent.is_dir()):
        raise ShieldError(f"{builds} is not a folder of builds, and can become none")
    address = find_address(operation.host, operation.port)
    server = Server(
        "serve.gateway", address, operation.port,
        interface=Interfaces.RSGI, loop=Loops.uvloop, http=HTTPModes.http1, websockets=False,
        backpressure=MAX_CONNECTIONS, log_level=LogLevels.warning, log_dictconfig=LOGGING,
        http1_settings=HTTP1Settings(1000 * HEAD_SECONDS, max_buffer_size=MAX_HEAD_BYTES),
        workers_kill_timeout=STOP_SECONDS,
    )  # fmt: skip
    release_threads()
    signal.signal(signal.SIGQUIT, lambda *_: signal.raise_signal(signal.SIGTERM))
    server.serve(target_loader=functools.partial(load, operation), wrap_loader=False)


def load(operation: Operation) -> Any:  # noqa: ANN401
    """Return what Granian runs, made in the worker: DuckDB's threads do not survive a fork."""
    gc.disable()  # nothing of what is made from here to the first request is garbage
    # With its first bound parameter DuckDB would import pandas, only to know its values: half a second
    # and 50 MB. What cannot be imported is no value.
    sys.modules["pandas"] = None  # type: ignore[assignment]
    from serve.charts import import_drawing
    from serve.gateway import make_gateway

    # A terminal sends it to both processes; the first tells this one.
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)

    timer = threading.Timer(DRAWING_SECONDS, import_drawing)
    timer.daemon = True
    timer.start()
    gateway = make_gateway(operation)
    gc.freeze()  # what is there now stays: no collection needs to look at it again
    gc.set_threshold(GC_THRESHOLD)
    gc.enable()
    return gateway


def find_address(host: str, port: int) -> str:
    """Return the address to listen at.

    Raises `ShieldError` where nobody can listen.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, (address, *_) = min(found)  # `localhost` is 127.0.0.1 before it is ::1
        with socket.create_server((str(address), port), family=family):
            return str(address)
    except (OSError, UnicodeError) as error:
        raise ShieldError(f"cannot listen on {host} port {port}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
