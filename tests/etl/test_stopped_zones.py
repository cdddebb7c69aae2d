"""Zones that stop as a specification: rows in, warnings out."""

import datetime as dt
from pathlib import Path

import pytest

from etl.city import City
from etl.clean import clean_files
from tests.raw import write_raw
from warehouse.build import open_build


@pytest.mark.parametrize(
    ("silent_days", "expected"),
    [(10, []), (11, ["Police zone 5: no incident after 2021-03-20, 2.0 a day before"])],
)
def test_zone_that_lacks_more_than_twenty_incidents_is_named(
    tmp_path: Path, city: City, silent_days: int, expected: list[str]
) -> None:
    rows = []
    for day in range(79 + silent_days):
        moment = f"{dt.date(2021, 1, 1) + dt.timedelta(days=day):%m/%d/%Y} 12:00"
        beats = ["101", "101", *(["509", "509"] if day < 79 else [])]
        rows += [
            {"IncidentNumber": f"{day}-{copy}", "BEAT_Text": beat, "OccurredFromDate": moment,
             "OccurredToDate": moment, "ReportDate": moment}
            for copy, beat in enumerate(beats)
        ]  # fmt: skip
    raw = write_raw(tmp_path / "raw.csv", rows)
    with open_build("test", tmp_path / "b.duckdb") as build:
        warnings = clean_files(build, [raw], city).warnings
    assert [text for text in warnings if "no incident after" in text] == expected
