"""`make bench`: speed and memory as ratios to something run beside it on the same core.

`make bench LARGE=1` adds ten million rows: some five minutes and 3 GB of disk.

Input: nothing; it simulates its data. Output: a table of figures. Nothing passes or fails here.
Needs Linux with two cores: servers and refreshes on the first, their clients on the second.
"""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from etl.city import load_city
from etl.clean import clean_files
from etl.simulate import simulate_file
from models.backtest import list_origins, run_backtest
from models.forecast import make_forecast
from models.load_panel import load_panel
from tests.benchmark_charts import bench_charts
from tests.benchmark_fleet import bench_fleet
from tests.benchmark_mirror import bench_mirror
from tests.benchmark_pages import bench_pages
from tests.benchmark_plan import bench_plan
from tests.benchmark_service import bench_service
from tests.benchmark_small_machine import bench_small_machine
from tests.benchmark_tableau import bench_tableau
from tests.load import use_core
from warehouse.build import open_build
from warehouse.settings import ROOT
from warehouse.stages import STAGES

KEPT_ROWS = 217_000
INCIDENTS = 252_000
"""Offenses to simulate so that about `KEPT_ROWS` are left after cleaning."""

BACKTEST_ORIGINS = 6
ETL_INCIDENTS = 243_000
LARGE_INCIDENTS = 10_100_000
LARGE_PARTS = 10

RAW = "raw.csv"
ROUNDS = 3
PUBLISH_STAGES = [stage.name for stage in STAGES][-3:]
"""Guards and changes; audit; read-back, hash, sync and pointer."""

FIRST_VERSION_CELLS = """
SELECT dense_rank() OVER (ORDER BY neighborhood), month(occurred_at), hour(occurred_at), count(*),
       mode(patrol_type)
FROM incident GROUP BY neighborhood, month(occurred_at), hour(occurred_at) ORDER BY 1, 2, 3
"""


@dataclass(frozen=True)
class Measure:
    """Wall seconds and peak memory of one refresh, and what of them its last stages took."""

    seconds: float
    peak_mib: float
    publish_seconds: float


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


def run_training(builds: str) -> None:
    """Fit and predict as a refresh does; print seconds, peak MiB, and a backtest's share of that."""
    with duckdb.connect(f"{builds}/current.duckdb", read_only=True) as connection:
        start = time.perf_counter()
        panel = load_panel(connection)
        cutoff, incidents = connection.execute("SELECT cutoff, rows_kept FROM refresh_run").fetchall()[0]
    make_forecast(panel, cutoff, load_city().time_zone)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    run_backtest(panel, list_origins(panel, BACKTEST_ORIGINS))
    backtest = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "rows": incidents, "backtest": backtest}))


def run_etl(raw: list[str], scratch: str) -> None:
    """Clean raw files into a build; print its seconds, rows and peak MiB as JSON."""
    start = time.perf_counter()
    with open_build("bench", Path(scratch)) as build:
        build.connection.execute("SET enable_progress_bar = false")
        rows = clean_files(build, [Path(name) for name in raw], load_city()).rows_in
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "rows": rows, "peak_mib": peak}))


def run_plain_read(raw: str, target: str) -> None:
    """Read a raw file into a table as text, in memory or in a file; print the seconds."""
    start = time.perf_counter()
    with duckdb.connect(target) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"CREATE TABLE t AS SELECT * FROM read_csv('{raw}', all_varchar = true)")
    print(time.perf_counter() - start)


def run_refresh(raw: Path, builds: Path) -> Measure:
    """Run one refresh without backtest on one core, as a whole process."""
    command = [
        sys.executable, "-m", "refresh", "--source", "files", "--raw", str(raw),
        "--builds", str(builds), "--no-backtest",
    ]  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=use_core(0)
    )
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the refresh failed with status {status}")
    publish = re.findall(rf"^(?:{'|'.join(PUBLISH_STAGES)}) +([\d.]+) s", output, re.MULTILINE)
    return Measure(time.perf_counter() - start, usage.ru_maxrss / 1024, sum(map(float, publish)))


def run_alone(function: Callable[..., None], *arguments: object) -> Any:  # noqa: ANN401
    """Run a function of this module in a process of its own on one core; return what it prints."""
    call = f"{function.__name__}({', '.join(repr(argument) for argument in arguments)})"
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.benchmark import *; {call}"],
        cwd=ROOT, capture_output=True, text=True, check=True, preexec_fn=use_core(0),
    )  # fmt: skip
    return json.loads(done.stdout)


def bench_refresh(folder: Path) -> Path:
    """Print refresh beside the first version's forests; return the folder of builds."""
    raw, builds = folder / RAW, folder / "builds"
    simulate_file(raw, load_city(), INCIDENTS)
    refreshes, forests = [], []
    for _ in range(ROUNDS):
        refreshes.append(run_refresh(raw, builds))
        forests.append(run_alone(fit_first_version, str(builds)))
    seconds = statistics.median(measure.seconds for measure in refreshes)
    first = statistics.median(forests)
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as connection:
        kept = connection.execute("SELECT count(*) FROM incident").fetchone()
    print(f"refresh, one core, {kept[0] if kept else 0:,} incidents kept, no backtest")
    print(f"  whole process {seconds:.1f} s; first version's two fits {first:.1f} s")
    print(f"  ratio {seconds / first:.2f} (aim: at most 1.00)")
    peak = max(measure.peak_mib for measure in refreshes)
    print(f"  peak memory {peak:.0f} MiB (aim: under 1,024)")
    share = statistics.median(measure.publish_seconds / measure.seconds for measure in refreshes)
    print(f"  comparing, auditing and publishing take {share:.1%} of it (aim: at most 25 %)")
    return builds


def bench_training(folder: Path, builds: Path) -> None:
    """Print training beside the first version's forests, a backtest, and ten times the incidents."""
    runs, forests = [], []
    for _ in range(ROUNDS):
        runs.append(run_alone(run_training, str(builds)))
        forests.append(run_alone(fit_first_version, str(builds)))
    run = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    print(f"training and prediction, one core, {run['rows']:,.0f} incidents: {run['seconds']:.1f} s")
    ratio = run["seconds"] / statistics.median(forests)
    print(f"  ratio to the first version's two fits {ratio:.2f} (aim: at most 1.00)")
    print(f"  peak memory {run['peak_mib']:.0f} MiB (aim: at most 600)")
    ratio = run["backtest"] / run["seconds"]
    print(f"  backtest at {BACKTEST_ORIGINS} origins {ratio:.1f} times one training (aim: at most 8)")
    if "--large" in sys.argv:
        raw, larger = folder / "ten.csv", folder / "ten"
        simulate_file(raw, load_city(), 10 * INCIDENTS)
        run_refresh(raw, larger)
        ten = run_alone(run_training, str(larger))
        ratio = ten["seconds"] / run["seconds"]
        print(f"  {ten['rows']:,.0f} incidents take {ratio:.2f} times as long (aim: at most 1.30)")


def bench_etl(folder: Path) -> None:
    """Print the ETL beside what DuckDB takes to read the same file as text."""
    raw, scratch = str(folder / "etl.csv"), folder / "scratch.duckdb"
    simulate_file(Path(raw), load_city(), ETL_INCIDENTS)
    etl, memory, disk = [], [], []
    for _ in range(ROUNDS):
        etl.append(run_alone(run_etl, [raw], str(scratch)))
        scratch.unlink()
        memory.append(run_alone(run_plain_read, raw, ":memory:"))
        disk.append(run_alone(run_plain_read, raw, str(scratch)))
        scratch.unlink()
    seconds = statistics.median(run["seconds"] for run in etl)
    print(f"ETL, one core, {etl[0]['rows']:,} rows, {Path(raw).stat().st_size / 1e6:.0f} MB")
    print(f"  {seconds:.2f} s; DuckDB reads the file as text in {statistics.median(memory):.2f} s")
    ratio = statistics.median(run["seconds"] / plain for run, plain in zip(etl, memory, strict=True))
    print(f"  ratio {ratio:.2f} (aim: at most 4.00)")
    ratio = statistics.median(run["seconds"] / plain for run, plain in zip(etl, disk, strict=True))
    print(f"  ratio {ratio:.2f} where it writes that table to a file, as the ETL does")
    if "--large" in sys.argv:
        bench_large(folder, seconds / etl[0]["rows"])


def bench_large(folder: Path, seconds_per_row: float) -> None:
    """Print the ETL of ten million rows in ten files."""
    names = [str(folder / f"part_{part}.csv") for part in range(LARGE_PARTS)]
    for part, name in enumerate(names):
        simulate_file(Path(name), load_city(), LARGE_INCIDENTS // LARGE_PARTS, part)
    run = run_alone(run_etl, names, str(folder / "large.duckdb"))
    print(f"ETL, one core, {run['rows']:,} rows in {len(names)} files: {run['seconds']:.0f} s")
    ratio = run["seconds"] / run["rows"] / seconds_per_row
    print(f"  per row {ratio:.2f} times the small file's (aim: at most 1.30)")
    print(f"  peak memory {run['peak_mib']:.0f} MiB (aim: at most 1,536)")


def main() -> None:
    """Run every benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        bench_etl(Path(folder))
        builds = bench_refresh(Path(folder))
        bench_training(Path(folder), builds)
        bench_service(builds)
        bench_charts(builds)
        bench_pages(builds)
        bench_tableau(builds)
        bench_mirror(builds)
        bench_plan(builds)
        bench_fleet()
        bench_small_machine(Path(folder, RAW), Path(folder, "small"))


if __name__ == "__main__":
    main()
