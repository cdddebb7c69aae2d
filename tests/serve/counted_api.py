"""The service on a socket of this process: its requests are kept, and it may hang or go away.

Input: an application. Output: an address, and the bodies of the requests that came.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from serve.app import Service
from tests.serve.client import make_client


class CountedApi:
    """A server on loopback that answers as the application does, one connection a request."""

    def __init__(self, app: Service) -> None:
        """Listen at a free port."""
        self.app = app
        self.bodies: list[bytes] = []
        self.hangs = False
        self.released = threading.Event()
        self.port = 0
        self.start()

    @property
    def address(self) -> str:
        """Where it listens, the same after a stop."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, and answer in a thread."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                api.answer(self)

            def log_message(self, *_: object) -> None:
                return

        self.released.clear()
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request, or hang until released."""
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.bodies.append(body)
        if self.hangs:
            self.released.wait(60)
            return
        headers = {"Authorization": handler.headers.get("Authorization", "")}
        answer = make_client(self.app).post(handler.path, data=body, headers=headers)
        handler.send_response(answer.status_code)
        handler.send_header("Content-Length", str(len(answer.data)))
        handler.end_headers()
        handler.wfile.write(answer.data)

    def stop(self) -> None:
        """Listen no more."""
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def take_bodies(self) -> list[bytes]:
        """Return the requests since the last call."""
        taken, self.bodies = self.bodies, []
        return taken


@contextmanager
def run_counted(app: Service) -> Iterator[CountedApi]:
    """Run the server."""
    api = CountedApi(app)
    try:
        yield api
    finally:
        api.stop()
