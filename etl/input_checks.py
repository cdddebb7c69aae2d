"""Quality checks of the input: what files must hold for a forecast, whatever was published before.

Input: `staged`, `rejected`, `covered_day` and the raw files. Output: a sentence per limit of
`warehouse.settings` that is not met, with the numbers, examples and the likely cause.
"""

import datetime as dt
import re
from collections.abc import Iterator

import duckdb

from etl.city import BoundingBox, City
from etl.dirty_csv import MAX_EXAMPLES
from etl.raw_file import RawFile
from etl.rules import DUPLICATE, MALFORMED, MISSING_DATE, Rule, list_gaps
from etl.staging import read_texts
from warehouse import settings
from warehouse.table import quote_text

PRIVATE_FIELDS = {"latitude", "longitude"}
"""Of these only the form is shown, each digit as 9."""

RULE_FIELDS = {
    "missing_report_number": ("report_number",),
    MISSING_DATE: (
        "occurred",
        "occurred_year",
        "occurred_month",
        "occurred_day",
        "occurred_clock",
        "occurred_hour",
        "occurred_minute",
    ),
    "missing_zone": ("beat", "zone"),
    "missing_place": ("neighborhood", "latitude", "longitude"),
    "missing_neighborhood": ("neighborhood",),
    "missing_coordinates": ("latitude", "longitude"),
    "unknown_offense": ("nibrs_code", "offense_literal"),
    "outside_city": ("latitude", "longitude"),
    "outside_window": ("occurred", "reported"),
    DUPLICATE: ("report_number",),
}
"""The fields that show why a rule rejects."""

UNREAD_RULES = [MISSING_DATE, "missing_place", "unknown_offense", "outside_city"]
"""Rules that find what cannot be read or used: a warning before they fail a check."""

CAUSES = {
    MALFORMED: "another separator, another encoding, or a damaged file",
    "missing_report_number": "another column holds the number",
    MISSING_DATE: "datetime_formats of the layout do not fit",
    "missing_zone": "another column, or another city's",
    "missing_neighborhood": "another column holds the name, or polygons are needed (BOUNDARIES)",
    "missing_coordinates": "a decimal comma, or another column",
    "unknown_offense": "literals that offense_codes of the layout lacks",
    "outside_city": "another coordinate system, another city, or longitude and latitude exchanged",
    "outside_window": "day and month exchanged, or another file's dates",
    DUPLICATE: "numbers that a spreadsheet has shortened, or a column that is not the report's number",
}


def check_input(
    connection: duckdb.DuckDBPyConnection, files: list[RawFile], city: City, rules: list[Rule],
    first: dt.date | None, last: dt.date | None,
) -> Iterator[str]:  # fmt: skip
    """Yield a sentence per limit that a file, or all of them together, do not meet.

    Rows outside the days that were asked for (`first` to `last`) are neither kept nor lost.
    """
    limits = {rule.name: rule.max_share for rule in rules}
    for file in files:
        lost, kept = count_lost(connection, file, first, last, limits[MISSING_DATE])
        rows = sum(lost.values()) + kept
        for rule, count in lost.items():
            if count > limits[rule] * rows:
                yield (
                    f"{file.path.name}: {count:,} of {rows:,} rows fall to rule {rule}, more than"
                    f" {limits[rule]:.0%}{describe_cause(connection, file, city, rule)}"
                )
        yield from check_gaps(connection, file, city, rows)
        if kept < settings.MIN_KEPT_SHARE * rows:
            yield (
                f"{file.path.name}: {kept:,} of {rows:,} rows are kept, less than"
                f" {settings.MIN_KEPT_SHARE:.0%}"
            )
        if lost.get(DUPLICATE):
            yield from check_numbers(connection, file)
    yield from check_places(connection, files)
    yield from list_points(connection, files, settings.MAX_POINT_SHARE)
    yield from check_overlap(connection, files)
    incidents, days = connection.execute("""
        SELECT (SELECT count(*) FROM staged ANTI JOIN rejected USING (row_id)),
               (SELECT count(*) FROM covered_day)""").fetchall()[0]
    if incidents < settings.MIN_INCIDENTS or days < settings.MIN_DAYS:
        yield (
            f"{incidents:,} incidents on {days:,} days are left; a forecast needs"
            f" {settings.MIN_INCIDENTS:,} on {settings.MIN_DAYS:,}"
        )


NOT_ASKED = """coalesce(occurred::DATE < $first::DATE OR occurred::DATE > $last::DATE
    OR rule = 'outside_window' AND reported::DATE > $last::DATE, false)"""
"""Whether a row's days are not those that were asked for; those of a row without a date may be."""


def count_lost(
    connection: duckdb.DuckDBPyConnection, file: RawFile, first: dt.date | None,
    last: dt.date | None, max_undated: float,
) -> tuple[dict[str, int], int]:  # fmt: skip
    """Return a file's rows by the rule that rejected them, and how many are kept.

    Rows of days that were not asked for are neither; nor is as large a part of the rows without a date,
    where these are at most `max_undated` of the file: its dates are read right.
    A row that another file has too is kept: files may overlap on purpose. Duplicates are counted where
    there are more than a few.
    """
    counts = connection.execute(
        f"""
        SELECT coalesce(rule, ''), {NOT_ASKED} AS not_asked, count(*)
        FROM staged LEFT JOIN rejected USING (row_id) WHERE file_number = $number GROUP BY ALL""",
        {"number": file.number, "first": first, "last": last},
    ).fetchall()
    lost = {str(rule): int(count) for rule, not_asked, count in counts if not not_asked}
    undated = lost.pop(MISSING_DATE, 0)
    asked, others = sum(lost.values()), sum(count for _, not_asked, count in counts if not_asked)
    is_read = undated <= max_undated * (undated + asked + others)
    share = asked / (asked + others) if others and is_read else 1.0
    duplicates = lost.pop(DUPLICATE, 0)
    kept = lost.pop("", 0) + duplicates
    lost[MISSING_DATE] = round(undated * share)
    lost[MALFORMED] = round(file.rows_malformed * share)
    # So few fail no check, whichever file they repeat.
    if duplicates <= settings.MAX_REUSED_SHARE * kept:
        return lost, kept
    passed = int(connection.execute(
        f"""
        SELECT count(DISTINCT hash(report_number, nibrs_code))
        FROM staged LEFT JOIN rejected USING (row_id)
        WHERE file_number = $number AND coalesce(rule, 'duplicate') = 'duplicate'
          AND NOT {NOT_ASKED}""",
        {"number": file.number, "first": first, "last": last},
    ).fetchall()[0][0])  # fmt: skip
    return {**lost, DUPLICATE: kept - passed}, passed


def check_gaps(
    connection: duckdb.DuckDBPyConnection, file: RawFile, city: City, rows: int
) -> Iterator[str]:
    """Yield a sentence per gap that more of a file's `rows` have than it may.

    Rows that are kept count, and their duplicates.
    """
    for gap in list_gaps(city):
        condition = f"coalesce(rule, '{DUPLICATE}') = '{DUPLICATE}' AND ({gap.condition})"
        count = int(connection.execute(
            f"""SELECT count(*) FROM staged LEFT JOIN rejected USING (row_id)
            WHERE file_number = $number AND {condition}""", {"number": file.number},
        ).fetchall()[0][0])  # fmt: skip
        if gap.applies_to(file) and count > gap.max_share * rows:
            yield (
                f"{file.path.name}: {count:,} of {rows:,} rows have the gap {gap.name}, more than"
                f" {gap.max_share:.0%}{describe_cause(connection, file, city, gap.name, condition)}"
            )


def check_numbers(connection: duckdb.DuckDBPyConnection, file: RawFile) -> Iterator[str]:
    """Yield a sentence if report numbers of a file are used again on other days."""
    reused, rows = connection.execute(
        """
        SELECT count(DISTINCT hash(report_number, nibrs_code, occurred::DATE))
               - count(DISTINCT hash(report_number, nibrs_code)), count(*)
        FROM staged LEFT JOIN rejected USING (row_id)
        WHERE file_number = $number AND coalesce(rule, 'duplicate') = 'duplicate'""",
        {"number": file.number},
    ).fetchall()[0]
    if reused > settings.MAX_REUSED_SHARE * rows:
        yield (
            f"{file.path.name}: {reused:,} of {rows:,} rows have the report number and offense of a row"
            " of another day; likely cause: numbers that restart, or another column"
        )


def list_lost_offenses(
    connection: duckdb.DuckDBPyConnection, first: dt.date | None, last: dt.date | None
) -> list[str]:
    """Return a sentence per offense of which hardly a row is kept: a class of crime that vanishes.

    Rows of days that were not asked for are neither kept nor lost.
    """
    rows = connection.execute(
        f"""
        WITH counted AS (
            SELECT offense, rule, count(*) AS rows
            FROM staged JOIN offense USING (nibrs_code) LEFT JOIN rejected USING (row_id)
            WHERE NOT {NOT_ASKED} GROUP BY ALL
        )
        SELECT offense, sum(rows)::BIGINT AS total,
               coalesce(sum(rows) FILTER (rule IS NULL), 0)::BIGINT AS kept,
               first(rule ORDER BY rows DESC, rule) FILTER (rule IS NOT NULL)
        FROM counted GROUP BY offense HAVING total >= $least AND kept < $share * total
        ORDER BY total DESC, offense""",
        {
            "least": settings.WARN_OFFENSE_ROWS,
            "share": settings.WARN_OFFENSE_SHARE,
            "first": first,
            "last": last,
        },
    ).fetchall()
    return [
        f"of {offense} {kept:,} of {count:,} rows are kept; most fall to rule {rule}"
        for offense, count, kept, rule in rows
    ]


def list_unread(connection: duckdb.DuckDBPyConnection, files: list[RawFile], city: City) -> list[str]:
    """Return a sentence per file of which dates, places or offenses, too few to fail, cannot be used."""
    sentences = []
    for file in files:
        counts = connection.execute(
            """SELECT rule, count(*) FROM staged JOIN rejected USING (row_id)
            WHERE file_number = $number AND list_contains($rules, rule) GROUP BY rule
            HAVING count(*) > $share * (SELECT count(*) FROM staged WHERE file_number = $number)
            ORDER BY rule""",
            {"number": file.number, "rules": UNREAD_RULES,
             "share": settings.WARN_UNREAD_SHARE},
        ).fetchall()  # fmt: skip
        sentences += [
            f"{file.path.name}: {count:,} rows fall to rule {rule}"
            f"{describe_cause(connection, file, city, str(rule))}"
            for rule, count in counts
        ]
    return sentences


def check_places(connection: duckdb.DuckDBPyConnection, files: list[RawFile]) -> Iterator[str]:
    """Yield a sentence for each file whose neighborhoods its coordinates or zones contradict."""
    rows = connection.execute("""
        WITH vote AS (
            SELECT file_number, neighborhood, zone, count(*) AS rows,
                   count(*) FILTER (polygon_neighborhood <> neighborhood) AS elsewhere
            FROM staged WHERE neighborhood IS NOT NULL AND NOT is_outside GROUP BY ALL
        ), place AS (
            SELECT file_number, sum(rows) AS rows, sum(elsewhere) AS elsewhere,
                   sum(rows) FILTER (zone IS NOT NULL) AS zoned,
                   max(rows) FILTER (zone IS NOT NULL) AS commonest
            FROM vote GROUP BY file_number, neighborhood
        )
        SELECT file_number, sum(elsewhere) / sum(rows), 1 - sum(commonest) / sum(zoned)
        FROM place GROUP BY file_number ORDER BY file_number""").fetchall()
    for number, elsewhere, other_zone in rows:
        for share, what in ((elsewhere, "polygon"), (other_zone, "zone")):
            if share and share > settings.MAX_OTHER_PLACE_SHARE:
                yield (
                    f"{files[number].path.name}: {share:.0%} of the rows lie in another {what} than"
                    " their neighborhood's; likely cause: a column that was sorted or moved alone"
                )


def list_points(
    connection: duckdb.DuckDBPyConnection, files: list[RawFile], low: float, high: float = 1.0
) -> list[str]:
    """Return a sentence per file with more than `low`, up to `high`, of its rows at one published point.

    Rows that are kept count, and their duplicates. A file of few points tells of something else than
    the places of crimes, such as the centres of districts, and is left alone.
    """
    rows = connection.execute(
        """
        WITH point AS (
            SELECT file_number, count(*) AS rows, latitude IS NOT NULL AS is_known
            FROM staged LEFT JOIN rejected USING (row_id) WHERE coalesce(rule, 'duplicate') = 'duplicate'
            GROUP BY file_number, is_known, round(latitude, 3), round(longitude, 3)
        )
        SELECT file_number, max(rows) FILTER (is_known) AS commonest, sum(rows)::BIGINT AS total
        FROM point GROUP BY file_number
        HAVING count(*) FILTER (is_known) >= $points AND commonest > $low * total
               AND commonest <= $high * total
        ORDER BY file_number""",
        {"points": settings.MIN_POINTS, "low": low, "high": high},
    ).fetchall()
    return [
        f"{files[number].path.name}: {commonest:,} of {total:,} rows lie at one point, more than"
        f" {low:.0%}; likely cause: where a geocoder places what it cannot find"
        for number, commonest, total in rows
    ]


def check_overlap(connection: duckdb.DuckDBPyConnection, files: list[RawFile]) -> Iterator[str]:
    """Yield a sentence for each file whose crimes stand in another file under other report numbers."""
    if len(files) < 2:
        return
    rows = connection.execute("""
        WITH placed AS (
            SELECT file_number, CASE WHEN rule IS NULL THEN
                       hash(occurred, occurred_until, latitude, longitude, neighborhood, nibrs_code)
                   END AS crime
            FROM staged LEFT JOIN rejected USING (row_id) WHERE coalesce(rule, 'duplicate') = 'duplicate'
        ), shared AS (
            SELECT crime FROM placed WHERE crime IS NOT NULL
            GROUP BY crime HAVING count(DISTINCT file_number) > 1
        )
        SELECT file_number, count(shared.crime) / count(*) AS share
        FROM placed LEFT JOIN shared USING (crime)
        GROUP BY file_number ORDER BY file_number""").fetchall()
    for number, share in rows:
        if share > settings.MAX_REPEATED_SHARE:
            yield (
                f"{files[number].path.name}: {share:.0%} of its crimes stand in another file under"
                " another report number, at the same time and place"
            )


def describe_cause(
    connection: duckdb.DuckDBPyConnection, file: RawFile, city: City, rule: str, condition: str = ""
) -> str:
    """Return examples of what the file says in rows that a rule rejected, and the likely cause.

    A `condition` says which rows are meant instead.
    """
    rows = [
        int(row)
        for (row,) in connection.execute(
            f"""SELECT row_number FROM staged LEFT JOIN rejected USING (row_id)
            WHERE file_number = $number AND {condition or f"rule = {quote_text(rule)}"}
            ORDER BY row_number LIMIT $examples""",
            {"number": file.number, "examples": MAX_EXAMPLES},
        ).fetchall()
    ]
    fields = [field for field in RULE_FIELDS.get(rule, ()) if file.has(field)]
    texts = read_texts(connection, file, fields, rows)
    shown = [
        f"row {row}: " + ", ".join(show_text(field, values[field]) for field in fields)
        for row, values in texts.items()
    ]
    examples = f" ({'; '.join(shown)})" if shown else ""
    cause = find_cause(connection, file, city, rule) or CAUSES.get(rule)
    return f"{examples}; likely cause: {cause}" if cause else examples


def show_text(field: str, text: str | None) -> str:
    """Return a field's text for people, without what may not be shown."""
    if not text or not text.strip():
        return f"no {field}"
    short = re.sub(r"[0-9]", "9", text) if field in PRIVATE_FIELDS else text
    return f"{field} {short[:40]!r}"


def find_cause(
    connection: duckdb.DuckDBPyConnection, file: RawFile, city: City, rule: str
) -> str | None:
    """Return what explains most of a rule's rows, None where nothing is known to."""
    if rule == "outside_city" and count_exchanged(connection, file, city.bounding_box) > 0.5:
        return "longitude and latitude are exchanged in the layout"
    if rule == MISSING_DATE:
        return find_format(connection, file)
    return None


def count_exchanged(connection: duckdb.DuckDBPyConnection, file: RawFile, box: BoundingBox) -> float:
    """Return the share of rows outside the city that lie in it with their coordinates exchanged."""
    share = connection.execute(
        """
        SELECT avg((longitude BETWEEN $latitude_min AND $latitude_max
                    AND latitude BETWEEN $longitude_min AND $longitude_max)::INTEGER)
        FROM staged JOIN rejected USING (row_id) WHERE file_number = $number AND rule = 'outside_city'
        """,
        {"number": file.number, **box.model_dump()},
    ).fetchall()[0][0]
    return float(share or 0)


def find_format(connection: duckdb.DuckDBPyConnection, file: RawFile) -> str | None:
    """Return the other format that reads most of the dates that the layout's formats cannot."""
    others = [
        form.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m")
        for form in file.layout.datetime_formats
        if {"%d", "%m"} <= set(re.findall("%.", form))
    ]
    rows = [
        int(row)
        for (row,) in connection.execute(
            """SELECT row_number FROM staged WHERE file_number = $number AND occurred IS NULL
            ORDER BY row_number LIMIT 1000""",
            {"number": file.number},
        ).fetchall()
    ]
    if not others or not file.has("occurred"):
        return None
    texts = [values["occurred"] for values in read_texts(connection, file, ["occurred"], rows).values()]
    read = connection.execute(
        f"""SELECT avg((try_strptime(text, [{", ".join(map(quote_text, others))}]) IS NOT NULL)::INTEGER)
        FROM (SELECT unnest($texts::VARCHAR[]) AS text)""",
        {"texts": texts},
    ).fetchall()[0][0]
    return f"day and month are exchanged: {others[0]} reads {read:.0%} of them" if read > 0.5 else None
