"""A fleet's cities one by one: what is asked for, what came of it, and their union."""

import datetime as dt
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fleet import city_task, inputs, union
from fleet.__main__ import main
from fleet.city_task import LOG, CityOutcome, CityTask, run_city
from fleet.inputs import hash_code, hash_inputs
from fleet.request import make_request, read_fleet
from fleet.union import (
    FILE,
    UNION_TABLES,
    claim,
    remove_others,
    write_database,
    write_files,
    write_part,
)
from refresh import Request
from tests.raw import write_daily
from tests.warehouse.test_faults import mount_memory
from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.history import roll_back
from warehouse.operation import Operation
from warehouse.parquet import render_copy
from warehouse.pointer import read_pointer
from warehouse.read import connect_published
from warehouse.tables_fleet import CITY_SUMMARY_TABLE

WORKER = "tcp://here"
DONE = [CityOutcome("east", "published", None, 1.5, WORKER)]


def test_cities_are_read_with_paths_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(
        '[cities.east]\nraw = ["a.csv", "/b.csv"]\nlast = 2024-05-01\nbacktest = false\n'
        '[cities.west]\nsource = "simulated"\nsample_incidents = 500\nhot_spots = true\n'
    )
    cities = read_fleet(path).cities
    operation = Operation(kept_builds=7, raw_folder=tmp_path / "raw")
    east = make_request("east", cities["east"], tmp_path / "builds", operation)
    assert east == Request(
        "files", tmp_path / "builds" / "east", raw=(tmp_path / "a.csv", Path("/b.csv")),
        last=dt.date(2024, 5, 1), with_backtest=False, kept_builds=7,
        raw_folder=tmp_path / "raw" / "east",
    )  # fmt: skip
    west = make_request("west", cities["west"], tmp_path / "builds", operation)
    assert (west.source_kind, west.sample_incidents, west.hot_spots) == ("simulated", 500, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "cities: missing"),
        ("[cities]", "cities: found {}, expected at least one"),
        ("[cities.a]", "cities.a: raw: the source files needs it"),
        ('[cities.a]\nsource = "portal"\nraw = ["b"]', "raw: the source files needs it, others"),
        ('[cities.a]\nrow = ["b"]', "cities.a.row: unknown key; did you mean 'raw'?"),
        ('[cities."A/b"]\nraw = ["b"]', "cities.A/b"),
        ('[cities.a]\nsource = "simulated"\ncity = "b"', "city: only atlanta can be simulated"),
        ('[cities.a]\nraw = ["b"]\nsample_incidents = 5', "sample_incidents: goes with"),
        ('[cities.a]\nraw = ["b"]\nfirst = 2024-01-02\nlast = 2024-01-01', "first: 2024-01-02 comes"),
        ('[cities.a]\nraw = ["b"]\nsource = "disk"', "cities.a.source: expected simulated"),
        ('[cities.a]\nraw = ["b"]\n[cities.a]', "fleet.toml: expected a TOML file"),
        ("cities = 3", "cities: found 3, expected a"),
        ('[cities.a]\nraw = ["b", "c"]\n[cities.d]\nraw = ["./c"]', "c is read for a too"),
        ('[cities.a]\nsource = "portal"\n[cities.b]\nsource = "portal"', "cities.b.source: the portal"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(text)
    with pytest.raises(ShieldError) as caught:
        read_fleet(path)
    assert str(caught.value).startswith("fleet.toml: ")
    assert told in str(caught.value)


def test_copy_of_another_citys_file_is_named(tmp_path: Path) -> None:
    for name, text in (("a", "1"), ("b", "2"), ("c", "1"), ("d", "11")):
        (tmp_path / f"{name}.csv").write_text(text)
    cities = '[cities.{0}]\nraw = ["{0}.csv"]\n'
    path = tmp_path / "fleet.toml"
    path.write_text(cities.format("a") + cities.format("b") + cities.format("d"))
    read_fleet(path)
    path.write_text(cities.format("a") + cities.format("b") + cities.format("c"))
    with pytest.raises(ShieldError, match=r"cities\.c\.raw: .*c\.csv is read for a too"):
        read_fleet(path)


@pytest.fixture
def task(tmp_path: Path) -> CityTask:
    """A city of 100 days."""
    raw = write_daily(tmp_path / "daily.csv")
    request = Request("files", tmp_path / "builds" / "east", raw=(raw,), with_backtest=False)
    return CityTask("east", request, tmp_path / "union", hash_code(), does_resume=True)


def ask_union(folder: Path, statement: str) -> list[Any]:
    """Return the rows of a statement on the union."""
    with duckdb.connect(str(folder / FILE), read_only=True) as connection:
        return connection.execute(statement).fetchall()


def test_city_is_refreshed_left_out_and_refreshed_again(task: CityTask, tmp_path: Path) -> None:
    builds = task.request.builds
    done = run_city(task, WORKER)
    assert (done.city, done.outcome, done.reason, done.worker) == ("east", "published", None, WORKER)
    assert done.seconds > 0
    assert "publish" in (builds / LOG).read_text()
    first = read_pointer(builds).build_id
    assert run_city(task, WORKER).outcome == "unchanged"
    assert read_pointer(builds).build_id == first
    with task.request.raw[0].open("a") as stream:
        stream.write(task.request.raw[0].read_text().splitlines()[-1] + "\n")
    assert run_city(task, WORKER).outcome == "published"
    second = read_pointer(builds).build_id
    assert second > first
    assert run_city(replace(task, does_resume=False), WORKER).outcome == "published"
    assert ask_union(write_database(task.union, DONE).parent, "SELECT build_id FROM city_summary") == [
        (read_pointer(builds).build_id,)
    ]


def test_files_of_another_city_take_its_place_aloud(task: CityTask) -> None:
    assert run_city(task, WORKER).reason is None
    compared = read_pointer(task.request.builds).build_id
    other = write_daily(task.request.raw[0].with_name("other.csv"), days=60)
    swapped = run_city(replace(task, request=replace(task.request, raw=(other,))), WORKER)
    assert swapped.outcome == "published"
    told = f"it took the place of build {compared} and was compared with nothing: "
    assert str(swapped.reason).startswith(told)
    assert "is of other files" in str(swapped.reason)
    assert f"warning: {told}" in (task.request.builds / LOG).read_text()


def test_failure_is_told_and_leaves_build_and_union(
    task: CityTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_city(task, WORKER)
    build = read_pointer(task.request.builds).build_id
    task.request.raw[0].write_text("what\n1\n")
    failed = run_city(task, WORKER)
    assert failed.outcome == "failed"
    assert "daily.csv" in str(failed.reason)
    assert f"error: {failed.reason}" in (task.request.builds / LOG).read_text()

    def break_down(request: Request) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(city_task, "refresh", break_down)
    broken = run_city(task, WORKER)
    assert str(broken.reason).startswith("ZeroDivisionError, a mistake of this program: see ")
    assert "Traceback" in (task.request.builds / LOG).read_text()
    other = run_city(replace(task, code="other"), WORKER)
    assert "other code" in str(other.reason)
    write_database(task.union, [failed, replace(broken, city="west")])
    assert ask_union(task.union, "SELECT city, build_id FROM city_summary") == [("east", build)]
    assert ask_union(task.union, "SELECT city, outcome, reason FROM fleet_run ORDER BY city") == [
        ("east", "failed", failed.reason), ("west", "failed", broken.reason),
    ]  # fmt: skip


def test_union_follows_the_published_build_though_the_refresh_fails(task: CityTask, daily: Path) -> None:
    builds, raw = task.request.builds, task.request.raw[0]
    shutil.copytree(daily, builds, symlinks=True)
    run_city(task, WORKER)
    roll_back(builds)
    raw.rename(raw.with_name("elsewhere.csv"))
    assert "daily.csv" in str(run_city(task, WORKER).reason)
    now = [(read_pointer(builds).build_id,)]
    assert ask_union(write_database(task.union, DONE).parent, "SELECT build_id FROM city_summary") == now


def test_lost_file_of_the_union_comes_back(task: CityTask, monkeypatch: pytest.MonkeyPatch) -> None:
    run_city(task, WORKER)
    [lost] = (task.union / "forecast_city" / "city=east").glob("*")
    before = lost.read_bytes()
    lost.unlink()
    [part] = (task.union / ".parts" / "east").iterdir()
    kept = {path.name for path in part.iterdir()} - {"forecast_city"}
    seen: list[str] = []

    def write(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        seen.extend(name for name in kept if (task.union / name / "city=east" / "data.parquet").exists())
        write_files(connection, folder)

    monkeypatch.setattr(union, "write_files", write)
    assert run_city(task, WORKER).outcome == "unchanged"
    assert lost.read_bytes() == before
    assert set(seen) == kept, "readers have what is there until all is there"
    assert len(list(part.parent.iterdir())) == 1


def test_union_that_cannot_be_written_is_told_and_stays(
    task: CityTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_city(task, WORKER)
    write_database(task.union, DONE)
    first = ask_union(task.union, "SELECT build_id FROM city_summary")
    with monkeypatch.context() as patch:
        patch.setattr(union, "render_copy", lambda table, path: render_copy(table, Path("/proc/none")))
        failed = run_city(replace(task, does_resume=False), WORKER)
    told = f"{UNION_TABLES[0].name} cannot be exported to data.parquet: "
    assert str(failed.reason).startswith(told)

    def fill(*_: object) -> None:
        raise duckdb.TransactionException("TransactionContext Error: Failed to commit: No space left")

    monkeypatch.setattr(union, "fill_database", fill)
    with pytest.raises(
        ShieldError, match=r"fleet.duckdb cannot be written, that of the run before stay"
    ):
        write_database(task.union, [])
    assert ask_union(task.union, "SELECT build_id FROM city_summary") == first
    assert ask_union(task.union, "SELECT city FROM fleet_run") == [("east",)]


def test_union_on_a_full_disk_is_told_and_stays(daily: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount_memory(disk, "-t", "tmpfs", "-o", "size=2m", "tmpfs")
    try:
        write_part(daily, disk, "east")
        write_database(disk, DONE)
        free = shutil.disk_usage(disk).free
        (disk / "filler").write_bytes(bytes(free - 100_000))  # which DuckDB's log fits in, and no more
        with pytest.raises(
            ShieldError, match=r"fleet\.duckdb cannot be written, that of the run before s"
        ):
            write_database(disk, [replace(DONE[0], outcome="failed")])
        with pytest.raises(ShieldError, match=r"forecast_hourly cannot be exported .*No space left"):
            write_part(daily, disk, "west")
        assert ask_union(disk, "SELECT outcome FROM fleet_run") == [("published",)]
        assert ask_union(disk, "SELECT DISTINCT city FROM forecast_city") == [("east",)]
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S607


def test_union_is_of_one_folder_of_builds(tmp_path: Path) -> None:
    claim(tmp_path / "union", tmp_path / "one")
    claim(tmp_path / "union", tmp_path / "one")
    with pytest.raises(
        ShieldError, match="union is the union of .*one, not of .*other: give UNION another"
    ):
        claim(tmp_path / "union", tmp_path / "other")
    for name in ("a*", "a?", "[a]", "year=2026", "a\\b"):
        with pytest.raises(ShieldError, match=r"UNION: expected a path without .*, found"):
            claim(tmp_path / name, tmp_path / "one")
        assert not (tmp_path / name).exists()


def test_folder_that_cannot_be_made_is_told(task: CityTask) -> None:
    task.request.builds.parent.write_text("a file")
    assert "builds" in str(run_city(task, WORKER).reason)


def test_digest_follows_files_options_and_code(task: CityTask, tmp_path: Path) -> None:
    request = task.request
    digest = hash_inputs(request, "code")
    assert hash_inputs(replace(request, builds=tmp_path, kept_builds=9, force=True), "code") == digest
    demographics = tmp_path / "demographics.csv"
    demographics.touch()
    others = [
        replace(request, cleaning="strict"), replace(request, last=dt.date(2024, 1, 1)),
        replace(request, hot_spots=True), replace(request, with_backtest=True),
        replace(request, demographics=demographics), replace(request, boundaries=demographics),
    ]  # fmt: skip
    digests = {hash_inputs(other, "code") for other in others}
    os.utime(request.raw[0], (1_700_000_000, 1_700_000_000))  # no row counts that is newer
    assert len({digest, hash_inputs(request, "other"), hash_inputs(request, "code"), *digests}) == 9
    assert hash_inputs(replace(request, source_kind="portal"), "code") is None


def test_digest_of_the_code_follows_what_makes_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("refresh.py", "etl/a.py", "warehouse/sql/b.sql", "serve/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    digests = [hash_code()]
    for name in ("serve/c.py", "refresh.py", "etl/a.py", "warehouse/sql/b.sql"):
        (tmp_path / name).write_text("2")
        digests.append(hash_code())
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_portal_is_never_left_out(task: CityTask) -> None:
    assert not inputs.is_unchanged(task.request.builds, None)


def test_union_holds_what_the_builds_hold(few_places: Path, daily: Path, tmp_path: Path) -> None:
    for name, builds in (("few", few_places), ("daily", daily)):
        write_part(builds, tmp_path, name)
    write_database(tmp_path, DONE)
    for table in UNION_TABLES:
        numbers = [c.name for c in table.columns if c.type in {"DOUBLE", "INTEGER", "BIGINT"}]
        sums = ", ".join(["count(*)", *(f"sum({name})" for name in numbers)])
        for name, builds in (("few", few_places), ("daily", daily)):
            with connect_published(builds) as (_, connection):
                expected = connection.execute(f"SELECT {sums} FROM {table.name}").fetchall()
            found = ask_union(tmp_path, f"SELECT {sums} FROM {table.name} WHERE city = '{name}'")
            for one, other in zip(found[0], expected[0], strict=True):
                assert one == (other if other is None else pytest.approx(other, rel=1e-9))


def test_summary_is_declared_and_worst_comes_first(
    few_places: Path, daily: Path, tmp_path: Path
) -> None:
    for name, builds in (("few", few_places), ("daily", daily)):
        write_part(builds, tmp_path, name)
    write_database(tmp_path, DONE)
    described = ask_union(tmp_path, "SELECT column_name, column_type FROM (DESCRIBE city_summary)")
    assert sorted(described) == sorted((c.name, c.type) for c in CITY_SUMMARY_TABLE.columns)
    rows = ask_union(
        tmp_path,
        "SELECT city, neighborhoods, incidents, expected_crimes, deviance_to_reference, is_synthetic"
        " FROM fleet_quality",
    )
    with connect_published(few_places) as (_, connection):
        [expected] = connection.execute(
            "SELECT (SELECT count(*) FROM neighborhood), (SELECT count(*) FROM incident),"
            " (SELECT sum(expected_month_crimes) FROM forecast_city), (SELECT avg(value) FROM"
            " backtest_score WHERE model = 'base_and_forest' AND metric = 'deviance_to_reference'"
            " AND subset = 'all'), true"
        ).fetchall()
    assert [row[0] for row in rows] == ["daily", "few"]  # without a backtest nobody knows
    assert rows[0][4] is None
    assert rows[1][1:] == pytest.approx(expected)


def test_city_is_swapped_whole_and_leaves_with_its_name(
    daily_builds: Path, few_places: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "union"
    write_part(daily_builds, folder, "east")
    write_part(daily_builds, folder, "west")
    (folder / ".parts" / "east" / "20200101T000000000000Z.0.partial").mkdir()  # of a worker that died
    (folder / ".current" / ".east.partial").symlink_to("gone")
    links = {path: path.lstat().st_ino for path in folder.glob("*/city=east")}
    assert len(links) == len(UNION_TABLES) + 1
    for _ in range(2):  # the second time all is there
        write_part(few_places, folder, "east")
    assert {path: path.lstat().st_ino for path in folder.glob("*/city=east")} == links
    [part] = (folder / ".parts" / "east").iterdir()
    assert part.name == f"{read_pointer(few_places).build_id}.0"
    assert remove_others(folder, {"east"}) == ["west"]
    assert remove_others(folder, {"east"}) == []
    assert not list(folder.glob("**/city=west"))
    assert not (folder / ".parts" / "west").exists()
    (folder / f"{FILE}.partial").write_bytes(b"of a run that was killed")
    write_database(folder, DONE)
    assert ask_union(folder, "SELECT DISTINCT city FROM forecast_city") == [("east",)]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text("[cities.a]\nraws = 3\n")
    places = ["--builds", str(tmp_path / "builds"), "--union", str(tmp_path / "union")]
    assert main([str(path), *places]) == 1
    assert "error: fleet.toml: cities.a.raws: unknown key" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([str(path), "--workers", "2", "--scheduler", "tcp://here:1"])
