"""The cleaning pipeline: raw files to clean tables, in one pass over each.

Input: raw files and a build. Output: `offense`, `raw_file`, `rejected_incident`,
`repaired_incident`, `calendar`, `holiday`, `incident`, `neighborhood`, `feed_health`,
`report_delay`, with polygons `boundary`, and with census facts `demographic_area`, `area_measure`
and `area_member`, filled.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from etl.boundaries import load_boundaries, name_neighborhoods
from etl.boundary_shapes import fill_boundaries
from etl.city import City
from etl.clock_checks import check_clock
from etl.coverage import describe_gaps, find_covered_days
from etl.demographics import fill_demographics, load_demographics
from etl.districts import check_districts
from etl.feed_health import fill_health
from etl.holiday import fill_holidays
from etl.input_checks import check_input, list_lost_offenses, list_points, list_unread
from etl.ledger import fill_ledger
from etl.neighborhoods import create_centers, fill_neighborhoods
from etl.raw_file import RawFile, inspect_files
from etl.repairs import create_repaired
from etl.rules import Rule, apply_rules, list_rules
from etl.staging import stage_files
from etl.stopped_zones import list_stopped_zones
from warehouse import settings
from warehouse.build import Build
from warehouse.columns import CLEANINGS, STRICT
from warehouse.errors import ShieldError
from warehouse.table import quote_text
from warehouse.tables_clean import CALENDAR_TABLE, INCIDENT_TABLE, OFFENSE_TABLE

INCIDENT_SELECT = """
SELECT
    report_number || '-' || nibrs_code AS incident_id,
    report_number,
    occurred AS occurred_at,
    until AS occurred_until,
    reported_at,
    neighborhood, npu, zone, beat, nibrs_code,
    offense, offense_category, offense_group, crime_against, location_type, firearm_involved,
    time_of_day(hour(occurred)) AS time_of_day,
    patrol_type,
    if(is_hidden, place_center.latitude, round(repaired.latitude, 3)) AS latitude,
    if(is_hidden, place_center.longitude, round(repaired.longitude, 3)) AS longitude,
    raw_name.raw_file
FROM (SELECT *, report_number IN (FROM hidden_report) AS is_hidden FROM repaired) AS repaired
     JOIN offense USING (nibrs_code) JOIN raw_name USING (file_number)
     LEFT JOIN place_center USING (neighborhood)
"""

CALENDAR_SELECT = """
WITH wall_clock AS (
    SELECT calendar_date, hour,
           calendar_date + to_hours(hour) AS local, timezone($zone, local) AS moment,
           CASE WHEN timezone($zone, moment) <> local THEN 'spring'
                WHEN local IN (timezone($zone, moment - INTERVAL 1 HOUR),
                               timezone($zone, moment + INTERVAL 1 HOUR)) THEN 'autumn' END AS change
    FROM covered_day CROSS JOIN range(24) AS hours(hour)
)
SELECT calendar_date, month(calendar_date)::INTEGER AS month,
       isodow(calendar_date)::INTEGER AS iso_weekday, coalesce(min(change), 'none') AS clock_change,
       (min(hour) FILTER (change IS NOT NULL))::INTEGER AS changed_hour
FROM wall_clock GROUP BY calendar_date ORDER BY calendar_date
"""


@dataclass(frozen=True)
class CleanSummary:
    """What cleaning did, for the console and for `refresh_run`.

    `failed_checks` are reasons not to publish; `warnings` refuse nothing, each is there once.
    """

    is_synthetic: bool
    cutoff: dt.date
    rows_in: int
    rows_kept: int
    warnings: tuple[str, ...]
    failed_checks: tuple[str, ...]


def clean_files(
    build: Build,
    paths: Sequence[Path],
    city: City,
    first: dt.date | None = None,
    last: dt.date | None = None,
    boundaries: Path | None = None,
    cleaning: str = CLEANINGS[0],
    demographics: Path | None = None,
) -> CleanSummary:
    """Fill the clean tables of `build` from raw files.

    `first` and `last` (inclusive, local days) narrow the coverage of the files; `boundaries` is a
    GeoJSON file of neighborhood polygons; `cleaning` (`CLEANINGS`) says which rows count;
    `demographics` is a file of census facts (`etl.demographics`). Raises
    `ShieldError` naming the file for one that cannot be used, when no incident is left, and for
    strict cleaning in a city without critical fields.
    """
    if cleaning == STRICT and not city.critical_fields:
        raise ShieldError(
            f"strict cleaning: expected critical_fields in the file of {city.name}, found none"
        )
    connection = build.connection
    files = inspect_files(paths, city)
    check_districts(files, city)
    polygons = load_boundaries(boundaries, city) if boundaries else None
    areas = load_demographics(demographics, city) if demographics else ()
    fill_offenses(build)
    stage_files(connection, files, city, build.path.with_name(f"{build.path.name}.clean.csv"))
    name_neighborhoods(connection, city, polygons)
    find_covered_days(connection, files, first, last)
    rules = list_rules(city, cleaning)
    apply_rules(connection, files, rules, city)
    is_synthetic = any(file.layout.is_synthetic for file in files)
    build.data_source = settings.SIMULATED if is_synthetic else city.publisher
    cutoff: dt.date = build.fetch_value("SELECT max(calendar_date) FROM covered_day")
    create_repaired(connection, files, city, cutoff.isoformat())
    failed_checks = run_checks(connection, files, city, rules, first, last)
    refuse_empty(build, files, failed_checks)
    fill_ledger(build, files, rules)
    build.insert(CALENDAR_TABLE, CALENDAR_SELECT.replace("$zone", quote_text(city.time_zone.key)))
    fill_holidays(build, city.holidays, cutoff)
    kept = fill_incidents(build, files)
    fill_neighborhoods(build, cutoff)
    if polygons is not None:
        fill_boundaries(build, polygons)
    return CleanSummary(
        is_synthetic=is_synthetic,
        cutoff=cutoff,
        rows_in=int(build.fetch_value("SELECT sum(rows_in)::BIGINT FROM raw_file")),
        rows_kept=kept,
        warnings=(
            *describe_gaps(connection),
            *list_unread(connection, files, city),
            *list_points(connection, files, settings.WARN_POINT_SHARE, settings.MAX_POINT_SHARE),
            *list_stopped_zones(connection, city),
            *list_lost_offenses(connection, first, last),
            *fill_health(build, files),
            *(fill_demographics(build, areas, city) if areas else ()),
        ),
        failed_checks=failed_checks,
    )


def fill_offenses(build: Build) -> None:
    """Fill `offense` from the committed reference table."""
    path = quote_text(str(settings.REFERENCE_DIR / "offense.csv"))
    types = ", ".join(f"'{c.name}': '{c.type}'" for c in OFFENSE_TABLE.columns)
    build.insert(OFFENSE_TABLE, f"SELECT * FROM read_csv({path}, header = true, columns = {{{types}}})")


def run_checks(
    connection: duckdb.DuckDBPyConnection, files: list[RawFile], city: City, rules: list[Rule],
    first: dt.date | None, last: dt.date | None,
) -> tuple[str, ...]:  # fmt: skip
    """Return a sentence per quality check that fails: every reason not to publish."""
    clocks = (
        f"{file.path.name}: {finding}"
        for file in files
        for finding in check_clock(connection, file, city)
    )
    return (*clocks, *check_input(connection, files, city, rules, first, last))


def refuse_empty(build: Build, files: list[RawFile], failed_checks: tuple[str, ...]) -> None:
    """Raise `ShieldError` with the rule that hit most, and every failed check, when no row is kept."""
    if build.fetch_value("SELECT count(*) FROM staged ANTI JOIN rejected USING (row_id)"):
        return
    worst = build.connection.execute(
        "SELECT rule, count(*) FROM rejected GROUP BY rule ORDER BY count(*) DESC, rule LIMIT 1"
    ).fetchone() or ("malformed_row", "all")
    raise ShieldError(
        f"no incident is left of {', '.join(file.path.name for file in files)}: "
        f"most rows fall to rule {worst[0]} ({worst[1]} rows); {'; '.join(failed_checks)}"
    )


def fill_incidents(build: Build, files: list[RawFile]) -> int:
    """Fill `incident` from the rows that are kept and return how many there are."""
    names = pd.DataFrame({"file_number": [file.number for file in files],
                          "raw_file": [file.path.name for file in files]})  # fmt: skip
    build.connection.register("raw_name", names)
    create_centers(build.connection)
    count = build.insert(INCIDENT_TABLE, INCIDENT_SELECT)
    build.connection.unregister("raw_name")
    return count
