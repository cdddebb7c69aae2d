"""Plans of patrol-hours that are there to read: which, and their tables.

Input: the folder of plans of the settings. Output: names; a connection to a plan's tables, and paths of
its files.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from warehouse.errors import ShieldError
from warehouse.read import make_core_table, open_file
from warehouse.schema import PLAN_TABLES

PLAN_FILE = "plan.duckdb"
PLAN_CORE_TABLES = {table.name: make_core_table(table) for table in PLAN_TABLES}
PLAN_FILES = {PLAN_FILE, "plan_trade_off.png", "plan_zone_shift.png"} | {
    f"{table.name}.{ending}" for table in PLAN_TABLES for ending in ("csv", "parquet")
}
"""The files of a plan that may be handed on."""


def list_plans(folder: Path) -> list[str]:
    """Return the names of the plans in a folder, in order; none where there is no such folder."""
    return sorted(path.parent.name for path in folder.glob(f"*/{PLAN_FILE}"))


@contextmanager
def connect_plan(folder: Path, name: str) -> Iterator[sa.Connection]:
    """Connect to the tables of a plan. Raises `ShieldError` naming one that cannot be read."""
    engine = open_file(folder / name / PLAN_FILE)
    try:
        with engine.connect() as connection:
            yield connection
    except (DBAPIError, duckdb.Error) as error:
        raise ShieldError(f"plan {name} cannot be read: make it again with `make plan`") from error
    finally:
        engine.dispose()
