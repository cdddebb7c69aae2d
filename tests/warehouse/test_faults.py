"""Disks that are full, locked, gone or lying: the published build survives, the error is one line."""

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import refresh as refresh_module
from refresh import main
from tests.kill import copy_tables, disturb_call, list_damage, list_left_over
from tests.one_in import one_in
from tests.quick_models import quick_models
from tests.raw import simulate_fewer
from tests.serve.server import ask, run_server
from warehouse.__main__ import main as run_command
from warehouse.errors import ShieldError
from warehouse.files import REFRESH, hold_lock
from warehouse.history import roll_back
from warehouse.pointer import read_pointer
from warehouse.sweep import sweep_leftovers
from warehouse.track import TRACK


@pytest.fixture
def quick_builds(
    daily_builds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Path:
    """A folder with a published build, whose tables every further refresh copies."""
    good = tmp_path / "good.duckdb"
    good.hardlink_to(daily_builds / read_pointer(daily_builds).file)
    monkeypatch.setattr(refresh_module, "write_tables", copy_tables(good))
    capsys.readouterr()
    return daily_builds


def mount_memory(folder: Path, *options: str) -> None:
    """Mount a file system in memory, or skip."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root")
    done = subprocess.run(
        ["mount", *options, str(folder)],  # noqa: S607
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path, daily_builds: Path) -> Iterator[Path]:
    """A disk that holds a published build and has room for half of another one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = (daily_builds / read_pointer(daily_builds).file).stat().st_size
    mount_memory(disk, "-t", "tmpfs", "-o", f"size={size * 3 // 2}", "tmpfs")
    try:
        shutil.copytree(daily_builds, disk / "builds", symlinks=True)
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S607


@pytest.mark.slow
def test_write_error_at_any_call_is_told_and_harms_nothing(
    quick_builds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, "the disk said no")

    number = moved = 0
    while True:
        before = read_pointer(quick_builds)
        with disturb_call(number, fail):
            code = main(["--builds", str(quick_builds)])
        error, now = capsys.readouterr().err, read_pointer(quick_builds)
        moved += now != before
        if code == 0:
            break
        assert "the disk said no" in error
        assert f"the published build is {now.build_id}" in error
        with hold_lock(quick_builds, REFRESH):
            sweep_leftovers(quick_builds)  # as the next refresh does first
        assert list_damage(quick_builds) == []
        assert list_left_over(quick_builds) == []
        number += 1
    assert number > moved > 1, "errors came before the pointer moved, and after"


def test_full_disk_is_one_line_and_leaves_the_published_build(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    builds = small_disk / "builds"
    before = read_pointer(builds)
    # Another program fills the disk after the refresh has asked for its space.
    monkeypatch.setattr("refresh.require_space", lambda *_: None)
    arguments = ["--sample-incidents", "300", "--no-backtest", "--builds", str(builds)]
    with simulate_fewer(tmp_path), quick_models():
        assert main(arguments) == 1
    error = capsys.readouterr().err
    assert f"No space left on device; the published build is {before.build_id}" in error
    assert "Traceback" not in error
    assert read_pointer(builds) == before
    assert list_damage(builds) == []
    assert list_left_over(builds) == []


@pytest.mark.server
@pytest.mark.slow
def test_service_starts_and_answers_on_a_full_disk(small_disk: Path) -> None:
    caches = {name: str(small_disk / name) for name in ("HOME", "MPLCONFIGDIR", "TMPDIR")}
    for folder in caches.values():
        Path(folder).mkdir()
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free + 1))
    with run_server(small_disk / "builds", **caches) as (address, _):
        assert len(json.loads(ask(address, "/predict_hourly_crime?neighborhood=Downtown&month=1"))) == 24
        assert ask(address, "/charts/hourly/Downtown/1.png").startswith(b"\x89PNG")
        assert ask(address, "/v1/tables/mart_patrol_plan.csv")
    assert shutil.disk_usage(small_disk).free == 0
    assert list_damage(small_disk / "builds") == []


def test_leftovers_go_before_anything_is_written(
    quick_builds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (quick_builds / "warehouse-x.duckdb.partial").write_text("it fills the disk")
    monkeypatch.setattr("warehouse.refresh_record.replace_text", fail)
    assert main(["--builds", str(quick_builds)]) == 1
    assert "No space left on device; the published build is" in capsys.readouterr().err
    assert list_left_over(quick_builds) == []


def test_disk_without_a_byte_is_named_before_the_record_is_written(
    quick_builds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("warehouse.refresh_record.replace_text", fail)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 0}))
    assert main(["--builds", str(quick_builds)]) == 1
    assert f"the disk of {quick_builds} has 0 MB free, a refresh needs" in capsys.readouterr().err


def test_read_only_folder_is_one_line(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builds = small_disk / "builds"
    mount_memory(small_disk, "-o", "remount,ro")
    assert main(["--builds", str(builds)]) == 1
    assert f"cannot write to the folder {builds}: " in capsys.readouterr().err
    assert list_damage(builds) == []


def test_track_that_cannot_take_a_forecast_is_refused_before_any_work(
    quick_builds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(refresh_module, "write_tables", pytest.fail)
    track = quick_builds / TRACK
    with monkeypatch.context() as patch:  # root may write wherever there is no other reason
        patch.setattr(os, "access", lambda path, _: Path(path) != track)
        assert main(["--builds", str(quick_builds)]) == 1
    error = capsys.readouterr().err
    assert error == f"error: cannot write to the folder of published forecasts, {track}\n"
    shutil.rmtree(track)
    track.write_text("")
    assert main(["--builds", str(quick_builds)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: expected {track} to be the folder of published forecasts")
    assert error.count("\n") == 1
    track.unlink()
    track.symlink_to("nowhere")
    assert main(["--builds", str(quick_builds)]) == 1
    assert f"expected {track}" in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["etl", "publish"])
def test_folder_that_vanishes_is_one_line(
    quick_builds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    name = {"etl": "write_tables", "publish": "publish_build"}[stage]
    work = getattr(refresh_module, name)

    def vanish(*arguments: object) -> object:
        shutil.rmtree(quick_builds)
        return work(*arguments)

    monkeypatch.setattr(refresh_module, name, vanish)
    assert main(["--builds", str(quick_builds)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") <= 2
    assert str(quick_builds) in error or "warehouse-" in error


def flip_bit(path: Path, share: float) -> None:
    """Change one bit of a file, at that share of its length."""
    path.chmod(0o600)
    with path.open("r+b") as stream:
        stream.seek(int(path.stat().st_size * share))
        byte = stream.read(1)[0]
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("share", one_in(5, [0.5, 0.0, 0.21, 0.83, 0.9999]))
def test_flipped_bit_is_found_and_never_rolled_back_to(
    quick_builds: Path, share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    old = read_pointer(quick_builds)
    assert main(["--builds", str(quick_builds)]) == 0
    assert run_command(["--builds", str(quick_builds), "verify"]) == 0
    flip_bit(quick_builds / old.file, share)
    capsys.readouterr()
    assert run_command(["--builds", str(quick_builds), "verify"]) == 1
    told = capsys.readouterr()
    assert f"BAD   {old.file} is damaged: SHA-256 is" in told.out
    assert f"good  {read_pointer(quick_builds).build_id}" in told.out
    assert "1 of the kept builds" in told.err
    before = read_pointer(quick_builds)
    with pytest.raises(ShieldError, match="is damaged"):
        roll_back(quick_builds)
    assert read_pointer(quick_builds) == before


def test_damaged_published_build_shows_in_status(
    quick_builds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flip_bit(quick_builds / read_pointer(quick_builds).file, 0.5)
    assert run_command(["--builds", str(quick_builds), "status"]) == 1
    assert "is damaged: SHA-256 is" in capsys.readouterr().err
