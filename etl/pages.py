"""One query read page by page onto disk, so that a read which is killed goes on where it stopped.

Input: a layer, a query, a working folder. Output: in that folder `query.json` and one part file per
page, each whole or not there at all; a `Reading` whose rows are those the layer held at the end.

Pages are asked for by "id above the last one", never by offset: a row that comes or goes between two
pages moves no other row. What came or went behind the reader's back is found by comparing ids.
"""

import datetime as dt
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from etl.arcgis import Layer, Query, Row, read_id
from warehouse.errors import ShieldError
from warehouse.files import replace_text

MAX_RESUME_AGE = dt.timedelta(hours=24)
"""An unfinished read older than this says too little of today's layer."""

MAX_ROUNDS = 5
"""How often the ids are compared before the layer counts as one that cannot be read whole."""

MAX_READS = 3
"""How often a layer that is renumbered while it is read is read from the start."""

CHUNK_IDS = 100
"""Ids asked for by name in one request: an address stays well under 2,000 characters."""

NOTHING_READ = -1
"""Below every object id."""


@dataclass
class Reading:
    """The rows of one query on disk: `on_disk` are the ids of all, `held` of those still upstream."""

    query: Query
    work: Path
    started_at: dt.datetime
    on_disk: set[int]
    held: set[int]

    def list_files(self) -> list[Path]:
        """Return the files that hold the rows, one JSON object a line."""
        return [*list_parts(self.work), *sorted(self.work.glob("late-*.json"))]


def read_query(layer: Layer, query: Query, work: Path) -> Reading:
    """Read every row of `query` into `work`, going on from what an earlier run left there.

    Raises `ShieldError` when the layer's count and the rows received cannot be brought together,
    and when the layer is renumbered every time it is read.
    """
    for _ in range(MAX_READS):
        prepare_folder(layer, query, work)
        reading = Reading(query, work, find_start(work), read_pages(layer, query, work), set())
        # Asked twice: before, because reconciling a renumbered layer would fetch it row by row.
        if not was_renumbered(layer, reading):
            reconcile(layer, reading)
            if not was_renumbered(layer, reading):
                return reading
        tqdm.write("portal: the layer was renumbered while it was read; beginning anew")
        shutil.rmtree(work)
    raise ShieldError(f"{layer.url}: the layer was renumbered during each of {MAX_READS} reads")


def prepare_folder(layer: Layer, query: Query, work: Path) -> None:
    """Keep the pages in `work` if they can be continued, or begin anew."""
    if is_unfinished(layer, query, work) and still_reads_the_same(layer, query, work):
        tqdm.write(f"portal: going on after {len(list_parts(work))} pages of an earlier read")
        for late in work.glob("late-*.json"):
            late.unlink()
        return
    if work.exists():
        shutil.rmtree(work)
    work.mkdir()
    replace_text(work / "query.json", describe_query(layer, query))


def describe_query(layer: Layer, query: Query) -> str:
    """Return the text by which a later run knows whether it asks the same."""
    return json.dumps({"url": layer.url, **asdict(query)})


def is_unfinished(layer: Layer, query: Query, work: Path) -> bool:
    """Return whether `work` holds pages of the same query that are not too old."""
    state = work / "query.json"
    if not state.exists() or dt.datetime.now(dt.UTC) - find_start(work) > MAX_RESUME_AGE:
        return False
    return state.read_text() == describe_query(layer, query) and bool(list_parts(work))


def find_start(work: Path) -> dt.datetime:
    """Return when the read in `work` began: the state is written once, before the first page."""
    return dt.datetime.fromtimestamp((work / "query.json").stat().st_mtime, dt.UTC)


def still_reads_the_same(layer: Layer, query: Query, work: Path) -> bool:
    """Return whether the last page on disk is still what the layer answers.

    Ids are renumbered when the layer is loaded anew, and pages from before fit nothing then.
    """
    parts = list_parts(work)
    before = last_id(parts[-2]) if len(parts) > 1 else NOTHING_READ
    return layer.read_page(query, before).rows == read_rows(parts[-1])


def read_pages(layer: Layer, query: Query, work: Path) -> set[int]:
    """Read the pages that are not on disk yet; return the ids of all rows on disk.

    Raises `ShieldError` as `Layer.read_page` does.
    """
    parts = list_parts(work)
    after = last_id(parts[-1]) if parts else NOTHING_READ
    on_disk = {read_id(row, query) for part in parts for row in read_rows(part)}
    total = layer.count_rows(query.where)
    with tqdm(total=total, initial=len(on_disk), unit="row", disable=None) as bar:
        is_last = False
        while not is_last:
            page = layer.read_page(query, after)
            is_last = page.is_last
            if page.rows:
                after = read_id(page.rows[-1], query)
                write_rows(work / f"part-{after:012}.json", page.rows)
            on_disk |= {read_id(row, query) for row in page.rows}
            bar.update(len(page.rows))
    return on_disk


def reconcile(layer: Layer, reading: Reading) -> None:
    """Fetch rows that came and note rows that went while pages were read, until the count agrees.

    A count alone would not do: a row that came and one that went leave it as it was. Raises
    `ShieldError` when they do not agree after `MAX_ROUNDS` comparisons.
    """
    announced = NOTHING_READ
    for number in range(MAX_ROUNDS):
        upstream = layer.list_ids(reading.query.where)
        fetch_late_rows(layer, reading, upstream - reading.on_disk, number)
        reading.held = reading.on_disk & upstream
        announced = layer.count_rows(reading.query.where)
        if announced == len(reading.held):
            return
    raise ShieldError(
        f"{layer.url}: the layer announces {announced:,} rows and {len(reading.held):,} were "
        f"received, after comparing {MAX_ROUNDS} times; run again when the layer is at rest"
    )


def was_renumbered(layer: Layer, reading: Reading) -> bool:
    """Return whether most of the first page has come to read otherwise since it was read.

    Then later pages repeat rows of earlier ones and lack others, although no count shows it.
    """
    parts = list_parts(reading.work)
    if len(parts) < 2:
        return False  # a single answer is all of one moment
    then = read_rows(parts[0])
    now = {read_id(row, reading.query): row for row in layer.read_page(reading.query, NOTHING_READ).rows}
    same = sum(now.get(read_id(row, reading.query)) == row for row in then)
    return same < len(then) / 2


def fetch_late_rows(layer: Layer, reading: Reading, missing: set[int], number: int) -> None:
    """Fetch rows by their ids into a file of their own."""
    rows = [
        row
        for chunk in split(sorted(missing), CHUNK_IDS)
        for row in layer.read_rows(reading.query, chunk)
    ]
    if rows:
        write_rows(reading.work / f"late-{number}.json", rows)
        reading.on_disk |= {read_id(row, reading.query) for row in rows}


def split(numbers: list[int], size: int) -> Iterator[list[int]]:
    """Yield the numbers in lists of at most `size`."""
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


def list_parts(work: Path) -> list[Path]:
    """Return the pages on disk in the order they were read."""
    return sorted(work.glob("part-*.json"))


def last_id(part: Path) -> int:
    """Return the id of the last row of a part: its name says it."""
    return int(part.stem.removeprefix("part-"))


def read_rows(part: Path) -> list[Row]:
    """Return the rows of a part."""
    return [json.loads(line) for line in part.read_text().splitlines()]


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as one JSON object a line."""
    replace_text(path, "".join(json.dumps(row) + "\n" for row in rows))
