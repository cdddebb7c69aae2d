"""Another machine's service, asked for the build that it serves.

Input: the address of a service and its API key. Output: what it says of its build, and that build's
file; a part that an earlier download left is resumed. Failures that pass (no connection, cut or stalled
ones, 429, 5xx) are tried again with growing, random pauses. No redirect is followed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, Field, ValidationError
from requests.auth import AuthBase
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)
from tqdm import tqdm

from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.files import hash_file
from warehouse.records import BUILD_ID

TIMEOUTS = (10.0, 60.0)
"""Seconds to wait for a connection, and for the next byte."""

TRIES = 8
PAUSE = wait_exponential_jitter(multiplier=0.5, max=30, jitter=1)
CHUNK_BYTES = 1 << 16
"""What is read at once, and lost where the connection breaks within it."""


class PassingError(Exception):
    """A failure worth another try."""


PASSING = (
    PassingError, requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError,
)  # fmt: skip


class SourceBuild(BaseModel):
    """A build that the service keeps; `is_current` is the one that it serves."""

    build_id: Annotated[str, Field(pattern=f"^{BUILD_ID.pattern}$")]  # it names a file here
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(gt=0)]
    is_current: bool


class SourceBuilds(BaseModel):
    """What `/v1/builds` answers."""

    builds: list[SourceBuild]


class KeyOnly(AuthBase):
    """Sends a key, or nothing: what `~/.netrc` has for the host would be sent otherwise."""

    def __init__(self, key: str) -> None:
        """Keep the key, empty for none."""
        self.key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the key to a request."""
        if self.key:
            request.headers["Authorization"] = f"Bearer {self.key}"
        return request


@dataclass(frozen=True)
class Service:
    """A service at an address without a slash at its end, and the session that asks it."""

    address: str
    session: requests.Session

    def find_current(self) -> SourceBuild:
        """Return the build that the service serves.

        Raises `ShieldError` where it has none, and where it refuses, redirects or is none of ours.
        """
        return self.try_again().wraps(self._ask_current)()

    def download(self, wanted: SourceBuild, path: Path) -> None:
        """Write a build's file, or what a part of it lacks; the part stays if it cannot be had.

        Raises `ShieldError` as `find_current`, and where the whole has another SHA-256: then it goes.
        Raises `OSError` where it cannot be written.
        """
        if path.exists() and path.stat().st_size > wanted.bytes:
            path.unlink()
        self.try_again().wraps(self._download_rest)(wanted, path)
        if (found := hash_file(path)) != wanted.sha256:
            path.unlink()
            raise ShieldError(
                f"{self.address}: build {wanted.build_id} came damaged: SHA-256 is {found}, expected "
                f"{wanted.sha256}; it was removed, the next try downloads it anew"
            )

    def _ask_current(self) -> SourceBuild:
        """Ask once."""
        with self._get("/v1/builds", {}) as response:
            try:
                listed = SourceBuilds.model_validate_json(response.content)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(map(str, first["loc"]))
                raise ShieldError(
                    f"{self.address} does not answer like ATLShield, {where and f'{where}: '}"
                    f"{first['msg']}; does a proxy ask to log in?"
                ) from error
        current = [build for build in listed.builds if build.is_current]
        if not current:
            raise ShieldError(f"{self.address} serves no build yet: there is nothing to follow")
        return current[0]

    def _download_rest(self, wanted: SourceBuild, path: Path) -> None:
        """Download once what is not there."""
        there = path.stat().st_size if path.exists() else 0
        if there == wanted.bytes:
            return
        # Compressed parts would not fit together; a weak or other tag gives the whole file.
        asked = {"Accept-Encoding": "identity"}
        if there:
            asked |= {"Range": f"bytes={there}-", "If-Range": f'"{wanted.sha256}"'}
        with self._get(f"/v1/builds/{wanted.build_id}.duckdb", asked) as response:
            is_rest = response.status_code == HTTPStatus.PARTIAL_CONTENT
            place, expected = response.headers.get("Content-Range"), f"bytes {there}-{wanted.bytes - 1}"
            if is_rest and place != f"{expected}/{wanted.bytes}":
                raise ShieldError(
                    f"{self.address}: expected {expected}, found Content-Range {place!r:.60}"
                )
            there = there if is_rest else 0
            bar = tqdm(total=wanted.bytes, initial=there, unit="B", unit_scale=True, disable=None)
            with path.open("ab" if is_rest else "wb") as stream, bar:
                for chunk in response.iter_content(CHUNK_BYTES):
                    there += len(chunk)
                    if there > wanted.bytes:
                        raise ShieldError(f"{self.address}: expected {wanted.bytes} bytes, found more")
                    stream.write(chunk)
                    bar.update(len(chunk))
        if there < wanted.bytes:
            raise PassingError(f"the answer ended after {there:,} of {wanted.bytes:,} bytes")

    def _get(self, path: str, headers: dict[str, str]) -> requests.Response:
        """Return a good answer whose body is not read yet.

        Raises `PassingError` where another try may help, `ShieldError` for any other refusal.
        """
        response = self.session.get(
            self.address + path, headers=headers, timeout=TIMEOUTS, stream=True, allow_redirects=False
        )
        code = response.status_code
        if code in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            return response
        response.close()
        told = f"{self.address}{path} answers with {code} {response.reason}"
        if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise ShieldError(f"{told}: it wants a key that it knows in the setting follow_key")
        if response.is_redirect:
            host = urlsplit(response.headers["Location"]).hostname
            raise ShieldError(f"{told}, to {host or 'itself'}: name the address that answers")
        if code == HTTPStatus.TOO_MANY_REQUESTS or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise PassingError(told)
        hint = "; of a service of many cities name one: …/v1/cities/<city>"
        raise ShieldError(told + hint * (code == HTTPStatus.NOT_FOUND))

    def try_again(self) -> Retrying:
        """Return attempts at one request: more than one only for what may pass."""

        def give_up(state: RetryCallState) -> NoReturn:
            raise ShieldError(
                f"{self.address}: no usable answer in {TRIES} tries; the last: {tell(state)}"
            ) from (state.outcome.exception() if state.outcome else None)

        return Retrying(
            retry=retry_if_exception_type(PASSING), stop=stop_after_attempt(TRIES), wait=PAUSE,
            before_sleep=say_retry, retry_error_callback=give_up,
        )  # fmt: skip


def tell(state: RetryCallState) -> str:
    """Return what failed in one line, without what the network's libraries wrap round it."""
    error = state.outcome.exception() if state.outcome else None
    return str(error) if isinstance(error, PassingError) else type(error).__name__


def say_retry(state: RetryCallState) -> None:
    """Say on a line of its own what failed and when it is tried again."""
    seconds = state.next_action.sleep if state.next_action else 0.0
    tqdm.write(f"{tell(state)}; try {state.attempt_number + 1} of {TRIES} in {seconds:.1f} s")


@contextmanager
def open_service(address: str, key: str) -> Iterator[Service]:
    """Open one session to a service; it says who is asking. `key` is empty for none."""
    with requests.Session() as session:
        session.headers["User-Agent"] = f"ATLShield/{settings.VERSION} (replica)"
        session.auth = KeyOnly(key)
        yield Service(address.rstrip("/"), session)
