"""Command lines and builds that a person gets wrong: one line on standard error, no traceback."""

import importlib
import json
import socket
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from warehouse.pointer import POINTER, read_pointer

ROOMS = ("etl", "models", "warehouse", "serve")
MODULES = {
    name: importlib.import_module(f"{name}.__main__" if name in ROOMS else name)
    for name in (*ROOMS, "refresh")
}


def run(capsys: pytest.CaptureFixture[str], module: str, *arguments: str) -> tuple[int, str]:
    """Run `python -m <module>`; return the exit code and the one line on standard error."""
    try:
        code = MODULES[module].main(list(arguments))
    except SystemExit as end:
        code = end.code
    errors = capsys.readouterr().err
    assert errors.startswith("error: "), errors
    assert errors.count("\n") == 1, errors
    return code, errors


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("refresh --first 2021-02-30", "expected a day YYYY-MM-DD, found '2021-02-30'"),
        ("refresh --first 21-01-01", "found '21-01-01'"),
        ("refresh --last 20210101", "found '20210101'"),
        ("refresh --last 2021-W01-1", "found '2021-W01-1'"),
        ("refresh --first yesterday", "found 'yesterday'"),
        ("refresh --first 2022-01-01 --last 2021-01-01", "--first 2022-01-01 comes after --last 2021"),
        ("refresh --sample-incidents 0", "from 1 to 10000000, found '0'"),
        ("refresh --sample-incidents 1000000000000", "found '1000000000000'"),
        ("refresh --sample-incidents nan", "found 'nan'"),
        ("refresh --sample-incidents 1e3", "found '1e3'"),
        ("refresh --sample-incidents 9 --source portal", "goes with --source simulated"),
        ("refresh --full", "--full goes with --source portal"),
        ("refresh --raw a.csv", "--raw goes with --source files"),
        ("refresh --source files", "--source files needs --raw"),
        ("refresh --source files --raw", "--raw: expected at least one argument"),
        ("refresh --source moon", "invalid choice: 'moon'"),
        ("refresh --city ../atlanta", "--city: expected a name of letters, digits, _ or -"),
        ("refresh --city rivertown", "only atlanta can be simulated"),
        ("refresh --forc", "unrecognized arguments: --forc"),
        ("etl fetch --window-days -1", "expected a whole number from 0 to 36525, found '-1'"),
        ("etl fetch --window-days 1000000000", "found '1000000000'"),
        ("etl fetch --city /etc/passwd", "--city: expected a name"),
        ("etl", "required: command"),
        ("models backtest --origins 0", "expected a whole number from 1 to 400, found '0'"),
        ("models backtest --origins -1", "found '-1'"),
        ("models forecast", "invalid choice: 'forecast'"),
        ("warehouse diff A", "required: B"),
        ("warehouse destroy", "invalid choice: 'destroy'"),
        ("warehouse export", "required: --out"),
        ("serve --port 0", "expected a whole number from 1 to 65535, found '0'"),
        ("serve --port -1", "found '-1'"),
        ("serve --port 70000", "found '70000'"),
        ("serve --port abc", "found 'abc'"),
    ],
)
def test_bad_command_line_is_named(
    command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module, *arguments = command.split(" ")
    code, error = run(capsys, module, *arguments)
    assert code == 2
    assert message in error
    assert f"python -m {module}" in error


@pytest.mark.parametrize(
    "command",
    [
        "refresh --builds", "refresh --boundaries", "refresh --city", "refresh --source files --raw",
        "etl fetch --folder", "etl fetch --city", "etl profile --builds", "etl profile --out",
        "models card --builds", "models backtest --out", "serve --builds", "serve --host",
        "warehouse --builds", "warehouse export --out", "warehouse rollback", "warehouse diff x",
        "warehouse sql",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["", " ", "\udcff"])
def test_value_that_is_empty_or_not_utf8_is_refused(
    command: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module, *arguments = command.split(" ")
    code, error = run(capsys, module, *arguments, value)
    assert code == 2
    assert f"found {value!r}" in error


@pytest.mark.parametrize(
    "command",
    ["refresh --sample-incidents 100", "etl profile", "models card", "serve", "warehouse list",
     "warehouse status", "warehouse verify", "warehouse rollback", "warehouse sql SELECT"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["note.txt", "note.txt/builds", "x" * 300])
def test_builds_that_can_be_no_folder_are_named(
    command: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "note.txt").write_text("years of work")
    module, *arguments = command.split(" ")
    builds = ["--builds", str(tmp_path / place)]
    code, error = (
        run(capsys, module, *builds, *arguments)
        if module == "warehouse"
        else run(capsys, module, *arguments, *builds)
    )
    assert code == 1
    assert str(tmp_path / place) in error
    assert place != "note.txt" or "is not a folder" in error or "File exists" in error
    assert (tmp_path / "note.txt").read_text() == "years of work"


GOOD = {
    "build_id": "a", "file": "warehouse-a.duckdb", "sha256": "0", "created_at": "2021-01-01T00:00:00Z",
    "cutoff": "2021-01-01", "source": "files", "is_synthetic": False,
}  # fmt: skip
POINTERS = {
    "null": "an object", "[]": "an object", '""': "", "": "EOF", "[" * 10_000: "recursion limit",
    json.dumps({**GOOD, "file": None}): "file: Input should be a valid string, found None",
    json.dumps({**GOOD, "file": "../warehouse-a.duckdb"}): "file: String should match pattern",
    json.dumps({**GOOD, "is_synthetic": "no"}): "is_synthetic: Input should be a valid boolean",
    json.dumps({**GOOD, "color": "red"}): "color: Unexpected",
    json.dumps({"build_id": "a"}): "file: Field required",
    json.dumps(GOOD): "points to warehouse-a.duckdb, which is not there",
}  # fmt: skip
READERS = ("etl profile --builds", "models card --builds", "warehouse --builds")


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("pointer", POINTERS, ids=lambda text: text[:40])
def test_pointer_that_is_none_is_named(
    command: str, pointer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / POINTER).write_text(pointer)
    module, *arguments = [*command.split(" "), str(tmp_path)]
    code, error = run(capsys, module, *arguments, *(["status"] if module == "warehouse" else []))
    assert code == 1
    assert POINTER in error
    assert POINTERS[pointer] in error


def make_foreign(path: Path) -> None:
    """Make a database that is none of ours."""
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE thesis AS SELECT 1 AS page")


def make_newer(path: Path) -> None:
    """Raise the version in the header of a database to one that no DuckDB knows yet."""
    content = bytearray(path.read_bytes())
    place = content.index(b"DUCK") + 4
    content[place : place + 8] = (10_000).to_bytes(8, "little")
    path.write_bytes(content)


def make_folder(path: Path) -> None:
    """Make a folder."""
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("no database"),
    "empty": lambda path: path.write_bytes(b""),
    "head only": lambda path: path.write_bytes(path.read_bytes()[:8_000]),
    "a third": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 3]),
    "newer": make_newer,
    "foreign": make_foreign,
    "folder": make_folder,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_build_is_named_by_whatever_reads_it(
    damage: str, published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    current = read_pointer(published)
    builds, file = tmp_path / "builds", current.file
    builds.mkdir()
    (builds / POINTER).write_bytes((published / POINTER).read_bytes())
    (builds / file).write_bytes((published / file).read_bytes())
    DAMAGES[damage](builds / file)
    ours, name, out = ("warehouse", "--builds", str(builds)), current.build_id, str(tmp_path / "out")
    for command in (
        ("etl", "profile", "--builds", str(builds), "--out", f"{out}.png"),
        ("models", "card", "--builds", str(builds)),
        (*ours, "status"), (*ours, "verify"), (*ours, "rollback", name), (*ours, "diff", name, name),
        (*ours, "sql", "SELECT sum(hash(incident)) FROM incident"), (*ours, "export", "--out", out),
        (*ours, "export", "--format", "tableau", "--out", out),
    ):  # fmt: skip
        code, error = run(capsys, *command)
        assert code == 1, command
        # Of a table that is not there, `sql` only says that: it may be the statement that is wrong.
        assert file in error or "cannot be trusted" in error or "Catalog Error" in error, command
    assert {path.name for path in tmp_path.iterdir()} == {"builds"}
    assert MODULES["warehouse"].main([*ours[1:], "list"]) == 0
    assert "unreadable" in capsys.readouterr().out


def test_pointer_in_a_circle_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / POINTER).symlink_to(POINTER)
    for module, *arguments in (command.split(" ") for command in READERS):
        after = ["status"] if module == "warehouse" else []
        code, error = run(capsys, module, *arguments, str(tmp_path), *after)
        assert (code, POINTER in error) == (1, True)


@pytest.mark.parametrize(
    "host", ["no-such-host.invalid", "a..b", "x" * 70, "::1::", "256.0.0.1", "203.0.113.1"]
)
def test_host_that_nobody_can_listen_on_is_named(
    published: Path, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = run(capsys, "serve", "--builds", str(published), "--host", host)
    assert code == 1
    assert f"cannot listen on {host} port 5000" in error


def test_port_in_use_is_named(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, error = run(capsys, "serve", "--builds", str(published), "--port", str(port))
    assert code == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in error
