"""The builds themselves over HTTP: which are kept, and their files.

Input: a folder of builds. Output: a list; a file or a part of it, so that any DuckDB can attach it.
"""

import functools
from pathlib import Path

from flask import Response, request
from pydantic import BaseModel, Field
from werkzeug.exceptions import NotFound, RequestedRangeNotSatisfiable, ServiceUnavailable

from serve.current_build import find_current_build, stamp_file, take_build
from serve.openapi import answer_with, make_blueprint
from serve.parameters import Parameters, checked
from serve.tables import name_file, send_file, send_json
from warehouse.errors import NoBuildError
from warehouse.files import hash_file
from warehouse.pointer import PublishedBuild
from warehouse.records import find_record, list_builds, name_id

MIMETYPE = "application/vnd.duckdb"
YEAR_SECONDS = 365 * 24 * 3600

blueprint = make_blueprint(
    "builds", __name__, "The builds that are kept, and their DuckDB files.", "/v1/builds"
)


class BuildPath(Parameters):
    """A build in an address."""

    build_id: str = Field(description="As `/v1/builds` lists it.")


class BuildFacts(BaseModel):
    """A build that is kept."""

    build_id: str
    created_at: str = Field(description="UTC.")
    cutoff: str = Field(description="Last observed day.")
    source: str
    cleaning: str
    is_synthetic: bool
    sha256: str
    bytes: int
    is_current: bool = Field(description="Whether it is the one that is served.")


class BuildsAnswer(BaseModel):
    """The builds that are kept, newest first."""

    builds: list[BuildFacts]


@blueprint.get("", responses=answer_with(BuildsAnswer))
@checked
def list_kept(query: Parameters) -> Response:
    """Answer which builds are kept and whole.

    Newest first. One that was swept away cannot be asked for any more.
    """
    return send_json(BuildsAnswer(builds=list_facts()).model_dump())


def list_facts() -> list[BuildFacts]:
    """Return the builds that are kept, newest first."""
    current = find_current_build()
    served = current.get()
    facts = []
    for path in reversed(list_builds(current.builds)):
        try:
            published = find_record(path)
        except NoBuildError:  # one without a record cannot be sent either
            continue
        is_current = served is not None and served.published.build_id == published.build_id
        facts.append(
            BuildFacts.model_validate(
                {**vars(published), "bytes": path.stat().st_size, "is_current": is_current}
            )
        )
    return facts


@blueprint.get("/current.duckdb", responses=answer_with(MIMETYPE, 206, 412, 416))
def get_current_file() -> Response:
    """Answer the file of the build that is served, or a part of it.

    Any DuckDB can attach it by this address; `Range` and `If-Range` are heeded.
    """
    published = take_build().published
    try:
        return send_build(find_current_build().builds / published.file, published)
    except FileNotFoundError as error:
        raise ServiceUnavailable(f"{published.file} has been replaced: ask again") from error


@blueprint.get("/<build_id>.duckdb", responses=answer_with(MIMETYPE, 206, 404, 412, 416))
@checked
def get_file(path: BuildPath) -> Response:
    """Answer the file of a kept build, or a part of it.

    It never changes and may be kept for good; `Range` and `If-Range` are heeded.
    """
    kept = {name_id(found): found for found in list_builds(find_current_build().builds)}
    if path.build_id not in kept:
        raise NotFound(
            f"build {path.build_id!r:.100} is not kept; there are {', '.join(kept) or 'none'}"
        )
    try:
        file = kept[path.build_id]
        published = find_record(file)
        if hash_once(file, stamp_file(file)) != published.sha256:
            raise NotFound(f"{file.name} is damaged: its SHA-256 is not the one in its record")
        response = send_build(file, published)
    except (FileNotFoundError, NoBuildError) as error:
        raise NotFound(f"build {path.build_id!r:.100} cannot be sent: {error}") from error
    response.cache_control.max_age = YEAR_SECONDS
    response.cache_control.immutable = True
    return response


@functools.lru_cache(maxsize=16)
def hash_once(path: Path, _stamp: tuple[int, int, int]) -> str:
    """Return the SHA-256 of a file as long as it is not written to."""
    return hash_file(path)


def send_build(path: Path, published: PublishedBuild) -> Response:
    """Answer a build's file as the request's headers ask for it (RFC 9110, 13 and 14).

    An open file is sent to its end, even when its build is swept away meanwhile. Raises
    `FileNotFoundError`, and `RequestedRangeNotSatisfiable` for a part behind the end.
    """
    response = name_file(send_file(path.open("rb"), MIMETYPE), path.name)
    response.set_etag(published.sha256)
    environ = dict(request.environ)
    if not is_heeded(response.content_length or 0):
        environ.pop("HTTP_RANGE", None)
    try:
        response.make_conditional(environ, accept_ranges=True, complete_length=response.content_length)
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
    return response


def is_heeded(size: int) -> bool:
    """Return whether the part that a request asks for is sent, not the whole file.

    Werkzeug would refuse several parts at once, other units, and an end longer than the file, which is
    all of it; and it would take a weak tag for the strong one that RFC 9110, 13.1.5, wants.
    """
    asked, is_weak = request.range, request.headers.get("If-Range", "").startswith("W/")
    if asked is None or asked.units != "bytes" or is_weak or request.method == "HEAD":
        return False
    return len(asked.ranges) == 1 and asked.ranges[0][0] >= -size
