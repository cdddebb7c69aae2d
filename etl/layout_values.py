"""What single settings of a layout must be, checked by the library or the engine that will use them.

Input: the value of a setting. Output: the same value, or a `ValueError` that says what was expected.
"""

import codecs
import csv
import datetime as dt
import re
from functools import cache
from pathlib import Path
from typing import cast

import duckdb

from etl.scratch_engine import ask_engine
from warehouse import settings
from warehouse.errors import first_line

EPOCHS = {"epoch_ms": 1000, "epoch_s": 1_000_000}
"""Formats that are no strptime format, and the microseconds of their unit."""

WGS84 = "EPSG:4326"

DAMAGED = "\udcff"
"""Stands for what is no text in a file's encoding; becomes a byte that UTF-8 does not have."""

MARK_DAMAGE = "mark_damage"
codecs.register_error(MARK_DAMAGE, lambda error: (DAMAGED, cast("UnicodeDecodeError", error).end))

SAMPLE = dt.datetime(2001, 12, 25, 13, 45)  # noqa: DTZ001  # a wall clock
"""No two of its parts are alike, and it is afternoon: what a format loses of it shows."""


def has_offset(text: str) -> bool:
    """Return whether a format reads an offset or a time zone, so that its texts are instants."""
    return "%z" in text or "%Z" in text


def has_clock(text: str) -> bool:
    """Return whether a format reads a time of day."""
    return text in EPOCHS or bool(re.search(r"%-?[HIcX]", text))


def check_format(text: str) -> str:
    """Return a date format by which the engine reads back the date that it wrote.

    Raises `ValueError` for one that is none, lacks year, month or day, or holds half of a clock.
    """
    if text in EPOCHS:
        return text
    try:
        read = ask_engine(
            "SELECT strptime(strftime($1::TIMESTAMPTZ, $2), $2)::TIMESTAMP", str(SAMPLE), text
        )
    except duckdb.Error as error:
        raise ValueError(f"found {text!r}, not a date format: {first_line(error)}") from error
    if not isinstance(read, dt.datetime) or read.date() != SAMPLE.date():
        raise ValueError(f"found {text!r}, expected a format with year, month and day")
    if has_clock(text) and read.hour != SAMPLE.hour:
        raise ValueError(f"found {text!r}, expected %p beside %I: mornings and evenings look alike")
    return text


def check_encoding(name: str) -> str:
    """Return the name of a text encoding that Python can read with damage in it.

    Raises `ValueError` for any other name.
    """
    try:
        b"a".decode(name, "replace")
        codecs.getincrementaldecoder(name)(MARK_DAMAGE).decode(b"a")
    except (LookupError, UnicodeError) as error:
        raise ValueError(f"found {name!r}, expected an encoding that Python knows: {error}") from error
    return name


def check_coordinate_system(code: str) -> str:
    """Return the EPSG code of a coordinate system on the earth; raises `ValueError` otherwise."""
    import pyproj  # takes a tenth of a second, and degrees do not need it

    if code == WGS84:
        return code
    try:
        system = pyproj.CRS.from_string(code) if re.fullmatch(r"EPSG:\d+", code) else None
    except pyproj.exceptions.CRSError:
        system = None
    if system is None or not (system.is_projected or system.is_geographic):
        raise ValueError(f"found {code!r}, expected the EPSG code of a coordinate system, as {WGS84!r}")
    return code


def read_codes(codes: object) -> object:
    """Return NIBRS codes by offense literal; text names a table in `data/reference` that holds them.

    Raises `ValueError` when there is no such table.
    """
    if not isinstance(codes, str):
        return codes
    path = settings.REFERENCE_DIR / codes
    if Path(codes).name != codes or not path.is_file():
        raise ValueError(f"found {codes!r}, expected literals, or a table in {settings.REFERENCE_DIR}")
    rows = read_table(path)
    if not rows or not {"offense_literal", "nibrs_code"} <= rows[0].keys():
        raise ValueError(f"{codes} lacks rows, offense_literal or nibrs_code")
    return {row["offense_literal"]: row["nibrs_code"] for row in rows}


def check_codes(codes: dict[str, str]) -> dict[str, str]:
    """Return codes that NIBRS knows; raises `ValueError` with a line for each other one."""
    known = {row["nibrs_code"] for row in read_table(settings.REFERENCE_DIR / "offense.csv")}
    lines = [
        f"{literal!r}: found {code!r}, expected a NIBRS code of data/reference/offense.csv"
        for literal, code in codes.items()
        if code not in known
    ]
    if lines:
        raise ValueError("\n".join(lines))
    return codes


@cache
def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a small CSV. Raises `OSError` when it cannot be read."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
