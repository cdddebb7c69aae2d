"""Declarations refuse what would mislead others, and become DDL with comments."""

from dataclasses import replace

import duckdb
import pytest

from warehouse.schema import TABLES
from warehouse.table import Column, Table, differ, render_comments, render_ddl

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


def test_key_column_is_never_null() -> None:
    column = Column("name", "VARCHAR", "Somebody's name.", "Name", nullable=True)
    with pytest.raises(ValueError, match="table t: key column name is nullable"):
        Table("t", "T.", "row", ("name",), (column,))


def test_complete_table_says_which_values_its_key_takes() -> None:
    with pytest.raises(ValueError, match="nothing says which values name takes"):
        Table("t", "T.", "row", ("name",), (NAME,), is_complete=True)
    place = Column("place", "VARCHAR", "P.", "P", references="place.name")
    mood = Column("mood", "VARCHAR", "M.", "M", allowed=("good", "bad"))
    hour = Column("hour", "INTEGER", "H.", "H", minimum=0, maximum=23)
    key = ("place", "mood", "hour")
    table = Table("t", "T.", "cell", key, (place, mood, hour), is_complete=True)
    assert table.row_count == "(SELECT count(*) FROM place) * 2 * 24"
    assert table.full_grain == "cell; complete"
    for lacking in (replace(hour, maximum=None), replace(hour, minimum=None)):
        with pytest.raises(ValueError, match="nothing says which values hour takes"):
            Table("t", "T.", "cell", key, (place, mood, lacking), is_complete=True)


@pytest.mark.parametrize(
    ("left", "right", "do_differ"),
    [
        ("0.0", "0.0", False),
        ("0.1 + 0.2", "0.3", False),
        ("1e6", "1e6 + 1e-4", False),
        ("1e6", "1e6 + 2e-3", True),
        ("1e6 + 2e-3", "1e6", True),
        ("0.0", "1e-12", True),
    ],
)
def test_numbers_differ_beyond_rounding_whatever_their_size(
    left: str, right: str, do_differ: bool
) -> None:
    assert duckdb.sql(f"SELECT {differ(f'({left})', f'({right})')}").fetchone() == (do_differ,)


def test_table_that_may_be_empty_says_so_in_its_grain() -> None:
    table = Table("t", "T.", "row", ("name",), (NAME,), empty_where="nobody is there")
    assert table.full_grain == "row; empty where nobody is there"


def test_table_that_counts_incidents_has_a_count() -> None:
    with pytest.raises(ValueError, match="no column incident_count"):
        Table("t", "T.", "row", ("name",), (NAME,), counts_incidents=True)


def test_no_table_or_column_needs_quotes() -> None:
    names = {name for table in TABLES for name in (table.name, *table.column_names)}
    with duckdb.connect() as connection:
        keywords = connection.execute("""
            SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'
        """).fetchall()
    assert len(keywords) > 100
    assert not names & {word for (word,) in keywords}
    assert not names & {"rows", "position", "before", "after", "source"}  # reserved elsewhere, or vague


def test_only_a_mart_can_be_a_view() -> None:
    with pytest.raises(ValueError, match="only a mart can be a view"):
        Table("t", "T.", "row", ("name",), (NAME,), is_view=True)


def test_view_keeps_the_declared_types_and_is_described() -> None:
    table = Table("v", "Numbers.", "number", ("n",), (
        Column("n", "INTEGER", "A number.", "Number", unit="m"),
    ), is_mart=True, is_view=True)  # fmt: skip
    with duckdb.connect() as connection:
        for statement in (render_ddl(table, "SELECT 1::BIGINT AS n"), *render_comments(table)):
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
        for statement in (render_ddl(table), *render_comments(table)):
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
