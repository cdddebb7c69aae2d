"""Dirty CSV: a record splitter for text that the engine's reader objects to; slower, and never misled.

Input: a file that the engine's reader objects to or cannot read: dirty text, text that is not UTF-8,
a spreadsheet. Output: its good records, and the ordinal of each bad one. A quote that is not closed
within a few lines spoils its own line only, where the engine would take in everything up to the next
quote in the file.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from etl.raw_file import RawFile
from etl.raw_text import MAX_RECORD_BYTES, read_chunks, read_lines
from etl.spreadsheet import read_sheet

MAX_RECORD_LINES = 12
"""A record of more lines is an unclosed quote: the department's addresses take up to three."""

UNFINISHED = "unexpected end of data"
"""What `csv` says when a quote is still open at the end."""

MAX_EXAMPLES = 3
"""Rows that stand as examples of what was wrong, in tables and in messages."""

csv.field_size_limit(MAX_RECORD_BYTES)


class UnclosedQuoteError(Exception):
    """The text ends within a quoted field."""


@dataclass
class Damage:
    """How many records were bad, and the ordinals of the first few (the first data record is 1)."""

    count: int = 0
    examples: list[int] = field(default_factory=list)

    def note(self, ordinal: int) -> None:
        """Count a bad record."""
        self.count += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(ordinal)


def write_clean_copy(file: RawFile, path: Path) -> Damage:
    """Write a file's good records to `path`: the columns that are used, and two numbers, no more.

    The copy is clean CSV without a header: the ordinal, a hash of the whole record that no other process
    repeats, and the columns of `file.places`; nothing else of a record, such as its address, is
    written. Returns what was bad.
    """
    damage, places = Damage(), file.places
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        for ordinal, fields in split_records(file):
            wanted = [fields[place] for place in places] if fields else None
            if fields and wanted and is_text("".join(wanted)):
                writer.writerow([ordinal, hash(tuple(fields)), *wanted])
            else:
                damage.note(ordinal)
    return damage


def is_text(text: str) -> bool:
    """Return whether `text` came from bytes that were all UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def split_records(file: RawFile) -> Iterator[tuple[int, list[str] | None]]:
    """Yield each data record's ordinal and fields, None in place of the fields of a bad one.

    Raises `ShieldError` naming the file when it is damaged.
    """
    if file.text is None:
        return split_rows(file)
    return split_text(file, file.text.blank_lines)


def split_rows(file: RawFile) -> Iterator[tuple[int, list[str] | None]]:
    """Yield the data rows of a spreadsheet; one with a cell beyond the header is bad."""
    width = len(file.header)
    for ordinal, row in enumerate(islice(read_sheet(file.path, file.layout.sheet), 1, None), start=1):
        yield ordinal, None if any(row[width:]) else row[:width]


def split_text(file: RawFile, blank_lines: int) -> Iterator[tuple[int, list[str] | None]]:
    """Yield the data records of a text."""
    lines = read_lines(read_chunks(file.path, file.kind, file.layout))
    next(islice(lines, blank_lines, None))  # the header
    pending: list[bytes] = []
    ordinal = 0
    while pending or (line := next(lines, None)) is not None:
        head = pending.pop(0) if pending else line
        if not head:
            continue
        ordinal += 1
        record, used = read_record(head, pending, lines, file)
        del pending[:used]
        yield ordinal, record


def read_record(
    head: bytes, pending: list[bytes], lines: Iterator[bytes], file: RawFile
) -> tuple[list[str] | None, int]:
    """Return the record that begins with `head`, and how many of `pending` it took in.

    Lines that were looked at in vain stay in `pending`: a bad record costs its first line only.
    """
    record = head
    for used in range(MAX_RECORD_LINES):
        try:
            fields = parse_record(record, file.layout.separator)
        except UnclosedQuoteError:
            if used == len(pending):
                following = next(lines, None)
                if following is None:
                    break
                pending.append(following)
            record += b"\n" + pending[used]
        else:
            return (fields, used) if fields and len(fields) == len(file.header) else (None, 0)
    return None, 0


def parse_record(record: bytes, separator: str) -> list[str] | None:
    """Return the fields of one record, None where it is damaged.

    Raises `UnclosedQuoteError` where it may go on in the next line.
    """
    if len(record) > MAX_RECORD_BYTES or b"\0" in record:
        return None
    try:
        # A byte that is not UTF-8 matters only in a column in use: see `write_clean_copy`.
        text = record.decode("utf-8", "surrogateescape")
        if '"' not in text:
            return text.split(separator)
        return next(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error as error:
        if UNFINISHED in str(error):
            raise UnclosedQuoteError from error
        return None
