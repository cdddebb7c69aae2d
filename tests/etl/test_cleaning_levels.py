"""Levels of cleaning: what a row may lack and still count, and what strict cleaning asks of it."""

from collections import Counter
from pathlib import Path

import pytest

from etl.city import MAY_LACK, City
from etl.clean import clean_files
from etl.report import describe_cleaning
from tests.conftest import CleanFiles
from tests.etl.cleaned import fetch, rejections
from tests.raw import write_raw
from warehouse.build import open_build
from warehouse.errors import ShieldError

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
    ({"ReportDate": "soon"}, {"reported"}),
)
WITHOUT_GAPS = 10


def write_gaps(folder: Path) -> Path:
    """Write rows without gaps and one row per entry of `LACKS`, whose report number is its index."""
    rows = [{"IncidentNumber": f"1{number}"} for number in range(WITHOUT_GAPS)]
    gaps = [{"IncidentNumber": str(number), **change} for number, (change, _) in enumerate(LACKS)]
    return write_raw(folder / "raw.csv", [*rows, *gaps])


def test_what_a_row_may_lack_is_null_and_the_row_counts(clean: CleanFiles, tmp_path: Path) -> None:
    """A report date has a stand-in: it is never NULL."""
    build = clean([write_gaps(tmp_path)])
    assert rejections(build) == {}
    fields = MAY_LACK[1:]
    rows = fetch(
        build,
        f"SELECT report_number, {', '.join(fields)} FROM incident WHERE length(report_number) = 1",
    )
    found = {
        str(number): {field for field, value in zip(fields, row, strict=True) if value is None}
        for number, *row in rows
    }
    wanted = [lacking - {"reported"} for _, lacking in LACKS]
    assert found == {str(number): lacking for number, lacking in enumerate(wanted)}
    told = [line.split()[1:3] for line in describe_cleaning(build) if "  missing " in line]
    counts = Counter(field for lacking in wanted for field in lacking)
    assert {field: int(count) for count, field in told} == counts


def test_strict_cleaning_rejects_a_row_without_a_critical_field(tmp_path: Path, city: City) -> None:
    critical = [[field for field in city.critical_fields if field in lacking] for _, lacking in LACKS]
    assert any(critical)
    with open_build("test", tmp_path / "strict.duckdb") as build:
        clean_files(build, [write_gaps(tmp_path)], city, cleaning="strict")
        assert rejections(build) == Counter(f"missing_{fields[0]}" for fields in critical if fields)
        entered = fetch(build, "SELECT rule FROM rejected_incident")
        kept = fetch(build, "SELECT report_number FROM incident WHERE length(report_number) = 1")
    assert {number for (number,) in kept} == {
        str(number) for number, fields in enumerate(critical) if not fields
    }
    assert {(f"missing_{field}",) for field in city.critical_fields} <= set(entered)


def test_strict_cleaning_needs_critical_fields(tmp_path: Path, city: City) -> None:
    lax = city.model_copy(update={"critical_fields": ()})
    raw = write_raw(tmp_path / "raw.csv", [{}])
    with (
        open_build("test", tmp_path / "strict.duckdb") as build,
        pytest.raises(ShieldError, match="expected critical_fields in the file of Atlanta, found none"),
    ):
        clean_files(build, [raw], lax, cleaning="strict")


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
