"""The floor of a build: what it must hold to be a forecast's ground, whatever was published before.

Enters: `staged`, `rejected`, `covered_day` and the raw files. Leaves: a sentence per limit of
`warehouse.settings` that is not met, with the numbers, examples and the likely cause.
"""

import datetime as dt
import re
from collections.abc import Iterator

import duckdb

from etl.city import BoundingBox, City
from etl.raw_file import RawFile
from etl.reader import read_texts
from etl.rules import DUPLICATE, MALFORMED
from warehouse import settings
from warehouse.table import quote_text

EXAMPLES = 3
PRIVATE_FIELDS = {"latitude", "longitude"}
"""Of these only the form is shown, each digit as 9."""

RULE_FIELDS = {
    "missing_report_number": ("report_number",),
    "missing_date": ("occurred", "occurred_clock"),
    "missing_coordinates": ("latitude", "longitude"),
    "unknown_offense": ("nibrs_code", "offense_literal"),
    "outside_city": ("latitude", "longitude"),
    "outside_window": ("occurred", "reported"),
    DUPLICATE: ("report_number",),
}
"""The fields that show why a rule rejects."""

CAUSES = {
    MALFORMED: "another separator, another encoding, or a damaged file",
    "missing_report_number": "another column holds the number",
    "missing_date": "datetime_formats of the layout do not fit",
    "missing_coordinates": "a decimal comma, or another column",
    "unknown_offense": "literals that offense_codes of the layout lacks",
    "outside_city": "another coordinate system, another city, or longitude and latitude exchanged",
    "outside_window": "day and month exchanged, or another file's dates",
    DUPLICATE: "numbers that a spreadsheet has shortened, or a column that is not the report's number",
}


def find_floor_doubts(
    connection: duckdb.DuckDBPyConnection, files: list[RawFile], city: City,
    first: dt.date | None, last: dt.date | None,
) -> Iterator[str]:  # fmt: skip
    """Yield every limit that a file, or all of them together, do not meet.

    Rows outside the days that were asked for (`first` to `last`) are neither kept nor lost.
    """
    for file in files:
        lost = count_lost(connection, file, first, last)
        rows = sum(lost.values())
        kept = lost.pop(None, 0)
        for rule, count in lost.items():
            limit = settings.FLOOR_RULE_SHARES.get(str(rule), 1.0)
            if count > limit * rows:
                yield (
                    f"{file.path.name}: {count:,} of {rows:,} rows fall to rule {rule}, more than"
                    f" {limit:.0%}{describe_cause(connection, file, city, str(rule))}"
                )
        if kept < settings.FLOOR_KEPT_SHARE * rows:
            yield (
                f"{file.path.name}: {kept:,} of {rows:,} rows are kept, less than"
                f" {settings.FLOOR_KEPT_SHARE:.0%}"
            )
    incidents, days = connection.execute("""
        SELECT (SELECT count(*) FROM staged ANTI JOIN rejected USING (row_id)),
               (SELECT count(*) FROM covered_day)""").fetchall()[0]
    if incidents < settings.FLOOR_INCIDENTS or days < settings.FLOOR_DAYS:
        yield (
            f"{incidents:,} incidents on {days:,} days are left; a forecast needs"
            f" {settings.FLOOR_INCIDENTS:,} on {settings.FLOOR_DAYS:,}"
        )


def count_lost(
    connection: duckdb.DuckDBPyConnection, file: RawFile, first: dt.date | None, last: dt.date | None
) -> dict[str | None, int]:
    """Return a file's rows by the rule that rejected them, those that are kept under None.

    Duplicates count only beyond those of other files: files may overlap on purpose.
    """
    counts = connection.execute(
        """
        SELECT rule, count(*) FROM staged LEFT JOIN rejected USING (row_id)
        WHERE file_number = $number AND NOT coalesce(
            rule = 'outside_window' AND (occurred::DATE < $first::DATE OR occurred::DATE > $last::DATE
                                         OR reported::DATE > $last::DATE), false)
        GROUP BY rule""",
        {"number": file.number, "first": first, "last": last},
    ).fetchall()
    lost: dict[str | None, int] = {rule: int(count) for rule, count in counts}
    lost[MALFORMED] = file.rows_malformed
    if lost.get(DUPLICATE):
        lost[DUPLICATE] = int(connection.execute(
            """
            SELECT count(*) - count(DISTINCT hash(report_number, nibrs_code))
            FROM staged LEFT JOIN rejected USING (row_id)
            WHERE file_number = $number AND (rule IS NULL OR rule = 'duplicate')""",
            {"number": file.number},
        ).fetchall()[0][0])  # fmt: skip
    return lost


def describe_cause(connection: duckdb.DuckDBPyConnection, file: RawFile, city: City, rule: str) -> str:
    """Return examples of what the file says in rows that a rule rejected, and the likely cause."""
    rows = [
        int(row)
        for (row,) in connection.execute(
            """SELECT row_number FROM staged JOIN rejected USING (row_id)
            WHERE file_number = $number AND rule = $rule ORDER BY row_number LIMIT $examples""",
            {"number": file.number, "rule": rule, "examples": EXAMPLES},
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
    """Return a field's text for people, without what may not be told."""
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
    if rule == "missing_date":
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
