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
