"""The start of an unknown raw file as a table of text: encoding, separator, sheet, header line.

Enters: a path. Leaves: a `Sample`. However large the file, only its start is read.
"""

import codecs
import csv
import gzip
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, cast

import pandas as pd
import python_calamine

from etl.fields import MISSING
from warehouse.errors import ShieldError

MAX_ROWS = 20_000
MAX_BYTES = 16 << 20

EXPECTED = "expected a table as text (plain or gz) or xlsx"
REFUSED = {
    b"PK\x03\x04": "a zip archive that is no xlsx workbook",
    b"\x1f\x8b": "gz within gz",
    b"PAR1": "a Parquet file",
    b"\xd0\xcf\x11\xe0": "an Office file older than xlsx",
    b"%PDF": "a PDF",
}
SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Sample:
    """The first rows of a file. `frame` holds trimmed text, with "" for a missing value.

    `separator` is "" for a workbook, `sheet` is None unless it is another than the first.
    """

    frame: pd.DataFrame
    encoding: str
    separator: str
    sheet: str | None
    doubts: tuple[str, ...]


def read_sample(path: Path) -> Sample:
    """Read the first rows of a file.

    Raises `ShieldError` that names the file when it is no table: missing, a directory, empty, damaged,
    an archive, binary, of one column, without a header line or without rows.
    """
    name = printable(path.name)
    if not path.is_file():
        raise ShieldError(
            f"{name}: {EXPECTED}, found {'no file' if not path.exists() else 'no plain file'}"
        )
    try:
        if zipfile.is_zipfile(path):
            return read_workbook(path, name)
        return read_text(path, name)
    except csv.Error as error:
        raise ShieldError(f"{name}: {EXPECTED}, found a row that cannot be split: {error}") from error


def printable(text: str) -> str:
    """Return a text on one line, with what cannot be encoded or shown as escapes."""
    shown = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in shown)


def read_workbook(path: Path, name: str) -> Sample:
    """Read the sheet that has most cells."""
    with zipfile.ZipFile(path) as archive:
        if "xl/workbook.xml" not in archive.namelist():
            raise ShieldError(f"{name}: {EXPECTED}, found {REFUSED[b'PK' + bytes((3, 4))]}")
    try:
        with python_calamine.load_workbook(path) as book:
            sheets = [book.get_sheet_by_name(title) for title in book.sheet_names]
            sheet = max(sheets, key=lambda sheet: sheet.height * sheet.width)
            rows = [[show_cell(cell) for cell in row] for row in islice(sheet.iter_rows(), MAX_ROWS + 1)]
            chosen = None if sheet.name == book.sheet_names[0] else sheet.name
    except (python_calamine.CalamineError, ValueError) as error:
        raise ShieldError(f"{name}: {EXPECTED}, found a damaged workbook: {error}") from error
    frame, doubts = build_frame(name, rows)
    if len(sheets) > 1:
        doubts.append(f"the workbook has {len(sheets)} sheets; the largest was read")
    return Sample(frame, "utf-8", "", chosen, tuple(doubts))


def show_cell(cell: object) -> str:
    """Return a cell as text: whole numbers without a decimal point, dates and times as ISO 8601."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def read_text(path: Path, name: str) -> Sample:
    """Read a text file, plain or gz."""
    data, is_whole = read_start(path, name)
    encoding, doubts = detect_encoding(data)
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    # An incremental decoder leaves out a character that the end of the sample cuts in two.
    text = codecs.getincrementaldecoder(codec)("replace").decode(data)
    if len(re.findall(r"[\x00-\x08\x0e-\x1f]", text)) > 0.005 * len(text):
        raise ShieldError(f"{name}: {EXPECTED}, found binary data")
    if text.lstrip()[:1] in {"{", "[", "<"}:
        raise ShieldError(f"{name}: {EXPECTED}, found JSON, XML or HTML")
    separator = detect_separator(name, text)
    rows = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), MAX_ROWS + 1))
    if not is_whole and len(rows) <= MAX_ROWS:
        rows.pop()  # the end of the sample cuts it
    frame, more = build_frame(name, rows)
    return Sample(frame, encoding, separator, None, (*doubts, *more))


def read_start(path: Path, name: str) -> tuple[bytes, bool]:
    """Return the first bytes of a file, unpacked, and whether that is all of it."""
    with path.open("rb") as stream:
        is_packed = stream.read(2) == b"\x1f\x8b"
    try:
        with cast("IO[bytes]", gzip.open(path) if is_packed else path.open("rb")) as stream:
            data = stream.read(MAX_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ShieldError(f"{name}: truncated or damaged gz file: {error}") from error
    if not data.strip():
        raise ShieldError(f"{name}: {EXPECTED}, found an empty file")
    for magic, kind in REFUSED.items():
        if data.startswith(magic):
            raise ShieldError(f"{name}: {EXPECTED}, found {kind}")
    return data[:MAX_BYTES], len(data) <= MAX_BYTES


def detect_encoding(data: bytes) -> tuple[str, list[str]]:
    """Return the codec of a text by its byte order mark, its zero bytes or what decodes it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", []
    # Latin letters in UTF-16 have a zero in every second byte.
    for codec, offset in (("utf-16-be", 0), ("utf-16-le", 1)):
        if data[offset:4096:2].count(0) > 0.3 * len(data[offset:4096:2]):
            return codec, []
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(data)
    broken = text.count("\ufffd")
    if not broken:
        return "utf-8", []
    if sum(character > "\x7f" for character in text) > 2 * broken:
        return "utf-8", [f"{broken:,} places are not UTF-8; most others are"]
    codec = "cp1252" if re.search(rb"[\x80-\x9f]", data) else "latin-1"
    return codec, [f"not UTF-8: {codec} is likely in Western Europe; look whether names read well"]


def detect_separator(name: str, text: str) -> str:
    """Return the separator that splits most rows into the same number of columns."""

    def score(separator: str) -> float:
        widths = count_widths(islice(csv.reader(io.StringIO(text), delimiter=separator), 200))
        width, rows = max(widths.items(), key=lambda item: item[1], default=(1, 1))
        return width * rows / max(1, widths.total()) if width > 1 else 0

    best = max(SEPARATORS, key=score)
    if not score(best):
        raise ShieldError(f"{name}: {EXPECTED}, found one column (separators tried: , ; tab |)")
    return best


def count_widths(rows: Iterable[Sequence[str]]) -> Counter[int]:
    """Return how many rows have how many cells; blank lines do not count."""
    return Counter(len(row) for row in rows if any(cell.strip() for cell in row))


def build_frame(name: str, rows: list[list[str]]) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows under their header as a table, and doubts about its form."""
    width = max(count_widths(rows).items(), key=lambda item: item[1], default=(0, 0))[0]
    place = next((n for n, row in enumerate(rows) if sum(map(bool, row)) > width / 2), len(rows))
    body = [row for row in rows[place + 1 :] if len(row) == width and any(row)]
    if not body:
        raise ShieldError(f"{name}: expected a header line and rows of as many cells, found no such row")
    header = [cell.strip() for cell in rows[place]]
    if sum(bool(re.fullmatch(r"[\d.,:/ +-]+", cell)) for cell in header) > len(header) / 4:
        raise ShieldError(f"{name}: expected a header line, found values in row {place + 1}")
    if len(header) != width:
        raise ShieldError(f"{name}: expected {width} column names, found {len(header)}")
    doubts = describe_form(header, place, len(rows) - place - 1 - len(body), width)
    frame = pd.DataFrame(body, columns=pd.Index(header))
    frame = frame.loc[:, ~frame.columns.duplicated() & (frame.columns != "")]
    frame = frame.apply(lambda column: column.str.strip())
    return frame.mask(frame.apply(lambda column: column.str.lower().isin(MISSING)), ""), doubts


def describe_form(header: list[str], place: int, odd_rows: int, width: int) -> list[str]:
    """Return doubts about header line, column names and rows of another width."""
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    found = {
        f"the header is row {place + 1}; a reader expects it first: delete what is above it": place,
        f"column names that repeat: {repeated}; rename them in the file": repeated,
        f"{header.count('')} columns have no name; name or delete them in the file": "" in header,
        f"{odd_rows} rows of the sample do not have {width} cells": odd_rows,
    }
    return [text for text, is_so in found.items() if is_so]
