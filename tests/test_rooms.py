"""The import rule: a build is the only thing that passes between the rooms."""

import ast
import re
from pathlib import Path

import pytest

from warehouse.settings import ROOT

ROOMS = {"etl", "models", "warehouse", "serve", "planner", "studies", "fleet"}
MAY_IMPORT = {
    "etl": {"etl", "warehouse"},
    "models": {"models", "warehouse"},
    "warehouse": {"warehouse"},
    "serve": {"serve", "warehouse"},
    "planner": {"planner", "warehouse"},
    "studies": {"studies", "models", "warehouse"},
    "fleet": {"fleet", "refresh", "etl", "warehouse"},
}


OPEN_DATABASES = {
    "warehouse/build.py": "writes builds",
    "warehouse/read.py": "reads finished builds",
    "warehouse/plans.py": "reads finished plans",
    "warehouse/sql_child.py": "reads one for a statement, without the half second that SQLAlchemy takes",
    "fleet/union.py": "writes views over the union",
    "etl/finding.py": "scratch", "etl/guess.py": "scratch", "etl/raw_file.py": "scratch",
    "etl/scratch_engine.py": "scratch", "etl/simulate.py": "scratch", "etl/snapshot.py": "scratch",
}  # fmt: skip
"""Files that may open a database, and what for. A scratch database holds no finished build."""


def list_imports(path: Path) -> set[str]:
    """Return the top-level names that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_room_imports_only_what_it_may(room: str) -> None:
    files = sorted((ROOT / room).glob("*.py"))
    assert files
    for path in files:
        foreign = list_imports(path) & (ROOMS | {"refresh", "tests"}) - MAY_IMPORT[room]
        assert not foreign, f"{path.name} imports {foreign}"


def test_rule_sees_a_forbidden_import(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("from models.panel import Panel\nimport etl.clean\n")
    assert list_imports(path) == {"models", "etl"}


def test_serving_never_imports_the_forests() -> None:
    used = set().union(*(list_imports(path) for path in (ROOT / "serve").glob("*.py")))
    assert not used & {"sklearn", "pandas", "duckdb"}


def test_finished_builds_are_opened_by_read_alone() -> None:
    paths = [ROOT / "refresh.py", *(path for room in ROOMS for path in (ROOT / room).glob("*.py"))]
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in paths}
    openers = {name for name, text in texts.items() if "duckdb.connect(" in text}
    assert openers <= OPEN_DATABASES.keys()
    readers = {name for name, text in texts.items() if re.search("read_only", text, re.IGNORECASE)}
    assert "warehouse/read.py" in readers
    assert all("read" in OPEN_DATABASES.get(name, "") for name in readers), readers
