"""Snapshots: what the portal held at one time, as a file and a manifest that vouches for it.

Input: a finished read. Output: `<stem>-<UTC time>.parquet` (every column text as in the JSON, times
as epoch milliseconds, missing as NULL) and `<stem>-<UTC time>.json`. The manifest comes last: a data
file without one is a leftover, and is swept.
"""

import datetime as dt
import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from etl.pages import Reading
from warehouse.errors import ShieldError
from warehouse.files import hash_file, replace_file, replace_text
from warehouse.machine import limit_engine
from warehouse.table import quote_text

FULL, INCREMENTAL = "full", "incremental"

MEND = "read everything anew with --full"


@dataclass(frozen=True)
class Changes:
    """What differs from the snapshot before, in rows; without one, every row is new."""

    new_rows: int
    revised_rows: int
    vanished_rows: int


@dataclass(frozen=True)
class Snapshot:
    """A finished snapshot. `kind` is `full` or `incremental`; counts are as in `Changes`."""

    path: Path
    rows: int
    kind: str
    new_rows: int
    revised_rows: int
    vanished_rows: int


@dataclass(frozen=True)
class Manifest:
    """Where a snapshot comes from: `fetched_at` is UTC and says when reading began.

    `where` is the last query asked; an incremental snapshot holds older rows besides.
    """

    url: str
    where: str
    fields: list[str]
    fetched_at: str
    rows: int
    sha256: str
    terms: list[str]
    kind: str
    new_rows: int
    revised_rows: int
    vanished_rows: int

    def describe(self, path: Path) -> Snapshot:
        """Return the snapshot that this manifest vouches for."""
        counts = (self.new_rows, self.revised_rows, self.vanished_rows)
        return Snapshot(path, self.rows, self.kind, *counts)


@contextmanager
def open_tables(spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory that stays small; what it spills into `spill` is removed."""
    if spill.exists():
        shutil.rmtree(spill)  # of a process that was killed
    limits = {"memory_limit": limit_engine(), "temp_directory": str(spill)}
    with duckdb.connect(config={**limits}) as connection:
        yield connection


def load_reading(connection: duckdb.DuckDBPyConnection, reading: Reading, table: str) -> None:
    """Create `table` from the rows of a reading that are still upstream, every column text.

    Raises `ShieldError` when that is not one row per id.
    """
    columns = ", ".join(f"{quote_name(field)} VARCHAR" for field in reading.query.fields)
    connection.execute(f"CREATE OR REPLACE TABLE {table} ({columns})")
    types = ", ".join(f"{quote_text(field)}: 'VARCHAR'" for field in reading.query.fields)
    if files := [str(path) for path in reading.list_files()]:
        connection.execute(
            f"INSERT INTO {table} BY NAME "
            f"FROM read_json($files, format = 'newline_delimited', columns = {{{types}}})",
            {"files": files},
        )
    object_id = quote_name(reading.query.object_id)
    connection.execute(
        f"DELETE FROM {table} WHERE {object_id}::BIGINT IN (SELECT unnest($gone::BIGINT[]))",
        {"gone": sorted(reading.on_disk - reading.held)},
    )
    rows = count_rows(connection, table)
    if rows != len(reading.held):
        raise ShieldError(
            f"{reading.work}: expected {len(reading.held):,} rows on disk, found {rows:,}; "
            "delete the folder and run again"
        )


def write_table(
    connection: duckdb.DuckDBPyConnection, table: str, path: Path, order: Sequence[str]
) -> None:
    """Write `table` as Parquet in numeric order of its first order column, then of the others."""
    number, *others = (quote_name(name) for name in order)
    keys = ", ".join([f"{number}::BIGINT", *others])
    connection.execute(
        f"COPY (FROM {table} ORDER BY {keys}) TO {quote_text(str(path))} (FORMAT parquet)"
    )


def count_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return how many rows `table` has."""
    return len(connection.table(table))


def store_file(written: Path, folder: Path, stem: str, manifest: Manifest) -> Path:
    """Move a written file and its manifest into place, each in one step; return the file's path."""
    path = folder / f"{stem}-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%fZ}{written.suffix}"
    replace_file(written, path)
    replace_text(path.with_suffix(".json"), json.dumps(asdict(manifest), indent=2) + "\n")
    return path


def prune_snapshots(folder: Path, stem: str, kept: int, needed: Collection[str] = ()) -> None:
    """Keep the newest `kept` snapshots, of which the next read takes the last, and the `needed` files.

    Call with the lock held. `needed` are names of data files. Raises `OSError`.
    """
    stems = {Path(name).stem for name in needed}
    for old in list_manifests(folder, stem)[:-kept]:
        if old.stem not in stems:
            old.unlink()
    sweep_orphans(folder, stem)


def list_manifests(folder: Path, stem: str) -> list[Path]:
    """Return the manifests in `folder`, oldest first."""
    return sorted(folder.glob(f"{stem}-*.json"))


def sweep_orphans(folder: Path, stem: str) -> None:
    """Remove data files that no manifest vouches for."""
    vouched = {path.stem for path in list_manifests(folder, stem)}
    for path in folder.glob(f"{stem}-*"):
        if path.stem not in vouched:
            path.unlink()


def find_snapshot(folder: Path, stem: str) -> tuple[Path, Manifest] | None:
    """Return the newest snapshot, its SHA-256 checked, or None where there is none.

    Raises `ShieldError` naming the snapshot when it is damaged.
    """
    manifests = list_manifests(folder, stem)
    if not manifests:
        return None
    path = manifests[-1].with_suffix(".parquet")
    try:
        manifest = Manifest(**json.loads(manifests[-1].read_text()))
        found = hash_file(path)
    except (OSError, ValueError, TypeError) as error:
        raise ShieldError(f"{manifests[-1]}: damaged snapshot ({error}); {MEND}") from error
    if found != manifest.sha256:
        raise ShieldError(
            f"{path}: damaged snapshot: expected SHA-256 {manifest.sha256}, found {found}; {MEND}"
        )
    return path, manifest


def read_fetch_time(path: Path) -> dt.datetime | None:
    """Return when a snapshot was read from the portal, None for a file that no manifest vouches for.

    Raises `ShieldError` naming a manifest that is damaged.
    """
    manifest = path.with_suffix(".json")
    if path.suffix != ".parquet" or not manifest.is_file():
        return None
    try:
        return dt.datetime.fromisoformat(json.loads(manifest.read_text())["fetched_at"])
    except (ValueError, TypeError, KeyError) as error:
        raise ShieldError(f"{manifest}: damaged manifest ({error!r}); {MEND}") from error


def spell_time(moment: dt.datetime) -> str:
    """Return a moment as manifests spell it: UTC, to the second."""
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def quote_name(name: str) -> str:
    """Return `name` as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
