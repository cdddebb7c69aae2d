"""From Granian's requests to the application and back, so that no client can hold up another.

Input: RSGI, Granian's own interface (https://github.com/emmett-framework/granian). Output: WSGI calls.
Granian's WSGI would give each request a thread before its body is there: as many clients as threads,
each holding half a body, stop such a service. Here a request is read first, within limits of bytes and
seconds, and a client that reads slowly holds no thread either. What only looks up prepared bytes is
answered at once; everything else goes to a few threads.
"""

import asyncio
import contextlib
import functools
import io
import logging
import string
import sys
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from granian._granian import RSGIHTTPProtocol as HTTPProtocol
from granian._granian import RSGIHTTPStreamTransport as StreamTransport
from granian._granian import RSGIProtocolClosed as ProtocolClosed
from granian.rsgi import Scope
from werkzeug.exceptions import (
    BadRequest,
    RequestEntityTooLarge,
    RequestTimeout,
    RequestURITooLarge,
    ServiceUnavailable,
)

from serve.app import REFUSED, Service, create_app
from serve.connection import Connection, bound_sending
from serve.errors import REQUEST_ID, TABLEAU
from serve.log import FIELDS
from serve.parameters import MAX_ADDRESS_BYTES, MAX_BODY_BYTES, MAX_TABLE_BYTES
from serve.sql import MAX_STATEMENTS, SQL_PATH
from warehouse.operation import Operation

THREADS, CHART_THREADS = 4, 2
"""Threads for what takes time: for tables, and for charts, which must not keep those waiting. Few, as
they share one core with the lookups."""

SQL_THREADS = MAX_STATEMENTS + 1
"""Each waits for a process, one tells others to come back."""

MAX_WAITING = 64
"""Requests that wait for a thread of their kind; beyond, a client is told to come back."""

MAX_LONG = 32
"""Long answers that are sent at once; each may hold `PART_BYTES` and `MAX_UNSENT_BYTES`."""

READ_SECONDS = 10.0
"""How long a client may take for its body."""

MAX_DRAINED_BYTES = 16 * MAX_BODY_BYTES
"""A body too large is read and dropped up to here: who still sends would not see the refusal."""

PART_BYTES = 256 * 1024
"""An answer below this size is sent at once, a longer one in parts as they are made."""

MAX_UNSENT_BYTES = 512 * 1024
"""How much of a long answer may be on its way before its next part is made."""

MAX_TABLES = 2
"""Bodies beyond `MAX_BODY_BYTES` that are read and answered at a time: Tableau's. Others wait unread."""

HAS_BODY = {"POST", "PUT", "PATCH"}

CONSTANTS: dict[str, Any] = {
    "SCRIPT_NAME": "", "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
    "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
}  # fmt: skip

log = logging.getLogger(__name__)


class Answer:
    """What the application says of its answer before the body: WSGI's `start_response`."""

    status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
    headers: list[tuple[str, str]]

    def __call__(self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:  # noqa: ANN401
        """Keep status and headers."""
        self.status, self.headers = int(status[:3]), headers


class Unfinished(Exception):
    """An answer of which the client has a part only; the cause says why."""


class Places:
    """A bound on how many requests do the same at a time."""

    def __init__(self, count: int) -> None:
        """Start with all places free."""
        self.free = count

    def __enter__(self) -> None:
        """Take a place. Raises `ServiceUnavailable` where none is free."""
        if not self.free:
            raise ServiceUnavailable("too many requests are being answered")
        self.free -= 1

    def __exit__(self, *_: object) -> None:
        """Give the place back."""
        self.free += 1


class Pool:
    """Threads for requests of one kind, and a bound on how many wait for them."""

    def __init__(self, threads: int) -> None:
        """Start with all threads idle."""
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix="serve")
        self.places = Places(threads + MAX_WAITING)

    def run(self, function: Any, *arguments: object) -> "asyncio.Future[Any]":  # noqa: ANN401
        """Run a function in a thread."""
        return asyncio.get_running_loop().run_in_executor(self.executor, function, *arguments)


class Gateway:
    """The callable that Granian runs, over one application."""

    def __init__(self, app: Service) -> None:
        """Start with all threads idle."""
        self.app = app
        self.charts, self.sql, self.others = map(Pool, (CHART_THREADS, SQL_THREADS, THREADS))
        self.long = Places(MAX_LONG)
        self.tables = asyncio.Semaphore(MAX_TABLES)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Bound how long a client may take for its answer, as soon as there is a socket."""
        loop.call_soon(bound_sending)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request; what the gateway refuses, the application puts in words."""
        environ = self.app.enter(make_environ(scope))
        is_table = int(scope.headers.get("content-length", 0)) > MAX_BODY_BYTES and TABLEAU.fullmatch(
            environ["PATH_INFO"]
        )
        async with self.tables if is_table else contextlib.nullcontext():
            limit = MAX_TABLE_BYTES if is_table else MAX_BODY_BYTES
            await self.answer(environ, scope, protocol, limit)

    async def answer(
        self, environ: dict[str, Any], scope: Scope, protocol: HTTPProtocol, limit: int
    ) -> None:
        """Answer a request whose body has so many bytes at most."""
        try:
            if len(environ["PATH_INFO"]) + len(environ["QUERY_STRING"]) > MAX_ADDRESS_BYTES:
                raise RequestURITooLarge(f"expected at most {MAX_ADDRESS_BYTES} bytes")
            if environ["REQUEST_METHOD"] in HAS_BODY:
                add_body(environ, await read_body(scope, protocol, limit))
            if self.app.is_quick(environ):
                self.answer_at_once(environ, protocol)
            else:
                await self.answer_in_thread(environ, protocol, scope.client)
        except ProtocolClosed:
            return  # the client has gone
        except Exception as error:
            environ[REFUSED] = error
            self.answer_at_once(environ, protocol)

    def answer_at_once(self, environ: dict[str, Any], protocol: HTTPProtocol) -> None:
        """Answer without a thread."""
        answer = Answer()
        body = b"".join(gather_parts(self.app.wsgi_app(environ, answer)))
        protocol.response_bytes(answer.status, answer.headers, body)

    async def answer_in_thread(
        self, environ: dict[str, Any], protocol: HTTPProtocol, client: str
    ) -> None:
        """Answer with the help of a thread. Raises `ServiceUnavailable` for one request too many."""
        answer = Answer()
        pool = self.choose_pool(environ["PATH_INFO"])
        with pool.places:
            first, others = await pool.run(self.begin, environ, answer)
        if len(first) < PART_BYTES:
            protocol.response_bytes(answer.status, answer.headers, first)
            return
        try:
            with self.long, Connection(client) as connection:
                transport = protocol.response_stream(answer.status, answer.headers)
                await self.send_parts(first, pool, others, transport, connection)
        except Unfinished as error:
            cause, fields = error.__cause__, {"request_id": environ[REQUEST_ID]}
            if isinstance(cause, TimeoutError):
                log.warning("the client took too long: cut off", extra={FIELDS: fields})
            else:
                log.error("the answer failed: cut off", exc_info=cause, extra={FIELDS: fields})
        finally:
            await pool.run(others.close)

    def choose_pool(self, path: str) -> Pool:
        """Return the threads for a path."""
        if path == SQL_PATH:
            return self.sql
        return self.charts if "/charts/" in path else self.others

    def begin(
        self, environ: dict[str, Any], answer: Answer
    ) -> tuple[bytes, Generator[bytes, None, None]]:
        """Return the first part of an answer, which is mostly all of it, and the others."""
        parts = gather_parts(self.app.wsgi_app(environ, answer))
        first = next(parts, b"")
        if len(first) < PART_BYTES:
            parts.close()
        return first, parts

    async def send_parts(
        self,
        part: bytes,
        pool: Pool,
        others: Iterable[bytes],
        transport: StreamTransport,
        connection: Connection,
    ) -> None:
        """Send a long answer, each part when the client has taken most of those before it.

        Raises `Unfinished` for whatever stops this, and resets the connection: the client must not
        believe that it has all.
        """
        try:
            while part:
                await transport.send_bytes(part)
                await connection.wait_until_taken(len(part), MAX_UNSENT_BYTES)
                part = await pool.run(next, others, b"")
        except ProtocolClosed:
            raise
        except Exception as error:
            connection.cut()
            raise Unfinished from error


async def read_body(scope: Scope, protocol: HTTPProtocol, limit: int) -> bytes:
    """Return the body of a request. Raises an `HTTPException` for one that is late, short or large."""
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for part in protocol:
                size += len(part)
                if size <= limit:
                    body += part
                elif size > MAX_DRAINED_BYTES:
                    break
    except TimeoutError as error:
        with Connection(scope.client) as connection:
            connection.stop_reading()
        raise RequestTimeout(f"expected the whole body within {READ_SECONDS:.0f} s") from error
    if size > limit:
        raise RequestEntityTooLarge(f"expected a body of at most {limit} bytes")
    if size < int(scope.headers.get("content-length", 0)):
        raise BadRequest("expected a body as long as Content-Length says, found the end before it")
    return bytes(body)


def make_environ(scope: Scope) -> dict[str, Any]:
    """Return a request without its body as WSGI has it (PEP 3333)."""
    environ = CONSTANTS.copy()
    for name, value in scope.headers.items():
        key = name_header(name)
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    path, query = scope.path, scope.query_string
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = path if path.isascii() else path.encode().decode("latin-1")
    environ["QUERY_STRING"] = query if query.isascii() else quote(query, safe=string.printable)
    environ["CONTENT_LENGTH"] = ""
    environ["wsgi.input"] = io.BytesIO()
    return environ


def add_body(environ: dict[str, Any], body: bytes) -> None:
    """Give a request its body."""
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)


@functools.lru_cache(maxsize=256)
def name_header(name: str) -> str:
    """Return the environ's name of a header. One with an underscore could pose as another: it goes."""
    if "_" in name:
        return "atlshield.ignored"
    key = name.upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


def gather_parts(pieces: Iterable[bytes]) -> Generator[bytes, None, None]:
    """Yield a body in parts of `PART_BYTES` or a little more; only the last is smaller. To be closed."""
    part = bytearray()
    try:
        for piece in pieces:
            part += piece
            if len(part) >= PART_BYTES:
                yield bytes(part)
                part.clear()
        if part:
            yield bytes(part)
    finally:
        if hasattr(pieces, "close"):
            pieces.close()


def make_gateway(operation: Operation) -> Gateway:
    """Return the gateway to an application over a published build."""
    return Gateway(create_app(operation))
