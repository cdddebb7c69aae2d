"""What a city's files tell of districts and what the city calls them agree."""

from pathlib import Path

import pytest

from etl.city import City, Districts
from etl.clean import clean_files
from etl.districts import list_districts
from etl.report import describe_zones
from tests.raw import write_raw
from tests.tables import fill
from warehouse.build import open_build
from warehouse.errors import ShieldError
from warehouse.tables_clean import CALENDAR_TABLE, INCIDENT_TABLE, NEIGHBORHOOD_TABLE


def test_words_are_listed_for_the_kinds_that_the_city_has(city: City) -> None:
    other = city.model_copy(update={"districts": Districts(zone="Precinct")})
    assert list_districts(other) == {"zone": "Precinct"}
    assert list_districts(city) == {
        "npu": "Neighborhood Planning Unit", "zone": "Police zone", "beat": "Police beat",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("districts", "message"),
    [
        (Districts(), r"layout nibrs has beat, npu, zone: .* \[districts\] .*Atlanta, found none"),
        (Districts(npu="Ward", beat="Beat"), "layout nibrs has zone: .*found beat, npu"),
    ],
)
def test_district_without_a_word_is_refused(
    tmp_path: Path, city: City, districts: Districts, message: str
) -> None:
    raw = write_raw(tmp_path / "raw.csv", [{}])
    with (
        open_build("test", tmp_path / "b.duckdb") as build,
        pytest.raises(ShieldError, match=message),
    ):
        clean_files(build, [raw], city.model_copy(update={"districts": districts}))


@pytest.mark.parametrize(("zone", "lines"), [("-", 0), ("5", 1)])
def test_report_has_no_line_on_zones_where_there_are_none(tmp_path: Path, zone: str, lines: int) -> None:
    with open_build("test", tmp_path / "b.duckdb") as build:
        build.data_source = "test data"
        fill(build, CALENDAR_TABLE, "calendar_date\n2021-01-01")
        fill(build, NEIGHBORHOOD_TABLE, f"neighborhood zone\nx {zone.replace('5', '6')}")
        fill(build, INCIDENT_TABLE, f"incident_id zone\n1 {zone}")
        assert len(list(describe_zones(build))) == lines
