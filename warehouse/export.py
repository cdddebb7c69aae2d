"""The published build as plain files: one CSV and one Parquet per table and view.

Input: a folder of builds and a folder to write to. Output: `<table>.csv` (UTF-8, header, ISO dates,
NULL as nothing, no cell that a spreadsheet would run), `<table>.parquet` and `manifest.json` (build,
rows, SHA-256, columns), complete or not at all.
"""

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import duckdb

from warehouse.csv_lines import CSV_NOTE, LINE, iterate_csv
from warehouse.errors import LACKS, ShieldError
from warehouse.files import EXPORT, hash_file, hold_lock
from warehouse.parquet import render_copy
from warehouse.pointer import PublishedBuild
from warehouse.read import connect_published
from warehouse.schema import TABLES
from warehouse.table import Table

MANIFEST = "manifest.json"
FILE_KINDS = {
    "tables": "tables as CSV and Parquet",
    "packages": "packages for Tableau",
    "plan": "a patrol plan",
}
"""The parts of a manifest that list files; an export has one of them."""

OLD = "old"
"""What a workspace calls the earlier export, until it is removed with it."""

Write = Callable[[PublishedBuild, duckdb.DuckDBPyConnection, Path], dict[str, object]]


def export_build(builds: Path, out: Path) -> Path:
    """Write every table of the published build into `out` and return it.

    Raises as `replace_export`, and `ShieldError` for a table that cannot be written.
    """
    return replace_export(builds, out, "tables", write_tables)


def replace_export(builds: Path, out: Path, kind: str, write: Write) -> Path:
    """Replace the folder `out` by what `write` makes of the published build, and return it.

    `write` fills a new folder and returns what the manifest says of its files, which lists each under
    `kind`, one of `FILE_KINDS`, with its SHA-256. `out` is replaced as a whole, once all is written.
    Raises as `refuse_foreign`; `OSError` where the place cannot be written to.
    """
    out = Path(os.path.realpath(out))  # `resolve` raises RuntimeError where links lead in a circle
    refuse_foreign(out, kind)
    with connect_published(builds) as (published, connection), make_workspace(out) as work:
        new, old = work / "new", work / OLD
        new.mkdir()
        manifest = {"build": asdict(published), **write(published, connection, new)}
        (new / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        refuse_foreign(out, kind)  # once more: writing takes seconds, and `out` may be an `OLD`
        if out.exists():
            out.rename(old)
        new.rename(out)
    return out


@contextmanager
def make_workspace(out: Path) -> Iterator[Path]:
    """Make a folder beside `out` for a while.

    What an export that was killed left there is removed first; if it died in the moment between the
    two names, `out` gets its earlier content back.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{out.name}.export-"
    for left in out.parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(ShieldError), hold_lock(left, EXPORT):  # one that is locked is at work
            if (left / OLD).exists() and not out.exists():
                (left / OLD).rename(out)
            shutil.rmtree(left)
    with (
        tempfile.TemporaryDirectory(prefix=prefix, dir=out.parent) as work,
        hold_lock(Path(work), EXPORT),
    ):
        yield Path(work)


def write_tables(
    published: PublishedBuild, connection: duckdb.DuckDBPyConnection, folder: Path
) -> dict[str, object]:
    """Write every table into a folder and return the manifest's entries."""
    tables = {table.name: write_table(connection, table, folder) for table in TABLES}
    return {"csv": CSV_NOTE, "tables": tables}


def refuse_foreign(out: Path, kind: str) -> None:
    """Raise `ShieldError` unless `out` is missing, empty, or holds an export as it was written.

    It is refused too where it holds an export of another of `FILE_KINDS`, and the folder one is in.
    """
    if Path.cwd().is_relative_to(out):
        raise ShieldError(f"{out} would be replaced while you are in it: choose another folder")
    if not out.exists():
        return
    if not out.is_dir():
        raise ShieldError(f"{out} is not a folder: choose another name")
    digests = read_digests(out / MANIFEST)
    listed = {name: digest for files in digests.values() for name, digest in files.items()}
    found = sorted(path.name for path in out.iterdir())
    if foreign := [name for name in found if name not in listed and not (listed and name == MANIFEST)]:
        raise ShieldError(
            f"{out} holds other files than an export ({', '.join(foreign[:3])}): choose another folder"
        )
    if others := digests.keys() - {kind}:
        raise ShieldError(
            f"{out} holds an export of {FILE_KINDS[others.pop()]}, which one of {FILE_KINDS[kind]} "
            "would replace: choose another folder"
        )
    refuse_changed(out, {name: listed[name] for name in found if name in listed})


def refuse_changed(out: Path, digests: dict[str, str]) -> None:
    """Raise `ShieldError` naming the first file whose SHA-256 is not its export's."""
    for name, digest in digests.items():
        path = out / name
        if not path.is_file() or hash_file(path) != digest:
            raise ShieldError(
                f"{path} was changed since it was exported: move it away, or choose another folder"
            )


def read_digests(path: Path) -> dict[str, dict[str, str]]:
    """Return the SHA-256 of an export's files by kind and name; none where it is not a manifest."""
    try:
        manifest = json.loads(path.read_text())
        return {
            kind: {
                name: digest for entry in entries.values() for name, digest in entry["sha256"].items()
            }
            for kind in FILE_KINDS
            if (entries := manifest.get(kind))
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


@contextmanager
def name_target(table: Table, path: Path) -> Iterator[None]:
    """Raise `ShieldError` naming the table and the file that cannot be written."""
    try:
        yield
    except LACKS:
        raise  # `connect_published` says whose build it is
    except (duckdb.Error, OSError) as error:
        raise ShieldError(f"{table.name} cannot be exported to {path.name}: {error}") from error


def write_csv(connection: duckdb.DuckDBPyConnection, table: Table, path: Path) -> None:
    """Write one table as CSV."""
    columns = ", ".join(table.column_names)
    lines = connection.execute(f"SELECT {LINE} FROM (SELECT {columns} FROM {table.name})")
    with path.open("wb") as stream:
        stream.writelines(iterate_csv(table.column_names, lines))


def write_table(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> dict[str, object]:
    """Write one table twice and return its entry in the manifest. Raises as `name_target`."""
    digests = {}
    for ending in ("csv", "parquet"):
        path = folder / f"{table.name}.{ending}"
        with name_target(table, path):
            if ending == "parquet":
                connection.execute(render_copy(table, path))
            else:
                write_csv(connection, table, path)
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
