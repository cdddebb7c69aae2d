"""CSV: the same bytes for the same rows, whether exported, printed by a command or sent over HTTP.

Input: rows of any types, as SQL. Output: lines that the engine makes in one pass (UTF-8, ISO dates, true
and false, NULL as nothing, an empty text as two quotes), in chunks. Memory is bounded by the chunk.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

FORMULA_STARTS = "=+@\t\r-"  # the minus last: it would mean a range in a regular expression
NEEDS_QUOTES = '^$|[",\r\n]'
NUMBERS = "U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*"

TEXT = "COLUMNS(*)::VARCHAR"
SAFE = f"regexp_replace({TEXT}, '^[{FORMULA_STARTS}]', '''\\0')"
LINE = f"""concat_ws(',', UNPACK(coalesce(
    CASE WHEN regexp_full_match(typeof(COLUMNS(*)), '{NUMBERS}') THEN {TEXT}
         WHEN regexp_matches({TEXT}, '{NEEDS_QUOTES}') THEN '"' || replace({SAFE}, '"', '""') || '"'
         ELSE {SAFE} END,
    ''
)))"""
"""SQL expression of a row's line, without its end. A text that begins like a formula gets a leading
apostrophe, so that no spreadsheet runs it (OWASP, "CSV Injection"); numbers stay as they are."""

CSV_NOTE = "a text that begins with =, +, -, @, tab or carriage return has a leading apostrophe in CSV"
"""What people are told of it."""

ROWS_PER_CHUNK = 2_000
"""Some 200 KB."""


class Lines(Protocol):
    """A cursor or relation over one column, `LINE`."""

    def fetchmany(self, size: int, /) -> Sequence[Sequence[str]]:
        """Return the next rows, none at the end."""


def iterate_csv(names: Iterable[str], lines: Lines) -> Iterator[bytes]:
    """Yield CSV with a header, each chunk ending with a line."""
    yield (",".join(map(render_heading, names)) + "\n").encode()
    while rows := lines.fetchmany(ROWS_PER_CHUNK):
        yield ("\n".join([line for (line,) in rows]) + "\n").encode()


def render_heading(name: str) -> str:
    """Return a column's name as `LINE` writes a text."""
    safe = f"'{name}" if name.startswith(tuple(FORMULA_STARTS)) else name
    return '"' + safe.replace('"', '""') + '"' if re.search(NEEDS_QUOTES, name) else safe
