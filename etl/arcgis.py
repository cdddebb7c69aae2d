"""A feature layer of the open data portal, asked politely over HTTP.

Input: the address of an ArcGIS feature layer. Output: its answers, checked. Failures that pass
(cut connections, timeouts, 429, 5xx, also inside an HTTP 200) are tried again with growing, random
pauses; every other error is a `ShieldError` with the server's own words.
"""

import datetime as dt
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import sleep
from typing import Any

import requests
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

USER_AGENT = f"ATLShield/{settings.VERSION} (crime forecast warehouse)"

ALL_ROWS = "1=1"
"""The condition that holds for every row."""

DEFAULT_PAUSE_SECONDS = 0.25
"""Pause before each request, so that a public server is not overrun."""

PAGE_ROWS = 2000
"""Rows asked for at once: the layer's own `maxRecordCount`."""

TIMEOUTS = (10.0, 60.0)
"""Seconds to wait for a connection, and for the next byte."""

MAX_TRIES = 8
BACKOFF = wait_exponential_jitter(multiplier=0.5, max=60, jitter=1)
MAX_RETRY_AFTER = 300.0
"""Seconds: a server that asks for a longer pause is not waited for."""

SERVER_ERRORS = range(500, 600)

PASSING_FAILURES = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)

Row = dict[str, str | None]


class PassingError(Exception):
    """A failure worth another try, not before `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        """Keep what happened and how long the server asked to wait."""
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Query:
    """Which rows and fields are asked for; `object_id` is the field that pages are ordered by."""

    where: str
    fields: tuple[str, ...]
    object_id: str


@dataclass(frozen=True)
class Page:
    """Some rows in order of their id, every value as text; `is_last` when nothing comes after."""

    rows: list[Row]
    is_last: bool


@dataclass(frozen=True)
class Layer:
    """One feature layer and the session that asks it, a pause of `pause_seconds` before each time."""

    url: str
    session: requests.Session
    pause_seconds: float

    def describe(self) -> dict[str, Any]:
        """Return the layer's own description. Raises `ShieldError` as `ask` does."""
        return self.ask("", {})

    def find_object_id(self, facts: Mapping[str, Any]) -> str:
        """Return the name of the object id in a layer's description.

        Raises `ShieldError` when there is none.
        """
        for field in self.take(facts, "fields"):
            if field["type"] == "esriFieldTypeOID":
                return str(field["name"])
        raise ShieldError(f"{self.url}: expected a field of type esriFieldTypeOID, found none")

    def count_rows(self, where: str) -> int:
        """Return how many rows the layer announces. Raises `ShieldError` as `ask` does."""
        return int(self.take(self.ask("/query", {"where": where, "returnCountOnly": "true"}), "count"))

    def list_ids(self, where: str) -> set[int]:
        """Return the ids of all rows; the layer's page size does not limit them.

        Raises `ShieldError` as `ask` does.
        """
        answer = self.ask("/query", {"where": where, "returnIdsOnly": "true"})
        return {int(number) for number in self.take(answer, "objectIds") or []}

    def read_page(self, query: Query, after: int) -> Page:
        """Return the next rows whose id is above `after`.

        Raises `ShieldError` when they are not in ascending order of their id, and as `ask` does.
        """
        where = f"({query.where}) AND {query.object_id} > {after}"
        answer = self.ask_rows(query, where)
        rows = self.take_rows(answer, query)
        ids = [read_id(row, query) for row in rows]
        if ids != sorted(set(ids)) or (ids and ids[0] <= after):
            raise ShieldError(
                f"{self.url}: expected rows in order of {query.object_id} after {after}, "
                f"found {ids[0]} to {ids[-1]} out of order or repeated"
            )
        has_more = bool(answer.get("exceededTransferLimit")) or len(rows) == PAGE_ROWS
        return Page(rows, is_last=not (has_more and rows))

    def read_rows(self, query: Query, ids: Collection[int]) -> list[Row]:
        """Return those of the rows `ids`, a page of them at most, that the query still holds.

        Raises `ShieldError` as `ask` does.
        """
        numbers = ", ".join(str(number) for number in sorted(ids))
        where = f"({query.where}) AND {query.object_id} IN ({numbers})"
        return self.take_rows(self.ask_rows(query, where), query)

    def ask_rows(self, query: Query, where: str) -> dict[str, Any]:
        """Ask for rows without their geometry, in order of their id."""
        return self.ask(
            "/query",
            {
                "where": where, "outFields": ",".join(query.fields),
                "orderByFields": query.object_id, "resultRecordCount": str(PAGE_ROWS),
                "returnGeometry": "false",
            },
        )  # fmt: skip

    def take_rows(self, answer: Mapping[str, Any], query: Query) -> list[Row]:
        """Return the rows of an answer with exactly the query's fields.

        Raises `ShieldError` where a row lacks one.
        """
        try:
            return [
                {field: as_text(feature["attributes"][field]) for field in query.fields}
                for feature in self.take(answer, "features")
            ]
        except (KeyError, TypeError) as error:
            raise ShieldError(f"{self.url}: expected rows with the fields asked for: {error}") from error

    def take(self, answer: Mapping[str, Any], part: str) -> Any:  # noqa: ANN401
        """Return one part of an answer. Raises `ShieldError` when it is not there."""
        if part not in answer:
            raise ShieldError(f"{self.url}: expected an answer with {part!r}, found {sorted(answer)}")
        return answer[part]

    def ask(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return the answer to one request, tried up to `MAX_TRIES` times.

        Raises `ShieldError` for an error that would stay, and for one that did not pass.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(PassingError),
            stop=stop_after_attempt(MAX_TRIES),
            wait=choose_pause,
            sleep=sleep,
            before_sleep=say_retry,
            reraise=True,
        )
        try:
            answer: dict[str, Any] = retrying(self.ask_once, path, {"f": "json", **parameters})
        except PassingError as error:
            raise ShieldError(
                f"{self.url}: no usable answer in {MAX_TRIES} tries; the last: {error}"
            ) from error
        return answer

    def ask_once(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Send one request.

        Raises `PassingError` where another try may help, `ShieldError` for any other error.
        """
        sleep(self.pause_seconds)
        try:
            response = self.session.get(self.url + path, params=parameters, timeout=TIMEOUTS)
        except PASSING_FAILURES as error:
            raise PassingError(type(error).__name__) from error
        if response.status_code != HTTPStatus.OK:
            self.refuse(response.status_code, response.reason, read_retry_after(response))
        try:
            answer = json.loads(response.content)
        except ValueError as error:
            raise PassingError(f"an answer that is not JSON ({error})") from error
        if not isinstance(answer, dict):
            raise PassingError(f"expected a JSON object, found {type(answer).__name__}")
        if "error" in answer:
            code, message = read_error(answer["error"])
            self.refuse(code, message, read_retry_after(response))
        return answer

    def refuse(self, code: int, message: str, retry_after: float) -> None:
        """Raise the error for a status, be it HTTP's or one inside an answer.

        Raises `PassingError` where another try may help, `ShieldError` otherwise.
        """
        failure = f"error {code}: {message}"
        if code != HTTPStatus.TOO_MANY_REQUESTS and code not in SERVER_ERRORS:
            raise ShieldError(f"{self.url}: the layer answers with {failure}")
        if retry_after > MAX_RETRY_AFTER:
            raise ShieldError(
                f"{self.url}: {failure}; it asks to come back in {retry_after:.0f} seconds"
            )
        raise PassingError(failure, retry_after)


@contextmanager
def open_layer(url: str, pause_seconds: float) -> Iterator[Layer]:
    """Open one session to a layer; it says who is asking."""
    with requests.Session() as session:
        session.headers["User-Agent"] = USER_AGENT
        yield Layer(url, session, pause_seconds)


def as_text(value: object) -> str | None:
    """Return a JSON value as text; null stays None."""
    if value is None or isinstance(value, str):
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number else json.dumps(value)


def read_id(row: Row, query: Query) -> int:
    """Return a row's object id. Raises `ShieldError` for a row without one."""
    try:
        return int(row[query.object_id] or "")
    except ValueError as error:
        # The row itself holds an exact place: no message shows it.
        raise ShieldError(f"expected rows with an integer {query.object_id}") from error


def read_error(error: object) -> tuple[int, str]:
    """Return code and words of the error object that comes inside an HTTP 200."""
    if not isinstance(error, dict):
        return 0, str(error)
    details = [str(detail) for detail in error.get("details") or []]
    return int(error.get("code") or 0), "; ".join([str(error.get("message", "no message")), *details])


def read_retry_after(response: requests.Response) -> float:
    """Return the seconds that `Retry-After` asks for, given as a number or a date; 0 without one."""
    value = response.headers.get("Retry-After", "").strip()
    if not value or value.isdigit():
        return float(value or 0)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return 0.0  # neither form of RFC 9110: the server asked for nothing that could be honoured
    return max(0.0, (until.astimezone(dt.UTC) - dt.datetime.now(dt.UTC)).total_seconds())


def choose_pause(state: RetryCallState) -> float:
    """Return the seconds before the next try: what the server asks for, or more."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, PassingError) else 0.0
    return max(asked, BACKOFF(state))


def say_retry(state: RetryCallState) -> None:
    """Say on a line of its own what failed and when it is tried again."""
    error = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    tqdm.write(f"portal: {error}; try {state.attempt_number + 1} of {MAX_TRIES} in {seconds:.1f} s")
