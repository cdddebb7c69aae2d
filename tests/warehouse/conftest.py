"""What the tests of the mirror share: a PostgreSQL server, a database, a tiny build."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.warehouse.test_readers import publish_stamped
from warehouse.schema import TABLES

if TYPE_CHECKING:  # its driver may be missing
    from tests.postgres_server import Server


@pytest.fixture(scope="session")
def server() -> "Iterator[Server]":
    """A server of this process's own."""
    from tests.postgres_server import run_server

    with run_server() as found:
        yield found


@pytest.fixture
def url(server: "Server") -> str:
    """An empty database."""
    return server.make_database()


READ = {
    "refresh_run", "neighborhood", "forecast_hourly", "average_daily", "holiday",
    "mart_incident_explorer", "mart_forecast_hourly",
}  # fmt: skip
"""The tables that the tests of tiny builds read."""


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny published build, 0001, of which this process mirrors a few tables."""
    few = [table for table in TABLES if table.name in READ]
    monkeypatch.setattr("warehouse.mirror.TABLES", few)
    folder = tmp_path / "builds"
    folder.mkdir()
    publish_stamped(folder, 1)
    return folder
