"""Places outside the named neighborhoods: whose they are, what they are called, what they hold."""

from pathlib import Path
from typing import Any

import pytest

from etl.city import City, Districts
from etl.clean import clean_files
from etl.outside import find_kind, name_places
from tests.etl.test_boundaries import write_polygons
from tests.raw import write_raw
from warehouse.build import open_build

ROWS: tuple[dict[str, str], ...] = (
    {"IncidentNumber": "1"},
    {"IncidentNumber": "2", "NhoodName": "", "NPU": "A"},
    {"IncidentNumber": "3", "NhoodName": "", "NPU": "B", "BEAT_Text": "701"},
    {"IncidentNumber": "4", "NhoodName": "", "BEAT_Text": ""},
)
SQUARE = [[-84.42, 33.70], [-84.40, 33.70], [-84.40, 33.72], [-84.42, 33.72], [-84.42, 33.70]]
BESIDE = [[-84.398, 33.70], [-84.38, 33.70], [-84.38, 33.72], [-84.398, 33.72], [-84.398, 33.70]]


def list_places(
    tmp_path: Path, city: City, rows: list[dict[str, str]], polygons: Path | None = None
) -> Any:  # noqa: ANN401
    """Return name, NPU, zone, whether it is named, and incidents of every place."""
    raw = write_raw(tmp_path / "raw.csv", rows)
    with open_build("test", tmp_path / "b.duckdb") as build:
        clean_files(build, [raw], city, boundaries=polygons)
        return build.connection.execute(
            "SELECT neighborhood, npu, zone, is_named, incident_count FROM neighborhood ORDER BY 1"
        ).fetchall()


def test_rows_outside_neighborhoods_belong_to_a_place_of_their_zone(tmp_path: Path, city: City) -> None:
    assert list_places(tmp_path, city, list(ROWS)) == [
        ("Downtown", "M", "5", True, 1),
        ("Hartsfield-Jackson Airport", None, "7", False, 1),
        ("Outside neighborhoods", None, None, False, 1),
        ("Zone 5, outside neighborhoods", None, "5", False, 1),
    ]


def test_city_without_zones_goes_by_its_npus(tmp_path: Path, city: City) -> None:
    bare = city.model_copy(update={"districts": Districts(npu="NPU")})
    assert find_kind(bare) == "npu"
    assert find_kind(city.model_copy(update={"districts": Districts(beat="Beat")})) == "beat"
    assert find_kind(city.model_copy(update={"districts": Districts()})) is None


@pytest.mark.parametrize(
    ("district", "kind", "name"),
    [
        ("7", "zone", "Airport"),
        ("6", "zone", "Zone 6, outside neighborhoods"),
        ("Ward 2", "zone", "Ward 2, outside neighborhoods"),
        ("M", "npu", "NPU M, outside neighborhoods"),
        ("", "zone", "Outside neighborhoods"),
        ("", None, "Outside neighborhoods"),
    ],
)
def test_place_is_named_by_the_city_or_by_its_district(
    district: str, kind: str | None, name: str
) -> None:
    assert name_places([district], kind, {"7": "Airport"}, []) == {district: name}


def test_made_up_name_is_never_that_of_a_neighborhood(tmp_path: Path, city: City) -> None:
    taken = {"IncidentNumber": "5", "NhoodName": "hartsfield\u2013jackson  AIRPORT"}
    names = {row[0]: row[3] for row in list_places(tmp_path, city, [*ROWS, taken])}
    assert names["hartsfield\u2013jackson AIRPORT"]
    assert not names["Hartsfield-Jackson Airport (outside)"]


@pytest.mark.parametrize(
    ("longitude", "name"),
    [
        ("-84.42105", "West"),  # 97 m from the only polygon near
        ("-84.42110", "Zone 5, outside neighborhoods"),  # 102 m
        ("-84.39900", "Zone 5, outside neighborhoods"),  # 92 m from two
        ("-84.39950", "West"),  # 46 m from one, 139 m from the other
    ],
)
def test_row_belongs_to_the_only_polygon_within_a_hundred_meters(
    tmp_path: Path, city: City, longitude: str, name: str
) -> None:
    polygons = write_polygons(tmp_path / "p.geojson", West=SQUARE, East=BESIDE)
    rows = [
        {"IncidentNumber": "1", "NhoodName": "", "Longitude": "-84.41", "Latitude": "33.71"},
        {"IncidentNumber": "2", "NhoodName": "", "Longitude": longitude, "Latitude": "33.71"},
    ]
    places = list_places(tmp_path, city, rows, polygons)
    assert sum(place[4] for place in places if place[0] == name) == (2 if name == "West" else 1)


@pytest.mark.slow
@pytest.mark.real_data
def test_city_total_is_every_row_with_a_time_a_place_and_an_offense(
    tmp_path: Path, city: City, real_data: Path
) -> None:
    for path in sorted(real_data.glob("cobra_*.csv.gz")):
        with open_build("test", tmp_path / f"{path.name}.duckdb") as build:
            summary = clean_files(build, [path], city)
            known = build.fetch_value("""
                SELECT count(DISTINCT (report_number, nibrs_code))
                FROM staged JOIN covered_day ON calendar_date = occurred::DATE
                     SEMI JOIN offense USING (nibrs_code)
                WHERE neighborhood IS NOT NULL AND latitude IS NOT NULL
                   OR neighborhood IS NOT NULL""")
            late = build.fetch_value(
                "SELECT sum(row_count) FROM rejected_incident WHERE rule = 'outside_window'"
            )
            assert 0 <= known - summary.rows_kept <= late
            assert summary.rows_kept >= 0.98 * summary.rows_in
            totals = build.connection.execute("""
                SELECT (SELECT count(*) FROM incident), (SELECT sum(incident_count) FROM neighborhood)
            """).fetchall()
            assert totals == [(summary.rows_kept, summary.rows_kept)]
