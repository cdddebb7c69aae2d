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


def test_only_a_mart_can_be_a_view() -> None:
    with pytest.raises(ValueError, match="only a mart can be a view"):
        Table("t", "T.", "row", ("name",), (NAME,), is_view=True)


def test_view_keeps_the_declared_types_and_is_described() -> None:
    table = Table("v", "Numbers.", "number", ("n",), (
        Column("n", "INTEGER", "A number.", "Number", unit="m"),
    ), is_mart=True, is_view=True)  # fmt: skip
    with duckdb.connect() as connection:
        for statement in render_ddl(table, "SELECT 1::BIGINT AS n"):
            connection.execute(statement)
        described = connection.execute("""
            SELECT data_type, columns.comment, views.comment FROM duckdb_columns() AS columns
            JOIN duckdb_views() AS views ON view_name = table_name WHERE view_name = 'v'""").fetchall()
    assert described == [("INTEGER", "A number. Unit: m.", "Numbers. Grain: number.")]


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


def test_labels_are_unique_within_a_table() -> None:
    for table in TABLES:
        labels = [column.label for column in table.columns]
        assert len(set(labels)) == len(labels), table.name
