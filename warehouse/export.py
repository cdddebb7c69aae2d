"""The published build as plain files: one CSV and one Parquet per table and view.

Input: a folder of builds and a folder to write to. Output: `<table>.csv` (UTF-8, header, ISO dates,
NULL as nothing, no cell that a spreadsheet would run), `<table>.parquet` and `manifest.json` (build,
rows, SHA-256, columns), complete or not at all.
"""

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import duckdb

from warehouse.errors import LACKS, ShieldError
from warehouse.files import hash_file
from warehouse.read import connect_published
from warehouse.schema import TABLES
from warehouse.table import Table, quote_text

MANIFEST = "manifest.json"

FORMULA_STARTS = "=+@\t\r-"  # the minus last: it would mean a range in a regular expression
NUMBERS = "U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*"
SAFE_CELLS = f"""
CASE WHEN regexp_matches(COLUMNS(*)::VARCHAR, '^[{FORMULA_STARTS}]')
      AND NOT regexp_full_match(typeof(COLUMNS(*)), '{NUMBERS}')
     THEN '''' ELSE '' END || COLUMNS(*)::VARCHAR
"""
"""Select list: every column as text, under its own name. A text that begins like a formula gets a
leading apostrophe, so that no spreadsheet runs it (OWASP, "CSV Injection"); numbers stay as they are."""

CSV_NOTE = "a text that begins with =, +, -, @, tab or carriage return has a leading apostrophe in CSV"
"""What the manifest says of it."""


def export_build(builds: Path, out: Path) -> Path:
    """Write every table of the published build into `out` and return it.

    `out` is replaced as a whole once all files are written. Raises `ShieldError` when `out` is
    there and is anything else than an earlier export, when it holds the folder one is in, and for a
    table that cannot be written; `OSError` where the place cannot be written to.
    """
    out = Path(os.path.realpath(out))  # `resolve` raises RuntimeError where links lead in a circle
    refuse_foreign(out)
    with connect_published(builds) as (published, connection):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as work:
            new, old = Path(work, "new"), Path(work, "old")
            new.mkdir()
            tables = {table.name: write_table(connection, table, new) for table in TABLES}
            manifest = {"build": asdict(published), "csv": CSV_NOTE, "tables": tables}
            (new / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
            if out.exists():
                out.rename(old)
            new.rename(out)
    return out


def refuse_foreign(out: Path) -> None:
    """Raise `ShieldError` unless `out` is missing, empty, or holds an export and nothing else."""
    if Path.cwd().is_relative_to(out):
        raise ShieldError(f"{out} would be replaced while you are in it: choose another folder")
    if not out.exists():
        return
    if not out.is_dir():
        raise ShieldError(f"{out} is not a folder: choose another name")
    found = {path.name for path in out.iterdir()}
    foreign = found - list_files(out / MANIFEST)
    if foreign:
        raise ShieldError(
            f"{out} holds other files than an export ({', '.join(sorted(foreign)[:3])}): "
            "choose another folder"
        )


def guard_cell(text: str) -> str:
    """Return a text as `SAFE_CELLS` would."""
    return f"'{text}" if text.startswith(tuple(FORMULA_STARTS)) else text


def list_files(path: Path) -> set[str]:
    """Return the names of an export's files by its manifest; none where it is not a manifest."""
    try:
        tables = json.loads(path.read_text())["tables"]
        return {MANIFEST, *(name for entry in tables.values() for name in entry["sha256"])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


def write_table(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> dict[str, object]:
    """Write one table twice and return its entry in the manifest.

    Raises `ShieldError` naming the table and the file that cannot be written.
    """
    select = f"SELECT {', '.join(table.column_names)} FROM {table.name}"
    digests = {}
    for ending, cells, options in (("csv", SAFE_CELLS, ", HEADER"), ("parquet", "*", "")):
        path = folder / f"{table.name}.{ending}"
        copy = f"COPY (SELECT {cells} FROM ({select})) TO {quote_text(str(path))}"
        try:
            connection.execute(f"{copy} (FORMAT {ending}{options})")
        except LACKS:
            raise  # `connect_published` says whose build it is
        except duckdb.Error as error:
            raise ShieldError(f"{table.name} cannot be exported to {path.name}: {error}") from error
        digests[path.name] = hash_file(path)
    row = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
    return {
        "description": table.description,
        "grain": table.full_grain,
        "rows": row[0] if row else 0,
        "sha256": digests,
        "columns": {
            column.name: {"type": column.type, "unit": column.unit, "description": column.description}
            for column in table.columns
        },
    }
