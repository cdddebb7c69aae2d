"""The read side: Core tables from the declarations, on the published build's own file."""

from pathlib import Path

import sqlalchemy as sa

from warehouse.publish import read_pointer
from warehouse.read import CORE_TABLES, open_engine
from warehouse.schema import TABLES


def test_every_table_can_be_selected(published: Path) -> None:
    engine = open_engine(published, read_pointer(published))
    with engine.connect() as connection:
        for table in TABLES:
            row = connection.execute(sa.select(CORE_TABLES[table.name]).limit(1)).mappings().first()
            assert row is not None, table.name
            assert tuple(row) == table.column_names
    engine.dispose()
