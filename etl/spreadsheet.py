"""Spreadsheets (xlsx), cell by cell as text.

Input: an xlsx file and the name of a sheet. Output: rows of text: a date as `2022-03-01`, a date with
a time as `2022-03-01 14:30:00`, a time as `14:30:00`, a whole number without a decimal point, an empty
cell as an empty text. A layout's `datetime_formats` name those spellings for cells that hold dates, and
its own for cells that hold text. A time of midnight cannot be distinguished from a date alone.
"""

import datetime as dt
import zipfile
from collections.abc import Iterator
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

from warehouse.errors import ShieldError


def check_workbook(path: Path) -> None:
    """Raise `ShieldError` for a zip that is no workbook, or a damaged one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise ShieldError(f"{path.name}: damaged xlsx or zip file: {error}") from error
    if "xl/workbook.xml" not in names:
        raise ShieldError(
            f"{path.name}: a zip file ({', '.join(names[:3]) or 'empty'}); expected CSV, gz, xlsx or "
            "Parquet: unpack it and give the files in it"
        )


def read_sheet_header(path: Path, sheet: str | None) -> tuple[str, ...] | None:
    """Return the column names in the first row that is not empty, None where there is no such sheet.

    Raises `ShieldError` when the file is damaged.
    """
    names = next(read_sheet(path, sheet), None)
    while names and not names[-1]:
        names.pop()
    return None if names is None else tuple(names)


def find_largest_sheet(path: Path) -> str | None:
    """Return the name of the sheet with most cells, None where it is the first.

    Raises `ShieldError` when the file is damaged.
    """
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        sheets = [workbook.get_sheet_by_name(name) for name in workbook.sheet_names]
    except CalamineError as error:
        raise ShieldError(f"{path.name}: damaged xlsx file: {error}") from error
    largest = max(sheets, key=lambda sheet: sheet.height * sheet.width).name
    return None if largest == workbook.sheet_names[0] else largest


def read_sheet(path: Path, sheet: str | None) -> Iterator[list[str]]:
    """Yield the rows of a sheet, the first one where none is named, without rows that are empty.

    Yields nothing where there is no such sheet. Raises `ShieldError` when the file is damaged.
    """
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        names = workbook.sheet_names if sheet is None else [sheet]
        if not names or names[0] not in workbook.sheet_names:
            return
        for cells in workbook.get_sheet_by_name(names[0]).iter_rows():
            texts = [write_cell(cell) for cell in cells]
            if any(texts):
                yield texts
    except CalamineError as error:
        raise ShieldError(f"{path.name}: damaged xlsx file: {error}") from error


def write_cell(cell: object) -> str:
    """Return what a cell holds as text."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, dt.datetime):
        return cell.isoformat(" ", "seconds")
    if isinstance(cell, dt.time):
        return cell.isoformat("seconds")
    return str(cell).strip()
