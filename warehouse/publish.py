"""From a finished file to the published build, and back to an earlier one.

Enters: a folder of builds. Leaves: `warehouse-<build_id>.duckdb` files, the pointer `current.json`
and the link `current.duckdb`. Readers follow the pointer; nothing they can reach is ever half done.
"""

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from warehouse import settings
from warehouse.errors import NoBuildError, ShieldError
from warehouse.schema import TABLES

POINTER = "current.json"
LINK = "current.duckdb"
LOCK = ".refresh.lock"
PARTIAL = ".partial"


@dataclass(frozen=True)
class PublishedBuild:
    """What the pointer says of the published build; times are UTC, `cutoff` is a local day."""

    build_id: str
    file: str
    sha256: str
    created_at: str
    cutoff: str
    source: str
    is_synthetic: bool


@contextmanager
def hold_lock(builds: Path) -> Iterator[None]:
    """Let one refresh at a time work in `builds`; the lock ends with the process that holds it."""
    try:
        builds.mkdir(parents=True, exist_ok=True)
        lock = (builds / LOCK).open("a+")
    except OSError as error:
        raise ShieldError(f"cannot write to the builds folder {builds}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise ShieldError(f"another refresh is at work in {builds} (process {owner})") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def name_build(build_id: str) -> str:
    """Return the file name of a build."""
    return f"warehouse-{build_id}.duckdb"


def sweep_leftovers(builds: Path) -> None:
    """Remove what refreshes that died left behind. Call with the lock held."""
    for leftover in builds.glob(f"*{PARTIAL}*"):
        if leftover.is_dir():
            for file in leftover.iterdir():
                file.unlink()
            leftover.rmdir()
        else:
            leftover.unlink()


def publish_build(builds: Path, build_id: str, partial: Path) -> PublishedBuild:
    """Make the closed file `partial` the published build and return its pointer.

    The pointer moves last: whatever fails before leaves the published build as it was.
    Raises `ShieldError` when the file did not close cleanly or cannot be read back.
    """
    if partial.with_name(partial.name + ".wal").exists():
        raise ShieldError(f"{partial.name} has a write-ahead log left: it did not close cleanly")
    published = describe_build(partial, file=name_build(build_id))
    partial.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    sync(partial)
    partial.rename(builds / published.file)
    point_to(builds, published)
    remove_old_builds(builds, published)
    return published


def describe_build(path: Path, file: str) -> PublishedBuild:
    """Read a build file back in full and return what a pointer says of it.

    DuckDB checks a block only when it is read; so every column of every table is.
    """
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            for table in TABLES:
                connection.execute(f"SELECT bit_xor(hash({table.name})) FROM {table.name}").fetchall()
            run = connection.execute(
                "SELECT build_id, created_at, cutoff, source, is_synthetic FROM refresh_run"
            ).fetchone()
    except duckdb.Error as error:
        raise ShieldError(f"{path.name} cannot be read back: {error}") from error
    if run is None:
        raise ShieldError(f"{path.name} has no lineage: its refresh_run is empty")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    build_id, created_at, cutoff, source, is_synthetic = run
    return PublishedBuild(
        build_id, file, digest, f"{created_at.isoformat(timespec='seconds')}Z",
        cutoff.isoformat(), source, is_synthetic,
    )  # fmt: skip


def point_to(builds: Path, published: PublishedBuild) -> None:
    """Move the pointer and the link to a build, each in one step."""
    sync(builds)  # the build's own name must be on disk before anything points at it
    pointer = builds / f"{POINTER}{PARTIAL}"
    pointer.write_text(json.dumps(asdict(published), indent=2) + "\n")
    sync(pointer)
    pointer.replace(builds / POINTER)
    link = builds / f"{LINK}{PARTIAL}"
    link.unlink(missing_ok=True)
    link.symlink_to(published.file)
    link.replace(builds / LINK)
    sync(builds)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_pointer(builds: Path) -> PublishedBuild:
    """Return what the pointer says. Raises `NoBuildError` where there is no usable one."""
    path = builds / POINTER
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        published = PublishedBuild(**facts)
    except FileNotFoundError as error:
        raise NoBuildError(f"no published build in {builds}: run `make refresh` first") from error
    except (json.JSONDecodeError, TypeError) as error:
        raise NoBuildError(f"{path} is not a pointer to a build: {error}") from error
    if not (builds / published.file).exists():
        raise NoBuildError(f"{path} points to {published.file}, which is not there")
    return published


def list_builds(builds: Path) -> list[Path]:
    """Return the finished build files, oldest first; build ids begin with their time."""
    return sorted(builds.glob(name_build("*")))


def remove_old_builds(builds: Path, published: PublishedBuild) -> None:
    """Keep the newest builds, and the published one whatever its age."""
    for path in list_builds(builds)[: -settings.KEPT_BUILDS]:
        if path.name != published.file:
            path.unlink()


def roll_back(builds: Path) -> PublishedBuild:
    """Publish the build before the current one again, after reading it back in full."""
    with hold_lock(builds):
        current = read_pointer(builds)
        earlier = [path for path in list_builds(builds) if path.name < current.file]
        if not earlier:
            raise ShieldError(f"{builds} holds no build before {current.build_id}")
        published = describe_build(earlier[-1], file=earlier[-1].name)
        point_to(builds, published)
    return published
