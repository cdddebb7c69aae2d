"""What changed between two builds: the table `build_change`, and `python -m warehouse diff`.

Input: two builds, attached under a name each. Output: one SELECT over both, the same for the table and
for the command.
"""

from pathlib import Path

from warehouse.build import Build
from warehouse.errors import ShieldError, name_build_file
from warehouse.history import check_hash
from warehouse.pointer import find_pointer
from warehouse.read import attach_build, connect_builds
from warehouse.records import list_builds
from warehouse.table import differ, quote_text
from warehouse.tables_lineage import BUILD_CHANGE_TABLE

BEFORE = "build_before"
"""The name under which the earlier build is attached."""

# Each side of the comparison: one value per subject and item. A backtest moves its origin along with
# the data, so scores are compared at each build's newest origin.
VALUES_SELECT = """
SELECT 'rows by raw file' AS subject, format('{{}}, SHA-256 {{}}…', raw_file, left(sha256, 8)) AS item,
       rows_in::DOUBLE AS value
FROM {name}.raw_file
UNION ALL
SELECT 'incidents by month', strftime(occurred_at, '%Y-%m'), count(*)
FROM {name}.incident GROUP BY ALL
UNION ALL
SELECT 'forecast by neighborhood', neighborhood, sum(expected_month_crimes)
FROM {name}.average_daily GROUP BY ALL
UNION ALL
SELECT 'forecast by month', strftime(forecast_month, '%Y-%m'), expected_month_crimes
FROM {name}.forecast_city
UNION ALL
SELECT 'forecast by category', offense_category,
       sum(expected_crimes * day(last_day(forecast_month)))
FROM {name}.forecast_category GROUP BY ALL
UNION ALL
SELECT 'hours by suggested patrol', suggested_patrol, count(*)
FROM {name}.forecast_hourly GROUP BY ALL
UNION ALL
SELECT 'backtest score',
       concat_ws(', ', model, metric, grain, nullif(subset, 'all'), horizon_months || ' months'),
       arg_max(value, origin)
FROM {name}.backtest_score GROUP BY ALL
"""

SAME_FEED_SELECT = f"""
SELECT count(*) FROM {BEFORE}.refresh_run
WHERE city = $city AND source_kind = $source_kind AND cleaning = $cleaning
  AND (source_kind = 'portal' OR EXISTS (FROM raw_file JOIN {BEFORE}.raw_file AS old USING (raw_file)))
"""


def render_changes(before: str, after: str) -> str:
    """Return the SELECT of what differs between two attached builds.

    One row per `subject` and `item`; a value is NULL in a build that does not have the item. What
    rounding explains is no change.
    """
    return f"""
        SELECT subject, item, before.value AS value_before, after.value AS value_after
        FROM ({VALUES_SELECT.format(name=before)}) AS before
        FULL JOIN ({VALUES_SELECT.format(name=after)}) AS after USING (subject, item)
        WHERE before.value IS DISTINCT FROM after.value
          AND coalesce({differ("before.value", "after.value")}, true)
        ORDER BY subject, item"""


def find_last_build(
    build: Build, builds: Path, city: str, source_kind: str, cleaning: str
) -> tuple[Path | None, list[str]]:
    """Return the last published build of the same feed, None for a first one, and warnings.

    The same feed is the same city, the same kind of source, the same cleaning and, but for the portal
    whose snapshots are named by their time, at least one raw file of the same name. The kind alone would
    not do: `files` may be any files, a simulated sample has any size. Nor would all names: a forgotten
    file would then pass for another feed. Whoever names each month's file anew is compared with nothing.
    Builds newer than the current one were rolled back from and do not count; neither does one that is
    damaged or does not tell its feed, which is a warning. `build` must hold its `raw_file`.
    """
    current = find_pointer(builds)
    if current is None:
        return None, []
    warnings = []
    for path in reversed(list_builds(builds)):
        if path.name > current.file:
            continue
        try:
            check_hash(path)
            is_same = is_same_feed(build, path, city, source_kind, cleaning)
        except ShieldError as error:
            warnings.append(f"not compared with a build: {error}")
            continue
        if is_same:
            return path, warnings
    if not warnings:
        warnings.append(
            f"the published build {current.build_id}, cutoff {current.cutoff}, is of other files, or was"
            " cleaned otherwise: this one takes its place and is compared with nothing"
        )
    return None, warnings


def is_same_feed(build: Build, path: Path, city: str, source_kind: str, cleaning: str) -> bool:
    """Return whether a finished build is of the feed of `build`, which must hold its `raw_file`.

    Raises `NoBuildError` for a build that does not tell: another version made it.
    """
    with name_build_file(path), attach_build(build.connection, path, BEFORE):
        same = build.connection.execute(
            SAME_FEED_SELECT, {"city": city, "source_kind": source_kind, "cleaning": cleaning}
        )
        return same.fetchone() != (0,)


def fill_changes(build: Build, last_build_id: str) -> int:
    """Fill `build_change` against the build attached as `BEFORE`; return the number of rows.

    Raises `duckdb.Error` where that build lacks what is compared.
    """
    changes = render_changes(BEFORE, "build")
    return build.insert(
        BUILD_CHANGE_TABLE,
        f"SELECT *, {quote_text(last_build_id)} AS compared_build_id FROM ({changes})",
    )


def list_changes(before: Path, after: Path) -> list[tuple[object, ...]]:
    """Return what differs between two finished builds: subject, item, before and after.

    Raises `ShieldError` where one of them cannot be read.
    """
    with connect_builds(**{BEFORE: before, "build_after": after}) as connection:
        return connection.execute(render_changes(BEFORE, "build_after")).fetchall()
