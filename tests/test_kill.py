"""Killed refreshes harm nothing; `python -m tests.kill 200` kills more of them."""

import re
import subprocess
import sys

import pytest

from warehouse.settings import ROOT


@pytest.mark.slow
def test_killed_refreshes_harm_no_published_build_and_leave_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.kill", "4", "2"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"\d+ kills, [1-9]\d* of them after", done.stdout)
    assert "0 bad published builds, 0 lost published builds, 0 leftovers" in done.stdout
