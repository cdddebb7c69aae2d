"""Refreshes killed: `python -m tests.kill 200`, in a folder that is thrown away.

Input: how many real refreshes to kill at random, and how many quick ones (none by default). Output: one
line of figures; the exit code is 1 if a published build was damaged or lost, or anything was left over.

Every refresh is a process of its own, forked from this one so that its time goes into its work and not
into imports. A quick one copies its tables from a finished build, so that it is mostly the way from
filled tables to the pointer. Moments are uniform over the time of an undisturbed refresh; beyond that,
one quick refresh dies before each call that changes the folder.
"""

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import refresh
from tests.raw import write_daily
from warehouse import settings
from warehouse.build import Build
from warehouse.errors import ShieldError
from warehouse.files import PARTIAL, REFRESH, hold_lock, name_lock
from warehouse.guards import Comparison
from warehouse.history import check_hash, verify_build
from warehouse.pointer import LINK, POINTER, read_pointer
from warehouse.read import attach_build
from warehouse.records import list_builds
from warehouse.refresh_record import RECORD
from warehouse.schema import TABLES
from warehouse.track import TRACK, WHOLE, list_left

CALLS = ("fsync", "rename", "replace", "unlink", "symlink", "chmod")
"""The functions of `os` by which a refresh changes its folder."""


@dataclass
class Tally:
    """What the kills did: `moved` counts those after the pointer, the lists say what was found wrong."""

    kills: int = 0
    moved: int = 0
    bad: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)


@contextlib.contextmanager
def disturb_call(number: int, disturb: Callable[[], None]) -> Iterator[None]:
    """Call `disturb` before the call of that number, from 0, among `CALLS`."""
    left = iter(range(number, -1, -1))

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def disturbed(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            if next(left, None) == 0:
                disturb()
            return call(*arguments, **options)

        return disturbed

    with contextlib.ExitStack() as stack:
        for name in CALLS:
            stack.enter_context(mock.patch.object(os, name, wrap(getattr(os, name))))
        yield


def copy_tables(good: Path) -> Callable[..., Comparison]:
    """Return what stands in for the stages of a quick refresh: the tables of a finished build."""

    def write_tables(build: Build, *_: object) -> Comparison:
        with attach_build(build.connection, good, "good"):
            for table in TABLES:
                if not table.is_view:
                    build.connection.execute(f"INSERT INTO {table.name} FROM good.{table.name}")
        build.connection.execute(f"UPDATE refresh_run SET build_id = '{build.build_id}'")
        return Comparison(None, (), ())

    return write_tables


def list_damage(builds: Path) -> list[str]:
    """Return what is wrong with the pointer, the link or a kept build.

    A hash that agrees is enough: it was taken when the file had been read back in full.
    """
    try:
        read_pointer(builds)
        for path in list_builds(builds):
            check_hash(path)
    except ShieldError as error:
        return [str(error)]
    return [] if (builds / LINK).exists() else ["the link leads nowhere"]


def lacks_forecast(builds: Path) -> bool:
    """Return whether the forecast of the published build is not on disk, by whatever name."""
    current = read_pointer(builds).build_id
    drafts = [(builds / TRACK / f"{current}.{end}") for end in ("parquet", "json")]
    return not all(path.exists() or Path(f"{path}{PARTIAL}").exists() for path in drafts)


def list_track_faults(builds: Path, published: set[str]) -> list[str]:
    """Return what differs between the forecasts that lie there and those of the published builds."""
    found = {path.name for path in (builds / TRACK).iterdir()}
    wanted = {f"{build_id}.{end}" for build_id in published for end in ("parquet", "json")}
    broken = [left.path.name for left in list_left(builds) if left.state != WHOLE]
    return [*sorted(found ^ wanted), *broken]


def list_left_over(builds: Path) -> list[str]:
    """Return the names in a folder that belong to no kept build."""
    kept = list_builds(builds)
    known = {name_lock(REFRESH), POINTER, LINK, TRACK, RECORD}
    known |= {path.name for path in kept} | {path.with_suffix(".json").name for path in kept}
    return sorted({path.name for path in builds.iterdir()} - known)


def start(work: Callable[[], int]) -> int:
    """Run `work` in a process forked from this one, without its output; return the process id."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            code = work()
    finally:
        os._exit(code)


def finish(work: Callable[[], int]) -> int:
    """Run `work` in a process of its own to its end; return its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(start(work), 0)[1])


class Killer:
    """Kills refreshes that publish into `folder / "builds"` and looks at what they leave."""

    def __init__(self, folder: Path) -> None:
        """Publish a small build, whose tables the quick refreshes copy."""
        self.builds = folder / "builds"
        self.tally = Tally()
        raw = str(write_daily(folder / "daily.csv", days=60))
        self.publish(lambda: refresh.main(["--source", "files", "--raw", raw, *self.options]))
        self.good = folder / "good.duckdb"
        self.good.hardlink_to(self.builds / read_pointer(self.builds).file)
        self.published = {read_pointer(self.builds).build_id}

    @property
    def options(self) -> list[str]:
        """What every refresh is told."""
        return ["--no-backtest", "--builds", str(self.builds)]

    def run_real(self) -> int:
        """Run the whole refresh on a sample."""
        return refresh.main(["--sample-incidents", "300", *self.options])

    def run_quick(self) -> int:
        """Run the refresh with copied tables."""
        with mock.patch.object(refresh, "write_tables", copy_tables(self.good)):
            return self.run_real()

    def publish(self, work: Callable[[], int]) -> None:
        """Run a refresh undisturbed. Raises `SystemExit` if it fails."""
        if code := finish(work):
            raise SystemExit(f"an undisturbed refresh failed with status {code}")

    def sweep(self) -> int:
        """Do what a refresh does first."""
        with hold_lock(self.builds, REFRESH):
            refresh.tidy(refresh.Request("simulated", self.builds))
        return 0

    def kill_at_random(self, work: Callable[[], int], kills: int) -> None:
        """Kill `work` that often, at moments that are uniform over its time."""
        begin = time.monotonic()
        self.publish(work)
        self.published.add(read_pointer(self.builds).build_id)
        longest = time.monotonic() - begin
        for delay in np.random.default_rng(settings.SEED).uniform(0, longest, kills):
            with self.watch_folder(self.run_quick):
                child = start(work)
                time.sleep(delay)
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def kill_at_every_call(self) -> None:
        """Kill a quick refresh before each of its calls that change the folder."""

        def run_to(number: int) -> int:
            with disturb_call(number, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                return self.run_quick()

        code, number = -signal.SIGKILL, 0
        while code == -signal.SIGKILL:
            with self.watch_folder(self.sweep):
                code = finish(lambda number=number: run_to(number))  # type: ignore[misc]
            number += 1
        self.tally.kills -= 1  # the last one had no such call left, and published
        self.tally.moved -= 1

    @contextlib.contextmanager
    def watch_folder(self, tidy: Callable[[], int]) -> Iterator[None]:
        """Look at the folder after a kill, let the next refresh `tidy` it, look for leftovers."""
        before, kept = read_pointer(self.builds), {path.name for path in list_builds(self.builds)}
        yield
        self.tally.kills += 1
        self.tally.bad += list_damage(self.builds)
        if lacks_forecast(self.builds):
            self.tally.lost.append("the forecast of the published build")
        self.published.add(read_pointer(self.builds).build_id)
        now, still = read_pointer(self.builds), {path.name for path in list_builds(self.builds)}
        self.tally.moved += now != before
        gone = kept - still
        is_old = len(still) >= settings.KEPT_BUILDS and max(gone, default="") < min(still)
        if now.build_id < before.build_id or (gone and not is_old):
            self.tally.lost += sorted(gone) or [before.file]
        self.publish(tidy)
        self.published.add(read_pointer(self.builds).build_id)
        self.tally.bad += list_track_faults(self.builds, self.published)
        self.tally.left_over += list_left_over(self.builds)


def main() -> int:
    """Kill as many refreshes as the command line says; print what was found."""
    real, quick = (int(argument) for argument in [*sys.argv[1:], "0"][:2])
    with tempfile.TemporaryDirectory() as folder:
        killer = Killer(Path(folder))
        killer.kill_at_random(killer.run_real, real)
        killer.kill_at_random(killer.run_quick, quick)
        killer.kill_at_every_call()
        for path in list_builds(killer.builds):
            verify_build(path)
    tally = killer.tally
    print(
        f"{tally.kills} kills, {tally.moved} of them after the pointer had moved: "
        f"{len(tally.bad)} bad published builds, {len(tally.lost)} lost published builds, "
        f"{len(tally.left_over)} leftovers after the next refresh"
    )
    findings = [*tally.bad, *tally.lost, *tally.left_over]
    print("\n".join(findings), end="")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
