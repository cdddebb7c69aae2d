"""What published builds leave for good: their forecasts of months, in the folder `track/`.

Input: a folder of builds, its lock held, and a finished build. Output: `track/<build id>.parquet`, the
rows of `track_forecast`, and `<build id>.json` that vouches for it. Builds go with time, these stay.
While their names end in `.partial`, the pointer has not moved to their build: a sweep keeps or removes
them as it does the build. Whatever bears no build's id is somebody else's and left alone.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import duckdb
from pydantic import ConfigDict, TypeAdapter, ValidationError

from warehouse.errors import ShieldError
from warehouse.files import PARTIAL, hash_file, sync
from warehouse.pointer import PublishedBuild
from warehouse.records import BUILD_ID, list_builds, name_id
from warehouse.table import quote_text

TRACK = "track"
FORECAST, MANIFEST = ".parquet", ".json"
"""Endings of a forecast and of what vouches for it."""
FEED = ("city", "source_kind", "cleaning")
"""Columns of `refresh_run` that say which forecasts are of one feed; but for the portal, forecast and
build also have a raw file of the same name (as in `warehouse.changes.find_last_build`)."""
WHOLE, CHANGED, MISSING = "whole", "changed", "missing"
"""How the file of a forecast is: as it was published, other than that, or not there."""


@dataclass(frozen=True)
class Manifest:
    """What vouches for a forecast: `earlier` are the builds whose forecasts lay beside it already."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    build_id: str
    cutoff: str
    feed: dict[str, str]
    raw_files: list[str]
    sha256: str
    earlier: list[str]


@dataclass(frozen=True)
class LeftForecast:
    """The forecast that a build left; without `manifest` nothing but its id is known."""

    build_id: str
    path: Path
    state: str
    manifest: Manifest | None


MANIFEST_FACTS = TypeAdapter(Manifest)


def require_track(builds: Path) -> None:
    """Raise `ShieldError` where the folder of forecasts could not take another: before the training."""
    folder = builds / TRACK
    if not folder.exists() and not folder.is_symlink():
        return  # it is made
    if not folder.is_dir():
        raise ShieldError(f"expected {folder} to be the folder of published forecasts, found no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ShieldError(f"cannot write to the folder of published forecasts, {folder}")


def leave_forecast(
    connection: duckdb.DuckDBPyConnection, builds: Path, published: PublishedBuild
) -> None:
    """Write the forecast of a build that is about to be published, and wait for the disk.

    `connection` reads the finished build. Raises `OSError` naming the file that cannot be written, and
    `duckdb.Error` where the build cannot be read.
    """
    folder = builds / TRACK
    folder.mkdir(exist_ok=True)
    draft = folder / f"{published.build_id}{FORECAST}{PARTIAL}"
    try:
        connection.execute(
            "COPY (SELECT * EXCLUDE (data_source) FROM track_forecast"
            f" ORDER BY grain, place, forecast_month) TO {quote_text(str(draft))} (FORMAT parquet)"
        )
    except duckdb.IOException as error:
        raise OSError(f"cannot write {draft}: {error}") from error
    select = f"SELECT {', '.join(FEED)} FROM refresh_run"
    feed = dict(zip(FEED, connection.execute(select).fetchall()[0], strict=True))
    earlier = sorted(left.build_id for left in list_left(builds))
    files = [
        row[0] for row in connection.execute("FROM raw_file SELECT raw_file ORDER BY ALL").fetchall()
    ]
    facts = Manifest(published.build_id, published.cutoff, feed, files, hash_file(draft), earlier)
    manifest = folder / f"{published.build_id}{MANIFEST}{PARTIAL}"
    manifest.write_text(json.dumps(asdict(facts), indent=2) + "\n")
    for path in (draft, manifest, folder, builds):
        sync(path)


def sweep_track(builds: Path, current: PublishedBuild | None) -> None:
    """Give the forecast of the published build its name, and remove that of one that never was.

    Raises `OSError` where the folder cannot be written.
    """
    for ending in (FORECAST, MANIFEST):  # the manifest last
        for build_id, draft in find_files(builds / TRACK, ending + PARTIAL).items():
            if current and build_id == current.build_id:
                draft.replace(draft.with_suffix(""))
            else:
                draft.unlink()


def find_files(folder: Path, ending: str) -> dict[str, Path]:
    """Return the files of builds with such an ending, by build id."""
    paths = {path.name.removesuffix(ending): path for path in folder.glob(f"*{ending}")}
    return {name: path for name, path in paths.items() if BUILD_ID.fullmatch(name) and path.is_file()}


def list_left(builds: Path) -> list[LeftForecast]:
    """Return what published builds left, oldest first, those that others only tell of among them.

    Raises `OSError` for a file that is there and cannot be read.
    """
    folder = builds / TRACK
    found = {name: read_manifest(path) for name, path in find_files(folder, MANIFEST).items()}
    told = {name for manifest in found.values() if manifest for name in manifest.earlier}
    names = found.keys() | told | find_files(folder, FORECAST).keys()
    return [check_left(folder, name, found.get(name)) for name in sorted(names)]


def list_needed_files(builds: Path) -> frozenset[str]:
    """Return the names of the raw files that the kept builds were made of, as their manifests tell.

    Raises `OSError` for a manifest that is there and cannot be read.
    """
    found = find_files(builds / TRACK, MANIFEST)
    kept = [found[name] for path in list_builds(builds) if (name := name_id(path)) in found]
    manifests = filter(None, map(read_manifest, kept))
    return frozenset(name for manifest in manifests for name in manifest.raw_files)


def check_left(folder: Path, build_id: str, manifest: Manifest | None) -> LeftForecast:
    """Return the forecast of one build, having compared its file with what vouches for it."""
    path = folder / f"{build_id}{FORECAST}"
    if not path.is_file():
        state = MISSING
    else:
        state = WHOLE if manifest and hash_file(path) == manifest.sha256 else CHANGED
    return LeftForecast(build_id, path, state, manifest)


def read_manifest(path: Path) -> Manifest | None:
    """Return what vouches for a forecast, None where the file is not that."""
    try:
        manifest = MANIFEST_FACTS.validate_json(path.read_bytes())
    except ValidationError:
        return None
    return manifest if manifest.build_id == path.stem else None


def describe_left(left: LeftForecast) -> str:
    """Return one sentence on a forecast that is not whole."""
    what = "is missing" if left.state == MISSING else "is not what was published"
    return f"the forecast that build {left.build_id} left {what} ({left.path.name}): it is not scored"
