"""The builds that are kept: what they are, whether they are whole, going back to one of them.

Input: a folder of builds. Output: facts for people, `ShieldError`s on damage, a moved pointer.
"""

from pathlib import Path

from warehouse.audit import audit_build, check_tables
from warehouse.build import Build
from warehouse.errors import NoBuildError, OtherVersionError, SchemaError, ShieldError
from warehouse.files import REFRESH, hash_file, hold_lock
from warehouse.pointer import PublishedBuild, move_pointer
from warehouse.publish import describe_build
from warehouse.read import connect_build
from warehouse.records import REFUSED, find_build, find_earlier, find_record
from warehouse.sweep import sweep_leftovers


def check_hash(path: Path) -> PublishedBuild:
    """Return a kept build's record. Raises `ShieldError` unless the file is what was published."""
    published = find_record(path)
    found = hash_file(path)
    if found != published.sha256:
        raise ShieldError(f"{path.name} is damaged: SHA-256 is {found}, expected {published.sha256}")
    return published


def verify_build(path: Path) -> PublishedBuild:
    """Check a kept build against its SHA-256, read it in full, audit it, and return its record.

    Raises `OtherVersionError` for one that lacks a table, and `ShieldError` naming the file and the
    first thing that is wrong with it.
    """
    published = check_hash(path)
    describe_build(path, path.name)
    audit_file(path, published.build_id)
    return published


def audit_file(path: Path, build_id: str) -> None:
    """Audit a finished build.

    Raises `OtherVersionError` for one that lacks a table, and `ShieldError` with what else is wrong.
    """
    with connect_build(path) as connection:
        build = Build(build_id, path, connection)
        try:
            check_tables(build)
        except SchemaError as error:
            raise OtherVersionError(f"{path.name}: {error}") from error
        audit_build(build)


def read_lineage(path: Path) -> dict[str, object]:
    """Return the one row of a build's `refresh_run`, by column.

    Raises `NoBuildError` for a file that cannot be read, or has no such row.
    """
    with connect_build(path) as connection:
        run = connection.execute("SELECT * FROM refresh_run")
        names = [str(column[0]) for column in run.description]
        return dict(zip(names, run.fetchall()[0], strict=True))


def roll_back(builds: Path, build_id: str | None = None) -> PublishedBuild:
    """Publish a kept build again, by default the one before the current one, after verifying it.

    It holds the lock of a refresh. Raises `ShieldError` where there is no such folder or build, it was
    refused, or it is not whole, and `OSError` where the folder cannot be written.
    """
    if not builds.is_dir():  # the lock would make a folder of a mistyped name
        raise NoBuildError(f"{builds} is not a folder of builds")
    with hold_lock(builds, REFRESH):
        sweep_leftovers(builds)
        path = find_build(builds, build_id) if build_id else find_earlier(builds)
        if path.name.endswith(REFUSED):
            raise ShieldError(
                f"build {build_id} was refused: `make refresh FORCE=1` publishes such a one"
            )
        return republish(builds, path)


def republish(builds: Path, path: Path) -> PublishedBuild:
    """Move the pointer to a kept build after verifying it; call with the folder's lock held.

    Raises `ShieldError` where it is not whole, and `OSError` where the folder cannot be written.
    """
    published = verify_build(path)
    move_pointer(builds, published)
    sweep_leftovers(builds)
    return published
