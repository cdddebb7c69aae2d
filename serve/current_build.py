"""The build that is served now: follows the pointer, keeps what it has when the pointer leads nowhere.

Enters: a folder of builds. Leaves: `Answers` of the published build, at most `CHECK_SECONDS` old.
"""

import logging
import threading
import time
from pathlib import Path

from serve.answers import Answers, load_answers
from warehouse.errors import ShieldError
from warehouse.pointer import POINTER, read_pointer

CHECK_SECONDS = 1.0
"""How often the pointer is looked at: a publish shows within this time, a request costs no more."""

log = logging.getLogger(__name__)


class Library:
    """Hands out the answers of the published build; safe to use from several threads."""

    def __init__(self, builds: Path) -> None:
        """Load the published build. Raises `NoBuildError` where there is none."""
        self.builds = builds
        self._seen = self._look()
        self._answers = load_answers(builds, read_pointer(builds))
        self._checked = time.monotonic()
        self._lock = threading.Lock()
        self.reload_error: str | None = None

    def current(self) -> Answers:
        """Return the answers to serve, having followed the pointer if it moved.

        One thread loads a new build; the others go on with the old one meanwhile. A build that
        cannot be loaded is logged and shows in `reload_error`; the old one stays.
        """
        now = time.monotonic()
        if now - self._checked >= CHECK_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._checked = now
                self._follow()
            finally:
                self._lock.release()
        return self._answers

    def _look(self) -> tuple[int, int] | None:
        """Return what changes when the pointer is replaced; None when it is gone."""
        try:
            status = (self.builds / POINTER).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _follow(self) -> None:
        """Load the published build if the pointer was replaced since the last look."""
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            published = read_pointer(self.builds)
            if published.build_id != self._answers.published.build_id:
                self._answers = load_answers(self.builds, published)
            self.reload_error = None
        except (ShieldError, OSError) as error:
            self.reload_error = str(error)
            log.exception("the published build cannot be loaded; the old one is served")
