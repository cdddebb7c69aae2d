"""A city that is not Atlanta: two files, no code, through to a published forecast."""

import csv
import datetime as dt
from collections import Counter
from pathlib import Path

import duckdb
import numpy as np
import openpyxl
import pytest

from refresh import Request, refresh
from serve.app import create_app
from warehouse import settings

CITY = """
name = "Rivertown"
publisher = "Rivertown Police"
time_zone = "America/Chicago"
layouts = ["rivertown"]

[bounding_box]
longitude_min = -91.0
longitude_max = -90.0
latitude_min = 41.0
latitude_max = 42.0
"""

LAYOUT = """
time_zone = "local"
datetime_formats = ["%d.%m.%Y"]
null_spellings = ["unknown"]
columns = ["Case", "Filed", "Day", "Hour", "What", "Ward", "X", "Y"]

[fields]
report_number = "Case"
reported = "Filed"
occurred = "Day"
occurred_clock = "Hour"
offense_literal = "What"
neighborhood = "Ward"
longitude = "X"
latitude = "Y"

[offense_codes]
"CAR THEFT" = "240"
"PUNCH-UP" = "13B"
"""


@pytest.fixture
def _rivertown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "CITIES_DIR", tmp_path)
    monkeypatch.setattr(settings, "LAYOUTS_DIR", tmp_path / "layouts")
    (tmp_path / "layouts").mkdir()
    (tmp_path / "rivertown.toml").write_text(CITY)
    (tmp_path / "layouts" / "rivertown.toml").write_text(LAYOUT)


def write_cases(path: Path) -> Path:
    """Write 600 cases of 2022, every tenth without a ward."""
    draw = np.random.default_rng(5)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Case", "Filed", "Day", "Hour", "What", "Ward", "X", "Y"])
        for number in range(600):
            day = f"{1 + number % 28:02}.{1 + number // 50:02}.2022"
            ward = "unknown" if number % 10 == 9 else f"Ward {1 + number % 3}"
            what = draw.choice(["Car theft", "Punch-up"])
            writer.writerow([number, day, day, f"{draw.integers(24)}:00", what, ward, -90.5, 41.5])
    return path


@pytest.mark.usefixtures("_rivertown")
def test_two_files_make_a_city(tmp_path: Path) -> None:
    builds = tmp_path / "builds"
    raw = write_cases(tmp_path / "cases.csv")
    refresh(Request("files", builds, raw=(raw,), city="rivertown", with_backtest=False))
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as connection:
        run = connection.execute("SELECT city, rows_kept, data_source FROM refresh_run").fetchall()
        rules = connection.execute("SELECT rule FROM rejected_incident WHERE row_count > 0").fetchall()
        known = connection.execute(
            "SELECT count(zone), count(beat), count(location_type), count(firearm_involved) "
            "FROM incident"
        ).fetchall()
        outside = connection.execute(
            "SELECT neighborhood, incident_count FROM neighborhood WHERE NOT is_named"
        ).fetchall()
        tried = connection.execute("SELECT rule FROM rejected_incident").fetchall()
        lacking = connection.execute("""
            SELECT (SELECT count(*) FROM mart_zone_distribution), (SELECT count(*) FROM holiday),
                   (SELECT count(*) FROM data_dictionary WHERE column_name IN ('npu', 'zone', 'beat')),
                   (SELECT count(*) FROM model_card WHERE regexp_matches(text, 'NPU|oliday|Districts'))
        """).fetchall()
    assert run == [("Rivertown", 600, "Rivertown Police")]
    assert rules == []
    assert outside == [("Outside neighborhoods", 60)]
    assert known == [(0, 0, 0, 0)]
    assert lacking == [(0, 0, 0, 0)]
    assert not {("missing_beat",), ("missing_location_type",)} & set(tried)
    client = create_app(builds).test_client()
    hours = client.post("/predict_hourly_crime", json={"neighborhood": "Ward 2", "month": 3}).get_json()
    assert len(hours) == 24
    assert sum(hour["predicted_crimes"] for hour in hours) > 0.1


BRUECKE = """
name = "Brücke"
publisher = "Polizei Brücke"
time_zone = "Europe/Berlin"
layouts = ["bruecke"]

[bounding_box]
longitude_min = 13.0
longitude_max = 14.0
latitude_min = 52.0
latitude_max = 53.0

[holidays]
country = "DE"
subdivision = "BE"

[districts]
zone = "Bezirk"
"""

FAELLE = """
datetime_formats = ["%d.%m.%Y", "%Y-%m-%d"]
month_names = [
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
    "November", "Dezember",
]
null_spellings = ["unbekannt"]
columns = [
    "Gemeldet", "Tag", "Monat", "Jahr", "Stunde", "Delikt", "Bezirk", "Viertel", "Straße", "Rechtswert",
    "Hochwert",
]
separator = ";"
encoding = "latin-1"
decimal_comma = true
coordinate_system = "EPSG:25833"
left_out_offenses = ["Falschparken"]

[fields]
reported = "Gemeldet"
occurred_day = "Tag"
occurred_month = "Monat"
occurred_year = "Jahr"
occurred_hour = "Stunde"
offense_literal = "Delikt"
zone = "Bezirk"
neighborhood = "Viertel"
longitude = "Rechtswert"
latitude = "Hochwert"

[offense_codes]
"AUTODIEBSTAHL" = "240"
"KÖRPERVERLETZUNG" = "13B"
"""


def draw_faelle(year: int) -> list[list[object]]:
    """Return 600 cases of a year, one of them twice, with cells as a spreadsheet would hold them."""
    draw, months = np.random.default_rng(year), FAELLE.split('"')[5:28:2]
    rows: list[list[object]] = []
    for number in range(600):
        day = dt.date(year, 1 + number // 50, 1 + number % 28)
        quarter = ["Süd", "Nord", "unbekannt"][number % 10 // 4]
        offense = draw.choice(["Autodiebstahl", "Körperverletzung", "Falschparken"], p=[0.5, 0.4, 0.1])
        rows.append(
            [day, day.day, months[day.month - 1], year, int(draw.integers(24)), str(offense),
             number % 10 // 4, quarter, f"Weg {number}", 390_000.25 + number % 3, 5_820_000.5]
        )  # fmt: skip
    return [*rows, rows[0]]


def write_faelle(folder: Path) -> tuple[Path, Path]:
    """Write one year as CSV in Latin-1 with semicolons and decimal commas, one as xlsx."""
    header = FAELLE[FAELLE.index("columns") : FAELLE.index("separator")].split('"')[1::2]
    text, book = folder / "2021.csv", openpyxl.Workbook()
    with text.open("w", newline="", encoding="latin-1") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(header)
        for row in draw_faelle(2021):
            cells = [str(cell).replace(".", ",") for cell in row[1:]]
            writer.writerow([f"{row[0]:%d.%m.%Y}", *cells])
    sheet = book.worksheets[0]
    sheet.append(header)
    for row in draw_faelle(2022):
        sheet.append(row)
    book.save(folder / "2022.xlsx")
    return text, folder / "2022.xlsx"


@pytest.mark.slow
def test_parts_of_dates_month_names_hours_semicolons_latin_1_projection_and_xlsx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CITIES_DIR", tmp_path)
    monkeypatch.setattr(settings, "LAYOUTS_DIR", tmp_path / "layouts")
    (tmp_path / "layouts").mkdir()
    (tmp_path / "bruecke.toml").write_text(BRUECKE)
    (tmp_path / "layouts" / "bruecke.toml").write_text(FAELLE)
    builds = tmp_path / "builds"
    refresh(Request("files", builds, raw=write_faelle(tmp_path), city="bruecke", with_backtest=False))
    expected = [row for year in (2021, 2022) for row in draw_faelle(year)[:-1]]
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as connection:
        rules = connection.execute(
            "SELECT rule, sum(row_count)::INTEGER AS rejected FROM rejected_incident"
            " GROUP BY ALL HAVING rejected > 0"
        ).fetchall()
        kept = connection.execute(
            "SELECT count(*), min(longitude), min(latitude) FROM incident"
        ).fetchone()
        hours = connection.execute(
            "SELECT hour(occurred_at), count(*) FROM incident GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    good = [row for row in expected if row[5] != "Falschparken"]
    doubles = sum(draw_faelle(year)[0] in good for year in (2021, 2022))
    left_out = [row for row in expected if row[5] == "Falschparken"]
    assert dict(rules)["duplicate"] == doubles
    assert dict(rules)["left_out_offense"] >= len(left_out)
    assert "unknown_offense" not in dict(rules)
    assert kept == (len(good), 13.379, 52.519)
    assert hours == sorted(Counter(row[4] for row in good).items())
    client = create_app(builds).test_client()
    answer = client.post("/predict_hourly_crime", json={"neighborhood": "Süd", "month": 3}).get_json()
    assert sum(hour["predicted_crimes"] for hour in answer) > 0.1
