"""The audit finds every kind of damage, by table and column."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from warehouse.audit import audit_build
from warehouse.build import Build
from warehouse.errors import SchemaError
from warehouse.pointer import read_pointer


@pytest.fixture
def build(published: Path, tmp_path: Path) -> Iterator[Build]:
    """A copy of a published build that can be damaged."""
    path = tmp_path / "copy.duckdb"
    shutil.copy(published / read_pointer(published).file, path)
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        yield Build("copy", path, connection, "simulated data")


def test_published_build_passes(build: Build) -> None:
    audit_build(build)


def test_city_without_zones_passes(build: Build) -> None:
    build.connection.execute("UPDATE incident SET zone = NULL; DELETE FROM mart_zone_distribution")
    audit_build(build)


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("DELETE FROM forecast_hourly WHERE hour = 3 AND month = 2", "forecast_hourly is not complete"),
        ("DELETE FROM average_daily WHERE month = 2", "average_daily is not complete"),
        ("UPDATE forecast_hourly SET expected_crimes = -1 WHERE hour = 3", "expected_crimes: below 0"),
        (
            "UPDATE forecast_hourly SET expected_crimes = 'nan'::DOUBLE WHERE hour = 3",
            "expected_crimes: not a finite number",
        ),
        (
            "UPDATE average_daily SET expected_daily_crimes = expected_daily_crimes * 1.001",
            "expected_daily_crimes is not the sum of its hours",
        ),
        ("UPDATE forecast_hourly SET hour = 24 WHERE hour = 3", "forecast_hourly.hour: above 23"),
        (
            "UPDATE forecast_hourly SET hour = 4 WHERE hour = 3",
            "key (neighborhood, month, hour) is not unique",
        ),
        ("UPDATE forecast_hourly SET intensity = 'mild'", "intensity: not one of low, moderate, high"),
        ("UPDATE forecast_hourly SET patrol_share_foot = 0", "patrol shares do not add up to 1"),
        (
            "UPDATE incident SET nibrs_code = '99X'",
            "incident.nibrs_code: not found in offense.nibrs_code",
        ),
        ("UPDATE incident SET occurred_at = TIMESTAMP '1999-01-01'", "a day that is not in calendar"),
        ("DELETE FROM incident WHERE zone = '1'", "incident does not have the rows"),
        ("UPDATE rejected_incident SET row_count = row_count + 1", "rejected_incident does not add up"),
        ("UPDATE raw_file SET rows_in = rows_in + 1", "rows_in is not rows_kept + rows_rejected"),
        (
            "UPDATE neighborhood SET incident_count = incident_count + 1",
            "incident_count does not add up",
        ),
        (
            "DELETE FROM mart_forecast_hourly WHERE month = 1",
            "does not have the rows of forecast_hourly",
        ),
        (
            "DELETE FROM mart_patrol_plan WHERE time_of_day = 'Night'",
            "mart_patrol_plan does not add up to average_daily",
        ),
        (
            "UPDATE mart_zone_distribution SET incident_count = 0",
            "mart_zone_distribution.incident_count does not add up to incident",
        ),
        ("DELETE FROM mart_zone_distribution", "mart_zone_distribution.incident_count does not add up"),
        (
            "UPDATE incident SET zone = NULL",  # the mart would tell of zones that nobody has
            "mart_zone_distribution.incident_count does not add up",
        ),
        ("UPDATE average_daily SET month_lower_80 = 1e9", "interval"),
        ("DELETE FROM refresh_run", "refresh_run is not one row"),
        ("DROP TABLE holiday", "the build lacks holiday: another version"),
        ("ALTER TABLE incident ADD COLUMN address VARCHAR", "incident: columns are"),
        ("ALTER TABLE incident ALTER location_type SET DATA TYPE BLOB", "incident: columns are"),
    ],
)
def test_damage_is_found(build: Build, damage: str, finding: str) -> None:
    build.connection.execute(damage)
    with pytest.raises(SchemaError) as caught:
        audit_build(build)
    assert finding in str(caught.value)


def test_all_findings_are_told_at_once(build: Build) -> None:
    build.connection.execute("DELETE FROM refresh_run")
    build.connection.execute("UPDATE forecast_hourly SET intensity = 'mild'")
    with pytest.raises(SchemaError) as caught:
        audit_build(build)
    assert "refresh_run" in str(caught.value)
    assert "intensity" in str(caught.value)
