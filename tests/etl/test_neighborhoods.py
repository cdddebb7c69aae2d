"""The vote on zone and NPU as a specification: incidents in, neighborhoods out."""

from pathlib import Path

import pytest

from tests.conftest import CleanFiles
from tests.raw import write_raw

OLD, RECENT = 2013, 2021


def row(number: int, year: int, beat: str, npu: str = "M", name: str = "Downtown") -> dict[str, str]:
    """Return an incident of June of a year, in a beat whose first digit is the zone."""
    moment = f"6/{number % 28 + 1}/{year} 16:30"
    return {
        "IncidentNumber": str(number), "OccurredFromDate": moment, "OccurredToDate": moment,
        "ReportDate": moment, "BEAT_Text": beat, "NPU": npu, "NhoodName": name,
    }  # fmt: skip


def test_zone_and_npu_are_those_of_most_recent_incidents(clean: CleanFiles, tmp_path: Path) -> None:
    rows = [
        *(row(number, OLD, "101", "A") for number in range(8)),
        *(row(number, RECENT, "604", "B") for number in range(10, 12)),
    ]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    found = build.connection.execute("SELECT zone, npu, incident_count FROM neighborhood").fetchall()
    assert found == [("6", "B", 10)]
    zones = build.connection.execute("SELECT DISTINCT zone FROM incident ORDER BY zone").fetchall()
    assert zones == [("1",), ("6",)]


@pytest.mark.parametrize(
    ("old", "recent", "zone", "share"),
    [
        ([], ["604", "604", "604", "101"], "6", 0.25),
        ([], ["604", "604"], "6", 0.0),
        (["101"] * 9, ["604", "604", "604", "101"], "6", 0.25),
        ([], ["604", "604", "101", "101"], "1", 0.5),
    ],
)
def test_other_zone_share_is_that_of_recent_incidents_outside_the_zone(
    clean: CleanFiles, tmp_path: Path, old: list[str], recent: list[str], zone: str, share: float
) -> None:
    rows = [row(number, OLD, beat) for number, beat in enumerate(old)]
    rows += [row(100 + number, RECENT, beat) for number, beat in enumerate(recent)]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    found = build.connection.execute("SELECT zone, other_zone_share FROM neighborhood").fetchall()
    assert found == [(zone, share)]


@pytest.mark.parametrize("code", ["11A", "36B", "90F"])
def test_hidden_incident_stands_at_the_centre_of_the_others(
    clean: CleanFiles, tmp_path: Path, code: str
) -> None:
    hidden = {"NibrsUcrCode": code, "Latitude": "33.7777", "Longitude": "-84.3333"}
    rows = [
        {**row(1, RECENT, "509"), "Latitude": "33.7561", "Longitude": "-84.3881"},
        {**row(2, RECENT, "509"), "Latitude": "33.7581", "Longitude": "-84.3861"},
        {**row(3, RECENT, "509"), **hidden},
        {**row(4, RECENT, "509"), **hidden, "Latitude": ""},
        {**row(5, RECENT, "509", name="Alone"), **hidden},
    ]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    found = build.connection.execute(
        "SELECT latitude, longitude FROM incident ORDER BY report_number"
    ).fetchall()
    center = (33.757, -84.387)
    assert found == [(33.756, -84.388), (33.758, -84.386), center, center, (None, None)]
    centers = "SELECT latitude, longitude FROM neighborhood ORDER BY neighborhood"
    assert build.connection.execute(centers).fetchall() == [(None, None), center]


@pytest.mark.parametrize("day", ["6/3/2021", "6/3/1999"])  # the day of a row that is rejected
def test_every_incident_of_a_report_with_a_hidden_one_is_hidden(
    clean: CleanFiles, tmp_path: Path, day: str
) -> None:
    place = {"Latitude": "33.7777", "Longitude": "-84.3333"}
    hidden = {"NibrsUcrCode": "11A", "OccurredFromDate": f"{day} 16:30", "OccurredToDate": ""}
    rows = [
        {**row(1, RECENT, "509"), "Latitude": "33.7561", "Longitude": "-84.3881"},
        {**row(2, RECENT, "509"), **place},
        {**row(2, RECENT, "509"), **place, **hidden},
    ]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    found = build.connection.execute("SELECT DISTINCT latitude, longitude FROM incident").fetchall()
    assert found == [(33.756, -84.388)]


def test_places_that_a_geocoder_could_not_find_do_not_move_the_centre(
    clean: CleanFiles, tmp_path: Path
) -> None:
    fallback = {"Latitude": "33.86", "Longitude": "-84.28"}
    rows = [row(number, RECENT, "509") for number in range(5)]
    rows += [{**row(number, RECENT, "509"), **fallback} for number in range(5, 9)]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    found = build.connection.execute("SELECT latitude, longitude FROM neighborhood").fetchall()
    assert found == [(33.756, -84.388)]
