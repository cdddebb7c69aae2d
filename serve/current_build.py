"""The build that is served now: one object with its open engine and its prepared answers.

Input: a folder of builds. Output: a `ServedBuild` per request, at most `CHECK_SECONDS` and the time it
takes to open behind the pointer. Whatever cannot be loaded leaves the build before it served.
"""

import logging
import threading
import time
import weakref
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, cast

import sqlalchemy as sa
from flask import current_app, request

from serve.answers import Answers, prepare_answers
from warehouse.errors import NoBuildError, ShieldError
from warehouse.files import hash_file
from warehouse.pointer import PublishedBuild, find_link_error, read_pointer
from warehouse.read import connect_engine, open_engine

EXTENSION = "current_build"
"""Where an application keeps its `CurrentBuild`."""

CITIES = "cities"
"""Where one that serves a fleet keeps its cities instead."""

CITY = "atlshield.city"
"""Where the environ of a request keeps the city that its address names, in a service of many."""

TOPIC = "forecast to look up"
"""What a build must hold to be served, as an error says it."""

TAKEN = "atlshield.build"
"""Where the environ of a request keeps the build that answers it."""

CHECK_SECONDS = 0.5
"""How often the pointer is looked at."""

RETRY_SECONDS = 30.0
"""When a build that failed is tried again though its file is as it was: memory may have been short."""

PREPARE_MEMORY = "512MB"
"""What the engine may take for the answers to lookups; it gives it back."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ServedBuild:
    """One build: what the pointer said of it, an engine on its file, its prepared answers.

    A request takes one and uses nothing else. The engine closes once nobody holds the build: another has
    replaced it and the last request that took it has ended, or the process ends.
    """

    published: PublishedBuild
    engine: sa.Engine
    answers: Answers

    def __post_init__(self) -> None:
        """Tie the engine to this object's life; at exit, before DuckDB's threads lose their process."""
        weakref.finalize(self, self.engine.dispose)

    def connect(self) -> AbstractContextManager[sa.Connection]:
        """Connect to read the build's tables. Raises `NoBuildError` where its file cannot be read."""
        return connect_engine(self.engine, self.published, "such table")


class CurrentBuild:
    """Hands out the build to serve; safe to use from several threads.

    `keep_following` has a thread follow the pointer, so that no request waits for a new build to open.
    Nothing published, or nothing that can be served, is no reason to end: what comes next is served.
    """

    def __init__(self, builds: Path, *, packs: bool = False) -> None:
        """Open the published build, where there is one that can be served; pack its answers if asked."""
        self.builds, self.packs = builds, packs
        self.reload_error: str | None = None
        self.link_error: str | None = None
        self._served: ServedBuild | None = None
        self._failed: object = None
        self._stamp: object = None
        self._retry_at = 0.0
        self._lock = threading.Lock()
        self.follow()

    def get(self) -> ServedBuild | None:
        """Return the build to serve; none before there is one."""
        return self._served

    def follow(self) -> None:
        """Serve what the pointer names now.

        A build that cannot be loaded is logged once and shows in `reload_error`; the old one stays. What
        failed is tried again when its file changes, or later.
        """
        with self._lock:
            now, attempt = time.monotonic(), None
            try:
                published = read_pointer(self.builds)
                self.link_error = find_link_error(self.builds, published)
                attempt = published, stamp_file(self.builds / published.file)
                if attempt == self._failed and now < self._retry_at:
                    return
                if self._served is None or published != self._served.published:
                    self._served = open_build(self.builds, published, packs=self.packs)
                    self._stamp = attempt[1]
                elif attempt[1] != self._stamp:  # somebody touched the file that is served
                    check_file(self.builds, published)
                    self._stamp = attempt[1]
            except (ShieldError, OSError) as error:
                self._failed, self._retry_at = attempt, now + RETRY_SECONDS
                self._note_failure(str(error))
            else:
                self._failed = self.reload_error = None

    def _note_failure(self, error: str) -> None:
        """Keep why the published build cannot be served, without its place; log it when it is new."""
        error = error.replace(f"{self.builds}/", "").replace(str(self.builds), "the folder of builds")
        if error != self.reload_error:
            goes_on = "the old one is served" if self._served else "none is served"
            log.error("the published build cannot be loaded; %s: %s", goes_on, error)
        self.reload_error = error


class Following(Protocol):
    """What follows pointers."""

    def follow(self) -> None:
        """Serve what they name now."""


FollowingType = TypeVar("FollowingType", bound=Following)


def keep_following(followed: FollowingType) -> FollowingType:
    """Let a thread follow pointers for as long as an object lives, and return the object."""
    stopped = threading.Event()
    weakref.finalize(followed, stopped.set)
    threading.Thread(target=follow_pointers, args=(weakref.ref(followed), stopped), daemon=True).start()
    return followed


def follow_pointers(reference: "weakref.ref[Following]", stopped: threading.Event) -> None:
    """Follow pointers until nobody needs what is served any more."""
    while not stopped.wait(CHECK_SECONDS) and (followed := reference()) is not None:
        try:
            followed.follow()
        except Exception:  # whatever it is, the next publish must still be followed
            log.exception("the pointer could not be followed")
        del followed


class NotServedError(ShieldError):
    """There is no build to answer from."""


def take_build() -> ServedBuild:
    """Return the build that answers the current request: the same one however often it is asked for.

    Raises `NotServedError` where there is none.
    """
    environ = request.environ
    served: ServedBuild | None = environ.get(TAKEN)
    if served is None:
        current = find_current_build()
        served = environ[TAKEN] = current.get()
        if served is None:
            raise NotServedError(f"no build can be served: {current.reload_error}")
    return served


def find_current_build() -> CurrentBuild:
    """Return what the current request is answered from: that of its city, in a service of many.

    Raises `NotFound` for a city that there is not.
    """
    cities = current_app.extensions.get(CITIES)
    if cities is not None:
        return cast("CurrentBuild", cities.find(request.environ[CITY]))
    return cast("CurrentBuild", current_app.extensions[EXTENSION])


def names_no_city() -> bool:
    """Return whether the service has several cities and the current request is about none of them."""
    return CITIES in current_app.extensions and CITY not in request.environ


def open_build(builds: Path, published: PublishedBuild, *, packs: bool) -> ServedBuild:
    """Open a build that is whole. Raises `NoBuildError` for any other."""
    check_file(builds, published)
    return load_build(builds, published, packs=packs)


def check_file(builds: Path, published: PublishedBuild) -> None:
    """Compare a build's file with what was published: DuckDB sees damage only in what it reads.

    Raises `NoBuildError` where they differ, and `OSError` where the file cannot be read.
    """
    if hash_file(builds / published.file) != published.sha256:
        raise NoBuildError(f"{published.file} is damaged: its SHA-256 is not the one in its pointer")


def load_build(builds: Path, published: PublishedBuild, *, packs: bool) -> ServedBuild:
    """Open a build and prepare its answers. Raises `NoBuildError` when its file cannot be read."""
    engine = open_engine(builds, published)
    try:
        with connect_engine(engine, published, TOPIC) as connection:
            connection.exec_driver_sql(f"SET memory_limit = '{PREPARE_MEMORY}'")
            answers = prepare_answers(connection, packs=packs)
    finally:
        engine.dispose()  # only a database that is closed gives back what it took to write the JSON
    with connect_engine(engine, published, TOPIC):  # stays open in the engine's pool
        return ServedBuild(published, engine, answers)


def stamp_file(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file is replaced, written to, or made readable."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_ctime_ns
