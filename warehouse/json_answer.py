"""An answer to a query as JSON, up to a number of rows and of bytes.

Input: columns and rows as DuckDB gives them. Output: `build_id`, `columns` with name and type,
`truncated`, `rows`. Dates and times are ISO texts, decimals numbers, what is no number is null, bytes
are base64.
"""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Protocol

from pydantic_core import to_json

MAX_ROWS, MAX_BYTES = 10_000, 4 << 20
"""Of an answer; what is more is cut off, and the answer says so."""

ROWS_PER_FETCH = 100


class Cursor(Protocol):
    """What has run a query: DuckDB's own connection, or the cursor of a driver."""

    @property
    def description(self) -> Any:  # noqa: ANN401  # name and type of each column first
        """The columns."""

    def fetchmany(self, size: int, /) -> Sequence[Any]:
        """Return the next rows; none at the end."""


def render_answer(build_id: str, cursor: Cursor, max_rows: int = MAX_ROWS) -> bytes:
    """Return the JSON of what the cursor still holds."""
    columns = [{"name": name, "type": str(kind)} for name, kind, *_ in cursor.description]
    rows, is_truncated = collect_rows(iterate_rows(cursor), max_rows)
    head = json.dumps({"build_id": build_id, "columns": columns, "truncated": is_truncated})
    return b'%b, "rows": [%b]}\n' % (head[:-1].encode(), b",\n".join(rows))


def iterate_rows(cursor: Cursor) -> Iterator[Any]:
    """Yield the rows of a cursor."""
    while batch := cursor.fetchmany(ROWS_PER_FETCH):
        yield from batch


def collect_rows(found: Iterator[Sequence[object]], max_rows: int) -> tuple[list[bytes], bool]:
    """Return rows as JSON up to the caps, and whether there are more.

    Raises `ValueError` for a first row beyond the caps: no rows would look like an empty answer.
    """
    rows: list[bytes] = []
    size = 0
    for row in islice(found, max_rows):
        values = [float(value) if isinstance(value, Decimal) else value for value in row]
        text = to_json(values, inf_nan_mode="null", bytes_mode="base64")
        size += len(text) + len(",\n")
        if size > MAX_BYTES and not rows:
            raise ValueError(f"its first row is larger than {MAX_BYTES >> 20} MiB")
        if size > MAX_BYTES:
            return rows, True
        rows.append(text)
    return rows, next(found, None) is not None
