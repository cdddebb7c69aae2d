"""Speed figures of a fleet: `python -m tests.benchmark_fleet [CITIES]`, also a part of `make bench`.

Input: how many cities to make. Output: a table of figures, a model of what a city costs, and what a
service of all of them takes. Nothing passes or fails here.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import duckdb
import numpy as np

from etl.city import load_city
from etl.simulate import simulate_file
from fleet.union import FILE
from tests.load import make_request, run_service, send_requests
from warehouse.settings import ROOT

CITIES = 20
INCIDENTS = 250_000
PLACES = (1, 120)
"""Neighborhoods of the smallest and of the largest city; the others lie between by equal factors."""
ALONE = 4
"""Cities that are also refreshed alone, of all sizes."""
MIB = 2**20


def write_cities(folder: Path, count: int) -> list[str]:
    """Write files of cities of very different sizes, each of other neighborhoods; return their names."""
    simulate_file(folder / "whole.csv", load_city(), INCIDENTS)
    names = [f"city{number:03}" for number in range(count)]
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE whole AS FROM read_csv('{folder}/whole.csv', all_varchar = true)"
        )
        found = connection.execute(
            "SELECT DISTINCT NhoodName FROM whole WHERE NhoodName <> '' ORDER BY 1"
        )
        places = [place for (place,) in found.fetchall()]
        for number, (name, size) in enumerate(zip(names, np.geomspace(*PLACES, count), strict=True)):
            chosen = [places[(7 * number + step) % len(places)] for step in range(round(size))]
            connection.execute(
                f"COPY (FROM whole WHERE list_contains($1, NhoodName)) TO '{folder}/{name}.csv'",
                [chosen],
            )
    cities = (f'[cities.{name}]\nraw = ["{name}.csv"]\nbacktest = false\n' for name in names)
    (folder / "fleet.toml").write_text("".join(cities))
    return names


def run(*words: str) -> float:
    """Run a command of the clone that must succeed; return its seconds."""
    began = time.perf_counter()
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - began


def run_fleet(folder: Path, workers: int) -> tuple[float, dict[str, float]]:
    """Refresh all cities on so many workers; return the seconds of all, and of each city."""
    out = folder / f"on{workers}"
    seconds = run(
        "fleet", f"{folder}/fleet.toml", "--workers", str(workers), "--builds", f"{out}/builds",
        "--union", f"{out}/union",
    )  # fmt: skip
    with duckdb.connect(str(out / "union" / FILE), read_only=True) as connection:
        return seconds, dict(connection.execute("SELECT city, seconds FROM fleet_run").fetchall())


def bench_refreshes(folder: Path, names: list[str]) -> None:
    """Print what cities cost in a fleet, beside refreshes alone and beside one worker."""
    alone = {
        name: run("refresh", "--source", "files", "--raw", f"{folder}/{name}.csv", "--no-backtest",
                  "--builds", f"{folder}/alone/{name}")
        for name in names[:: -(len(names) // ALONE)]
    }  # fmt: skip
    one, of_one = run_fleet(folder, 1)
    two, of_two = run_fleet(folder, 2)
    ratios = [of_one[name] / seconds for name, seconds in alone.items()]
    print(f"fleet of {len(names)} cities, {one:.0f} s on one worker, {two:.0f} s on two")
    print(f"  a city costs {statistics.median(ratios):.2f} times a refresh alone ({min(ratios):.2f} to"
          f" {max(ratios):.2f})")  # fmt: skip
    print(f"  efficiency of two workers {one / two / 2:.2f} (aim: at least 0.85); a city on two takes"
          f" {sum(of_two.values()) / sum(of_one.values()):.2f} times its seconds on one")  # fmt: skip
    rows = []
    for name, seconds in of_one.items():
        log = (folder / "on1" / "builds" / name / "refresh.log").read_text()
        kept = int(re.search(r"([\d,]+) of [\d,]+ rows kept", log)[1].replace(",", ""))  # type: ignore[index]
        places = int(re.search(r"(\d+) places", log)[1])  # type: ignore[index]
        size = sum(
            path.stat().st_size
            for path in (folder / "on1" / "builds" / name).rglob("warehouse-*.duckdb")
        )
        rows.append((seconds, size / MIB, kept / 1000, places))
    found = np.array(rows)
    model = np.column_stack([np.ones(len(rows)), found[:, 2:]])
    for what, values in (("s", found[:, 0]), ("MiB", found[:, 1])):
        base, per_row, per_place = np.linalg.lstsq(model, values)[0]
        print(
            f"  {what} a city: {base:.2f} + {per_row:.3f} per 1,000 incidents + {per_place:.3f} a place"
        )


def bench_serving(folder: Path, names: list[str]) -> None:
    """Print what one process takes that has all cities open, and its lookups beside one city's."""
    builds = folder / "on1" / "builds"
    with duckdb.connect(str(folder / "on1" / "union" / FILE), read_only=True) as connection:
        select = "SELECT city, min(neighborhood) FROM forecast_hourly GROUP BY city"
        places = dict(connection.execute(select).fetchall())
    lookups = {
        name: f"/predict_hourly_crime?neighborhood={quote(place)}&month=7"
        for name, place in places.items()
    }
    fleet = {"ATLSHIELD_SERVE_FLEET": "true", "ATLSHIELD_FLEET_MEGABYTES": "100000"}
    rates = []
    for what, served, settings, paths in (
        ("the largest city", builds / names[-1], {}, [lookups[names[-1]]]),
        ("all cities", builds, fleet, [f"/v1/cities/{name}{path}" for name, path in lookups.items()]),
    ):
        with run_service(served, **settings) as server:
            requests = [make_request(path) for path in paths]
            send_requests(server.port, requests, len(requests))  # opens them
            rates.append(
                statistics.median(
                    send_requests(server.port, requests, 6000).per_second for _ in range(3)
                )
            )
            print(f"  service of {what}: {server.measure_memory():.0f} MB, {rates[-1]:,.0f} lookups/s")
    print(f"  lookups of all cities {rates[1] / rates[0]:.2f} times one city's (aim: at least 0.90)")


def bench_fleet(count: int = CITIES) -> None:
    """Print all figures of so many cities."""
    with tempfile.TemporaryDirectory() as name:
        names = write_cities(Path(name), count)
        bench_refreshes(Path(name), names)
        bench_serving(Path(name), names)


if __name__ == "__main__":
    bench_fleet(int(sys.argv[1]) if len(sys.argv) > 1 else CITIES)
