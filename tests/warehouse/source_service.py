"""A service on a socket of this process, for replicas to follow: its answers can be spoilt.

Input: a folder of builds. Output: an address; which requests came, and how many bytes of files went out.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from serve.app import create_app
from warehouse.operation import Operation

StartResponse = Callable[..., Any]
Answer = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
Spoil = Callable[[Iterable[bytes]], Iterable[bytes]]


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log(self, *_: object) -> None:
        """Leave out a line."""


class SourceService:
    """A service over a folder of builds; `answer` answers, `spoil` changes the bytes of files."""

    def __init__(self, builds: Path, *keys: str) -> None:
        """Open what is published."""
        self.app = create_app(Operation(builds=builds, api_keys=keys))
        self.answer: Answer = self.app.wsgi_app
        self.spoil: Spoil = iter
        self.requests: list[dict[str, Any]] = []
        self.file_bytes = 0
        self.address = ""

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        self.requests.append(environ)
        body = self.answer(environ, start)
        return self.count(body) if environ["PATH_INFO"].endswith(".duckdb") else body

    def count(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the bytes of a file, spoilt, and count them."""
        try:
            for part in self.spoil(body):
                self.file_bytes += len(part)
                yield part
        finally:
            getattr(body, "close", list)()

    def take(self) -> tuple[list[str], int]:
        """Return what was asked for, and the bytes of files that went out, since the last call."""
        asked = [environ["PATH_INFO"] for environ in self.requests]
        taken = asked, self.file_bytes
        self.requests, self.file_bytes = [], 0
        return taken

    def look(self) -> None:
        """Serve what is published now, without the half second that it takes by itself."""
        self.app.extensions["current_build"].follow()


def answer_with(status: str, body: bytes, *headers: tuple[str, str]) -> Answer:
    """Return an application that gives one answer."""

    def answer(_: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        start(status, [("Content-Length", str(len(body))), *headers])
        return [body]

    return answer


@contextmanager
def run_source(builds: Path, *keys: str) -> Iterator[SourceService]:
    """Run a service over a folder of builds."""
    source = SourceService(builds, *keys)
    server = make_server("127.0.0.1", 0, source, threaded=True, request_handler=Quiet)
    source.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield source
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
