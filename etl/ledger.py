"""The ledger: every raw row is either an incident or counted once under the rule that rejected it.

Enters: `ruled`, `collected` and what reading each file told. Leaves: `raw_file`, `rejected_incident`.
"""

import pandas as pd

from etl.reader import RawFile
from etl.rules import Rule
from warehouse.build import Build
from warehouse.schema import RAW_FILE_TABLE, REJECTED_INCIDENT_TABLE


def fill_ledger(build: Build, files: list[RawFile], rules: list[Rule]) -> None:
    """Fill `raw_file` and `rejected_incident`; the two add up to the rows that were read."""
    counts = build.connection.execute(
        "SELECT file_number, rule, count(*) FROM ruled GROUP BY ALL"
    ).fetchall()
    rejected = {(number, rule): rows for number, rule, rows in counts if rule is not None}
    read = {file.number: file.rows_malformed for file in files}
    for number, _, rows in counts:
        read[number] += rows
    ledger = pd.DataFrame(
        {
            "source": file.path.name,
            "rule": rule.name,
            "rule_description": rule.description,
            "rule_order": order,
            "rows": file.rows_malformed if rule.name == "malformed_row"
            else rejected.get((file.number, rule.name), 0),
        }
        for file in files
        for order, rule in enumerate(rules, start=1)
        if rule.applies_to(file)
    )  # fmt: skip
    facts = pd.DataFrame(
        {
            "source": file.path.name,
            "layout": file.layout.name,
            "sha256": file.sha256,
            "rows_in": read[file.number],
            "columns_left_out": describe_left_out(file),
        }
        for file in files
    )
    build.connection.register("ledger", ledger)
    build.connection.register("file_facts", facts)
    build.insert(
        RAW_FILE_TABLE,
        """
        WITH kept AS (
            SELECT source, count(*) AS rows_kept,
                   count(*) FILTER (NOT has_report_date) AS report_dates_replaced
            FROM collected GROUP BY ALL
        ), rejected AS (
            SELECT source, sum(rows)::BIGINT AS rows_rejected FROM ledger GROUP BY ALL
        )
        SELECT file_facts.*, rows_rejected,
               coalesce(rows_kept, 0) AS rows_kept,
               coalesce(report_dates_replaced, 0) AS report_dates_replaced
        FROM file_facts JOIN rejected USING (source) LEFT JOIN kept USING (source)""",
    )
    build.insert_frame(REJECTED_INCIDENT_TABLE, ledger)


def describe_left_out(file: RawFile) -> str:
    """Return the file's own names of the columns that were left out."""
    return ", ".join(file.layout.fields[field] for field in file.fields_left_out)
