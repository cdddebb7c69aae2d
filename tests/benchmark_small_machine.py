"""A refresh, and lookups while it runs, within the hard limits of a small machine: one core, 1.5 GiB.

Input: a raw file. Output: figures on standard output. Needs Linux, root, two cores
(the client is on the second) and control groups of version 1, as containers often have them; machines
with version 2 have systemd, whose units say the same limits.
"""

import http.client
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.benchmark_service import list_places
from tests.load import find_port
from warehouse.settings import ROOT

GROUPS = Path("/sys/fs/cgroup")
MIB = 1024**2
MACHINE_MIB = 1536
UNITS = {"service": "atlshield.service", "refresh": "atlshield-refresh.service"}
PAUSE_SECONDS = 0.01
"""Between two lookups: some 80 a second, more than a wall of dashboards asks."""
ALONE_SECONDS = 30


@dataclass(frozen=True)
class Group:
    """A group of processes with limits, below that of the whole machine."""

    name: str

    def place(self, controller: str) -> Path:
        """Return its folder of one controller."""
        return GROUPS / controller / "atlshield-bench" / self.name

    def enter(self, nice: int = 0) -> Callable[[], None]:
        """Return what a child process calls to be in it, on the first core."""

        def call() -> None:
            os.sched_setaffinity(0, {0})
            os.nice(nice)
            for controller in ("memory", "cpu"):
                (self.place(controller) / "cgroup.procs").write_text(str(os.getpid()))

        return call

    def read_peak(self) -> float:
        """Return the most MiB that its processes had, the cache of their files included."""
        return int((self.place("memory") / "memory.max_usage_in_bytes").read_text()) / MIB


def read_limit(unit: str, key: str) -> int:
    """Return a number of a unit of `deploy/`."""
    found = re.search(rf"^{key}=(\d+)", (ROOT / "deploy" / unit).read_text(), re.MULTILINE)
    assert found, f"{unit} has no {key}"
    return int(found[1])


@contextmanager
def limit_machine() -> Iterator[dict[str, Group]]:
    """Make the groups of the units within that of the machine, and take them away again."""
    groups = {name: Group(name) for name in UNITS}
    try:
        for controller in ("memory", "cpu"):
            Group("").place(controller).mkdir(exist_ok=True)
        (Group("").place("memory") / "memory.limit_in_bytes").write_text(str(MACHINE_MIB * MIB))
        for name, group in groups.items():
            for controller in ("memory", "cpu"):
                group.place(controller).mkdir(exist_ok=True)
            limit = read_limit(UNITS[name], "MemoryMax") * MIB
            (group.place("memory") / "memory.limit_in_bytes").write_text(str(limit))
            shares = 1024 * read_limit(UNITS[name], "CPUWeight") // 100
            (group.place("cpu") / "cpu.shares").write_text(str(shares))
        yield groups
    finally:
        for controller in ("memory", "cpu"):
            for name in (*UNITS, ""):
                if Group(name).place(controller).exists():
                    Group(name).place(controller).rmdir()


def ask(port: int, places: list[str], goes_on: Callable[[], bool]) -> list[float]:
    """Ask one lookup after another for as long as it goes on; return the seconds of each.

    Raises `SystemExit` for an answer that is no 200.
    """
    draw, seconds = random.Random(1), []  # noqa: S311
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while goes_on():
        time.sleep(PAUSE_SECONDS)
        place, month = quote(draw.choice(places)), draw.randint(1, 12)
        start = time.perf_counter()
        connection.request("GET", f"/predict_hourly_crime?neighborhood={place}&month={month}")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"the service answered {answer.status}: {body[:300]!r}")
        seconds.append(time.perf_counter() - start)
    return seconds


def find_p99(seconds: list[float]) -> float:
    """Return the milliseconds within which 99 in 100 were answered."""
    return 1000 * sorted(seconds)[int(0.99 * len(seconds))]


def start_refresh(group: Group, builds: Path, raw: Path) -> "subprocess.Popen[str]":
    """Start a refresh as its unit does."""
    command = ["-m", "refresh", "--source", "files", "--raw", str(raw), "--builds", str(builds)]
    nice = read_limit(UNITS["refresh"], "Nice")
    return subprocess.Popen(
        [str(shutil.which("ionice")), "-c", "idle", sys.executable, *command],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=group.enter(nice),
    )  # fmt: skip


def finish(process: "subprocess.Popen[str]", start: float) -> float:
    """Wait for a refresh; return its seconds. Raises `SystemExit` where it failed."""
    output = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"the refresh ended with {process.returncode}: {output[-1000:]}")
    return time.perf_counter() - start


def bench_small_machine(raw: Path, builds: Path) -> None:
    """Print a refresh alone into a new folder of builds, lookups alone, then both at once."""
    if os.geteuid() or not (GROUPS / "memory").exists():
        print("a small machine: left out, as it needs root and control groups of version 1")
        return
    os.sched_setaffinity(0, {1})
    with limit_machine() as groups:
        start = time.perf_counter()
        seconds = finish(start_refresh(groups["refresh"], builds, raw), start)
        print(f"a small machine of one core and {MACHINE_MIB:,} MiB: first refresh {seconds:.0f} s")
        port = find_port()
        command = ["-m", "serve", "--builds", str(builds), "--port", str(port)]
        service = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, preexec_fn=groups["service"].enter(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(port)
            places = list_places(builds)
            end = time.perf_counter() + ALONE_SECONDS
            alone = ask(port, places, lambda: time.perf_counter() < end)
            start = time.perf_counter()
            process = start_refresh(groups["refresh"], builds, raw)
            beside = ask(port, places, lambda: process.poll() is None)
            seconds = finish(process, start)
        finally:
            service.terminate()
            service.wait()
        print(f"  next refresh, beside lookups, {seconds:.0f} s")
        print(f"  99 in 100 lookups within {find_p99(alone):.1f} ms alone ({len(alone):,} asked),")
        print(f"    within {find_p99(beside):.1f} ms beside a refresh ({len(beside):,} asked)")
        print(f"    ratio {find_p99(beside) / find_p99(alone):.2f} (aim: at most 5)")
        for group, unit in UNITS.items():
            print(f"  {unit}: at most {groups[group].read_peak():,.0f} MiB, files' cache included")


def wait_for(port: int) -> None:
    """Wait until the service answers."""
    last: object = "it is not ready"
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError as error:
            last = error
        time.sleep(0.1)
    raise SystemExit(f"the service did not come up: {last}")
