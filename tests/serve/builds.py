"""Published builds for tests to break: copies, older ones, damaged ones.

Input: a folder with a published build. Output: another whose build or pointer is not as it was.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb

from warehouse.files import hash_file
from warehouse.pointer import PublishedBuild, move_pointer, read_pointer

Damage = Callable[[Path], object]


def copy_builds(published: Path, folder: Path, *statements: str) -> Path:
    """Return a copy whose build was changed by SQL and published so."""
    builds = folder / "builds"
    shutil.copytree(published, builds, symlinks=True)
    if statements:
        publish_changed(builds, read_pointer(builds).build_id, *statements)
    return builds


def publish_changed(builds: Path, build_id: str, *statements: str) -> PublishedBuild:
    """Publish the current build, changed by SQL, under an id of its own or in its own place."""
    current = read_pointer(builds)
    path = builds / f"warehouse-{build_id}.duckdb"
    if path.name != current.file:
        shutil.copy(builds / current.file, path)
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    changed = replace(current, build_id=build_id, file=path.name, sha256=hash_file(path))
    move_pointer(builds, changed)
    return changed


def damage_file(path: Path, content: bytes) -> None:
    """Write other bytes in the place of a file, as a disk would: under the same name."""
    path.chmod(0o644)
    path.write_bytes(content)


def flip_middle(content: bytes) -> bytes:
    """Return bytes one of which, in the middle, has a bit flipped."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def change_build(how: Callable[[bytes], bytes]) -> Damage:
    """Return a damage to the bytes of the published build."""

    def damage(builds: Path) -> None:
        path = builds / read_pointer(builds).file
        damage_file(path, how(path.read_bytes()))

    return damage


def change_tables(*statements: str) -> Damage:
    """Return a damage that publishes the build with other tables, as an older version would."""
    return lambda builds: publish_changed(builds, read_pointer(builds).build_id, *statements)


def change_pointer(text: str) -> Damage:
    """Return a damage that writes another pointer."""
    return lambda builds: (builds / "current.json").write_text(text)


DAMAGES: dict[str, Damage] = {
    "truncated": change_build(lambda content: content[: len(content) // 2]),
    "flipped": change_build(flip_middle),
    "empty": change_build(lambda _: b""),
    "text": change_build(lambda _: b"no database"),
    "no table": change_tables("DROP TABLE average_daily"),
    "no column": change_tables("ALTER TABLE average_daily DROP COLUMN expected_daily_crimes"),
    "missing file": lambda builds: (builds / read_pointer(builds).file).unlink(),
    "pointer no JSON": change_pointer("no pointer"),
    "no pointer": lambda builds: (builds / "current.json").unlink(),
}


def list_open_builds(builds: Path) -> list[str]:
    """Return the names of the files of a folder that this process has open."""
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            path = descriptor.readlink()
        except FileNotFoundError:  # the one that lists the folder
            continue
        if path.parent == builds:
            names.append(path.name)
    return sorted(set(names))


def wait_until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return once it is so; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.02)
