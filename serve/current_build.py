"""The build that is served now: one object with its open engine and its prepared answers.

Input: a folder of builds. Output: a `ServedBuild` per request, at most `CHECK_SECONDS` behind the
pointer. Whatever cannot be loaded leaves the build before it served.
"""

import logging
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import sqlalchemy as sa
from flask import current_app

from serve.answers import Answers, prepare_answers, try_selects
from warehouse.errors import NoBuildError, ShieldError
from warehouse.files import hash_file
from warehouse.pointer import PublishedBuild, read_pointer
from warehouse.read import connect_engine, open_engine

EXTENSION = "current_build"
"""Where an application keeps its `CurrentBuild`."""

TOPIC = "forecast to look up"
"""What a build must hold to be served, as an error says it."""

CHECK_SECONDS = 1.0
"""How often the pointer is looked at: a publish shows within this time, a request costs no more."""

RETRY_SECONDS = 30.0
"""When a build that failed is tried again though its file is as it was: memory may have been short."""

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


class CurrentBuild:
    """Hands out the build to serve; safe to use from several threads."""

    def __init__(self, builds: Path) -> None:
        """Open the published build. Raises `NoBuildError` where there is none that can be served."""
        self.builds = builds
        self.reload_error: str | None = None
        self._served = open_build(builds, read_pointer(builds))
        self._lock = threading.Lock()
        self._checked = time.monotonic()
        self._failed: object = None
        self._retry_at = 0.0

    def get(self) -> ServedBuild:
        """Return the build to serve, having followed the pointer if it moved.

        One thread opens a new build; the others go on with the old one meanwhile. A build that cannot be
        loaded is logged once and shows in `reload_error`; the old one stays.
        """
        now = time.monotonic()
        if now - self._checked >= CHECK_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._checked = now
                self._follow(now)
            finally:
                self._lock.release()
        return self._served

    def _follow(self, now: float) -> None:
        """Serve what the pointer names; what failed is tried again when its file changes, or later."""
        attempt = None
        try:
            published = read_pointer(self.builds)
            attempt = published, stamp_file(self.builds / published.file)
            if attempt == self._failed and now < self._retry_at:
                return
            if published != self._served.published:
                self._served = open_build(self.builds, published)
        except (ShieldError, OSError) as error:
            self._failed, self._retry_at = attempt, now + RETRY_SECONDS
            if str(error) != self.reload_error:
                log.error("the published build cannot be loaded; the old one is served: %s", error)
            self.reload_error = str(error)
        else:
            self._failed = self.reload_error = None


def take_build() -> ServedBuild:
    """Return the build that answers the current request."""
    return find_current_build().get()


def find_current_build() -> CurrentBuild:
    """Return what the current application serves from."""
    return cast("CurrentBuild", current_app.extensions[EXTENSION])


def open_build(builds: Path, published: PublishedBuild) -> ServedBuild:
    """Open a build that is whole. Raises `NoBuildError` for any other."""
    check_file(builds, published)
    return load_build(builds, published)


def check_file(builds: Path, published: PublishedBuild) -> None:
    """Compare a build's file with what was published: DuckDB sees damage only in what it reads.

    Raises `NoBuildError` where they differ, and `OSError` where the file cannot be read.
    """
    if hash_file(builds / published.file) != published.sha256:
        raise NoBuildError(f"{published.file} is damaged: its SHA-256 is not the one in its pointer")


def check_build(builds: Path) -> None:
    """Find out whether the published build can be served, and leave nothing open.

    Raises `NoBuildError` where there is none, or one that is damaged or from an earlier version.
    """
    published = read_pointer(builds)
    check_file(builds, published)
    engine = open_engine(builds, published)
    try:
        with connect_engine(engine, published, TOPIC) as connection:
            try_selects(connection)
    finally:
        engine.dispose()


def load_build(builds: Path, published: PublishedBuild) -> ServedBuild:
    """Open a build and prepare its answers. Raises `NoBuildError` when its file cannot be read."""
    engine = open_engine(builds, published)
    try:
        with connect_engine(engine, published, TOPIC) as connection:
            answers = prepare_answers(connection)
    finally:
        engine.dispose()  # only a database that is closed gives back what it took to write the JSON
    with connect_engine(engine, published, TOPIC):  # stays open in the engine's pool
        return ServedBuild(published, engine, answers)


def stamp_file(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file is replaced, written to, or made readable."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_ctime_ns
