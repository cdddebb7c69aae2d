"""A replica: the build that another machine's service serves, published here too.

Input: the address of a service, a folder of builds. Output: the source's build, downloaded, compared
with its SHA-256, audited, and published as a refresh would. A replica follows its source wherever that
goes, back to an earlier build too, and has a folder of builds in which nothing else publishes;
`followed.json` says of which city it is, and which builds came this way.
"""

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from warehouse.address import check_address
from warehouse.download import SourceBuild, open_service
from warehouse.errors import OtherVersionError, ShieldError
from warehouse.files import PARTIAL, REFRESH, hash_file, hold_lock, replace_text
from warehouse.history import audit_file, read_lineage, republish
from warehouse.machine import MB, require_free
from warehouse.operation import Operation
from warehouse.pointer import PublishedBuild, find_pointer
from warehouse.publish import publish_build
from warehouse.records import list_builds, name_build, name_id
from warehouse.refresh_record import record_refresh
from warehouse.sweep import prune_builds, sweep_leftovers

FOLLOWED = "followed.json"

NO_BUILD_YET = ""
"""What `refresh.json` has for the build's id: the source has not been asked yet."""

SPARE_MB = 20
"""What a build needs here beside its file: its forecast in `track/`, its record."""


@dataclass(frozen=True)
class Followed:
    """What a replica is of: a city, as `name_city` names it, and the ids of builds that came."""

    city: str
    build_ids: list[str]


FOLLOWED_FACTS = TypeAdapter(Followed)


def follow(address: str, operation: Operation) -> PublishedBuild | None:
    """Publish what the service at an address serves; return it, None where that is published already.

    It holds the lock of a refresh. Whatever fails, the published build stays, and so does the part that
    was downloaded, which the next call resumes. Raises `ShieldError` where the address is none, the
    service does not answer, refuses or has no build, the build is damaged, of another version or another
    city, the disk is too small, or a refresh has published here; `OSError` where the folder cannot be
    written. `refresh.json` has how it ended, as of a refresh.
    """
    check_address("FROM", address, "an API key" if operation.follow_key else None)
    builds = operation.builds
    with hold_lock(builds, REFRESH), ExitStack() as stack:
        refuse_own_build(builds)  # first: the record there is of its refreshes
        stack.enter_context(record_refresh(builds, NO_BUILD_YET, "followed"))
        service = stack.enter_context(open_service(address, operation.follow_key))
        wanted = service.find_current()
        path = builds / name_build(wanted.build_id)
        draft = path.with_name(path.name + PARTIAL)
        sweep_leftovers(builds, draft)
        if path in list_builds(builds) and hash_file(path) == wanted.sha256:
            current = find_pointer(builds)
            is_current = current is not None and current.file == path.name
            return None if is_current else republish(builds, path)
        there = draft.stat().st_size if draft.exists() else 0
        require_free(builds, wanted.bytes - there + SPARE_MB * MB, f"build {wanted.build_id}")
        service.download(wanted, draft)
        city = name_city(check_build(draft, wanted, address), address)
        note_followed(builds, city, wanted.build_id)
        published = publish_build(builds, wanted.build_id, draft)
        prune_builds(builds, operation.kept_builds, operation.kept_refused)
    return published


def name_city(city: str, address: str) -> str:
    """Return what a replica is of: several cities of a fleet may be of one city's file."""
    found = re.search(r"/v1/cities/([^/]+)/*$", address)
    return f"{city}, {found[1]} of a fleet" if found else city


def refuse_own_build(builds: Path) -> None:
    """Raise `ShieldError` where a refresh has published what is published here."""
    current = find_pointer(builds)
    held = [current.build_id] if current else [name_id(path) for path in list_builds(builds)]
    followed = read_followed(builds)
    if own := sorted(set(held) - set(followed.build_ids if followed else ())):
        raise ShieldError(
            f"build {own[0]} in {builds} was published by a refresh and did not come by follow: a"
            " replica has a folder of builds of its own (BUILDS=<folder>). Where that refresh was the"
            " mistake, `make rollback BUILD=<id>` goes back to a build that came"
        )


def refuse_replica(builds: Path) -> None:
    """Raise `ShieldError` where a folder of builds is a replica: a refresh there would end it."""
    if followed := read_followed(builds):
        raise ShieldError(
            f"{builds} is a replica of {followed.city}, kept by make follow: give a refresh a folder of"
            f" builds of its own (BUILDS=<folder>), or remove {FOLLOWED} to make it no replica any more"
        )


def read_followed(builds: Path) -> Followed | None:
    """Return what a replica is of, None for no replica. Raises `ShieldError` for a file that is none."""
    path = builds / FOLLOWED
    if not path.exists():
        return None
    try:
        return FOLLOWED_FACTS.validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        raise ShieldError(f"{path}: expected a city and build ids, found something else") from error


def note_followed(builds: Path, city: str, build_id: str) -> None:
    """Note that a build comes by follow, before it is published.

    Raises `ShieldError` where the folder is a replica of another city, and `OSError`.
    """
    followed = read_followed(builds) or Followed(city, [])
    if followed.city != city:
        raise ShieldError(
            f"{builds} is a replica of {followed.city}, build {build_id} is of {city}: give a replica of"
            " it a folder of builds of its own (BUILDS=<folder>)"
        )
    kept = {name_id(path) for path in list_builds(builds)}
    noted = Followed(city, sorted(kept & set(followed.build_ids) | {build_id}))
    replace_text(builds / FOLLOWED, FOLLOWED_FACTS.dump_json(noted, indent=2).decode() + "\n")


def check_build(draft: Path, wanted: SourceBuild, address: str) -> str:
    """Audit a downloaded build and return its city.

    Raises `ShieldError` where this version cannot use it, or it is another; the file stays: after an
    upgrade it need not be downloaded again.
    """
    try:
        lineage = read_lineage(draft)
        found = lineage["build_id"]
        audit_file(draft, wanted.build_id)
    except OtherVersionError as error:
        raise ShieldError(
            f"{address} serves a build of another version of ATLShield than is installed here: {error}"
        ) from error
    if found != wanted.build_id:
        raise ShieldError(f"{address}: expected build {wanted.build_id}, its file is of {found!r:.60}")
    return str(lineage["city"])
