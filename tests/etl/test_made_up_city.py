"""A city that is not Atlanta: two files, no code, through to a published forecast."""

import csv
from pathlib import Path

import duckdb
import numpy as np
import pytest

from etl.city import load_city
from etl.layout import load_layout
from refresh import Request, refresh
from serve.app import create_app
from warehouse import settings
from warehouse.errors import ShieldError

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
        rules = connection.execute("SELECT rule FROM rejected_incident WHERE rows > 0").fetchall()
        known = connection.execute(
            "SELECT count(zone), count(beat), count(location_type), count(firearm_involved) "
            "FROM incident"
        ).fetchall()
        tried = connection.execute("SELECT rule FROM rejected_incident").fetchall()
        lacking = connection.execute("""
            SELECT (SELECT count(*) FROM mart_zone_distribution), (SELECT count(*) FROM holiday),
                   (SELECT count(*) FROM data_dictionary WHERE column_name IN ('npu', 'zone', 'beat')),
                   (SELECT count(*) FROM model_card WHERE regexp_matches(text, 'NPU|oliday|Districts'))
        """).fetchall()
    assert run == [("Rivertown", 540, "Rivertown Police")]
    assert rules == [("missing_neighborhood",)]
    assert known == [(0, 0, 0, 0)]
    assert lacking == [(0, 0, 0, 0)]
    assert not {("missing_beat",), ("missing_location_type",)} & set(tried)
    client = create_app(builds).test_client()
    hours = client.post("/predict_hourly_crime", json={"neighborhood": "Ward 2", "month": 3}).get_json()
    assert len(hours) == 24
    assert sum(hour["predicted_crimes"] for hour in hours) > 0.1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "Rivertown"', "", "rivertown.toml: not the file of a city: .*name"),
        ("America/Chicago", "Mars/Olympus", "rivertown.toml: not the file of a city"),
        ("latitude_max = 42.0", "", "rivertown.toml: not the file of a city: .*latitude_max"),
        ("name =", "mood = 1\nname =", "rivertown.toml: not the file of a city: .*mood"),
        ("name =", "name = = ", "rivertown.toml: not the file of a city"),
        ("name =", 'beat_pattern = "[0-9]"\nname =', "beat_pattern needs one group"),
    ],
)
@pytest.mark.usefixtures("_rivertown")
def test_unfit_city_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "rivertown.toml").write_text(CITY.replace(old, new))
    with pytest.raises(ShieldError, match=message):
        load_city("rivertown")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('occurred = "Day"', "", r"fields missing \['occurred'\]"),
        ('occurred = "Day"', 'occurred = "Tag"', r"not among needed columns \['Tag'\]"),
        ('occurred = "Day"', 'occurred = "Day"\nmood = "What"', r"not known \['mood'\]"),
        ('offense_literal = "What"', "", "need nibrs_code or offense_literal"),
        ('time_zone = "local"', 'time_zone = "GMT"', "time_zone is 'GMT', expected 'UTC' or 'local'"),
        ("[fields]", "[fields", "not the file of a layout"),
    ],
)
@pytest.mark.usefixtures("_rivertown")
def test_unfit_layout_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "layouts" / "rivertown.toml").write_text(LAYOUT.replace(old, new))
    with pytest.raises(
        ShieldError, match=f"rivertown.toml: not the file of a layout: .*{message}|{message}"
    ):
        load_layout("rivertown")
