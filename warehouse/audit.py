"""The audit before publishing: does a build hold what `warehouse.schema` declares?

Enters: a filled build. Leaves: a list of findings, each naming table, column and count; empty means
that types, nulls, ranges, allowed values, keys and references hold, that the forecast grid is
complete, and that sums reconcile.
"""

from collections.abc import Iterator

from warehouse.build import Build
from warehouse.errors import SchemaError
from warehouse.schema import TABLES
from warehouse.table import Column, Table, quote_text

RELATIVE_TOLERANCE = 1e-9
"""Sums of doubles reconcile to this share of the larger side."""

COUNTING_MARTS = {
    "mart_yearly_trend": "count(*)",
    "mart_neighborhood_density": "count(*)",
    "mart_zone_distribution": "if(count(zone) = 0, 0, count(*))",
    "mart_time_of_day": "count(*)",
}
"""Marts in which every incident is counted once, and how many they are: none where no zone is."""

RECONCILIATIONS = {
    "forecast_hourly is not complete: a cell of neighborhood x month x hour is missing": """
        SELECT (SELECT count(*) FROM neighborhood) * 12 * 24
             - (SELECT count(*) FROM forecast_hourly)""",
    "average_daily is not complete: a cell of neighborhood x month is missing": """
        SELECT (SELECT count(*) FROM neighborhood) * 12 - (SELECT count(*) FROM average_daily)""",
    "forecast_hourly_weekday is not complete": """
        SELECT (SELECT count(*) FROM neighborhood) * 12 * 7 * 24
             - (SELECT count(*) FROM forecast_hourly_weekday)""",
    "forecast_hourly is not the mean of its weekdays": f"""
        SELECT count(*) FROM forecast_hourly JOIN (
            SELECT neighborhood, month, hour,
                   sum(expected_crimes * exposure_days) / sum(exposure_days) AS mean
            FROM forecast_hourly_weekday GROUP BY ALL
        ) USING (neighborhood, month, hour)
        WHERE abs(expected_crimes - mean) > {RELATIVE_TOLERANCE} * greatest(expected_crimes, mean)""",
    "forecast_category has a cell without its first rank, or with more than its crimes": f"""
        SELECT count(*) FROM forecast_hourly LEFT JOIN (
            SELECT neighborhood, month, hour, sum(expected_crimes) AS top
            FROM forecast_category GROUP BY ALL
        ) USING (neighborhood, month, hour)
        WHERE top IS NULL OR top > expected_crimes * (1 + {RELATIVE_TOLERANCE})""",
    "mart_forecast_hourly does not have the rows of forecast_hourly": """
        SELECT (SELECT count(*) FROM mart_forecast_hourly)
             - (SELECT count(*) FROM forecast_hourly)""",
    "expected_daily_crimes is not the sum of its hours": f"""
        SELECT count(*) FROM average_daily JOIN (
            SELECT neighborhood, month, sum(expected_crimes) AS hours
            FROM forecast_hourly GROUP BY ALL
        ) USING (neighborhood, month)
        WHERE abs(expected_daily_crimes - hours)
            > {RELATIVE_TOLERANCE} * greatest(expected_daily_crimes, hours)""",
    "an interval of average_daily ends before it begins, or 80 % reaches beyond 95 %": """
        SELECT count(*) FROM average_daily
        WHERE month_lower_80 > month_upper_80 OR day_lower_80 > day_upper_80
           OR month_lower_95 > month_lower_80 OR month_upper_95 < month_upper_80""",
    "patrol shares do not add up to 1": f"""
        SELECT count(*) FROM forecast_hourly
        WHERE abs(patrol_share_foot + patrol_share_bicycle + patrol_share_motorcycle
                  + patrol_share_vehicle - 1) > {RELATIVE_TOLERANCE}""",
    "rows_in is not rows_kept + rows_rejected": """
        SELECT count(*) FROM raw_file WHERE rows_in <> rows_kept + rows_rejected""",
    "rejected_incident does not add up to raw_file.rows_rejected": """
        SELECT count(*) FROM raw_file JOIN (
            SELECT raw_file, sum(row_count) AS rejected FROM rejected_incident GROUP BY ALL
        ) USING (raw_file) WHERE rows_rejected <> rejected""",
    "incident does not have the rows that raw_file says were kept": """
        SELECT (SELECT sum(rows_kept) FROM raw_file) - (SELECT count(*) FROM incident)""",
    "neighborhood.incident_count does not add up to incident": """
        SELECT (SELECT sum(incident_count) FROM neighborhood) - (SELECT count(*) FROM incident)""",
    "an incident lies on a day that is not in calendar": """
        SELECT count(*) FROM incident
        ANTI JOIN calendar ON calendar_date = occurred_at::DATE""",
    "mart_patrol_plan does not add up to average_daily": f"""
        SELECT count(*) FROM average_daily JOIN (
            SELECT neighborhood, month, sum(expected_daily_crimes) AS planned
            FROM mart_patrol_plan GROUP BY ALL
        ) USING (neighborhood, month)
        WHERE abs(expected_daily_crimes - planned)
            > {RELATIVE_TOLERANCE} * greatest(expected_daily_crimes, planned)""",
    **{
        f"{mart}.incident_count does not add up to incident": f"""
        SELECT (SELECT coalesce(sum(incident_count), 0) FROM {mart}) - (SELECT {count} FROM incident)"""
        for mart, count in COUNTING_MARTS.items()
    },
    "refresh_run is not one row": "SELECT count(*) - 1 FROM refresh_run",
}


def audit_build(build: Build) -> None:
    """Raise `SchemaError` with every finding, or return if there is none."""
    check_tables(build)
    findings = [finding for table in TABLES for finding in check_table(build, table)]
    for finding, select in RECONCILIATIONS.items():
        off = build.fetch_value(select)
        if off:
            findings.append(f"{finding} ({off})")
    if findings:
        raise SchemaError("the build is not fit to publish:\n  " + "\n  ".join(findings))


def check_tables(build: Build) -> None:
    """Raise `SchemaError` naming the tables and views that a build lacks, as an older one may."""
    found = build.connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
    lacking = {table.name for table in TABLES} - {name for (name,) in found}
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
