"""The Makefile: what is given on its command line reaches the command, and nothing else does."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from warehouse import settings

MAKEFILE = (settings.ROOT / "Makefile").read_text()


def read_list(name: str) -> list[str]:
    """Return the words of a variable of the Makefile."""
    found = re.search(rf"^{name} := ((?:.*\\\n)*.*)", MAKEFILE, flags=re.MULTILINE)
    assert found is not None
    return found[1].replace("\\\n", " ").split()


STAMPS = re.findall(r"^\.venv/([a-z]+):", MAKEFILE, flags=re.MULTILINE)
VALUES, SWITCHES = read_list("VALUES"), read_list("SWITCHES")


def run_make(
    *words: str, dry: bool = True, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run make, or only print its recipes; the virtual environment counts as made."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    made = [word for stamp in STAMPS for word in ("-o", f".venv/{stamp}")]
    return subprocess.run(
        ["make", "-s", *(["-n"] if dry else []), *made, *words],  # noqa: S607
        cwd=settings.ROOT, env={**inherited, **(environment or {})},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def show(*words: str, environment: dict[str, str] | None = None) -> list[str]:
    """Return the words, as the shell would split them, of the command that make would run."""
    done = run_make(*words, environment=environment)
    assert done.returncode == 0, done.stderr
    return shlex.split(done.stdout)[2:]  # after `.venv/bin/python -m`


@pytest.mark.parametrize("text", ["1", "yes", "true", "on"])
def test_switch_is_on(text: str) -> None:
    words = show("refresh", f"FORCE={text}", f"NO_BACKTEST={text}", f"FULL={text}")
    assert words == ["refresh", "--no-backtest", "--full", "--force"]
    assert show("fetch", f"HISTORY={text}") == ["etl", "fetch", "--history"]
    assert show("bench", f"LARGE={text}") == ["tests.benchmark", "--large"]


@pytest.mark.parametrize("text", ["0", "no", "false", "off", ""])
def test_switch_is_off(text: str) -> None:
    switches = [f"{name}={text}" for name in SWITCHES]
    assert show("refresh", *switches) == ["refresh"]
    assert show("fetch", *switches) == ["etl", "fetch"]
    assert show("bench", *switches) == ["tests.benchmark"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        *((f"{name}=", f"{name} is empty") for name in VALUES),
        *((f"{name}=maybe", f"{name}=maybe: expected one of 1 yes true on") for name in SWITCHES),
        ("FORCE=1 0", "FORCE=1 0: expected one of"),
        ("BUILDS= ", "BUILDS is empty"),
        ("CITY=a\nb", "CITY holds a line break"),
        ("FORCED=1", "unknown variable FORCED: expected one of"),
        ("force=1", "unknown variable force"),
        ("RAW=a.csv --force", "RAW=a.csv --force: expected files"),
    ],
)
def test_word_that_makes_no_sense_is_refused(word: str, message: str) -> None:
    done = run_make("refresh", word)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr


@pytest.mark.parametrize(
    "words", [("settings", "PORT=5001"), ("status", "PORT=5001"), ("settings", "BUILDS=b")]
)
def test_word_that_changes_nothing_of_the_state_is_refused(words: tuple[str, str]) -> None:
    done = run_make(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"make {words[0]} does not take {words[1].partition('=')[0]}: a setting is" in done.stderr


@pytest.mark.parametrize("word", ["FORCE=1", "RAW=a.csv", "NO_BACKTEST=1"])
def test_word_about_one_refresh_is_none_for_a_fleet(word: str) -> None:
    done = run_make("fleet", "CITIES=a.toml", word)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"make fleet does not take {word.partition('=')[0]}: the file CITIES says" in done.stderr
    assert show("fleet", "CITIES=a.toml", "WORKERS=2", "RESUME=1")[-3:] == [
        "a.toml", "--workers=2", "--resume"
    ]  # fmt: skip


def test_words_of_the_state_are_heeded() -> None:
    assert show("settings", "PYTHON=python3") == ["warehouse", "settings"]
    assert show("status", "BUILDS=b", "LINEAGE=1") == [
        "warehouse", "--builds=b", "status", "--lineage"
    ]  # fmt: skip


def test_environment_changes_nothing() -> None:
    environment = dict.fromkeys([*VALUES, *SWITCHES], "1")
    for target in ("refresh", "fetch", "profile", "serve", "bench", "backtest", "card", "track",
                   "export", "rollback", "diff", "list", "shell", "lock"):  # fmt: skip
        plain, disturbed = run_make(target), run_make(target, environment=environment)
        assert (plain.returncode, disturbed.stdout) == (0, plain.stdout), target


def test_words_reach_their_command() -> None:
    assert show("serve", "HOST=::", "PORT=5001", "BUILDS=b") == [
        "serve", "--builds=b", "--host=::", "--port=5001"
    ]  # fmt: skip
    assert show("export", "OUT=o") == ["warehouse", "export", "--out=o"]
    assert show("export", "FORMAT=tableau") == ["warehouse", "export", "--format=tableau", "--out=dist"]
    assert show("diff", "A=x", "B=y") == ["warehouse", "diff", "x", "y"]
    assert show("deploy-tabpy", "TABPY=http://t:9004", "API=http://a") == [
        "serve.deploy_tabpy", "--tabpy=http://t:9004", "--api=http://a"
    ]  # fmt: skip
    assert show("plan", "REQUEST=a b.toml", "BUILDS=b", "OUT=o") == [
        "planner", "plan", "a b.toml", "--builds=b", "--out=o"
    ]  # fmt: skip
    assert show("plan", "REQUEST=r") == ["planner", "plan", "r"]
    assert show("rollback", "BUILD=x") == ["warehouse", "rollback", "x"]
    assert show("track", "BUILDS=b") == ["models", "track", "--builds=b"]
    assert show("backtest", "ORIGINS=7", "BACKTEST_OUT=o") == [
        "models", "backtest", "--origins=7", "--out=o"
    ]  # fmt: skip
    assert show("refresh", "SOURCE=files", "RAW=a.csv b.csv", "CITY=c", "BOUNDARIES=p",
                "CLEANING=strict", "FIRST=2021-01-01", "LAST=2021-12-31", "SAMPLE_INCIDENTS=9") == [
        "refresh", "--source=files", "--raw", "a.csv", "b.csv", "--sample-incidents=9",
        "--first=2021-01-01", "--last=2021-12-31", "--city=c", "--cleaning=strict",
        "--boundaries=p",
    ]  # fmt: skip


HOSTILE = """a  $b $$c;$(shell touch {0}) $(touch {0}) `touch {0}` 'q' "q" é # \\ % & | > {0}"""


def test_value_is_neither_run_nor_changed(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    value = HOSTILE.format(trap)
    assert show("list", f"BUILDS={value}") == ["warehouse", f"--builds={value}", "list"]
    assert show("refresh", f"RAW={value}") == ["refresh", "--raw", *value.split()]
    done = run_make("list", f"BUILDS={value}", dry=False)
    assert f"no published build in {value}" in done.stderr
    assert not trap.exists()


def test_pattern_of_raw_files_is_followed() -> None:
    assert show("refresh", "RAW=docs/adr/000[12]*.md gone*.csv") == [
        "refresh", "--raw", "docs/adr/0001-one-refresh-process.md",
        "docs/adr/0002-base-and-forests.md", "gone*.csv",
    ]  # fmt: skip


def test_mirror_gets_its_address_and_make_does_not_print_it() -> None:
    address = "postgresql+psycopg://user:secret@here/there?sslmode=require"
    assert show("mirror", f"TO={address}") == ["warehouse", "mirror", address]
    assert re.search(r"^mirror: .*\n\t@\$\(RUN\) ", MAKEFILE, flags=re.MULTILINE)
