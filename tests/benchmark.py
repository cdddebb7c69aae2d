"""`make bench`: speed and memory as ratios to something run beside it on the same core.

Enters: nothing; it simulates its data. Leaves: a table of figures. Nothing passes or fails here.
Needs Linux with two cores: servers and refreshes on the first, their clients on the second.
"""

import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from flask import Flask, Response
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from etl.city import load_city
from etl.simulate import simulate_file
from serve.__main__ import THREADS, WORKERS
from warehouse.settings import ROOT

KEPT_ROWS = 217_000
INCIDENTS = 252_000
"""Offenses to simulate so that about `KEPT_ROWS` are left after cleaning."""

ROUNDS = 3
REQUESTS = 6_000
CONNECTIONS = 16
START_ROUNDS = 5

FIRST_VERSION_CELLS = """
SELECT dense_rank() OVER (ORDER BY neighborhood), month(occurred_at), hour(occurred_at), count(*),
       mode(patrol_type)
FROM incident GROUP BY neighborhood, month(occurred_at), hour(occurred_at) ORDER BY 1, 2, 3
"""


@dataclass(frozen=True)
class Measure:
    """Wall seconds and peak memory of one process."""

    seconds: float
    peak_mib: float


def fit_first_version(builds: str) -> None:
    """Fit the first version's two default forests as it did, and print the seconds that took."""
    with duckdb.connect(f"{builds}/current.duckdb", read_only=True) as connection:
        cells = connection.execute(FIRST_VERSION_CELLS).fetchnumpy()
    place, month, hour, count, patrol = (np.asarray(column) for column in cells.values())
    features = np.column_stack([place, month, hour])
    start = time.perf_counter()
    RandomForestRegressor(random_state=42).fit(features, count)
    RandomForestClassifier(random_state=42).fit(features, patrol)
    print(time.perf_counter() - start)


def make_bare_app() -> Flask:
    """Return an application with one route that answers constant bytes."""
    app = Flask(__name__)
    body = b"x" * int(os.environ["BODY_BYTES"])

    @app.post("/bare")
    def bare() -> Response:
        return Response(body, mimetype="application/json")

    return app


def use_core(core: int) -> Callable[[], None]:
    """Return what a child process calls to stay on one core."""
    return lambda: os.sched_setaffinity(0, {core})


def run_refresh(raw: Path, builds: Path) -> Measure:
    """Run one refresh without backtest on one core, as a whole process."""
    command = [
        sys.executable, "-m", "refresh", "--source", "files", "--raw", str(raw),
        "--builds", str(builds), "--no-backtest",
    ]  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, preexec_fn=use_core(0))
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the refresh failed with status {status}")
    return Measure(time.perf_counter() - start, usage.ru_maxrss / 1024)


def run_first_version(builds: Path) -> float:
    """Return the seconds the first version's forests take on one core."""
    code = f"from tests.benchmark import fit_first_version; fit_first_version({str(builds)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=True, preexec_fn=use_core(0),
    )  # fmt: skip
    return float(done.stdout)


def find_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def run_server(arguments: list[str], port: int, path: str, **environment: str) -> Iterator[float]:
    """Run a server on the first core; yield the seconds until it answered."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=ROOT, env={**os.environ, **environment},
        stderr=subprocess.DEVNULL, preexec_fn=use_core(0),
    )  # fmt: skip
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}")
                break
            except urllib.error.HTTPError:
                break
            except urllib.error.URLError:
                if process.poll() is not None:
                    raise SystemExit("the server did not come up") from None
                time.sleep(0.005)
        yield time.perf_counter() - start
    finally:
        process.terminate()
        process.wait()


def run_service(builds: Path, port: int) -> AbstractContextManager[float]:
    """Run the service as `make serve` does."""
    return run_server(["serve", "--builds", str(builds), "--port", str(port)], port, "/readyz")


def run_bare(port: int, body_bytes: int) -> AbstractContextManager[float]:
    """Run the bare route under the same server."""
    options = [
        "gunicorn", "--worker-class", "gthread", "--workers", str(WORKERS), "--threads", str(THREADS),
        "--no-control-socket", "--bind", f"127.0.0.1:{port}", "tests.benchmark:make_bare_app()",
    ]  # fmt: skip
    return run_server(options, port, "/bare", BODY_BYTES=str(body_bytes))


def count_requests_per_second(port: int, path: str, body: bytes) -> float:
    """Send `REQUESTS` over `CONNECTIONS` kept open, one at a time on each; return the rate."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    with selectors.DefaultSelector() as selector:
        for connection in sockets:
            selector.register(connection, selectors.EVENT_READ, bytearray())
        start = time.perf_counter()
        for connection in sockets:
            connection.sendall(request)
        sent, answered = CONNECTIONS, 0
        while answered < REQUESTS:
            for key, _ in selector.select():
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                key.data.extend(ready.recv(1 << 16))
                if is_whole(key.data):
                    key.data.clear()
                    answered += 1
                    if sent < REQUESTS:
                        ready.sendall(request)
                        sent += 1
        seconds = time.perf_counter() - start
    for connection in sockets:
        connection.close()
    return REQUESTS / seconds


def is_whole(answer: bytearray) -> bool:
    """Return whether an HTTP answer has come in full. Raises `SystemExit` unless it is a 200."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"the server answered {bytes(answer[:60])!r}")
    length = answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]
    return len(answer) == end + 4 + int(length)


def bench_refresh(folder: Path) -> Path:
    """Print refresh beside the first version's forests; return the folder of builds."""
    raw, builds = folder / "raw.csv", folder / "builds"
    simulate_file(raw, load_city(), INCIDENTS)
    refreshes, forests = [], []
    for _ in range(ROUNDS):
        refreshes.append(run_refresh(raw, builds))
        forests.append(run_first_version(builds))
    seconds = statistics.median(measure.seconds for measure in refreshes)
    first = statistics.median(forests)
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as connection:
        kept = connection.execute("SELECT count(*) FROM incident").fetchone()
    print(f"refresh, one core, {kept[0] if kept else 0:,} incidents kept, no backtest")
    print(f"  whole process {seconds:.1f} s; first version's two fits {first:.1f} s")
    print(f"  ratio {seconds / first:.2f} (aim: at most 1.00)")
    peak = max(measure.peak_mib for measure in refreshes)
    print(f"  peak memory {peak:.0f} MiB (aim: under 1,024)")
    return builds


def bench_service(builds: Path) -> None:
    """Print start-up, and lookups beside a bare route under the same server."""
    starts = []
    for _ in range(START_ROUNDS):
        with run_service(builds, find_port()) as seconds:
            starts.append(seconds)
    print(f"service ready after {statistics.median(starts):.2f} s (aim: under 1.50)")
    body = json.dumps({"neighborhood": "Downtown", "month": 1}).encode()
    port, bare_port = find_port(), find_port()
    os.sched_setaffinity(0, {1})
    lookups, bares = [], []
    with run_service(builds, port):
        path = f"http://127.0.0.1:{port}/predict_hourly_crime"
        size = len(urllib.request.urlopen(path, body).read())
        for _ in range(ROUNDS):
            lookups.append(count_requests_per_second(port, "/predict_hourly_crime", body))
            with run_bare(bare_port, size):
                bares.append(count_requests_per_second(bare_port, "/bare", body))
    ratio = statistics.median(a / b for a, b in zip(lookups, bares, strict=True))
    lookup, bare = statistics.median(lookups), statistics.median(bares)
    print(f"lookups {lookup:,.0f}/s, bare route with {size:,} bytes {bare:,.0f}/s")
    print(f"  ratio {ratio:.2f} (aim: at least 0.70)")


def main() -> None:
    """Run every benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        bench_service(bench_refresh(Path(folder)))


if __name__ == "__main__":
    main()
