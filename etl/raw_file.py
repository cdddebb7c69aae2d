"""One raw file, looked through before it is used: what kind it is, whether it is whole, its layout.

Input: paths. Output: a `RawFile` each, or the name of the first file that is unfit and why.
"""

import datetime as dt
import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import duckdb

from etl.city import City
from etl.layout import Layout, load_layouts, recognize_layout
from etl.raw_text import Kind, TextFacts, read_head, scan_text, split_header
from etl.snapshot import read_fetch_time
from etl.spreadsheet import check_workbook, read_sheet_header
from warehouse.errors import ShieldError, first_line
from warehouse.files import hash_file
from warehouse.table import quote_text

MAGIC: dict[bytes, Kind] = {b"\x1f\x8b": "gzip", b"PAR1": "parquet", b"PK": "spreadsheet"}
OLD_SPREADSHEET = b"\xd0\xcf\x11\xe0"

Stamp = tuple[int, int, int]


@dataclass
class RawFile:
    """One raw file and what is known of it.

    `header` is as the file spells it. `read_date` is the local day on which the file was read from its
    source. `text` is None for what is no text. `fields_left_out` are optional fields that are mostly
    missing, `shares_missing` how much of each was.
    """

    path: Path
    number: int
    kind: Kind
    sha256: str
    header: tuple[str, ...]
    layout: Layout
    read_date: dt.date
    stamp: Stamp
    text: TextFacts | None = None
    rows_malformed: int = 0
    malformed_examples: tuple[int, ...] = ()
    fields_left_out: tuple[str, ...] = ()
    shares_missing: dict[str, float] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Return whether the file has the field `name`."""
        return self.find_place(name) is not None and name not in self.fields_left_out

    def find_place(self, name: str) -> int | None:
        """Return the place of the field's column in the header, None where the file has none."""
        column, header = self.layout.fields.get(name), self.layout.rename(self.header)
        return header.index(column) if column in header else None

    @property
    def places(self) -> list[int]:
        """The places of the columns that are used, in order."""
        found = (self.find_place(name) for name in self.layout.fields)
        return sorted({place for place in found if place is not None})


def inspect_files(paths: Sequence[Path], city: City) -> list[RawFile]:
    """Recognise every file before any is read. Raises `ShieldError` for the first that is unfit."""
    names = [path.name for path in paths]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ShieldError(f"two raw files have the name {repeated[0]}: expected distinct names")
    layouts = load_layouts(city)
    return [inspect_file(path, number, layouts, city) for number, path in enumerate(paths)]


def inspect_file(path: Path, number: int, layouts: Sequence[Layout], city: City) -> RawFile:
    """Read a file through once: its kind, SHA-256, header, and that it ends where it should.

    Raises `ShieldError` naming the file when it is unfit.
    """
    try:
        check_path(path)
        stamp = stamp_file(path)
        kind, sha256 = find_kind(path), hash_file(path)
        read_header = open_header(path, kind)
        layout = recognize_layout(path.name, read_header, layouts)
        text = scan_text(path, kind, layout) if kind in {"csv", "gzip"} else None
        return RawFile(
            path, number, kind, sha256, read_header(layout) or (), layout, find_read_date(path, city),
            stamp, text,
        )  # fmt: skip
    except OSError as error:
        raise ShieldError(f"{path}: cannot be read: {error.strerror or error}") from error


def open_header(path: Path, kind: Kind) -> Callable[[Layout], tuple[str, ...] | None]:
    """Return a function that gives the header as a layout would read it, None where it cannot."""
    if kind == "parquet":
        header = read_parquet_header(path)
        return lambda _layout: header
    if kind == "spreadsheet":
        read_sheet = cache(partial(read_sheet_header, path))
        return lambda layout: read_sheet(layout.sheet)
    head = read_text_head(path, kind)
    return partial(split_header, head)


def check_path(path: Path) -> None:
    """Raise `ShieldError` for a path that is not that of a file, or no text that can be shown."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        shown = str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        raise ShieldError(f"{shown}: the name of the file is not UTF-8; rename it") from error
    if not str(path).isprintable():
        raise ShieldError(f"{str(path)!r}: the name of the file has characters that print nothing")
    if not path.is_file():
        found = "not a file" if path.exists() else "no such file"
        found = "a folder" if path.is_dir() else found
        raise ShieldError(f"{path}: {found}; expected a raw CSV, plain or gz, an xlsx or a snapshot")


def find_kind(path: Path) -> Kind:
    """Return what kind of file it is by its first bytes, whatever its name says.

    Raises `ShieldError` for an xls workbook and for a zip that is no workbook.
    """
    with path.open("rb") as stream:
        start = stream.read(4)
    if start == OLD_SPREADSHEET:
        raise ShieldError(f"{path.name}: an old xls workbook; expected xlsx or CSV: save it as one")
    kind: Kind = next((MAGIC[magic] for magic in MAGIC if start.startswith(magic)), "csv")
    if kind == "spreadsheet":
        check_workbook(path)
    return kind


def stamp_file(path: Path) -> Stamp:
    """Return what of a file changes with its content."""
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def check_unchanged(file: RawFile) -> None:
    """Raise `ShieldError` when a file is not what it was when it was recognised."""
    if not file.path.is_file() or stamp_file(file.path) != file.stamp:
        raise ShieldError(f"{file.path.name}: changed while it was read; run again when it is complete")


def find_read_date(path: Path, city: City) -> dt.date:
    """Return the local day on which a file was read from its source, today at the latest.

    The manifest of a snapshot says it, the time of the last change for any other file. The clock is
    only an upper bound, for files from machines whose clock is ahead.
    """
    changed = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    moment = min(read_fetch_time(path) or changed, dt.datetime.now(dt.UTC))
    return moment.astimezone(city.time_zone).date()


def read_text_head(path: Path, kind: Kind) -> bytes:
    """Return the first bytes of a text; raises `ShieldError` for a file packed in another."""
    head = read_head(path, kind)
    packed = next((MAGIC[magic] for magic in MAGIC if head.startswith(magic)), None)
    if packed:
        raise ShieldError(f"{path.name}: holds a {packed} file within a gz; expected CSV: unpack it")
    return head


def read_parquet_header(path: Path) -> tuple[str, ...]:
    """Return the column names of a snapshot. Raises `ShieldError` when it is damaged."""
    try:
        with duckdb.connect() as connection:
            rows = connection.execute(
                f"DESCRIBE FROM read_parquet({quote_text(glob.escape(str(path)))})"
            )
            return tuple(row[0] for row in rows.fetchall())
    except duckdb.Error as error:
        raise ShieldError(f"{path.name}: damaged Parquet file: {first_line(error)}") from error
