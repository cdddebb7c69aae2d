"""Packages for Tableau: whole or not there, whatever happens while they are written."""

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.warehouse.tableau_schema import find_faults
from warehouse import tableau_export
from warehouse.__main__ import main
from warehouse.export import MANIFEST
from warehouse.pointer import read_pointer
from warehouse.settings import ROOT
from warehouse.tableau_export import export_tableau
from warehouse.tableau_stars import STARS

STOP_HALFWAY = """
import sys, time
from pathlib import Path
from warehouse import tableau_export
write = tableau_export.write_extract
def stop(*arguments):
    path = write(*arguments)
    print("half", flush=True)
    time.sleep(60)
    return path
tableau_export.write_extract = stop
tableau_export.export_tableau(Path(sys.argv[1]), Path(sys.argv[2]))
"""

DIE_BETWEEN_TWO_NAMES = """
import os, signal, sys
from pathlib import Path
from warehouse import export
rename = Path.rename
def die(path, target):
    rename(path, target)
    os.kill(os.getpid(), signal.SIGKILL)
Path.rename = die
export.replace_export(Path(sys.argv[1]), Path(sys.argv[2]), "packages", lambda *_: {})
"""


def run_export(builds: Path, out: Path, *options: str) -> int:
    """Run the command."""
    return main(["--builds", str(builds), "export", "--out", str(out), "--format", "tableau", *options])


@pytest.fixture
def exported(few_places: Path, tmp_path: Path) -> Path:
    """A folder of one's own with the packages of a build; its name is no pattern of others."""
    return export_tableau(few_places, tmp_path / "dist [1]")


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by their names."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.network
def test_packages_hold_a_valid_source_and_one_extract(few_places: Path, exported: Path) -> None:
    manifest = json.loads((exported / MANIFEST).read_text())
    assert manifest["build"]["build_id"] == read_pointer(few_places).build_id
    listed = [name for entry in manifest["packages"].values() for name in entry["sha256"]]
    assert sorted([*listed, MANIFEST]) == sorted(path.name for path in exported.iterdir())
    for path in exported.iterdir():
        assert path.stat().st_mode & 0o777 == 0o644
    check_workbook(exported / "atlshield.twbx")
    for star in STARS:
        entry = manifest["packages"][star.file_name]
        path = exported / f"{star.file_name}.tdsx"
        assert entry["sha256"] == {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
        assert entry["rows"].keys() == {part.name for part in star.parts}
        with zipfile.ZipFile(path) as package:
            assert package.testzip() is None
            source = package.read(f"{star.file_name}.tds")
            assert all(info.external_attr >> 16 & 0o777 == 0o644 for info in package.infolist())
        assert find_faults(source) == []
        assert f'caption="{star.caption} (simulated data)"'.encode() in source
        assert b'formula="&quot;simulated data&quot;"' in source


def check_workbook(path: Path) -> None:
    """Assert that a package holds a valid workbook and the extracts that it reads."""
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        document = package.read("atlshield.twb")
        names = package.namelist()
    assert find_faults(document) == []
    read = re.findall(rb'dbname="([^"]+)"', document)
    assert sorted(names) == sorted(["atlshield.twb", *(name.decode() for name in read)])
    assert len(read) == len(STARS)


def test_data_that_is_not_simulated_names_its_publisher(daily: Path, tmp_path: Path) -> None:
    out = export_tableau(daily, tmp_path / "dist")
    for star in STARS:
        with zipfile.ZipFile(out / f"{star.file_name}.tdsx") as package:
            source = package.read(f"{star.file_name}.tds")
        assert f'caption="{star.caption}"'.encode() in source
        assert b'formula="&quot;Atlanta Police Department open data&quot;"' in source


def test_packages_replace_packages_and_nothing_else(
    few_places: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_folder(exported)
    assert main(["--builds", str(few_places), "export", "--out", str(exported)]) == 1
    words = (
        "holds an export of packages for Tableau, which one of tables as CSV and Parquet would replace"
    )
    assert words in capsys.readouterr().err
    assert read_folder(exported) == before
    assert run_export(few_places, exported) == 0
    assert len(list(exported.glob("*.t*bx"))) == 1 and len(list(exported.glob("*.tdsx"))) == len(STARS)
    (exported / "thesis.twb").touch()
    before = read_folder(exported)
    assert run_export(few_places, exported) == 1
    assert "holds other files than an export (thesis.twb)" in capsys.readouterr().err
    assert read_folder(exported) == before


def test_workbook_that_a_person_changed_is_not_replaced(
    few_places: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (exported / "atlshield.twbx").write_bytes(b"years of work")
    before = read_folder(exported)
    assert run_export(few_places, exported) == 1
    error = capsys.readouterr().err
    assert "atlshield.twbx was changed since it was exported: move it away, or choose" in error
    assert read_folder(exported) == before
    (exported / "atlshield.twbx").rename(exported.with_name("mine.twbx"))
    assert run_export(few_places, exported) == 0


def break_off(error: BaseException) -> Callable[..., Path]:
    """Return a function that stands in for `pack` and raises an error."""

    def fail(*_arguments: object) -> Path:
        raise error

    return fail


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_export_that_breaks_off_leaves_the_one_before_and_nothing_else(
    error: BaseException, few_places: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_folder(exported)
    monkeypatch.setattr(tableau_export, "pack", break_off(error))
    assert run_export(few_places, exported) == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert read_folder(exported) == before
    assert list(exported.parent.iterdir()) == [exported]


@pytest.mark.slow
def test_killed_export_leaves_the_one_before_and_the_next_removes_its_rubbish(
    few_places: Path, exported: Path
) -> None:
    before = read_folder(exported)
    child = subprocess.Popen(
        [sys.executable, "-c", STOP_HALFWAY, str(few_places), str(exported)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "half\n"
    engine = find_children(child.pid)
    assert engine
    beside = sorted(path.name for path in exported.parent.iterdir())
    assert len(beside) == 2
    assert run_export(few_places, exported) == 0  # beside one at work, whose workspace it leaves
    assert sorted(path.name for path in exported.parent.iterdir()) == beside
    child.kill()
    child.communicate()
    wait_for_end(engine)
    after = read_folder(exported)
    assert after.keys() == before.keys()
    assert run_export(few_places, exported) == 0
    assert list(exported.parent.iterdir()) == [exported]


def find_children(process: int) -> list[int]:
    """Return the processes that a process has started."""
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(word) for word in text.split()]


def wait_for_end(processes: list[int]) -> None:
    """Wait until none of the processes runs; fail where one still does after some seconds."""
    end = time.monotonic() + 20
    while any(Path(f"/proc/{process}").exists() for process in processes):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_export_killed_between_the_two_names_loses_nothing(
    few_places: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_folder(exported)
    command = [sys.executable, "-c", DIE_BETWEEN_TWO_NAMES, str(few_places), str(exported)]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    assert not exported.exists()
    with monkeypatch.context() as patch:
        patch.setattr(tableau_export, "pack", break_off(OSError("disk full")))
        assert run_export(few_places, exported) == 1
    assert read_folder(exported) == before
    assert list(exported.parent.iterdir()) == [exported]
