"""Tidying a folder of builds: what a refresh that died left, and builds beyond those that are kept.

Input: a folder of builds, its lock held. Output: the folder with nothing half done, and the link at the
published build; after a refresh, no more builds than the operator keeps.
"""

import shutil
from pathlib import Path

from warehouse.files import PARTIAL
from warehouse.pointer import find_pointer, move_link
from warehouse.records import list_builds, list_refused, name_record
from warehouse.track import sweep_track


def sweep_leftovers(builds: Path, draft: Path | None = None) -> None:
    """Finish or undo what a refresh that died had begun, and tidy up after one that did not.

    Call with the lock held; it may be called at any time and any number of times. A build whose record
    is still partial was published if the pointer names it and goes otherwise; the link follows the
    pointer; a record whose build is gone goes; forecasts of published builds stay, and so does `draft`,
    a file whose rest will be downloaded. Raises `OSError` where the folder cannot be written.
    """
    current = find_pointer(builds)
    sweep_track(builds, current)
    for partial in builds.glob(name_record("*") + PARTIAL):
        record = partial.with_suffix("")
        build = record.with_suffix(".duckdb")
        if current and build.name == current.file:
            partial.replace(record)
        else:
            build.unlink(missing_ok=True)
    for leftover in set(builds.glob(f"*{PARTIAL}*")) - {draft}:
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()
    if current:
        move_link(builds, current)
    for record in builds.glob(name_record("*")):
        if not record.with_suffix(".duckdb").exists():
            record.unlink()


def prune_builds(builds: Path, kept: int, kept_refused: int) -> None:
    """Keep the newest `kept` builds, the published one whatever its age, and the newest refused ones.

    Call with the lock held. Without a usable pointer no published build goes. Raises `OSError`.
    """
    if current := find_pointer(builds):
        for path in list_builds(builds)[:-kept]:
            if path.name != current.file:
                path.unlink()
                path.with_suffix(".json").unlink(missing_ok=True)
    for path in sorted(list_refused(builds), reverse=True)[kept_refused:]:
        path.unlink()
