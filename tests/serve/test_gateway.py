"""The gateway against clients that are slow, wrong, gone or too many: a real server, byte by byte."""

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serve.gateway import MAX_WAITING, THREADS
from serve.parameters import MAX_ADDRESS_BYTES, MAX_BODY_BYTES
from tests.serve.builds import wait_until
from tests.serve.server import ask, connect, read_reply, run_logged, send_raw

pytestmark = pytest.mark.server

PART, PARTS = 65536, 800

PROGRAM = f"""
import os, threading, time
from flask import Response
from serve import __main__ as server, app, connection, gateway
gateway.READ_SECONDS, connection.SEND_SECONDS, server.HEAD_SECONDS = 2.0, 2.0, 2
find, made = app.find_quickly, []

def find_or_fail(build, environ):
    return 1 / 0 if "fail" in environ["QUERY_STRING"] else find(build, environ)

def send(count, error=None):
    try:
        for _ in range(count):
            yield b"x" * {PART}
        if error:
            raise ValueError(error)
    finally:
        made.append("closed")

def create(config):
    service = create_app(config)
    service.add_url_rule("/long", view_func=lambda: Response(send({PARTS})), endpoint="long")
    service.add_url_rule("/short", view_func=lambda: Response(send(3)), endpoint="short")
    service.add_url_rule("/breaks", view_func=lambda: Response(send(9, "oh")), endpoint="breaks")
    service.add_url_rule("/fails", view_func=lambda: Response(send(0, "oh")), endpoint="fails")
    service.add_url_rule("/slow", view_func=lambda: time.sleep(0.5) or "slow", endpoint="slow")
    service.add_url_rule("/echo/<path:name>", view_func=lambda name: {{"name": name}}, endpoint="echo")

    @service.get("/state")
    def state():
        with open("/proc/self/statm") as memory:
            resident = int(memory.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        gate = gates[0]
        return {{"waiting": gate.others.places.free, "long": gate.long.free, "resident": resident,
                "threads": threading.active_count(), "files": len(os.listdir("/proc/self/fd")),
                "closed": len(made)}}

    return service

class Gate(gateway.Gateway):
    def __init__(self, app):
        super().__init__(app)
        gates.append(self)

gates, create_app = [], gateway.create_app
app.find_quickly, gateway.create_app, gateway.Gateway = find_or_fail, create, Gate
"""

LOOKUP = b'{"neighborhood": "Downtown", "month": 1}'
CLOSE = b"Host: x\r\nConnection: close\r\n"
POST = b"POST /predict_hourly_crime HTTP/1.1\r\n" + CLOSE
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
CHUNK = b"10000\r\n" + b" " * 65536 + b"\r\n"


@pytest.fixture(scope="module")
def running(published: Path) -> Iterator[tuple[str, list[str]]]:
    """Address and log of a server with short deadlines and routes that are long, slow or fail."""
    with run_logged(published, PROGRAM) as running:
        yield running


@pytest.fixture(scope="module")
def address(running: tuple[str, list[str]]) -> str:
    """The server's address."""
    return running[0]


def read_state(address: str) -> dict[str, Any]:
    """Return the free places, memory in bytes, threads and open files of the server."""
    state: dict[str, Any] = json.loads(ask(address, "/state"))
    return state


def is_idle(address: str) -> bool:
    """Return whether no other request is being answered."""
    state = read_state(address)
    return bool(state["waiting"] == THREADS + MAX_WAITING - 1 and state["long"] == 32)


def get(path: bytes, *headers: bytes) -> bytes:
    """Return a request."""
    return b"GET %s HTTP/1.1\r\n%s" % (path, CLOSE) + b"".join(h + b"\r\n" for h in headers) + b"\r\n"


def post(length: bytes, body: bytes = LOOKUP) -> bytes:
    """Return a lookup with a Content-Length of one's own."""
    return POST + b"Content-Length: %s\r\n\r\n" % length + body


ANSWERED = {
    "body": (post(b"40"), 200),
    "content length twice": (POST + b"Content-Length: 40\r\nContent-Length: 40\r\n\r\n" + LOOKUP, 200),
    "chunked": (CHUNKED + b"\r\n28\r\n" + LOOKUP + b"\r\n0\r\n\r\n", 200),
    "chunked and length": (CHUNKED + b"Content-Length: 99\r\n\r\n28\r\n%s\r\n0\r\n\r\n" % LOOKUP, 200),
    "body on GET": (get(b"/livez", b"Content-Length: 40") + LOOKUP, 200),
    "half a body on GET": (get(b"/livez", b"Content-Length: 99") + LOOKUP, 200),
    "HTTP/1.0": (b"GET /livez HTTP/1.0\r\n\r\n", 200),
    "absolute target": (get(b"http://other/livez"), 200),
    "percent": (get(b"/%6civez"), 200),
    "query that is no ASCII": (get("/average_daily_crime?neighborhood=\u20ac&month=1".encode()), 404),
    "path that is no ASCII": (get("/charts/hourly/\u20ac/1.png".encode()), 404),
    "percent, no UTF-8": (get(b"/a%ffb"), 404),
    "percent, NUL": (get(b"/charts/hourly/%00/1.png"), 404),
    "percent, slash": (get(b"/charts/hourly/a%2F..%2Fb/1.png"), 404),
    "percent, nothing": (get(b"/a%"), 404),
    "dots": (get(b"/../../etc/passwd"), 404),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\n" + CLOSE + b"\r\n", 404),
    "method": (b"FOO /livez HTTP/1.1\r\n" + CLOSE + b"\r\n", 405),
    "header, no UTF-8": (get(b"/livez", b"X-A: \xff", b"Authorization: Bearer \xff"), 200),
    "no body": (post(b"0", b""), 400),
    "body too short": (post(b"5"), 400),
    "no chunk": (CHUNKED + b"\r\nzz\r\n" + LOOKUP + b"\r\n0\r\n\r\n", 400),
    "late body": (post(b"99"), 408),
    "late chunk": (CHUNKED + b"\r\n28\r\n" + LOOKUP[:5], 408),
    "large body": (post(b"%d" % (MAX_BODY_BYTES + 1), b" " * (MAX_BODY_BYTES + 1)), 413),
    "very large body": (post(b"3000000", b" " * 3_000_000), 413),
    "large chunks": (CHUNKED + b"\r\n" + 5 * CHUNK + b"0\r\n\r\n", 413),
    "long address": (get(b"/" + b"a" * MAX_ADDRESS_BYTES), 414),
    "long query": (get(b"/livez?" + b"a" * MAX_ADDRESS_BYTES), 414),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERED)
def test_request_gets_the_service_s_own_answer(address: str, name: str) -> None:
    request, status = ANSWERED[name]
    reply = send_raw(address, request)
    assert reply.status == status
    assert re.fullmatch("[0-9a-f]{16}", reply.headers["x-request-id"])
    assert reply.headers["x-content-type-options"] == "nosniff"
    if status >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
        assert json.loads(reply.body)["request_id"] == reply.headers["x-request-id"]


REFUSED = {
    "negative": (post(b"-1"), 400),
    "no number": (post(b"abc"), 400),
    "huge": (post(b"9" * 30), 400),
    "underscore": (post(b"4_0"), 400),
    "plus": (post(b"+40"), 400),
    "two lengths": (POST + b"Content-Length: 40\r\nContent-Length: 39\r\n\r\n" + LOOKUP, 400),
    "coding": (POST + b"Transfer-Encoding: gzip\r\n\r\n" + LOOKUP, 400),
    "version": (b"GET /livez HTTP/2.0\r\n\r\n", 400),
    "no version": (b"GET /livez\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "NUL in the path": (get(b"/a\x00b"), 400),
    "no UTF-8 in the path": (get(b"/a\xffb"), 400),
    "space in the path": (get(b"/a b"), 400),
    "NUL in a header": (get(b"/livez", b"X-A: a\x00b"), 400),
    "space before a colon": (get(b"/livez", b"X-A : a"), 400),
    "folded header": (get(b"/livez", b" folded: a"), 400),
    "header without a name": (get(b"/livez", b": a"), 400),
    "101 headers": (get(b"/livez", *[b"A%d: a" % number for number in range(101)]), 431),
    "head of 100 kB": (get(b"/livez", b"A: " + b"a" * 100_000), 431),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_http_is_refused_and_ends_the_connection(address: str, name: str) -> None:
    request, status = REFUSED[name]
    reply = send_raw(address, request)
    assert (reply.status, reply.body) == (status, b"")


def test_body_that_ends_early_is_refused(address: str) -> None:
    reply = send_raw(address, post(b"99"), is_half_closed=True)
    assert reply.status == 400
    assert b"expected a body as long as Content-Length says" in reply.body


def test_client_that_waits_for_100_is_told_to_go_on(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 40\r\n\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(LOOKUP)
        assert read_reply(connection).status == 200


def test_names_of_all_letters_arrive(address: str) -> None:
    for path in ("/echo/%C3%A9%E2%82%AC", "/echo/\u00e9\u20ac"):
        assert json.loads(send_raw(address, get(path.encode())).body) == {"name": "\u00e9\u20ac"}


def test_header_with_an_underscore_poses_as_no_other(address: str) -> None:
    good, bad = get(b"/livez", b"X-Request-ID: mine"), get(b"/livez", b"X_Request_ID: mine")
    assert send_raw(address, good).headers["x-request-id"] == "mine"
    assert send_raw(address, bad).headers["x-request-id"] != "mine"


@pytest.mark.parametrize(
    "path",
    [
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/long",
        "/charts/hourly/Downtown/1.png",
        "/average_daily_crime?neighborhood=Downtown&month=1",
        "/none",
    ],
)
def test_head_answers_as_get_does_without_a_body(address: str, path: str) -> None:
    request = get(path.encode())
    head, whole = send_raw(address, request.replace(b"GET", b"HEAD", 1)), send_raw(address, request)
    assert (head.status, head.body) == (whole.status, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_pipelined_requests_are_answered_in_their_order(address: str) -> None:
    many = b"".join(b"GET /echo/%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(20))
    reply = send_raw(address, many + get(b"/livez"))
    found = re.findall(rb'"name":"(\d+)"', reply.body)
    assert list(map(int, found)) == list(range(20))
    assert reply.body.endswith(b'{"status":"ok"}\n')


def test_clients_that_hold_half_a_body_stop_nobody_and_get_408(address: str) -> None:
    clients = [connect(address) for _ in range(200)]
    for client in clients:
        client.sendall(POST + b"Content-Length: 99\r\n\r\n" + LOOKUP)
    began = time.monotonic()
    assert json.loads(ask(address, "/readyz"))["status"] == "ok"
    assert len(json.loads(ask(address, "/predict_hourly_crime", json.loads(LOOKUP)))) == 24
    assert ask(address, "/charts/hourly/Downtown/1.png").startswith(b"\x89PNG")
    assert read_state(address)["waiting"] == THREADS + MAX_WAITING - 1
    assert time.monotonic() - began < 20
    assert {read_reply(client).status for client in clients} == {408}


@pytest.mark.parametrize("sent", [b"", b"GET /livez HT", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-"])
def test_client_that_holds_half_a_head_is_let_go(address: str, sent: bytes) -> None:
    assert send_raw(address, sent) == (0, {}, b"", False)


def test_readers_that_take_nothing_hold_no_thread_and_little_memory_and_are_cut_off(
    running: tuple[str, list[str]],
) -> None:
    address, log = running
    ask(address, "/long")  # what the first one takes stays
    before = read_state(address)
    clients = [connect(address) for _ in range(20)]
    for client in clients:
        client.sendall(get(b"/long"))
    wait_until(lambda: read_state(address)["long"] == 32 - 20)
    during = read_state(address)
    assert during["waiting"] == before["waiting"]
    assert during["resident"] - before["resident"] < 20 * 3 * 2**20  # of 50 MB that each asked for
    assert ask(address, "/charts/hourly/Downtown/2.png").startswith(b"\x89PNG")
    wait_until(lambda: is_idle(address))
    replies = [read_reply(client) for client in clients]
    assert all(reply.is_reset and len(reply.body) < PART * PARTS for reply in replies)
    assert sum("the client took too long" in line for line in log) == 20
    wait_until(lambda: read_state(address)["files"] < before["files"] + 10)
    assert read_state(address)["closed"] == before["closed"] + 20


def test_reader_that_is_slow_but_reads_gets_all(address: str) -> None:
    with connect(address) as client:
        client.sendall(get(b"/long"))
        size = 0
        while part := client.recv(1 << 20):
            size += len(part)
            time.sleep(0.01)
    assert size > PART * PARTS


def test_reader_of_a_short_answer_that_takes_nothing_is_let_go(address: str) -> None:
    before = read_state(address)["files"]
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(address.rpartition(":")[2])))
        client.sendall(b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        wait_until(lambda: read_state(address)["files"] > before)
        wait_until(lambda: read_state(address)["files"] <= before, 30)


@pytest.mark.parametrize("request_sent", [get(b"/slow"), get(b"/long"), post(b"99"), b"GET /li"],
    ids=["before the answer", "in a download", "in a body", "in a head"])  # fmt: skip
def test_client_that_goes_leaves_nothing(address: str, request_sent: bytes) -> None:
    wait_until(lambda: is_idle(address))
    before = read_state(address)
    clients = [connect(address) for _ in range(20)]
    for client in clients:
        client.sendall(request_sent)
    time.sleep(0.2)
    for client in clients:
        client.close()
    wait_until(lambda: is_idle(address) and read_state(address)["files"] < before["files"] + 10, 30)
    assert read_state(address)["threads"] <= before["threads"] + THREADS


def test_statement_waits_for_no_other_request(address: str) -> None:
    sql = b"POST /v1/sql HTTP/1.1\r\n" + CLOSE + b'Content-Length: 12\r\n\r\n{"sql": "x"}'
    ended: list[str] = []
    with ThreadPoolExecutor(9 * THREADS) as pool:
        for _ in range(8 * THREADS):  # 4 s for the threads that they share
            slow = pool.submit(send_raw, address, get(b"/slow"))
            slow.add_done_callback(lambda _: ended.append("slow"))
        wait_until(lambda: bool(ended))
        assert send_raw(address, sql).status == 403
        ended.append("sql")
    assert ended.index("sql") < 4 * THREADS


def test_request_too_many_is_told_to_come_back(address: str) -> None:
    count = THREADS + MAX_WAITING
    with ThreadPoolExecutor(count + 8) as pool:
        replies = list(pool.map(lambda _: send_raw(address, get(b"/slow")), range(count + 8)))
    refused = [reply for reply in replies if reply.status == 503]
    assert 1 <= len(refused) <= 8
    assert len(refused) + sum(reply.status == 200 for reply in replies) == len(replies)
    for reply in refused:
        assert reply.headers["retry-after"] == "5"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert json.loads(reply.body)["request_id"] == reply.headers["x-request-id"]
    assert f'route="/slow",status="503"}} {len(refused)}.0' in ask(address, "/metrics").decode()


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_answer_that_breaks_in_the_middle_does_not_look_whole(
    running: tuple[str, list[str]], version: bytes
) -> None:
    address, log = running
    asked = get(b"/breaks", b"X-Request-ID: broken-" + version[-1:]).replace(b"HTTP/1.1", version)
    reply = send_raw(address, asked)
    assert reply.is_reset
    wait_until(lambda: any(f"broken-{version[-1:].decode()}" in line for line in log))
    line = next(line for line in log if f"broken-{version[-1:].decode()}" in line)
    assert "ValueError: oh" in json.loads(line)["traceback"]


@pytest.mark.parametrize("path", ["/fails", "/average_daily_crime?fail"])
def test_what_fails_before_the_answer_is_a_500_with_its_id(
    running: tuple[str, list[str]], path: str
) -> None:
    address, log = running
    reply = send_raw(address, get(path.encode()))
    assert reply.status == 500
    request_id = json.loads(reply.body)["request_id"]
    wait_until(lambda: any(request_id in line and "traceback" in line for line in log))
