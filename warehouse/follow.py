"""A replica: the build that another machine's service serves, published here too.

Input: the address of a service, a folder of builds. Output: the source's build, downloaded, compared
with its SHA-256, audited, and published as a refresh would. A replica follows its source wherever that
goes, back to an earlier build too, and has a folder of builds in which nothing else publishes;
`followed.json` says which builds came this way.
"""

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
from warehouse.sweep import prune_builds, sweep_leftovers

FOLLOWED = "followed.json"
FOLLOWED_FACTS = TypeAdapter(list[str])

SPARE_MB = 20
"""What a build needs here beside its file: its forecast in `track/`, its record."""


def follow(address: str, operation: Operation) -> PublishedBuild | None:
    """Publish what the service at an address serves; return it, None where that is published already.

    It holds the lock of a refresh. Whatever fails, the published build stays, and so does the part that
    was downloaded, which the next call resumes. Raises `ShieldError` where the address is none, the
    service does not answer, refuses or has no build, the build is damaged or of another version, the
    disk is too small, or a refresh has published here; `OSError` where the folder cannot be written.
    """
    check_address("FROM", address, "an API key" if operation.follow_key else None)
    builds = operation.builds
    with (
        hold_lock(builds, REFRESH),
        open_service(address, operation.follow_key) as service,
    ):
        refuse_own_build(builds)
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
        check_build(draft, wanted, address)
        note_followed(builds, wanted.build_id)
        published = publish_build(builds, wanted.build_id, draft)
        prune_builds(builds, operation.kept_builds, operation.kept_refused)
    return published


def refuse_own_build(builds: Path) -> None:
    """Raise `ShieldError` where a refresh has published what is published here."""
    current = find_pointer(builds)
    held = [current.build_id] if current else [name_id(path) for path in list_builds(builds)]
    if own := sorted(set(held) - set(read_followed(builds))):
        raise ShieldError(
            f"build {own[0]} in {builds} was published by a refresh and did not come by follow: a"
            " replica has a folder of builds of its own (BUILDS=<folder>). Where that refresh was the"
            " mistake, `make rollback BUILD=<id>` goes back to a build that came"
        )


def read_followed(builds: Path) -> list[str]:
    """Return the ids of builds that came by follow. Raises `ShieldError` for a file that is no list."""
    path = builds / FOLLOWED
    if not path.exists():
        return []
    try:
        return FOLLOWED_FACTS.validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        raise ShieldError(f"{path}: expected a list of build ids, found something else") from error


def note_followed(builds: Path, build_id: str) -> None:
    """Note that a build comes by follow, before it is published. Raises `OSError`."""
    kept = {name_id(path) for path in list_builds(builds)}
    noted = sorted(kept & set(read_followed(builds)) | {build_id})
    replace_text(builds / FOLLOWED, FOLLOWED_FACTS.dump_json(noted, indent=2).decode() + "\n")


def check_build(draft: Path, wanted: SourceBuild, address: str) -> None:
    """Audit a downloaded build. Raises `ShieldError` where this version cannot use it, or it is another.

    The file stays: after an upgrade it need not be downloaded again.
    """
    try:
        found = read_lineage(draft)["build_id"]
        audit_file(draft, wanted.build_id)
    except OtherVersionError as error:
        raise ShieldError(
            f"{address} serves a build of another version of ATLShield than is installed here: {error}"
        ) from error
    if found != wanted.build_id:
        raise ShieldError(f"{address}: expected build {wanted.build_id}, its file is of {found!r:.60}")
