"""Which rows of a table a request asks for, and in which order: one select, page after page.

Input: a table's declaration and the parameters of a request. Output: SQLAlchemy selects and the token of
the next page. A page goes on behind the last row of the one before it (keyset pagination): it costs the
same wherever it lies, and as a build does not change, no row comes twice or never.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import sqlalchemy as sa
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json
from werkzeug.exceptions import Conflict, Gone, NotFound

from serve.parameters import MAX_ECHO, InvalidRequestError, Parameters
from serve.row_filters import TYPES, Condition, adapt_type, build_condition, find_column, offer, take_one
from warehouse.read import CORE_TABLES
from warehouse.table import Column, Table

DEFAULT_LIMIT, MAX_LIMIT = 100, 4_000
"""Rows of a page: up to 5,000 the engine keeps the first ones while it reads, beyond it sorts all."""

MAX_FILTERS = 50


class PageQuery(Parameters):
    """Order, columns and page; any other parameter is a filter, which has a list of texts."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, list[str]]

    columns: str | None = Field(None, alias="_columns", description="Columns, divided by commas.")
    sort: str | None = Field(
        None,
        alias="_sort",
        description="Columns to sort by, divided by commas, `-` before one that descends. NULLs come "
        "last; the table's key settles ties.",
    )
    limit: int | None = Field(
        None, alias="_limit", ge=1, le=MAX_LIMIT, description=f"Rows of a page, {DEFAULT_LIMIT} in JSON."
    )
    next: str | None = Field(None, alias="_next", description="`next` of the page before.")
    count: bool = Field(False, alias="_count", description="Count the rows of all pages too.")

    @classmethod
    def split_query(cls, text: str) -> dict[str, Any]:
        """Return the parameters of a query, filters as lists."""
        given = parse_qs(text, keep_blank_values=True)
        return {
            name: take_one(name, texts) if name in OPTIONS else texts for name, texts in given.items()
        }


OPTIONS = [str(field.alias) for field in PageQuery.model_fields.values()]


TOKEN = TypeAdapter(tuple[str, str, list[Any]])
"""Build, digest, and the last row's values in the columns of the order."""


class Direction(NamedTuple):
    """A column to sort by."""

    column: Column
    is_descending: bool = False


@dataclass(frozen=True)
class RowRequest:
    """Columns of the rows that fulfil all conditions, in an order without ties, NULLs last.

    `after` holds the last row's values in the columns of the order, `scope` the build and a digest of
    table, filters and order: a token counts in its own scope only. `limit` None means every row.
    """

    table: Table
    scope: tuple[str, str]
    columns: tuple[Column, ...]
    conditions: tuple[Condition, ...]
    order: tuple[Direction, ...]
    is_ordered: bool
    after: tuple[Any, ...] | None
    limit: int | None

    def count_rows(self) -> sa.Select[Any]:
        """Return the select that counts the rows of all pages."""
        return sa.select(sa.func.count()).select_from(self._core).where(*self.conditions)

    def select_rows(self) -> sa.Select[Any]:
        """Return the select of the rows, in the stored order where none was asked for."""
        return self._select(self.columns, self.limit)

    def select_page(self, limit: int) -> sa.Select[Any]:
        """Return the select of a page and one row more, with the columns of its order."""
        keys = [key.column for key in self.order if key.column not in self.columns]
        return self._select((*self.columns, *keys), limit + 1)

    @property
    def _core(self) -> sa.Table:
        """The table to select from."""
        return CORE_TABLES[self.table.name]

    def _select(self, columns: Sequence[Column], limit: int | None) -> sa.Select[Any]:
        """Return the select of these columns."""
        statement = sa.select(*(self._core.c[column.name] for column in columns)).where(*self.conditions)
        if self.after is not None:
            statement = statement.where(self._follow(self.order, self.after))
        if self.is_ordered or self.after is not None or limit is not None:
            cores = [(self._core.c[key.column.name], key.is_descending) for key in self.order]
            statement = statement.order_by(
                *((core.desc() if descends else core.asc()).nulls_last() for core, descends in cores)
            )
        return statement.limit(limit)

    def _follow(self, order: Sequence[Direction], after: Sequence[Any]) -> Condition:
        """Return the condition that a row comes behind the one with these values.

        It does by the first column, or it is level there and behind by the others.
        """
        if not order:
            return sa.false()
        core, value = self._core.c[order[0].column.name], after[0]
        rest = self._follow(order[1:], after[1:])
        if value is None:
            return sa.and_(core.is_(None), rest)
        last = sa.literal(value, core.type)
        behind = core < last if order[0].is_descending else core > last
        null = core.is_(None) if order[0].column.nullable else sa.false()
        return sa.or_(behind, null, sa.and_(core == last, rest))

    def render_token(self, row: Mapping[Any, Any]) -> str:
        """Return the token of the page behind a row."""
        token = to_json([*self.scope, [row[key.column.name] for key in self.order]])
        return base64.urlsafe_b64encode(token).decode().rstrip("=")

    def parse_token(self, text: str) -> tuple[Any, ...]:
        """Return the values that a token holds.

        Raises `NotFound` for what is none, `Conflict` for one of other filters or another order, and
        `Gone` for one of another build.
        """
        row: Any = tuple
        kinds = [
            TYPES[key.column.type] | None if key.column.nullable else TYPES[key.column.type]
            for key in self.order
        ]
        try:
            padded = text.encode() + b"=" * (-len(text) % 4)
            token = base64.b64decode(padded, b"-_", validate=True)
            build_id, digest, values = TOKEN.validate_json(token)
            if build_id != self.scope[0]:
                raise Gone(
                    f"_next: of build {build_id:.{MAX_ECHO}}, served is {self.scope[0]}: begin again"
                )
            if digest != self.scope[1]:
                raise Conflict("_next: of other filters or another _sort: begin again")
            after: tuple[Any, ...] = adapt_type(row[tuple(kinds)]).validate_python(values)
        except (binascii.Error, UnicodeEncodeError, ValidationError) as error:
            raise NotFound(
                f"_next: expected `next` of an earlier answer, found {text!r:.{MAX_ECHO}}"
            ) from error
        return after


def parse_request(
    table: Table, build_id: str, query: PageQuery, spell: Callable[[str], str] = str
) -> RowRequest:
    """Return what the parameters of a request ask for; `spell` gives a neighborhood's own spelling.

    Raises `InvalidRequestError` naming the parameter, what was expected and what was found, `NotFound`
    for columns and pages that are not there, `Conflict` and `Gone` for tokens of other requests.
    """
    merged: dict[str, list[str]] = {}
    for name, texts in query.__pydantic_extra__.items():
        if name.startswith("_"):
            raise InvalidRequestError(f"unknown parameter {name!r:.{MAX_ECHO}}{offer(name, OPTIONS)}")
        # month=1&month__exact=2 is the same parameter, given twice
        merged.setdefault(name.removesuffix("__exact"), []).extend(texts)
    if len(merged) > MAX_FILTERS:
        raise InvalidRequestError(f"expected at most {MAX_FILTERS} filters, found {len(merged)}")
    conditions = tuple(build_condition(table, name, texts, spell) for name, texts in merged.items())
    order = parse_order(table, query.sort)
    facts = [table.name, sorted(merged.items()), [(key.column.name, key.is_descending) for key in order]]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    names = table.column_names if query.columns is None else query.columns.split(",")
    columns = find_columns(table, "_columns", names)
    request = RowRequest(
        table, (build_id, digest), columns, conditions, order, query.sort is not None, None, query.limit
    )
    return request if query.next is None else replace(request, after=request.parse_token(query.next))


def parse_order(table: Table, text: str | None) -> tuple[Direction, ...]:
    """Return the columns to sort by, and behind them those of the key, which settle ties."""
    names = [] if text is None else text.split(",")
    columns = find_columns(table, "_sort", [name.removeprefix("-") for name in names])
    order = [Direction(c, name.startswith("-")) for c, name in zip(columns, names, strict=True)]
    return (*order, *(Direction(key) for key in table.key_columns if key not in columns))


def find_columns(table: Table, parameter: str, names: Sequence[str]) -> tuple[Column, ...]:
    """Return columns by their names, each of which may stand there once."""
    columns = tuple(find_column(table, parameter, name) for name in names)
    if len(set(columns)) < len(columns):
        raise InvalidRequestError(f"{parameter}: expected each column once, found {','.join(names)!r}")
    return columns
