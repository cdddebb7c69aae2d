"""From Granian's requests to the application and back, so that no client can hold up another.

Input: RSGI, Granian's own interface (https://github.com/emmett-framework/granian). Output: WSGI calls.
Granian's WSGI would give each request a thread before its body is there: as many clients as threads,
each holding half a body, stop such a service. Here a request is read first, within limits of bytes and
seconds, and a client that reads slowly holds no thread either. What only looks up prepared bytes is
answered at once; everything else goes to a few threads.
"""

import asyncio
import functools
import io
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from granian._granian import RSGIHTTPProtocol as HTTPProtocol
from granian._granian import RSGIProtocolClosed as ProtocolClosed
from granian.rsgi import Scope

from serve.app import Service, create_app
from serve.config import Config
from serve.errors import PROBLEM_JSON, RETRY_SECONDS, make_problem
from serve.parameters import MAX_ADDRESS_BYTES, MAX_BODY_BYTES

THREADS = 4
"""Threads for what takes time: charts, tables, SQL. Few, as they share one core with the lookups."""

MAX_WAITING = 64
"""Requests that wait for a thread; beyond, a client is told to come back."""

READ_SECONDS = 10.0
SEND_SECONDS = 30.0
"""How long a client may take for its body, and for each part of an answer."""

PART_BYTES = 256 * 1024
"""An answer up to this size is sent at once, a longer one in parts as they are made."""

QUICK = {"/predict_hourly_crime", "/average_daily_crime", "/v1/lookups", "/livez", "/readyz"}
"""Addresses whose answers take less time than a change of threads."""

HAS_BODY = {"POST", "PUT", "PATCH"}

CONSTANTS: dict[str, Any] = {
    "SCRIPT_NAME": "", "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
    "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
}  # fmt: skip


class Answer:
    """What the application says of its answer before the body: WSGI's `start_response`."""

    status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
    headers: list[tuple[str, str]]

    def __call__(self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:  # noqa: ANN401
        """Keep status and headers."""
        self.status, self.headers = int(status[:3]), headers


class Refusal(Exception):
    """A request that the application is not asked."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        """Keep what the client is told."""
        super().__init__(detail)
        self.status, self.detail = status, detail


class Gateway:
    """The callable that Granian runs, over one application."""

    def __init__(self, app: Service) -> None:
        """Start with all threads idle."""
        self.app = app
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="serve")
        self.active = 0

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        try:
            environ = make_environ(scope, await read_body(scope, protocol))
            if scope.path in QUICK:
                answer = Answer()
                protocol.response_bytes(*join_answer(answer, self.app.wsgi_app(environ, answer)))
            else:
                await self.answer_in_thread(environ, protocol)
        except Refusal as refusal:
            body = make_problem(refusal.status, refusal.detail, "")
            headers = [("Content-Type", PROBLEM_JSON), ("Retry-After", str(RETRY_SECONDS))]
            protocol.response_bytes(refusal.status, headers, body)
        except ProtocolClosed:
            return  # the client has gone

    async def answer_in_thread(self, environ: dict[str, Any], protocol: HTTPProtocol) -> None:
        """Answer with the help of a thread; long answers leave in parts.

        Raises `Refusal` where too many requests wait already.
        """
        if self.active >= THREADS + MAX_WAITING:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests are being answered")
        self.active += 1
        try:
            answer = Answer()
            body = await self.run(self.app.wsgi_app, environ, answer)
            if is_short(answer, environ):
                protocol.response_bytes(*await self.run(join_answer, answer, body))
            else:
                await self.send_parts(answer, body, protocol)
        finally:
            self.active -= 1

    async def send_parts(self, answer: Answer, body: Iterable[bytes], protocol: HTTPProtocol) -> None:
        """Send a long answer as it is made; a client that takes too long for a part is cut off."""
        parts = gather_parts(iter(body))
        transport = protocol.response_stream(answer.status, answer.headers)
        try:
            while part := await self.run(next, parts, b""):
                async with asyncio.timeout(SEND_SECONDS):
                    await transport.send_bytes(part)
        finally:
            close(body)

    def run(self, function: Any, *arguments: object) -> "asyncio.Future[Any]":  # noqa: ANN401
        """Run a function in a thread."""
        return asyncio.get_running_loop().run_in_executor(self.pool, function, *arguments)


async def read_body(scope: Scope, protocol: HTTPProtocol) -> bytes | None:
    """Return the body of a request, at most one byte more than is allowed; none where none is read.

    Raises `Refusal` for a client that takes too long.
    """
    if len(scope.path) + len(scope.query_string) > MAX_ADDRESS_BYTES:
        raise Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, f"expected at most {MAX_ADDRESS_BYTES} bytes")
    if scope.method not in HAS_BODY:
        return None
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            if int(scope.headers.get("content-length", 0)) <= MAX_BODY_BYTES:
                async for part in protocol:
                    body += part
                    if len(body) > MAX_BODY_BYTES:
                        break
    except TimeoutError as error:
        detail = f"expected the whole body within {READ_SECONDS:.0f} s"
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT, detail) from error
    return bytes(body)


def make_environ(scope: Scope, body: bytes | None) -> dict[str, Any]:
    """Return a request as WSGI has it (PEP 3333)."""
    environ = CONSTANTS.copy()
    for name, value in scope.headers.items():
        key = name_header(name)
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = scope.path
    environ["QUERY_STRING"] = scope.query_string
    if body is None:
        environ["CONTENT_LENGTH"], body = "", b""
    elif int(environ.get("CONTENT_LENGTH") or 0) <= MAX_BODY_BYTES:
        environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)
    return environ


@functools.lru_cache(maxsize=256)
def name_header(name: str) -> str:
    """Return the environ's name of a header. One with an underscore could pose as another: it goes."""
    if "_" in name:
        return "atlshield.ignored"
    key = name.upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


def is_short(answer: Answer, environ: dict[str, Any]) -> bool:
    """Return whether an answer is small enough, and known to be, to be sent at once."""
    length = next((value for name, value in answer.headers if name == "Content-Length"), None)
    is_empty = environ["REQUEST_METHOD"] == "HEAD" or answer.status == HTTPStatus.NOT_MODIFIED
    return is_empty or (length is not None and int(length) <= PART_BYTES)


def join_answer(answer: Answer, body: Iterable[bytes]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return status, headers and the whole body."""
    try:
        return answer.status, answer.headers, b"".join(body)
    finally:
        close(body)


def gather_parts(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a body in parts of `PART_BYTES` or a little more; only the last may be smaller."""
    part = bytearray()
    for piece in pieces:
        part += piece
        if len(part) >= PART_BYTES:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)


def close(body: Iterable[bytes]) -> None:
    """Close a body that has something to close."""
    if hasattr(body, "close"):
        body.close()


def make_gateway(config: Config) -> Gateway:
    """Return the gateway to an application over a published build."""
    return Gateway(create_app(config))
