"""Everything that a machine would lose, in one folder, and back from it on another.

Input: an operator's settings and a folder. Output: `builds/` (with the forecasts of every published
build), `raw/`, `plans/`, `files/` (what the setting `raw` names), `atlshield.toml` where there is one,
and `backup.json` with the SHA-256 of each file, complete or not at all.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from warehouse.errors import ShieldError
from warehouse.export import make_workspace
from warehouse.files import (
    EXPORT,
    FETCH,
    PARTIAL,
    REFRESH,
    hash_file,
    hold_lock,
    name_lock,
    replace_file,
    sync,
)
from warehouse.history import check_hash
from warehouse.operation import Operation, find_file
from warehouse.pointer import LINK, POINTER, PublishedBuild, move_link, read_pointer
from warehouse.records import list_builds

FACTS = "backup.json"
SETTINGS = "atlshield.toml"
RAW, FILES, BUILDS, PLANS = "raw", "files", "builds", "plans"

UNFINISHED = re.compile(
    rf"\.({REFRESH}|{FETCH}|{EXPORT})\.lock|\.fetch|\.spill|\..+\.export-[a-z0-9_]{{8}}"
    rf"|\.boundaries\.geojson|(\..+|.+\.(json|parquet|duckdb)){PARTIAL}"
    rf"|warehouse-.+\.duckdb{PARTIAL}\..+|simulated_\d+\.csv\.\d+{PARTIAL}\.csv"
)
"""Names of what the program itself leaves at work or half done, files and folders, each by its form: a
file of an operator's with such a word in its name, or a dot before it, is a file like any other."""


def back_up(operation: Operation, to: Path, environment: Mapping[str, str] = os.environ) -> int:
    """Copy builds, raw files, plans and settings into a new folder; return how many files.

    Raises `ShieldError` where the folder is there or lies in one that is copied, a refresh or a fetch
    is at work, nothing is published, or a build is damaged; `OSError` where the place cannot be written
    to or is full. Then nothing is left of it.
    """
    if to.exists():
        raise ShieldError(f"{to} is there already: a backup is a folder of its own")
    for folder in (operation.builds, operation.raw_folder, operation.plans):
        if to.resolve().is_relative_to(folder.resolve()):
            raise ShieldError(f"{to} lies in {folder}: a backup of itself would grow for ever")
    read_pointer(operation.builds)
    with make_workspace(to) as work, hold_locks(operation):
        for path in list_builds(operation.builds):
            check_hash(path)
        hashes = {}
        for name, path in list_sources(operation, environment):
            copy = work / "new" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
            sync(copy)
            hashes[name] = hash_file(copy)
        (work / "new" / FACTS).write_text(json.dumps(hashes, indent=2) + "\n")
        (work / "new").rename(to)
        sync(to.parent)
    return len(hashes)


def restore(operation: Operation, source: Path) -> PublishedBuild:
    """Copy a backup's folders to where the settings want them; return what is published.

    They belong to the owner of the folder that they come into. What is there already as it is in the
    backup stays, so that a restore that was broken off is run again. Raises `ShieldError` before
    anything is written for a folder that is no backup, a file that is missing or damaged, a place that
    is no folder, and for any other file that is there already, hidden ones aside. Settings and the
    files of `raw` are the operator's to copy: they may hold, and have, another machine's paths.
    """
    hashes = check_backup(source)
    places = dict(list_folders(operation))
    wanted = {
        places[room] / rest: name
        for name in sorted(hashes, key=lambda name: name.endswith(f"/{POINTER}"))  # published at last
        for room, _, rest in [name.partition("/")]
        if room in places
    }
    for folder in places.values():
        if not next(path for path in (folder, *folder.absolute().parents) if path.exists()).is_dir():
            raise ShieldError(f"{folder} is, or lies in, a file: a backup is restored into a folder")
    there = {path for folder in places.values() for path in list_finished(folder)}
    for path in sorted(there):
        if path not in wanted and path.name.startswith("."):
            continue  # as .gitkeep: it is in nobody's way
        if path not in wanted or hash_file(path) != hashes[wanted[path]]:
            raise ShieldError(f"{path} is there: a backup is restored where nothing else is")
    for path, name in wanted.items():
        if path not in there:
            copy_for_owner(source / name, path)
    published = read_pointer(operation.builds)
    move_link(operation.builds, published)
    return published


def copy_for_owner(source: Path, path: Path) -> None:
    """Copy a file in one step; it belongs to whom its folder belongs. Raises `OSError`."""
    missing = [folder for folder in path.parents if not folder.exists()]
    owner = path.parents[len(missing)].stat()
    draft = path.with_name(f".{path.name}{PARTIAL}")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, draft)
    if os.geteuid() == 0:
        for made in (*missing, draft):
            os.chown(made, owner.st_uid, owner.st_gid)
    replace_file(draft, path)


@contextmanager
def hold_locks(operation: Operation) -> Iterator[None]:
    """Let no refresh and no fetch write while files are copied. Raises `ShieldError` where one does."""
    with ExitStack() as stack:
        stack.enter_context(hold_lock(operation.builds, REFRESH))
        for lock in operation.raw_folder.rglob(name_lock(FETCH)):
            stack.enter_context(hold_lock(lock.parent, FETCH))
        yield


def list_sources(operation: Operation, environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Yield each file of a machine with its name in a backup."""
    for name, folder in list_folders(operation):
        for path in list_finished(folder):
            yield f"{name}/{path.relative_to(folder)}", path
    for number, path in enumerate(operation.raw, start=1):
        yield f"{FILES}/{number}_{path.name}", path
    if (settings := find_file(environment)) is not None:
        yield SETTINGS, settings


def list_folders(operation: Operation) -> Iterator[tuple[str, Path]]:
    """Yield each folder that is copied and put back with its name in a backup."""
    yield RAW, operation.raw_folder
    yield BUILDS, operation.builds
    yield PLANS, operation.plans


def list_files(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, links followed."""
    for place, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def list_finished(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder but what is `UNFINISHED`, and the link that follows a pointer."""
    is_led = (folder / POINTER).exists()
    for path in list_files(folder):
        if not (
            any(map(UNFINISHED.fullmatch, path.relative_to(folder).parts))
            or (is_led and path == folder / LINK)
        ):
            yield path


def check_backup(source: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a backup.

    Raises `ShieldError` naming the first that is not as it was when the backup was made.
    """
    try:
        hashes = dict(json.loads((source / FACTS).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ShieldError(f"{source} is no backup: {FACTS} cannot be read: {error}") from error
    if not hashes:
        raise ShieldError(f"{source} is no backup: {FACTS} names no file")
    found = {str(path.relative_to(source)): path for path in list_files(source)}
    for name, known in hashes.items():
        if name not in found:
            raise ShieldError(f"{source} is damaged: {name} is missing")
        if hash_file(found[name]) != known:
            raise ShieldError(f"{source} is damaged: {name} is not what was backed up")
    if strange := sorted(found.keys() - hashes.keys() - {FACTS}):
        raise ShieldError(f"{source} is damaged: {strange[0]} was not backed up")
    return hashes
