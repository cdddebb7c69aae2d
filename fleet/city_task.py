"""One city's refresh on a worker of the cluster, and its part of the union.

Input: a task. Output: what came of it. Whatever fails in one city is told in its outcome and in
`refresh.log` in its folder of builds; its published build and its part of the union stay.
"""

import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from distributed import get_worker

from fleet.inputs import hash_code, hash_inputs, is_unchanged, record_inputs
from fleet.union import write_part
from refresh import Request, refresh
from warehouse.command import MACHINE_ERRORS, join_lines
from warehouse.errors import ShieldError
from warehouse.guards import GuardError
from warehouse.machine import available_memory, take_share
from warehouse.pointer import PublishedBuild, find_pointer
from warehouse.read import connect_published
from warehouse.tables_fleet import FAILED, PUBLISHED, UNCHANGED

LOG = "refresh.log"


@dataclass(frozen=True)
class CityTask:
    """A city and its refresh; `code` is the digest of the code that the worker must have."""

    name: str
    request: Request
    union: Path
    code: str
    does_resume: bool


@dataclass(frozen=True)
class CityOutcome:
    """What came of a task: a row of `fleet_run`."""

    city: str
    outcome: str
    reason: str | None
    seconds: float
    worker: str | None


def run_on_worker(task: CityTask) -> CityOutcome:
    """Run a task in a process of its own, within the cores and the memory of its worker."""
    worker = get_worker()
    limit = worker.memory_manager.memory_limit
    take_share(worker.state.nthreads, limit or available_memory())
    return run_city(task, worker.address)


def run_city(task: CityTask, worker: str) -> CityOutcome:
    """Refresh a city unless it is unchanged, and bring its part of the union to its published build.

    That is the one of before where the refresh failed.
    """
    began, reason = time.monotonic(), None
    log = task.request.builds / LOG
    try:
        task.request.builds.mkdir(parents=True, exist_ok=True)
        with log.open("w", buffering=1) as stream, redirect_stdout(stream), redirect_stderr(stream):
            try:
                outcome, reason = refresh_if_changed(task)
            except GuardError as error:
                outcome, reason = FAILED, f"{error}; in a fleet, that is make refresh of this city alone"
            except (ShieldError, *MACHINE_ERRORS) as error:
                outcome, reason = FAILED, join_lines(str(error))
            except Exception as error:  # a mistake of this program in one city leaves the others
                outcome, reason = FAILED, f"{type(error).__name__}, a mistake of this program: see {log}"
                traceback.print_exc()
            try:
                if outcome != FAILED or find_pointer(task.request.builds):
                    write_part(task.request.builds, task.union, task.name)
            except (ShieldError, *MACHINE_ERRORS) as error:
                outcome, reason = FAILED, "; ".join(filter(None, (reason, join_lines(str(error)))))
            if reason:
                print("error:" if outcome == FAILED else "warning:", reason)
    except OSError as error:
        outcome, reason = FAILED, str(error)
    return CityOutcome(task.name, outcome, reason, time.monotonic() - began, worker)


def refresh_if_changed(task: CityTask) -> tuple[str, str | None]:
    """Return what was done, and what there is to say of it.

    Raises what a refresh does, and `ShieldError` where the code is another.
    """
    request = task.request
    if hash_code() != task.code:
        raise ShieldError(
            "this worker has other code than the fleet: bring its clone to the same version"
        )
    inputs = hash_inputs(request, task.code)
    if task.does_resume and is_unchanged(request.builds, inputs):
        return UNCHANGED, None
    before = find_pointer(request.builds)
    record_inputs(request.builds, refresh(request).build_id, inputs)
    return PUBLISHED, tell_replaced(request.builds, before) if before else None


def tell_replaced(builds: Path, before: PublishedBuild) -> str | None:
    """Return a warning where the published build was compared with none of those before it.

    So it is where another city's files are given by mistake. Raises `NoBuildError`.
    """
    statement = "SELECT compared_build_id IS NOT NULL, warnings FROM refresh_run"
    with connect_published(builds) as (_, connection):
        [(is_compared, warnings)] = connection.execute(statement).fetchall()
    if is_compared:
        return None
    return f"it took the place of build {before.build_id} and was compared with nothing: {warnings}"
