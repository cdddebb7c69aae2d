"""The published build as plain files: one CSV and one Parquet per table and view.

Enters: a folder of builds and a folder to write to. Leaves: `<table>.csv` (UTF-8, header, ISO dates,
NULL as nothing), `<table>.parquet` and `manifest.json` (build, rows, SHA-256, columns), complete or
not at all.
"""

import hashlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import duckdb

from warehouse.errors import ShieldError
from warehouse.read import connect_published
from warehouse.schema import TABLES
from warehouse.table import Table, quote_text

MANIFEST = "manifest.json"


def export_build(builds: Path, out: Path) -> Path:
    """Write every table of the published build into `out` and return it.

    `out` is replaced as a whole once all files are written. Raises `ShieldError` when `out` is
    there and is anything else than an earlier export.
    """
    out = out.resolve()
    refuse_foreign(out)
    with connect_published(builds) as (published, connection):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as work:
            new, old = Path(work, "new"), Path(work, "old")
            new.mkdir()
            tables = {table.name: write_table(connection, table, new) for table in TABLES}
            manifest = {"build": asdict(published), "tables": tables}
            (new / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
            if out.exists():
                out.rename(old)
            new.rename(out)
    return out


def refuse_foreign(out: Path) -> None:
    """Raise `ShieldError` unless `out` is missing, empty, or holds an export and nothing else."""
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


def write_table(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> dict[str, object]:
    """Write one table twice and return its entry in the manifest."""
    digests = {}
    for ending, options in (("csv", "FORMAT csv, HEADER"), ("parquet", "FORMAT parquet")):
        path = folder / f"{table.name}.{ending}"
        connection.execute(f"COPY {table.name} TO {quote_text(str(path))} ({options})")
        with path.open("rb") as stream:
            digests[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    row = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
    return {
        "description": table.description,
        "grain": table.grain,
        "rows": row[0] if row else 0,
        "sha256": digests,
        "columns": {
            column.name: {"type": column.type, "unit": column.unit, "description": column.description}
            for column in table.columns
        },
    }
