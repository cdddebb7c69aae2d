"""A fleet on real Dask workers: the same builds as of single refreshes, whatever dies."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fleet.union import FILE
from tests.load import find_port
from tests.raw import write_daily, write_simulated
from warehouse.files import is_locked, name_lock
from warehouse.history import verify_build
from warehouse.operation import FILE_VARIABLE
from warehouse.pointer import read_pointer
from warehouse.read import connect_builds
from warehouse.records import list_builds
from warehouse.schema import TABLES
from warehouse.settings import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.server]

OF_THE_RUN = {"refresh_run", "track_forecast"}
"""Tables that tell when and by which build: their rows differ between two runs."""


@contextmanager
def start(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command of the clone in a group of its own, which ends with the context."""
    settings = folder / "settings.toml"
    settings.touch()
    with subprocess.Popen(
        [sys.executable, "-m", *words], cwd=ROOT, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, FILE_VARIABLE: str(settings), "OPENBLAS_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def run_fleet(folder: Path, *words: str) -> tuple[int, str]:
    """Run a fleet of `fleet.toml` to its end; return its exit code and what it said."""
    places = ["--builds", str(folder / "builds"), "--union", str(folder / "union")]
    with start(folder, "fleet", str(folder / "fleet.toml"), *places, *words) as process:
        said, _ = process.communicate(timeout=900)
    return process.returncode, said


def write_cities(folder: Path, count: int) -> list[str]:
    """Write a fleet of cities of 40 to 100 days, and return their names."""
    names = [f"city{number:02}" for number in range(count)]
    for number, name in enumerate(names):
        write_daily(folder / f"{name}.csv", days=40 + 60 * number // count)
    text = "".join(f'[cities.{name}]\nraw = ["{name}.csv"]\nbacktest = false\n' for name in names)
    (folder / "fleet.toml").write_text(text)
    return names


def list_workers(pid: int) -> list[int]:
    """Return the processes of a fleet that do its work: children of any of its threads."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    children = [Path("/proc", child) for child in " ".join(lists).split()]
    return [int(child.name) for child in children if b"spawn_main" in read_command(child)]


def read_command(process: Path) -> bytes:
    """Return a process's command line, empty where it has ended."""
    try:
        return (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_contents_are_those_of_single_refreshes(tmp_path: Path) -> None:
    write_simulated(tmp_path / "few.csv", 60_000, places=8)
    write_daily(tmp_path / "daily.csv")
    write_daily(tmp_path / "short.csv", days=60)
    (tmp_path / "fleet.toml").write_text(
        '[cities.few]\nraw = ["few.csv"]\nfirst = 2023-01-01\n'
        '[cities.daily]\nraw = ["daily.csv"]\nhot_spots = true\n[cities.short]\nraw = ["short.csv"]\n'
    )
    code, said = run_fleet(tmp_path)
    assert code == 0, said
    options = {"few": ["--first", "2023-01-01"], "daily": ["--hot-spots"], "short": []}
    for name, words in options.items():
        alone, raw = tmp_path / "alone" / name, str(tmp_path / f"{name}.csv")
        single = ["refresh", "--source", "files", "--raw", raw, "--builds", str(alone), *words]
        with start(tmp_path, *single) as process:
            said, _ = process.communicate(timeout=900)
        assert process.returncode == 0, said
        folders = {"one": alone, "other": tmp_path / "builds" / name}
        files = {side: folder / read_pointer(folder).file for side, folder in folders.items()}
        with connect_builds(**files) as connection:
            for table in (table for table in TABLES if table.name not in OF_THE_RUN):
                for left, right in (("one", "other"), ("other", "one")):
                    more = f"FROM {left}.{table.name} EXCEPT ALL FROM {right}.{table.name} LIMIT 1"
                    assert connection.execute(more).fetchall() == [], (name, table.name)


def test_ten_workers_are_killed_and_every_city_is_published(tmp_path: Path) -> None:
    names = write_cities(tmp_path, 24)
    draws = random.Random(17)  # noqa: S311
    places = ["--builds", str(tmp_path / "builds"), "--union", str(tmp_path / "union"), "--workers", "2"]
    killed = 0
    with start(tmp_path, "fleet", str(tmp_path / "fleet.toml"), *places) as process:
        while process.poll() is None and killed < 10:
            time.sleep(draws.uniform(0.2, 2))
            at_work = [*(tmp_path / "builds").glob("*/refresh.json")]
            if at_work and (workers := list_workers(process.pid)):
                os.kill(draws.choice(workers), signal.SIGKILL)
                killed += 1
        said, _ = process.communicate(timeout=900)
    assert killed == 10, said
    assert process.returncode == 0, said
    for name in names:
        [*_, last] = list_builds(tmp_path / "builds" / name)
        assert verify_build(last) == read_pointer(tmp_path / "builds" / name)
        assert not list((tmp_path / "builds" / name).glob("*.partial*"))
    with duckdb.connect(str(tmp_path / "union" / FILE), read_only=True) as connection:
        found = connection.execute("SELECT city FROM city_summary ORDER BY city").fetchall()
        [[rows]] = connection.execute("SELECT count(DISTINCT city) FROM forecast_hourly").fetchall()
    assert [city for (city,) in found] == names
    assert rows == len(names)
    assert not list((tmp_path / "union").glob(".parts/*/*.partial"))
    code, said = run_fleet(tmp_path, "--resume")
    assert code == 0
    assert f"{len(names)} unchanged, 0 failed" in said


def test_workers_of_a_scheduler_share_the_folder(tmp_path: Path) -> None:
    names = write_cities(tmp_path, 6)
    with (tmp_path / "fleet.toml").open("a") as stream:
        stream.write('[cities.bad]\nraw = ["nowhere.csv"]\n')
    address = f"tcp://127.0.0.1:{find_port()}"
    scheduler = ["dask", "scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2]]
    worker = ["dask", "worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard"]
    with ExitStack() as stack:
        stack.enter_context(start(tmp_path, *scheduler, "--no-dashboard"))
        for number in range(2):
            local = ["--local-directory", str(tmp_path / f"worker{number}")]
            stack.enter_context(start(tmp_path, *worker, *local))
        code, said = run_fleet(tmp_path, "--scheduler", address)
        assert code == 1, said
        assert "6 published, 0 unchanged, 1 failed" in said
        with duckdb.connect(str(tmp_path / "union" / FILE), read_only=True) as connection:
            run = connection.execute("SELECT city, outcome, worker, reason FROM fleet_run").fetchall()
        assert {city for city, outcome, _, _ in run if outcome == "published"} == set(names)
        assert len({worker for _, outcome, worker, _ in run}) == 2
        assert "nowhere.csv" in next(reason for city, _, _, reason in run if city == "bad")
        wide = [*worker, "--local-directory", str(tmp_path / "wide")]
        wide[wide.index("--nthreads") + 1] = "3"
        with start(tmp_path, *wide):
            for _ in range(60):
                code, said = run_fleet(tmp_path, "--scheduler", address, "--resume")
                if code != 1 or "has 3 threads" in said:
                    break
        assert "error: worker tcp://127.0.0.1:" in said
        assert "has 3 threads" in said
    code, said = run_fleet(tmp_path, "--scheduler", address)
    assert code == 1
    assert f"error: no scheduler answers at {address}" in said


def test_interrupt_leaves_what_was_published(tmp_path: Path) -> None:
    write_cities(tmp_path, 3)
    code, said = run_fleet(tmp_path)
    assert code == 0, said
    before = {path: path.read_text() for path in (tmp_path / "builds").glob("*/current.json")}
    assert len(before) == 3
    places = ["--builds", str(tmp_path / "builds"), "--union", str(tmp_path / "union")]
    records = [*(tmp_path / "builds").glob("*/refresh.json")]
    began = {record: record.stat().st_mtime_ns for record in records}
    with start(tmp_path, "fleet", str(tmp_path / "fleet.toml"), *places, "--workers", "1") as process:
        while all(record.stat().st_mtime_ns == began[record] for record in records):
            time.sleep(0.05)
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "error: interrupted" in said
    assert "Traceback" not in said
    assert "leaked" not in said
    after = {path: path.read_text() for path in (tmp_path / "builds").glob("*/current.json")}
    assert len([path for path in before if before[path] == after[path]]) >= 2
    with duckdb.connect(str(tmp_path / "union" / FILE), read_only=True) as connection:
        ended = connection.execute("SELECT outcome, count(*) FROM fleet_run GROUP BY ALL").fetchall()
    assert ended == [("unfinished", 3)]
    code, said = run_fleet(tmp_path)
    assert code == 0, said


@pytest.mark.parametrize("is_begun", [is_locked, list_workers])
def test_interrupt_while_workers_start_is_told_in_a_line(
    tmp_path: Path, is_begun: Callable[[Any], object]
) -> None:
    write_cities(tmp_path, 2)
    lock = tmp_path / "builds" / name_lock("fleet")
    places = ["--builds", str(tmp_path / "builds"), "--union", str(tmp_path / "union")]
    with start(tmp_path, "fleet", str(tmp_path / "fleet.toml"), *places) as process:
        while not is_begun(lock if is_begun is is_locked else process.pid):
            time.sleep(0.01)
            assert process.poll() is None
        for worker in list_workers(process.pid):
            [blocked] = re.findall(r"SigBlk:\s(\w+)", Path(f"/proc/{worker}/status").read_text())
            assert int(blocked, 16) & 1 << signal.SIGINT - 1, (
                "a worker that has just begun prints its own"
            )
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    assert (process.returncode, said) == (130, "error: interrupted\n")
