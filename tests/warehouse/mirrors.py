"""Mirrors of tiny builds for tests: made, made in vain, and read.

Input: a folder of builds and a database's URL. Output: what a command says, or which builds views show.
"""

import pytest

pytest.importorskip("psycopg", reason="`make .venv/postgres` installs what a mirror needs")

from pathlib import Path

from psycopg import Connection

from tests.postgres_server import connect
from tests.warehouse.test_readers import STAMPS
from warehouse.__main__ import main


def mirror(builds: Path, url: str) -> None:
    """Mirror what is published."""
    assert main(["--builds", str(builds), "mirror", url]) == 0


def fail(builds: Path, url: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is said by a mirror that fails, in one line of errors."""
    capsys.readouterr()
    assert main(["--builds", str(builds), "mirror", url]) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and said.err.startswith("error: ")
    return said.err + said.out


def read_stamps(connection: Connection) -> set[str]:
    """Return the builds that one statement on the views reads."""
    return {stamp for (stamp,) in connection.execute(STAMPS)}


def read_views(url: str) -> set[str]:
    """Return the builds that the views show to one who connects now."""
    with connect(url) as connection:
        return read_stamps(connection)
