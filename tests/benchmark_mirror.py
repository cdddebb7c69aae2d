"""The mirror in PostgreSQL beside a plain COPY of the same tables, a part of `make bench`.

Input: a folder of builds. Output: printed figures: seconds, and memory of the mirror's own process. The
plain COPY reads CSV files that lie there already into tables without keys, indexes and comments.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from tests.benchmark_tableau import PAUSE, measure_tree
from tests.postgres_server import MISSING, Server, connect, find_programs, run_server
from warehouse.settings import ROOT

ROUNDS = 3


def bench_mirror(builds: Path) -> None:
    """Print what a first mirror and a comparison of one take, or that there is no server here."""
    if find_programs() is None:
        print(f"mirror in PostgreSQL: not measured; {MISSING}")
        return
    with run_server() as server, tempfile.TemporaryDirectory() as name:
        rows = write_files(builds, Path(name))
        first, plain, again = [], [], []
        for _ in range(ROUNDS):
            url = server.make_database()
            first.append(run_mirror(builds, url))
            again.append(run_mirror(builds, url))
            plain.append(copy_plainly(server, url, Path(name)))
    seconds, compared = (statistics.median(run[0] for run in runs) for runs in (first, again))
    print(f"mirror in PostgreSQL, {rows:,} rows: {seconds:.1f} s")
    ratio = statistics.median(run[0] / alone for run, alone in zip(first, plain, strict=True))
    print(f"  ratio to a plain COPY from files {ratio:.1f} (aim: at most 4.0)")
    print(f"  where nothing is to do {compared:.1f} s")
    print(f"  peak memory {max(run[1] for run in first + again):.0f} MiB (aim: at most 250)")


def write_files(builds: Path, folder: Path) -> int:
    """Write every table and view as CSV and as the statement that makes it; return the rows in all."""
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as build:
        names = [name for (name,) in build.execute("SHOW TABLES").fetchall()]
        counts = [build.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in names]
        for name in names:
            columns = build.execute(f"DESCRIBE {name}").fetchall()
            types = [f"{column} {kind.replace('DOUBLE', 'FLOAT8')}" for column, kind, *_ in columns]
            (folder / f"{name}.ddl").write_text(f"CREATE TABLE {name} ({', '.join(types)})")
            build.execute(f"COPY (FROM {name}) TO '{folder / name}.csv' (HEADER false)")
    return sum(counts)


def run_mirror(builds: Path, url: str) -> tuple[float, float]:
    """Run one mirror; return its seconds and the most MiB that its process had."""
    command = [sys.executable, "-m", "warehouse", "--builds", str(builds), "mirror", url]
    start, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, measure_tree(process.pid))
        time.sleep(PAUSE)
    if process.returncode:
        raise SystemExit(f"the mirror failed with status {process.returncode}")
    return time.perf_counter() - start, peak


def copy_plainly(server: Server, url: str, folder: Path) -> float:
    """Copy the files into tables of the public schema by the server's own client; return the seconds."""
    with connect(url) as connection:
        connection.execute("SET search_path = public")
        for path in folder.glob("*.ddl"):
            connection.execute(path.read_text())
        name = connection.info.dbname
    copies = [f"\\copy public.{path.stem} FROM '{path}' (FORMAT csv)" for path in folder.glob("*.csv")]
    start = time.perf_counter()
    subprocess.run(
        [server.programs / "psql", "-q", "-h", server.folder, "-U", "postgres", "-d", name],
        input="\n".join(copies), text=True, check=True,
    )  # fmt: skip
    return time.perf_counter() - start
