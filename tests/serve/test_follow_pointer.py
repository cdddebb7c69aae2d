"""The thread that follows the pointer: without a request, and whatever goes wrong."""

import threading
from functools import partial
from pathlib import Path

import pytest

from serve import current_build as current_build_module
from serve.current_build import CurrentBuild, keep_following
from tests.serve.builds import copy_builds, publish_changed, wait_until
from warehouse.pointer import read_pointer


def is_served(current: CurrentBuild, build_id: str) -> bool:
    """Return whether a build is served, without following the pointer."""
    served = current.get()
    return served is not None and served.published.build_id == build_id


def test_pointer_is_followed_without_a_request_while_somebody_needs_the_build(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = copy_builds(published, tmp_path)
    monkeypatch.setattr(current_build_module, "CHECK_SECONDS", 0.01)
    before = threading.enumerate()  # some may end meanwhile: those of tests before this one
    current = keep_following(CurrentBuild(builds))
    [thread] = set(threading.enumerate()) - set(before)
    publish_changed(builds, "z")
    wait_until(partial(is_served, current, "z"))
    del current
    wait_until(lambda: not thread.is_alive())


def test_mistake_while_following_is_logged_and_the_next_publish_followed(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    builds = copy_builds(published, tmp_path)
    monkeypatch.setattr(current_build_module, "CHECK_SECONDS", 0.01)
    current = keep_following(CurrentBuild(builds))
    monkeypatch.setattr(current_build_module, "read_pointer", lambda _: 1 / 0)
    wait_until(lambda: "could not be followed" in caplog.text)
    monkeypatch.setattr(current_build_module, "read_pointer", read_pointer)
    publish_changed(builds, "z")
    wait_until(partial(is_served, current, "z"))
