"""`python -m etl sketch`: drafts of unknown files, and what is never written or overwritten."""

import gzip
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from etl.__main__ import main
from etl.guess_words import MONTH_NAMES
from refresh import Request, refresh
from tests.etl.unknown_file import MOMENTS, ROWS, made_up, sketch, write
from tests.one_in import one_in
from warehouse import settings

GERMAN_MONTHS = list(MONTH_NAMES[1])
GERMAN: dict[str, Callable[[int], str]] = {
    "Vorgangsnummer": lambda n: f"{n + 1000}",
    "Jahr": lambda n: f"{MOMENTS[n].year}",
    "Monat": lambda n: GERMAN_MONTHS[MOMENTS[n].month - 1],
    "Tag": lambda n: f"{MOMENTS[n].day}",
    "Stunde": lambda n: f"{MOMENTS[n].hour}",
    "Straße": lambda n: f"Geheimweg {n}",
    "Delikt": lambda n: ("RAUB", "ROBBERY")[n % 2],
    "Stadtteil": lambda n: ("Nordstadt", "Südstadt", "Nordstadt", "Südstadt", "k.A.")[n % 5],
    "Rechtswert": lambda n: f"{550_000 + n},5",
    "Hochwert": lambda n: f"{5_800_000 + n},5",
}


@pytest.mark.parametrize("file", ["taten.csv", "taten.xlsx"])
def test_city_with_its_own_ways_is_understood(tmp_path: Path, file: str) -> None:
    rows = [{name: column(n) for name, column in GERMAN.items()} for n in range(ROWS)]
    layout, _, text = sketch(write(tmp_path / file, rows, ";", "latin-1"))
    assert layout["fields"] == {
        "report_number": "Vorgangsnummer",
        "occurred_year": "Jahr",
        "occurred_month": "Monat",
        "occurred_day": "Tag",
        "occurred_hour": "Stunde",
        "offense_literal": "Delikt",
        "neighborhood": "Stadtteil",
        "longitude": "Rechtswert",
        "latitude": "Hochwert",
    }
    assert layout["month_names"] == GERMAN_MONTHS
    assert layout["decimal_comma"] is True
    assert layout["coordinate_system"] == "EPSG:?"
    assert layout["null_spellings"] == ["k.A."]
    assert layout["offense_codes"] == {"ROBBERY": "120"}
    form = ("sheet", "Taten") if file.endswith("xlsx") else ("separator", ";")
    assert form in layout.items()
    assert layout.get("encoding", "utf-8") == ("utf-8" if file.endswith("xlsx") else "latin-1")
    assert "Geheimweg" not in text
    assert '# doubt: "RAUB" = ' in text


def test_unknown_city_is_published_from_its_settled_drafts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{name: column(n) for name, column in GERMAN.items()} for n in range(ROWS)]
    raw = write(tmp_path / "taten.csv", rows, ";", "latin-1")
    sketch(raw)
    printed = capsys.readouterr().out
    answers = {
        "layouts": {"EPSG:?": "EPSG:25833", r'# doubt: "RAUB" = "\w+"': '"RAUB" = "120"'},
        "cities": {
            'publisher = ""': 'publisher = "Polizei"',
            '"\\?"(?=\nlayouts)': '"Europe/Berlin"',
            '_min = "\\?"': "_min = -1.0", '_max = "\\?"': "_max = 89.0",
        },
    }  # fmt: skip
    for key in ("coordinate_system", "publisher", "time_zone", "longitude_min", "latitude_max"):
        assert f"to be settled: town.toml: {key}" in printed.replace("bounding_box.", "")
    for room, lines in answers.items():
        draft = tmp_path / "out" / room / "town.toml"
        for found, answer in lines.items():
            draft.write_text(re.sub(found.replace("EPSG:?", "EPSG:\\?"), answer, draft.read_text()))
    monkeypatch.setattr(settings, "LAYOUTS_DIR", tmp_path / "out" / "layouts")
    monkeypatch.setattr(settings, "CITIES_DIR", tmp_path / "out" / "cities")
    builds = tmp_path / "builds"
    refresh(Request("files", builds, raw=(raw,), city="town", with_backtest=False))
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as connection:
        run = connection.execute("SELECT city, rows_kept FROM refresh_run").fetchall()
        hours = connection.execute(
            "SELECT count(*), sum(expected_crimes) > 0.1 FROM forecast_hourly"
        ).fetchall()
        kept_hours = connection.execute("SELECT list(hour(occurred_at)) FROM incident").fetchall()
    assert run == [("Town", len(rows))]
    named = len({row["Stadtteil"] for row in rows} - {"k.A."})
    assert hours == [((named + 1) * 12 * 24, True)]  # and one place outside the neighborhoods
    assert sorted(kept_hours[0][0]) == sorted(int(row["Stunde"]) for row in rows)


VALUES: dict[str, Callable[[int], str]] = {
    "date": lambda n: f"{MOMENTS[n]:%m/%d/%Y}", "clock": lambda n: f"{MOMENTS[n]:%H:%M:%S}",
    "year": lambda n: f"{MOMENTS[n].year}", "month": lambda n: f"{MOMENTS[n].month}",
    "day": lambda n: f"{MOMENTS[n].day}", "hour": lambda n: f"{MOMENTS[n].hour}",
    "minute": lambda n: f"{MOMENTS[n].minute}", "id": lambda n: f"GO-{n}", "few": lambda n: "ABC"[n % 3],
    "longitude": lambda n: f"-79.{380 + n % 9}", "latitude": lambda n: f"43.{650 + n % 9}",
    "metres": lambda n: str(490_000 + 7 * n), "offense": lambda n: ("ARSON", "ROBBERY")[n % 2],
    "street": lambda n: f"{n} SECRET ST", "extension": lambda n: ("100", "200", "210")[n % 3],
}  # fmt: skip


@pytest.mark.parametrize(
    "header",
    one_in(2, [
        "TYPE:offense:offense_literal YEAR:year:occurred_year MONTH:month:occurred_month "
        "DAY:day:occurred_day HOUR:hour:occurred_hour MINUTE:minute:occurred_minute "
        "HUNDRED_BLOCK:street: NEIGHBOURHOOD:few:neighborhood X:metres:longitude Y:metres:latitude",
        "EVENT_UNIQUE_ID:id:report_number REPORT_DATE:date:reported OCC_DATE:date:occurred "
        "REPORT_YEAR:year: OCC_YEAR:year: OCC_MONTH:month: OCC_DAY:day: REPORT_HOUR:hour: "
        "UCR_EXT:extension: "  # NIBRS codes by their values, and none
        "OCC_HOUR:hour:occurred_hour DIVISION:few:zone PREMISES_TYPE:few:location_type "
        "OFFENCE:offense:offense_literal NEIGHBOURHOOD_158:few:neighborhood "
        "LONG_WGS84:longitude:longitude LAT_WGS84:latitude:latitude",
        "Fallnummer:id:report_number Tatdatum:date:occurred Tatzeit:hour:occurred_hour Delikt:offense:"
        "offense_literal Stadtteil:few:neighborhood",
        "CMPLNT_NUM:id:report_number CMPLNT_FR_DT:date:occurred CMPLNT_FR_TM:clock:occurred_clock "
        "CMPLNT_TO_DT:date:occurred_until CMPLNT_TO_TM:clock:occurred_until_clock RPT_DT:date:reported "
        "OFNS_DESC:offense:offense_literal BORO_NM:few:neighborhood X_COORD_CD:metres: "
        "Latitude:latitude:latitude Longitude:longitude:longitude",
    ]),
)  # fmt: skip
def test_headers_of_other_cities_are_mapped(tmp_path: Path, header: str) -> None:
    columns = [column.split(":") for column in header.split()]
    rows = [{name: VALUES[kind](n) for name, kind, _ in columns} for n in range(ROWS)]
    layout, _, text = sketch(write(tmp_path / "f.csv", rows))
    assert layout["fields"] == {field: name for name, _, field in columns if field}
    assert "SECRET" not in text


def test_no_address_no_victim_and_no_exact_coordinate_is_written_or_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = made_up(
        Where=lambda n: f"{n % 5} SECRET ST",
        Victim=lambda n: "JANE DOE",
        Address=lambda n: "SECRET LANE",
        SuspectZone=lambda n: "AB"[n % 2],
    )
    layout, city, text = sketch(write(tmp_path / "f.csv", rows))
    said = text + "".join(capsys.readouterr())
    for secret in ("SECRET", "JANE", "45678"):
        assert secret not in said
    assert 'people), never to be mapped: ["Where", "Victim", "Address", "SuspectZone"]' in text
    assert all(edge == round(edge, 2) for edge in city["bounding_box"].values())
    assert not {"Where", "Victim", "Address", "SuspectZone"} & set(layout["fields"].values())


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (bytes(range(256)) * 50, "found binary data"),
        (zipped(), "a zip file (a.csv)"),
        (gzip.compress(gzip.compress(b"a,b\n")), "holds a gzip file within a gz"),
        (gzip.compress(b"a,b\n" * 9000)[:-9], "truncated or damaged gz"),
        (b"PAR1rest", "found a Parquet file"),
        (b'{"type": "FeatureCollection"}', "found JSON"),
        (b"a,b\n", "found no rows of as many cells under a header line"),
        (b"just\nwords\n", "found one column"),
        (b"a|b\n1|2\n", "found one column"),
        (b"PK\3\4rest", "damaged xlsx or zip file"),
        (b"1,2.5,2021-01-01\n" * 5, "found values instead of column names in row 1"),
    ],
    # Bytes of gz and zip tell the time; tests are shared out by their ids.
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_what_is_no_table_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    assert main(["sketch", str(path), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: bad.csv: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_missing_file_and_folder_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, message in ((tmp_path / "none.csv", "no such file"), (tmp_path, "a folder")):
        assert main(["sketch", str(path), "--out", str(tmp_path / "out")]) == 1
        assert message in capsys.readouterr().err


def test_drafts_that_are_there_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "f.csv", made_up())
    sketch(path)
    draft = tmp_path / "out" / "layouts" / "town.toml"
    draft.write_text("mine")
    assert main(["sketch", str(path), "--out", str(tmp_path / "out"), "--name", "town"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert draft.read_text() == "mine"


def test_hostile_names_and_literals_stay_within_their_strings(tmp_path: Path) -> None:
    evil = 'a"\n[fields]\x7f\\'
    watch = {"Watch": lambda n: evil if MOMENTS[n].hour < 12 else "Day"}
    rows = made_up(Offense=lambda n: f"{evil}{n % 2}", **{evil: lambda n: "x"}, **watch)
    layout, _, _ = sketch(write(tmp_path / "f.csv", rows))
    assert evil in layout["columns"]
    assert layout["offense_codes"] == {}
    assert layout["shifts"] == {evil: [0, 12], "Day": [12, 24]}
