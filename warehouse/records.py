"""The files of a folder of builds: their names, the record beside each build, the builds that are kept.

Input: a folder of builds. Output: names and paths, and the `PublishedBuild` of a kept build. A record
is what the pointer said when its build was published; while its name ends in `.partial`, the pointer
has not moved to that build yet.
"""

import re
from pathlib import Path

from warehouse.errors import NoBuildError, ShieldError
from warehouse.files import PARTIAL
from warehouse.pointer import PublishedBuild, find_pointer, read_pointer, read_record

BUILD_ID = re.compile(r"\d{8}T\d+Z")
"""What a refresh calls its build: the time it began, in UTC."""
REFUSED = ".refused"
"""Ending of a build that the guards refused: it is kept aside and never published."""


def name_build(build_id: str) -> str:
    """Return the file name of a build."""
    return f"warehouse-{build_id}.duckdb"


def name_record(build_id: str) -> str:
    """Return the file name of what the pointer said when a build was published."""
    return f"warehouse-{build_id}.json"


def name_id(path: Path) -> str:
    """Return the id of a kept or refused build."""
    return path.name.split(".")[0].removeprefix("warehouse-")


def list_builds(builds: Path) -> list[Path]:
    """Return the builds that were published and are kept, oldest first; ids begin with their time."""
    begun = {path.with_suffix("").stem for path in builds.glob(name_record("*") + PARTIAL)}
    current = find_pointer(builds)
    return sorted(
        path
        for path in builds.glob(name_build("*"))
        if path.stem not in begun or (current and path.name == current.file)
    )


def list_refused(builds: Path) -> list[Path]:
    """Return the builds that were refused and kept aside."""
    return list(builds.glob(name_build("*") + REFUSED))


def find_build(builds: Path, build_id: str) -> Path:
    """Return the file of a kept or refused build. Raises `ShieldError` listing those there are."""
    known = {name_id(path): path for path in [*list_builds(builds), *list_refused(builds)]}
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


def find_record(path: Path) -> PublishedBuild:
    """Return what was published of a kept build. Raises `NoBuildError` where that is not known."""
    current = find_pointer(path.parent)
    if current and current.file == path.name:  # its record may still be partial
        return current
    record = path.with_suffix(".json")
    if not record.exists():
        raise NoBuildError(f"{path.name} has no record: expected {record.name} beside it")
    return read_record(record)
