"""The service's part of `make bench`: beside a bare Flask route under the same server, and Datasette.

Input: a folder of builds. Output: figures on standard output.
"""

import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import duckdb
from flask import Flask, Response

from tests.load import Rate, Server, find_port, make_request, run_server, run_service, send_requests

ROUNDS = 5
REQUESTS = 4_000
BATCH_SIZE = 1_000
HOURLY, DAILY, BATCH = "/predict_hourly_crime", "/average_daily_crime", "/v1/lookups"
DATASETTE = "datasette==0.65.2"

BARE = """
import sys
from serve import gateway
from serve.__main__ import main
from tests.benchmark_service import make_bare_app
gateway.create_app = make_bare_app
main(sys.argv[1:])
"""


class BareApp(Flask):
    """A Flask application that is run as lookups are: without a change of threads."""

    def enter(self, environ: dict[str, object]) -> dict[str, object]:
        """Return what a request asks for as it is."""
        return environ

    def is_quick(self, _environ: dict[str, object]) -> bool:
        """Return that an answer takes no time."""
        return True


def make_bare_app(_config: object) -> BareApp:
    """Return an application with one route that answers constant bytes."""
    app = BareApp(__name__)
    body = b"x" * int(os.environ["BODY_BYTES"])

    @app.route("/bare", methods=["GET", "POST"])
    def bare() -> Response:
        return Response(body, mimetype="application/json")

    @app.get("/readyz")
    def readyz() -> Response:
        return Response(b"{}")

    return app


def list_places(builds: Path) -> list[str]:
    """Return the neighborhoods of the published build."""
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT neighborhood FROM neighborhood ORDER BY 1").fetchall()
    return [name for (name,) in rows]


def draw_lookups(places: list[str], count: int) -> list[dict[str, object]]:
    """Return lookups drawn at random, the same ones at every run."""
    draw = random.Random(1)  # noqa: S311
    return [
        {"neighborhood": draw.choice(places), "month": draw.randint(1, 12), "hour": draw.randint(0, 23)}
        for _ in range(count)
    ]


def ask_median(measure: Callable[[], Rate]) -> Rate:
    """Return the run with the median rate of several."""
    return sorted((measure() for _ in range(ROUNDS)), key=lambda rate: rate.per_second)[ROUNDS // 2]


def bench_start(builds: Path) -> None:
    """Print seconds until ready and memory."""
    seconds, memory = [], []
    for _ in range(ROUNDS):
        with run_service(builds) as server:
            seconds.append(server.seconds)
            memory.append(server.measure_memory())
    print(f"service ready after {statistics.median(seconds):.2f} s (aim: at most 1.00)")
    print(f"  resident {statistics.median(memory):.0f} MB, both processes (aim: at most 170)")


def bench_lookups(builds: Path) -> None:
    """Print lookups, 304s and batches beside the bare route, and Datasette on the same rows."""
    places = list_places(builds)
    lookups = draw_lookups(places, 500)
    bodies = [json.dumps({k: ask[k] for k in ("neighborhood", "month")}).encode() for ask in lookups]
    addresses = [
        f"?neighborhood={quote(str(ask['neighborhood']))}&month={ask['month']}" for ask in lookups
    ]
    with run_service(builds) as server:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{server.port}{HOURLY}{addresses[0]}")
        tag, size = answer.headers["ETag"], len(answer.read())
        with run_service(builds, BARE, BODY_BYTES=str(size)) as bare_server:
            posts = [make_request(HOURLY, body) for body in bodies]
            gets = [make_request(HOURLY + address) for address in addresses]
            known = [
                make_request(HOURLY + address, None, f"If-None-Match: {tag}") for address in addresses
            ]
            plain = [make_request("/bare", body) for body in bodies]
            bare = compare("bare Flask route", bare_server, plain)
            for name, requests in (("lookups, POST", posts), ("lookups, GET", gets), ("304s", known)):
                rate = compare(name, server, requests)
                ratio = rate.per_second / bare.per_second
                print(f"  ratio to the bare route {ratio:.2f} (aim: at least 0.95)")
            bench_batch(server, lookups, posts)
            bench_datasette(builds, server, gets, addresses)


def compare(name: str, server: Server, requests: list[bytes]) -> Rate:
    """Print and return the rate of some requests."""
    rate = ask_median(lambda: send_requests(server.port, requests, REQUESTS))
    print(f"{name}: {rate.per_second:,.0f}/s, p99 {1000 * rate.p99:.1f} ms")
    return rate


def bench_batch(server: Server, lookups: list[dict[str, object]], posts: list[bytes]) -> None:
    """Print what a thousand lookups in one request take beside one lookup."""
    many = [
        make_request(BATCH, json.dumps({"lookups": lookups * (BATCH_SIZE // len(lookups))}).encode())
    ]
    batch = ask_median(lambda: send_requests(server.port, many, 200, connections=1))
    one = ask_median(lambda: send_requests(server.port, posts, REQUESTS, connections=1))
    print(f"{BATCH_SIZE} lookups in one request: {1000 / batch.per_second:.1f} ms")
    print(f"  ratio to one lookup {one.per_second / batch.per_second:.1f} (aim: at most 10)")


def bench_datasette(builds: Path, server: Server, gets: list[bytes], addresses: list[str]) -> None:
    """Print how many times Datasette's rate the lookups have, on the same rows, under the same load."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "venv/bin/python")
        subprocess.run([sys.executable, "-m", "venv", Path(folder, "venv")], check=True)
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", DATASETTE], capture_output=True, text=True
        )
        if done.returncode:
            print(f"Datasette could not be installed, no comparison: {done.stderr.splitlines()[-1]}")
            return
        write_sqlite(builds, Path(folder, "hours.db"))
        port = find_port()
        command = [str(python), "-m", "datasette", "serve", "hours.db", "--port", str(port)]
        paths = [f"/hours/forecast.json{address}&_shape=array&_size=24" for address in addresses]
        requests = [make_request(path) for path in paths]
        with run_server(command, port, "/-/versions.json", Path(folder)) as other:
            plain = ask_median(lambda: send_requests(other.port, requests, REQUESTS // 10))
        ours = ask_median(lambda: send_requests(server.port, gets, REQUESTS))
        print(f"Datasette, the same rows: {plain.per_second:,.0f}/s, p99 {1000 * plain.p99:.1f} ms")
        print(f"  lookups have {ours.per_second / plain.per_second:.1f} times that (aim: at least 10)")


def write_sqlite(builds: Path, path: Path) -> None:
    """Write the rows of the hourly lookup into a SQLite file, with the index that they need."""
    columns = (
        "neighborhood, month, hour_label, expected_crimes, suggested_patrol, intensity, intensity_local"
    )
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            f"SELECT {columns}, expected_reported_crimes, forecast_month::VARCHAR, data_source "
            "FROM mart_forecast_hourly ORDER BY neighborhood, month, hour"
        ).fetchall()
    with sqlite3.connect(path) as target:
        target.execute(
            f"CREATE TABLE forecast ({columns}, expected_reported_crimes, forecast_month, data_source)"
        )
        target.executemany(f"INSERT INTO forecast VALUES ({', '.join('?' * 10)})", rows)
        target.execute("CREATE INDEX place ON forecast (neighborhood, month)")
    target.close()


def bench_service(builds: Path) -> None:
    """Print the figures of the service."""
    bench_start(builds)
    os.sched_setaffinity(0, {1})
    bench_lookups(builds)


if __name__ == "__main__":
    bench_service(Path(sys.argv[1]))
