"""Staging: raw files to one table with the same columns whatever the layout.

Input: inspected raw files. Output: the temporary table `staged`, one row per data row that can be
read, times on the city's wall clock; what could not be read is noted in each `RawFile`. `raw_weekday`
(ISO, 1 to 7), `raw_shift` and `offense_literal` are what the file says, NULL where it does not.
Addresses are never selected.
"""

import glob
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import duckdb

from etl.city import City
from etl.dirty_csv import MAX_RECORD_LINES, split_records, write_clean_copy
from etl.fields import select_fields
from etl.layout import COORDINATES
from etl.projection import project_coordinates
from etl.raw_file import RawFile, check_unchanged
from etl.report_number import number_reports
from etl.timestamps import MACROS
from warehouse.errors import ShieldError, first_line
from warehouse.settings import MAX_MISSING_SHARE
from warehouse.table import quote_text

STAGED_DDL = """
CREATE TEMP TABLE staged (
    row_id BIGINT, file_number INTEGER, row_number BIGINT,
    report_number VARCHAR, reported TIMESTAMP,
    occurred TIMESTAMP, occurred_until TIMESTAMP, is_clock_moved BOOLEAN,
    offense_literal VARCHAR, nibrs_code VARCHAR, is_left_out BOOLEAN,
    beat VARCHAR, zone VARCHAR, neighborhood VARCHAR, npu VARCHAR,
    latitude DOUBLE, longitude DOUBLE, location_type VARCHAR, firearm_involved BOOLEAN,
    raw_weekday INTEGER, raw_shift VARCHAR, row_hash HUGEINT
)
"""

ROWS_PER_FILE = 1 << 40
"""`row_id` counts on from here for each file, so that it orders rows by file, then by place in it."""

MIN_TIMESTAMP = "TIMESTAMP '1000-01-01'"
"""%Y reads `21` as the year 21: an earlier date was written with two digits, and is unreadable."""

OPTIONAL_FIELDS = ("npu", "location_type", "firearm_involved")
"""Fields without which a row is still an incident; left out of a file where more than
`MAX_MISSING_SHARE` is missing: the column says more about who filled it in than about crime then."""


def stage_files(
    connection: duckdb.DuckDBPyConnection, files: Iterable[RawFile], city: City, scratch: Path
) -> None:
    """Fill `staged` from the files and note in each what could not be read or is left out.

    `scratch` names a file that may be written for a while; it never holds an address. Raises
    `ShieldError` naming the file for one that is damaged, has no rows, or changes while it is read.
    """
    connection.execute(MACROS)
    connection.execute(STAGED_DDL)
    for file in files:
        if file.kind == "parquet":
            stage_snapshot(connection, file, city)
        elif not (can_read_fast(file) and stage_fast(connection, file, city)):
            stage_dirty(connection, file, city, scratch)
        check_unchanged(file)
        if not file.rows_malformed and not count_staged(connection, file):
            raise ShieldError(f"{file.path.name}: the file has a header and no data rows")
        blank_unreadable(connection)
        project_coordinates(connection, file)
        number_reports(connection, file)
        file.fields_left_out = leave_out_sparse_fields(connection, file)


def can_read_fast(file: RawFile) -> bool:
    """Return whether the engine's own reader may try the file."""
    return file.text is not None and file.text.is_plain


def stage_snapshot(connection: duckdb.DuckDBPyConnection, file: RawFile, city: City) -> None:
    """Append a snapshot's rows. Raises `ShieldError` when it is damaged behind its header."""
    try:
        insert_staged(connection, file, city, select_records(file))
    except duckdb.OperationalError:  # memory or disk: no fault of the file
        raise
    except duckdb.Error as error:
        raise ShieldError(f"{file.path.name}: damaged Parquet file: {first_line(error)}") from error


def stage_fast(connection: duckdb.DuckDBPyConnection, file: RawFile, city: City) -> bool:
    """Append a file's rows by the engine's own reader; False, with nothing appended, if it objects.

    An engine that meets an unclosed quote takes in what follows up to the next one and objects to one
    row, or to none: a field of many lines counts as an objection too.
    """
    try:
        insert_staged(connection, file, city, select_records(file))
        is_accepted = not (count_rows(connection, "reject_errors") or count_swallowed(connection, file))
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        is_accepted = False
    connection.execute("DROP TABLE IF EXISTS reject_errors")
    connection.execute("DROP TABLE IF EXISTS reject_scans")
    if not is_accepted:
        connection.execute(f"DELETE FROM staged WHERE file_number = {file.number}")
    return is_accepted


def count_swallowed(connection: duckdb.DuckDBPyConnection, file: RawFile) -> int:
    """Return how many rows hold a field of `MAX_RECORD_LINES` lines or more."""
    lines_read = file.text.line_count if file.text else 0
    if lines_read - count_staged(connection, file) < MAX_RECORD_LINES:
        return 0
    lines = f"list_max([length(c) - length(replace(c, chr(10), '')) FOR c IN [{list_columns(file)}]])"
    return count_rows(connection, f"{render_reader(file)} WHERE {lines} >= {MAX_RECORD_LINES}")


def stage_dirty(connection: duckdb.DuckDBPyConnection, file: RawFile, city: City, scratch: Path) -> None:
    """Append a dirty file's good rows by way of a clean copy, and note its bad ones."""
    try:
        damage = write_clean_copy(file, scratch)
        texts = ", ".join(f"c{place}: 'VARCHAR'" for place in file.places)
        reader = f"""read_csv({quote_text(glob.escape(str(scratch)))}, auto_detect = false,
            header = false, columns = {{ordinal: 'BIGINT', row_hash: 'BIGINT', {texts}}},
            delim = ',', quote = '"', escape = '"', new_line = '\\r\\n')"""
        insert_staged(connection, file, city, f"SELECT * FROM {reader}")
    finally:
        scratch.unlink(missing_ok=True)
    file.rows_malformed = damage.count
    file.malformed_examples = tuple(damage.examples)


def select_records(file: RawFile) -> str:
    """Return a SELECT of a file's records with their ordinal, and a hash where they have no number."""
    row_hash = "NULL" if file.has("report_number") else f"hash({list_columns(file)})"
    return (
        f"SELECT *, row_number() OVER () AS ordinal, {row_hash} AS row_hash FROM {render_reader(file)}"
    )


def insert_staged(
    connection: duckdb.DuckDBPyConnection, file: RawFile, city: City, records: str
) -> None:
    """Append a SELECT of text columns, `ordinal` and `row_hash`, translated from the file's layout."""
    connection.execute(f"""
        INSERT INTO staged BY NAME
        SELECT {file.number} AS file_number, ordinal AS row_number, row_hash,
               {file.number} * {ROWS_PER_FILE} + ordinal AS row_id, {select_fields(file, city)}
        FROM ({records})""")


def count_staged(connection: duckdb.DuckDBPyConnection, file: RawFile) -> int:
    """Return how many rows of a file are staged."""
    return count_rows(connection, f"staged WHERE file_number = {file.number}")


def count_rows(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Return how many rows a FROM clause gives."""
    row = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(row[0]) if row else 0


def list_columns(file: RawFile) -> str:
    """Return the columns of a file by their place: names from a file are no SQL, and may repeat."""
    return ", ".join(f"c{place}" for place in range(len(file.header)))


def render_reader(file: RawFile) -> str:
    """Return the table function that reads a file as text, setting malformed lines aside."""
    path = quote_text(glob.escape(str(file.path)))
    if file.text is None:
        texts = ", ".join(f"c{place}::VARCHAR AS c{place}" for place in range(len(file.header)))
        return f"(SELECT {texts} FROM read_parquet({path}) AS raw({list_columns(file)}))"
    columns = ", ".join(f"c{place}: 'VARCHAR'" for place in range(len(file.header)))
    return f"""read_csv({path}, columns = {{{columns}}}, auto_detect = false, header = true,
        skip = {file.text.blank_lines}, delim = {quote_text(file.layout.separator)}, quote = '"',
        escape = '"', compression = '{"gzip" if file.kind == "gzip" else "none"}',
        store_rejects = true, rejects_limit = 0)"""


def read_texts(
    connection: duckdb.DuckDBPyConnection, file: RawFile, fields: list[str], rows: list[int]
) -> dict[int, dict[str, str | None]]:
    """Return what the file says for `fields` in its data rows of these numbers, by row and field."""
    places = {name: place for name in fields if (place := file.find_place(name)) is not None}
    if not places or not rows:
        return {}
    if file.kind == "parquet":
        records: Iterable[tuple[int, Sequence[str] | None]] = (
            (row, texts)
            for row, *texts in connection.execute(f"""
                SELECT row_number() OVER () AS ordinal, * FROM {render_reader(file)}
                QUALIFY ordinal <= {max(rows)}""").fetchall()
        )
    else:
        records = islice(split_records(file), max(rows))
    return {
        row: {name: texts[place] for name, place in places.items()}
        for row, texts in records
        if texts and row in set(rows)
    }


def blank_unreadable(connection: duckdb.DuckDBPyConnection) -> None:
    """Set to NULL what could be read and cannot be meant: years of two digits, endless coordinates.

    So is one coordinate without the other: half a place is none.
    """
    for column in ("reported", "occurred", "occurred_until"):
        connection.execute(f"UPDATE staged SET {column} = NULL WHERE {column} < {MIN_TIMESTAMP}")
    for column in COORDINATES:
        connection.execute(f"UPDATE staged SET {column} = NULL WHERE NOT isfinite({column})")
    connection.execute("""
        UPDATE staged SET latitude = NULL, longitude = NULL
        WHERE (latitude IS NULL) <> (longitude IS NULL)""")


def leave_out_sparse_fields(connection: duckdb.DuckDBPyConnection, file: RawFile) -> tuple[str, ...]:
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
    sparse = tuple(name for name, share in file.shares_missing.items() if share > MAX_MISSING_SHARE)
    for field in sparse:
        connection.execute(f"UPDATE staged SET {field} = NULL {where}")
    return sparse
