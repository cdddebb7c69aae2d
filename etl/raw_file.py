"""One raw file, looked through before it is used: what kind it is, whether it is whole, its layout.

Enters: paths. Leaves: a `RawFile` each, or the name of the first file that is unfit and why.
"""

import codecs
import csv
import datetime as dt
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, cast

import duckdb

from etl.city import City
from etl.layout import Layout, load_layouts, recognize_layout
from warehouse.errors import ShieldError
from warehouse.table import quote_text

Kind = Literal["csv", "gzip", "parquet"]

MAGIC: dict[bytes, Kind] = {b"\x1f\x8b": "gzip", b"PAR1": "parquet"}
CHUNK_BYTES = 1 << 20


@dataclass
class RawFile:
    """One raw file and what reading it told.

    `is_plain_text` is False for text that the fast reader would trip over: zero bytes, bytes that are
    not UTF-8, or line ends of several kinds. `line_count` counts line feeds. `fields_left_out` are
    optional fields that are mostly missing, `shares_missing` how much of each was.
    """

    path: Path
    number: int
    kind: Kind
    sha256: str
    header: tuple[str, ...]
    layout: Layout
    is_plain_text: bool
    line_count: int
    read_date: dt.date = dt.date(2026, 11, 24)
    rows_malformed: int = 0
    malformed_examples: tuple[int, ...] = ()
    fields_left_out: tuple[str, ...] = ()
    shares_missing: dict[str, float] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Return whether the file tells the field `name`."""
        return name in self.layout.fields and name not in self.fields_left_out


def inspect_files(paths: Sequence[Path], city: City) -> list[RawFile]:
    """Recognise every file before any is read. Raises `ShieldError` for the first that is unfit."""
    names = [path.name for path in paths]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ShieldError(f"two raw files have the name {repeated[0]}: expected distinct names")
    layouts = load_layouts(city)
    return [inspect_file(path, number, layouts) for number, path in enumerate(paths)]


def inspect_file(path: Path, number: int, layouts: Sequence[Layout]) -> RawFile:
    """Read a file through once: its kind, SHA-256, header, and that it ends where it should."""
    if not path.is_file():
        raise ShieldError(f"{path}: no such file; expected a raw CSV, plain or gz, or a snapshot")
    with path.open("rb") as stream:
        start = stream.read(4)
        stream.seek(0)
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    kind: Kind = next((MAGIC[magic] for magic in MAGIC if start.startswith(magic)), "csv")
    if kind == "parquet":
        header, is_plain, lines = read_parquet_header(path), True, 0
    else:
        header, is_plain, lines = scan_text(path, kind)
    layout = recognize_layout(path.name, header, layouts)
    return RawFile(path, number, kind, sha256, header, layout, is_plain, lines)


def read_parquet_header(path: Path) -> tuple[str, ...]:
    """Return the column names of a snapshot."""
    try:
        with duckdb.connect() as connection:
            rows = connection.execute(f"DESCRIBE FROM read_parquet({quote_text(str(path))})")
            return tuple(row[0] for row in rows.fetchall())
    except duckdb.Error as error:
        raise ShieldError(f"{path.name}: damaged Parquet file: {error}") from error


@contextmanager
def open_bytes(path: Path, kind: Kind) -> Iterator[IO[bytes]]:
    """Open a text file for its bytes, unpacked.

    Raises `ShieldError` naming the file, and the place where a gz breaks off, while it is read.
    """
    with cast("IO[bytes]", gzip.open(path) if kind == "gzip" else path.open("rb")) as stream:
        try:
            yield stream
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            place = stream.tell()
            raise ShieldError(
                f"{path.name}: truncated or damaged gz file after {place:,} bytes of text: {error}"
            ) from error


def scan_text(path: Path, kind: Kind) -> tuple[tuple[str, ...], bool, int]:
    """Return the header, whether the fast reader may have the text, and its number of line feeds."""
    zeros = returns = pairs = line_feeds = 0
    is_utf8, decoder = True, codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path, kind) as stream:
        header = parse_header(path.name, stream.readline())
        stream.seek(0)
        last = b""
        while chunk := stream.read(CHUNK_BYTES):
            zeros += chunk.count(b"\0")
            returns += chunk.count(b"\r")
            line_feeds += chunk.count(b"\n")
            pairs += (last + chunk).count(b"\r\n") if returns else 0
            is_utf8 = is_utf8 and can_decode(decoder, chunk)
            last = chunk[-1:]
    has_one_line_end = not returns or returns == pairs == line_feeds
    return header, is_utf8 and not zeros and has_one_line_end, line_feeds


def can_decode(decoder: codecs.IncrementalDecoder, chunk: bytes) -> bool:
    """Return whether the text so far is of the decoder's encoding."""
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


def parse_header(name: str, line: bytes) -> tuple[str, ...]:
    """Return the column names in the first line of a file."""
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ShieldError(f"{name}: the header is not UTF-8 text: {error}") from error
    if not text.strip():
        raise ShieldError(f"{name}: the file is empty; expected a header line and data rows")
    return tuple(next(csv.reader(io.StringIO(text.splitlines()[0]))))
