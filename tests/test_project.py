"""What the project says of itself is true: commands, tables, versions, locks."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from etl.city import load_city
from etl.fetch import REREAD_DAYS
from etl.rules import list_rules
from warehouse import settings
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.schema import TABLES

README = (settings.ROOT / "README.md").read_text()
MAKEFILE = (settings.ROOT / "Makefile").read_text()
CI = (settings.ROOT / ".ci" / "run").read_text()
PAGES = [README, *(p.read_text() for p in sorted(settings.ROOT.glob("*.md")))]


def test_every_make_command_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:`|&& |^)make ([a-z-]+)", page, re.M)}
    assert {"refresh", "serve", "test", "export", "rollback", "backtest", "bench", "check"} <= named
    assert named <= targets


def test_ci_runs_what_the_readme_says() -> None:
    for command in ("make refresh", "make serve", "make test", "make check"):
        assert re.search(rf"^{command}\b", CI, flags=re.MULTILINE), command
    curl = re.search(r"^curl (\S+) -d (.*)$", README, flags=re.MULTILINE)
    assert curl is not None
    assert f"{curl[1]} -d {curl[2]}" in CI


def test_tables_and_columns_that_the_readme_names_exist() -> None:
    names = {table.name for table in TABLES}
    columns = {f"{table.name}.{column.name}" for table in TABLES for column in table.columns}
    for table in re.findall(r"tables? `(\w+)`", README):
        assert table in names
    for column in re.findall(r"`(\w+\.\w+)`", README):
        if column.split(".")[0] in names:
            assert column in columns


def test_links_lead_to_files() -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (settings.ROOT / link).exists(), link


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((settings.ROOT / "pyproject.toml").read_text())["project"]
    changelog = (settings.ROOT / "CHANGELOG.md").read_text()
    assert project["version"] == settings.VERSION
    assert re.search(r"^## (\S+)", changelog, flags=re.MULTILINE)[1] == settings.VERSION  # type: ignore[index]


EXTRAS = ("requirements-tableau.lock", "requirements-fleet.lock", "requirements-postgres.lock")
LOCKS = ("requirements.lock", *EXTRAS, "requirements-dev.lock")


@pytest.mark.parametrize("name", [*LOCKS, "requirements-tabpy.lock"])
def test_lock_files_pin_and_say_nothing_else(name: str) -> None:
    lines = (settings.ROOT / name).read_text().splitlines()
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", line) for line in lines)


def test_developers_have_the_very_versions_that_users_have() -> None:
    runtime, *extras, dev = (set((settings.ROOT / name).read_text().splitlines()) for name in LOCKS)
    for extra in extras:
        assert runtime | extra <= dev
        assert not runtime & extra


def test_nothing_committed_names_a_machine() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"],  # noqa: S607
        cwd=settings.ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert tracked
    machine = re.compile(r"(?<![\w.])/(?:" + "|".join(["work", "root", "home"]) + r")/\w")
    for name in tracked:
        path = Path(settings.ROOT / name)
        if path.suffix not in {".png", ".lock"} and path.exists():
            assert not machine.search(path.read_text()), name


def test_every_make_target_is_one_line_of_python_m() -> None:
    for target in ("serve", "test", "bench", "backtest", "export", "rollback", "shell", "docs"):
        recipe = re.search(rf"^{target}:.*\n\t(.*)$", MAKEFILE, flags=re.MULTILINE)
        assert recipe is not None
        assert recipe[1].startswith("$(RUN) ")


@pytest.mark.parametrize("room", ["etl", "models", "warehouse", "serve", "planner", "fleet"])
def test_contributing_lists_every_file(room: str) -> None:
    page = (settings.ROOT / "CONTRIBUTING.md").read_text()
    listed = re.findall(
        r"`(\w+)`", page.partition(f"## The files of `{room}/`")[2].partition("\n## ")[0]
    )
    files = {path.stem for path in (settings.ROOT / room).glob("[!_]*.py")}
    assert files <= set(listed)


def test_decision_records_are_numbered_and_say_status_and_date() -> None:
    records = sorted((settings.ROOT / "docs" / "adr").glob("*.md"))
    assert records
    for number, path in enumerate(records, start=1):
        heading, _, status, *_ = path.read_text().splitlines()
        assert heading.startswith(f"# {number}. ") and path.name.startswith(f"{number:04}-")
        assert re.match(r"Status: (accepted|superseded).*\. Date: 20\d\d-\d\d-\d\d\b", status), path.name


def test_readme_states_the_settings_that_are_in_force() -> None:
    said = " ".join(README.split())
    limits = {rule.name: rule.max_share for rule in list_rules(load_city())}
    for sentence in (
        f"the last {REREAD_DAYS} days of reports again",
        f"the last {settings.KEPT_BUILDS} builds",
        f"under {settings.MIN_INCIDENTS} incidents or {settings.MIN_DAYS} days",
        f"{100 * limits['duplicate']:.0f} % duplicates",
        f"rows kept fell by more than {100 * settings.GUARD_ROWS_FALL_SHARE:.0f} %",
        f"moved by more than a factor of {settings.GUARD_FORECAST_FACTOR}",
        f"over {settings.GUARD_PLACE_CRIMES} crimes a year by {settings.GUARD_PLACE_FACTOR}",
        f"that is {settings.GUARD_YEAR_FACTOR} times the newest observed year",
        f"(from {settings.WARN_YEAR_FACTOR} on it warns)",
        f"**{INTERVAL_LEVELS[0]} % intervals**",
        f"**{settings.SIMULATED}**",
    ):
        assert sentence in said


REPLACED_WORDS = {
    r"rehears": "past origin", r"\brivals?\b": "baseline",
    r"pseudo.?events?": "prior weight, pseudocount",
    r"daykind|kinds? of day\b": "day type", r"drawn to(ward)?s?\b": "shrunk toward",
    r"\b(FEWEST|LONGEST|LARGEST|SMALLEST|SHORTEST|USUAL)_": "MIN_, MAX_, DEFAULT_",
    r"\bEnters: |\bLeaves: ": "Input, Output", r"\berrand": "job",
    r"\bheld 0\.|% held\b": "empirical coverage",
}  # fmt: skip


def test_words_that_the_field_has_better_ones_for_are_gone() -> None:
    names = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.sql", "*.toml"],  # noqa: S607
        cwd=settings.ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert names
    for name in set(names) - {"tests/test_project.py"}:
        path = settings.ROOT / name
        text = path.read_text() if path.exists() else ""
        for pattern, better in REPLACED_WORDS.items():
            found = re.search(pattern, text, re.IGNORECASE if pattern.islower() else 0)
            assert found is None, f"{name}: {found and found[0]!r}: {better}"
