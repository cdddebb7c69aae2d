"""The union: marts and forecasts of all cities, as Parquet that is partitioned by city.

Input: published builds. Output: `<table>/city=<name>/data.parquet`, which DuckDB, Spark, Trino and
Athena read as one table; `fleet.duckdb` with a view over each.

A city is swapped as a whole: all its partitions lead through one link to the files of one build.
"""

import re
import shutil
from collections.abc import Collection, Iterable
from dataclasses import astuple
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from warehouse.errors import ShieldError, first_line
from warehouse.export import name_target
from warehouse.files import PARTIAL, replace_file, replace_link, replace_text, sync
from warehouse.parquet import render_copy
from warehouse.read import connect_published
from warehouse.schema import TABLES
from warehouse.table import quote_text, render_ddl
from warehouse.tables_fleet import CITY_SUMMARY_TABLE, FLEET_CITY, FLEET_RUN_TABLE

if TYPE_CHECKING:
    from fleet.city_task import CityOutcome

FILE = "fleet.duckdb"
UNION_TABLES = tuple(
    table
    for table in TABLES
    if table.name.startswith(("forecast_", "average_", "mart_")) and not table.is_view
)
"""Forecasts and marts; `neighborhood` is in the marts, and incidents stay in the cities' builds."""

ALL_TABLES = (*UNION_TABLES, CITY_SUMMARY_TABLE)
DATA = "data.parquet"

OWNER = ".builds"
"""What names the folder of builds that a union is of."""

SUMMARY = """
SELECT any_value(run.city) AS city_name, any_value(run.build_id) AS build_id,
    any_value(run.cutoff) AS cutoff,
    any_value(run.is_synthetic) AS is_synthetic,
    (SELECT count(DISTINCT neighborhood) FROM average_daily) AS neighborhoods,
    (SELECT count(*) FROM incident) AS incidents,
    (SELECT sum(expected_month_crimes) FROM forecast_city) AS expected_crimes,
    avg(value) FILTER (metric = 'deviance_to_reference' AND subset = 'all') AS deviance_to_reference,
    avg(value) FILTER (metric = 'predicted_to_actual' AND subset = 'all') AS predicted_to_actual,
    avg(value) FILTER (metric = 'coverage_80' AND grain = 'neighborhood_month') AS coverage_80
FROM refresh_run AS run LEFT JOIN backtest_score AS score ON score.model = 'base_and_forest'
"""


def claim(union: Path, builds: Path) -> None:
    """Make a folder the union of a folder of builds.

    Raises `ShieldError` where it is that of another one, whose cities would go, and for a path that
    views cannot lead to: it would be a pattern, or name a partition.
    """
    if found := re.search(r"[*?\[\]=\\]", str(union)):
        raise ShieldError(
            f"UNION: expected a path without * ? [ ] = and \\, found {found[0]} in {union}"
        )
    union.mkdir(parents=True, exist_ok=True)
    owner = union / OWNER
    if owner.exists() and owner.read_text() != str(builds):
        raise ShieldError(
            f"{union} is the union of {owner.read_text()}, not of {builds}: give UNION another"
        )
    replace_text(owner, str(builds))


def write_part(builds: Path, union: Path, name: str) -> None:
    """Bring a city's part of the union to its published build.

    Whenever the process dies, readers find the part of before or the new one. Raises `NoBuildError`
    where nothing is published, `ShieldError` naming the table that cannot be written, and `OSError` for
    a folder that cannot.
    """
    parts, current = union / ".parts" / name, union / ".current" / name
    with connect_published(builds, {"threads": 1}) as (published, connection):
        names = (f"{published.build_id}.{number}" for number in count())
        part = next(parts / one for one in names if is_whole(parts / one) or not (parts / one).exists())
        if not part.exists():
            draft = part.with_name(part.name + PARTIAL)
            if draft.exists():
                shutil.rmtree(draft)
            write_files(connection, draft)
            draft.rename(part)
            sync(parts)
    replace_link(current, Path("..", ".parts", name, part.name))
    for table in ALL_TABLES:
        link = name_partition(union, table.name, name)
        replace_link(link, Path("..", ".current", name, table.name))
    for path in parts.iterdir():
        if path != part:
            shutil.rmtree(path)


def is_whole(part: Path) -> bool:
    """Return whether a city's part has all its files: somebody may have removed one."""
    return all((part / table.name / DATA).exists() for table in ALL_TABLES)


def write_files(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write a build's tables, each as the one file of a folder of its own.

    Raises `ShieldError` naming the table that cannot be written, `OSError` for a folder that cannot.
    """
    for table in ALL_TABLES:
        path = folder / table.name / DATA
        path.parent.mkdir(parents=True)
        copy = f"COPY ({SUMMARY}) TO {quote_text(str(path))} (FORMAT parquet)"
        with name_target(table, path):
            connection.execute(copy if table is CITY_SUMMARY_TABLE else render_copy(table, path))
        sync(path)


def name_partition(union: Path, table: str, name: str) -> Path:
    """Return the folder of a city's rows of a table."""
    return union / table / f"{FLEET_CITY.name}={name}"


def write_database(union: Path, outcomes: Iterable["CityOutcome"]) -> Path:
    """Write `fleet.duckdb`: what the last run did, and a view over the union of each table.

    The views lead to the union by its full path. `fleet_quality` lists the cities, the worst deviance
    first, and before it those that have no backtest. Raises `ShieldError` where it cannot be written:
    that of the run before stays.
    """
    path = union / FILE
    draft = path.with_name(FILE + PARTIAL)
    for leftover in union.glob(f"{draft.name}*"):
        leftover.unlink()
    try:
        with duckdb.connect(str(draft)) as connection:
            fill_database(connection, union, outcomes)
            connection.execute(
                "CHECKPOINT"
            )  # closing would leave in a log what a full disk does not take
    except duckdb.Error as error:
        raise ShieldError(
            f"{path} cannot be written, that of the run before stays: {first_line(error)}"
        ) from error
    replace_file(draft, path)
    return path


def fill_database(
    connection: duckdb.DuckDBPyConnection, union: Path, outcomes: Iterable["CityOutcome"]
) -> None:
    """Make the tables and views of `fleet.duckdb`. Raises `duckdb.Error`."""
    connection.execute(render_ddl(FLEET_RUN_TABLE))
    connection.executemany(
        f"INSERT INTO {FLEET_RUN_TABLE.name} VALUES (?, ?, ?, ?, ?)", [astuple(o) for o in outcomes]
    )
    for table in ALL_TABLES:
        if any((union / table.name).glob(f"*/{DATA}")):
            pattern = quote_text(str((union / table.name).resolve() / "*" / DATA))
            connection.execute(
                f"CREATE VIEW {table.name} AS SELECT * FROM read_parquet({pattern},"
                " hive_partitioning = true, union_by_name = true, hive_types_autocast = false)"
            )
    if any((union / CITY_SUMMARY_TABLE.name).glob("*")):
        connection.execute(
            f"CREATE VIEW fleet_quality AS SELECT * FROM {CITY_SUMMARY_TABLE.name}"
            f" ORDER BY deviance_to_reference DESC NULLS FIRST, {FLEET_CITY.name}"
        )


def remove_others(union: Path, names: Collection[str]) -> list[str]:
    """Remove cities that the fleet no longer has from the union, and return their names."""
    parts = union / ".parts"
    others = (
        sorted(path.name for path in parts.iterdir() if path.name not in names) if parts.exists() else []
    )
    for name in others:
        for table in ALL_TABLES:
            name_partition(union, table.name, name).unlink(missing_ok=True)
        (union / ".current" / name).unlink(missing_ok=True)
        shutil.rmtree(parts / name)
    return others
