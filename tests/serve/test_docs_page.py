"""The page that shows the OpenAPI document, in a browser."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.serve.builds import copy_builds
from tests.serve.server import run_server

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1300,1500", "--virtual-time-budget=8000", "--enable-logging=stderr",
]  # fmt: skip
BLANK_BYTES = 50_000
"""A screenshot with text is several times as large as this, one without a fifth of it."""


@pytest.mark.slow
@pytest.mark.server
def test_browser_shows_the_page_and_complains_of_nothing(published: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    picture = tmp_path / "page.png"
    with run_server(copy_builds(published, tmp_path)) as (address, _):
        found = subprocess.run(
            [chromium, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}",
             f"{address}/docs"], capture_output=True, text=True, timeout=300, check=True,
        )  # fmt: skip
    # What the policy forbids, and every error of a script, is a line of the console.
    assert not [line for line in found.stderr.splitlines() if ":CONSOLE:" in line]
    assert picture.stat().st_size > BLANK_BYTES
