"""A build while it is written: a new DuckDB file that no reader knows yet.

Input: a path for the file. Output: a `Build` whose tables are filled only through `insert` and
`insert_mart`, which check every row against its declaration.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse import machine, settings
from warehouse.columns import DATA_SOURCE
from warehouse.errors import SchemaError
from warehouse.machine import limit_engine
from warehouse.schema import TABLES
from warehouse.table import Table, quote_text, render_ddl
from warehouse.time_of_day import render_macro

if TYPE_CHECKING:  # 50 MB that commands on finished builds do without
    import pandas as pd

SQL_DIR = Path(__file__).resolve().parent / "sql"


@dataclass
class Build:
    """An unpublished build: its connection, and who published the data that goes into it."""

    build_id: str
    path: Path
    connection: duckdb.DuckDBPyConnection
    data_source: str = ""

    def insert(self, table: Table, select: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Fill `table` with the rows of `select` and return how many there were.

        The SELECT must give exactly the declared columns, in any order; `data_source` is added
        here. Raises `SchemaError` naming the table and the columns that differ.
        """
        values = dict(parameters or {})
        relation = self.connection.execute(f"DESCRIBE {select}", values).fetchall()
        check_columns(table, [str(row[0]) for row in relation])
        stamp = ""
        if DATA_SOURCE.name in table.column_names:
            if not self.data_source:
                raise SchemaError(f"table {table.name}: the build does not know its data source yet")
            stamp = f", {quote_text(self.data_source)} AS {DATA_SOURCE.name}"
        try:
            self.connection.execute(
                f"INSERT INTO {table.name} BY NAME SELECT *{stamp} FROM ({select})", values
            )
        except duckdb.ConstraintException as error:
            raise SchemaError(f"table {table.name}: {error}") from error
        return self.count_rows(table)

    def insert_frame(self, table: Table, frame: "pd.DataFrame") -> int:
        """Fill `table` from a frame, cast to the declared types; NaN is NULL, as DuckDB reads frames.

        Raises `SchemaError` naming the table and the columns that are missing or not declared, or the
        column that must have a value and has none.
        """
        check_columns(table, frame.columns)
        casts = [f"{c.name}::{c.type} AS {c.name}" for c in table.columns if c != DATA_SOURCE]
        self.connection.register("given_rows", frame)
        try:
            return self.insert(table, f"SELECT {', '.join(casts)} FROM given_rows")
        finally:
            self.connection.unregister("given_rows")

    def insert_mart(self, table: Table) -> int:
        """Fill a mart from its own SELECT and return its rows; a view has them already.

        Raises `SchemaError` as `insert` does.
        """
        return self.count_rows(table) if table.is_view else self.insert(table, read_select(table))

    def count_rows(self, table: Table) -> int:
        """Return the number of rows in `table`. Raises `duckdb.Error` where it is not there."""
        return int(self.fetch_value(f"SELECT count(*) FROM {table.name}"))

    def fetch_value(self, select: str) -> Any:  # noqa: ANN401  # DuckDB decides the type
        """Return the one value of a SELECT that gives one row and one column.

        Raises `SchemaError` where it gives no row.
        """
        row = self.connection.execute(select).fetchone()
        if row is None:
            raise SchemaError(f"expected one row from: {select}")
        return row[0]


def check_columns(table: Table, given: Iterable[str]) -> None:
    """Raise `SchemaError` unless `given` are the columns of `table`; `data_source` may be missing."""
    names, wanted = set(given), set(table.column_names) - {DATA_SOURCE.name}
    if names != wanted:
        raise SchemaError(
            f"table {table.name}: expected columns {sorted(wanted)}; "
            f"missing {sorted(wanted - names)}, not declared {sorted(names - wanted)}"
        )


def read_select(mart: Table) -> str:
    """Return the SELECT of a mart, from its own file in `warehouse/sql/`."""
    return (SQL_DIR / f"{mart.name}.sql").read_text()


@contextmanager
def open_build(build_id: str, path: Path, tables: Sequence[Table] = TABLES) -> Iterator[Build]:
    """Create the build file with the declared tables and views, empty; close it on the way out.

    The file is attached under a storage version that old drivers read. Temporary tables of the
    stages live outside it and are gone when it closes.
    """
    connection = duckdb.connect(
        config={
            "threads": machine.available_cores(),
            "memory_limit": limit_engine(),
            "temp_directory": str(path.with_name(f"{path.name}.spill")),
            "autoinstall_known_extensions": False,
        }
    )
    try:
        connection.execute(
            f"ATTACH {quote_text(str(path))} AS build"
            f" (STORAGE_VERSION {quote_text(settings.STORAGE_VERSION)})"
        )
        connection.execute("USE build")
        connection.execute(render_macro())
        connection.begin()  # one wait for the disk, not one for each table
        for table in tables:
            connection.execute(render_ddl(table, read_select(table) if table.is_view else ""))
        connection.commit()
        yield Build(build_id, path, connection)
        connection.execute("CHECKPOINT build")
        connection.execute("USE memory")
        connection.execute("DETACH build")
    finally:
        connection.close()
