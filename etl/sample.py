"""The start of an unknown raw file as a table of text: encoding, separator, sheet, header line.

Input: a path. Output: a `Sample`. However large the file, only its start is read.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd

from etl.fields import MISSING
from etl.raw_file import check_path, find_kind, read_text_head
from etl.raw_text import Kind, open_bytes
from etl.spreadsheet import find_largest_sheet, read_sheet
from warehouse.errors import ShieldError

MAX_ROWS = 20_000
MAX_BYTES = 16 << 20

SEPARATORS = (",", ";", "\t")
EXPECTED = "expected a table as text (plain or gz) or xlsx"


@dataclass(frozen=True)
class Sample:
    """The first rows of a file. `frame` holds trimmed text, with "" for a missing value.

    `form` are the settings of a layout that say how the file is written, where not in the usual way.
    """

    frame: pd.DataFrame
    form: dict[str, object]
    doubts: list[str]


def read_sample(path: Path) -> Sample:
    """Read the first rows of a file.

    Raises `ShieldError` that names the file when it is no table: missing, a folder, empty, damaged,
    an archive, binary, of one column, without a header line or without rows.
    """
    check_path(path)
    kind = find_kind(path)
    if kind == "parquet":
        raise ShieldError(f"{path.name}: {EXPECTED}, found a Parquet file")
    try:
        rows, form, doubts = read_workbook(path) if kind == "spreadsheet" else read_text(path, kind)
        frame, more = build_frame(rows)
    except (csv.Error, ValueError) as error:
        raise ShieldError(f"{path.name}: {EXPECTED}, found {error}") from error
    return Sample(frame, form, [*doubts, *more])


def read_workbook(path: Path) -> tuple[list[list[str]], dict[str, object], list[str]]:
    """Return the first rows of the largest sheet. Raises `ShieldError` when the file is damaged."""
    sheet = find_largest_sheet(path)
    rows = list(islice(read_sheet(path, sheet), MAX_ROWS + 1))
    return rows, {"sheet": sheet} if sheet else {}, []


def read_text(path: Path, kind: Kind) -> tuple[list[list[str]], dict[str, object], list[str]]:
    """Return the first rows of a text; raises `ValueError` for one that is no table."""
    read_text_head(path, kind)
    with open_bytes(path, kind) as stream:
        data = stream.read(MAX_BYTES + 1)
    encoding, doubts = detect_encoding(data)
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    # An incremental decoder leaves out a character that the end of the sample cuts in two.
    text = codecs.getincrementaldecoder(codec)("replace").decode(data[:MAX_BYTES])
    if len(re.findall(r"[\x00-\x08\x0e-\x1f]", text)) > 0.005 * len(text):
        raise ValueError("binary data")
    if text.lstrip()[:1] in {"{", "[", "<"}:
        raise ValueError("JSON, XML or HTML")
    separator = detect_separator(text)
    rows = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), MAX_ROWS + 1))
    if len(data) > MAX_BYTES and len(rows) <= MAX_ROWS:
        rows.pop()  # the end of the sample cuts it
    form = {"separator": (separator, ","), "encoding": (encoding, "utf-8")}
    return rows, {key: found for key, (found, usual) in form.items() if found != usual}, doubts


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


def detect_separator(text: str) -> str:
    """Return the separator that splits most rows into the same number of columns.

    Raises `ValueError` when none of `SEPARATORS` splits any.
    """

    def score(separator: str) -> float:
        widths = count_widths(islice(csv.reader(io.StringIO(text), delimiter=separator), 200))
        width, rows = max(widths.items(), key=lambda item: item[1], default=(1, 1))
        return width * rows / max(1, widths.total()) if width > 1 else 0

    best = max(SEPARATORS, key=score)
    if not score(best):
        raise ValueError("one column; the separators are comma, semicolon and tab")
    return best


def count_widths(rows: Iterable[Sequence[str]]) -> Counter[int]:
    """Return how many rows have how many cells; blank lines do not count."""
    return Counter(len(row) for row in rows if any(cell.strip() for cell in row))


def build_frame(rows: list[list[str]]) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows under their header as a table, and doubts about its form.

    Raises `ValueError` where there is no header of as many names as most rows have cells.
    """
    width = max(count_widths(rows).items(), key=lambda item: item[1], default=(0, 0))[0]
    place = next((n for n, row in enumerate(rows) if sum(map(bool, row)) > width / 2), len(rows))
    body = [row for row in rows[place + 1 :] if len(row) == width and any(row)]
    if not body:
        raise ValueError("no rows of as many cells under a header line")
    header = [cell.strip() for cell in rows[place]]
    if sum(bool(re.fullmatch(r"[\d.,:/ +-]+", cell)) for cell in header) > len(header) / 4:
        raise ValueError(f"values instead of column names in row {place + 1}")
    if len(header) != width:
        raise ValueError(f"{len(header)} column names over rows of {width} cells")
    doubts = describe_form(header, place, len(rows) - place - 1 - len(body))
    frame = pd.DataFrame(body, columns=pd.Index(header))
    frame = frame.loc[:, ~frame.columns.duplicated() & (frame.columns != "")]
    frame = frame.apply(lambda column: column.str.strip())
    return frame.mask(frame.apply(lambda column: column.str.lower().isin(MISSING)), ""), doubts


def describe_form(header: list[str], place: int, odd_rows: int) -> list[str]:
    """Return doubts about header line, column names and rows of another width."""
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    found = {
        f"the header is row {place + 1}; delete what is above it: a reader expects it first": place,
        f"column names that repeat: {repeated}; rename them in the file": repeated,
        f"{header.count('')} columns have no name; name or delete them in the file": "" in header,
        f"{odd_rows} rows of the sample do not have {len(header)} cells": odd_rows,
    }
    return [text for text, is_so in found.items() if is_so]
