"""The read side: a published build as SQLAlchemy Core tables.

Enters: a folder of builds. Leaves: an engine on the published build's own file, read-only, and one
`sqlalchemy.Table` per declared table (made from the declarations; nothing is reflected).
"""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from warehouse.publish import PublishedBuild
from warehouse.schema import TABLES
from warehouse.table import Table

SQLALCHEMY_TYPES: dict[str, type[sa.types.TypeEngine[Any]]] = {
    "VARCHAR": sa.String,
    "BIGINT": sa.BigInteger,
    "INTEGER": sa.Integer,
    "DOUBLE": sa.Double,
    "BOOLEAN": sa.Boolean,
    "DATE": sa.Date,
    "TIMESTAMP": sa.DateTime,
}

METADATA = sa.MetaData()


def make_core_table(table: Table) -> sa.Table:
    """Return the Core table for a declaration."""
    columns = (
        sa.Column(
            column.name,
            SQLALCHEMY_TYPES[column.type](),
            primary_key=column.name in table.key,
            nullable=column.nullable,
            comment=column.description,
        )
        for column in table.columns
    )
    return sa.Table(table.name, METADATA, *columns, comment=table.description)


CORE_TABLES = {table.name: make_core_table(table) for table in TABLES}


def open_engine(builds: Path, published: PublishedBuild) -> sa.Engine:
    """Return an engine on a build's own file; a later build never changes what it reads."""
    return sa.create_engine(f"duckdb:///{builds / published.file}", connect_args={"read_only": True})
