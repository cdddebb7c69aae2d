"""The report of a cleaning, in words for the console.

Input: a build whose clean tables were just filled, and its `repaired`. Output: lines of
text; no detail of any person or place but names of neighborhoods and places of rows in their files.
"""

from collections.abc import Iterator

from etl.city import MAY_LACK
from etl.neighborhoods import RECENT_DAYS
from etl.rules import list_unmapped
from warehouse.build import Build
from warehouse.settings import MAX_MISSING_SHARE
from warehouse.tables_clean import INCIDENT_TABLE

MAX_NAMED_OFFENSES = 5
MIN_OTHER_ZONE_SHARE = 0.25
MIN_OTHER_ZONE_INCIDENTS = 100
MAX_NAMED_NEIGHBORHOODS = 5
"""Neighborhoods are named from this share in other zones and this many incidents on, at most so many."""

MAX_NAMED_SPELLINGS = 5
"""At most so many spellings that were merged are named, those of most incidents."""


def describe_cleaning(build: Build) -> Iterator[str]:
    """Yield the ledger as a table, then codes that are missing, repairs, names, columns and places."""
    yield from describe_rejections(build)
    yield from describe_unmapped(build)
    yield from describe_repairs(build)
    yield from describe_gaps(build)
    yield from describe_names(build)
    yield from describe_columns(build)
    yield from describe_polygons(build)
    yield from describe_zones(build)


def describe_rejections(build: Build) -> Iterator[str]:
    """Yield one line per rule that rejected rows, with the first example."""
    rules = build.connection.execute("""
        SELECT rule, sum(row_count),
               arg_min(raw_file || ' row ' || split_part(example_rows, ',', 1), raw_file)
                   FILTER (row_count > 0)
        FROM rejected_incident GROUP BY rule HAVING sum(row_count) > 0 ORDER BY min(rule_order)
    """).fetchall()
    for rule, rows, example in rules:
        yield f"  rejected {rows:>9,}  {rule:<22} e.g. {example}"


def describe_unmapped(build: Build) -> Iterator[str]:
    """Yield the commonest offenses that the layouts give no NIBRS code."""
    unmapped = list_unmapped(build.connection)
    if unmapped:
        named = ", ".join(f"{literal!r} {rows:,}" for literal, rows in unmapped[:MAX_NAMED_OFFENSES])
        yield f"  no NIBRS code for {len(unmapped)} offenses, most often {named}"


def describe_repairs(build: Build) -> Iterator[str]:
    """Yield one line per repair that was needed."""
    repairs = build.connection.execute("""
        SELECT repair, sum(row_count) FROM repaired_incident
        GROUP BY repair HAVING sum(row_count) > 0 ORDER BY repair""").fetchall()
    for repair, rows in repairs:
        yield f"  repaired {rows:>9,}  {repair}"


def describe_gaps(build: Build) -> Iterator[str]:
    """Yield one line per field that incidents lack, in files that tell it of others."""
    for field in (field for field in MAY_LACK if field in INCIDENT_TABLE.column_names):
        lacking = build.fetch_value(f"""
            SELECT coalesce(sum(lacking), 0) FROM (
                SELECT count(*) - count({field}) AS lacking FROM incident
                GROUP BY raw_file HAVING count({field}) > 0)""")
        if lacking:
            yield f"  missing  {lacking:>9,}  {field} (NULL; the incident counts)"


def describe_names(build: Build) -> Iterator[str]:
    """Yield one line per neighborhood's spelling that was replaced in most incidents."""
    spellings = build.connection.execute(f"""
        SELECT raw_neighborhood, neighborhood, count(*) AS rows
        FROM repaired WHERE neighborhood_renamed
        GROUP BY ALL ORDER BY rows DESC, raw_neighborhood LIMIT {MAX_NAMED_SPELLINGS}""").fetchall()
    for raw_name, name, rows in spellings:
        yield f"  renamed  {rows:>9,}  {raw_name!r} is {name!r}"


def describe_columns(build: Build) -> Iterator[str]:
    """Yield one line per file of which columns were left out."""
    files = build.connection.execute("""
        SELECT raw_file, columns_left_out FROM raw_file
        WHERE columns_left_out <> '' ORDER BY raw_file""").fetchall()
    for raw_file, columns in files:
        yield f"  left out, over {100 * MAX_MISSING_SHARE:g} % missing: {raw_file}: {columns}"


def describe_polygons(build: Build) -> Iterator[str]:
    """Yield how many neighborhoods come from polygons, and how often these contradict a given one."""
    inside, against, recovered, kept = build.connection.execute("""
        SELECT sum(rows_in_polygon), sum(rows_polygon_disagrees),
               (SELECT sum(row_count) FROM repaired_incident WHERE repair = 'neighborhood_recovered'),
               sum(rows_kept)
        FROM raw_file""").fetchall()[0]
    if inside:
        yield (
            f"  polygons: {recovered / kept:.1%} of incidents got their neighborhood from one; "
            f"{against / inside:.1%} of rows were given another than their polygon's"
        )


def describe_zones(build: Build) -> Iterator[str]:
    """Yield the share of recent incidents in another zone, and the neighborhoods where it is high."""
    share = build.fetch_value(f"""
        SELECT avg((incident.zone <> neighborhood.zone)::INTEGER)
        FROM incident JOIN neighborhood USING (neighborhood)
        WHERE occurred_at::DATE > (SELECT max(calendar_date) - {RECENT_DAYS} FROM calendar)""")
    places = build.connection.execute(f"""
        SELECT neighborhood, other_zone_share FROM neighborhood
        WHERE other_zone_share >= {MIN_OTHER_ZONE_SHARE} AND incident_count >= {MIN_OTHER_ZONE_INCIDENTS}
        ORDER BY other_zone_share DESC, neighborhood LIMIT {MAX_NAMED_NEIGHBORHOODS}""").fetchall()
    if share:
        named = ", ".join(f"{name} {part:.0%}" for name, part in places)
        yield (
            f"  zones: {share:.1%} of recent incidents lie in another zone than their neighborhood"
            + (f" (most: {named})" if named else "")
        )
