"""Anything a person can hand over as a raw file: read, or refused in one line that names it."""

import datetime as dt
import gzip
import io
import json
import os
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path

import duckdb
import openpyxl
import pytest

from etl.city import City
from etl.dirty_csv import split_records
from etl.layout import load_layouts
from etl.raw_file import check_unchanged, inspect_file, inspect_files
from etl.raw_text import MAX_RECORD_BYTES
from etl.staging import stage_files
from tests.etl.staged import make_layout, read_staged, stage, stage_path
from tests.raw import write_raw
from warehouse.errors import ShieldError

LAYOUT = make_layout("id,day,code,ward")
TEXT = "id,day,code,ward\n1,2022-03-01,23F,A\n"


def pack_zip(name: str, content: bytes) -> bytes:
    """Return a zip with one file in it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


UNFIT = {
    "empty": (b"", "the file is empty; expected a header line"),
    "blank lines": (b"\n \n", "the file is empty; expected a header line"),
    "other header": (b"a,b\n1,2\n", "header matches no known layout"),
    "UTF-16": (TEXT.encode("utf-16"), "no header that a layout could read; expected text"),
    "one line without end": (
        b"x" * 1_000_000,
        "no header that a layout could read; expected text in utf-8",
    ),
    "broken gz": (gzip.compress(b"x" * 100_000, mtime=0)[:60], "truncated or damaged gz file"),
    "gz cut off": (gzip.compress(TEXT.encode() * 9999, mtime=0)[:-9], "truncated or damaged gz file"),
    "gz in gz": (
        gzip.compress(gzip.compress(TEXT.encode(), mtime=0), mtime=0),
        "holds a gzip file within a gz",
    ),
    "zip": (pack_zip("cases.csv", TEXT.encode()), r"a zip file \(cases.csv\).*unpack it"),
    "damaged zip": (b"PK\3\4rest", "damaged xlsx or zip file"),
    "damaged xlsx": (pack_zip("xl/workbook.xml", b"<"), "damaged xlsx file"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old xls workbook; .* save it as one"),
    "damaged Parquet": (b"PAR1 and then nothing", "damaged Parquet file"),
    "column twice": (TEXT.replace("ward", "id").encode(), r"there twice \['id'\]"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_unfit_file_is_named_with_what_was_expected(tmp_path: Path, city: City, kind: str) -> None:
    content, message = UNFIT[kind]
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(ShieldError, match=message) as caught:
        inspect_file(path, 0, [LAYOUT], city)
    assert str(caught.value).startswith("bad.csv: ")
    assert "\n" not in str(caught.value)


def test_no_file_a_folder_a_pipe_and_a_repeated_name(tmp_path: Path, city: City) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path, message in (
        (tmp_path / "none.csv", "none.csv: no such file; expected a raw CSV"),
        (tmp_path, "a folder; expected a raw CSV"),
        (tmp_path / "pipe.csv", "pipe.csv: not a file; expected a raw CSV"),
    ):
        with pytest.raises(ShieldError, match=message):
            inspect_files([path], city)
    with pytest.raises(ShieldError, match="two raw files have the name a.csv"):
        inspect_files([tmp_path / "a.csv", tmp_path / "b" / "a.csv"], city)


def test_file_that_may_not_be_read(tmp_path: Path, city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.csv").write_text(TEXT)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ShieldError, match=r"a.csv: cannot be read: Permission denied"):
        inspect_file(tmp_path / "a.csv", 0, [LAYOUT], city)


def test_name_that_is_not_utf_8_is_shown_with_replacement_characters(tmp_path: Path, city: City) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    path.write_text(TEXT)
    with pytest.raises(ShieldError, match="caf\ufffd.csv: the name of the file is not UTF-8; rename it"):
        inspect_files([path], city)


def test_name_that_looks_like_a_pattern_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "a1.csv").write_text(TEXT * 2)
    rows = read_staged(tmp_path / "a[1].csv", TEXT, LAYOUT, "report_number")
    assert rows == [("1",)]


def test_gz_is_known_by_its_first_bytes_not_by_its_name(tmp_path: Path, city: City) -> None:
    path = tmp_path / "plain_name.csv"
    path.write_bytes(gzip.compress(TEXT.encode()))
    assert inspect_file(path, 0, [LAYOUT], city).kind == "gzip"


def test_file_that_grows_while_it_is_read_is_an_error(tmp_path: Path, city: City) -> None:
    path = tmp_path / "raw.csv"
    path.write_text(TEXT)
    file = inspect_file(path, 0, [LAYOUT], city)
    check_unchanged(file)
    path.write_text(TEXT + "2,2022-03-01,23F,A\n")
    with duckdb.connect() as connection, pytest.raises(ShieldError, match="raw.csv: changed while"):
        stage_files(connection, [file], city, tmp_path / "scratch")
    path.unlink()
    with pytest.raises(ShieldError, match="raw.csv: changed while"):
        check_unchanged(file)


def test_utf_8_under_the_layout_of_an_old_encoding_is_refused(tmp_path: Path) -> None:
    layout = make_layout("id,day,code,ward", encoding="latin-1")
    with pytest.raises(ShieldError, match="raw.csv: expected text in latin-1, found UTF-8"):
        stage(tmp_path / "raw.csv", TEXT.replace("A", "Süd"), layout)
    assert read_staged(tmp_path / "raw.csv", TEXT, layout, "neighborhood") == [("A",)]


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_line_of_many_megabytes_costs_one_row_and_little_memory(
    tmp_path: Path, city: City, end: bytes
) -> None:
    path = tmp_path / "raw.csv"
    lines = [b"id,day,code,ward", b"1,2022-03-01,23F,A", b"2,2022-03-01,23F," + b"A" * 40_000_000]
    path.write_bytes(end.join([*lines, b"3,2022-03-01,23F,A"]) + end)
    file = inspect_file(path, 0, [LAYOUT], city)
    tracemalloc.start()
    records = [(ordinal, bool(fields)) for ordinal, fields in split_records(file)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert records == [(1, True), (2, False), (3, True)]
    assert peak < 8 * MAX_RECORD_BYTES


def write_workbook(path: Path, sheets: Mapping[str, list[list[object]]]) -> Path:
    """Write an xlsx file."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_spreadsheet_cells_arrive_as_text(tmp_path: Path, city: City) -> None:
    noon = dt.datetime(2022, 3, 1, 12, 30)  # noqa: DTZ001  # a cell has no zone
    rows: list[list[object]] = [
        [],
        ["id", "day", "code", "ward", None],
        [17, dt.date(2022, 3, 1), 120, "Süd"],
        [18.0, noon, "23F", 14.0],
        [None, None, None, None],
        [19, "2022-03-02", True, dt.time(9, 5)],
        [20, "2022-03-02", "23F", "A", "beyond the header"],
    ]
    path = write_workbook(tmp_path / "cases.xlsx", {"Notes": [["nothing"]], "Cases": rows})
    layout = make_layout(
        "id,day,code,ward", sheet="Cases", datetime_formats=["%Y-%m-%d", "%Y-%m-%d %H:%M:%S"]
    )
    file, connection = stage_path(path, layout, city)
    staged = connection.execute("""
        SELECT report_number, strftime(occurred, '%d %H:%M'), nibrs_code, neighborhood
        FROM staged ORDER BY row_number""").fetchall()
    assert staged == [
        ("17", "01 00:00", "120", "Süd"),
        ("18", "01 12:30", "23F", "14"),
        ("19", "02 00:00", "True", "09:05:00"),
    ]
    assert (file.rows_malformed, file.malformed_examples) == (1, (4,))
    with pytest.raises(ShieldError, match="expected text in utf-8 or a sheet 'Fälle'"):
        inspect_file(path, 0, [make_layout("id,day,code,ward", sheet="Fälle")], city)
    with pytest.raises(ShieldError, match="cases.xlsx: header matches no known layout"):
        inspect_file(path, 0, [LAYOUT], city)


def test_parquet_of_any_types(tmp_path: Path, city: City) -> None:
    path = tmp_path / "raw.parquet"
    duckdb.sql("SELECT 1 AS id, DATE '2022-03-01' AS day, '23F' AS code, 'A' AS \"Ward\"").write_parquet(
        str(path)
    )
    layout = make_layout("id,day,code,ward", renamed_columns={"ward": ["Ward_"]})
    with pytest.raises(ShieldError, match=r"missing \['ward'\], not expected \['Ward'\]"):
        inspect_file(path, 0, [layout], city)
    layout = make_layout("id,day,code,Ward", {"neighborhood": "Ward"})
    _, connection = stage_path(path, layout, city)
    assert connection.execute("SELECT report_number, neighborhood FROM staged").fetchall() == [
        ("1", "A")
    ]


def test_read_date_is_that_of_the_manifest_or_of_the_last_change(tmp_path: Path, city: City) -> None:
    path = write_raw(tmp_path / "raw.csv", [{}])
    night = dt.datetime(2022, 3, 2, 3, tzinfo=dt.UTC).timestamp()
    os.utime(path, (night, night))
    assert inspect_files([path], city)[0].read_date == dt.date(2022, 3, 1)
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(days=99)
    os.utime(path, (ahead.timestamp(), ahead.timestamp()))
    assert inspect_files([path], city)[0].read_date < ahead.date() - dt.timedelta(days=90)
    snapshot = tmp_path / "incidents.parquet"
    columns = ", ".join(f"'' AS \"{name}\"" for name in load_layouts(city)[0].columns)
    duckdb.sql(f"SELECT {columns}").write_parquet(str(snapshot))
    snapshot.with_suffix(".json").write_text(json.dumps({"fetched_at": "2021-12-31T23:00:00Z"}))
    assert inspect_files([snapshot], city)[0].read_date == dt.date(2021, 12, 31)
    snapshot.with_suffix(".json").write_text("{}")
    with pytest.raises(ShieldError, match="incidents.json: damaged manifest"):
        inspect_files([snapshot], city)
