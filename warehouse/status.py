"""Whether all is well, in ten lines: what a person who looks in once a month must know.

Input: an operator's settings, a folder of builds. Output: findings, each a line; those with a `fault`
need a person. Nothing is written.
"""

import datetime as dt
import http.client
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse import settings
from warehouse.command import join_lines
from warehouse.errors import ShieldError
from warehouse.files import REFRESH, is_locked, name_lock
from warehouse.history import check_hash
from warehouse.machine import MB, needed_space
from warehouse.operation import Operation
from warehouse.pointer import (
    POINTER,
    PublishedBuild,
    describe_published,
    find_link_error,
    find_pointer,
    read_pointer,
)
from warehouse.read import connect_build
from warehouse.refresh_record import RefreshRun, read_refresh
from warehouse.systemd import REFRESH_SERVICE, SERVICE, TIMER, parse_time, show_unit

RUN_LOCK = settings.ROOT / ".run.lock"
"""Where `run.sh` keeps the process id of the service it has started; empty once it has stopped it, but
not where an upgrade has, which starts it again."""

UPGRADE_UNDO = settings.ROOT / ".upgrade" / "undo"
"""What `make upgrade` keeps until it has ended well or gone back; it holds a lock on the clone."""

ANSWER_SECONDS = 5
FOLLOW_SECONDS = 60
"""How long the service may take to answer, and to serve what was published."""

TRACK_SELECT = """
SELECT sum(poisson_deviance) / nullif(sum(reference_deviance), 0), count(DISTINCT target_month)
FROM mart_track_record SEMI JOIN (
    SELECT max(forecast_build_id) AS forecast_build_id FROM mart_track_record GROUP BY cutoff
) USING (forecast_build_id)
WHERE grain = 'neighborhood_month'
"""
BACKTEST_SELECT = """
SELECT avg(value), count(DISTINCT origin) FROM backtest_score
WHERE model = 'base_and_forest' AND metric = 'deviance_to_reference' AND subset = 'all'
"""
"""Deviance as a share of the baseline's: of what was published, one forecast for each cutoff, and of
past origins; and of how many months and origins."""


@dataclass(frozen=True)
class Finding:
    """One line of the state; `fault` says why a person is needed, None where nobody is."""

    label: str
    text: str
    fault: str | None = None


def list_findings(operation: Operation, builds: Path) -> Iterator[Finding]:
    """Yield what there is to say of the service, of a folder of builds and of the machine.

    What cannot be looked at is a fault of its own.
    """
    yield look("service", look_at_service, operation, builds)
    if UPGRADE_UNDO.exists():
        yield look("upgrade", look_at_upgrade)
    published: PublishedBuild | None = None
    try:
        published = read_pointer(builds)
    except (ShieldError, OSError) as error:
        yield Finding("published", str(error), str(error))
    else:
        link = find_link_error(builds, published)
        told = "; ".join(filter(None, (describe_published(published), link)))
        yield Finding("published", told, link and f"{link}: the next refresh mends it")
        yield look("cutoff", look_at_cutoff, published, operation.stale_after_days)
    yield look("refresh", look_at_refresh, operation, builds)
    yield look("next", look_at_timer)
    yield look("disk", look_at_disk, operation, builds)
    yield look("error", look_at_failure, builds)
    if published:
        yield look("forecast", look_at_scores, builds / published.file)
        yield look("file", look_at_file, builds / published.file)


def look(label: str, do_look: Callable[..., Finding], *what: object) -> Finding:
    """Return a finding, or that it could not be made."""
    try:
        return do_look(*what)
    except (ShieldError, OSError) as error:
        text = join_lines(str(error))
        return Finding(label, text, text)


def look_at_service(operation: Operation, builds: Path) -> Finding:
    """Say whether the service answers, from which build, and since when where that is known.

    It is the service of the settings: of another folder of builds it says nothing.
    """
    place = f"{operation.host} port {operation.port}"
    unit = show_unit(SERVICE)
    try:
        ready = ask_service(operation.host, operation.port)
    except (OSError, http.client.HTTPException, ValueError) as error:
        text = f"does not answer at {place}: {error or type(error).__name__}"
        is_expected = unit.get("UnitFileState") == "enabled" or bool(read_run_lock())
        fault = f"the service {text}" if is_expected else None
        text = text if is_expected else f"{text}; nobody has started it here"
    else:
        since = find_start(unit)
        what = f"build {ready['build_id']}" if ready["build_id"] else "many cities"
        text = f"answers at {place}, serves {what}{since and f', since {since}'}"
        fault = find_service_fault(ready, builds)
    return Finding("service", text, fault if builds == operation.builds else None)


def find_service_fault(ready: dict[str, Any], builds: Path) -> str | None:
    """Return what is wrong with a service that answers, None where nothing is.

    One of many cities names no build of its own.
    """
    if ready["status"] != "ok":
        return f"the service is {ready['status']}: {ready['reload_error']}"
    published = find_pointer(builds)
    if published is None or ready["build_id"] in {None, published.build_id}:
        return None
    is_late = time.time() - (builds / POINTER).stat().st_mtime > FOLLOW_SECONDS
    told = f"the service serves build {ready['build_id']}, published is {published.build_id}"
    return told if is_late else None


def ask_service(host: str, port: int) -> dict[str, Any]:
    """Return what the service says of itself.

    Raises `OSError` where nobody listens, and `ValueError` or `HTTPException` where it is not ATLShield.
    """
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz")
        ready = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    if not isinstance(ready, dict) or not {"status", "build_id", "reload_error"} <= ready.keys():
        raise ValueError("something else answers there")
    return ready


def look_at_upgrade() -> Finding:
    """Say whether the upgrade that is not finished is at work or was broken off."""
    if is_locked(settings.ROOT):
        return Finding("upgrade", "at work")
    text = "was broken off: make upgrade takes it back"
    return Finding("upgrade", text, f"an upgrade {text}")


def read_run_lock() -> str:
    """Return what `run.sh` wrote of the service that is expected, empty for none."""
    return RUN_LOCK.read_text().strip() if RUN_LOCK.exists() else ""


def find_start(unit: dict[str, str]) -> str:
    """Return since when the service runs, empty where that is not known."""
    if unit.get("ActiveState") == "active":
        return unit["ActiveEnterTimestamp"]
    if is_locked(RUN_LOCK) and read_run_lock():
        return f"{dt.datetime.fromtimestamp(RUN_LOCK.stat().st_mtime, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    return ""


def look_at_cutoff(published: PublishedBuild, stale_after_days: int) -> Finding:
    """Say how old the newest data is; simulated data are never too old.

    Raises `ShieldError` for a cutoff that is no day, and for one that is to come.
    """
    try:
        cutoff = dt.date.fromisoformat(published.cutoff)
    except ValueError as error:
        what = f"expected a day YYYY-MM-DD, found {published.cutoff!r}"
        raise ShieldError(f"{POINTER}: cutoff: {what}") from error
    age = (dt.datetime.now(dt.UTC).date() - cutoff).days
    if age < -1:  # a local day may be one ahead of UTC
        raise ShieldError(f"{POINTER}: cutoff: {cutoff} is to come")
    text = f"{published.cutoff}, {age} days ago"
    if published.is_synthetic:
        return Finding("cutoff", f"{text}: {settings.SIMULATED} do not age")
    if not stale_after_days or age <= stale_after_days:
        return Finding("cutoff", text)
    return Finding(
        "cutoff", text, f"the data end {age} days ago, beyond stale_after_days = {stale_after_days}"
    )


def look_at_refresh(operation: Operation, builds: Path) -> Finding:
    """Say how the last refresh went, and what hinders the next one or tells that none comes any more."""
    found = look_at_last_refresh(builds)
    hindered = [f"a refresh cannot write to {path}" for path in list_closed(builds)]
    hindered += filter(None, [find_delay(operation, builds)])
    if builds == operation.builds:
        hindered += filter(None, [find_unit_failure(builds)])
    text = "; ".join((found.text, *hindered))
    return Finding("refresh", text, "; ".join(filter(None, (found.fault, *hindered))) or None)


def list_closed(builds: Path) -> Iterator[Path]:
    """Yield what a refresh of this user cannot write to; of root, what is not the folder's owner's."""
    lock = builds / name_lock(REFRESH)
    for path in filter(Path.exists, (builds, lock)):
        is_foreign = path.stat().st_uid != builds.stat().st_uid
        if (is_foreign and os.geteuid() == 0) or not os.access(path, os.W_OK):
            yield path


def find_delay(operation: Operation, builds: Path) -> str | None:
    """Return that the last refresh is too old, None where it is not, or nobody can know.

    It can be known of the portal's data, which come every day, and where a timer starts refreshes.
    """
    record = read_refresh(builds)
    is_regular = operation.source == "portal" or show_unit(TIMER).get("ActiveState") == "active"
    if record is None or not is_regular or not operation.stale_after_days:
        return None
    days = (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(record.last.began_at)).days
    if days <= operation.stale_after_days:
        return None
    limit = f"stale_after_days = {operation.stale_after_days}"
    return f"the last refresh began {days} days ago, beyond {limit}"


def find_unit_failure(builds: Path) -> str | None:
    """Return how systemd's refresh failed, None where it did not or a later one went well.

    It may fail before it can record anything.
    """
    unit = show_unit(REFRESH_SERVICE)
    if unit.get("ActiveState") != "failed":
        return None
    record, since = read_refresh(builds), unit["StateChangeTimestamp"]
    is_good = record is not None and record.last.is_good
    if record and is_good and dt.datetime.fromisoformat(record.last.began_at) > parse_time(since):
        return None
    return f"{REFRESH_SERVICE} failed: {unit['Result']}, {since}"


def look_at_last_refresh(builds: Path) -> Finding:
    """Say how the last refresh went."""
    record = read_refresh(builds)
    if record is None:
        return Finding("refresh", "none is recorded")
    last = record.last
    if last.ended_at is not None:
        text = describe_run(last)
        return Finding("refresh", text, None if last.is_good else f"the last refresh: {text}")
    if is_locked(builds / name_lock(REFRESH)):
        return Finding("refresh", f"at work since {last.began_at}")
    text = f"began {last.began_at}, never ended: it was killed, or the machine went down"
    return Finding("refresh", text, f"the last refresh {text}")


def describe_run(run: RefreshRun) -> str:
    """Return one line on a refresh: when, how long, how it ended and why."""
    if run.ended_at is None:
        return f"{run.began_at}, never ended"
    began, ended = map(dt.datetime.fromisoformat, (run.began_at, run.ended_at))
    error = f": {run.error}" if run.error else ""
    return f"{run.began_at}, {(ended - began).total_seconds():.0f} s, {run.outcome}{error}"


def look_at_failure(builds: Path) -> Finding:
    """Say which refresh was the newest that was not good, however long ago."""
    record = read_refresh(builds)
    failure = record.newest_failure if record else None
    if record and failure == record.last:
        return Finding("error", "that of the last refresh")
    return Finding("error", describe_run(failure) if failure else "none is recorded")


def look_at_timer() -> Finding:
    """Say when systemd starts the next refresh."""
    timer = show_unit(TIMER)
    if not timer:
        return Finding("next", "no timer here")
    if timer["ActiveState"] != "active":
        return Finding("next", f"{TIMER} is {timer['ActiveState']}")
    return Finding("next", timer["NextElapseUSecRealtime"] or "systemd has not set it yet")


def look_at_disk(operation: Operation, builds: Path) -> Finding:
    """Say what is free, what builds and raw files take, and what a refresh needs."""
    place = next(path for path in (builds, *builds.resolve().parents) if path.is_dir())
    published = find_pointer(builds)
    last = (builds / published.file).stat().st_size if published else 0
    raw = operation.raw if operation.source == "files" else ()
    needed = needed_space(last, sum(path.stat().st_size for path in raw if path.is_file()))
    free = shutil.disk_usage(place).free
    text = (
        f"{free // MB:,} MB free; builds take {measure_folder(builds) // MB:,} MB, raw files "
        f"{measure_folder(operation.raw_folder) // MB:,} MB; a refresh needs {needed // MB:,} MB"
    )
    fault = f"the disk of {builds} has {free // MB:,} MB free, a refresh needs {needed // MB:,} MB"
    return Finding("disk", text, fault if free < needed else None)


def measure_folder(folder: Path) -> int:
    """Return the bytes of the files below a folder, links not followed; 0 where there is none."""
    found = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # a refresh at work has just moved it
                found += Path(place, name).lstat().st_size
    return found


def look_at_scores(path: Path) -> Finding:
    """Say how good the forecast is beside the baseline: as published, or else at past origins."""
    with connect_build(path) as connection:
        for select, what in (
            (TRACK_SELECT, "months since published"),
            (BACKTEST_SELECT, "past origins"),
        ):
            [(share, count)] = connection.execute(select).fetchall()
            if share is not None:
                return Finding("forecast", f"{share:.3f} of the baseline's deviance, {count} {what}; "
                               "below 1 is better")  # fmt: skip
    return Finding("forecast", "not scored: without a backtest, or of too few months")


def look_at_file(path: Path) -> Finding:
    """Say that the build's file is what was published. Raises `ShieldError` where it is not."""
    check_hash(path)
    return Finding("file", "whole: its SHA-256 is that of the day it was published")
