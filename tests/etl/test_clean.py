"""Cleaning as a specification: one raw row in, an incident or a rule out."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from etl.city import MAY_LACK, City
from etl.clean import clean_files
from etl.report import describe_cleaning
from etl.rules import list_rules, list_sources, list_unmapped
from tests.conftest import CleanFiles
from tests.raw import GOOD_COBRA_2013, write_raw
from warehouse.build import Build, open_build
from warehouse.errors import ShieldError

NEXT = {"IncidentNumber": "210010002"}


def fetch(build: Build, select: str) -> list[tuple[object, ...]]:
    """Return the rows of a SELECT."""
    return build.connection.execute(select).fetchall()


def rejections(build: Build) -> dict[str, int]:
    """Return rows per rule, rules that rejected nothing left out."""
    rows = fetch(build, "SELECT rule, row_count FROM rejected_incident WHERE row_count > 0")
    return {str(rule): int(str(count)) for rule, count in rows}


def repairs(build: Build) -> dict[str, int]:
    """Return incidents per repair, repairs that were not needed left out."""
    rows = fetch(build, "SELECT repair, row_count FROM repaired_incident WHERE row_count > 0")
    return {str(repair): int(str(count)) for repair, count in rows}


def test_good_row_becomes_an_incident(clean: CleanFiles, tmp_path: Path) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{}])])
    described = build.connection.execute("SELECT * EXCLUDE (raw_file, data_source) FROM incident").df()
    assert described.astype(str).to_dict("records") == [
        {
            "incident_id": "210010001-23F",
            "report_number": "210010001",
            "occurred_at": "2021-06-01 12:30:00",
            "occurred_until": "2021-06-01 13:00:00",
            "reported_at": "2021-06-01 14:00:00",
            "neighborhood": "Downtown",
            "npu": "M",
            "zone": "5",
            "beat": "509",
            "nibrs_code": "23F",
            "offense": "Theft From Motor Vehicle",
            "offense_category": "Larceny/Theft Offenses",
            "offense_group": "A",
            "crime_against": "Property",
            "location_type": "RESIDENCE_HOME",
            "firearm_involved": "False",
            "time_of_day": "Afternoon",
            "patrol_type": "Foot Patrol",
            "latitude": "33.756",
            "longitude": "-84.388",
        }
    ]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"IncidentNumber": ""}, "missing_report_number"),
        ({"OccurredFromDate": "yesterday"}, "missing_date"),
        ({"NhoodName": " ", "Latitude": ""}, "missing_place"),
        ({"NhoodName": "NULL", "Latitude": "0"}, "missing_place"),
        ({"NhoodName": "", "Longitude": "-84.61"}, "outside_city"),
        ({"NibrsUcrCode": "99X"}, "unknown_offense"),
        ({"NibrsUcrCode": ""}, "unknown_offense"),
        ({"Longitude": "-84.61"}, "outside_city"),
        ({"Longitude": "-84.24"}, "outside_city"),
        ({"Latitude": "33.59"}, "outside_city"),
        ({"Latitude": "33.94"}, "outside_city"),
        ({"OccurredFromDate": "6/1/1924 16:30"}, "outside_window"),
        ({"OccurredFromDate": "6/3/2021 16:30"}, "outside_window"),
        ({"IncidentNumber": "210010001"}, "duplicate"),
        ({"BEAT_Text": "", "NhoodName": "", "Latitude": ""}, "missing_place"),
    ],
)
def test_each_rule_rejects_its_row_once(
    clean: CleanFiles, tmp_path: Path, change: Mapping[str, str], rule: str
) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{}, {**NEXT, **change}])])
    assert rejections(build) == {rule: 1}
    assert fetch(build, "SELECT rows_in, rows_kept, rows_rejected FROM raw_file") == [(2, 1, 1)]
    assert fetch(build, "SELECT example_rows FROM rejected_incident WHERE row_count > 0") == [("2",)]


LACKS = (
    ({"BEAT_Text": ""}, {"zone", "beat"}),
    ({"BEAT_Text": "902"}, {"zone", "beat"}),
    ({"BEAT_Text": "Out of Jurisdiction"}, {"zone", "beat"}),
    ({"LocationType": ""}, {"location_type"}),
    ({"Latitude": "", "Longitude": ""}, {"latitude", "longitude"}),
    ({"Latitude": ""}, {"latitude", "longitude"}),
    ({"Longitude": ""}, {"latitude", "longitude"}),
    ({"Latitude": "0", "Longitude": "0"}, {"latitude", "longitude"}),
    ({"NPU": ""}, {"npu"}),
)
WITHOUT_GAPS = [{"IncidentNumber": str(number)} for number in range(3)]


@pytest.mark.parametrize(("change", "lacking"), LACKS)
def test_what_a_row_may_lack_is_null_and_the_row_counts(
    clean: CleanFiles, tmp_path: Path, change: Mapping[str, str], lacking: set[str]
) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [*WITHOUT_GAPS, {**NEXT, **change}])])
    assert rejections(build) == {}
    (row,) = fetch(
        build,
        f"SELECT {', '.join(MAY_LACK[1:])} FROM incident WHERE report_number = '210010002'",
    )
    assert {field for field, value in zip(MAY_LACK[1:], row, strict=True) if value is None} == lacking
    told = {line.split()[2] for line in describe_cleaning(build) if "  missing " in line}
    assert told == lacking


@pytest.mark.parametrize(("change", "lacking"), [*LACKS, ({"ReportDate": "soon"}, {"reported"})])
def test_strict_cleaning_rejects_a_row_without_a_critical_field(
    tmp_path: Path, city: City, change: Mapping[str, str], lacking: set[str]
) -> None:
    raw = write_raw(tmp_path / "raw.csv", [*WITHOUT_GAPS, {**NEXT, **change}])
    with open_build("test", tmp_path / "strict.duckdb") as build:
        clean_files(build, [raw], city, cleaning="strict")
        critical = [f"missing_{field}" for field in city.critical_fields if field in lacking]
        assert rejections(build) == dict.fromkeys(critical[:1], 1)
        entered = fetch(build, "SELECT rule FROM rejected_incident")
    assert {(f"missing_{field}",) for field in city.critical_fields} <= set(entered)


def test_strict_cleaning_needs_critical_fields(tmp_path: Path, city: City) -> None:
    lax = city.model_copy(update={"critical_fields": ()})
    raw = write_raw(tmp_path / "raw.csv", [{}])
    with (
        open_build("test", tmp_path / "strict.duckdb") as build,
        pytest.raises(ShieldError, match="expected critical_fields in the file of Atlanta, found none"),
    ):
        clean_files(build, [raw], lax, cleaning="strict")


def test_of_two_copies_the_one_without_gaps_stays(clean: CleanFiles, tmp_path: Path) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{"BEAT_Text": ""}, {}])])
    assert rejections(build) == {"duplicate": 1}
    assert fetch(build, "SELECT zone FROM incident") == [("5",)]


def test_points_on_the_edge_of_the_rectangle_are_kept(
    clean: CleanFiles, tmp_path: Path, city: City
) -> None:
    box = city.bounding_box
    corners = [(box.longitude_min, box.latitude_min), (box.longitude_max, box.latitude_max)]
    rows = [
        {"IncidentNumber": str(number), "Longitude": str(longitude), "Latitude": str(latitude)}
        for number, (longitude, latitude) in enumerate(corners)
    ]
    assert rejections(clean([write_raw(tmp_path / "raw.csv", rows)])) == {}


def test_each_offense_of_each_report_is_kept_once(clean: CleanFiles, tmp_path: Path) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{}, {"NibrsUcrCode": "240"}, NEXT] * 2)])
    assert rejections(build) == {"duplicate": 3}
    assert fetch(build, "SELECT incident_id FROM incident ORDER BY 1") == [
        ("210010001-23F",), ("210010001-240",), ("210010002-23F",),
    ]  # fmt: skip


def test_rule_without_hits_stands_in_the_ledger_with_zero(clean: CleanFiles, tmp_path: Path) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{}])])
    rules = fetch(build, "SELECT rule, row_count FROM rejected_incident ORDER BY rule_order")
    assert [rule for rule, _ in rules][:3] == [
        "malformed_row",
        "missing_report_number",
        "missing_date",
    ]
    assert {rows for _, rows in rules} == {0}


def test_missing_location_type_is_critical_only_where_most_rows_tell_it(
    tmp_path: Path, city: City
) -> None:
    rows = [{"IncidentNumber": f"21001{number:04}"} for number in range(10)]
    thick = write_raw(tmp_path / "thick.csv", [{"LocationType": ""}, *rows[1:]])
    thin_rows = [
        {**row, "LocationType": "", "IncidentNumber": "9" + row["IncidentNumber"]} for row in rows
    ]
    thin = write_raw(tmp_path / "thin.csv", [*thin_rows, {"IncidentNumber": "77"}])
    with open_build("test", tmp_path / "strict.duckdb") as build:
        clean_files(build, [thick, thin], city, cleaning="strict")
        assert rejections(build) == {"missing_location_type": 1}
        assert fetch(build, "SELECT raw_file, columns_left_out FROM raw_file ORDER BY raw_file") == [
            ("thick.csv", ""),
            ("thin.csv", "LocationType"),
        ]
        kinds = fetch(build, "SELECT DISTINCT location_type FROM incident WHERE raw_file = 'thin.csv'")
        assert kinds == [(None,)]


@pytest.mark.parametrize(
    ("change", "reported_at"),
    [
        ({}, "2021-06-01 14:00:00"),
        ({"ReportDate": ""}, "2021-06-01 13:00:00"),
        ({"ReportDate": "soon"}, "2021-06-01 13:00:00"),
        ({"ReportDate": "6/1/2021 10:00"}, "2021-06-01 13:00:00"),
        ({"ReportDate": "6/1/1015 10:00"}, "2021-06-01 13:00:00"),
        ({"ReportDate": "6/1/2124 10:00"}, "2021-06-01 13:00:00"),
    ],
)
def test_impossible_report_date_falls_back_to_the_end_of_the_occurrence(
    clean: CleanFiles, tmp_path: Path, change: Mapping[str, str], reported_at: str
) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{**NEXT, **change}, {}, {"IncidentNumber": "3"}])])
    found = fetch(build, "SELECT reported_at::VARCHAR FROM incident WHERE report_number = '210010002'")
    assert found == [(reported_at,)]
    assert repairs(build).get("report_date_replaced", 0) == (1 if change else 0)


@pytest.mark.parametrize("until", ["", "6/1/2021 10:00", "1/1/2124 0:00"])
def test_impossible_end_of_the_occurrence_is_its_beginning(
    clean: CleanFiles, tmp_path: Path, until: str
) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{"OccurredToDate": until}])])
    assert fetch(build, "SELECT occurred_at = occurred_until FROM incident") == [(True,)]
    assert repairs(build) == {"window_end_replaced": 1}


def test_window_of_over_a_quarter_is_cut(clean: CleanFiles, tmp_path: Path) -> None:
    end = {"OccurredToDate": "12/30/2021 16:30", "ReportDate": "12/31/2021 16:30"}
    days = ("6/1/2021", "8/1/2021", "10/1/2021")
    others = [{"IncidentNumber": day, "ReportDate": f"{day} 17:30"} for day in days]
    build = clean([write_raw(tmp_path / "raw.csv", [end, *others])])
    found = fetch(
        build, "SELECT occurred_until::VARCHAR FROM incident WHERE report_number = '210010001'"
    )
    assert found == [("2021-09-01 12:30:00",)]
    assert repairs(build) == {"window_cut": 1}


def test_wall_clock_that_a_clock_change_skipped_is_moved_on(clean: CleanFiles, tmp_path: Path) -> None:
    day = {"rpt_date": "03/10/2013", "occur_date": "03/10/2013", "poss_date": "03/10/2013"}
    rows = [{**day, "occur_time": "02:30:00"}, {**day, "offense_id": "2", "occur_time": "01:30:00"}]
    build = clean([write_raw(tmp_path / "raw.csv", rows, "cobra_2013", GOOD_COBRA_2013)])
    times = fetch(build, "SELECT strftime(occurred_at, '%H:%M') FROM incident ORDER BY report_number")
    assert times == [("03:30",), ("01:30",)]
    assert repairs(build) == {"clock_moved": 1}


def test_wall_clock_that_comes_twice_stays(clean: CleanFiles, tmp_path: Path) -> None:
    day = {"rpt_date": "11/03/2013", "occur_date": "11/03/2013", "poss_date": "11/03/2013"}
    build = clean(
        [
            write_raw(
                tmp_path / "raw.csv", [{**day, "occur_time": "01:30:00"}], "cobra_2013", GOOD_COBRA_2013
            )
        ]
    )
    assert fetch(build, "SELECT strftime(occurred_at, '%H:%M') FROM incident") == [("01:30",)]
    assert repairs(build) == {}


def test_truncated_name_is_aliased(clean: CleanFiles, tmp_path: Path) -> None:
    rows = [{}, {**NEXT, "NhoodName": "The Villages at Castleberry H"}]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    assert fetch(build, "SELECT neighborhood FROM neighborhood ORDER BY 1") == [
        ("Downtown",), ("The Villages at Castleberry Hill",),
    ]  # fmt: skip
    assert repairs(build) == {"neighborhood_renamed": 1}


def test_spoilt_copy_does_not_cost_the_good_row(clean: CleanFiles, tmp_path: Path) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{"NhoodName": ""}, {}])])
    assert rejections(build) == {"duplicate": 1}
    assert fetch(build, "SELECT neighborhood FROM incident") == [("Downtown",)]


def test_same_offense_in_two_layouts_is_kept_from_the_more_trusted(
    clean: CleanFiles, tmp_path: Path
) -> None:
    cobra = {
        "offense_id": "210010001", "rpt_date": "06/01/2021", "occur_date": "06/01/2021",
        "poss_date": "06/01/2021", "UC2 Literal": "LARCENY-FROM VEHICLE", "neighborhood": "Midtown",
    }  # fmt: skip
    old = write_raw(tmp_path / "old.csv", [cobra], "cobra_2013", GOOD_COBRA_2013)
    new = write_raw(tmp_path / "new.csv", [{}])
    build = clean([old, new])
    assert rejections(build) == {"duplicate": 1}
    assert fetch(build, "SELECT neighborhood, raw_file FROM incident") == [("Downtown", "new.csv")]


@pytest.mark.parametrize(
    ("clock", "occurred_at"),
    [
        ("16:30:00", "16:30"),
        ("6:05", "06:05"),
        ("100", "01:00"),
        ("5", "00:05"),
        ("0", "00:00"),
        ("2359", "23:59"),
    ],
)
def test_cobra_clock_spellings_are_local_wall_clock(
    clean: CleanFiles, tmp_path: Path, clock: str, occurred_at: str
) -> None:
    row = {"occur_time": clock, "poss_time": ""}
    build = clean([write_raw(tmp_path / "raw.csv", [row], "cobra_2013", GOOD_COBRA_2013)])
    assert fetch(build, "SELECT strftime(occurred_at, '%H:%M') FROM incident") == [(occurred_at,)]


@pytest.mark.parametrize("clock", ["2460", "24:01", "12345", "noon", ""])
def test_clock_that_cannot_be_read_is_a_missing_date(
    clean: CleanFiles, tmp_path: Path, clock: str
) -> None:
    rows = [{}, {"offense_id": "2", "occur_time": clock}]
    build = clean([write_raw(tmp_path / "raw.csv", rows, "cobra_2013", GOOD_COBRA_2013)])
    assert rejections(build) == {"missing_date": 1}


@pytest.mark.parametrize(
    ("until", "reported_at"),
    [
        ("06/01/2013", "2013-06-02 00:00:00"),
        ("06/02/2013", "2013-06-02 17:00:00"),
        ("06/03/2013", "2013-06-02 23:59:00"),
    ],
)
def test_report_date_without_clock_lies_on_its_day(
    clean: CleanFiles, tmp_path: Path, until: str, reported_at: str
) -> None:
    rows = [
        {"rpt_date": "06/02/2013", "poss_date": until},
        {"offense_id": "2", "rpt_date": "06/01/2013"},
        {"offense_id": "3", "rpt_date": "06/05/2013"},
    ]
    build = clean([write_raw(tmp_path / "raw.csv", rows, "cobra_2013", GOOD_COBRA_2013)])
    found = fetch(build, "SELECT reported_at::VARCHAR FROM incident WHERE report_number = '130010001'")
    assert found == [(reported_at,)]


def test_lines_of_the_wrong_shape_are_counted_and_do_not_stop_the_run(
    clean: CleanFiles, tmp_path: Path
) -> None:
    path = write_raw(tmp_path / "raw.csv", [{}, NEXT])
    path.write_text(path.read_text() + "1,2,3\n" + "x," * 40 + "\n")
    build = clean([path])
    assert rejections(build) == {"malformed_row": 2}
    assert fetch(build, "SELECT rows_in, rows_kept FROM raw_file") == [(4, 2)]


def test_bom_crlf_and_addresses_of_several_lines(clean: CleanFiles, tmp_path: Path) -> None:
    path = write_raw(tmp_path / "raw.csv", [{"StreetAddress": "1 A ST\nATLANTA\n(33, -84)"}, NEXT])
    text = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text)
    assert fetch(clean([path]), "SELECT count(*) FROM incident") == [(2,)]


def test_no_address_and_no_exact_coordinate_is_in_the_build(tmp_path: Path, city: City) -> None:
    path = write_raw(
        tmp_path / "raw.csv", [{"StreetAddress": "4711 SECRET ST", "Longitude": "-84.388123"}]
    )
    built = tmp_path / "built.duckdb"
    with open_build("test", built) as build:
        clean_files(build, [path], city)
        columns = [name for (name, *_) in fetch(build, "DESCRIBE incident")]
        assert not {"location", "address", "street_address"} & set(columns)
        assert fetch(build, "SELECT longitude FROM incident") == [(-84.388,)]
    content = built.read_bytes()
    assert b"SECRET" not in content
    assert b"4711" not in content


def test_file_of_a_header_only_is_named(clean: CleanFiles, tmp_path: Path) -> None:
    with pytest.raises(ShieldError, match="raw.csv: the file has a header and no data rows"):
        clean([write_raw(tmp_path / "raw.csv", [])])


def test_no_row_left_names_the_rule_that_hits_most(clean: CleanFiles, tmp_path: Path) -> None:
    path = write_raw(tmp_path / "raw.csv", [{"NhoodName": "", "Latitude": ""}])
    with pytest.raises(ShieldError, match=r"no incident is left of raw.csv: .*missing_place"):
        clean([path])


def test_offenses_without_a_code_are_listed_with_their_counts(clean: CleanFiles, tmp_path: Path) -> None:
    words = ["JAYWALKING", "Jaywalking", "LOITERING", "AUTO THEFT", ""]
    rows = [{"offense_id": str(n), "UC2 Literal": word} for n, word in enumerate(words)]
    build = clean([write_raw(tmp_path / "raw.csv", rows, "cobra_2013", GOOD_COBRA_2013)])
    assert list_unmapped(build.connection) == [("JAYWALKING", 2), ("LOITERING", 1)]
    assert any("'JAYWALKING' 2, 'LOITERING' 1" in line for line in describe_cleaning(build))


def test_report_at_midnight_is_one_without_a_clock(clean: CleanFiles, tmp_path: Path) -> None:
    build = clean([write_raw(tmp_path / "raw.csv", [{"ReportDate": "6/1/2021 4:00"}])])
    assert repairs(build) == {}
    assert fetch(build, "SELECT reported_at::VARCHAR FROM incident") == [("2021-06-01 13:00:00",)]


@pytest.mark.parametrize(("pattern", "fields"), [(None, ("zone",)), ("([1-7])..", ("beat", "zone"))])
def test_beat_stands_for_a_zone_only_where_it_tells_one(
    city: City, pattern: str | None, fields: tuple[str, ...]
) -> None:
    assert list_sources(city.model_copy(update={"beat_pattern": pattern}), "zone") == fields


def test_every_rule_has_its_own_name(city: City) -> None:
    names = [rule.name for rule in list_rules(city, "strict")]
    assert len(set(names)) == len(names)
