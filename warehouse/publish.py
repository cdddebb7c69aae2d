"""From a finished file to the published build, or to one that is refused and kept aside.

Input: a folder of builds, its lock held, and a closed build file. Output:
`warehouse-<build_id>.duckdb` with its record, and the pointer moved to it. Readers follow the pointer;
nothing they can reach is ever half done.
"""

import stat
from pathlib import Path

from warehouse.errors import NoBuildError, OtherVersionError, ShieldError
from warehouse.files import PARTIAL, hash_file, sync
from warehouse.pointer import PublishedBuild, move_pointer, render_pointer
from warehouse.read import connect_build
from warehouse.records import REFUSED, name_build, name_record
from warehouse.sweep import sweep_leftovers
from warehouse.track import leave_forecast

TABLES_SELECT = "SELECT table_name FROM information_schema.tables"
"""What the file itself holds: a build of another version can be read back too."""


def publish_build(builds: Path, build_id: str, partial: Path) -> PublishedBuild:
    """Make the closed file `partial` the published build and return its pointer.

    Whatever fails before the pointer moves leaves the published build as it was; what is left to do
    after that, a sweep does. Raises `ShieldError` when the file did not close cleanly or cannot be read
    back, and `OSError` where the folder cannot be written.
    """
    if partial.with_name(partial.name + ".wal").exists():
        raise ShieldError(f"{partial.name} has a write-ahead log left: it did not close cleanly")
    published = describe_build(partial, file=name_build(build_id))
    with connect_build(partial) as connection:
        leave_forecast(connection, builds, published)
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
    """Keep the closed file `partial` aside for inspection; return where.

    Raises `OSError` where the folder cannot be written.
    """
    refused = builds / f"{name_build(build_id)}{REFUSED}"
    partial.rename(refused)
    return refused


def describe_build(path: Path, file: str) -> PublishedBuild:
    """Read a build file back in full and return what a pointer says of it.

    Raises `ShieldError` naming the file when any of it cannot be read, and `OtherVersionError` when its
    lineage is of another version. DuckDB checks a block only when it is read; so every column of every
    table is.
    """
    try:
        with connect_build(path) as connection:
            for (name,) in connection.execute(TABLES_SELECT).fetchall():
                connection.execute(f"SELECT bit_xor(hash({name})) FROM {name}").fetchall()
            [(build_id, created_at, cutoff, source_kind, is_synthetic, cleaning)] = connection.execute(
                "SELECT build_id, created_at, cutoff, source_kind, is_synthetic, cleaning"
                " FROM refresh_run"
            ).fetchall()
    except OtherVersionError:
        raise
    except NoBuildError as error:
        raise ShieldError(f"{path.name} cannot be read back: {error.__cause__ or error}") from error
    return PublishedBuild(
        build_id, file, hash_file(path), f"{created_at.isoformat(timespec='seconds')}Z",
        cutoff.isoformat(), source_kind, is_synthetic, cleaning,
    )  # fmt: skip
