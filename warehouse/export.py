"""The published build as plain files: one CSV and one Parquet per table.

Enters: a folder of builds and a folder to write to. Leaves: `<table>.csv`, `<table>.parquet` and
`manifest.json` (build, rows, SHA-256), complete or not at all.
"""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import duckdb

from warehouse.errors import ShieldError
from warehouse.publish import read_pointer
from warehouse.schema import TABLES
from warehouse.table import quote_text

MANIFEST = "manifest.json"


def export_build(builds: Path, out: Path) -> Path:
    """Write every table of the published build into `out` and return it.

    `out` is replaced as a whole once all files are written. Raises `ShieldError` when `out` is
    there and holds something that is not an earlier export.
    """
    published = read_pointer(builds)
    if out.exists() and not (out / MANIFEST).exists() and any(out.iterdir()):
        raise ShieldError(f"{out} holds other files than an export: choose another folder")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with duckdb.connect(str(builds / published.file), read_only=True) as connection:
        files = {table.name: write_table(connection, table.name, partial) for table in TABLES}
    manifest = {"build": asdict(published), "tables": files}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
    return out


def write_table(connection: duckdb.DuckDBPyConnection, name: str, folder: Path) -> dict[str, object]:
    """Write one table twice and return its entry in the manifest."""
    digests = {}
    for ending, options in (("csv", "FORMAT csv, HEADER"), ("parquet", "FORMAT parquet")):
        path = folder / f"{name}.{ending}"
        connection.execute(f"COPY {name} TO {quote_text(str(path))} ({options})")
        with path.open("rb") as stream:
            digests[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    row = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
    return {"rows": row[0] if row else 0, "sha256": digests}
