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
from warehouse.export import MANIFEST, read_digests
from warehouse.files import hash_file
from warehouse.read import make_core_table, open_file
from warehouse.schema import PLAN_TABLES

PLAN_FILE = "plan.duckdb"
PLAN_CORE_TABLES = {table.name: make_core_table(table) for table in PLAN_TABLES}
PLAN_FILES = {PLAN_FILE, "plan_trade_off.png", "plan_zone_shift.png"} | {
    f"{table.name}.{ending}" for table in PLAN_TABLES for ending in ("csv", "parquet")
}
"""The files of a plan that may be handed on."""


def list_plans(folder: Path) -> list[str]:
    """Return the names of the plans in a folder, in order; none where there is no such folder.

    A name with a dot before it is that of a plan half written, or hidden: it is none.
    """
    return sorted(path.parent.name for path in folder.glob(f"[!.]*/{PLAN_FILE}"))


def describe_change(folder: Path, name: str) -> str:
    """Return in words that a plan's tables are not those that were made; empty where they are.

    Raises `OSError` where the file cannot be read.
    """
    listed = read_digests(folder / name / MANIFEST).get("plan", {}).get(PLAN_FILE)
    if listed == hash_file(folder / name / PLAN_FILE):
        return ""
    return (
        f"plan {name}: the SHA-256 of {PLAN_FILE} is not the one in {MANIFEST}: it was changed after"
        " it was made, and its numbers may not be the plan's; make it again with `make plan`"
    )


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
