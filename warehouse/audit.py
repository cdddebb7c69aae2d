"""The audit before publishing: does a build hold what `warehouse.schema` declares?

Input: a filled build. Output: a list of findings, each naming table, column and count; empty means
that types, nulls, ranges, allowed values, keys and references hold, that complete tables are, that
incidents are counted once, and that sums reconcile.
"""

from collections.abc import Iterator, Sequence

from warehouse.build import Build
from warehouse.errors import SchemaError
from warehouse.schema import TABLES
from warehouse.table import Column, Reconciliation, Table, quote_text


def audit_build(build: Build, tables: Sequence[Table] = TABLES) -> None:
    """Raise `SchemaError` with every finding, or return if there is none."""
    check_tables(build, tables)
    findings = [finding for table in tables for finding in check_table(build, table)]
    for table in tables:
        for check in list_reconciliations(table):
            off = build.fetch_value(check.select)
            if off:
                findings.append(f"{check.finding} ({off})")
    if findings:
        raise SchemaError("the build is not fit to publish:\n  " + "\n  ".join(findings))


def check_tables(build: Build, tables: Sequence[Table] = TABLES) -> None:
    """Raise `SchemaError` naming the tables and views that a build lacks, as an older one may."""
    found = build.connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
    lacking = {table.name for table in tables} - {name for (name,) in found}
    if lacking:
        raise SchemaError(
            f"the build lacks {', '.join(sorted(lacking))}: another version of ATLShield made it"
        )


def check_table(build: Build, table: Table) -> Iterator[str]:
    """Yield what differs between one table and its declaration."""
    described = build.connection.execute(f"DESCRIBE {table.name}").fetchall()
    types = {str(row[0]): str(row[1]) for row in described}
    declared = {column.name: column.type for column in table.columns}
    if types != declared:
        yield f"{table.name}: columns are {types}, declared {declared}"
        return
    checks = {
        f"{table.name}.{column.name}: {what}": condition
        for column in table.columns
        for what, condition in list_conditions(column)
    }
    key = ", ".join(table.key)
    checks[f"{table.name}: key ({key}) is not unique"] = ""
    counts = [f"count(*) FILTER ({c})" if c else f"count(*) - count(DISTINCT ({key}))"
              for c in checks.values()]  # fmt: skip
    row = build.connection.execute(f"SELECT {', '.join(counts)} FROM {table.name}").fetchone()
    for what, count in zip(checks, row or (), strict=True):
        if count:
            yield f"{what} ({count} rows)"


def list_reconciliations(table: Table) -> Iterator[Reconciliation]:
    """Yield what must hold of a table as a whole: that it is complete, counts incidents, reconciles."""
    if table.is_complete:
        lacking = f"{table.row_count} - count(*)"
        yield Reconciliation(
            f"{table.name} is not complete: a cell of {' x '.join(table.key)} is missing",
            f"SELECT {f'if(count(*) = 0, 0, {lacking})' if table.empty_where else lacking}"
            f" FROM {table.name}",
        )
    if table.counts_incidents:
        yield Reconciliation(
            f"{table.name}.incident_count does not add up to incident",
            f"SELECT coalesce(sum(incident_count), 0)"
            f" - (SELECT count(*) FROM incident WHERE {table.counted_where}) FROM {table.name}",
        )
    yield from table.reconciliations


def list_conditions(column: Column) -> Iterator[tuple[str, str]]:
    """Yield what may not be, in words and as a SQL condition, for one column."""
    name = column.name
    if not column.nullable:
        yield "NULL", f"{name} IS NULL"
    if column.type == "DOUBLE":
        yield "not a finite number", f"NOT isfinite({name})"
    if column.minimum is not None:
        yield f"below {column.minimum:g}", f"{name} < {column.minimum}"
    if column.maximum is not None:
        yield f"above {column.maximum:g}", f"{name} > {column.maximum}"
    if column.allowed:
        values = ", ".join(quote_text(value) for value in column.allowed)
        yield f"not one of {', '.join(column.allowed)}", f"{name} NOT IN ({values})"
    if column.references:
        table, target = column.references.split(".")
        yield (
            f"not found in {column.references}",
            f"{name} IS NOT NULL AND {name} NOT IN (SELECT {target} FROM {table})",
        )
