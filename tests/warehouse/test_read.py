"""The read side: Core tables from the declarations, on the published build's own file."""

from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from warehouse.build import open_build
from warehouse.errors import NoBuildError
from warehouse.pointer import POINTER, PublishedBuild, read_pointer, render_pointer
from warehouse.read import (
    CORE_TABLES,
    attach_build,
    connect_build,
    connect_builds,
    connect_published,
    open_engine,
)
from warehouse.schema import TABLES


def test_every_table_can_be_selected(published: Path) -> None:
    engine = open_engine(published, read_pointer(published))
    with engine.connect() as connection:
        for table in TABLES:
            rows = connection.execute(sa.select(CORE_TABLES[table.name]).limit(1))
            assert tuple(rows.keys()) == table.column_names
            first = rows.first()
            assert first is not None or table.empty_where or table.name == "build_change"
    engine.dispose()


def test_core_table_has_the_declared_key_and_nulls() -> None:
    for table in TABLES:
        core = CORE_TABLES[table.name]
        assert set(core.primary_key.columns.keys()) == set(table.key)
        assert {c.name for c in core.columns if c.nullable} == {
            c.name for c in table.columns if c.nullable
        }


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The file of a build without a single row, to which a pointer leads."""
    path = tmp_path / "warehouse-a.duckdb"
    with open_build("a", path):
        pass
    pointer = PublishedBuild("a", path.name, "", "", "", "", is_synthetic=False)
    (tmp_path / POINTER).write_text(render_pointer(pointer))
    return path


def test_build_that_does_not_say_which_it_is_is_not_opened(bare: Path) -> None:
    with pytest.raises(NoBuildError, match=r"warehouse-a\.duckdb has no lineage"), connect_build(bare):
        pass
    with pytest.raises(NoBuildError, match="has no lineage"), connect_published(bare.parent):
        pass


def test_build_is_attached_read_only_and_for_a_while(bare: Path) -> None:
    with duckdb.connect() as connection:
        for _ in range(2):
            with attach_build(connection, bare, "other"):
                with pytest.raises(duckdb.InvalidInputException, match="read-only"):
                    connection.execute("DELETE FROM other.incident")
                assert connection.execute("SELECT count(*) FROM other.incident").fetchone() == (0,)
            with pytest.raises(duckdb.CatalogException):
                connection.execute("FROM other.incident")


def test_several_builds_are_named_when_one_is_damaged(bare: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "warehouse-b.duckdb"
    damaged.write_text("no database\n" * 1000)
    with (
        pytest.raises(NoBuildError, match=r"^warehouse-b\.duckdb cannot be read"),
        connect_builds(one=bare, two=damaged),
    ):
        pass
    with (
        pytest.raises(
            NoBuildError,
            match=r"^warehouse-a\.duckdb or warehouse-a\.duckdb was written by another version",
        ),
        connect_builds(one=bare, two=bare) as connection,
    ):
        connection.execute("FROM one.nothing")
