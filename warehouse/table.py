"""What a table is: its declaration, and the DDL that follows from it.

Input: declarations (`warehouse.schema`). Output: `CREATE` and `COMMENT` statements.
"""

from collections.abc import Iterator
from dataclasses import dataclass

TYPES = ("VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP")
"""The only types a build holds: old DuckDB drivers and BI tools read all of them."""

AGGREGATIONS = ("sum", "average", "minimum", "maximum")

RELATIVE_TOLERANCE = 1e-9
"""Sums of doubles reconcile to this share of the larger side."""


def differ(left: str, right: str) -> str:
    """Return the SQL condition that two numbers differ by more than rounding explains."""
    return f"abs({left} - {right}) > {RELATIVE_TOLERANCE} * greatest(abs({left}), abs({right}))"


def exceed(part: str, whole: str) -> str:
    """Return the SQL condition that a part is larger than its whole by more than rounding explains."""
    return f"{part} > {whole} * (1 + {RELATIVE_TOLERANCE})"


@dataclass(frozen=True)
class Column:
    """One column. `label` is its caption for people, `references` is `table.column`.

    `district` is the kind of district (`warehouse.columns.DISTRICT_KINDS`) that the column tells of.
    `minimum`, `maximum` (inclusive) and `allowed` are checked before a build is published;
    NULL is allowed only where `nullable` says so, and `description` then says what it means.
    `aggregation`, of a measure: what many rows of it come to. Only what adds up has `sum`: no share, no
    end of an interval, and no exposure that several rows repeat.
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
    aggregation: str | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for a declaration that lacks a fact others depend on."""
        if self.type not in TYPES:
            raise ValueError(f"column {self.name}: type {self.type!r} is not one of {TYPES}")
        if not (self.description.endswith(".") and self.label):
            raise ValueError(f"column {self.name}: needs a label and a description with a full stop")
        if self.aggregation not in (None, *AGGREGATIONS):
            raise ValueError(f"column {self.name}: aggregation is not one of {AGGREGATIONS}")

    @property
    def value_count(self) -> str:
        """SQL expression of how many values the column may take, empty where that is not declared."""
        if self.allowed:
            return str(len(self.allowed))
        if self.references:
            return f"(SELECT count(*) FROM {self.references.split('.')[0]})"
        if self.type in {"INTEGER", "BIGINT"} and self.minimum is not None and self.maximum is not None:
            return str(int(self.maximum - self.minimum) + 1)
        return ""


@dataclass(frozen=True)
class Reconciliation:
    """What else must hold of a table: the finding when it does not, and how often it does not.

    `select` gives one number, 0 where all is well: of rows that are off, or a difference of counts.
    """

    finding: str
    select: str


@dataclass(frozen=True)
class Table:
    """One table: `grain` says in words what a row is, `key` names the columns that identify it.

    `is_mart` tables are filled by the SELECT in `warehouse/sql/<name>.sql`. Where `is_view` says so
    too, that SELECT is stored instead of its rows: for marts that would only repeat another table.

    The audit checks a build against the rest. `is_complete`: there is a row for every combination of
    the values that the key columns may take. `empty_where`, in words: when there is no row at all.
    `counts_incidents`: `incident_count` counts every incident once, of those for which the SQL
    condition `counted_where` holds. `reconciliations`: what else must hold.
    """

    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    is_mart: bool = False
    is_view: bool = False
    is_complete: bool = False
    empty_where: str = ""
    counts_incidents: bool = False
    counted_where: str = "true"
    reconciliations: tuple[Reconciliation, ...] = ()

    def __post_init__(self) -> None:
        """Raise `ValueError` for a declaration that contradicts itself or lacks what it speaks of."""
        for what, is_wrong in self._list_mistakes():
            if is_wrong:
                raise ValueError(f"table {self.name}: {what}")

    def _list_mistakes(self) -> Iterator[tuple[str, bool]]:
        """Yield what may be wrong with the declaration and whether it is."""
        names = self.column_names
        yield "only a mart can be a view", self.is_view and not self.is_mart
        yield "a column is declared twice", len(set(names)) != len(names)
        yield (
            f"key {self.key} is not among its columns",
            not self.key or bool(set(self.key) - set(names)),
        )
        for column in self.key_columns:
            yield f"key column {column.name} is nullable", column.nullable
            is_open = self.is_complete and not column.value_count
            yield f"complete, but nothing says which values {column.name} takes", is_open
        yield "no column incident_count", self.counts_incidents and "incident_count" not in names

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The columns of the key, in its order; a name that is no column is left out."""
        columns = {column.name: column for column in self.columns}
        return tuple(columns[name] for name in self.key if name in columns)

    @property
    def row_count(self) -> str:
        """SQL expression of the rows that a complete table has."""
        return " * ".join(column.value_count for column in self.key_columns)

    @property
    def full_grain(self) -> str:
        """The grain, and whether the table is complete or may be empty, in words."""
        complete = "; complete" if self.is_complete else ""
        return self.grain + complete + (f"; empty where {self.empty_where}" if self.empty_where else "")

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names in declared order."""
        return tuple(column.name for column in self.columns)


def quote_text(text: str) -> str:
    """Return `text` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def render_ddl(table: Table, select: str = "", double: str = "DOUBLE") -> str:
    """Return the statement that creates `table`.

    `select` is what a view shows; its columns are cast, so that they keep their declared types. `double`
    is the one name of a type that another engine may have its own word for.
    """
    if table.is_view:
        casts = ", ".join(f"{c.name}::{c.type} AS {c.name}" for c in table.columns)
        return f"CREATE VIEW {table.name} AS SELECT {casts} FROM ({select})"
    types = {"DOUBLE": double}
    lines = [
        f"{c.name} {types.get(c.type, c.type)}{'' if c.nullable else ' NOT NULL'}" for c in table.columns
    ]
    return f"CREATE TABLE {table.name} ({', '.join(lines)})"


def render_comments(table: Table) -> Iterator[str]:
    """Yield the statements that describe `table` and its columns in the database's own catalog."""
    kind = "VIEW" if table.is_view else "TABLE"
    comment = f"{table.description} Grain: {table.full_grain}."
    yield f"COMMENT ON {kind} {table.name} IS {quote_text(comment)}"
    for column in table.columns:
        unit = f" Unit: {column.unit}." if column.unit else ""
        text = quote_text(column.description + unit)
        yield f"COMMENT ON COLUMN {table.name}.{column.name} IS {text}"
