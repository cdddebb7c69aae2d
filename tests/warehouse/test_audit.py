"""The audit finds every kind of damage, by table and column."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.one_in import one_in
from warehouse.audit import audit_build, check_table, list_reconciliations
from warehouse.build import Build
from warehouse.errors import SchemaError
from warehouse.pointer import read_pointer
from warehouse.schema import TABLES
from warehouse.table import Column, Table


@pytest.fixture(scope="module")
def copied(few_places: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """A copy of a published build."""
    path = tmp_path_factory.mktemp("audit") / "copy.duckdb"
    shutil.copy(few_places / read_pointer(few_places).file, path)
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        yield Build("copy", path, connection, "simulated data")


@pytest.fixture
def build(copied: Build) -> Iterator[Build]:
    """The copy, which can be damaged: what a test does to it is taken back."""
    copied.connection.begin()
    yield copied
    copied.connection.rollback()


def test_published_build_passes(build: Build) -> None:
    audit_build(build)


def test_city_without_zones_passes(build: Build) -> None:
    build.connection.execute("UPDATE incident SET zone = NULL; DELETE FROM mart_zone_distribution")
    audit_build(build)


def test_no_delays_at_all_is_no_finding_and_some_are(build: Build) -> None:
    build.connection.execute("DELETE FROM report_delay")
    audit_build(build)
    build.connection.execute("INSERT INTO report_delay VALUES (0, 1, 1, 'simulated data')")
    with pytest.raises(SchemaError, match="report_delay is not complete"):
        audit_build(build)


def test_rounding_is_no_finding(build: Build) -> None:
    build.connection.execute("""
        UPDATE average_daily SET expected_daily_crimes = expected_daily_crimes * (1 + 1e-12);
        UPDATE forecast_category SET category_share = category_share * (1 + 1e-12),
            expected_crimes = expected_crimes * (1 - 1e-12)""")
    audit_build(build)


def test_null_refers_to_nothing_even_where_there_is_nothing_to_refer_to(tmp_path: Path) -> None:
    place = Column("place", "VARCHAR", "P.", "P", references="place.name", nullable=True)
    crime = Table("crime", "C.", "crime", ("id",), (Column("id", "INTEGER", "I.", "I"), place))
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE place (name VARCHAR)")
        connection.execute("CREATE TABLE crime (id INTEGER, place VARCHAR)")
        build = Build("copy", tmp_path, connection)
        connection.execute("INSERT INTO crime VALUES (1, NULL)")
        assert list(check_table(build, crime)) == []
        connection.execute("INSERT INTO crime VALUES (2, 'A')")
        assert list(check_table(build, crime)) == ["crime.place: not found in place.name (1 rows)"]


DAMAGES = [
    (
        "INSERT INTO hot_spot VALUES (1, 33.7, -84.4, 1, 3, 1.0, 1.0, 'simulated data')",
        "hot_spot shows a cell of few incidents",
    ),
    (
        "INSERT INTO hot_spot VALUES (1, NULL, NULL, 1, 3, 1.0, 0.5, 'simulated data')",
        "shares of hot_spot do not add up to 1",
    ),
    ("UPDATE group_audit SET coverage = 0.9, below_share = 0.2, above_share = 0", "do not add up to 1"),
    ("DELETE FROM neighborhood_group WHERE group_kind = 'zone'", "group_audit does not have the groups"),
    ("DELETE FROM backtest_month", "backtest_month lacks an origin of backtest_origin"),
    ("DELETE FROM forecast_hourly WHERE hour = 3 AND month = 2", "forecast_hourly is not complete"),
    ("DELETE FROM average_daily WHERE month = 2", "average_daily is not complete"),
    ("UPDATE forecast_hourly SET expected_crimes = -1 WHERE hour = 3", "expected_crimes: below 0"),
    (
        "UPDATE forecast_hourly SET expected_crimes = 'nan'::DOUBLE WHERE hour = 3",
        "expected_crimes: not a finite number",
    ),
    (
        "UPDATE forecast_hourly SET observed_crimes = 'inf'::DOUBLE",
        "observed_crimes: not a finite number",
    ),
    (
        "UPDATE average_daily SET expected_daily_crimes = expected_daily_crimes * 1.001",
        "expected_daily_crimes is not the sum of its hours",
    ),
    *(
        (
            f"UPDATE {table} SET expected_reported_crimes = expected_crimes * 1.001",
            f"{table} expects more reported crimes than crimes",
        )
        for table in ("forecast_hourly", "forecast_hourly_weekday")
    ),
    *(
        (f"UPDATE {table} SET {column} = {column} * 1.001", finding)
        for table, column, finding in (
            ("forecast_hourly", "expected_reported_crimes", "forecast_hourly is not the mean of"),
            ("average_daily", "expected_reported_daily_crimes", "is not the sum of its hours"),
            ("average_daily", "expected_reported_month_crimes", "is not the expected day times"),
            ("mart_patrol_plan", "expected_reported_daily_crimes", "does not add up to average_daily"),
        )
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
    ("UPDATE offense SET is_location_hidden = true", "whose location is hidden is not at its"),
    (  # as if all of them belonged to a report that is hidden
        "UPDATE incident SET report_number = (SELECT min(report_number) FROM incident"
        " JOIN offense USING (nibrs_code) WHERE is_location_hidden)",
        "whose location is hidden is not at its",
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
    ("UPDATE average_daily SET day_lower_80 = day_upper_80 + 1", "interval of average_daily ends"),
    ("UPDATE average_daily SET month_lower_95 = month_upper_80", "or reaches beyond a wider one"),
    ("UPDATE average_daily SET month_upper_95 = month_upper_80 - 1", "or reaches beyond a wider one"),
    ("UPDATE forecast_zone SET month_lower_95 = month_lower_80 + 1", "interval of forecast_zone ends"),
    ("UPDATE forecast_city SET month_upper_95 = month_upper_80 - 1", "interval of forecast_city ends"),
    (
        "UPDATE forecast_zone SET expected_month_crimes = expected_month_crimes * 1.001",
        "forecast_zone is not the sum of average_daily",
    ),
    ("DELETE FROM forecast_zone WHERE zone = '1'", "forecast_zone is not the sum of average_daily"),
    (
        "UPDATE forecast_city SET expected_month_crimes = expected_month_crimes * 1.001",
        "forecast_city is not the sum of average_daily",
    ),
    (
        "DELETE FROM forecast_hourly_weekday WHERE iso_weekday = 7",
        "forecast_hourly_weekday is not complete: a cell of neighborhood x month x iso_weekday x hour",
    ),
    (
        "UPDATE forecast_hourly_weekday SET expected_crimes = expected_crimes * 1.001",
        "forecast_hourly is not the mean of its weekdays",
    ),
    (
        "DELETE FROM forecast_category WHERE category_rank = 1 AND hour = 3",
        "lacks a category of incident",
    ),
    (
        "DELETE FROM forecast_category WHERE hour = 3",
        "forecast_category does not add up to its cell in forecast_hourly",
    ),
    (
        "UPDATE forecast_category SET expected_crimes = expected_crimes * 1.001",
        "forecast_category does not add up to its cell in forecast_hourly",
    ),
    (  # shares that agree with the crimes of no other cell
        "UPDATE forecast_category SET category_share = category_share / 2 WHERE category_rank = 2",
        "forecast_category does not add up to its cell in forecast_hourly",
    ),
    (
        "UPDATE forecast_category SET expected_crimes = expected_crimes * 0.999 WHERE category_rank = 3",
        "forecast_category.expected_crimes is not its share of forecast_hourly",
    ),
    (
        "UPDATE forecast_category SET category_rank = 3 - category_rank WHERE category_rank < 3",
        "forecast_category.category_rank is not the order of its shares",
    ),
    (
        "UPDATE forecast_category SET category_rank = 5 WHERE category_rank = 4",
        "forecast_category.category_rank is not the order of its shares",
    ),
    (
        "UPDATE mart_forecast_category SET expected_daily_crimes = expected_daily_crimes * 1.001",
        "mart_forecast_category does not add up to mart_patrol_plan",
    ),
    (
        "DELETE FROM mart_forecast_category WHERE time_of_day = 'Night' AND month = 3",
        "mart_forecast_category does not add up to mart_patrol_plan",
    ),
    (
        "UPDATE average_daily SET expected_month_crimes = expected_month_crimes * 1.001",
        "expected_month_crimes is not the expected day times the days of the month",
    ),
    (
        "UPDATE average_daily SET forecast_month = forecast_month + INTERVAL 1 MONTH",
        "expected_month_crimes is not the expected day times the days of the month",
    ),
    ("DELETE FROM forecast_city WHERE month = 3", "forecast_city is not complete: a cell of month"),
    ("DELETE FROM mart_forecast_hourly WHERE hour = 3", "mart_forecast_hourly is not complete"),
    ("DELETE FROM mart_patrol_plan WHERE month = 3", "mart_patrol_plan is not complete"),
    ("DELETE FROM mart_time_of_day WHERE hour = 3", "mart_time_of_day is not complete"),
    ("DELETE FROM report_delay WHERE delay_days = 180", "report_delay is not complete"),
    *(
        (f"UPDATE {mart} SET incident_count = incident_count + 1", f"{mart}.incident_count does not add")
        for mart in (
            "mart_yearly_trend",
            "mart_neighborhood_density",
            "mart_neighborhood_month",
            "mart_time_of_day",
        )
    ),
    ("DELETE FROM backtest_score", "backtest_origin has an origin without scores"),
    ("UPDATE backtest_origin SET is_reused = NOT is_reused", "is_reused contradicts computed_build_id"),
    ("DELETE FROM backtest_origin", "backtest_score.origin: not found in backtest_origin.origin"),
    (
        "DELETE FROM track_forecast WHERE place = 'all'",
        "track_forecast is not the forecast of the build",
    ),
    *(
        (f"{damage} feedback_simulation {where}", finding)
        for damage, where, finding in (
            (
                "DELETE FROM",
                "WHERE follow_rate = 1 AND month = 6",
                "lacks a rule, follow rate, month or",
            ),
            ("UPDATE", "SET patrol_share = patrol_share / 2 WHERE month = 6", "do not add up to 1"),
            ("UPDATE", "SET start_share = start_share / 2 WHERE month = 6", "do not add up to 1"),
            ("UPDATE", "SET crime_share = crime_share / 2 WHERE month = 6", "do not add up to 1"),
            (
                "UPDATE",
                "SET patrol_share = 0.1 WHERE month = 0",
                "feedback_simulation does not begin with the shares",
            ),
        )
    ),
    (
        "DELETE FROM mart_neighborhood_rank WHERE reported_rank = 2",
        "mart_neighborhood_rank is not complete",
    ),
    *(
        (f"UPDATE mart_neighborhood_rank SET {column} = {value}", finding)
        for column, value, finding in (
            (
                "expected_reported_year_crimes",
                "1",
                "mart_neighborhood_rank does not add up to average_daily",
            ),
            (
                "reported_rank",
                "reported_rank % 2 + 1",
                "mart_neighborhood_rank is not in the order of its",
            ),
            ("reversal_ratio_next", "2", "mart_neighborhood_rank has a ratio that reverses nothing"),
        )
    ),
    ("DELETE FROM refresh_run", "refresh_run is not one row"),
    ("DROP TABLE holiday", "the build lacks holiday: another version"),
    ("ALTER TABLE incident ADD COLUMN address VARCHAR", "incident: columns are"),
    ("ALTER TABLE incident ALTER location_type SET DATA TYPE BLOB", "incident: columns are"),
]


@pytest.mark.parametrize(("damage", "finding"), one_in(10, DAMAGES))
def test_damage_is_found(build: Build, damage: str, finding: str) -> None:
    build.connection.execute(damage)
    with pytest.raises(SchemaError) as caught:
        audit_build(build)
    assert finding in str(caught.value)


def test_every_check_of_a_whole_table_has_a_damage_that_it_finds() -> None:
    for table in TABLES:
        for check in list_reconciliations(table):
            assert any(finding in check.finding for _, finding in DAMAGES), check.finding


def test_all_findings_are_told_at_once(build: Build) -> None:
    build.connection.execute("DELETE FROM refresh_run")
    build.connection.execute("UPDATE forecast_hourly SET intensity = 'mild'")
    with pytest.raises(SchemaError) as caught:
        audit_build(build)
    assert "refresh_run" in str(caught.value)
    assert "intensity" in str(caught.value)
