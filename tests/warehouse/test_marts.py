"""Marts: one SELECT per file, held against its declaration; a small build in, known rows out."""

from pathlib import Path

from warehouse.build import SQL_DIR, open_build
from warehouse.schema import (
    FORECAST_HOURLY_TABLE,
    MART_FORECAST_HOURLY_TABLE,
    NEIGHBORHOOD_TABLE,
    TABLES,
)

PLACE = """SELECT 'Downtown' AS neighborhood, 'M' AS npu, '5' AS zone, 33.756 AS latitude,
    -84.388 AS longitude, 1 AS incident_count, TIMESTAMP '2021-01-01' AS first_occurred,
    TIMESTAMP '2021-01-01' AS last_occurred, 0.1 AS other_zone_share"""

HOUR = """SELECT 'Downtown' AS neighborhood, 7 AS month, 17 AS hour, DATE '2026-07-01' AS forecast_month,
    0.5 AS expected_crimes, 0.4 AS baseline_crimes, 0.3 AS observed_crimes, 'high' AS intensity,
    'Foot Patrol' AS suggested_patrol, 0.7 AS patrol_share_foot, 0.1 AS patrol_share_bicycle,
    0.1 AS patrol_share_motorcycle, 0.1 AS patrol_share_vehicle, 9 AS support_incidents"""


def test_every_mart_has_its_file_and_every_file_its_mart() -> None:
    assert {path.stem for path in SQL_DIR.glob("*.sql")} == {t.name for t in TABLES if t.is_mart}


def test_forecast_mart_adds_labels_and_geography(tmp_path: Path) -> None:
    with open_build("test", tmp_path / "b.duckdb") as build:
        build.data_source = "test data"
        build.insert(NEIGHBORHOOD_TABLE, PLACE)
        build.insert(FORECAST_HOURLY_TABLE, HOUR)
        assert build.insert_mart(MART_FORECAST_HOURLY_TABLE) == 1
        rows = build.connection.execute("""
            SELECT npu, zone, latitude, month_name, hour_label, time_of_day, expected_crimes, data_source
            FROM mart_forecast_hourly""").fetchall()
    assert rows == [("M", "5", 33.756, "July", "17:00", "Evening", 0.5, "test data")]


def test_time_of_day_has_the_bounds_that_dashboards_know(tmp_path: Path) -> None:
    with open_build("test", tmp_path / "b.duckdb") as build:
        times = build.connection.execute(
            "SELECT time_of_day(h) FROM range(24) AS hours(h) ORDER BY h"
        ).fetchall()
    words = [word for (word,) in times]
    assert words == ["Night"] * 5 + ["Morning"] * 7 + ["Afternoon"] * 5 + ["Evening"] * 3 + ["Night"] * 4
