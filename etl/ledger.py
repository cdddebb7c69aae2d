"""The ledger: every raw row is either an incident or counted once under the rule that rejected it.

Input: `staged`, `rejected`, `repaired` and what was noted of each file. Output: `raw_file`,
`rejected_incident` and `repaired_incident`.
"""

from collections.abc import Sequence

import pandas as pd

from etl.dirty_csv import MAX_EXAMPLES
from etl.raw_file import RawFile
from etl.repairs import REPAIRS
from etl.rules import MALFORMED, Rule
from warehouse.build import Build
from warehouse.tables_clean import RAW_FILE_TABLE, REJECTED_INCIDENT_TABLE, REPAIRED_INCIDENT_TABLE

COUNTS = f"""
SELECT file_number, rule, count(*) AS rows,
       list_slice(list(row_number ORDER BY row_number), 1, {MAX_EXAMPLES}) AS examples
FROM staged JOIN rejected USING (row_id) GROUP BY ALL
"""


def fill_ledger(build: Build, files: list[RawFile], rules: list[Rule]) -> None:
    """Fill the three tables; kept and rejected rows add up to the rows that were read."""
    counts = {
        (number, rule): (int(rows), examples)
        for number, rule, rows, examples in build.connection.execute(COUNTS).fetchall()
    }
    for file in files:
        counts[file.number, MALFORMED] = (file.rows_malformed, file.malformed_examples)
    entries = [
        {
            "raw_file": file.path.name,
            "rule": rule.name,
            "rule_description": rule.description,
            "rule_order": order,
            "row_count": counts.get((file.number, rule.name), (0, ()))[0],
            "example_rows": list_examples(counts.get((file.number, rule.name), (0, ()))[1]),
        }
        for file in files
        for order, rule in enumerate(rules, start=1)
        if rule.applies_to(file)
    ]
    fill_raw_files(build, files, pd.DataFrame(entries))
    build.insert_frame(REJECTED_INCIDENT_TABLE, pd.DataFrame(entries))
    fill_repairs(build, files)


def list_examples(rows: Sequence[int]) -> str | None:
    """Return row numbers as text, None where there is none."""
    return ", ".join(str(row) for row in rows) or None


def fill_raw_files(build: Build, files: list[RawFile], entries: pd.DataFrame) -> None:
    """Fill `raw_file`: what is known of each file beside what happened to its rows."""
    facts = pd.DataFrame(
        {
            "file_number": file.number,
            "raw_file": file.path.name,
            "layout": file.layout.name,
            "sha256": file.sha256,
            "rows_malformed": file.rows_malformed,
            "rows_rejected": int(entries.loc[entries["raw_file"] == file.path.name, "row_count"].sum()),
            "columns_left_out": describe_left_out(file),
        }
        for file in files
    )
    build.connection.register("file_facts", facts)
    build.insert(
        RAW_FILE_TABLE,
        """
        WITH read AS (
            SELECT file_number, count(*) AS rows_read, count(polygon_neighborhood) AS found,
                   count(*) FILTER (polygon_neighborhood <> neighborhood) AS disagreeing
            FROM staged GROUP BY ALL
        ), kept AS (SELECT file_number, count(*) AS rows_kept FROM repaired GROUP BY ALL)
        SELECT file_facts.* EXCLUDE (file_number, rows_malformed),
               rows_malformed + coalesce(rows_read, 0) AS rows_in,
               coalesce(rows_kept, 0) AS rows_kept,
               coalesce(found, 0) AS rows_in_polygon,
               coalesce(disagreeing, 0) AS rows_polygon_disagrees
        FROM file_facts LEFT JOIN read USING (file_number) LEFT JOIN kept USING (file_number)""",
    )
    build.connection.unregister("file_facts")


def fill_repairs(build: Build, files: list[RawFile]) -> None:
    """Fill `repaired_incident`; a repair that was not needed stands with 0."""
    sums = ", ".join(f"count(*) FILTER ({repair.name})" for repair in REPAIRS)
    counted = {
        number: counts
        for number, *counts in build.connection.execute(
            f"SELECT file_number, {sums} FROM repaired GROUP BY ALL"
        ).fetchall()
    }
    build.insert_frame(
        REPAIRED_INCIDENT_TABLE,
        pd.DataFrame(
            {
                "raw_file": file.path.name,
                "repair": repair.name,
                "repair_description": repair.description,
                "row_count": counted.get(file.number, [0] * len(REPAIRS))[index],
            }
            for file in files
            for index, repair in enumerate(REPAIRS)
        ),
    )


def describe_left_out(file: RawFile) -> str:
    """Return the file's own names of the columns that were left out."""
    return ", ".join(file.layout.fields[field] for field in file.fields_left_out)
