"""Publishing: the pointer moves last, readers keep what they have, an earlier build can come back."""

import fcntl
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

import refresh as refresh_module
from refresh import Request, refresh
from tests.kill import copy_tables
from tests.one_in import one_in
from tests.raw import write_daily
from warehouse.errors import NoBuildError, ShieldError
from warehouse.files import FETCH, REFRESH, hold_lock, name_lock
from warehouse.history import roll_back
from warehouse.pointer import read_pointer
from warehouse.publish import publish_build
from warehouse.records import list_builds
from warehouse.refresh_record import RECORD
from warehouse.sweep import sweep_leftovers
from warehouse.track import TRACK

LOCK = name_lock(REFRESH)


def request_daily(folder: Path, builds: Path, days: int = 100) -> Request:
    """Return a request over a small raw file, without the backtest."""
    raw = write_daily(folder / f"daily_{days}.csv", days)
    return Request("files", builds, raw=(raw,), with_backtest=False)


def list_names(builds: Path) -> set[str]:
    """Return the names in a folder, the lock left out."""
    return {path.name for path in builds.iterdir()} - {LOCK}


def test_published_folder_holds_build_pointer_and_link(daily_builds: Path) -> None:
    pointer = read_pointer(daily_builds)
    record = f"warehouse-{pointer.build_id}.json"
    assert list_names(daily_builds) == {
        pointer.file, record, "current.json", "current.duckdb", TRACK, RECORD
    }  # fmt: skip
    assert (daily_builds / record).read_bytes() == (daily_builds / "current.json").read_bytes()
    assert (daily_builds / "current.duckdb").readlink() == Path(pointer.file)
    assert not (daily_builds / pointer.file).stat().st_mode & 0o222
    facts = json.loads((daily_builds / "current.json").read_text())
    assert list(facts) == [
        "build_id", "file", "sha256", "created_at", "cutoff", "source", "is_synthetic", "cleaning",
    ]  # fmt: skip
    assert facts["is_synthetic"] is False
    assert facts["cutoff"] == "2021-04-16"


@pytest.mark.parametrize("step", one_in(2, ["audit_build", "fill_forecasts", "publish_build"]))
def test_failing_anywhere_leaves_the_published_build_as_it_was(
    daily_builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = (daily_builds / "current.json").read_bytes()

    def fail(*_: object) -> None:
        raise ShieldError("it broke here")

    monkeypatch.setattr(refresh_module, step, fail)
    with pytest.raises(ShieldError, match="it broke here"):
        refresh(request_daily(tmp_path, daily_builds))
    assert (daily_builds / "current.json").read_bytes() == before
    assert len(list_names(daily_builds)) == 6
    assert len(list((daily_builds / TRACK).iterdir())) == 2


def list_calls(builds: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that fills with the calls by which a folder changes, in order, and their names."""
    calls: list[str] = []
    sync, rename, replace = os.fsync, os.rename, os.replace

    def name_file(descriptor: int) -> str:
        found = os.fstat(descriptor)
        return next(
            path.name for path in (builds, *builds.rglob("*")) if os.path.samestat(path.stat(), found)
        )

    def record_sync(descriptor: int) -> None:
        calls.append(f"fsync {name_file(descriptor)}")
        sync(descriptor)

    def record_rename(old: Path, new: Path) -> None:
        calls.append(f"rename {Path(new).name}")
        rename(old, new)

    def record_replace(old: Path, new: Path) -> None:
        calls.append(f"replace {Path(new).name}")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "rename", record_rename)
    monkeypatch.setattr(os, "replace", record_replace)
    return calls


def test_every_name_is_on_disk_before_what_points_at_it(
    daily_builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = daily_builds.name
    partial = daily_builds / "warehouse-x.duckdb.partial"
    build_id = read_pointer(daily_builds).build_id
    shutil.copy(daily_builds / read_pointer(daily_builds).file, partial)
    calls = list_calls(daily_builds, monkeypatch)
    publish_build(daily_builds, "x", partial)
    assert calls == [
        f"fsync {build_id}.parquet.partial",
        f"fsync {build_id}.json.partial",
        f"fsync {TRACK}",
        f"fsync {folder}",
        "fsync warehouse-x.duckdb.partial",
        "fsync warehouse-x.json.partial",
        f"fsync {folder}",
        "rename warehouse-x.duckdb",
        f"fsync {folder}",
        "fsync current.json.partial",
        "replace current.json",
        f"fsync {folder}",
        f"replace {build_id}.parquet",
        f"replace {build_id}.json",
        "replace warehouse-x.json",
        "replace current.duckdb",
    ]


def test_file_with_a_write_ahead_log_is_not_published(tmp_path: Path) -> None:
    partial = tmp_path / "b.duckdb.partial"
    partial.touch()
    (tmp_path / "b.duckdb.partial.wal").touch()
    with pytest.raises(ShieldError, match="write-ahead log"):
        publish_build(tmp_path, "b", partial)
    assert not (tmp_path / "current.json").exists()


def test_damaged_file_is_found_by_reading_it_back(daily_builds: Path, tmp_path: Path) -> None:
    good = daily_builds / read_pointer(daily_builds).file
    content = bytearray(good.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 0xFF
    partial = tmp_path / "b.duckdb.partial"
    partial.write_bytes(content)
    with pytest.raises(ShieldError, match="cannot be read back"):
        publish_build(tmp_path, "b", partial)
    assert not (tmp_path / "current.json").exists()


def test_last_builds_are_kept_and_rollback_goes_back_one(
    daily_builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = tmp_path / "good.duckdb"
    good.hardlink_to(daily_builds / read_pointer(daily_builds).file)
    monkeypatch.setattr(refresh_module, "write_tables", copy_tables(good))
    ids = [read_pointer(daily_builds).build_id]
    four = replace(request_daily(tmp_path, daily_builds), kept_builds=4)
    ids += [refresh(four).build_id for _ in range(4)]
    kept = sorted(ids)[-4:]
    assert [path.stem.removeprefix("warehouse-") for path in list_builds(daily_builds)] == kept
    current = read_pointer(daily_builds)
    back = roll_back(daily_builds)
    assert len(list_builds(daily_builds)) == 4, "what is kept is no matter of a rollback"
    assert back.file < current.file
    assert read_pointer(daily_builds) == back
    assert (daily_builds / "current.duckdb").readlink() == Path(back.file)
    roll_back(daily_builds, kept[0])
    with pytest.raises(ShieldError, match="no build before"):
        roll_back(daily_builds)


def test_open_reader_keeps_its_build_while_a_new_one_is_published(
    daily_builds: Path, tmp_path: Path
) -> None:
    old = read_pointer(daily_builds)
    with duckdb.connect(str(daily_builds / old.file), read_only=True) as reader:
        new = refresh(request_daily(tmp_path, daily_builds, days=60))
        assert reader.execute("SELECT build_id FROM refresh_run").fetchone() == (old.build_id,)
        assert reader.execute("SELECT count(*) FROM incident").fetchone() == (400,)
    with duckdb.connect(str(daily_builds / new.file), read_only=True) as reader:
        assert reader.execute("SELECT count(*) FROM incident").fetchone() == (240,)


def test_second_refresh_is_refused_while_one_is_at_work(tmp_path: Path) -> None:
    with (
        hold_lock(tmp_path, REFRESH),
        pytest.raises(
            ShieldError, match=f"another refresh is at work .*process {os.getpid()} on .*, started 20"
        ),
        hold_lock(tmp_path, REFRESH),
    ):
        pass
    with hold_lock(tmp_path, REFRESH):  # free again
        assert f"process {os.getpid()} on " in (tmp_path / LOCK).read_text()


def test_lock_of_a_dead_refresh_is_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("999999")
    with hold_lock(tmp_path, REFRESH), (tmp_path / LOCK).open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_leftovers_of_dead_refreshes_are_swept(tmp_path: Path) -> None:
    spill = tmp_path / "warehouse-x.duckdb.partial.spill"
    spill.mkdir()
    (spill / "block").touch()
    (tmp_path / "warehouse-x.duckdb.partial.wal").touch()
    (tmp_path / "warehouse-x.duckdb").touch()
    (tmp_path / "current.json.partial").touch()
    (tmp_path / "current.duckdb.partial").symlink_to("gone")
    sweep_leftovers(tmp_path)
    assert list_names(tmp_path) == {"warehouse-x.duckdb"}


def test_lock_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()  # as one of root's is to another user
    told = rf"cannot write to the folder {tmp_path}: Is a directory \(its lock, {tmp_path / LOCK}\)"
    with pytest.raises(ShieldError, match=told), hold_lock(tmp_path, REFRESH):
        pass


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with (
        pytest.raises(ShieldError, match=f"cannot write to the folder {blocked}: "),
        hold_lock(blocked, FETCH),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no published build in .*: run `make refresh` first"),
        ("", "is not a pointer to a build"),
        ('{"build_id": "x"}', "is not a pointer to a build"),
        (
            '{"build_id": "x", "file": "gone.duckdb", "sha256": "", "created_at": "", '
            '"cutoff": "", "source": "", "is_synthetic": true}',
            "points to gone.duckdb, which is not there",
        ),
    ],
)
def test_unusable_pointer_is_told(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "current.json").write_text(content)
    with pytest.raises(NoBuildError, match=message):
        read_pointer(tmp_path)
