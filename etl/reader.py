"""Raw files to one staging table with the same columns whatever the layout.

Enters: raw files, gz or plain. Leaves: the temporary table `staged`, one row per raw data row that
has the right number of fields, times on the city's wall clock; a `RawFile` per file. Addresses are
never selected.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import duckdb

from etl.city import City
from etl.layout import Layout, load_layouts, recognize_layout
from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.table import quote_text

GZIP_MAGIC = b"\x1f\x8b"

# Clock texts are HH:MM:SS, HH:MM, H:MM or an integer hhmm; seconds are never known.
CLOCK_MACRO = """
CREATE TEMP MACRO clock_text(clock) AS CASE
    WHEN contains(clock, ':') THEN split_part(clock, ':', 1) || ':' || split_part(clock, ':', 2)
    WHEN length(clock) <= 4 THEN left(lpad(clock, 4, '0'), 2) || ':' || right(lpad(clock, 4, '0'), 2)
    END
"""

STAGED_DDL = """
CREATE TEMP TABLE staged (
    file_number INTEGER, row_number BIGINT, layout_rank INTEGER,
    report_number VARCHAR, reported TIMESTAMP, report_has_clock BOOLEAN,
    occurred TIMESTAMP, occurred_until TIMESTAMP,
    nibrs_code VARCHAR, beat VARCHAR, neighborhood VARCHAR, npu VARCHAR,
    latitude DOUBLE, longitude DOUBLE, location_type VARCHAR, firearm_involved BOOLEAN
)
"""

OPTIONAL_FIELDS = ("npu", "location_type", "firearm_involved")
"""Fields without which a row is still an incident; left out of a file where mostly missing."""

MISSING_SHARE_LIMIT = 0.30
"""An optional column with a larger missing share says more about who filled it in than about crime."""


@dataclass
class RawFile:
    """One raw file and what reading it told.

    `fields_left_out` are names of `OPTIONAL_FIELDS`, `shares_missing` says how much of each was missing.
    """

    path: Path
    number: int
    layout: Layout
    header: tuple[str, ...]
    sha256: str
    is_gzip: bool
    rows_malformed: int = 0
    fields_left_out: tuple[str, ...] = ()
    shares_missing: dict[str, float] = field(default_factory=dict)

    def has(self, field: str) -> bool:
        """Return whether the file tells `field`."""
        return field in self.layout.fields and field not in self.fields_left_out


def inspect_files(paths: Sequence[Path], city: City) -> list[RawFile]:
    """Recognise every file before any is read. Raises `ShieldError` for the first that is unfit."""
    names = [path.name for path in paths]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ShieldError(f"two raw files have the name {repeated[0]}: expected distinct names")
    layouts = load_layouts(city)
    return [inspect_file(path, number, layouts) for number, path in enumerate(paths)]


def inspect_file(path: Path, number: int, layouts: Sequence[Layout]) -> RawFile:
    """Read a file through once: header, SHA-256, and that a gz ends where it should."""
    if not path.is_file():
        raise ShieldError(f"{path}: no such file; expected a raw CSV, plain or gz")
    with path.open("rb") as stream:
        is_gzip = stream.read(2) == GZIP_MAGIC
        stream.seek(0)
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    header = read_header(path, is_gzip=is_gzip)
    return RawFile(path, number, recognize_layout(path.name, header, layouts), header, sha256, is_gzip)


def read_header(path: Path, *, is_gzip: bool) -> tuple[str, ...]:
    """Return the column names, having read a gz to its end to see that it is whole."""
    with cast("IO[bytes]", gzip.open(path) if is_gzip else path.open("rb")) as stream:
        try:
            first_line = stream.readline().decode("utf-8-sig")
            while is_gzip and stream.read(1 << 20):
                pass
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ShieldError(f"{path.name}: truncated or damaged gz file: {error}") from error
        except UnicodeDecodeError as error:
            raise ShieldError(f"{path.name}: the header is not UTF-8 text: {error}") from error
    if not first_line.strip():
        raise ShieldError(f"{path.name}: the file is empty; expected a header line and data rows")
    return tuple(next(csv.reader(io.StringIO(first_line))))


def stage_files(connection: duckdb.DuckDBPyConnection, files: Iterable[RawFile], city: City) -> None:
    """Fill `staged` from the files and note in each what could not be read or is left out."""
    connection.execute(CLOCK_MACRO)
    connection.execute(STAGED_DDL)
    for file in files:
        file.rows_malformed = stage_file(connection, file, city)
        file.fields_left_out = leave_out_thin_fields(connection, file)


def stage_file(connection: duckdb.DuckDBPyConnection, file: RawFile, city: City) -> int:
    """Append one file's rows to `staged` and return how many lines had the wrong shape.

    Raises `ShieldError` for a file with a header and nothing else.
    """
    rank = city.layouts.index(file.layout.name)
    select = f"""
        SELECT {file.number} AS file_number, row_number() OVER () AS row_number,
               {rank} AS layout_rank, {select_fields(file.layout, city)}
        FROM {render_reader(file)}"""
    try:
        connection.execute(f"INSERT INTO staged BY NAME {select}")
    except duckdb.Error as error:
        # The engine's message quotes the row, which holds an address: keep its first line only.
        reason = str(error).splitlines()[0]
        raise ShieldError(f"{file.path.name}: cannot be read as CSV: {reason}") from error
    malformed = count_rows(connection, "(SELECT DISTINCT line FROM reject_errors)")
    connection.execute("DROP TABLE reject_errors")
    connection.execute("DROP TABLE reject_scans")
    if not malformed + count_rows(connection, f"staged WHERE file_number = {file.number}"):
        raise ShieldError(f"{file.path.name}: the file has a header and no data rows")
    return malformed


def count_rows(connection: duckdb.DuckDBPyConnection, source: str) -> int:
    """Return how many rows a FROM clause gives."""
    row = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    return int(row[0]) if row else 0


def render_reader(file: RawFile) -> str:
    """Return the table function that reads a file as text, setting malformed lines aside."""
    columns = ", ".join(f"{quote_text(name)}: 'VARCHAR'" for name in file.header)
    nulls = ", ".join(quote_text(text) for text in ("", *file.layout.null_spellings))
    return f"""read_csv({quote_text(str(file.path))}, columns = {{{columns}}},
        auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
        nullstr = [{nulls}], compression = '{"gzip" if file.is_gzip else "none"}',
        store_rejects = true, rejects_limit = 0)"""


def select_fields(layout: Layout, city: City) -> str:
    """Return the SELECT list that turns a layout's text columns into those of `staged`."""

    def text(field: str) -> str:
        """Return the field's trimmed text; NULL where the layout has no such column."""
        if field not in layout.fields:
            return "NULL"
        name = layout.fields[field].replace('"', '""')
        return f"nullif(trim(\"{name}\"), '')"

    def moment(field: str) -> str:
        """Return the field as a wall clock time of the city; NULL where it cannot be read."""
        formats = layout.datetime_formats
        value = text(field)
        if f"{field}_clock" in layout.fields:
            value = f"{value} || ' ' || clock_text({text(f'{field}_clock')})"
            formats = tuple(f"{form} %H:%M" for form in formats)
        listed = ", ".join(quote_text(form) for form in formats)
        parsed = f"try_strptime({value}, [{listed}])"
        if not layout.is_utc:
            return parsed
        return f"timezone({quote_text(city.time_zone.key)}, timezone('UTC', {parsed}))"

    expressions = {
        "report_number": text("report_number"),
        "reported": moment("reported"),
        "report_has_clock": "true" if layout.is_utc else "false",
        "occurred": moment("occurred"),
        "occurred_until": moment("occurred_until"),
        "nibrs_code": f"coalesce({text('nibrs_code')}, {literal_code(text('offense_literal'))})",
        "beat": text("beat"),
        "neighborhood": text("neighborhood"),
        "npu": text("npu"),
        "latitude": f"nullif(try_cast({text('latitude')} AS DOUBLE), 0)",
        "longitude": f"nullif(try_cast({text('longitude')} AS DOUBLE), 0)",
        "location_type": text("location_type"),
        "firearm_involved": f"lower({text('firearm_involved')}) IN ('yes', 'true', 'y', '1')",
    }
    return ", ".join(f"{expression} AS {name}" for name, expression in expressions.items())


def literal_code(literal: str) -> str:
    """Return SQL for the NIBRS code of a COBRA offense literal, NULL where it is not known."""
    path = settings.REFERENCE_DIR / "cobra_literal.csv"
    with path.open(newline="") as stream:
        codes = {row["offense_literal"]: row["nibrs_code"] for row in csv.DictReader(stream)}
    entries = ", ".join(f"{quote_text(name)}: {quote_text(code)}" for name, code in codes.items())
    return f"MAP {{{entries}}}[upper({literal})]"


def leave_out_thin_fields(connection: duckdb.DuckDBPyConnection, file: RawFile) -> tuple[str, ...]:
    """Blank the file's optional fields that are mostly missing; return their names."""
    candidates = [field for field in OPTIONAL_FIELDS if file.has(field)]
    if not candidates:
        return ()
    where = f"WHERE file_number = {file.number}"
    counts = ", ".join(f"1 - count({field}) / greatest(count(*), 1)" for field in candidates)
    shares = connection.execute(f"SELECT {counts} FROM staged {where}").fetchone() or ()
    file.shares_missing = dict(zip(candidates, shares, strict=True))
    thin = tuple(name for name, share in file.shares_missing.items() if share > MISSING_SHARE_LIMIT)
    for name in thin:
        connection.execute(f"UPDATE staged SET {name} = NULL {where}")
    return thin
