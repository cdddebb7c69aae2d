"""Whatever is wrong with a build file: one line and exit code 1 from every command, and no traceback."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

import refresh as refresh_module
from models.__main__ import main as run_models
from planner.__main__ import main as run_planner
from refresh import Request, refresh
from studies.__main__ import main as run_studies
from tests.one_in import one_in
from tests.planner.requests import BASE, write_request
from tests.raw import write_daily
from warehouse.__main__ import main as run_warehouse
from warehouse.files import hash_file
from warehouse.history import read_lineage
from warehouse.pointer import POINTER, read_pointer
from warehouse.records import find_build

Change = Callable[[Path], object]
Damage = Callable[[Change], Path]

SELECT = "SELECT cutoff, (SELECT count(*) FROM holiday) FROM refresh_run"
COMMANDS: dict[str, tuple[Callable[[list[str]], int], list[str]]] = {
    "list": (run_warehouse, ["list"]),
    "status": (run_warehouse, ["status"]),
    "verify": (run_warehouse, ["verify"]),
    "rollback": (run_warehouse, ["rollback", "{build}"]),
    "diff": (run_warehouse, ["diff", "{build}", "{build}"]),
    "export": (run_warehouse, ["export", "--out", "{folder}/dist"]),
    "extracts": (run_warehouse, ["export", "--format", "tableau", "--out", "{folder}/dist"]),
    "sql": (run_warehouse, ["sql", SELECT]),
    "shell": (run_warehouse, ["shell"]),
    "card": (run_models, ["card"]),
    "backtest": (run_models, ["backtest", "--out", "{folder}/backtest"]),
    "plan": (run_planner, ["plan", "{folder}/asked.toml", "--out", "{folder}/plan"]),
    "sensitivity": (run_studies, ["sensitivity"]),
    "aoristic": (run_studies, ["aoristic"]),
}


def alter(sql: str) -> Change:
    """Return a damage that is done by SQL, as another version might have written the build."""

    def damage(path: Path) -> None:
        with duckdb.connect(str(path)) as connection:
            connection.execute(sql)

    return damage


def flip_bytes(path: Path) -> None:
    """Turn over a byte in every 4 KiB behind the headers."""
    content = bytearray(path.read_bytes())
    for place in range(3 * 4096 + 100, len(content), 4096):
        content[place] ^= 0xFF
    path.write_bytes(content)


UNREADABLE: dict[str, Change] = {
    "empty file": lambda path: path.write_bytes(b""),
    "text file": lambda path: path.write_text("no database\n" * 1000),
    "first half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "flipped bytes": flip_bytes,
}
OF_ANOTHER_VERSION = {
    "no refresh_run": alter("DROP TABLE refresh_run"),
    "empty refresh_run": alter("DELETE FROM refresh_run"),
    "no holiday": alter("DROP TABLE holiday"),
    "no cutoff": alter("ALTER TABLE refresh_run DROP cutoff; ALTER TABLE model_card DROP section"),
}
UNHARMED = {
    "no refresh_run": {"list", "verify", "diff"},
    "empty refresh_run": {"list", "diff"},
    "no holiday": {"list", "status", "verify", "diff", "extracts", "shell", "card", "plan", "aoristic"},
    "no cutoff": {"list", "status", "verify", "diff", "extracts", "shell", "plan", "aoristic"},
}
"""Commands that need nothing of what such a build lacks."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a raw file and a published build of a few days; do not write to it."""
    folder = tmp_path_factory.mktemp("small")
    raw = write_daily(folder / "daily.csv", days=40)
    refresh(Request("files", folder / "builds", raw=(raw,), with_backtest=False))
    return folder


@pytest.fixture
def damage(small: Path, tmp_path: Path) -> Damage:
    """A function from a damage to a folder of builds, whose records vouch for the damaged build."""

    def run(change: Change) -> Path:
        builds = shutil.copytree(small / "builds", tmp_path / "builds", symlinks=True)
        path = builds / read_pointer(builds).file
        path.chmod(0o600)
        change(path)
        for record in (builds / POINTER, path.with_suffix(".json")):
            facts = json.loads(record.read_text()) | {"sha256": hash_file(path)}
            record.write_text(json.dumps(facts))
        return builds

    return run


def run_on(builds: Path, name: str) -> int:
    """Run a command on a folder of builds."""
    run, arguments = COMMANDS[name]
    write_request(builds.parent, BASE)
    build = read_pointer(builds).build_id
    texts = [text.format(build=build, folder=builds.parent) for text in arguments]
    if run is run_warehouse:
        return run(["--builds", str(builds), *texts])
    return run([*texts, "--builds", str(builds)])


def end_input(_prompt: str) -> str:
    """Stand in for a prompt at which nothing is typed."""
    raise EOFError


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", one_in(3, UNREADABLE))
def test_unreadable_build_is_one_line(
    damage: Damage, kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    builds = damage(UNREADABLE[kind])
    file = read_pointer(builds).file
    capsys.readouterr()
    code, told = run_on(builds, name), capsys.readouterr()
    if name == "list":
        assert (code, told.err) == (0, "")
        assert "unreadable" in told.out
        return
    assert code == 1
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert f"{file} cannot be " in told.out + told.err


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", one_in(3, OF_ANOTHER_VERSION))
def test_build_of_another_version_is_read_or_is_one_line(
    damage: Damage, kind: str, name: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    builds = damage(OF_ANOTHER_VERSION[kind])
    monkeypatch.setenv("ATLSHIELD_STALE_AFTER_DAYS", "0")
    monkeypatch.setattr("builtins.input", end_input)
    capsys.readouterr()
    code, error = run_on(builds, name), capsys.readouterr().err
    is_unharmed = name in UNHARMED[kind]
    assert code == (0 if is_unharmed else 1)
    assert error.startswith("" if is_unharmed else "error: ")
    assert error.count("\n") == (0 if is_unharmed else 1)


@pytest.mark.parametrize(
    ("change", "told"),
    one_in(3, [
        (flip_bytes, "cannot be read: IO Error"),
        (OF_ANOTHER_VERSION["no refresh_run"], "was written by another version of ATLShield: Catalog"),
        (
            alter("ALTER TABLE average_daily DROP expected_month_crimes"),
            "was written by another version of ATLShield: Binder",
        ),
    ]),
)  # fmt: skip
def test_refresh_is_not_compared_with_such_a_build_and_says_so(
    damage: Damage, small: Path, change: Change, told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    builds = damage(change)
    old = read_pointer(builds).file
    raw = str(small / "daily.csv")
    options = ["--source", "files", "--raw", raw, "--builds", str(builds), "--no-backtest"]
    assert refresh_module.main(options) == 0
    run = read_lineage(find_build(builds, read_pointer(builds).build_id))
    assert run["compared_build_id"] is None
    assert f"not compared with a build: {old} {told}" in str(run["warnings"])
    out = capsys.readouterr().out
    assert f"  warning: not compared with a build: {old} {told}" in out
    assert "of other files" not in out  # a false reason


def test_verify_names_a_build_of_another_version_and_calls_it_neither_good_nor_bad(
    damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    builds = damage(OF_ANOTHER_VERSION["no holiday"])
    capsys.readouterr()
    assert run_on(builds, "verify") == 0
    out = capsys.readouterr().out
    assert out.startswith("OTHER ") and "the build lacks holiday: another version" in out


def test_kept_builds_are_listed_by_their_records_whatever_wrote_them(
    damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    builds = damage(alter("ALTER TABLE refresh_run DROP source_kind"))
    capsys.readouterr()
    assert run_on(builds, "list") == 0
    assert capsys.readouterr().out.splitlines()[1].split()[2:4] == ["2021-02-12", "files"]


@pytest.mark.parametrize("name", ["list", "verify", "rollback", "status"])
def test_mistyped_folder_of_builds_is_not_made(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    builds = tmp_path / "bilds"
    assert run_warehouse(["--builds", str(builds), name]) == 1
    assert str(builds) in capsys.readouterr().err
    assert not builds.exists()
