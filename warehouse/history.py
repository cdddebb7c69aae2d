"""The builds that are kept: what they are, whether they are whole, going back to one of them.

Enters: a folder of builds. Leaves: facts for people, `ShieldError`s on damage, a moved pointer.
"""

from pathlib import Path

import duckdb

from warehouse.audit import audit_build
from warehouse.build import Build
from warehouse.errors import NoBuildError, ShieldError, name_build_file
from warehouse.publish import (
    REFUSED,
    PublishedBuild,
    describe_build,
    find_pointer,
    hash_file,
    hold_lock,
    list_builds,
    move_pointer,
    name_build,
    read_pointer,
    read_record,
    sweep_leftovers,
)


def find_record(path: Path) -> PublishedBuild:
    """Return what was published of a kept build. Raises `NoBuildError` where that is not known."""
    current = find_pointer(path.parent)
    if current and current.file == path.name:  # its record may still be partial
        return current
    record = path.with_suffix(".json")
    if not record.exists():
        raise NoBuildError(f"{path.name} has no record: expected {record.name} beside it")
    return read_record(record)


def check_hash(path: Path) -> PublishedBuild:
    """Return a kept build's record. Raises `ShieldError` unless the file is what was published."""
    published = find_record(path)
    found = hash_file(path)
    if found != published.sha256:
        raise ShieldError(f"{path.name} is damaged: SHA-256 is {found}, expected {published.sha256}")
    return published


def verify_build(path: Path) -> PublishedBuild:
    """Hold a kept build against its SHA-256, read it in full, audit it, and return its record.

    Raises `ShieldError` naming the file and the first thing that is wrong with it.
    """
    published = check_hash(path)
    describe_build(path, path.name)
    with name_build_file(path), duckdb.connect(str(path), read_only=True) as connection:
        audit_build(Build(published.build_id, path, connection))
    return published


def read_lineage(path: Path) -> dict[str, object]:
    """Return the one row of a build's `refresh_run`, by column.

    Raises `NoBuildError` for a file that cannot be read.
    """
    with name_build_file(path), duckdb.connect(str(path), read_only=True) as connection:
        run = connection.execute("SELECT * FROM refresh_run")
        names = [str(column[0]) for column in run.description]
        return dict(zip(names, run.fetchone() or (), strict=True))


def name_id(path: Path) -> str:
    """Return the id of a kept or refused build."""
    return path.name.split(".")[0].removeprefix("warehouse-")


def find_build(builds: Path, build_id: str) -> Path:
    """Return the file of a kept or refused build. Raises `ShieldError` listing those there are."""
    files = [*list_builds(builds), *builds.glob(name_build("*") + REFUSED)]
    known = {name_id(path): path for path in files}
    if build_id not in known:
        raise ShieldError(f"no build {build_id} in {builds}; there are: {', '.join(known) or 'none'}")
    return known[build_id]


def find_earlier(builds: Path) -> Path:
    """Return the file of the build before the current one. Raises `ShieldError` if there is none."""
    current = read_pointer(builds)
    earlier = [path for path in list_builds(builds) if path.name < current.file]
    if not earlier:
        raise ShieldError(f"{builds} holds no build before {current.build_id}")
    return earlier[-1]


def roll_back(builds: Path, build_id: str | None = None) -> PublishedBuild:
    """Publish a kept build again, by default the one before the current one, after verifying it.

    Raises `ShieldError` where there is no such build, it was refused, or it is not whole.
    """
    with hold_lock(builds):
        sweep_leftovers(builds)
        path = find_build(builds, build_id) if build_id else find_earlier(builds)
        if path.name.endswith(REFUSED):
            raise ShieldError(
                f"build {build_id} was refused: `make refresh FORCE=1` publishes such a one"
            )
        published = verify_build(path)
        move_pointer(builds, published)
        sweep_leftovers(builds)
    return published
