"""Readers while builds are published: each answer comes from one build, and none is an error."""

import multiprocessing
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from tests.tables import fill
from warehouse import settings
from warehouse.build import open_build
from warehouse.errors import NoBuildError
from warehouse.pointer import read_pointer
from warehouse.publish import publish_build
from warehouse.read import connect_published
from warehouse.records import name_build
from warehouse.sweep import prune_builds
from warehouse.tables_clean import INCIDENT_TABLE, NEIGHBORHOOD_TABLE
from warehouse.tables_forecast import AVERAGE_DAILY_TABLE, FORECAST_HOURLY_TABLE
from warehouse.tables_lineage import REFRESH_RUN_TABLE
from warehouse.tables_mart import MART_FORECAST_HOURLY_TABLE

PUBLISHES = 20
READERS = 4
PATIENCE = 120
"""Seconds after which a test that hangs is given up; nothing is measured by it."""

STAMPED = (NEIGHBORHOOD_TABLE, INCIDENT_TABLE, FORECAST_HOURLY_TABLE, AVERAGE_DAILY_TABLE)
STAMPS = """
SELECT build_id FROM refresh_run
UNION SELECT data_source FROM neighborhood
UNION SELECT data_source FROM mart_incident_explorer
UNION SELECT data_source FROM forecast_hourly
UNION SELECT data_source FROM mart_forecast_hourly
UNION SELECT data_source FROM average_daily
"""


def write_stamped(builds: Path, number: int) -> Path:
    """Write, but do not publish, a tiny build whose rows all carry its id as their data source."""
    build_id = f"{number:04}"
    partial = builds.with_name(f"{build_id}.written")
    with open_build(build_id, partial) as build:
        build.data_source = build_id
        for table in STAMPED:
            fill(build, table, "neighborhood\nDowntown")
        fill(build, REFRESH_RUN_TABLE, f"build_id\n{build_id}")
        build.insert_mart(MART_FORECAST_HOURLY_TABLE)
    return partial


def publish_stamped(builds: Path, number: int) -> str:
    """Write and publish such a build; return its id."""
    return publish_and_prune(builds, write_stamped(builds, number))


def publish_and_prune(builds: Path, written: Path) -> str:
    """Publish a written build, remove old ones as a refresh does, and return its id."""
    published = publish_build(builds, written.stem, written)
    prune_builds(builds, settings.KEPT_BUILDS, settings.KEPT_REFUSED)
    return published.build_id


def read_stamp(builds: Path) -> tuple[str, set[str]]:
    """Return the id that the pointer gives and the stamps found in that build, asked for twice."""
    with connect_published(builds, {"threads": 1}) as (published, connection):
        found = connection.execute(STAMPS).fetchall() + connection.execute(STAMPS).fetchall()
    return published.build_id, {stamp for (stamp,) in found}


def read_without_pause(builds: Path, ready: Barrier, stop: Event, answers: "Queue[object]") -> None:
    """Read until told to stop, and once more; put the builds seen in order, or what went wrong."""
    seen: list[str] = []
    try:
        is_last = False
        while not is_last:
            is_last = stop.is_set()
            build_id, stamps = read_stamp(builds)
            if stamps != {build_id}:
                raise ValueError(f"build {build_id} answered {stamps}")
            if not seen:
                ready.wait(PATIENCE)
            seen += [build_id] if seen[-1:] != [build_id] else []
    except Exception as error:  # whatever it is, the test must tell it
        answers.put(repr(error))
    else:
        answers.put(seen)


@pytest.fixture
def builds(tmp_path: Path) -> Path:
    """An empty folder of builds."""
    folder = tmp_path / "builds"
    folder.mkdir()
    return folder


def test_reader_keeps_its_build_and_the_next_reader_has_the_new_one(builds: Path) -> None:
    old = publish_stamped(builds, 1)
    with connect_published(builds, {"threads": 1}) as (_, reader):
        new = publish_stamped(builds, 2)
        assert set(reader.execute(STAMPS).fetchall()) == {(old,)}
        assert read_stamp(builds) == (new, {new})
        for number in range(3, 7):  # the old build's file is removed meanwhile
            publish_stamped(builds, number)
        assert not (builds / name_build(old)).exists()
        assert set(reader.execute(STAMPS).fetchall()) == {(old,)}


def test_build_that_goes_before_it_is_opened_is_looked_for_again(
    builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_stamped(builds, 1)
    gone = read_pointer(builds)
    publish_stamped(builds, 2)
    (builds / gone.file).unlink()
    looks = iter([gone, read_pointer(builds)])
    monkeypatch.setattr("warehouse.read.read_pointer", lambda _: next(looks))
    assert read_stamp(builds) == ("0002", {"0002"})


def test_build_that_cannot_be_opened_is_named(builds: Path) -> None:
    publish_stamped(builds, 1)
    path = builds / name_build("0001")
    path.chmod(0o600)
    path.write_text("not a database")
    with pytest.raises(NoBuildError, match=r"warehouse-0001\.duckdb cannot be opened"):
        read_stamp(builds)


@pytest.mark.slow
def test_twenty_publishes_under_four_readers(builds: Path) -> None:
    context = multiprocessing.get_context("spawn")  # DuckDB's threads do not survive a fork
    ready, stop, answers = context.Barrier(READERS + 1), context.Event(), context.Queue()
    publish_stamped(builds, 0)
    written = [write_stamped(builds, number) for number in range(1, PUBLISHES + 1)]
    readers = [
        context.Process(target=read_without_pause, args=(builds, ready, stop, answers), daemon=True)
        for _ in range(READERS)
    ]
    for reader in readers:
        reader.start()
    ready.wait(PATIENCE)
    try:
        ids = [publish_and_prune(builds, path) for path in written]
    finally:
        stop.set()
    results = [answers.get(timeout=PATIENCE) for _ in readers]
    for reader in readers:
        reader.join(PATIENCE)
    for seen in results:
        assert isinstance(seen, list), seen
        assert seen == sorted(seen), "a reader went back to an older build"
        assert (seen[0], seen[-1]) == ("0000", ids[-1])
