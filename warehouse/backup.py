"""Everything that a machine would lose, in one folder, and back from it on another.

Input: an operator's settings and a folder. Output: `builds/` (with the forecasts of every published
build), `raw/`, `atlshield.toml` where there is one, and `backup.json` with the SHA-256 of each file,
complete or not at all.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from warehouse.errors import ShieldError
from warehouse.files import FETCH, PARTIAL, REFRESH, hash_file, hold_lock, name_lock, sync
from warehouse.operation import FILE, FILE_VARIABLE, Operation
from warehouse.pointer import PublishedBuild, read_pointer

FACTS = "backup.json"
SETTINGS = "atlshield.toml"


def back_up(operation: Operation, to: Path, environment: Mapping[str, str] = os.environ) -> int:
    """Copy builds, raw files and settings into a new folder; return how many files.

    Raises `ShieldError` where the folder is there, a refresh or a fetch is at work, or nothing is
    published; `OSError` where the place cannot be written to or is full. Then nothing is left of it.
    """
    if to.exists():
        raise ShieldError(f"{to} is there already: a backup is a folder of its own")
    read_pointer(operation.builds)
    draft = to.with_name(to.name + PARTIAL)
    shutil.rmtree(draft, ignore_errors=True)  # of a backup that was killed
    try:
        with hold_locks(operation):
            for folder, name in list_folders(operation):
                shutil.copytree(folder, draft / name, symlinks=True, ignore=ignore_unfinished)
        settings = Path(environment.get(FILE_VARIABLE) or FILE)
        if settings.exists():
            shutil.copy(settings, draft / SETTINGS)
        hashes = {str(path.relative_to(draft)): hash_file(path) for path in list_files(draft)}
        (draft / FACTS).write_text(json.dumps(hashes, indent=2) + "\n")
        for path in (*list_files(draft), draft):
            sync(path)
        draft.rename(to)
        sync(to.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return len(hashes)


def restore(operation: Operation, source: Path) -> PublishedBuild:
    """Copy a backup's builds and raw files to where the settings want them; return what is published.

    Every file is compared with its SHA-256 before anything is written. Raises `ShieldError` for a
    folder that is no backup, a file that is missing or damaged, and where there is something already.
    The settings in the backup are the operator's to copy: they may hold another machine's paths.
    """
    check_backup(source)
    for folder, _ in list_folders(operation):
        if folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise ShieldError(f"{folder} is not empty: a backup is restored where nothing would be lost")
    for folder, name in list_folders(operation):
        draft = folder.with_name(folder.name + PARTIAL)
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source / name, draft, symlinks=True)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
        sync(folder.parent)
    return read_pointer(operation.builds)


@contextmanager
def hold_locks(operation: Operation) -> Iterator[None]:
    """Let no refresh and no fetch write while files are copied. Raises `ShieldError` where one does."""
    with ExitStack() as stack:
        stack.enter_context(hold_lock(operation.builds, REFRESH))
        for lock in operation.raw_folder.rglob(name_lock(FETCH)):
            stack.enter_context(hold_lock(lock.parent, FETCH))
        yield


def list_folders(operation: Operation) -> tuple[tuple[Path, str], ...]:
    """Return the folders of a machine, each with its name in a backup; the published one comes last."""
    return (operation.raw_folder, "raw"), (operation.builds, "builds")


def ignore_unfinished(_: str, names: list[str]) -> list[str]:
    """Return the names that no backup holds: locks, and what is not finished."""
    return [name for name in names if name.startswith(".") or PARTIAL in name]


def list_files(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, without links, by its name."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def check_backup(source: Path) -> None:
    """Raise `ShieldError` naming the first file that is not as it was when the backup was made."""
    try:
        hashes = dict(json.loads((source / FACTS).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ShieldError(f"{source} is no backup: {FACTS} cannot be read: {error}") from error
    found = {str(path.relative_to(source)): path for path in list_files(source)}
    for name, known in hashes.items():
        if name not in found:
            raise ShieldError(f"{source} is damaged: {name} is missing")
        if hash_file(found[name]) != known:
            raise ShieldError(f"{source} is damaged: {name} is not what was backed up")
    if strange := sorted(found.keys() - hashes.keys() - {FACTS}):
        raise ShieldError(f"{source} is damaged: {strange[0]} was not backed up")
