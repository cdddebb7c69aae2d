"""The rectangle round the city loses no neighborhood; the first version's lost 46."""

import csv
import json
from pathlib import Path

import pytest

from etl.city import BoundingBox, City
from etl.clean import CleanSummary
from tests.conftest import CleanFiles
from tests.raw import write_raw
from warehouse.build import Build
from warehouse.settings import REFERENCE_DIR

FIRST_VERSION_EDGE = -84.5


def read_places() -> list[dict[str, str]]:
    """Return the reference neighborhoods."""
    with (REFERENCE_DIR / "neighborhood.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_an_incident_at_every_centre_is_kept(clean: CleanFiles, tmp_path: Path) -> None:
    places = read_places()
    rows = [
        {
            "IncidentNumber": str(number),
            "NhoodName": place["neighborhood"],
            "Longitude": place["longitude"],
            "Latitude": place["latitude"],
        }
        for number, place in enumerate(places)
    ]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    assert build.fetch_value("SELECT count(*) FROM neighborhood") == len(places) == 242
    assert sum(float(place["longitude"]) < FIRST_VERSION_EDGE for place in places) > 40


@pytest.mark.real_data
def test_polygons_lie_inside_and_46_neighborhoods_reach_beyond_the_old_edge(
    real_data: Path, city: City
) -> None:
    features = json.loads((real_data / "atlanta_neighborhoods.geojson").read_text())["features"]
    for feature in features:
        for longitude, latitude in list_points(feature["geometry"]["coordinates"]):
            assert is_inside(city.bounding_box, longitude, latitude)


@pytest.mark.slow
@pytest.mark.real_data
def test_no_real_neighborhood_is_lost_west_of_the_old_edge(
    real_build: tuple[Build, CleanSummary],
) -> None:
    build, _ = real_build
    of_2013_to_2016 = "raw_file BETWEEN 'cobra_2013' AND 'cobra_2017'"
    outside = build.connection.execute(f"""
        SELECT count(*), sum(row_count) FROM rejected_incident
        WHERE rule = 'outside_city' AND {of_2013_to_2016}""").fetchall()
    assert outside == [(4, 0)]
    lost, neighborhoods, share = build.connection.execute(f"""
        WITH old AS (SELECT * FROM incident WHERE {of_2013_to_2016}),
             place AS (SELECT neighborhood, max(longitude) AS east FROM old GROUP BY ALL)
        SELECT count(*) FILTER (east < {FIRST_VERSION_EDGE}), count(*),
               (SELECT avg((longitude < {FIRST_VERSION_EDGE})::INTEGER) FROM old)
        FROM place""").fetchall()[0]
    assert neighborhoods >= 240
    assert lost >= 40
    assert 0.04 < share < 0.06


def list_points(coordinates: list[object]) -> list[tuple[float, float]]:
    """Return the points of a polygon or multi-polygon, however nested."""
    if isinstance(coordinates[0], (int, float)):
        longitude, latitude = coordinates[:2]
        return [(float(str(longitude)), float(str(latitude)))]
    return [point for part in coordinates if isinstance(part, list) for point in list_points(part)]


def is_inside(box: BoundingBox, longitude: float, latitude: float) -> bool:
    """Return whether a point lies in the box."""
    return (
        box.longitude_min <= longitude <= box.longitude_max
        and box.latitude_min <= latitude <= box.latitude_max
    )
