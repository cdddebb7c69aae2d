"""Load on a server: started on one core, asked from another.

Input: a command that serves, requests as bytes. Output: requests per second, seconds of each.
Needs Linux.
"""

import os
import selectors
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from warehouse.settings import ROOT

CONNECTIONS = 16


@dataclass(frozen=True)
class Rate:
    """Requests per second, and the seconds within which 99 in 100 were answered."""

    per_second: float
    p99: float


def use_core(core: int) -> Callable[[], None]:
    """Return what a child process calls to stay on one core."""
    return lambda: os.sched_setaffinity(0, {core})


def find_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A server that answers: its port, its process, and the seconds until it answered."""

    port: int
    process: "subprocess.Popen[bytes]"
    seconds: float

    def measure_memory(self) -> float:
        """Return the MB that its processes keep resident, shared pages counted once."""
        total = 0
        for pid in list_family(self.process.pid):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total * 1024 / 1e6


def list_family(pid: int) -> list[int]:
    """Return a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(found for child in children for found in list_family(int(child)))]


@contextmanager
def run_server(
    command: Sequence[str], port: int, path: str, folder: Path = ROOT, **environment: str
) -> Iterator[Server]:
    """Run a server on the first core."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **environment}, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, preexec_fn=use_core(0),
    )  # fmt: skip
    try:
        while not answers(f"http://127.0.0.1:{port}{path}"):
            if process.poll() is not None:
                raise SystemExit("the server did not come up")
            time.sleep(0.005)
        yield Server(port, process, time.perf_counter() - start)
    finally:
        process.terminate()
        process.wait()


def answers(address: str) -> bool:
    """Return whether there is a server that is content with a GET, or only wants another method."""
    try:
        urllib.request.urlopen(address)  # noqa: S310
    except urllib.error.HTTPError as error:
        return error.code == 405
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


def run_service(builds: Path, *program: str, **environment: str) -> AbstractContextManager[Server]:
    """Run the service as `make serve` does, or by a program that changes it."""
    port = find_port()
    how = ["-c", "\n".join(program)] if program else ["-m", "serve"]
    command = [sys.executable, *how, "--builds", str(builds), "--port", str(port)]
    return run_server(command, port, "/readyz", ROOT, **environment)


def make_request(path: str, body: bytes | None = None, *headers: str) -> bytes:
    """Return a request: a GET, or a POST of JSON."""
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "Host: localhost", *headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def send_requests(
    port: int, requests: Sequence[bytes], count: int, connections: int = CONNECTIONS
) -> Rate:
    """Send so many requests in turn over connections kept open, one at a time on each.

    Raises `SystemExit` for an answer that is neither a 200 nor a 304.
    """
    turn = cycle(requests)
    seconds: list[float] = []
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    sent_at: dict[socket.socket, float] = {}
    with selectors.DefaultSelector() as selector:
        begin = time.perf_counter()
        for connection in sockets:
            selector.register(connection, selectors.EVENT_READ, bytearray())
            sent_at[connection] = time.perf_counter()
            connection.sendall(next(turn))
        sent = connections
        while len(seconds) < count:
            for key, _ in selector.select():
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                key.data.extend(ready.recv(1 << 16))
                if is_whole(key.data):
                    seconds.append(time.perf_counter() - sent_at[ready])
                    key.data.clear()
                    if sent < count:
                        sent_at[ready] = time.perf_counter()
                        ready.sendall(next(turn))
                        sent += 1
        total = time.perf_counter() - begin
    for connection in sockets:
        connection.close()
    return Rate(count / total, sorted(seconds)[int(0.99 * len(seconds))])


def is_whole(answer: bytearray) -> bool:
    """Return whether an HTTP answer has come in full. Raises `SystemExit` unless it is good."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    if answer.startswith(b"HTTP/1.1 304"):
        return True
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"the server answered {bytes(answer[:300])!r}")
    if b"transfer-encoding: chunked" in answer[:end].lower():
        return answer.endswith(b"\r\n0\r\n\r\n")
    length = answer[:end].lower().split(b"content-length:")[1].split(b"\r\n")[0]
    return len(answer) == end + 4 + int(length)
