"""The commands on published builds, the dictionary, the export."""

import csv
import datetime as dt
import hashlib
import json
import re
from pathlib import Path

import duckdb
import pytest

from refresh import Request, refresh
from tests.raw import write_daily
from warehouse.__main__ import PAGES, main
from warehouse.diagram import render_diagram
from warehouse.errors import ShieldError
from warehouse.export import refuse_foreign, replace_export, write_table
from warehouse.pointer import read_pointer
from warehouse.schema import TABLES
from warehouse.table import Column, Table


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


def test_history_can_be_listed_compared_and_gone_back_to(
    daily_builds: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("ATLSHIELD_STALE_AFTER_DAYS", "0")

    def run(*command: str) -> str:
        assert main(["--builds", str(daily_builds), *command]) == 0
        return capsys.readouterr().out

    old = read_pointer(daily_builds).build_id
    raw = write_daily(tmp_path / "daily.csv", days=104)
    new = refresh(Request("files", daily_builds, raw=(raw,), with_backtest=False)).build_id
    capsys.readouterr()
    assert [line.split()[0] for line in run("list").splitlines()] == ["build", old, "*"]
    assert re.search(rf"compared_build_id +{old}\n", run("status", "--lineage"))
    assert re.search(r"incidents by month +2021-04 +64 +80\n", run("diff", old, new))
    assert run("diff", new, new).splitlines()[-1] == "0 changes"
    assert run("verify") == f"good  {old}\ngood  {new}\n"
    (daily_builds / "current.duckdb").unlink()
    for command in ("list", "verify"):
        assert main(["--builds", str(daily_builds), command]) == 1
        assert "current.duckdb leads to nothing, not to " in capsys.readouterr().err
    assert f"rolled back to build {old}" in run("rollback", old)
    assert f"rolled back to build {new}" in run("rollback", new)
    assert main(["--builds", str(daily_builds), "rollback", "x"]) == 1
    assert f"no build x in {daily_builds}; there are: {old}, {new}" in capsys.readouterr().err


def test_lost_pointer_can_be_rolled_back_to_a_named_build(daily_builds: Path) -> None:
    before = read_pointer(daily_builds)
    (daily_builds / "current.json").write_bytes(b"\xff not a pointer")
    assert main(["--builds", str(daily_builds), "status"]) == 1
    assert main(["--builds", str(daily_builds), "rollback", before.build_id]) == 0
    assert read_pointer(daily_builds) == before


def test_refused_build_is_not_rolled_back_to(
    daily_builds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (daily_builds / "warehouse-x.duckdb.refused").touch()
    assert main(["--builds", str(daily_builds), "rollback", "x"]) == 1
    assert "build x was refused" in capsys.readouterr().err


def test_export_writes_every_table_twice_with_a_manifest(few_places: Path, tmp_path: Path) -> None:
    out = tmp_path / "dist"
    for _ in range(2):  # the second replaces the first
        assert main(["--builds", str(few_places), "export", "--out", str(out)]) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["build"]["build_id"] == read_pointer(few_places).build_id
    assert "leading apostrophe" in manifest["csv"]
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


def test_export_describes_itself_and_writes_plain_values(few_places: Path, tmp_path: Path) -> None:
    assert main(["--builds", str(few_places), "export", "--out", str(tmp_path / "dist")]) == 0
    manifest = json.loads((tmp_path / "dist" / "manifest.json").read_text())
    for table in TABLES:
        assert list(manifest["tables"][table.name]["columns"]) == list(table.column_names)
    text = manifest["tables"]["incident"]["columns"]["occurred_at"]["description"]
    with (tmp_path / "dist" / "data_dictionary.csv").open(newline="", encoding="utf-8") as stream:
        dictionary = {(row["table_name"], row["column_name"]): row for row in csv.DictReader(stream)}
    assert dictionary["incident", "occurred_at"]["description"] == text
    with (tmp_path / "dist" / "mart_incident_explorer.csv").open(newline="", encoding="utf-8") as stream:
        row = next(csv.DictReader(stream))
    occurred = dt.datetime.fromisoformat(row["occurred_at"])
    assert dt.date.fromisoformat(row["month_start"]) == occurred.date().replace(day=1)
    assert row["firearm_involved"] in {"true", "false", ""}


MANIFEST_OF_OTHERS = '{"name": "thesis", "tables": ["thesis.txt"]}'


@pytest.mark.parametrize("others", [{}, {"manifest.json": MANIFEST_OF_OTHERS}, {"manifest.json": "no"}])
def test_export_does_not_replace_a_folder_of_other_files(
    few_places: Path, tmp_path: Path, others: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in {"thesis.txt": "years of work", **others}.items():
        (tmp_path / name).write_text(text)
    assert main(["--builds", str(few_places), "export", "--out", str(tmp_path)]) == 1
    assert "holds other files than an export" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert main(["--builds", str(few_places), "export", "--out", str(tmp_path / "thesis.txt")]) == 1
    assert "is not a folder" in capsys.readouterr().err


def test_file_laid_into_an_export_is_not_lost(
    few_places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "dist"
    assert main(["--builds", str(few_places), "export", "--out", str(out)]) == 0
    (out / "workbook.twb").write_text("years of work")
    assert main(["--builds", str(few_places), "export", "--out", str(out)]) == 1
    assert "(workbook.twb)" in capsys.readouterr().err
    assert (out / "workbook.twb").exists()


def test_first_three_foreign_files_are_named(tmp_path: Path) -> None:
    for name in ("d.txt", "b.txt", "c.txt", "a.txt"):
        (tmp_path / name).touch()
    with pytest.raises(ShieldError, match=r"than an export \(a\.txt, b\.txt, c\.txt\): choose"):
        refuse_foreign(tmp_path, "tables")


def test_first_file_that_was_changed_is_named_also_while_an_export_runs(
    few_places: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tables"

    def write(_build: object, _connection: object, folder: Path) -> dict[str, object]:
        for name in ("a.csv", "b.csv"):
            (folder / name).write_text("1\n")
            if (out / name).exists():
                (out / name).write_text("2\n")
        digest = hashlib.sha256(b"1\n").hexdigest()
        return {"tables": {name: {"sha256": {f"{name}.csv": digest}} for name in ("b", "a")}}

    replace_export(few_places, out, "tables", write)
    refuse_foreign(out, "tables")
    with pytest.raises(ShieldError, match=r"/a\.csv was changed since it was exported: move it away"):
        replace_export(few_places, out, "tables", write)
    assert (out / "a.csv").read_text() == "2\n" and list(tmp_path.iterdir()) == [out]
    (out / "a.csv").unlink()
    (out / "a.csv").mkdir()  # a folder in a file's place
    with pytest.raises(ShieldError, match=r"/a\.csv was changed"):
        refuse_foreign(out, "tables")
    (out / "a.csv").rmdir()
    with pytest.raises(ShieldError, match=r"tables as CSV and Parquet, which one of packages"):
        refuse_foreign(out, "packages")


@pytest.mark.parametrize("place", [".", "..", "/", "note.txt/dist", "circle", "x" * 300])
def test_export_to_a_place_that_cannot_be_one_is_an_error(
    few_places: Path, tmp_path: Path, place: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    here = tmp_path / "here"
    here.mkdir()
    (here / "note.txt").touch()
    (here / "circle").symlink_to("circle")
    monkeypatch.chdir(here)
    assert main(["--builds", str(few_places), "export", "--out", place]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert {path.name for path in here.iterdir()} == {"note.txt", "circle"}


def test_exported_csv_holds_no_formula_and_parquet_is_as_it_was(tmp_path: Path) -> None:
    names = ("id", "n", "a", "b")
    table = Table("crime", "C.", "crime", ("id",), tuple(Column(n, "VARCHAR", "C.", "C") for n in names))
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE crime AS SELECT '=1+1' AS id, -1 AS n, '' AS a, NULL AS b")
        write_table(connection, table, tmp_path)
        rows = connection.execute(f"FROM '{tmp_path}/crime.parquet'").fetchall()
    assert (tmp_path / "crime.csv").read_text() == 'id,n,a,b\n\'=1+1,-1,"",\n'
    assert rows == [("=1+1", -1, "", None)]


def test_export_that_fails_leaves_the_one_before(
    few_places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "dist"
    assert main(["--builds", str(few_places), "export", "--out", str(out)]) == 0
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}

    def fail(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> dict[str, object]:
        if table == TABLES[3]:
            raise ShieldError("disk full")
        return write_table(connection, table, folder)

    monkeypatch.setattr("warehouse.export.write_table", fail)
    assert main(["--builds", str(few_places), "export", "--out", str(out)]) == 1
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert list(tmp_path.iterdir()) == [out]


def test_dictionary_table_has_every_column(published: Path) -> None:
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        rows = connection.execute("""
            SELECT table_name, column_name, type FROM data_dictionary ORDER BY table_name, column_number
        """).fetchall()
        columns = connection.execute("""
            SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal
            ORDER BY table_name, column_index""").fetchall()
        described = connection.execute("""
            SELECT count(*), count(comment) FROM duckdb_columns() WHERE NOT internal""").fetchall()
        tables = connection.execute("""
            SELECT count(comment) FROM (SELECT comment FROM duckdb_tables() UNION ALL
                                        SELECT comment FROM duckdb_views() WHERE NOT internal)
        """).fetchall()
    assert rows == columns
    assert described == [(len(rows), len(rows))]
    assert tables == [(len(TABLES),)]


def test_generated_pages_are_up_to_date_and_name_every_table() -> None:
    pages = {"data_dictionary.md", "table_diagram.md"}
    assert {path.name for path in PAGES} == {*pages, "atlshield.toml"}
    for path, page in PAGES.items():
        assert path.read_text() == page
        for table in TABLES if path.name in pages else ():
            assert re.search(rf"^(## |    ){table.name}( {{)?$", page, flags=re.MULTILINE), table.name


@pytest.mark.parametrize("name", [path.name for path in PAGES])
def test_stale_page_fails_the_check(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pages = {tmp_path / path.name: page for path, page in PAGES.items()}
    monkeypatch.setattr("warehouse.__main__.PAGES", pages)
    assert main(["docs", "--check"]) == 1
    assert main(["docs"]) == 0
    assert main(["docs", "--check"]) == 0
    (tmp_path / name).write_text("old")
    assert main(["docs", "--check"]) == 1


def test_diagram_shows_keys_and_references_only() -> None:
    place = Table("place", "P.", "place", ("name",), (Column("name", "VARCHAR", "N.", "N"),))
    crime = Table("crime", "C.", "crime", ("id", "place"), (
        Column("id", "BIGINT", "I.", "I"),
        Column("place", "VARCHAR", "P.", "P", references="place.name"),
        Column("other", "VARCHAR", "O.", "O", references="place.name", nullable=True),
        Column("hour", "INTEGER", "H.", "H"),
    ))  # fmt: skip
    lines = [line.strip() for line in render_diagram((place, crime)).splitlines()]
    start, end = lines.index("erDiagram") + 1, lines.index("```")
    assert lines[start:end] == [
        "place {", "VARCHAR name PK", "}",
        "crime {", "BIGINT id PK", "VARCHAR place PK, FK", "VARCHAR other FK", "}",
        "place ||--o{ crime : place",
        "place |o--o{ crime : other",
    ]  # fmt: skip
