"""What an operator sets: which of file, variable and default counts, and every mistake in one line."""

from pathlib import Path

import pytest

from warehouse import __main__ as warehouse_main
from warehouse.errors import ShieldError
from warehouse.operation import (
    FILE_VARIABLE,
    Operation,
    Reading,
    list_settings,
    read_operation,
    render_template,
)

KEYS = ("0123456789abcdef", "fedcba9876543210")


def read(folder: Path, text: str, **variables: str) -> Reading:
    """Read the settings of a file in a folder, and of variables."""
    path = folder / "mine.toml"
    path.write_text(text)
    return read_operation({"HOME": "/root", FILE_VARIABLE: str(path), **variables})


def test_a_variable_counts_before_the_file(tmp_path: Path) -> None:
    text = 'port = 8000\nsource = "portal"\nraw = ["a.csv", "/b.csv"]\nbuilds = "there"\nsql = true'
    found = read(tmp_path, text, ATLSHIELD_PORT="8001", ATLSHIELD_API_KEYS=" , ".join(KEYS),
                 ATLSHIELD_HOST="")  # fmt: skip
    assert found.operation == Operation(
        port=8001, source="portal", raw=(tmp_path / "a.csv", Path("/b.csv")), builds=tmp_path / "there",
        sql=True, api_keys=KEYS,
    )  # fmt: skip
    rows = {key: (value, origin) for key, value, origin in list_settings(found)}
    assert rows["port"] == ("8001", "ATLSHIELD_PORT")
    assert rows["source"] == ('"portal"', "mine.toml")
    assert rows["host"] == ('"127.0.0.1"', "default")
    assert rows["boundaries"] == ('""', "default")
    assert rows["api_keys"] == ("2 set", "ATLSHIELD_API_KEYS")
    assert KEYS[0] not in repr(found)


@pytest.mark.parametrize(
    ("text", "variables", "message"),
    [
        ("prot = 1", {}, "mine.toml: prot: unknown key; did you mean 'port'?"),
        ("port = 70000", {}, "mine.toml: port: found 70000, expected less than or equal to 65535"),
        ('city = "../x"', {}, "mine.toml: city: found '../x'"),
        ('source = "portl"', {}, "mine.toml: source: expected simulated, files, portal; found 'portl'"),
        ('source = "files"', {}, "raw: the source `files` needs files"),
        ("port = ", {}, "mine.toml: expected a TOML file"),
        ("kept_builds = 0", {}, "mine.toml: kept_builds: found 0"),
        ("kept_builds = true", {}, "mine.toml: kept_builds: expected a whole number, found true"),
        ("", {"ATLSHIELD_KEPT_BUILDS": "true"}, "kept_builds: found 'true', expected a valid integer"),
        ("port = false", {}, "mine.toml: port: expected a whole number, found false"),
        ('builds = ""', {}, "mine.toml: builds: expected a path, found nothing"),
        ('builds = " "', {}, "mine.toml: builds: expected a path, found nothing"),
        ("builds = 3", {}, "mine.toml: builds: expected a path, found 3"),
        ('builds = "~nobody-here/b"', {}, "builds: expected a path, found '~nobody-here/b': no such"),
        ("raw = [3]", {}, "mine.toml: raw.0: expected a path, found 3"),
        ("demographics = false", {}, "mine.toml: demographics: expected a path, found false"),
        ("demographics = 0", {}, "mine.toml: demographics: expected a path, found 0"),
        ('boundaries = " "', {}, "mine.toml: boundaries: expected a path, found nothing"),
        ('host = "my host"', {}, "host: expected an address without blanks, found 'my host'"),
        ('host = ""', {}, "host: expected an address without blanks, found ''"),
        ("PORT = 5001", {}, "mine.toml: PORT: unknown key; did you mean 'port'?"),
        ("[atlshield]\nport = 1", {}, "atlshield: unknown key; leave out the line [atlshield]"),
        (
            "port = 1\n\nport = 2",
            {},
            "mine.toml: expected a TOML file in UTF-8, found: Cannot overwrite",
        ),
        ("port = 1\n\nport = 2\n", {}, ": port is there twice"),
        ("sql = true\nsql = false\nport = 2", {}, ": sql is there twice"),
        ("", {FILE_VARIABLE: "."}, ".: expected a TOML file in UTF-8, found: [Errno 21]"),
        ("", {"ATLSHIELD_RAW": "a.csv,"}, "expected a path, found nothing"),
        (f'api_keys = {{k = "{KEYS[0]}"}}', {}, "mine.toml: api_keys: expected a list"),
        ("api_keys = [1234567890123456]", {}, "api_keys.0: expected a valid string"),
        ("", {"ATLSHIELD_PORT": "x"}, "ATLSHIELD_PORT: port: found 'x', expected a valid integer"),
        ("", {"ATLSHIELD_LOG_REQUEST": "1"}, "did you mean 'log_requests'"),
        ("", {"ATLSHIELD_SQL": "1"}, "sql: needs api_keys"),
        ("", {"ATLSHIELD_FOLLOW_KEY": "short"}, "follow_key: expected 16 or more"),
        (f'follow_key = ["{KEYS[0]}"]', {}, "mine.toml: follow_key: expected a valid string"),
        ("", {"ATLSHIELD_SQL": "maybe"}, "ATLSHIELD_SQL: sql: found 'maybe', expected a valid boolean"),
        ("", {"ATLSHIELD_API_KEYS": f"{KEYS[0]},short"}, "key 2 is another (5 characters)"),
        ("", {"ATLSHIELD_API_KEYS": f"{KEYS[0]},"}, "key 2 is another (0 characters)"),
        ("", {"ATLSHIELD_API_KEYS": "0123456789 abcdef"}, "key 1 is another"),
        ("", {FILE_VARIABLE: "nowhere.toml"}, "nowhere.toml: expected a TOML file"),
    ],
)
def test_every_mistake_is_named(
    tmp_path: Path, text: str, variables: dict[str, str], message: str
) -> None:
    with pytest.raises(ShieldError) as caught:
        read(tmp_path, text, **variables)
    assert message in str(caught.value)
    assert KEYS[0] not in str(caught.value)


def test_the_template_names_every_setting_and_changes_none(tmp_path: Path) -> None:
    template = render_template()
    assert read(tmp_path, template).operation == Operation()
    lines = template.splitlines()
    for key, field in Operation.model_fields.items():
        place = next(i for i, line in enumerate(lines) if line.startswith(f"# {key} = "))
        assert lines[place - 1] == f"# {field.description}"
    used = [line[2:] for line in lines if " = " in line]
    assert "port = 5000" in used
    assert read(tmp_path, "\n".join(used)).operation == Operation(
        builds=tmp_path / "data/builds",
        raw_folder=tmp_path / "data/raw",
        plans=tmp_path / "data/plans",
        fleet_builds=tmp_path / "data/fleet/builds",
        fleet_union=tmp_path / "data/fleet/union",
    )


def test_paths_are_as_people_write_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    found = read(tmp_path, 'builds = "~/b"\nraw = "a.csv"\nboundaries = ""').operation
    assert found == Operation(builds=tmp_path / "me" / "b", raw=(tmp_path / "a.csv",))
    found = read(tmp_path, 'raw = "a.csv,b.csv"', ATLSHIELD_BUILDS="~/b").operation
    assert found == Operation(builds=tmp_path / "me" / "b", raw=(tmp_path / "a.csv", tmp_path / "b.csv"))
    assert read(tmp_path, "\ufeffport = 1").operation == Operation(port=1)


def test_paths_count_from_the_file_that_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "mine.toml").write_text('builds = "b"')
    link = tmp_path / "atlshield.toml"
    link.symlink_to("etc/mine.toml")
    for path in (link, link.resolve()):
        found = read_operation({FILE_VARIABLE: str(path)}).operation
        assert found == Operation(builds=tmp_path / "etc" / "b")


def test_file_beside_the_makefile_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.operation.FILE", tmp_path / "atlshield.toml")
    assert read_operation({FILE_VARIABLE: ""}).operation == Operation()
    (tmp_path / "atlshield.toml").symlink_to(tmp_path / "there.toml")
    with pytest.raises(ShieldError, match=r"atlshield.toml: expected a TOML file"):
        read_operation({})
    (tmp_path / "there.toml").write_text("port = 1")
    assert read_operation({}).operation == Operation(port=1)


def test_settings_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATLSHIELD_PORT", "8001")
    assert warehouse_main.main(["settings"]) == 0
    assert ["port", "8001", "ATLSHIELD_PORT"] in map(str.split, capsys.readouterr().out.splitlines())
    monkeypatch.setenv("ATLSHIELD_PORT", "no")
    with pytest.raises(SystemExit, match="1"):
        warehouse_main.main(["settings"])
    assert capsys.readouterr().err.startswith("error: ATLSHIELD_PORT: port: found 'no'")
