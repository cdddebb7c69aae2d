"""Marts: one SELECT per file, held against its declaration; a small build in, known rows out."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.metrics import list_metrics
from tests.tables import fill
from warehouse.build import SQL_DIR, Build, open_build, read_select
from warehouse.columns import DATA_SOURCE
from warehouse.errors import SchemaError
from warehouse.schema import TABLES
from warehouse.table import Table
from warehouse.tables_account import MART_NEIGHBORHOOD_RANK_TABLE
from warehouse.tables_category import FORECAST_CATEGORY_TABLE, MART_FORECAST_CATEGORY_TABLE
from warehouse.tables_clean import CALENDAR_TABLE, INCIDENT_TABLE, NEIGHBORHOOD_TABLE
from warehouse.tables_forecast import (
    AVERAGE_DAILY_TABLE,
    BACKTEST_SCORE_TABLE,
    FORECAST_HOURLY_TABLE,
    SCORE_METRIC_TABLE,
)
from warehouse.tables_mart import (
    MART_FORECAST_HOURLY_TABLE,
    MART_INCIDENT_EXPLORER_TABLE,
    MART_MODEL_QUALITY_TABLE,
    MART_NEIGHBORHOOD_DENSITY_TABLE,
    MART_NEIGHBORHOOD_MONTH_TABLE,
    MART_PATROL_PLAN_TABLE,
    MART_SIMILAR_PLACE_TABLE,
    MART_TIME_OF_DAY_TABLE,
    MART_YEARLY_TREND_TABLE,
    MART_ZONE_DISTRIBUTION_TABLE,
)
from warehouse.tables_track import MART_TRACK_RECORD_TABLE, TRACK_RECORD_TABLE
from warehouse.time_of_day import describe_spans

MARTS = [table for table in TABLES if table.is_mart]

# Two days of January, one of February, and the two clock changes of 2022, both on a Sunday.
CALENDAR = """
calendar_date  clock_change  changed_hour
2021-01-30     none          -
2021-01-31     none          -
2021-02-01     none          -
2022-03-13     spring        2
2022-11-06     autumn        1
"""
NEIGHBORHOOD = """
neighborhood  npu  zone  latitude  longitude  incident_count
Downtown      M    5     33.756    -84.388    99
Midtown       E    -     33.783    -84.383    99
"""
INCIDENT = """
incident_id  neighborhood  zone  occurred_at       offense_category  crime_against
1            Downtown      5     2021-01-30T16:10  Larceny           Property
2            Downtown      5     2021-01-31T16:20  Larceny           Property
3            Midtown       -     2021-02-01T00:30  Assault           Person
4            Downtown      5     2022-11-06T01:40  Larceny           Property
"""
# Two hours of the evening and one of the night; in the night's hour nothing is expected.
FORECAST = """
hour expected_crimes expected_reported_crimes patrol_share_foot patrol_share_bicycle patrol_share_vehicle
17   0.5             0.25                     0.6               0.2                  0.1
18   1.5             1                        0.2               0.2                  0.5
3    0               0                        0.3               0.3                  0.3
"""
DAILY = """
neighborhood  month  expected_reported_month_crimes
Downtown      7      20
Downtown      8      10
Midtown       7      12
Midtown       8      8
"""
CATEGORY = """
hour  offense_category  category_share
17    Larceny           0.6
17    Assault           0.4
18    Larceny           0.2
18    Assault           0.8
3     Larceny           1
"""
SCORE = """
model                      grain  subset  metric                 value
reference_empirical_bayes  cell   all     poisson_deviance       200
base_and_forest            cell   all     poisson_deviance       180
base_and_forest            month  all     coverage_80            0.85
base_and_forest            cell   all     capture_top_5_percent  0.22
base_and_forest            cell   all     patrol_macro_f1        0.4
"""
TRACK = """
grain               metric               value  reference_value
city_month          observed_crimes      40     -
city_month          expected_crimes      50     60
city_month          predicted_to_actual  1.25   1.5
city_month          poisson_deviance     2      4
city_month          coverage_80          0      -
city_month          coverage_95          1      -
city_month          month_lower_80       42     -
city_month          month_upper_80       58     -
city_month          month_lower_95       38     -
city_month          month_upper_95       62     -
neighborhood_month  observed_crimes      40     -
neighborhood_month  expected_crimes      50     60
neighborhood_month  poisson_deviance     9      12
neighborhood_month  coverage_80          0.5    -
neighborhood_month  coverage_95          0.75   -
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """A small build with every mart."""
    with open_build("test", tmp_path_factory.mktemp("marts") / "b.duckdb") as opened:
        opened.data_source = "test data"
        fill(opened, CALENDAR_TABLE, CALENDAR)
        opened.connection.execute("UPDATE calendar SET iso_weekday = isodow(calendar_date)")
        fill(opened, NEIGHBORHOOD_TABLE, NEIGHBORHOOD)
        fill(opened, INCIDENT_TABLE, INCIDENT)
        fill(
            opened, FORECAST_HOURLY_TABLE, FORECAST, neighborhood="Downtown", month=7,
            forecast_month=dt.date(2026, 7, 1), patrol_share_motorcycle=0.1,
        )  # fmt: skip
        fill(
            opened, FORECAST_CATEGORY_TABLE, CATEGORY, neighborhood="Downtown", month=7,
            forecast_month=dt.date(2026, 7, 1),
        )  # fmt: skip
        fill(opened, AVERAGE_DAILY_TABLE, DAILY)
        opened.connection.execute("""
            UPDATE forecast_hourly
            SET suggested_patrol = if(hour = 18, 'Vehicle Patrol', 'Foot Patrol')""")
        opened.insert_frame(SCORE_METRIC_TABLE, list_metrics())
        fill(opened, BACKTEST_SCORE_TABLE, SCORE)
        fill(opened, TRACK_RECORD_TABLE, TRACK)
        for mart in MARTS:
            opened.insert_mart(mart)
        yield opened


def test_every_mart_has_its_file_and_every_file_its_mart() -> None:
    assert {path.stem for path in SQL_DIR.glob("*.sql")} == {mart.name for mart in MARTS}


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.name)
def test_select_gives_the_declared_names_types_key_and_values(build: Build, mart: Table) -> None:
    select = f"SELECT * FROM {mart.name}" if mart.is_view else read_select(mart)
    described = build.connection.execute(f"DESCRIBE {select}").fetchall()
    types = {row[0]: row[1] for row in described} | {DATA_SOURCE.name: DATA_SOURCE.type}
    assert types == {column.name: column.type for column in mart.columns}
    needed = [f"{column.name} IS NULL" for column in mart.columns if not column.nullable]
    odd = f"SELECT count(*) FROM {mart.name} WHERE {' OR '.join(needed)}"
    assert build.fetch_value(odd) == 0
    assert build.fetch_value(f"SELECT count(DISTINCT ({', '.join(mart.key)})) FROM {mart.name}") == (
        build.count_rows(mart)
    )
    other = f"SELECT count(*) FROM {mart.name} WHERE data_source <> 'test data'"
    assert build.fetch_value(other) == 0


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (
            """SELECT month_start::VARCHAR, year, month, month_name, offense_category, crime_against,
            incident_count, incidents_per_day, observed_days, month_days
            FROM mart_yearly_trend WHERE year = 2021""",
            [
                ("2021-01-01", 2021, 1, "January", "Assault", "Person", 0, 0.0, 2, 31),
                ("2021-01-01", 2021, 1, "January", "Larceny", "Property", 2, 1.0, 2, 31),
                ("2021-02-01", 2021, 2, "February", "Assault", "Person", 1, 1.0, 1, 28),
                ("2021-02-01", 2021, 2, "February", "Larceny", "Property", 0, 0.0, 1, 28),
            ],
        ),
        (
            """SELECT neighborhood, npu, zone, latitude, longitude, year, offense_category,
            incident_count, round(incidents_per_day, 3), observed_days
            FROM mart_neighborhood_density WHERE year = 2021""",
            [
                ("Downtown", "M", "5", 33.756, -84.388, 2021, "Assault", 0, 0.0, 3),
                ("Downtown", "M", "5", 33.756, -84.388, 2021, "Larceny", 2, 0.667, 3),
                ("Midtown", "E", None, 33.783, -84.383, 2021, "Assault", 1, 0.333, 3),
                ("Midtown", "E", None, 33.783, -84.383, 2021, "Larceny", 0, 0.0, 3),
            ],
        ),
        (
            """SELECT neighborhood, zone, month_start::VARCHAR, month_name, incident_count,
            incidents_per_day, observed_days, month_days
            FROM mart_neighborhood_month WHERE year = 2021""",
            [
                ("Downtown", "5", "2021-01-01", "January", 2, 1.0, 2, 31),
                ("Downtown", "5", "2021-02-01", "February", 0, 0.0, 1, 28),
                ("Midtown", None, "2021-01-01", "January", 0, 0.0, 2, 31),
                ("Midtown", None, "2021-02-01", "February", 1, 1.0, 1, 28),
            ],
        ),
        (
            """SELECT neighborhood, zone, latitude, reported_rank, expected_reported_year_crimes,
            reversal_ratio_next, reversal_ratio_median FROM mart_neighborhood_rank""",
            [
                ("Downtown", "5", 33.756, 1, 30.0, 1.5, 1.0),
                ("Midtown", None, 33.783, 2, 20.0, None, 2 / 3),
            ],
        ),
        (
            """SELECT zone, year, offense_category, incident_count, incidents_per_day, city_share,
            observed_days FROM mart_zone_distribution WHERE year = 2022""",
            [
                ("5", 2022, "Assault", 0, 0.0, None, 2),
                ("5", 2022, "Larceny", 1, 0.5, 1.0, 2),
                ("unknown", 2022, "Assault", 0, 0.0, None, 2),
                ("unknown", 2022, "Larceny", 0, 0.0, 0.0, 2),
            ],
        ),
        (
            """SELECT weekday_name, hour_label, time_of_day, incident_count, incidents_per_hour,
            observed_days, observed_hours FROM mart_time_of_day
            WHERE (iso_weekday, hour) IN ((7, 1), (7, 2), (7, 16), (6, 16), (1, 0), (2, 0))""",
            [
                ("Monday", "00:00", "Night", 1, 1.0, 1, 1),
                ("Tuesday", "00:00", "Night", 0, None, 0, 0),
                ("Saturday", "16:00", "Afternoon", 1, 1.0, 1, 1),
                ("Sunday", "01:00", "Night", 1, 0.25, 3, 4),
                ("Sunday", "02:00", "Night", 0, 0.0, 3, 2),
                ("Sunday", "16:00", "Afternoon", 1, 1 / 3, 3, 3),
            ],
        ),
        (
            """SELECT incident_id, neighborhood, year, month_start::VARCHAR, month, month_name,
            iso_weekday, weekday_name, hour, hour_label
            FROM mart_incident_explorer WHERE neighborhood = 'Downtown' AND hour = 16 ORDER BY 1""",
            [
                ("1", "Downtown", 2021, "2021-01-01", 1, "January", 6, "Saturday", 16, "16:00"),
                ("2", "Downtown", 2021, "2021-01-01", 1, "January", 7, "Sunday", 16, "16:00"),
            ],
        ),
        (
            """SELECT npu, zone, latitude, month_name, hour_label, time_of_day, expected_crimes,
            expected_reported_crimes FROM mart_forecast_hourly WHERE hour = 17""",
            [("M", "5", 33.756, "July", "17:00", "Evening", 0.5, 0.25)],
        ),
        (
            """SELECT neighborhood, zone, month_name, forecast_month::VARCHAR, time_of_day,
            expected_daily_crimes, expected_reported_daily_crimes, suggested_patrol,
            round(suggested_patrol_share, 6), round(patrol_share_foot, 6),
            round(patrol_share_bicycle, 6), round(patrol_share_motorcycle, 6),
            round(patrol_share_vehicle, 6) FROM mart_patrol_plan""",
            [
                ("Downtown", "5", "July", "2026-07-01", "Evening", 2.0, 1.25,
                 "Vehicle Patrol", 0.4, 0.3, 0.2, 0.1, 0.4),
                ("Downtown", "5", "July", "2026-07-01", "Night", 0.0, 0.0,
                 "Foot Patrol", 0.3, 0.3, 0.3, 0.1, 0.3),
            ],
        ),
        (
            """SELECT zone, month_name, time_of_day, offense_category,
            round(expected_daily_crimes, 9), category_share FROM mart_forecast_category""",
            [
                ("5", "July", "Evening", "Assault", 1.4, 0.7),
                ("5", "July", "Evening", "Larceny", 0.6, 0.3),
                ("5", "July", "Night", "Larceny", 0.0, None),
            ],
        ),
        (
            """SELECT model, metric, value, is_lower_better, target_value,
            reference_model, reference_value FROM mart_model_quality""",
            [
                ("base_and_forest", "capture_top_5_percent", 0.22, False, 1.0,
                 "reference_empirical_bayes", None),
                ("base_and_forest", "patrol_macro_f1", 0.4, False, 1.0,
                 "neighborhood_hour_shares", None),
                ("base_and_forest", "poisson_deviance", 180.0, True, 0.0,
                 "reference_empirical_bayes", 200.0),
                ("reference_empirical_bayes", "poisson_deviance", 200.0, True, 0.0,
                 "reference_empirical_bayes", 200.0),
                ("base_and_forest", "coverage_80", 0.85, None, 0.8, None, None),
            ],
        ),
        (
            """SELECT grain, observed_crimes, expected_month_crimes, reference_month_crimes,
            predicted_to_actual, poisson_deviance, reference_deviance, deviance_to_reference,
            coverage_80, coverage_95, month_lower_80, month_upper_80, month_lower_95, month_upper_95,
            forecast_build_id, age_months FROM mart_track_record""",
            [
                ("city_month", 40.0, 50.0, 60.0, 1.25, 2.0, 4.0, None, 0.0, 1.0, 42.0, 58.0, 38.0, 62.0,
                 "x", 1),
                ("neighborhood_month", 40.0, 50.0, 60.0, None, 9.0, 12.0, 0.75, 0.5, 0.75,
                 None, None, None, None, "x", 1),
            ],
        ),
        (
            """SELECT metric_label FROM mart_model_quality
            WHERE metric IN ('coverage_80', 'patrol_macro_f1')""",
            [
                ("Precision and recall of the likeliest patrol type, mean over types (F1)",),
                ("Share of counts inside the 80 % interval",),
            ],
        ),
    ],
    ids=lambda value: value.split("FROM ")[1].split()[0] if isinstance(value, str) else "",
)  # fmt: skip
def test_given_rows_give_the_expected_rows(
    build: Build, select: str, expected: list[tuple[object, ...]]
) -> None:
    assert build.connection.execute(select).fetchall() == expected


@pytest.mark.parametrize(
    ("mart", "rows"),
    [
        (MART_YEARLY_TREND_TABLE, 4 * 2),
        (MART_NEIGHBORHOOD_DENSITY_TABLE, 2 * 2 * 2),
        (MART_NEIGHBORHOOD_MONTH_TABLE, 2 * 4),
        (MART_SIMILAR_PLACE_TABLE, 0),
        (MART_NEIGHBORHOOD_RANK_TABLE, 2),
        (MART_ZONE_DISTRIBUTION_TABLE, 2 * 2 * 2),
        (MART_INCIDENT_EXPLORER_TABLE, 4),
        (MART_TIME_OF_DAY_TABLE, 7 * 24),
        (MART_FORECAST_HOURLY_TABLE, 3),
        (MART_PATROL_PLAN_TABLE, 2),
        (MART_FORECAST_CATEGORY_TABLE, 3),
        (MART_MODEL_QUALITY_TABLE, 5),
        (MART_TRACK_RECORD_TABLE, 2),
    ],
    ids=lambda value: value.name if isinstance(value, Table) else "",
)
def test_every_cell_is_there(build: Build, mart: Table, rows: int) -> None:
    assert build.count_rows(mart) == rows


def test_city_without_zones_has_no_row_for_a_zone_that_is_null(tmp_path: Path) -> None:
    with open_build("test", tmp_path / "b.duckdb") as build:
        build.data_source = "test data"
        fill(build, CALENDAR_TABLE, CALENDAR)
        fill(build, INCIDENT_TABLE, INCIDENT)
        build.connection.execute("UPDATE incident SET zone = NULL")
        assert build.insert_mart(MART_ZONE_DISTRIBUTION_TABLE) == 0


def test_rank_names_the_reporting_that_would_reverse_it(tmp_path: Path) -> None:
    """Of eleven places a tenth is two ranks, the sixth is the median, the last expects nothing."""
    crimes = (50, 100, 40, 30, 25, 20, 20, 16, 10, 5, 0)
    lines = [f"{name} {number}" for name, number in zip("BACDEGFHIJK", crimes, strict=True)]
    with open_build("test", tmp_path / "b.duckdb") as build:
        build.data_source = "test data"
        fill(build, NEIGHBORHOOD_TABLE, "\n".join(["neighborhood incident_count", *lines]))
        fill(
            build, AVERAGE_DAILY_TABLE,
            "\n".join(["neighborhood expected_reported_month_crimes", *lines]),
        )  # fmt: skip
        build.insert_mart(MART_NEIGHBORHOOD_RANK_TABLE)
        rows = build.connection.execute("""
            SELECT neighborhood, reported_rank, reversal_ratio_next, reversal_ratio_tenth,
                   reversal_ratio_median FROM mart_neighborhood_rank""").fetchall()
    assert rows == [
        ("A", 1, 2.0, 2.5, 5.0),
        ("B", 2, 1.25, 50 / 30, 2.5),
        ("C", 3, 40 / 30, 1.6, 2.0),
        ("D", 4, 1.2, 1.5, 1.5),
        ("E", 5, 1.25, 1.25, 1.25),
        ("F", 6, 1.0, 1.25, 1.0),
        ("G", 7, 1.25, 2.0, 1.0),
        ("H", 8, 1.6, 3.2, 0.8),
        ("I", 9, 2.0, None, 0.5),
        ("J", 10, None, None, 0.25),
        ("K", 11, None, None, 0.0),
    ]


def test_metric_that_nobody_explained_stops_the_build(tmp_path: Path) -> None:
    with open_build("test", tmp_path / "b.duckdb") as build:
        build.data_source = "test data"
        fill(build, BACKTEST_SCORE_TABLE, "metric\nmystery")
        with pytest.raises(SchemaError, match="table mart_model_quality: .*metric_label"):
            build.insert_mart(MART_MODEL_QUALITY_TABLE)


def test_view_takes_no_room(build: Build) -> None:
    found = build.connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE NOT internal"
    ).fetchall()
    assert found == [("mart_incident_explorer",)]


def test_time_of_day_has_the_bounds_that_dashboards_know(build: Build) -> None:
    times = build.connection.execute(
        "SELECT time_of_day(h) FROM range(24) AS hours(h) ORDER BY h"
    ).fetchall()
    words = [word for (word,) in times]
    assert describe_spans() == "Morning 5-12, Afternoon 12-17, Evening 17-20, Night 20-5."
    assert words == ["Night"] * 5 + ["Morning"] * 7 + ["Afternoon"] * 5 + ["Evening"] * 3 + ["Night"] * 4
