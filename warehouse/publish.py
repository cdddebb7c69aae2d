"""From a finished file to the published build.

Enters: a folder of builds. Leaves: `warehouse-<build_id>.duckdb` files, each with its record
`warehouse-<build_id>.json`, the pointer `current.json` and the link `current.duckdb`. Readers follow
the pointer; nothing they can reach is ever half done. A record is what the pointer said when its build
was published; while its name ends in `.partial`, the pointer has not moved to that build yet.
"""

import datetime as dt
import fcntl
import hashlib
import json
import os
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import duckdb
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from warehouse import settings
from warehouse.errors import NoBuildError, ShieldError
from warehouse.schema import TABLES

POINTER = "current.json"
LINK = "current.duckdb"
LOCK = ".refresh.lock"
PARTIAL = ".partial"
REFUSED = ".refused"


@dataclass(frozen=True)
class PublishedBuild:
    """What the pointer says of the published build; times are UTC, `cutoff` is a local day."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    build_id: str
    file: Annotated[str, StringConstraints(pattern=r"^[^/]+\.duckdb$")]
    sha256: str
    created_at: str
    cutoff: str
    source: str
    is_synthetic: bool


POINTER_FACTS = TypeAdapter(PublishedBuild)


@contextmanager
def hold_lock(builds: Path) -> Iterator[None]:
    """Let one refresh at a time work in `builds`.

    The system takes the lock back when its holder dies, however it dies: the file may stay, and what
    it says of a dead holder is in nobody's way. Raises `ShieldError` naming the process, host and
    start of the refresh that is at work, or the folder that cannot be written.
    """
    with ExitStack() as stack:
        try:
            builds.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((builds / LOCK).open("a+"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}, started {format_now()}")
            lock.flush()
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read().strip() or "one that has just started"
            raise ShieldError(f"another refresh is at work in {builds} ({owner})") from error
        except OSError as error:
            raise ShieldError(f"cannot write to the builds folder {builds}: {error.strerror}") from error
        yield


def format_now() -> str:
    """Return the time in UTC to the second, as the pointer writes times."""
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def name_build(build_id: str) -> str:
    """Return the file name of a build."""
    return f"warehouse-{build_id}.duckdb"


def name_record(build_id: str) -> str:
    """Return the file name of what the pointer said when a build was published."""
    return f"warehouse-{build_id}.json"


def sweep_leftovers(builds: Path) -> None:
    """Finish or undo what a refresh that died had begun, and tidy up after one that did not.

    Call with the lock held; it may be called at any time and any number of times. A build whose record
    is still partial was published if the pointer names it and goes otherwise; the link follows the
    pointer; builds beyond `KEPT_BUILDS` go, never the published one.
    """
    current = find_pointer(builds)
    for partial in builds.glob(name_record("*") + PARTIAL):
        record = partial.with_suffix("")
        build = record.with_suffix(".duckdb")
        if current and build.name == current.file:
            partial.replace(record)
        else:
            build.unlink(missing_ok=True)
    for leftover in builds.glob(f"*{PARTIAL}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()
    if current:
        remove_old_builds(builds, current)
        move_link(builds, current)
    for record in builds.glob(name_record("*")):
        if not record.with_suffix(".duckdb").exists():
            record.unlink()


def publish_build(builds: Path, build_id: str, partial: Path) -> PublishedBuild:
    """Make the closed file `partial` the published build and return its pointer.

    Whatever fails before the pointer moves leaves the published build as it was; what is left to do
    after that, a sweep does. Raises `ShieldError` when the file did not close cleanly or cannot be read
    back, and `OSError` where the folder cannot be written.
    """
    if partial.with_name(partial.name + ".wal").exists():
        raise ShieldError(f"{partial.name} has a write-ahead log left: it did not close cleanly")
    published = describe_build(partial, file=name_build(build_id))
    partial.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    sync(partial)
    record = builds / f"{name_record(build_id)}{PARTIAL}"
    record.write_text(render_pointer(published))
    sync(record)
    sync(builds)  # the record must be on disk first: it says that the build is not published yet
    partial.rename(builds / published.file)
    move_pointer(builds, published)
    sweep_leftovers(builds)
    return published


def refuse_build(builds: Path, build_id: str, partial: Path) -> Path:
    """Keep the closed file `partial` aside for inspection, in place of an earlier refused build."""
    refused = builds / f"{name_build(build_id)}{REFUSED}"
    partial.rename(refused)
    for path in builds.glob(name_build("*") + REFUSED):
        if path != refused:
            path.unlink()
    return refused


def describe_build(path: Path, file: str) -> PublishedBuild:
    """Read a build file back in full and return what a pointer says of it.

    Raises `ShieldError` naming the file when any of it cannot be read.

    DuckDB checks a block only when it is read; so every column of every table is.
    """
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            for table in TABLES:
                connection.execute(f"SELECT bit_xor(hash({table.name})) FROM {table.name}").fetchall()
            run = connection.execute(
                "SELECT build_id, created_at, cutoff, source_kind, is_synthetic FROM refresh_run"
            ).fetchone()
    except duckdb.Error as error:
        raise ShieldError(f"{path.name} cannot be read back: {error}") from error
    if run is None:
        raise ShieldError(f"{path.name} has no lineage: its refresh_run is empty")
    build_id, created_at, cutoff, source, is_synthetic = run
    return PublishedBuild(
        build_id, file, hash_file(path), f"{created_at.isoformat(timespec='seconds')}Z",
        cutoff.isoformat(), source, is_synthetic,
    )  # fmt: skip


def render_pointer(published: PublishedBuild) -> str:
    """Return the text of a pointer or a record."""
    return json.dumps(asdict(published), indent=2) + "\n"


def move_pointer(builds: Path, published: PublishedBuild) -> None:
    """Move the pointer to a build in one step, so that a power cut shows the old one or the new one."""
    sync(builds)  # the build's own name must be on disk before anything points at it
    pointer = builds / f"{POINTER}{PARTIAL}"
    pointer.write_text(render_pointer(published))
    sync(pointer)  # its content, before its name
    pointer.replace(builds / POINTER)
    sync(builds)


def move_link(builds: Path, published: PublishedBuild) -> None:
    """Make the link lead to the published build, in one step, where it does not."""
    link = builds / LINK
    if link.is_symlink() and link.readlink() == Path(published.file):
        return
    partial = builds / f"{LINK}{PARTIAL}"
    partial.symlink_to(published.file)
    partial.replace(link)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_pointer(builds: Path) -> PublishedBuild:
    """Return what the pointer says. Raises `NoBuildError` where there is no usable one."""
    path = builds / POINTER
    if builds.exists() and not builds.is_dir():
        raise NoBuildError(f"{builds} is not a folder of builds")
    if not path.exists() and not path.is_symlink():
        raise NoBuildError(f"no published build in {builds}: run `make refresh` first")
    published = read_record(path)
    if not (builds / published.file).exists():
        raise NoBuildError(f"{path} points to {published.file}, which is not there")
    return published


def find_pointer(builds: Path) -> PublishedBuild | None:
    """Return what the pointer says, None where there is no usable one."""
    try:
        return read_pointer(builds)
    except NoBuildError:
        return None


def read_record(path: Path) -> PublishedBuild:
    """Return what a pointer or a record says.

    Raises `NoBuildError` naming the file and its first field that is wrong, and `OSError` for a file
    that is there and cannot be read: nobody may take that for no build.
    """
    try:
        return POINTER_FACTS.validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NoBuildError(f"{path} is not there") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise NoBuildError(
            f"{path} is not a pointer to a build: {field}{': ' if field else ''}{first['msg']}, "
            f"found {first['input']!r:.60}"
        ) from error


def list_builds(builds: Path) -> list[Path]:
    """Return the builds that were published and are kept, oldest first; ids begin with their time."""
    begun = {path.with_suffix("").stem for path in builds.glob(name_record("*") + PARTIAL)}
    current = find_pointer(builds)
    return sorted(
        path
        for path in builds.glob(name_build("*"))
        if path.stem not in begun or (current and path.name == current.file)
    )


def remove_old_builds(builds: Path, published: PublishedBuild) -> None:
    """Keep the newest builds, and the published one whatever its age."""
    for path in list_builds(builds)[: -settings.KEPT_BUILDS]:
        if path.name != published.file:
            path.unlink()
