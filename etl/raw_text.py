"""The text of a raw file, in chunks of UTF-8 whatever its encoding, never more of it than a few MB.

Input: a CSV file, plain or gz. Output: its chunks, lines or header, and whether the engine's own
reader may have it.
"""

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from etl.layout import Layout
from etl.layout_values import MARK_DAMAGE
from warehouse.errors import ShieldError

Kind = Literal["csv", "gzip", "parquet", "spreadsheet"]

CHUNK_BYTES = 1 << 20

HEAD_BYTES = 1 << 18
"""The header ends within this many bytes, or there is none."""

MAX_RECORD_BYTES = 2_000_000
"""A longer record is damage, whatever it holds; the engine's reader draws the line there too."""


@dataclass(frozen=True)
class TextFacts:
    """What one pass over a text found.

    `is_plain` is False for text that the engine's reader would trip over: zero bytes, bytes that are
    not UTF-8, line ends of several kinds, or a line of megabytes. `line_count` counts line feeds,
    `blank_lines` the lines before the header.
    """

    is_plain: bool
    line_count: int
    blank_lines: int


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


def read_head(path: Path, kind: Kind) -> bytes:
    """Return the first bytes of a text; raises `ShieldError` when there are none but white space."""
    with open_bytes(path, kind) as stream:
        head = stream.read(HEAD_BYTES)
    if not head.strip():
        raise ShieldError(f"{path.name}: the file is empty; expected a header line and data rows")
    return head


def read_chunks(path: Path, kind: Kind, layout: Layout) -> Iterator[bytes]:
    """Yield a text in chunks of UTF-8; what is damaged in another encoding is no UTF-8 either.

    Raises `ShieldError` for a gz that is damaged.
    """
    decoder = codecs.getincrementaldecoder(layout.encoding)(MARK_DAMAGE)
    with open_bytes(path, kind) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            if layout.is_utf8:
                yield chunk
            else:
                yield decoder.decode(chunk).encode("utf-8", "surrogateescape")
        if not layout.is_utf8:
            yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")


def find_header_line(head: bytes, layout: Layout) -> tuple[int, str] | None:
    """Return the number of blank lines before the header, and its line.

    None where that is not text in the layout's encoding, or does not end.
    """
    text = head.decode("utf-8-sig" if layout.is_utf8 else layout.encoding, "replace").lstrip("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    blank = next((number for number, line in enumerate(lines) if line.strip()), len(lines) - 1)
    is_whole = blank + 1 < len(lines) or len(head) < HEAD_BYTES
    is_text = "\ufffd" not in lines[blank] and "\0" not in lines[blank]
    return (blank, lines[blank]) if is_whole and is_text else None


def split_header(head: bytes, layout: Layout) -> tuple[str, ...] | None:
    """Return the column names of a text as a layout would read them, None where it cannot."""
    found = find_header_line(head, layout)
    if found is None:
        return None
    return tuple(name.strip() for name in next(csv.reader([found[1]], delimiter=layout.separator)))


def scan_text(path: Path, kind: Kind, layout: Layout) -> TextFacts:
    """Read a text through once.

    Raises `ShieldError` for a gz that is damaged, and for UTF-8 where the layout says otherwise: read
    in one of the old encodings it would not be refused, and every accent would be wrong.
    """
    zeros = returns = pairs = line_feeds = 0
    is_utf8, is_ascii, has_long_line = True, True, False
    decoder, last = codecs.getincrementaldecoder("utf-8")(), b""
    blank_lines, _ = find_header_line(read_head(path, kind), layout) or (0, "")
    with open_bytes(path, kind) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            zeros += chunk.count(b"\0")
            returns += chunk.count(b"\r")
            feeds = chunk.count(b"\n")
            line_feeds += feeds
            pairs += (last + chunk).count(b"\r\n") if returns else 0
            has_long_line |= not feeds and len(chunk) == CHUNK_BYTES
            is_ascii = is_ascii and chunk.isascii()
            is_utf8 = is_utf8 and (is_ascii or can_decode(decoder, chunk))
            last = chunk[-1:]
    if not layout.is_utf8 and is_utf8 and not is_ascii:
        raise ShieldError(f"{path.name}: expected text in {layout.encoding}, found UTF-8")
    has_one_line_end = not returns or returns == pairs == line_feeds
    is_plain = layout.is_utf8 and is_utf8 and not zeros and has_one_line_end and not has_long_line
    return TextFacts(is_plain, line_feeds, blank_lines)


def can_decode(decoder: codecs.IncrementalDecoder, chunk: bytes) -> bool:
    """Return whether the text so far is of the decoder's encoding."""
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


def read_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield lines without their ends, of which there may be several kinds.

    Of a line that is longer than a record may be, only so much is kept that it is seen to be.
    """
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).splitlines(keepends=True)
        rest = b"" if lines[-1:] and lines[-1].endswith(b"\n") else lines.pop() if lines else b""
        rest = shorten(rest)
        yield from (shorten(line.rstrip(b"\r\n")) for line in lines)
    if rest:
        yield rest.rstrip(b"\r\n")


def shorten(line: bytes) -> bytes:
    """Return a line, or the beginning of one that is too long for a record."""
    if len(line) <= MAX_RECORD_BYTES:
        return line
    # A line end that may be the first half of a pair stays.
    return line[: MAX_RECORD_BYTES + 1] + (b"\r" if line.endswith(b"\r") else b"")
