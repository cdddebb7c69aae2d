"""The commands on published builds, the dictionary, the export."""

import csv
import hashlib
import json
from pathlib import Path

import duckdb
import pytest

from warehouse.__main__ import DICTIONARY_PAGE, main
from warehouse.dictionary import describe_range, render_page
from warehouse.publish import read_pointer
from warehouse.schema import TABLES
from warehouse.table import Column


def test_status_calls_simulated_data_simulated(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--builds", str(published), "status"]) == 0
    assert "source simulated (simulated data), cutoff 2025-12-31" in capsys.readouterr().out


def test_list_marks_the_published_build(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--builds", str(published), "list"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["build", "cutoff", "source", "incidents", "MiB"]
    assert line.split()[:4] == ["*", read_pointer(published).build_id, "2025-12-31", "simulated"]


@pytest.mark.parametrize(
    "command", [["status"], ["list"], ["verify"], ["rollback"], ["export", "--out", "x"]]
)
def test_without_a_build_commands_say_so_and_fail(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--builds", str(tmp_path), *command]) == 1
    assert "error: no published build" in capsys.readouterr().err


def test_export_writes_every_table_twice_with_a_manifest(published: Path, tmp_path: Path) -> None:
    out = tmp_path / "dist"
    for _ in range(2):  # the second replaces the first
        assert main(["--builds", str(published), "export", "--out", str(out)]) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["build"]["build_id"] == read_pointer(published).build_id
    assert set(manifest["tables"]) == {table.name for table in TABLES}
    for table in TABLES:
        entry = manifest["tables"][table.name]
        with (out / f"{table.name}.csv").open(newline="") as stream:
            rows = list(csv.reader(stream))
        assert tuple(rows[0]) == table.column_names
        assert len(rows) - 1 == entry["rows"]
        parquet = out / f"{table.name}.parquet"
        assert duckdb.sql(f"SELECT count(*) FROM '{parquet}'").fetchone() == (entry["rows"],)
        for name, digest in entry["sha256"].items():
            assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest


def test_export_does_not_replace_a_folder_of_other_files(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["--builds", str(published), "export", "--out", str(tmp_path)]) == 1
    assert "holds other files than an export" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_dictionary_table_has_every_column(published: Path) -> None:
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        rows = connection.execute("""
            SELECT table_name, column_name, type FROM data_dictionary ORDER BY table_name, position
        """).fetchall()
        columns = connection.execute("""
            SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal
            ORDER BY table_name, column_index""").fetchall()
    assert rows == columns


def test_dictionary_page_is_up_to_date_and_names_every_column() -> None:
    page = DICTIONARY_PAGE.read_text()
    assert page == render_page(TABLES)
    for table in TABLES:
        assert f"## {table.name}\n" in page


def test_stale_page_fails_the_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stale = tmp_path / "page.md"
    stale.write_text("old")
    monkeypatch.setattr("warehouse.__main__.DICTIONARY_PAGE", stale)
    assert main(["docs", "--check"]) == 1
    assert main(["docs"]) == 0
    assert main(["docs", "--check"]) == 0


@pytest.mark.parametrize(
    ("minimum", "maximum", "words"),
    [(None, None, None), (0, None, "from 0"), (None, 1, "up to 1"), (1, 12, "1 to 12")],
)
def test_ranges_in_words(minimum: float | None, maximum: float | None, words: str | None) -> None:
    column = Column("c", "DOUBLE", "C.", "C", minimum=minimum, maximum=maximum)
    assert describe_range(column) == words
