"""What can be done to the rows, the text or the file of a draft.

Input: a draft of `tests.good`. Output: the draft changed, with a note of the rows it touched. Raises
`UnfitError` where a change is none for the layout.
"""

import datetime as dt
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import openpyxl
from openpyxl.utils.exceptions import IllegalCharacterError

from tests.good import FIRST_DAY, Draft, Incident, Row, UnfitError, write_texts

ChangeRows = Callable[[Draft], None]
ChangeData = Callable[[bytes, Draft], bytes]
ChangeFile = Callable[[Path], list[Path]]
Move = Callable[[Incident], dict[str, dt.datetime]]
Write = str | Callable[[str], str]

DAYS = 100
LONG_DAYS = 300
LAST_DAY = FIRST_DAY + dt.timedelta(days=DAYS - 1)
SPOILERS = (b"", b'"', b'""', b",", b"\n", b"\r", b"\0", b"\xff", b"\x1a", b"\xe2\x80\xa8", b"9" * 30)
GAP_FIRST, GAP_DAYS = dt.date(2021, 7, 1), 105


# Changes of rows.


def rewrite(
    count: int = 0,
    how: Move | None = None,
    dates: str = "",
    clocks: str = "",
    is_utc: bool | None = None,
) -> ChangeRows:
    """Tell what happened at other times or in another form, in so many rows or in all of them (0)."""

    def change(draft: Draft) -> None:
        rows = draft.choose(count) if count else draft.rows
        for row in rows:
            incident = move(row.incident, how) if how else row.incident
            row.texts |= write_texts(draft.layout, incident, dates, clocks, is_utc)
        draft.touch(rows)

    return change


def move(incident: Incident, how: Move, **facts: str) -> Incident:
    """Return an incident at other times, with other facts."""
    return replace(incident, **cast("dict[str, Any]", {**how(incident), **facts}))


def write(name: str, value: Write, count: int = 0, *, is_same: bool = False) -> ChangeRows:
    """Write something else into a field, in so many rows or in all of them (0).

    `is_same` says that their incidents must come out as they were.
    """

    def change(draft: Draft) -> None:
        column = draft.column(name)
        rows = draft.choose(count) if count else draft.rows
        for row in rows:
            text = row.texts[column]
            row.texts[column] = value if isinstance(value, str) else value(text)
        if not is_same:
            draft.touch(rows)

    return change


def write_each(name: str, values: list[str]) -> ChangeRows:
    """Write one of the values each into a field of as many rows."""

    def change(draft: Draft) -> None:
        texts = iter(values)
        write(name, lambda _: next(texts), len(values))(draft)

    return change


def together(*changes: ChangeRows) -> ChangeRows:
    """Make several changes of rows, one after the other."""

    def change(draft: Draft) -> None:
        for one in changes:
            one(draft)

    return change


def reported_later(days: int, count: int = 1) -> ChangeRows:
    """Move reports to a day after the last."""
    day = dt.datetime.combine(LAST_DAY + dt.timedelta(days=days), dt.time(12))
    return rewrite(count, lambda _: {"reported": day})


def rename_place(spellings: tuple[str, str], rows: int = 3) -> ChangeRows:
    """Call one neighborhood otherwise, and spell it in the second way in some rows."""

    def change(draft: Draft) -> None:
        column = draft.column("neighborhood")
        first = draft.choose(1)[0].texts[column]
        chosen = [row for row in draft.rows if row.texts[column] == first]
        if len(chosen) < 3 * rows:
            raise UnfitError("too few rows of one place")
        for place, row in enumerate(chosen):
            row.texts[column] = spellings[place < rows]
        draft.touch(chosen)

    return change


def leave_gap(moment: str) -> ChangeRows:
    """Take out the rows of some weeks by one of their dates.

    Touched is also what occurred then, or on the day before or after: by the other date these are thin.
    """

    def is_near(date: dt.datetime, days: int = 0) -> bool:
        return -days <= (date.date() - GAP_FIRST).days < GAP_DAYS + days

    def change(draft: Draft) -> None:
        gone = [row for row in draft.rows if is_near(getattr(row.incident, moment))]
        draft.touch(gone)
        numbers = {row.incident.number for row in gone}
        draft.rows = [row for row in draft.rows if row.incident.number not in numbers]
        draft.touch(row for row in draft.rows if is_near(row.incident.occurred, 1))

    return change


def repeat_rows(count: int) -> ChangeRows:
    """Append rows that are there already."""

    def change(draft: Draft) -> None:
        draft.rows += draft.choose(count)

    return change


def add_rows(count: int, how: Move) -> ChangeRows:
    """Append rows of new reports that are like others but for their times."""

    def change(draft: Draft) -> None:
        for serial, row in enumerate(draft.choose(count)):
            incident = move(row.incident, how, number=f"21999{serial:04}")
            draft.rows.append(Row(incident, write_texts(draft.layout, incident)))

    return change


def drop(name: str) -> ChangeRows:
    """Leave out the column of a field."""

    def change(draft: Draft) -> None:
        column = draft.column(name)
        if column not in draft.header:
            raise UnfitError(name)
        draft.header.remove(column)

    return change


def reorder(draft: Draft) -> None:
    """Put columns and rows in another order."""
    draft.header.reverse()
    draft.rows.reverse()


def separate(separator: str) -> ChangeRows:
    """Write another separator."""

    def change(draft: Draft) -> None:
        draft.separator = separator

    return change


def empty(draft: Draft) -> None:
    """Leave the header only."""
    draft.touch(draft.rows)
    draft.rows = []


# Changes of the text.


def edit(how: Callable[[bytes], bytes], count: int = 1, *, is_same: bool = False) -> ChangeData:
    """Change lines of rows."""

    def change(data: bytes, draft: Draft) -> bytes:
        rows = draft.choose(count)
        lines = data.split(b"\n")
        for row in rows:
            number = row.incident.number.encode()
            place = next((n for n, line in enumerate(lines) if number in line), None)
            if place is None:
                raise UnfitError("the row has another number now")
            lines[place] = how(lines[place])
        if not is_same:
            draft.touch(rows)
        return b"\n".join(lines)

    return change


def spell(how: Callable[[bytes], bytes]) -> ChangeData:
    """Change the text as a whole."""
    return lambda data, _: how(data)


def cut_last_row(data: bytes, draft: Draft) -> bytes:
    """Break the text off in the middle of its last row."""
    draft.touch(draft.rows[-1:])
    lines = data.rstrip(b"\n").split(b"\n")
    return b"\n".join([*lines[:-1], lines[-1][: len(lines[-1]) // 3]])


def mix_line_ends(data: bytes) -> bytes:
    """End lines in three ways."""
    ends = (b"\n", b"\r\n", b"\r")
    lines = data.split(b"\n")
    return b"".join(line + ends[place % 3] for place, line in enumerate(lines[:-1]))


def repeat_header(data: bytes) -> bytes:
    """Write the header once more among the rows."""
    lines = data.split(b"\n")
    return b"\n".join([*lines[:40], lines[0], *lines[40:]])


# Changes of the file.


def pack(how: Callable[[bytes], bytes]) -> ChangeFile:
    """Write other bytes."""

    def change(path: Path) -> list[Path]:
        path.write_bytes(how(path.read_bytes()))
        return [path]

    return change


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file, one for each row; raises `UnfitError` where that is not so."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise UnfitError("no text") from error
    if '"' in text:
        raise UnfitError("a row may have several lines")
    return text.replace("\r\n", "\n").rstrip("\n").split("\n")


def divide(first: slice, second: slice, *, is_reversed: bool = False) -> ChangeFile:
    """Write parts of the rows, in thirds, into two files."""

    def change(path: Path) -> list[Path]:
        header, *lines = read_lines(path)
        third = len(lines) // 3
        thirds = [0, third, 2 * third, len(lines)]
        other = path.with_name("other.csv")
        for target, part in ((path, first), (other, second)):
            rows = lines[thirds[part.start] : thirds[part.stop]]
            target.write_bytes("\n".join([header, *rows, ""]).encode())
        return [other, path] if is_reversed else [path, other]

    return change


def copy(name: str) -> ChangeFile:
    """Give the file twice, the copy by another name or in another folder."""

    def change(path: Path) -> list[Path]:
        other = path.parent / name
        other.parent.mkdir(exist_ok=True)
        shutil.copy(path, other)
        return [path, other]

    return change


def make_workbook(path: Path) -> list[Path]:
    """Write an xlsx file, every cell text."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    try:
        for line in read_lines(path):
            sheet.append(line.split(","))
    except IllegalCharacterError as error:
        raise UnfitError("a workbook holds text only") from error
    book.save(path)
    return [path]


def break_snapshot(how: Callable[[bytes], bytes]) -> ChangeFile:
    """Write other bytes into a Parquet file."""

    def change(path: Path) -> list[Path]:
        if not path.read_bytes().startswith(b"PAR1"):
            raise UnfitError("no snapshot")
        return pack(how)(path)

    return change


def spoil_bytes(path: Path, rng: np.random.Generator) -> None:
    """Overwrite, insert and take out bytes at random places."""
    data = bytearray(path.read_bytes() or b"?")
    for _ in range(int(rng.integers(1, 12))):
        place = int(rng.integers(len(data) + 1))
        data[place : place + int(rng.integers(3))] = SPOILERS[rng.integers(len(SPOILERS))]
    path.write_bytes(data)


def make_zip(path: Path) -> list[Path]:
    """Write a zip file."""
    text = path.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("incidents.csv", text)
    return [path]


def make_folder(path: Path) -> list[Path]:
    """Put a folder in the place of the file."""
    path.unlink()
    path.mkdir()
    return [path]
