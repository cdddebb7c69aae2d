"""A real server in a process of its own, and raw requests to it.

Input: a folder of builds, and lines of Python to run before. Output: its address; answers byte by byte.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.serve.builds import wait_until
from warehouse.settings import ROOT

Server = tuple[str, "subprocess.Popen[str]"]

RUN = "import sys; from serve import __main__ as server; sys.exit(server.main(sys.argv[1:]))"
"""What `python -m serve` does; tests put a line before it."""


def start(builds: Path, *lines: str, **environment: str) -> Server:
    """Start a server in a process group of its own, with lines of Python before; return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = ["-c", "\n".join([*lines, RUN])] if lines else ["-m", "serve"]
    process = subprocess.Popen(
        [sys.executable, *program, "--builds", str(builds), "--port", str(port)],
        cwd=ROOT, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    return f"http://127.0.0.1:{port}", process


@contextmanager
def run_server(builds: Path, *lines: str, **environment: str) -> Iterator[Server]:
    """Run a server that answers; stop it by SIGTERM unless it was stopped; check that it ends well."""
    address, process = start(builds, *lines, **environment)
    assert process.stderr is not None
    with process.stderr, ThreadPoolExecutor(1) as pool:
        log = pool.submit(process.stderr.read)  # a full pipe would stop the server
        try:
            wait_until_answering(address, process)
            yield address, process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        errors = log.result()
    assert process.returncode == 0, errors
    for bad in ("terminate called", "SIGABRT", "Traceback", "Unexpected exit"):
        assert bad not in errors, errors


def wait_until_answering(address: str, process: "subprocess.Popen[str]") -> None:
    """Return once the server answers."""

    def is_answering() -> bool:
        assert process.poll() is None, "the server has ended"
        try:
            ask(address, "/livez")
        except urllib.error.URLError:
            return False
        return True

    wait_until(is_answering, 60)


def is_ready(address: str) -> bool:
    """Return whether a server has a build to serve."""
    try:
        return bool(json.loads(ask(address, "/readyz"))["status"] == "ok")
    except urllib.error.HTTPError:
        return False


def ask(address: str, path: str, body: object = None) -> bytes:
    """Return the body of an answer."""
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(f"{address}{path}", data) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


@contextmanager
def run_logged(builds: Path, *lines: str) -> Iterator[tuple[str, list[str]]]:
    """Run a server that answers; give its address and the lines of its log as they come."""
    address, process = start(builds, *lines)
    log: list[str] = []
    stream = process.stderr
    assert stream is not None
    reader = threading.Thread(target=lambda: log.extend(stream), daemon=True)
    try:
        wait_until_answering(address, process)
        reader.start()
        yield address, log
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        reader.join(timeout=10)
        stream.close()


class Reply(NamedTuple):
    """The first answer on a connection, and whether the connection was reset before its end."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_reset: bool = False


def connect(address: str) -> socket.socket:
    """Return a connection to a server."""
    host, _, port = address.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def send_raw(address: str, request: bytes, *, is_half_closed: bool = False) -> Reply:
    """Send bytes and read until the server closes the connection."""
    connection = connect(address)
    connection.sendall(request)
    if is_half_closed:
        connection.shutdown(socket.SHUT_WR)
    return read_reply(connection)


def read_reply(connection: socket.socket) -> Reply:
    """Read until the server closes the connection, and close it; status 0 where no answer came."""
    content, is_reset = bytearray(), False
    with connection:
        try:
            while part := connection.recv(1 << 20):
                content += part
        except ConnectionResetError:
            is_reset = True
    head, _, body = bytes(content).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    status = int(first.split(" ")[1]) if first else 0
    return Reply(status, {name.lower(): value for name, value in pairs}, body, is_reset)
