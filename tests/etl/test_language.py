"""What a layout can say, and what becomes of a row in it: a small text in, staged rows out."""

from pathlib import Path

import pytest

from tests.etl.staged import make_layout, read_staged, stage

WHEN = "strftime(occurred, '%Y-%m-%d %H:%M')"


def read_moments(
    path: Path, columns: str, cells: list[str], fields: dict[str, str], **facts: object
) -> list[object]:
    """Return the moments of occurrence of rows whose `columns` hold `cells`."""
    layout = make_layout(f"id,code,ward,{columns}", fields, **{"datetime_formats": [], **facts})
    text = f"id,code,ward,{columns}\n" + "".join(f"{n},23F,A,{cell}\n" for n, cell in enumerate(cells))
    return [row[0] for row in read_staged(path / "raw.csv", text, layout, WHEN)]


PARTS = {"occurred_year": "y", "occurred_month": "m", "occurred_day": "d"}


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2022,3,1", "2022-03-01 00:00"),
        ("2022.0,03.0,01.0", "2022-03-01 00:00"),
        ("2022,March,1", "2022-03-01 00:00"),
        ("2022,mar,1", "2022-03-01 00:00"),
        ("2022,13,1", None),
        ("2022,2,30", None),
        ("22,3,1", None),
        ("2022,,1", None),
        ("2022,3.5,1", None),
    ],
)
def test_year_month_and_day_in_three_columns(tmp_path: Path, cell: str, moment: str | None) -> None:
    assert read_moments(tmp_path, "y,m,d", [cell], PARTS) == [moment]


GERMAN = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
          "Oktober", "November", "Dezember"]  # fmt: skip


def test_month_names_of_the_layout_in_columns_and_in_dates(tmp_path: Path) -> None:
    cells = ["2022,MÄRZ,1", "2022,mai,2", "2022,Smarch,3", "2022,4,4"]
    expected = ["2022-03-01 00:00", "2022-05-02 00:00", None, "2022-04-04 00:00"]
    assert read_moments(tmp_path, "y,m,d", cells, PARTS, month_names=GERMAN) == expected
    found = read_moments(
        tmp_path,
        "day",
        ["1. märz 2022", "2. Mai 2022", "3. Smarch 2022", "04.05.2022"],
        {"occurred": "day"},
        month_names=GERMAN,
        datetime_formats=["%d. %B %Y", "%d.%m.%Y"],
    )
    assert found == ["2022-03-01 00:00", "2022-05-02 00:00", None, "2022-05-04 00:00"]


def test_short_month_names_are_read_by_b(tmp_path: Path) -> None:
    names = ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.",
             "déc."]  # fmt: skip
    cells = ["3 févr. 2022", "4 JUIL. 2022", "5 feb 2022"]
    found = read_moments(
        tmp_path, "day", cells, {"occurred": "day"}, month_names=names, datetime_formats=["%d %b %Y"]
    )
    assert found == ["2022-02-03 00:00", "2022-07-04 00:00", None]


@pytest.mark.parametrize(
    ("clock", "time"),
    [
        ("16:45", "01 16:45"),
        ("16:45:30", "01 16:45"),
        ("9:05", "01 09:05"),
        ("905", "01 09:05"),
        ("905.0", "01 09:05"),
        ("5", "01 00:05"),
        ("3:05 PM", "01 15:05"),
        ("12:05 am", "01 00:05"),
        ("3 PM", "01 15:00"),
        ("24:00", "02 00:00"),
        ("2400", "02 00:00"),
        ("24:01", None),
        ("1660", None),
        ("153000", None),
        ("13:00 PM", None),
        ("noon", None),
        ("", None),
    ],
)
def test_clock_in_a_column_of_its_own(tmp_path: Path, clock: str, time: str | None) -> None:
    fields = {"occurred": "day", "occurred_clock": "t"}
    found = read_moments(
        tmp_path, "day,t", [f"2022-03-01,{clock}"], fields, datetime_formats=["%Y-%m-%d"]
    )
    assert found == [time and f"2022-03-{time}"]


@pytest.mark.parametrize(
    ("hour", "time"),
    [
        ("0", "01 00:00"),
        ("23", "01 23:00"),
        ("7.0", "01 07:00"),
        ("24", "02 00:00"),
        ("3 PM", "01 15:00"),
        ("12 am", "01 00:00"),
        ("25", None),
        ("-1", None),
        ("7.5", None),
        ("nan", None),
    ],
)
def test_hour_only(tmp_path: Path, hour: str, time: str | None) -> None:
    fields = {"occurred": "day", "occurred_hour": "h"}
    found = read_moments(
        tmp_path, "day,h", [f"2022-03-01,{hour}"], fields, datetime_formats=["%Y-%m-%d"]
    )
    assert found == [time and f"2022-03-{time}"]


def test_hour_and_minute(tmp_path: Path) -> None:
    fields = {"occurred": "day", "occurred_hour": "h", "occurred_minute": "min"}
    cells = ["2022-03-01,7,45", "2022-03-01,7,60", "2022-03-01,7,"]
    found = read_moments(tmp_path, "day,h,min", cells, fields, datetime_formats=["%Y-%m-%d"])
    assert found == ["2022-03-01 07:45", None, None]


def test_clock_replaces_the_time_that_an_export_adds_to_every_date(tmp_path: Path) -> None:
    fields = {"occurred": "day", "occurred_clock": "t"}
    found = read_moments(
        tmp_path, "day,t", ["2022-03-01T00:00:00,16:45"], fields, datetime_formats=["%Y-%m-%dT%H:%M:%S"]
    )
    assert found == ["2022-03-01 16:45"]


def test_utc_date_beside_a_local_hour(tmp_path: Path) -> None:
    """Midnight in Atlanta is 4 or 5 hours later in UTC; the clock belongs to that local day."""
    fields = {"occurred": "day", "occurred_hour": "h"}
    cells = ["2022-07-01 04:00,23", "2022-01-01 05:00,1", "2022-01-01 04:00,1"]
    found = read_moments(
        tmp_path, "day,h", cells, fields,
        datetime_formats=["%Y-%m-%d %H:%M"], time_zone="UTC", clock_time_zone="local",
    )  # fmt: skip
    assert found == ["2022-07-01 23:00", "2022-01-01 01:00", "2021-12-31 01:00"]


def test_day_that_is_local_already_stays_beside_a_local_clock(tmp_path: Path) -> None:
    clocks = {"time_zone": "UTC", "clock_time_zone": "local"}
    fields = {**PARTS, "occurred_hour": "h"}
    assert read_moments(tmp_path, "y,m,d,h", ["2022,7,1,23"], fields, **clocks) == ["2022-07-01 23:00"]
    found = read_moments(
        tmp_path, "day,h", ["2022-07-01,23", "2022-07-01 04:00,23"],
        {"occurred": "day", "occurred_hour": "h"},
        datetime_formats=["%Y-%m-%d", "%Y-%m-%d %H:%M"], **clocks,
    )  # fmt: skip
    assert found == ["2022-07-01 23:00"] * 2


def test_clock_beside_utc_dates_may_be_utc_too(tmp_path: Path) -> None:
    found = read_moments(
        tmp_path, "day,h", ["2022-07-01,3"], {"occurred": "day", "occurred_hour": "h"},
        datetime_formats=["%Y-%m-%d"], time_zone="UTC", clock_time_zone="UTC",
    )  # fmt: skip
    assert found == ["2022-06-30 23:00"]


def test_offsets_are_honoured_as_instants(tmp_path: Path) -> None:
    cells = ["2022-07-01 12:00 +00:00", "2022-07-01 12:00 -06:00", "2022-07-01 12:00"]
    found = read_moments(
        tmp_path, "day", cells, {"occurred": "day"},
        datetime_formats=["%Y-%m-%d %H:%M %z", "%Y-%m-%d %H:%M"], time_zone="UTC",
    )  # fmt: skip
    assert found == ["2022-07-01 08:00", "2022-07-01 14:00", "2022-07-01 08:00"]


@pytest.mark.parametrize(("epoch", "unit"), [("epoch_ms", 1000), ("epoch_s", 1)])
def test_epochs_of_both_units(tmp_path: Path, epoch: str, unit: int) -> None:
    cells = [str(1656676800 * unit), "9" * 18, "soon"]
    found = read_moments(
        tmp_path, "day", cells, {"occurred": "day"}, datetime_formats=[epoch], time_zone="UTC"
    )
    assert found[0] == "2022-07-01 08:00"
    assert found[2] is None


def test_two_digit_year_is_no_year_of_antiquity(tmp_path: Path) -> None:
    cells = ["21-03-01", "2021-03-01", "1015-03-01"]
    found = read_moments(tmp_path, "day", cells, {"occurred": "day"}, datetime_formats=["%Y-%m-%d"])
    assert found == [None, "2021-03-01 00:00", "1015-03-01 00:00"]
    found = read_moments(
        tmp_path, "day", ["01.03.21"], {"occurred": "day"}, datetime_formats=["%d.%m.%y"]
    )
    assert found == ["2021-03-01 00:00"]
    cells = ["01.03.21", "01.03.2021"]
    found = read_moments(
        tmp_path, "day", cells, {"occurred": "day"}, datetime_formats=["%d.%m.%Y", "%d.%m.%y"]
    )
    assert found == ["2021-03-01 00:00"] * 2


def test_no_report_date_is_no_date(tmp_path: Path) -> None:
    layout = make_layout("id,day,code,ward")
    assert read_staged(
        tmp_path / "a.csv", "id,day,code,ward\n1,2022-03-01,23F,A\n", layout, "reported"
    ) == [(None,)]


MISSING = ["", "NULL", "(null)", "nil", "None", "N/A", "#N/A", "na", "NaN", "<NA>", "-", "--", "?", ".",
           "Unknown", "UNK", "Missing", "Not Available", "not applicable", "Undefined", " null ",
           "Nirgends"]  # fmt: skip


@pytest.mark.parametrize("word", MISSING)
def test_missing_values_in_every_layout_and_in_one(tmp_path: Path, word: str) -> None:
    layout = make_layout("id,day,code,ward", null_spellings=["nirgends"])
    text = f"id,day,code,ward\n1,2022-03-01,23F,{word}\n2,2022-03-01,23F,No Name\n"
    assert read_staged(tmp_path / "a.csv", text, layout, "neighborhood") == [(None,), ("No Name",)]


@pytest.mark.parametrize(
    ("word", "flag"),
    [("Yes", True), ("y", True), ("TRUE", True), ("t", True), ("1", True), ("no", False), ("N", False),
     ("False", False), ("f", False), ("0", False), ("maybe", None), ("", None)],
)  # fmt: skip
def test_flag_is_yes_no_or_unknown(tmp_path: Path, word: str, flag: bool | None) -> None:
    layout = make_layout("id,day,code,ward,gun", {"firearm_involved": "gun"})
    rows = [f"{n},2022-03-01,23F,A,{'no' if n else word}\n" for n in range(10)]
    text = "id,day,code,ward,gun\n" + "".join(rows)
    assert read_staged(tmp_path / "a.csv", text, layout, "firearm_involved")[0] == (flag,)


def test_weekday_and_shift_are_staged(tmp_path: Path) -> None:
    layout = make_layout("id,day,code,ward,dow,watch", {"weekday": "dow", "shift": "watch"})
    words = ["Monday", "TUE", "Thurs", "Su", "Unk", "sunday"]
    text = "id,day,code,ward,dow,watch\n" + "".join(
        f"1,2022-03-01,23F,A,{word}, Day\n" for word in words
    )
    rows = read_staged(tmp_path / "a.csv", text, layout, "raw_weekday, raw_shift")
    assert rows == [(1, "Day"), (2, "Day"), (4, "Day"), (None, "Day"), (None, "Day"), (7, "Day")]


def test_offense_literal_whatever_its_case_and_what_is_left_out(tmp_path: Path) -> None:
    layout = make_layout(
        "id,day,what,ward",
        {"offense_literal": "what"},
        offense_codes={"Straßenraub": "120", "THEFT": "23H"},
        left_out_offenses=["Lost Dog", "23H"],
    )
    words = ["straßenraub", "Theft", "LOST DOG", "Ghost"]
    text = "id,day,what,ward\n" + "".join(f"1,2022-03-01,{word},A\n" for word in words)
    rows = read_staged(tmp_path / "a.csv", text, layout, "offense_literal, nibrs_code, is_left_out")
    assert rows == [
        ("straßenraub", "120", False),
        ("Theft", "23H", True),
        ("LOST DOG", None, True),
        ("Ghost", None, False),
    ]


COORDINATES = {"longitude": "x", "latitude": "y"}


def test_decimal_commas(tmp_path: Path) -> None:
    layout = make_layout(
        "id,day,code,ward,x,y".replace(" ", ""), COORDINATES, separator=";", decimal_comma=True
    )
    text = "id;day;code;ward;x;y\n1;2022-03-01;23F;A;-90,5;41,25\n2;2022-03-01;23F;A;1.234,5;0,5\n"
    rows = read_staged(tmp_path / "a.csv", text, layout, "longitude, latitude")
    assert rows == [(-90.5, 41.25), (1234.5, 0.5)]


@pytest.mark.parametrize("cell", ["nan,nan", "inf,1", "0,0", ",", "x,y"])
def test_coordinates_that_are_none(tmp_path: Path, cell: str) -> None:
    layout = make_layout("id,day,code,ward,x,y", COORDINATES)
    text = f"id,day,code,ward,x,y\n1,2022-03-01,23F,A,{cell}\n"
    assert read_staged(tmp_path / "a.csv", text, layout, "longitude")[0] == (None,)


def test_projected_coordinates_become_degrees(tmp_path: Path) -> None:
    """The origin of zone 33N: 500 km east of the false origin is 15 degrees east, on the equator."""
    layout = make_layout("id,day,code,ward,x,y", COORDINATES, coordinate_system="EPSG:32633")
    cells = ["500000,0.0001", "500000,5000000", "1e30,1e30", ",5000000"]
    text = "id,day,code,ward,x,y\n" + "".join(f"1,2022-03-01,23F,A,{cell}\n" for cell in cells)
    rows = read_staged(tmp_path / "a.csv", text, layout, "round(longitude, 4), round(latitude, 4)")
    assert rows[0] == (15.0, 0.0)
    assert rows[1] == (15.0, pytest.approx(45.153, abs=0.01))
    assert rows[2] == (None, None)
    assert rows[3][0] is None


def test_columns_may_be_absent_new_or_called_otherwise(tmp_path: Path) -> None:
    layout = make_layout(
        "id,day,code,ward,npu,beat",
        {"npu": "npu", "beat": "beat"},
        optional_columns=["npu", "beat"],
        renamed_columns={"ward": ["Ward Name", "Bezirk"]},
        new_columns=True,
    )
    text = "Bezirk,npu,id,, mood ,day,code\nA,M,1,?,glad,2022-03-01,23F\n"
    file, connection = stage(tmp_path / "a.csv", text, layout)
    assert connection.execute("SELECT neighborhood, npu, beat FROM staged").fetchall() == [
        ("A", "M", None)
    ]
    assert (file.has("npu"), file.has("beat"), file.has("neighborhood")) == (True, False, True)


@pytest.mark.parametrize(
    ("encoding", "separator"), [("latin-1", ";"), ("cp1252", "\t"), ("utf-16", ","), ("utf-8-sig", ",")]
)
def test_encodings_and_separators(tmp_path: Path, encoding: str, separator: str) -> None:
    layout = make_layout("id,day,code,ward", encoding=encoding, separator=separator)
    text = '\n  \nid,day,code,ward\n1,2022-03-01,23F,"Café,\nNord"\n2,2022-03-01,23F,Süd\n'
    content = text.replace(",", separator).encode(encoding)
    rows = read_staged(tmp_path / "a.csv", content, layout, "row_number, neighborhood")
    assert rows == [(1, f"Café{separator}\nNord"), (2, "Süd")]


def test_bytes_that_are_no_text_in_the_encoding_cost_their_row(tmp_path: Path) -> None:
    layout = make_layout("id,day,code,ward", encoding="cp1252")
    content = b"id,day,code,ward\n1,2022-03-01,23F,Caf\xe9\n2,2022-03-01,23F,\x81\n"
    file, connection = stage(tmp_path / "a.csv", content, layout)
    assert connection.execute("SELECT neighborhood FROM staged").fetchall() == [("Café",)]
    assert (file.rows_malformed, file.malformed_examples) == (1, (2,))
