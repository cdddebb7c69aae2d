"""Dirty text: every good record is kept, every bad one counted, and none is taken for another."""

import gzip
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.city import City, load_city
from etl.dirty_csv import MAX_RECORD_LINES, split_records
from etl.layout import load_layout
from etl.raw_file import RawFile, inspect_file
from etl.raw_text import MAX_RECORD_BYTES
from etl.staging import stage_files
from tests.conftest import CleanFiles
from tests.raw import GOOD_NIBRS, write_raw

LAYOUT = load_layout("nibrs")
HEADER = ",".join(LAYOUT.columns).encode()
WIDTH = len(LAYOUT.columns)


def good_line(number: int, address: str = "1 SECRET ST") -> bytes:
    """Return a good record without its line end."""
    fields = {**GOOD_NIBRS, "IncidentNumber": f"{number:09}", "StreetAddress": address}
    return ",".join(fields.get(name, "") for name in LAYOUT.columns).encode()


def stage(path: Path, city: City) -> tuple[RawFile, list[tuple[str, int]]]:
    """Return a file after staging, and report number and row number of every staged row."""
    file = inspect_file(path, 0, [LAYOUT], city)
    with duckdb.connect() as connection:
        stage_files(connection, [file], city, path.with_suffix(".scratch"))
        rows = connection.execute(
            "SELECT report_number, row_number FROM staged ORDER BY row_number"
        ).fetchall()
    assert not path.with_suffix(".scratch").exists()
    return file, rows


DAMAGE = {
    "too few fields": b"1,2,3",
    "too many fields": b"x," * 60,
    "quote never closed": good_line(0, '"1 A ST'),
    "text after a quote": good_line(0, '"1 A" ST'),
    "latin-1 byte in a column in use": good_line(0).replace(b"Downtown", b"Caf\xe9town"),
    "zero byte": good_line(0).replace(b"SECRET", b"SEC\0RET"),
    "field of megabytes": good_line(0, "A" * (MAX_RECORD_BYTES + 1)),
    "lone quote": b'"',
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("packed", [False, True])
def test_damage_costs_one_row_and_no_other(tmp_path: Path, city: City, kind: str, packed: bool) -> None:
    good = [good_line(number) for number in range(1, 41)]
    lines = [HEADER, *good[:20], DAMAGE[kind], *good[20:]]
    content = b"\n".join(lines) + b"\n"
    path = tmp_path / "raw.csv"
    path.write_bytes(gzip.compress(content) if packed else content)
    file, rows = stage(path, city)
    assert [number for number, _ in rows] == [f"{number:09}" for number in range(1, 41)]
    assert [place for _, place in rows] == [*range(1, 21), *range(22, 42)]
    assert (file.rows_malformed, file.malformed_examples) == (1, (21,))


@pytest.mark.parametrize("also", [[], [b"junk"]])
def test_latin_1_byte_in_a_column_not_in_use_costs_nothing(
    tmp_path: Path, city: City, also: list[bytes]
) -> None:
    path = tmp_path / "raw.csv"
    odd = good_line(2).replace(b"SECRET", b"CAF\xe9")
    path.write_bytes(b"\n".join([HEADER, good_line(1), odd, good_line(3), *also]) + b"\n")
    file, rows = stage(path, city)
    assert (len(rows), file.rows_malformed) == (3, len(also))


def test_unclosed_quote_that_a_later_one_seems_to_close(tmp_path: Path, city: City) -> None:
    """The engine alone would read thirty records as one field, and find nothing wrong with it."""
    opening = good_line(0, '"1 A ST')
    closing = b'",' + b",".join([b"x"] * (WIDTH - 1 - LAYOUT.columns.index("StreetAddress")))
    good = [good_line(number) for number in range(1, 31)]
    path = tmp_path / "raw.csv"
    path.write_bytes(b"\n".join([HEADER, opening, *good, closing]) + b"\n")
    file, rows = stage(path, city)
    assert len(rows) == 30
    assert file.rows_malformed == 2


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("last_end", [True, False])
def test_line_ends_of_every_kind(tmp_path: Path, city: City, end: bytes, last_end: bool) -> None:
    path = tmp_path / "raw.csv"
    lines = [HEADER, *(good_line(number) for number in range(1, 6))]
    path.write_bytes(end.join(lines) + (end if last_end else b""))
    file, rows = stage(path, city)
    assert (len(rows), file.rows_malformed) == (5, 0)


def test_line_ends_may_differ_within_a_file(tmp_path: Path, city: City) -> None:
    path = tmp_path / "raw.csv"
    path.write_bytes(HEADER + b"\r\n" + good_line(1) + b"\n" + good_line(2) + b"\r\n\n" + good_line(3))
    file, rows = stage(path, city)
    assert (len(rows), file.rows_malformed) == (3, 0)


def test_address_of_several_lines_is_one_record_even_in_a_dirty_file(tmp_path: Path, city: City) -> None:
    address = '"1 A ST\nATLANTA, GA 30303\n(33.7, -84.4)"'
    path = tmp_path / "raw.csv"
    path.write_bytes(b"\n".join([HEADER, good_line(1, address), b"junk", good_line(2, address)]) + b"\n")
    file, rows = stage(path, city)
    assert rows == [("000000001", 1), ("000000002", 3)]
    assert file.rows_malformed == 1


PIECES = st.one_of(
    st.integers(1, 10**8).map(good_line),
    st.sampled_from(sorted(set(DAMAGE.values()) - {DAMAGE["field of megabytes"]})),
    st.binary(max_size=60),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(PIECES, min_size=1, max_size=40), end=st.sampled_from([b"\n", b"\r\n"]))
def test_whatever_stands_between_them_good_lines_come_through(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], end: bytes
) -> None:
    """Good lines at both ends, damage of any bytes between: all read or counted, in order."""
    wall = [good_line(10**8 + number) for number in range(MAX_RECORD_LINES + 1)]
    path = tmp_path_factory.mktemp("fuzz") / "raw.csv"
    path.write_bytes(end.join([HEADER, *wall, *pieces, *wall]) + end)
    file, rows = stage(path, load_city())
    kept = [int(number) for number, _ in rows if number and number.isdigit()]
    first = [10**8 + number for number in range(MAX_RECORD_LINES + 1)]
    assert kept[: len(first)] == first
    # An open quote may take the first of the closing lines with it, never the last.
    assert kept[-1] == first[-1]
    places = [place for _, place in rows]
    assert places == sorted(set(places))
    if file.rows_malformed:
        assert max(places) == len(rows) + file.rows_malformed


def test_split_agrees_with_the_engine_on_clean_text(tmp_path: Path, city: City) -> None:
    path = write_raw(
        tmp_path / "raw.csv",
        [{"IncidentNumber": f"{n:05}", "StreetAddress": 'A, "B"\nC'} for n in range(50)],
    )
    split = [fields for _, fields in split_records(inspect_file(path, 0, [LAYOUT], city)) if fields]
    engine = duckdb.sql(
        f"SELECT * FROM read_csv('{path}', all_varchar = true, header = true)"
    ).fetchall()
    assert [[value or None for value in fields] for fields in split] == [list(row) for row in engine]


def test_dirty_file_never_writes_an_address_beside_the_build(
    clean: CleanFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    unlink = Path.unlink

    def read_and_unlink(self: Path, missing_ok: bool = False) -> None:
        if self.exists() and self.name.endswith("clean.csv"):
            written.append(self.read_text())
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", read_and_unlink)
    path = write_raw(tmp_path / "raw.csv", [{}])
    path.write_text(path.read_text() + "junk\n")
    clean([path])
    assert written
    assert "SECRET" not in written[0]
    assert "210010001" in written[0]
