"""Incremental reads of the portal into snapshots: the incidents, and the layer of 2009-2020.

Input: a `Portal` and a folder. Output: in the folder a snapshot with its manifest; `.fetch` while a read
is under way or was killed. Addresses and victims are never asked for.

After the first time only rows above a watermark are read: the newest report date less a re-read window
of `REREAD_DAYS`. Two changes outside the window that leave the layer's count as it was stay unseen until
everything is read (`full`).
"""

import datetime as dt
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
from tqdm import tqdm

from etl.arcgis import ALL_ROWS, DEFAULT_PAUSE_SECONDS, Layer, Query, open_layer
from etl.city import Portal
from etl.layout import load_layout
from etl.merge import Window, compare, find_window, merge
from etl.pages import Reading, is_unfinished, read_query
from etl.snapshot import (
    FULL,
    INCREMENTAL,
    Changes,
    Manifest,
    Snapshot,
    count_rows,
    find_snapshot,
    load_reading,
    open_tables,
    spell_time,
    store_file,
    sweep_orphans,
    write_table,
)
from warehouse.errors import ShieldError
from warehouse.files import FETCH, hash_file, hold_lock
from warehouse.table import quote_text

REREAD_DAYS = 120
"""Days of reports that an incremental read asks for again: they come late and change."""

WORK, SPILL = ".fetch", ".spill"
"""Subfolders: of a read that is not finished, and of what the database spills."""

PRIVATE_FIELD = re.compile(r"addr|street|apartment|^apt|house|victim|^vic(count|$)|^location$")
"""Names, in small letters and digits only, of fields that say where exactly or to whom it happened."""

SHAPE_TYPES = ("esriFieldTypeGeometry", "esriFieldTypeBlob", "esriFieldTypeRaster")


@dataclass(frozen=True)
class FetchJob:
    """One read of a layer, and the database it works in. `key` may be empty: nothing is compared."""

    layer: Layer
    connection: duckdb.DuckDBPyConnection
    folder: Path
    stem: str
    query: Query
    terms: tuple[str, ...]
    key: tuple[str, ...]

    def read(self, where: str) -> Reading:
        """Read the rows of a condition into the table `fresh`.

        Raises `ShieldError` as `read_query` does.
        """
        reading = read_query(self.layer, replace(self.query, where=where), self.folder / WORK)
        load_reading(self.connection, reading, "fresh")
        return reading

    def store(self, table: str, reading: Reading, kind: str, changes: Changes) -> Snapshot:
        """Write `table` as the new snapshot, say so, and end the read."""
        written = reading.work / "snapshot.parquet"
        write_table(self.connection, table, written, (self.query.object_id, *self.key))
        manifest = Manifest(
            self.layer.url, reading.query.where, list(self.query.fields), spell_time(reading.started_at),
            count_rows(self.connection, table), hash_file(written), list(self.terms), kind,
            changes.new_rows, changes.revised_rows, changes.vanished_rows,
        )  # fmt: skip
        path = store_file(written, self.folder, self.stem, manifest)
        shutil.rmtree(reading.work)
        tqdm.write(
            f"portal: {manifest.rows:,} rows ({kind}), {changes.new_rows:,} new, "
            f"{changes.revised_rows:,} revised, {changes.vanished_rows:,} vanished: {path.name}"
        )
        return manifest.describe(path)


def fetch_incidents(
    portal: Portal,
    folder: Path,
    *,
    full: bool = False,
    window_days: int = REREAD_DAYS,
    pause_seconds: float = DEFAULT_PAUSE_SECONDS,
) -> Snapshot:
    """Bring the newest snapshot of incidents in `folder` up to date with the layer.

    Reads everything when `full`, when there is no snapshot to build on, or when the layer's count
    of the rows that are not read again differs from the snapshot's. `window_days` are counted back
    from the newest report. Raises `ShieldError` for an answer that cannot be used, for rows that
    do not add up, and for a damaged snapshot unless `full`.
    """
    if window_days < 0:
        raise ShieldError(f"the re-read window must be 0 days or more, found {window_days}")
    query = Query(ALL_ROWS, load_layout(portal.layout).columns, portal.object_id)
    with open_job(portal.incidents, folder, "incidents", query, portal, pause_seconds) as job:
        # A full read that was killed is finished first; a window would throw its pages away.
        full = full or is_unfinished(job.layer, query, folder / WORK)
        fetched_at = load_previous(job, full=full)
        snapshot = None
        if fetched_at and not full:
            window = find_window(job.connection, portal.report_date, fetched_at, window_days)
            snapshot = read_window(job, window) if window else None
        return snapshot or read_all(job, is_compared=fetched_at is not None)


def fetch_history(
    portal: Portal, folder: Path, *, pause_seconds: float = DEFAULT_PAUSE_SECONDS
) -> Snapshot:
    """Read the whole layer of 2009-2020, every field that does not look like an address or a victim.

    The layer rests, so every read is full and compared with none. Raises `ShieldError` as
    `fetch_incidents` does.
    """
    with open_layer(portal.history, pause_seconds) as layer:
        facts = layer.describe()
        fields = tuple(str(field["name"]) for field in layer.take(facts, "fields") if is_wanted(field))
        query = Query(ALL_ROWS, fields, layer.find_object_id(facts))
    keyless = portal.model_copy(update={"key": ()})
    with open_job(portal.history, folder, "history", query, keyless, pause_seconds) as job:
        return read_all(job, is_compared=False)


def is_wanted(field: Mapping[str, str]) -> bool:
    """Return whether neither name nor alias of a layer's field points at an address or a victim."""
    names = (field["name"], field.get("alias") or "")
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    return field["type"] not in SHAPE_TYPES and not any(PRIVATE_FIELD.search(name) for name in plain)


@contextmanager
def open_job(
    url: str, folder: Path, stem: str, query: Query, portal: Portal, pause_seconds: float
) -> Iterator[FetchJob]:
    """Let one process at a time read into `folder`, with a session and a database of its own."""
    with hold_lock(folder, FETCH), open_layer(url, pause_seconds) as layer:
        sweep_orphans(folder, stem)
        with open_tables(folder / SPILL) as connection:
            yield FetchJob(layer, connection, folder, stem, query, portal.terms, portal.key)


def load_previous(job: FetchJob, *, full: bool) -> dt.datetime | None:
    """Create the view `previous` on the newest snapshot; return when that was fetched, or None.

    None where there is no snapshot, or one of another address or other fields. Raises `ShieldError`
    for a damaged one, unless everything is read anyway; then it is said, and nothing is compared.
    """
    try:
        found = find_snapshot(job.folder, job.stem)
    except ShieldError as error:
        if not full:
            raise
        tqdm.write(f"portal: nothing to compare with: {error}")
        return None
    if found is None:
        return None
    path, manifest = found
    if (manifest.url, tuple(manifest.fields)) != (job.layer.url, job.query.fields):
        tqdm.write(f"portal: {path.name} was read from elsewhere or with other fields; reading all")
        return None
    job.connection.execute(f"CREATE VIEW previous AS FROM read_parquet({quote_text(str(path))})")
    return dt.datetime.fromisoformat(manifest.fetched_at)


def read_window(job: FetchJob, window: Window) -> Snapshot | None:
    """Read the window again and join it with the snapshot before.

    None, and a line that says so, when the layer's count shows changes outside the window.
    """
    reading = job.read(window.inside)
    kept = merge(job.connection, window, job.key)
    announced = job.layer.count_rows(window.outside)
    if announced != kept:
        tqdm.write(
            f"portal: before {window.start:%Y-%m-%d} the layer holds {announced:,} rows and the "
            f"snapshot {kept:,}; reading all"
        )
        return None
    changes = compare(job.connection, "merged", job.key, job.query.object_id)
    return job.store("merged", reading, INCREMENTAL, changes)


def read_all(job: FetchJob, *, is_compared: bool) -> Snapshot:
    """Read the whole layer; compare it with the snapshot before where there is one."""
    reading = job.read(ALL_ROWS)
    if is_compared:
        changes = compare(job.connection, "fresh", job.key, job.query.object_id)
    else:
        changes = Changes(count_rows(job.connection, "fresh"), 0, 0)
    return job.store("fresh", reading, FULL, changes)
