"""What a table is: its declaration, and the DDL that follows from it.

Enters: declarations (`warehouse.schema`). Leaves: `CREATE` and `COMMENT` statements.
"""

from collections.abc import Iterator
from dataclasses import dataclass

TYPES = ("VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP")
"""The only types a build holds: old DuckDB drivers and BI tools read all of them."""


@dataclass(frozen=True)
class Column:
    """One column. `label` is its caption for people, `references` is `table.column`.

    `district` is the kind of district (`warehouse.columns.DISTRICT_KINDS`) that the column tells of.
    `minimum`, `maximum` (inclusive) and `allowed` are checked before a build is published;
    NULL is allowed only where `nullable` says so, and `description` then says what it means.
    """

    name: str
    type: str
    description: str
    label: str
    unit: str | None = None
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    references: str | None = None
    district: str | None = None

    def __post_init__(self) -> None:
        """Refuse a declaration that lacks a fact others depend on."""
        if self.type not in TYPES:
            raise ValueError(f"column {self.name}: type {self.type!r} is not one of {TYPES}")
        if not (self.description.endswith(".") and self.label):
            raise ValueError(f"column {self.name}: needs a label and a description with a full stop")


@dataclass(frozen=True)
class Table:
    """One table: `grain` says in words what a row is, `key` names the columns that identify it.

    `is_mart` tables are filled by the SELECT in `warehouse/sql/<name>.sql`. Where `is_view` says so
    too, that SELECT is stored instead of its rows: for marts that would only repeat another table.
    """

    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    is_mart: bool = False
    is_view: bool = False

    def __post_init__(self) -> None:
        """Refuse a key on columns that are not there, repeated names, and a view without a SELECT."""
        names = self.column_names
        if self.is_view and not self.is_mart:
            raise ValueError(f"table {self.name}: only a mart can be a view")
        if len(set(names)) != len(names):
            raise ValueError(f"table {self.name}: a column is declared twice")
        nullable = [
            column.name for column in self.columns if column.nullable and column.name in self.key
        ]
        if nullable:
            raise ValueError(f"table {self.name}: key column {nullable[0]} is nullable")
        if not self.key or set(self.key) - set(names):
            raise ValueError(f"table {self.name}: key {self.key} is not among its columns")

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names in declared order."""
        return tuple(column.name for column in self.columns)


def quote_text(text: str) -> str:
    """Return `text` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def render_ddl(table: Table, select: str = "") -> Iterator[str]:
    """Yield the statements that create `table` and describe it in the database's own catalog.

    `select` is what a view shows; its columns are cast, so that they keep their declared types.
    """
    kind = "VIEW" if table.is_view else "TABLE"
    if table.is_view:
        casts = ", ".join(f"{c.name}::{c.type} AS {c.name}" for c in table.columns)
        yield f"CREATE VIEW {table.name} AS SELECT {casts} FROM ({select})"
    else:
        lines = [f"{c.name} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in table.columns]
        yield f"CREATE TABLE {table.name} ({', '.join(lines)})"
    comment = f"{table.description} Grain: {table.grain}."
    yield f"COMMENT ON {kind} {table.name} IS {quote_text(comment)}"
    for column in table.columns:
        unit = f" Unit: {column.unit}." if column.unit else ""
        text = quote_text(column.description + unit)
        yield f"COMMENT ON COLUMN {table.name}.{column.name} IS {text}"
