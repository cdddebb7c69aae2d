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

from warehouse.csv_lines import CSV_NOTE, LINE, iterate_csv
from warehouse.errors import LACKS, ShieldError
from warehouse.files import hash_file
from warehouse.parquet import render_copy
from warehouse.read import connect_published
from warehouse.schema import TABLES
from warehouse.table import Table

MANIFEST = "manifest.json"


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


def list_files(path: Path) -> set[str]:
    """Return the names of an export's files by its manifest; none where it is not a manifest."""
    try:
        tables = json.loads(path.read_text())["tables"]
        return {MANIFEST, *(name for entry in tables.values() for name in entry["sha256"])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


def write_csv(connection: duckdb.DuckDBPyConnection, table: Table, path: Path) -> None:
    """Write one table as CSV."""
    columns = ", ".join(table.column_names)
    lines = connection.cursor().execute(f"SELECT {LINE} FROM (SELECT {columns} FROM {table.name})")
    with path.open("wb") as stream:
        stream.writelines(iterate_csv(table.column_names, lines))


def write_table(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> dict[str, object]:
    """Write one table twice and return its entry in the manifest.

    Raises `ShieldError` naming the table and the file that cannot be written.
    """
    digests = {}
    for ending in ("csv", "parquet"):
        path = folder / f"{table.name}.{ending}"
        try:
            if ending == "parquet":
                connection.execute(render_copy(table, path))
            else:
                write_csv(connection, table, path)
        except LACKS:
            raise  # `connect_published` says whose build it is
        except (duckdb.Error, OSError) as error:
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
