"""The pointer `current.json`: which build is published, and the link that follows it.

Input: a folder of builds. Output: a `PublishedBuild`; a pointer and a link, moved in one step each.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from warehouse import settings
from warehouse.columns import CLEANINGS
from warehouse.errors import NoBuildError
from warehouse.files import replace_link, replace_text, sync

POINTER = "current.json"
LINK = "current.duckdb"


@dataclass(frozen=True)
class PublishedBuild:
    """What the pointer says of the published build; times are UTC, `cutoff` is a local day.

    `source` is the kind of source (`warehouse.columns.SOURCE_KINDS`), `cleaning` says which rows count
    (`CLEANINGS`); records of builds from before there was a choice lack it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    build_id: str
    file: Annotated[str, StringConstraints(pattern=r"^[^/]+\.duckdb$")]
    sha256: str
    created_at: str
    cutoff: str
    source: str
    is_synthetic: bool
    cleaning: str = CLEANINGS[0]


POINTER_FACTS = TypeAdapter(PublishedBuild)


def render_pointer(published: PublishedBuild) -> str:
    """Return the text of a pointer or a record."""
    return json.dumps(asdict(published), indent=2) + "\n"


def describe_published(published: PublishedBuild) -> str:
    """Return one line on a build."""
    kind = f" ({settings.SIMULATED})" if published.is_synthetic else ""
    return (
        f"build {published.build_id}, source {published.source}{kind}, "
        f"cutoff {published.cutoff}, created {published.created_at}"
    )


def read_pointer(builds: Path) -> PublishedBuild:
    """Return what the pointer says.

    Raises `NoBuildError` where there is no usable one, and `OSError` for one that cannot be read.
    """
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
    """Return what the pointer says, None where there is no usable one.

    Raises `OSError` for one that cannot be read.
    """
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


def move_pointer(builds: Path, published: PublishedBuild) -> None:
    """Move the pointer to a build in one step, so that a power cut shows the old one or the new one.

    Raises `OSError` where the folder cannot be written.
    """
    sync(builds)  # the build's own name must be on disk before anything points at it
    replace_text(builds / POINTER, render_pointer(published))


def move_link(builds: Path, published: PublishedBuild) -> None:
    """Make the link lead to the published build, in one step, where it does not. Raises `OSError`."""
    replace_link(builds / LINK, Path(published.file))


def find_link_error(builds: Path, published: PublishedBuild) -> str | None:
    """Return where the link leads, in words, where that is not to the published build."""
    found = Path(os.path.realpath(builds / LINK))  # `resolve` raises RuntimeError for a circle
    if found == Path(os.path.realpath(builds / published.file)):
        return None
    return f"{LINK} leads to {found.name if found.exists() else 'nothing'}, not to {published.file}"
