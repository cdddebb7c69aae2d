"""A plan as files: a DuckDB file, each of its tables as CSV and Parquet, and two charts.

Input: a folder of builds, a request and a folder. Output: `plan.duckdb`, the files of its tables, charts
and `manifest.json`, complete or not at all.
"""

from pathlib import Path

import duckdb

from planner.plan import Plan, make_plan
from planner.plan_charts import CHARTS
from planner.request import Request
from warehouse.audit import audit_build
from warehouse.build import open_build
from warehouse.dictionary import write_comments
from warehouse.export import replace_export, write_table
from warehouse.files import hash_file
from warehouse.pointer import PublishedBuild
from warehouse.schema import PLAN_TABLES

FILE = "plan.duckdb"
KIND = "plan"
"""What the manifest calls the files of a plan."""


def write_plan(builds: Path, request: Request, out: Path) -> Plan:
    """Make the plan of the published build, replace the folder `out` by its files, and return it.

    Raises `ShieldError` as `make_plan`, and as `warehouse.export.replace_export` does where `out` holds
    something else; `OSError` where it cannot be written to.
    """
    made: list[Plan] = []

    def write(
        published: PublishedBuild, connection: duckdb.DuckDBPyConnection, folder: Path
    ) -> dict[str, object]:
        made.append(make_plan(connection, published, request))
        return {KIND: write_files(made[0], folder)}

    replace_export(builds, out, KIND, write)
    return made[0]


def write_files(plan: Plan, folder: Path) -> dict[str, object]:
    """Write the files of a plan into a folder and return the manifest's entries.

    Raises `SchemaError` where its tables are not what `warehouse.schema` declares.
    """
    entries: dict[str, object] = {}
    with open_build(plan.plan_id, folder / FILE, PLAN_TABLES) as build:
        build.data_source = plan.data_source
        for table in PLAN_TABLES:
            build.insert_frame(table, plan[table])
        audit_build(build, PLAN_TABLES)
        write_comments(build, PLAN_TABLES)
        for table in PLAN_TABLES:
            entries[table.name] = write_table(build.connection, table, folder)
    entries[FILE] = {"sha256": {FILE: hash_file(folder / FILE)}}
    for name, make_figure in CHARTS.items():
        path = folder / f"{name}.png"
        make_figure(plan).savefig(path)
        entries[path.name] = {"sha256": {path.name: hash_file(path)}}
    return entries
