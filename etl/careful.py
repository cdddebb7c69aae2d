"""Dirty CSV text, split into records with care; slower than the engine's reader, never fooled by it.

Enters: a text file that the fast reader objects to. Leaves: its good records, and the ordinal of each
bad one. A quote that is not closed within a few lines spoils its own line only, where the engine would
take in everything up to the next quote in the file.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from etl.raw_file import RawFile, open_bytes

LONGEST_RECORD_LINES = 12
"""The department's addresses take up to three lines; a record of more lines is an unclosed quote."""

LONGEST_RECORD_BYTES = 2_000_000
"""A longer record is damage, whatever it holds; the engine's reader draws the line there too."""

UNFINISHED = "unexpected end of data"
"""What `csv` says when a quote is still open at the end."""

KEPT_EXAMPLES = 3
csv.field_size_limit(LONGEST_RECORD_BYTES)


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
        if len(self.examples) < KEPT_EXAMPLES:
            self.examples.append(ordinal)


def write_careful_copy(file: RawFile, columns: tuple[str, ...], path: Path) -> Damage:
    """Write a file's good records to `path`, with the wanted columns and their ordinal only.

    The copy is clean CSV with the header `ordinal` and `columns`; nothing else of a record, such as
    its address, is written. Returns what was bad.
    """
    damage = Damage()
    places = [file.header.index(column) for column in columns]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["ordinal", *columns])
        for ordinal, fields in split_records(file):
            wanted = [fields[place] for place in places] if fields else None
            if wanted and is_text("".join(wanted)):
                writer.writerow([ordinal, *wanted])
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
    """Yield each data record's ordinal and fields, None in place of the fields of a bad one."""
    lines = read_lines(file)
    next(lines)  # the header
    pending: list[bytes] = []
    ordinal = 0
    while pending or (line := next(lines, None)) is not None:
        head = pending.pop(0) if pending else line
        if not head:
            continue
        ordinal += 1
        record, used = read_record(head, pending, lines, len(file.header))
        del pending[:used]
        yield ordinal, record


def read_lines(file: RawFile) -> Iterator[bytes]:
    """Yield a file's lines without their ends, of which there may be several kinds."""
    with open_bytes(file.path, file.kind) as stream:
        for chunk in stream:
            yield from chunk.rstrip(b"\n").rstrip(b"\r").split(b"\r")


def read_record(
    head: bytes, pending: list[bytes], lines: Iterator[bytes], width: int
) -> tuple[list[str] | None, int]:
    """Return the record that begins with `head`, and how many of `pending` it took in.

    Lines that were looked at in vain stay in `pending`: a bad record costs its first line only.
    """
    record = head
    for used in range(LONGEST_RECORD_LINES):
        try:
            fields = parse_record(record)
        except UnclosedQuoteError:
            if used == len(pending):
                following = next(lines, None)
                if following is None:
                    break
                pending.append(following)
            record += b"\n" + pending[used]
        else:
            return (fields, used) if fields and len(fields) == width else (None, 0)
    return None, 0


def parse_record(record: bytes) -> list[str] | None:
    """Return the fields of one record, None where it is damaged.

    Raises `UnclosedQuoteError` where it may go on in the next line.
    """
    if len(record) > LONGEST_RECORD_BYTES or b"\0" in record:
        return None
    try:
        # A byte that is not UTF-8 matters only in a column in use: see `write_careful_copy`.
        text = record.decode("utf-8", "surrogateescape")
        if '"' not in text:
            return text.split(",")
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        if UNFINISHED in str(error):
            raise UnclosedQuoteError from error
        return None
