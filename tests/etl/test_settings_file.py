"""Every mistake in a settings file is one line: file, key, what was found, what was expected."""

from pathlib import Path

import pytest

from etl.city import City, load_city
from etl.layout import load_layout
from tests.etl.staged import make_layout, stage
from warehouse import settings
from warehouse.errors import ShieldError

CITY = """
name = "Rivertown"
publisher = "Rivertown Police"
time_zone = "America/Chicago"
layouts = ["rivertown"]
beat_pattern = "([1-7])[0-9]"

[bounding_box]
longitude_min = -91.0
longitude_max = -90
latitude_min = 41.0
latitude_max = 42.0

[holidays]
country = "US"
subdivision = "IL"

[districts]
zone = "Ward"
"""

LAYOUT = """
time_zone = "local"
datetime_formats = ["%d.%m.%Y"]
columns = ["Case", "Filed", "Day", "Hour", "What", "Ward", "X", "Y"]
optional_columns = ["Hour"]
encoding = "latin-1"
coordinate_system = "EPSG:32615"

[renamed_columns]
Ward = ["District"]

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
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of settings of one's own."""
    monkeypatch.setattr(settings, "CITIES_DIR", tmp_path)
    monkeypatch.setattr(settings, "LAYOUTS_DIR", tmp_path)
    return tmp_path


CITY_MISTAKES = [
    ('name = "Rivertown"', "", "name: missing, expected a value"),
    ("publisher", "publisherr", "publisherr: unknown key; did you mean 'publisher'?"),
    ("America/Chicago", "Mars/Olympus", "time_zone: found 'Mars/Olympus', expected an IANA time zone"),
    ("latitude_max = 42.0", "", "bounding_box.latitude_max: missing, expected a value"),
    ("42.0", '"42.0"', "bounding_box.latitude_max: found '42.0', expected a valid number"),
    ("-91.0", "-191.0", "longitude_min: found -191.0, expected greater than or equal to -180"),
    ("-91.0", "-89.0", "bounding_box: found a minimum that is not below its maximum"),
    ("([1-7])[0-9]", "[1-7][0-9]", "found '[1-7][0-9]', expected a regular expression with one group"),
    ("([1-7])[0-9]", "([1-7])([0-9])", "expected a regular expression with one group"),
    ("([1-7])[0-9]", "([1-7]", "beat_pattern: found '([1-7]', not a regular expression"),
    ('"US"', '"ZZ"', "holidays.country: found 'ZZ', expected one of the two-letter codes"),
    ('"US"', '"UK"', "two-letter codes that the package `holidays` knows; did you mean 'GB'?"),
    ('"US"', '"United States"', "codes that the package `holidays` knows; did you mean 'US'?"),
    ('"US"', '"HolidayBase"', "holidays.country: found 'HolidayBase', expected one of the two-letter"),
    ("Rivertown Police", "Simulated data", "publisher: found 'Simulated data', expected who publishes"),
    ('name = "Rivertown"', 'name = "  "', "name: found '  ', expected"),
    ('"IL"', '"Ilinois"', "holidays.subdivision: found 'Ilinois', expected one of US: AK, AL,"),
    ('"IL"', '"Ilinois"', "; did you mean 'Illinois'?"),
    ('zone = "Ward"', 'zoen = "Ward"', "districts.zoen: unknown key; did you mean 'zone'?"),
    ('["rivertown"]', "[]", "layouts: found [], expected"),
    ("name =", "name = =", "expected a TOML file in UTF-8, found: Invalid value (at line 2"),
    ("Rivertown P", "River\\u0000town P", "expected text, found a zero character"),
]


@pytest.mark.parametrize(("old", "new", "message"), CITY_MISTAKES)
def test_mistake_in_a_city_file(folder: Path, old: str, new: str, message: str) -> None:
    (folder / "rivertown.toml").write_text(CITY.replace(old, new, 1))
    with pytest.raises(ShieldError) as caught:
        load_city("rivertown")
    assert str(caught.value).startswith("rivertown.toml: ")
    assert message in str(caught.value)


LAYOUT_MISTAKES = [
    ('occurred = "Day"', "", "fields: expected 'occurred' or 'occurred_year'"),
    ('occurred = "Day"', 'occurred = "Dya"', "'Dya' is not among columns; did you mean 'Day'"),
    ("occurred =", "ocurred =", "fields.ocurred: unknown key; did you mean 'occurred'?"),
    ('offense_literal = "What"', "", "fields: expected 'nibrs_code' or 'offense_literal'"),
    ('latitude = "Y"', "", "fields.longitude: needs 'latitude' too"),
    ('occurred_clock = "Hour"', 'occurred_minute = "Hour"', "needs 'occurred_hour' too"),
    ('reported = "Filed"', 'occurred_hour = "Hour"', "expected this or 'occurred_clock', found both"),
    ('["Hour"]', '["What"]', "in a column that is not optional"),
    ('["Hour"]', '["Hours"]', "optional_columns: 'Hours' is not among columns; did"),
    ('Ward = ["District"]', 'Ward = ["CASE"]', "columns: 'case' is there twice"),
    ('Ward = ["District"]', 'Wadr = ["District"]', "renamed_columns: 'Wadr' is not among columns"),
    ('"local"', '"GMT"', "time_zone: found 'GMT', expected 'UTC' or 'local'"),
    ("%d.%m.%Y", "%d.%m", "datetime_formats.0: found '%d.%m', expected a format with year, month"),
    ("%d.%m.%Y", "%d.%m.%Q", "datetime_formats.0: found '%d.%m.%Q', not a date format"),
    ("%d.%m.%Y", "%d.%m.%Y %I:%M", "expected %p beside %I"),
    ("%d.%m.%Y", "%d.%m.%Y %H:%M %z", "such texts carry their own offset"),
    ('"%d.%m.%Y"', '"epoch_ms", "%d.%m.%Y"', "expected an epoch or strptime formats"),
    ('["%d.%m.%Y"]', "[]", "datetime_formats: missing, expected the formats of the dates"),
    ('["%d.%m.%Y"]', '"%d.%m.%Y"', "datetime_formats: found '%d.%m.%Y', expected a list"),
    ("latin-1", "latin-99", "encoding: found 'latin-99', expected an encoding that Python knows"),
    ("latin-1", "rot13", "encoding: found 'rot13', expected an encoding that Python knows"),
    ("latin-1", "punycode", "encoding: found 'punycode', expected an encoding that Python knows"),
    ("%d.%m.%Y", "%d.%m.%Y %H:%M %Z", "such texts carry their own offset"),
    ("EPSG:32615", "EPSG:999999", "coordinate_system: found 'EPSG:999999', expected the EPSG code"),
    ("EPSG:32615", "+proj=utm", "coordinate_system: found '+proj=utm', expected the EPSG code"),
    ('"240"', '"24O"', "offense_codes: 'CAR THEFT': found '24O', expected a NIBRS code"),
    ('= "240"', '= "240"\n"car theft" = "240"', "offense_codes: 'CAR THEFT' is there twice"),
    ("time_zone", 'month_names = ["Januar"]\ntime_zone', "month_names: found ['Januar'], expected"),
    ("time_zone", 'separator = "|"\ntime_zone', "separator: found '|', expected ',', ';' or"),
    ("time_zone", 'clock_time_zone = "local"\ntime_zone', "expected only with time_zone 'UTC'"),
    ('"local"', '"UTC"', "clock_time_zone: missing, expected 'UTC' or 'local': a clock"),
    ('["%d.%m.%Y"]', '["%d.%m.%Y", "%m.%d.%Y"]', "differ in the order of day and month only"),
    ("time_zone", f"month_names = {['Mai'] * 12}\ntime_zone", "month_names: a name is there twice"),
    ("time_zone", 'new_columns = "yes"\ntime_zone', "found 'yes', expected a valid boolean"),
    ("time_zone", 'name = "other"\ntime_zone', "unknown key 'name': the name of the file says it"),
    ("[offense_codes]", "[shifts]\nDay = [6, 14]\n[offense_codes]", "shifts: needs the field 'shift'"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), LAYOUT_MISTAKES)
def test_mistake_in_a_layout_file(folder: Path, old: str, new: str, message: str) -> None:
    (folder / "rivertown.toml").write_text(LAYOUT.replace(old, new, 1))
    with pytest.raises(ShieldError) as caught:
        load_layout("rivertown")
    assert all(line.startswith("rivertown.toml: ") for line in str(caught.value).splitlines())
    assert message in str(caught.value)


def test_files_without_a_mistake(folder: Path) -> None:
    (folder / "rivertown.toml").write_text(CITY)
    city = load_city("rivertown")
    assert (city.holidays and city.holidays.subdivision, city.districts.zone, city.districts.npu) == (
        "IL", "Ward", None,
    )  # fmt: skip
    (folder / "rivertown.toml").write_text(LAYOUT)
    assert load_layout("rivertown").name == "rivertown"


def test_all_mistakes_are_reported_at_once(folder: Path) -> None:
    text = LAYOUT.replace("%d.%m.%Y", "%d").replace('"local"', '"GMT"').replace("encoding", "encodign")
    (folder / "rivertown.toml").write_text(text)
    with pytest.raises(ShieldError) as caught:
        load_layout("rivertown")
    keys = [line.split(": ")[1] for line in str(caught.value).splitlines()]
    assert keys == ["datetime_formats.0", "time_zone", "encodign"]


def test_file_that_is_not_utf_8(folder: Path) -> None:
    (folder / "rivertown.toml").write_bytes(CITY.encode() + b"# caf\xe9")
    with pytest.raises(
        ShieldError, match=r"rivertown.toml: expected a TOML file in UTF-8, found: .*0xe9"
    ):
        load_city("rivertown")


@pytest.mark.parametrize("name", ["../rivertown", "", "a.toml", "/etc/passwd", "a b"])
def test_name_is_no_path(name: str) -> None:
    with pytest.raises(ShieldError, match="expected the name of a file in"):
        load_city(name)
    with pytest.raises(ShieldError, match="expected the name of a file in"):
        load_layout(name)


def test_name_that_no_file_has(folder: Path) -> None:
    (folder / "rivertown.toml").write_text(CITY)
    with pytest.raises(ShieldError, match="no city 'gotham': .* has rivertown"):
        load_city("gotham")


@pytest.mark.parametrize("table", ["none.csv", "../reference/cobra_literal.csv", "neighborhood.csv"])
def test_table_of_codes_that_is_none(folder: Path, table: str) -> None:
    codes = '[offense_codes]\n"CAR THEFT" = "240"'
    text = LAYOUT.replace(codes, "").replace("time_zone", f'offense_codes = "{table}"\ntime_zone')
    (folder / "rivertown.toml").write_text(text)
    with pytest.raises(ShieldError, match="rivertown.toml: offense_codes: .*"):
        load_layout("rivertown")


def test_no_setting_is_sql(folder: Path, city: City) -> None:
    """Quotes in every text of a layout stay text."""
    evil = "'); DROP TABLE staged; --"
    layout = make_layout(
        f"id,day,what,{evil}",
        {"offense_literal": "what", "neighborhood": evil},
        offense_codes={evil: "240"}, null_spellings=[evil + "x"], left_out_offenses=[evil + "y"],
        datetime_formats=[f"%Y%m%d{evil}", "%d %B %Y"], month_names=[f"{evil}{n}" for n in range(12)],
    )  # fmt: skip
    text = f'id,day,what,"{evil}"\n1,20220301{evil},{evil},A\n2,3 {evil}2 2022,,{evil}x\n'
    _, connection = stage(folder / "a.csv", text, layout, city)
    rows = connection.execute(
        "SELECT strftime(occurred, '%m-%d'), nibrs_code, neighborhood FROM staged ORDER BY row_number"
    ).fetchall()
    assert rows == [("03-01", "240", "A"), ("03-03", None, None)]
