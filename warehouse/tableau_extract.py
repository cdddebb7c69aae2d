"""Tableau's extract of a star: a `.hyper` file with its tables, their keys and points on the map.

Input: the published build as a connection. Output: a file that the vendor's engine, `hyperd`, writes.
Its package, of the optional extra `tableau`, is imported here alone, when an extract is written.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from warehouse.errors import ShieldError
from warehouse.export import name_target
from warehouse.table import quote_text
from warehouse.tableau_source import SCHEMA
from warehouse.tableau_stars import Part, Star

if TYPE_CHECKING:
    from tableauhyperapi import Connection, HyperProcess

HYPER_SETTINGS = {
    "log_config": "",  # it would leave hyperd.log in the folder one is in
    "memory_limit": "200m",
    "hard_concurrent_query_thread_limit": "1",
}
"""With more threads it takes more memory and, for a star, no less time."""

PARQUET = "FORMAT parquet, ROW_GROUP_SIZE 20000, FILE_SIZE_BYTES '2MB'"
"""Both engines hold a few files of that size at a time, however many rows there are."""

HYPER_TYPES = {
    "VARCHAR": "TEXT",
    "BIGINT": "BIGINT",
    "INTEGER": "INTEGER",
    "DOUBLE": "DOUBLE PRECISION",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
}


@contextmanager
def start_hyper() -> Iterator["HyperProcess"]:
    """Run Tableau's engine for a while; it tells nobody of it, and leaves no log.

    Raises `ShieldError` where its package is missing, where it cannot start, and for what it says.
    """
    try:
        from tableauhyperapi import HyperException, HyperProcess, Telemetry
    except ImportError as error:
        raise ShieldError(
            f"extracts for Tableau need the package tableauhyperapi ({error}): run `make export"
            " FORMAT=tableau`, or install requirements-tableau.lock"
        ) from error
    task = "start: it needs Linux on x86-64, macOS or Windows, and some 200 MB of memory"
    try:
        with HyperProcess(
            Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, "atlshield", parameters=HYPER_SETTINGS
        ) as process:
            task = "write the extract"
            yield process
    except HyperException as error:
        raise ShieldError(f"Tableau's engine (hyperd) cannot {task}: {error.main_message}") from error


def copy_parts(connection: duckdb.DuckDBPyConnection, star: Star, folder: Path) -> dict[str, int]:
    """Write the parts of a star as Parquet, a folder each; return the rows of each by its name.

    Raises `ShieldError` naming the table that cannot be written.
    """
    rows = {}
    for part in star.parts:
        path = folder / f"{star.name}.{part.name}"
        names = {column.name: name for name, column in part.fields.items()}
        columns = ", ".join(f"{column} AS {name}" for column, name in names.items())
        select = f"SELECT {columns} FROM {part.table.name} ORDER BY {', '.join(part.table.key)}"
        with name_target(part.table, path):
            copied = connection.execute(f"COPY ({select}) TO {quote_text(str(path))} ({PARQUET})")
            (rows[part.name],) = copied.fetchone() or (0,)
    return rows


def write_extract(process: "HyperProcess", star: Star, folder: Path, rows: Mapping[str, int]) -> Path:
    """Write the extract of a star from what `copy_parts` wrote and counted; return its file.

    Raises `ShieldError` where the file does not hold it all; what the engine says is raised by
    `start_hyper`.
    """
    from tableauhyperapi import Connection, CreateMode

    path = folder / f"{star.file_name}.hyper"
    with Connection(process.endpoint, path, CreateMode.CREATE) as hyper:
        hyper.execute_command(f'CREATE SCHEMA "{SCHEMA}"')
        for part in star.parts:
            hyper.execute_command(render_table(star, part))
            fill_table(hyper, part, folder / f"{star.name}.{part.name}")
    check_extract(process, star, path, rows)
    path.chmod(0o644)
    return path


def fill_table(hyper: "Connection", part: Part, folder: Path) -> None:
    """Fill a table from a folder of Parquet, file by file; each is removed."""
    fields = list(part.fields)
    if part.point:
        fields.append(f"tableau.geo_make_point({part.point.latitude}, {part.point.longitude})")
    insert = f"INSERT INTO {name_table(part)} SELECT {', '.join(fields)}"
    for file in sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name)):
        source = f"external({quote_text(str(file))}, FORMAT => 'parquet')"
        hyper.execute_command(f"{insert} FROM {source}")
        file.unlink()


def check_extract(process: "HyperProcess", star: Star, path: Path, rows: Mapping[str, int]) -> None:
    """Read a finished extract in full: on a disk that is full, the engine writes none without a word.

    Raises `ShieldError` where it cannot be read, or a table has other than its rows.
    """
    from tableauhyperapi import Connection, HyperException

    try:
        with Connection(process.endpoint, path) as hyper:
            for part in star.parts:
                values = ", ".join(f"max(CAST({name} AS text))" for name in part.fields)
                sql = f"SELECT count(*), {values} FROM {name_table(part)}"
                found = hyper.execute_list_query(sql)[0][0]
                if found != rows[part.name]:
                    told = f"expected {rows[part.name]:,} rows of {part.name}, found {found:,}"
                    raise ShieldError(f"{path.name}: {told}")
    except HyperException as error:
        raise ShieldError(
            f"{path.name} is not whole once it is written, perhaps since the disk is full: "
            f"{error.main_message}"
        ) from error


def name_table(part: Part) -> str:
    """Return the name of a part's table in SQL."""
    return f'"{SCHEMA}"."{part.name}"'


def render_table(star: Star, part: Part) -> str:
    """Return the statement that creates a part's table, with the keys that the build's audit checked.

    The engine does not check keys, hence "assumed"; Tableau derives the relationships from them.
    """
    parents = {other.name: other for other in star.parts}
    lines = [
        f"{name} {HYPER_TYPES[column.type]}{'' if column.nullable else ' NOT NULL'}"
        for name, column in part.fields.items()
    ]
    if part.point:
        lines.append(f"{part.point.name} tableau.tabgeography")
    lines.append(f"ASSUMED PRIMARY KEY ({', '.join(part.key)})")
    for found in star.relationships:
        if found.child == part.name:
            parent = parents[found.parent]
            lines.append(
                f"ASSUMED FOREIGN KEY ({', '.join(found.child_fields)})"
                f" REFERENCES {name_table(parent)} ({', '.join(parent.key)})"
            )
    return f"CREATE TABLE {name_table(part)} ({', '.join(lines)})"
