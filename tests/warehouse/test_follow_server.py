"""Two real services, one the replica of the other, through deaths on both sides of the wire."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tenacity import wait_none

from tests.kill import list_damage
from tests.serve.builds import publish_changed, wait_until
from tests.serve.server import ask, is_ready, run_server, start, wait_until_answering
from tests.warehouse.relay import Relay, run_relay
from warehouse import download
from warehouse.errors import ShieldError
from warehouse.follow import follow
from warehouse.operation import Operation
from warehouse.pointer import move_link, read_pointer
from warehouse.settings import ROOT

pytestmark = pytest.mark.server

PATHS = (
    "/v1/tables/forecast_hourly.csv", "/v1/tables/incident.json?_limit=50", "/v1/builds/current.duckdb",
    "/predict_hourly_crime?neighborhood=Downtown&month=7", "/charts/hourly/Downtown/7.svg", "/readyz",
)  # fmt: skip
LATER = ("29991231T000001Z", "29991231T000002Z")
HEADERS = 10_000
"""Bytes at most that come beside a file: headers, and the list of builds."""


@contextmanager
def run_mortal(builds: Path, relay: Relay) -> Iterator["subprocess.Popen[str]"]:
    """Run a source at the end of a wire, which may be killed."""
    address, process = start(builds)
    try:
        wait_until_answering(address, process)
        relay.target = address
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
        assert process.stderr is not None
        process.stderr.close()


def wait_for(address: str, build_id: str) -> None:
    """Return once a service serves a build."""
    wait_until(
        lambda: is_ready(address) and json.loads(ask(address, "/readyz"))["build_id"] == build_id, 60
    )


def compare(source: str, replica: str, build_id: str) -> None:
    """Compare the answers of two services, once both serve a build."""
    for address in (source, replica):
        wait_for(address, build_id)
    for path in PATHS:
        assert ask(source, path) == ask(replica, path), path


def publish(builds: Path, address: str, build_id: str) -> int:
    """Publish another build, wait until it is served, and return its bytes."""
    told = f"UPDATE refresh_run SET build_id = '{build_id}'"
    published = publish_changed(builds, build_id, told, "CHECKPOINT")
    move_link(builds, published)
    wait_for(address, build_id)
    return (builds / published.file).stat().st_size


@pytest.mark.slow
def test_replica_answers_as_its_source_through_three_publishes(
    daily_builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PAUSE", wait_none())
    replica = Operation(builds=tmp_path / "replica")
    replica.builds.mkdir()
    first = read_pointer(daily_builds)
    size = (daily_builds / first.file).stat().st_size
    draft = replica.builds / f"{first.file}.partial"
    with run_relay() as relay, run_server(replica.builds) as (copy, _):
        with run_mortal(daily_builds, relay) as source:
            command = [sys.executable, "-m", "warehouse", "--builds", str(replica.builds)]
            with subprocess.Popen([*command, "follow", relay.address], cwd=ROOT) as follower:

                def kill_follower() -> None:
                    wait_until(lambda: draft.exists() and draft.stat().st_size > size // 4, 60)
                    follower.kill()

                relay.cut_after(size // 2, kill_follower)
                assert follower.wait(60) == -signal.SIGKILL
            assert not (replica.builds / "current.json").exists()
            there, relay.sent = draft.stat().st_size, 0
            assert follow(relay.address, replica) == first
            assert size - there < relay.sent < size - there + HEADERS
            compare(relay.target, copy, first.build_id)
            size = publish(daily_builds, relay.target, LATER[0])
            relay.cut_after(size // 3, lambda: os.killpg(source.pid, signal.SIGKILL))
            with pytest.raises(ShieldError, match="no usable answer in 8 tries"):
                follow(relay.address, replica)
            source.wait(20)
            wait_for(copy, first.build_id)
        with run_mortal(daily_builds, relay):
            assert follow(relay.address, replica) == read_pointer(daily_builds)
            assert size < relay.sent < size + download.CHUNK_BYTES + 2 * HEADERS
            compare(relay.target, copy, LATER[0])
            publish(daily_builds, relay.target, LATER[1])
            assert follow(relay.address, replica) == read_pointer(daily_builds)
            assert follow(relay.address, replica) is None
            compare(relay.target, copy, LATER[1])
    assert list_damage(replica.builds) == []
