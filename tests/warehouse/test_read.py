"""The read side: Core tables from the declarations, on the published build's own file."""

from pathlib import Path

import sqlalchemy as sa

from warehouse.pointer import read_pointer
from warehouse.read import CORE_TABLES, open_engine
from warehouse.schema import TABLES


def test_every_table_can_be_selected(published: Path) -> None:
    engine = open_engine(published, read_pointer(published))
    with engine.connect() as connection:
        for table in TABLES:
            rows = connection.execute(sa.select(CORE_TABLES[table.name]).limit(1))
            assert tuple(rows.keys()) == table.column_names
            assert rows.first() is not None or table.name == "build_change"  # empty in a first build
    engine.dispose()
