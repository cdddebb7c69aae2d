"""A backup, a wiped machine, a restore: the same answers; damage and haste change nothing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from serve.app import create_app
from tests.serve.builds import copy_builds
from warehouse import backup
from warehouse.__main__ import main
from warehouse.backup import FACTS, back_up, copy_for_owner, restore
from warehouse.errors import ShieldError
from warehouse.files import FETCH, REFRESH, hold_lock
from warehouse.operation import FILE_VARIABLE, Operation
from warehouse.pointer import read_pointer


def ask(builds: Path) -> list[bytes]:
    """Return what a service over a folder of builds answers."""
    app = create_app(builds)
    place = min(app.extensions["current_build"].get().answers.names)
    paths = ("/v1/tables/forecast_hourly.csv", f"/predict_hourly_crime?neighborhood={place}&month=7")
    answers = [app.test_client().get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.data for answer in answers]


def list_tree(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, without locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")
    }  # fmt: skip


@pytest.fixture
def operation(few_places: Path, tmp_path: Path) -> Operation:
    """The settings of a machine with a published build, its forecast and a raw file."""
    builds = copy_builds(few_places, tmp_path / "here")
    (builds / "warehouse-1.duckdb.partial").write_text("half")
    raw = tmp_path / "here" / "raw" / "atlanta"
    raw.mkdir(parents=True)
    (raw / "incidents.parquet").write_bytes(b"rows")
    plans = tmp_path / "here" / "plans"
    (plans / "july").mkdir(parents=True)
    (plans / "july" / "plan.duckdb").write_bytes(b"hours")
    (plans / ".june.export-ab_d3fg8" / "new").mkdir(parents=True)
    (plans / ".june.export-ab_d3fg8" / "new" / "plan.duckdb").write_bytes(b"half")
    return Operation(builds=builds, raw_folder=raw.parent, plans=plans)


@pytest.fixture
def made(operation: Operation, tmp_path: Path) -> Path:
    """A backup of that machine."""
    back_up(operation, tmp_path / "backup", {})
    return tmp_path / "backup"


def test_wiped_machine_answers_as_before(operation: Operation, made: Path, tmp_path: Path) -> None:
    before, tree = ask(operation.builds), list_tree(operation.builds)
    assert any(name.startswith("track/") for name in tree)
    shutil.rmtree(tmp_path / "here")
    there = Operation(
        builds=tmp_path / "new" / "b", raw_folder=tmp_path / "new" / "r", plans=tmp_path / "new" / "p"
    )
    published = restore(there, made)
    assert published == read_pointer(there.builds)
    assert ask(there.builds) == before
    del tree["warehouse-1.duckdb.partial"]
    assert list_tree(there.builds) == tree
    assert list_tree(there.raw_folder) == {"atlanta/incidents.parquet": b"rows"}
    assert list_tree(there.plans) == {"july/plan.duckdb": b"hours"}
    assert (there.builds / "current.duckdb").is_symlink()


def test_settings_are_in_the_backup(operation: Operation, tmp_path: Path) -> None:
    settings = tmp_path / "mine.toml"
    settings.write_text("port = 5001\n")
    back_up(operation, tmp_path / "backup", {FILE_VARIABLE: str(settings)})
    assert (tmp_path / "backup" / "atlshield.toml").read_text() == "port = 5001\n"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda made: (made / FACTS).unlink(), "is no backup: backup.json cannot be read"),
        (lambda made: (made / FACTS).write_text("[1]"), "is no backup"),
        (lambda made: (made / FACTS).write_text("[]"), "is no backup: backup.json names no file"),
        (lambda made: (made / FACTS).write_text("{}"), "is no backup: backup.json names no file"),
        (lambda made: (made / "raw/.more").write_text(""), r"raw/\.more was not backed up"),
        (lambda made: (made / "builds/current.json").unlink(), "builds/current.json is missing"),
        (lambda made: (made / "raw/atlanta/incidents.parquet").write_bytes(b"sold"), "not what was"),
        (lambda made: (made / "raw/more").write_text(""), "raw/more was not backed up"),
    ],
)
def test_damaged_backup_restores_nothing(
    made: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(made)
    there = Operation(
        builds=tmp_path / "new" / "b", raw_folder=tmp_path / "new" / "r", plans=tmp_path / "new" / "p"
    )
    with pytest.raises(ShieldError, match=message):
        restore(there, made)
    assert not (tmp_path / "new").exists()


def test_only_what_the_program_left_unfinished_is_left_out(operation: Operation, tmp_path: Path) -> None:
    raw = operation.raw_folder / "atlanta"
    ours = {
        ".fetch.lock", ".fetch/query.json", ".spill/block", ".boundaries.geojson",
        "incidents-1.json.partial", ".incidents.parquet.partial", "simulated_300.csv.7.partial.csv",
        ".july.export-ab_d3fg8/new/plan.duckdb", "warehouse-1.duckdb.partial.wal",
        "warehouse-1.duckdb.partial.spill/block",
    }  # fmt: skip
    theirs = {
        "crimes.partial_2025.csv", ".crimes.csv", ".old/crimes.csv", "current.duckdb", "my.lock",
        "crimes.csv.partial", ".incidents.parquet", "simulated_300.partial.csv", ".export-1/crimes.csv",
    }  # fmt: skip
    for name in ours | theirs:
        (raw / name).parent.mkdir(exist_ok=True, parents=True)
        (raw / name).write_text(name)
    named = (raw / "crimes.partial_2025.csv", raw / ".crimes.csv", raw / "crimes.csv.partial")
    asked = operation.model_copy(update={"source": "files", "raw": named})
    back_up(asked, tmp_path / "backup", {})
    new = tmp_path / "new"
    restore(Operation(builds=new / "b", raw_folder=new / "r", plans=new / "p"), tmp_path / "backup")
    kept = {path for path in (new / "r" / "atlanta").rglob("*") if path.is_file()}
    names = {str(path.relative_to(new / "r" / "atlanta")) for path in kept}
    assert names == theirs | {"incidents.parquet"}
    assert {path.name for path in (tmp_path / "backup" / "files").iterdir()} == {
        "1_crimes.partial_2025.csv", "2_.crimes.csv", "3_crimes.csv.partial"
    }  # fmt: skip


def test_place_that_is_a_file_is_refused_before_anything_is_written(made: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (new / "p").write_text("mine")
    for plans in (new / "p", new / "p" / "below"):
        with pytest.raises(ShieldError, match="a backup is restored into a folder"):
            restore(Operation(builds=new / "b", raw_folder=new / "r", plans=plans), made)
    assert [path.name for path in new.iterdir()] == ["p"]


def test_nothing_that_is_there_is_replaced(operation: Operation, made: Path, tmp_path: Path) -> None:
    (operation.raw_folder / "more.csv").write_text("mine")
    tree = list_tree(operation.builds)
    with pytest.raises(ShieldError, match=r"raw/more.csv is there"):
        restore(operation, made)
    (operation.raw_folder / "more.csv").unlink()
    (operation.raw_folder / "atlanta" / "incidents.parquet").write_text("newer")
    with pytest.raises(ShieldError, match=r"incidents.parquet is there"):
        restore(operation, made)
    assert list_tree(operation.builds) == tree
    with pytest.raises(ShieldError, match="backup is there already"):
        back_up(operation, made)
    with pytest.raises(ShieldError, match="no published build"):
        back_up(Operation(builds=tmp_path / "nowhere"), tmp_path / "other")
    for inside in (operation.builds / "bk", operation.raw_folder / "a" / "bk"):
        with pytest.raises(ShieldError, match="a backup of itself would grow"):
            back_up(operation, inside)
        assert not inside.exists()


def test_restore_that_was_broken_off_goes_on(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Operation(
        builds=tmp_path / "new" / "b", raw_folder=tmp_path / "new" / "r", plans=tmp_path / "new" / "p"
    )
    there.builds.mkdir(parents=True)
    (there.builds / ".keep").write_text("hidden")
    left = iter(range(3))

    def copy(source: Path, path: Path) -> None:
        if next(left, None) is None:
            raise OSError("No space left on device")
        copy_for_owner(source, path)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(backup, "copy_for_owner", copy)
        restore(there, made)
    assert not (there.builds / "current.json").exists()
    restore(there, made)
    assert (there.builds / ".keep").read_text() == "hidden"
    assert ask(there.builds)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_belong_to_the_owner_of_their_folder(made: Path, tmp_path: Path) -> None:
    there = Operation(
        builds=tmp_path / "new" / "b", raw_folder=tmp_path / "new" / "r", plans=tmp_path / "new" / "p"
    )
    there.builds.mkdir(parents=True)
    os.chown(there.builds, 65534, 65534)
    restore(there, made)
    found = {path: path.stat().st_uid for path in there.builds.rglob("*") if not path.is_symlink()}
    assert set(found.values()) == {65534}
    assert {path.stat().st_uid for path in there.raw_folder.rglob("*")} == {0}


def test_links_and_files_elsewhere_are_in_the_backup(operation: Operation, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    shutil.move(operation.raw_folder, disk)
    operation.raw_folder.symlink_to(disk)
    (disk / "old").symlink_to(disk / "atlanta")
    export = tmp_path / "export.csv"
    export.write_text("rows")
    asked = operation.model_copy(update={"source": "files", "raw": (export,)})
    back_up(asked, tmp_path / "backup", {})
    assert list_tree(tmp_path / "backup" / "raw") == {
        "atlanta/incidents.parquet": b"rows", "old/incidents.parquet": b"rows"
    }  # fmt: skip
    assert list_tree(tmp_path / "backup" / "files") == {"1_export.csv": b"rows"}
    none = operation.model_copy(update={"raw_folder": tmp_path / "none"})
    back_up(none, tmp_path / "other", {})
    assert not (tmp_path / "other" / "raw").exists()


def test_backup_that_fails_leaves_nothing(
    operation: Operation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> str:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(backup, "sync", fail)
        back_up(operation, tmp_path / "backup")
    for folder, work in ((operation.builds, REFRESH), (operation.raw_folder / "atlanta", FETCH)):
        with (
            hold_lock(folder, work),
            pytest.raises(ShieldError, match=f"another {work} is at work"),
        ):
            back_up(operation, tmp_path / "backup")
    damaged = operation.builds / read_pointer(operation.builds).file
    damaged.chmod(0o644)
    with damaged.open("r+b") as stream:
        stream.seek(100_000)
        stream.write(b"nothing of what was there")
    with pytest.raises(ShieldError, match="is damaged: SHA-256 is"):
        back_up(operation, tmp_path / "backup")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here"]


def test_commands(
    operation: Operation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("ATLSHIELD_RAW_FOLDER", str(operation.raw_folder))
    to, new = tmp_path / "backup", tmp_path / "new"
    assert main(["--builds", str(operation.builds), "backup", str(to)]) == 0
    monkeypatch.setenv("ATLSHIELD_RAW_FOLDER", str(tmp_path / "raw"))
    assert main(["--builds", str(new), "restore", str(to)]) == 0
    out = capsys.readouterr().out
    assert f"files backed up in {to}" in out
    assert f"restored build {read_pointer(new).build_id}" in out
