"""Raw files to one staging table with the same columns whatever the layout.

Enters: inspected raw files. Leaves: the temporary table `staged`, one row per data row that can be
read, times on the city's wall clock; what could not be read is noted in each `RawFile`. Addresses are
never selected.
"""

from collections.abc import Iterable
from pathlib import Path

import duckdb

from etl.careful import LONGEST_RECORD_LINES, write_careful_copy
from etl.city import City
from etl.raw_file import RawFile
from warehouse.errors import ShieldError
from warehouse.table import quote_text

# Clock texts are HH:MM:SS, HH:MM, H:MM or an integer hhmm; seconds are never known.
CLOCK_MACRO = """
CREATE TEMP MACRO clock_text(clock) AS CASE
    WHEN contains(clock, ':') THEN split_part(clock, ':', 1) || ':' || split_part(clock, ':', 2)
    WHEN length(clock) <= 4 THEN left(lpad(clock, 4, '0'), 2) || ':' || right(lpad(clock, 4, '0'), 2)
    END
"""

STAGED_DDL = """
CREATE TEMP TABLE staged (
    row_id BIGINT, file_number INTEGER, row_number BIGINT,
    report_number VARCHAR, reported TIMESTAMP,
    occurred TIMESTAMP, occurred_until TIMESTAMP, is_clock_moved BOOLEAN,
    nibrs_code VARCHAR, beat VARCHAR, zone VARCHAR, neighborhood VARCHAR, npu VARCHAR,
    latitude DOUBLE, longitude DOUBLE, location_type VARCHAR, firearm_involved BOOLEAN,
    told_weekday INTEGER, told_shift VARCHAR
)
"""

ROWS_PER_FILE = 1 << 40
"""`row_id` counts on from here for each file, so that it orders rows by file, then by place in it."""

OPTIONAL_FIELDS = ("npu", "location_type", "firearm_involved")
"""Fields without which a row is still an incident; left out of a file where mostly missing."""

MISSING_SHARE_LIMIT = 0.30
"""An optional column with more missing says more about who filled it in than about crime."""


def stage_files(
    connection: duckdb.DuckDBPyConnection, files: Iterable[RawFile], city: City, scratch: Path
) -> None:
    """Fill `staged` from the files and note in each what could not be read or is left out.

    `scratch` names a file that may be written for a while; it never holds an address.
    """
    connection.execute(CLOCK_MACRO)
    connection.execute(STAGED_DDL)
    for file in files:
        if not (file.is_plain_text and stage_fast(connection, file, city)):
            stage_with_care(connection, file, city, scratch)
        if not file.rows_malformed and not count_staged(connection, file):
            raise ShieldError(f"{file.path.name}: the file has a header and no data rows")
        file.fields_left_out = leave_out_thin_fields(connection, file)


def stage_fast(connection: duckdb.DuckDBPyConnection, file: RawFile, city: City) -> bool:
    """Append a file's rows by the engine's own reader; False, with nothing appended, if it objects.

    An engine that meets an unclosed quote takes in what follows up to the next one and objects to one
    row, or to none: a field of many lines counts as an objection too.
    """
    source = render_reader(file)
    try:
        insert_staged(connection, file, city, f"SELECT *, row_number() OVER () AS ordinal FROM {source}")
        is_accepted = file.kind == "parquet" or not (
            count_rows(connection, "reject_errors") or count_swallowed(connection, file)
        )
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        is_accepted = False
    connection.execute("DROP TABLE IF EXISTS reject_errors")
    connection.execute("DROP TABLE IF EXISTS reject_scans")
    if not is_accepted:
        connection.execute(f"DELETE FROM staged WHERE file_number = {file.number}")
    return is_accepted


def count_swallowed(connection: duckdb.DuckDBPyConnection, file: RawFile) -> int:
    """Return how many rows hold a field of more lines than an honest record has."""
    if file.line_count - count_staged(connection, file) < LONGEST_RECORD_LINES:
        return 0
    names = ", ".join(quote_name(name) for name in file.header)
    lines = f"list_max([length(c) - length(replace(c, chr(10), '')) FOR c IN [{names}]])"
    return count_rows(connection, f"{render_reader(file)} WHERE {lines} >= {LONGEST_RECORD_LINES}")


def stage_with_care(
    connection: duckdb.DuckDBPyConnection, file: RawFile, city: City, scratch: Path
) -> None:
    """Append a file's good rows by way of a careful copy, and note its bad ones."""
    columns = tuple(name for name in file.header if name in set(file.layout.fields.values()))
    try:
        damage = write_careful_copy(file, columns, scratch)
        names = ", ".join(f"{quote_text(name)}: 'VARCHAR'" for name in columns)
        nulls = render_nulls(file)
        source = f"""read_csv({quote_text(str(scratch))}, auto_detect = false, header = true,
            columns = {{'ordinal': 'BIGINT', {names}}}, delim = ',', quote = '"', escape = '"',
            nullstr = {nulls}, new_line = '\\r\\n')"""
        insert_staged(connection, file, city, f"SELECT * FROM {source}")
    finally:
        scratch.unlink(missing_ok=True)
    file.rows_malformed = damage.count
    file.malformed_examples = tuple(damage.examples)


def insert_staged(
    connection: duckdb.DuckDBPyConnection, file: RawFile, city: City, records: str
) -> None:
    """Append a SELECT of text columns and `ordinal`, translated from the file's layout."""
    connection.execute(f"""
        INSERT INTO staged BY NAME
        SELECT {file.number} AS file_number, ordinal AS row_number,
               {file.number} * {ROWS_PER_FILE} + ordinal AS row_id, {select_fields(file, city)}
        FROM ({records})""")


def count_staged(connection: duckdb.DuckDBPyConnection, file: RawFile) -> int:
    """Return how many rows of a file are staged."""
    return count_rows(connection, f"staged WHERE file_number = {file.number}")


def count_rows(connection: duckdb.DuckDBPyConnection, source: str) -> int:
    """Return how many rows a FROM clause gives."""
    row = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    return int(row[0]) if row else 0


def quote_name(name: str) -> str:
    """Return a column name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def render_nulls(file: RawFile) -> str:
    """Return the file's spellings of a missing value as a SQL list."""
    return "[" + ", ".join(quote_text(text) for text in ("", *file.layout.null_spellings)) + "]"


def render_reader(file: RawFile) -> str:
    """Return the table function that reads a file as text, setting malformed lines aside."""
    if file.kind == "parquet":
        return f"read_parquet({quote_text(str(file.path))})"
    columns = ", ".join(f"{quote_text(name)}: 'VARCHAR'" for name in file.header)
    return f"""read_csv({quote_text(str(file.path))}, columns = {{{columns}}},
        auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
        nullstr = {render_nulls(file)}, compression = '{"gzip" if file.kind == "gzip" else "none"}',
        store_rejects = true, rejects_limit = 0)"""


def select_fields(file: RawFile, city: City) -> str:
    """Return the SELECT list that turns a layout's text columns into those of `staged`."""
    text = TextColumns(file)
    occurred = text.moment("occurred", city)
    beat, zone = text("beat"), text("zone")
    if city.beat_pattern and "beat" in file.layout.fields:
        # Zones follow from beats: a beat that is none of the city's has no zone.
        zone = f"nullif(regexp_extract({beat}, {quote_text(f'^{city.beat_pattern}$')}, 1), '')"
    literal_codes = ", ".join(
        f"{quote_text(name)}: {quote_text(code)}" for name, code in file.layout.offense_codes.items()
    )
    literal_code = f"MAP {{{literal_codes}}}[upper({text('offense_literal')})]"
    expressions = {
        "report_number": text("report_number"),
        "reported": text.moment("reported", city),
        "occurred": occurred,
        "occurred_until": text.moment("occurred_until", city),
        "is_clock_moved": text.is_moved("occurred", city),
        "nibrs_code": f"coalesce({text('nibrs_code')}, {literal_code})" if literal_codes
        else text("nibrs_code"),
        "beat": beat,
        "zone": zone,
        "neighborhood": text("neighborhood"),
        "npu": text("npu"),
        "latitude": f"nullif(try_cast({text('latitude')} AS DOUBLE), 0)",
        "longitude": f"nullif(try_cast({text('longitude')} AS DOUBLE), 0)",
        "location_type": text("location_type"),
        "told_weekday": "NULL", "told_shift": "NULL",
        "firearm_involved": f"lower({text('firearm_involved')}) IN ('yes', 'true', 'y', '1')",
    }  # fmt: skip
    return ", ".join(f"{expression} AS {name}" for name, expression in expressions.items())


class TextColumns:
    """SQL for the fields of a file, whatever its columns are called."""

    def __init__(self, file: RawFile) -> None:
        """Keep the file whose layout names the columns."""
        self.layout = file.layout

    def __call__(self, field: str) -> str:
        """Return the field's trimmed text; NULL where the layout has no such column."""
        if field not in self.layout.fields:
            return "NULL"
        return f"nullif(trim({quote_name(self.layout.fields[field])}), '')"

    def parsed(self, field: str) -> str:
        """Return the field as a timestamp as written; NULL where it cannot be read."""
        value, formats = self(field), self.layout.datetime_formats
        if "epoch_ms" in formats:
            return f"make_timestamp(try_cast({value} AS BIGINT) * 1000)"
        if f"{field}_clock" in self.layout.fields:
            value = f"{value} || ' ' || clock_text({self(f'{field}_clock')})"
            formats = tuple(f"{form} %H:%M" for form in formats)
        return f"try_strptime({value}, [{', '.join(quote_text(form) for form in formats)}])"

    def moment(self, field: str, city: City) -> str:
        """Return the field as a wall clock time of the city; NULL where it cannot be read.

        A wall clock time that a clock change skipped is moved on by the hour it skipped.
        """
        zone, parsed = quote_text(city.time_zone.key), self.parsed(field)
        if self.layout.is_utc:
            return f"timezone({zone}, timezone('UTC', {parsed}))"
        return f"timezone({zone}, timezone({zone}, {parsed}))"

    def is_moved(self, field: str, city: City) -> str:
        """Return whether `moment` had to move the field."""
        return "false" if self.layout.is_utc else f"{self.moment(field, city)} <> {self.parsed(field)}"


def read_texts(
    connection: duckdb.DuckDBPyConnection, file: RawFile, fields: list[str], rows: list[int]
) -> dict[int, dict[str, str | None]]:
    """Return what the file says for some fields in some of its data rows, by row and field."""
    if not fields or not rows:
        return {}
    names = ", ".join(quote_name(file.layout.fields[field]) for field in fields)
    found = connection.execute(
        f"""SELECT ordinal, {names}
        FROM (SELECT *, row_number() OVER () AS ordinal FROM {render_reader(file)})
        WHERE ordinal IN (SELECT unnest($rows)) ORDER BY ordinal""",
        {"rows": rows},
    ).fetchall()
    for table in ("reject_errors", "reject_scans"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    return {int(row): dict(zip(fields, texts, strict=True)) for row, *texts in found}


def leave_out_thin_fields(connection: duckdb.DuckDBPyConnection, file: RawFile) -> tuple[str, ...]:
    """Blank the file's optional fields that are mostly missing; return their names.

    What was missing before is noted in `file.shares_missing`.
    """
    candidates = [field for field in OPTIONAL_FIELDS if file.has(field)]
    if not candidates:
        return ()
    where = f"WHERE file_number = {file.number}"
    counts = ", ".join(f"1 - count({field}) / greatest(count(*), 1)" for field in candidates)
    shares = connection.execute(f"SELECT {counts} FROM staged {where}").fetchone() or ()
    file.shares_missing = dict(zip(candidates, shares, strict=True))
    thin = tuple(name for name, share in file.shares_missing.items() if share > MISSING_SHARE_LIMIT)
    for field in thin:
        connection.execute(f"UPDATE staged SET {field} = NULL {where}")
    return thin
