"""Half a minute of the soak; `python -m tests.soak` takes ten."""

from pathlib import Path

import pytest

from tests.soak import soak

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_random_requests_fail_nowhere_and_leave_nothing_open(published: Path) -> None:
    told: list[str] = []
    # A service that is half a minute old still draws, and keeps, its first charts.
    assert soak(published, 30, growth=150, tell=told.append) == []
    assert told[-1].startswith("end after 30 s")
    assert " 0 errors" in told[-1]
