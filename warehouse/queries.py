"""Queries that have a name: `queries.toml` declares their SQL and their parameters.

Input: the name of a query and values for its parameters. Output: its answer as JSON (`json_answer`).
"""

import datetime as dt
import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from pydantic import ConfigDict, TypeAdapter

from warehouse.errors import ShieldError
from warehouse.json_answer import render_answer
from warehouse.read import CORE_TABLES
from warehouse.spelling import fold

MAX_ROWS = 1000
"""Of an answer; what is more is cut off, and the answer says so."""

Value = int | dt.date | str


class UnknownValueError(ShieldError):
    """A parameter's column does not have the value; `close_values` are those spelled most like it."""

    def __init__(self, message: str, close_values: list[str]) -> None:
        """Keep what to tell."""
        super().__init__(message)
        self.close_values = close_values


@dataclass(frozen=True)
class Parameter:
    """One parameter; one without a default must be given.

    `minimum` and `maximum` of an integer are inclusive; of a text, `allowed` lists the values, or
    `column` is the `table.column` that has them.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    type: Literal["text", "integer", "date"]
    description: str
    default: Value | None = None
    example: Value | None = None
    minimum: int | None = None
    maximum: int | None = None
    allowed: tuple[str, ...] = ()
    column: str | None = None


@dataclass(frozen=True)
class NamedQuery:
    """One query: parameters stand in its SQL as `:name`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    title: str
    sql: str
    description: str = ""
    parameters: dict[str, Parameter] = field(default_factory=dict)


def load_queries() -> dict[str, NamedQuery]:
    """Return the queries by name, as declared."""
    path = Path(__file__).with_name("queries.toml")
    return TypeAdapter(dict[str, NamedQuery]).validate_python(tomllib.loads(path.read_text()))


def run_query(
    connection: sa.Connection, build_id: str, query: NamedQuery, values: dict[str, Any]
) -> bytes:
    """Return the JSON answer of a query, having found values of columns in their own spelling.

    Raises `UnknownValueError`.
    """
    first, last = values.get("first_day"), values.get("last_day")
    if first is not None and last is not None and first > last:
        raise UnknownValueError(f"first_day: expected a day up to last_day ({last}), found {first}", [])
    for name, parameter in query.parameters.items():
        if parameter.column:
            values = values | {name: find_value(connection, name, parameter.column, values[name])}
    result = connection.execute(sa.text(query.sql), values)
    return render_answer(build_id, result.cursor, MAX_ROWS)


def find_value(connection: sa.Connection, name: str, column: str, text: str) -> str:
    """Return a value as a column spells it; only its letters and digits matter, in any case.

    Raises `UnknownValueError`.
    """
    table, _, key = column.partition(".")
    found = connection.execute(sa.select(CORE_TABLES[table].c[key]).distinct()).scalars()
    values: dict[str, str] = {fold(value): value for value in found}
    if fold(text) not in values:
        close = [values[match] for match in difflib.get_close_matches(fold(text), values)]
        raise UnknownValueError(f"{name}: expected a value of {column}, found {text!r:.100}", close)
    return values[fold(text)]
