"""`python -m etl sketch`: what is guessed of unknown files, and what is never written."""

import csv
import gzip
import io
import re
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import pytest

from etl.__main__ import main
from etl.city import City, load_city
from etl.clock_checks import CITY_PROFILE
from etl.guess_clock import derive_shifts
from etl.guess_dates import DATES, find_months, guess_formats
from etl.guess_place import guess_zone
from etl.guess_words import MONTH_NAMES
from etl.layout import Layout, load_layout
from refresh import Request, refresh
from tests.etl.test_layout import REAL_LAYOUTS
from warehouse import settings

ROWS = 600
LAYOUTS = sorted(path.stem for path in settings.LAYOUTS_DIR.glob("*.toml"))
Row = dict[str, str]


def draw_moments() -> pd.DatetimeIndex:
    """Local moments of two years, by hours as a city has them."""
    rng = np.random.default_rng(1)
    weights = np.repeat(CITY_PROFILE, 3)
    hours = rng.choice(24, ROWS, p=weights / weights.sum())
    days = pd.date_range("2021-01-01", periods=ROWS, freq="29h").normalize()
    return days + pd.to_timedelta(hours * 60 + rng.integers(1, 60, ROWS), unit="m")


MOMENTS = draw_moments()


def spell(form: str, moments: pd.DatetimeIndex = MOMENTS) -> list[str]:
    """TimestampColumns as text."""
    return list(moments.strftime(form))


def name_shift(layout: Layout, hour: int) -> str:
    """The shift that an hour lies in."""
    spans = layout.shifts.items()
    return next(name for name, (first, last) in spans if (hour - first) % 24 < (last - first) % 24)


def rows_of(facts: Layout) -> list[Row]:
    """Rows of a known layout, with other columns that could be mistaken for its fields."""
    moments = MOMENTS
    if facts.is_utc:
        told = moments.tz_localize(
            "America/New_York", nonexistent="shift_forward", ambiguous=np.ones(ROWS, bool)
        )
        moments = told.tz_convert("UTC").tz_localize(None)
    form = facts.datetime_formats[0]
    if form == "epoch_ms":
        dates = [str(int(moment.timestamp()) * 1000) for moment in moments]
    else:
        dates = spell(form, moments)
    values: dict[str, Callable[[int], str]] = {
        **dict.fromkeys(("reported", "occurred", "occurred_until"), lambda n: dates[n]),
        **dict.fromkeys(("occurred_clock", "occurred_until_clock"), lambda n: f"{MOMENTS[n]:%H:%M}"),
        "report_number": lambda n: f"21{n:07}",
        "nibrs_code": lambda n: ("13A", "240", "23F")[n % 3],
        "offense_literal": lambda n: ("AGG ASSAULT", "AUTO THEFT", "ROBBERY", "LARCENY-FROM VEHICLE")[
            n % 4
        ],
        "beat": lambda n: f"{n % 6 + 1}0{n % 4}",
        "neighborhood": lambda n: ("Downtown", "Midtown", "West End")[n % 3],
        "npu": lambda n: "ABM"[n % 3],
        "latitude": lambda n: f"33.7{n % 9}12",
        "longitude": lambda n: f"-84.3{n % 9}12",
        "location_type": lambda n: ("18", "20")[n % 2],
        "firearm_involved": lambda n: ("yes", "no", "no")[n % 3],
        "weekday": lambda n: f"{MOMENTS[n]:%A}",
        "shift": lambda n: name_shift(facts, MOMENTS[n].hour),
    }
    fields = {column: values[name] for name, column in facts.fields.items()}
    others: dict[str, Callable[[int], str]] = {
        "OBJECTID": lambda n: str(n),
        "MI_PRINX": lambda n: str(n + 5000),
        "Location": lambda n: f"{n} SECRET ST",
        "location": lambda n: f"{n} SECRET ST",
        "StreetAddress": lambda n: f"{n} SECRET ST",
        "Vic_Count": lambda n: str(n % 3),
        "x": lambda n: f"-84.3{n % 9}12",
        "y": lambda n: f"33.7{n % 9}12",
        "Crime_Against": lambda n: ("Person", "Property")[n % 2],
    }
    return [
        {c: (others | fields)[c](n) if c in others | fields else "" for c in facts.columns}
        for n in range(ROWS)
    ]


def made_up(**changes: Callable[[int], str]) -> list[Row]:
    """Rows of a made-up file in ISO dates, with columns added or changed."""
    columns: dict[str, Callable[[int], str]] = {
        "Case": lambda n: f"C{n}",
        "Occurred": lambda n: f"{MOMENTS[n]:%Y-%m-%d %H:%M}",
        "Offense": lambda n: ("ROBBERY", "PUNCH-UP")[n % 2],
        "Lon": lambda n: f"-90.5{n % 7}45678",
        "Lat": lambda n: f"41.5{n % 7}45678",
        **changes,
    }
    return [{name: column(n) for name, column in columns.items()} for n in range(ROWS)]


def write(path: Path, rows: list[Row], separator: str = ",", encoding: str = "utf-8") -> Path:
    """Write rows as a text file, or as a workbook whose second sheet they are."""
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        sheet = book.create_sheet("Taten")
        sheet.append(list(rows[0]))
        for row in rows:
            sheet.append([float(text) if text.isdecimal() else text for text in row.values()])
        book.save(path)
        return path
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(stream.getvalue().encode(encoding))
    return path


def sketch(path: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Layout, city and the text of both drafts of a file."""
    out = path.parent / "out"
    assert main(["sketch", str(path), "--out", str(out), "--name", "town"]) == 0
    texts = [(out / room / "town.toml").read_text() for room in ("layouts", "cities")]
    layout, city = map(tomllib.loads, texts)
    return layout, city, "".join(texts)


def draft_and_load(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Layout, City]:
    """The drafts of a file as the ETL loads them, with nothing settled but the publisher."""
    sketch(path)
    city = path.parent / "out" / "cities" / "town.toml"
    city.write_text(city.read_text().replace('publisher = ""', 'publisher = "Town Police"'))
    monkeypatch.setattr(settings, "LAYOUTS_DIR", path.parent / "out" / "layouts")
    monkeypatch.setattr(settings, "CITIES_DIR", path.parent / "out" / "cities")
    return load_layout("town"), load_city("town")


def check_draft(draft: Layout, known: Layout) -> None:
    """Assert that a draft says what the layout written by hand says."""
    assert draft.fields.items() >= known.fields.items()
    assert draft.time_zone == known.time_zone
    assert set(draft.datetime_formats) <= set(known.datetime_formats)
    assert set(draft.columns) <= set(known.columns)
    assert draft.shifts.keys() == known.shifts.keys()
    for name, hours in known.shifts.items():
        # Most rows of the hour in which a shift changes can tell either.
        assert np.abs(np.subtract(draft.shifts[name], hours)).max() <= 1
    assert draft.offense_codes.items() <= known.offense_codes.items()


@pytest.mark.parametrize("name", LAYOUTS)
def test_draft_of_a_known_layout_loads_and_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    known = load_layout(name)
    path = write(tmp_path / "f.csv", rows_of(known))
    draft, city = draft_and_load(path, monkeypatch)
    check_draft(draft, known)
    assert city.time_zone.key == "America/New_York"
    assert not [text for text in tmp_path.glob("out/*/*.toml") if "SECRET" in text.read_text()]


@pytest.mark.real_data
@pytest.mark.parametrize("name", sorted(REAL_LAYOUTS))
def test_draft_of_a_real_file_loads_and_says_the_same(
    tmp_path: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    known = load_layout(REAL_LAYOUTS[name])
    path = tmp_path / "f.csv.gz"
    path.symlink_to(real_data / f"{name}.csv.gz")
    draft, city = draft_and_load(path, monkeypatch)
    check_draft(draft, known)
    assert city.time_zone.key == "America/New_York"


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
    told = capsys.readouterr().out
    answers = {
        "layouts": {"EPSG:?": "EPSG:25833", r'# doubt: "RAUB" = "\w+"': '"RAUB" = "120"'},
        "cities": {
            'publisher = ""': 'publisher = "Polizei"',
            '"\\?"(?=\nlayouts)': '"Europe/Berlin"',
            '_min = "\\?"': "_min = -1.0", '_max = "\\?"': "_max = 89.0",
        },
    }  # fmt: skip
    for key in ("coordinate_system", "publisher", "time_zone", "longitude_min", "latitude_max"):
        assert f"to be settled: town.toml: {key}" in told.replace("bounding_box.", "")
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
        told_hours = connection.execute("SELECT list(hour(occurred_at)) FROM incident").fetchall()
    kept = [row for row in rows if row["Stadtteil"] != "k.A."]
    assert run == [("Town", len(kept))]
    assert hours == [(2 * 12 * 24, True)]
    assert sorted(told_hours[0][0]) == sorted(int(row["Stunde"]) for row in kept)


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
    [
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
    ],
)
def test_headers_as_other_cities_have_them(tmp_path: Path, header: str) -> None:
    columns = [column.split(":") for column in header.split()]
    rows = [{name: VALUES[kind](n) for name, kind, _ in columns} for n in range(ROWS)]
    layout, _, text = sketch(write(tmp_path / "f.csv", rows))
    assert layout["fields"] == {field: name for name, _, field in columns if field}
    assert "SECRET" not in text


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", None), ("utf-8-sig", None), ("latin-1", "latin-1"), ("cp1252", "cp1252"),
        ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encoding_and_separator(
    tmp_path: Path, encoding: str, found: str | None, separator: str
) -> None:
    dash = "–" if encoding != "latin-1" else "-"
    rows = made_up(Barrio=lambda n: f"Peñón{dash}{n % 3}, Sur; Río")
    layout, _, _ = sketch(write(tmp_path / "f.csv", rows, separator, encoding))
    assert layout.get("encoding") == found
    assert layout.get("separator", ",") == separator
    assert layout["fields"]["neighborhood"] == "Barrio"


@pytest.mark.parametrize("suffix", ["", " %H:%M", "T%H:%M:%SZ", " %H:%M%z", " %H:%M:%S %Z"])
@pytest.mark.parametrize("form", DATES)
def test_format_is_guessed_from_what_it_writes(form: str, suffix: str) -> None:
    texts = pd.Series(MOMENTS.tz_localize("UTC").strftime(form + suffix))
    guess = guess_formats(texts, find_months(texts), lambda formats: form + suffix[:6])
    assert guess.formats == [form + suffix]
    assert guess.is_utc == suffix.endswith(("z", "Z"))
    assert not guess.doubts


def test_day_and_month_are_ordered_by_values_by_weekdays_or_doubted(tmp_path: Path) -> None:
    early = MOMENTS[MOMENTS.day <= 12]

    def guess(name: str, **columns: Callable[[int], str]) -> tuple[list[str], str]:
        path = tmp_path / name / "f.csv"
        path.parent.mkdir()
        layout, _, text = sketch(write(path, made_up(**columns)))
        return layout["datetime_formats"], text

    by_value, text = guess("value", Occurred=lambda n: f"{MOMENTS[n]:%d/%m/%Y %H:%M}")
    assert by_value == ["%d/%m/%Y %H:%M"]
    assert "both orders" not in text
    dates = {"Occurred": lambda n: f"{early[n % len(early)]:%d/%m/%Y %H:%M}"}
    days = {"Weekday": lambda n: f"{early[n % len(early)]:%A}"}
    by_weekday, text = guess("weekday", **dates, **days)
    assert by_weekday == ["%d/%m/%Y %H:%M"]
    assert "both orders" not in text
    _, text = guess("undecided", **dates)
    assert "# doubt: day and month can be read in both orders" in text


def test_utc_is_told_by_the_low_of_the_night_and_by_offsets(tmp_path: Path) -> None:
    utc = MOMENTS + pd.Timedelta(hours=6)
    layout, city, text = sketch(
        write(tmp_path / "f.csv", made_up(Occurred=lambda n: f"{utc[n]:%Y-%m-%d %H:%M}"))
    )
    assert (layout["time_zone"], city["time_zone"]) == ("UTC", "America/Chicago")
    (tmp_path / "z").mkdir()
    rows = made_up(Occurred=lambda n: f"{utc[n]:%Y-%m-%dT%H:%M:%S}Z")
    layout, _, _ = sketch(write(tmp_path / "z" / "f.csv", rows))
    assert (layout["time_zone"], layout["datetime_formats"]) == ("UTC", ["%Y-%m-%dT%H:%M:%SZ"])


def test_local_midnight_in_utc_beside_a_local_hour(tmp_path: Path) -> None:
    days = MOMENTS.normalize().tz_localize("America/Chicago").tz_convert("UTC")
    rows = made_up(
        Occurred=lambda n: f"{days[n]:%Y/%m/%d %H:%M:%S}", Occ_Hour=lambda n: str(MOMENTS[n].hour)
    )
    layout, _, _ = sketch(write(tmp_path / "f.csv", rows))
    assert layout["fields"]["occurred_hour"] == "Occ_Hour"
    assert (layout["time_zone"], layout["clock_time_zone"]) == ("UTC", "local")


def test_swapped_names_are_mapped_by_their_values_and_doubted(tmp_path: Path) -> None:
    rows = made_up(Lon=lambda n: f"41.5{n % 7}", Lat=lambda n: f"-90.5{n % 7}")
    layout, city, text = sketch(write(tmp_path / "f.csv", rows))
    assert (layout["fields"]["longitude"], layout["fields"]["latitude"]) == ("Lat", "Lon")
    assert city["bounding_box"]["longitude_max"] < -90
    assert "# doubt: names of longitude and latitude seem swapped" in text


def test_no_address_no_victim_and_no_exact_coordinate_is_written_or_told(
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


def test_missing_file_and_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_beats_that_begin_with_their_zone_and_shifts_that_the_times_contradict(tmp_path: Path) -> None:
    rows = made_up(
        Beat=lambda n: f"{n % 6 + 1}0{n % 4}",
        Zone=lambda n: f"{n % 6 + 1}",
        Watch=lambda n: "Day" if (MOMENTS[n].hour < 12) == (n % 10 > 2) else "Eve",
    )
    layout, city, text = sketch(write(tmp_path / "f.csv", rows))
    assert city["beat_pattern"] == "([0-9]{1})[0-9]{2}"
    assert city["districts"] == {"zone": "Zone", "beat": "Beat"}
    assert "shift" not in layout["fields"]
    assert "# doubt: 'Watch' is not mapped as shift: 30% of 600 times lie outside the shift" in text


def test_shift_hours_may_wrap_and_must_be_runs() -> None:
    hours = [*range(24)] * 2

    def derive(names: list[str]) -> dict[str, list[int]]:
        return derive_shifts(pd.DataFrame({"hour": hours, "shift": names}))

    nights = ["Night" if hour < 6 or hour >= 22 else "Day" for hour in hours]
    assert derive(nights) == {"Day": [6, 22], "Night": [22, 6]}
    assert derive(["AB"[hour % 2] for hour in hours]) == {}


@pytest.mark.parametrize(
    ("longitude", "latitude", "expected"),
    [
        (-84.39, 33.75, ("US", "America/New_York")),
        (-123.1, 49.26, ("CA", "America/Vancouver")),
        (13.4, 52.5, ("DE", "Europe/Berlin")),
        (10.75, 59.9, ("NO", "Europe/Oslo")),
        (-73.6, 45.5, ("CA", "America/Toronto")),  # nearer to New York on a flat map
        (151.2, -33.87, ("AU", "Australia/Sydney")),
    ],
)
def test_time_zone_of_the_nearest_principal_city(
    longitude: float, latitude: float, expected: tuple[str, str]
) -> None:
    assert guess_zone(longitude, latitude) == expected
