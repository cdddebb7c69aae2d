"""Rows of a table as a page shows them: some of its columns, under the captions of their declarations.

Input: a build, a table, an order. Output: a `Rows` for the macro in `templates/rows.html`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from serve.current_build import ServedBuild
from serve.pages import blueprint
from warehouse.read import CORE_TABLES
from warehouse.schema import TABLES
from warehouse.table import Column, Table

NAMES = {table.name: table for table in TABLES}


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, in their order, with the columns that are shown."""

    caption: str
    table: Table
    columns: tuple[Column, ...]
    rows: Sequence[sa.Row[Any]]
    csv: str


def read_rows(
    build: ServedBuild, name: str, caption: str, columns: Sequence[str],
    *, where: sa.ColumnElement[bool] | None = None, order: Sequence[Any] = (), limit: int | None = None,
) -> Rows:  # fmt: skip
    """Return rows of a table, in the order of its key unless another is given."""
    with build.connect() as connection:
        return select_rows(
            connection, NAMES[name], CORE_TABLES[name], caption, columns, f"v1/tables/{name}.csv",
            where=where, order=order, limit=limit,
        )  # fmt: skip


def select_rows(
    connection: sa.Connection, table: Table, core: sa.Table, caption: str, columns: Sequence[str],
    csv: str, *, where: sa.ColumnElement[bool] | None = None, order: Sequence[Any] = (),
    limit: int | None = None,
) -> Rows:  # fmt: skip
    """Return rows of a table behind a connection, and the address of its CSV."""
    select = sa.select(*(core.c[column] for column in columns))
    if where is not None:
        select = select.where(where)
    select = select.order_by(*(order or [core.c[key] for key in table.key])).limit(limit)
    declared = {column.name: column for column in table.columns}
    rows = connection.execute(select).all()
    return Rows(caption, table, tuple(declared[column] for column in columns), rows, csv)


@blueprint.app_template_filter("shown")
def show_value(value: object) -> str:
    """Return a value for people: nothing for NULL, numbers to four digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    return value.isoformat(" ", "seconds") if isinstance(value, dt.datetime) else str(value)
