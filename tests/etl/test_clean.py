"""Cleaning as a specification: one raw row in, an incident or a rule out."""

from collections import Counter
from pathlib import Path

import pytest

from etl.city import City
from etl.clean import clean_files
from etl.report import describe_cleaning
from etl.rules import list_rules, list_sources, list_unmapped
from tests.conftest import CleanFiles
from tests.etl.cleaned import fetch, rejections
from tests.raw import GOOD_COBRA_2013, write_raw
from warehouse.build import Build, open_build
from warehouse.errors import ShieldError

NEXT = {"IncidentNumber": "210010002"}


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


REJECTED: tuple[tuple[dict[str, str], str], ...] = (
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
)


def test_each_rule_rejects_its_row_once(clean: CleanFiles, tmp_path: Path) -> None:
    changes = [{"IncidentNumber": f"3{n}", **change} for n, (change, _) in enumerate(REJECTED)]
    build = clean([write_raw(tmp_path / "raw.csv", [{}, *changes])])
    assert rejections(build) == Counter(rule for _, rule in REJECTED)
    assert fetch(build, "SELECT rows_in, rows_kept, rows_rejected FROM raw_file") == [
        (len(REJECTED) + 1, 1, len(REJECTED))
    ]
    found = fetch(
        build, "SELECT row_number, rule FROM rejected JOIN staged USING (row_id) ORDER BY row_number"
    )
    assert found == [(number, rule) for number, (_, rule) in enumerate(REJECTED, start=2)]
    first = "SELECT rule, split_part(example_rows, ',', 1)::INTEGER FROM rejected_incident"
    examples = fetch(build, f"{first} WHERE row_count > 0")
    assert {rule: number for rule, number in examples} == {rule: row for row, rule in reversed(found)}


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


def test_impossible_report_date_falls_back_to_the_end_of_the_occurrence(
    clean: CleanFiles, tmp_path: Path
) -> None:
    dates = ["", "soon", "6/1/2021 10:00", "6/1/1015 10:00", "6/1/2124 10:00"]
    rows = [{"IncidentNumber": f"{n}", "ReportDate": date} for n, date in enumerate(dates)]
    others = [{"IncidentNumber": f"1{n}"} for n in range(2 * len(dates))]
    build = clean([write_raw(tmp_path / "raw.csv", [*rows, *others])])
    found = fetch(build, "SELECT reported_at::VARCHAR, count(*) FROM incident GROUP BY 1 ORDER BY 1")
    assert found == [("2021-06-01 13:00:00", len(rows)), ("2021-06-01 14:00:00", len(others))]
    replaced = "SELECT count(*) FROM incident WHERE length(report_number) = 1 AND hour(reported_at) = 13"
    assert fetch(build, replaced) == [(len(rows),)]
    assert repairs(build) == {"report_date_replaced": len(rows)}


def test_impossible_end_of_the_occurrence_is_its_beginning(clean: CleanFiles, tmp_path: Path) -> None:
    ends = ["", "6/1/2021 10:00", "1/1/2124 0:00"]
    rows = [{"IncidentNumber": f"{n}", "OccurredToDate": end} for n, end in enumerate(ends)]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    assert fetch(build, "SELECT occurred_at = occurred_until FROM incident") == [(True,)] * len(ends)
    assert repairs(build) == {"window_end_replaced": len(ends)}


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


def test_cobra_clock_spellings_are_local_wall_clock(clean: CleanFiles, tmp_path: Path) -> None:
    clocks = {"16:30:00": "16:30", "6:05": "06:05", "100": "01:00", "5": "00:05", "0": "00:00",
              "2359": "23:59"}  # fmt: skip
    rows = [
        {"offense_id": f"{n}", "occur_time": clock, "poss_time": ""} for n, clock in enumerate(clocks)
    ]
    build = clean([write_raw(tmp_path / "raw.csv", rows, "cobra_2013", GOOD_COBRA_2013)])
    found = fetch(build, "SELECT strftime(occurred_at, '%H:%M') FROM incident ORDER BY report_number")
    assert found == [(clock,) for clock in clocks.values()]


def test_clock_that_cannot_be_read_is_a_missing_date(clean: CleanFiles, tmp_path: Path) -> None:
    clocks = ["2460", "24:01", "12345", "noon", ""]
    rows = [{"offense_id": f"{n}", "occur_time": clock} for n, clock in enumerate(clocks)]
    build = clean([write_raw(tmp_path / "raw.csv", [{}, *rows], "cobra_2013", GOOD_COBRA_2013)])
    assert rejections(build) == {"missing_date": len(clocks)}


def test_report_date_without_clock_lies_on_its_day(clean: CleanFiles, tmp_path: Path) -> None:
    reported = {
        "06/01/2013": "2013-06-02 00:00:00",
        "06/02/2013": "2013-06-02 17:00:00",
        "06/03/2013": "2013-06-02 23:59:00",
    }
    rows = [
        {"offense_id": f"{n}", "rpt_date": "06/02/2013", "poss_date": until}
        for n, until in enumerate(reported)
    ]
    others = [
        {"offense_id": "8", "rpt_date": "06/01/2013"}, {"offense_id": "9", "rpt_date": "06/05/2013"}
    ]  # fmt: skip
    build = clean([write_raw(tmp_path / "raw.csv", [*rows, *others], "cobra_2013", GOOD_COBRA_2013)])
    found = fetch(build, "SELECT reported_at::VARCHAR FROM incident ORDER BY report_number LIMIT 3")
    assert found == [(at,) for at in reported.values()]


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
