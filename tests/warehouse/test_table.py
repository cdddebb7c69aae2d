"""Declarations refuse what would mislead others, and become DDL with comments."""

import duckdb
import pytest

from warehouse.schema import TABLES
from warehouse.table import Column, Table, render_ddl

NAME = Column("name", "VARCHAR", "Somebody's name.", "Name")


@pytest.mark.parametrize("wrong", ["HUGEINT", "TIMESTAMPTZ", "VARCHAR[]", "varchar", "FLOAT"])
def test_types_that_bi_tools_cannot_read_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        Column("name", wrong, "A name.", "Name")


def test_column_needs_description_and_label() -> None:
    with pytest.raises(ValueError, match="needs a label and a description"):
        Column("name", "VARCHAR", "no full stop", "Name")
    with pytest.raises(ValueError, match="needs a label and a description"):
        Column("name", "VARCHAR", "A name.", "")


def test_table_needs_a_key_among_distinct_columns() -> None:
    with pytest.raises(ValueError, match="key"):
        Table("t", "T.", "row", ("other",), (NAME,))
    with pytest.raises(ValueError, match="declared twice"):
        Table("t", "T.", "row", ("name",), (NAME, NAME))


def test_ddl_creates_the_table_and_describes_it() -> None:
    table = Table("person", "People.", "person", ("name",), (
        NAME, Column("height", "DOUBLE", "Height, it's measured.", "Height", unit="m", nullable=True),
    ))  # fmt: skip
    with duckdb.connect() as connection:
        for statement in render_ddl(table):
            connection.execute(statement)
        columns = connection.execute("""
            SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns()
            WHERE table_name = 'person' ORDER BY column_index""").fetchall()
        comment = connection.execute("SELECT comment FROM duckdb_tables()").fetchone()
    assert columns == [
        ("name", "VARCHAR", False, "Somebody's name."),
        ("height", "DOUBLE", True, "Height, it's measured. Unit: m."),
    ]
    assert comment == ("People. Grain: person.",)


def test_references_lead_to_a_key() -> None:
    tables = {table.name: table for table in TABLES}
    for table in TABLES:
        for column in table.columns:
            if column.references:
                target, name = column.references.split(".")
                assert tables[target].key == (name,), f"{table.name}.{column.name}"


def test_same_name_means_the_same_type_and_unit_within_forecasts_and_marts() -> None:
    tables = {table.name: table for table in TABLES}
    mart = {c.name: c for c in tables["mart_forecast_hourly"].columns}
    for column in tables["forecast_hourly"].columns:
        assert mart[column.name] == column
