"""A build is filled only with what is declared."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from warehouse.build import Build, open_build
from warehouse.errors import SchemaError
from warehouse.schema import TABLES
from warehouse.tables_clean import OFFENSE_TABLE, RAW_FILE_TABLE
from warehouse.tables_forecast import AVERAGE_DAILY_TABLE, MODEL_CARD_TABLE

OFFENSE = """SELECT '23F' AS nibrs_code, 'Theft' AS offense, 'A' AS offense_group,
    'Larceny' AS offense_category, 'Property' AS crime_against, 'Foot Patrol' AS patrol_type,
    false AS is_discretionary, false AS is_location_hidden"""


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """An empty build."""
    with open_build("test", tmp_path / "b.duckdb") as opened:
        yield opened


def test_every_declared_table_is_there(build: Build) -> None:
    names = {row[0] for row in build.connection.execute("SHOW TABLES").fetchall()}
    assert names == {table.name for table in TABLES}


def test_missing_and_undeclared_columns_are_named(build: Build) -> None:
    with pytest.raises(SchemaError) as caught:
        build.insert(OFFENSE_TABLE, OFFENSE.replace("AS offense,", "AS mood,"))
    assert "table offense" in str(caught.value)
    assert "missing ['offense'], not declared ['mood']" in str(caught.value)
    assert build.count_rows(OFFENSE_TABLE) == 0


def test_a_frame_is_held_to_the_declared_columns_too(build: Build) -> None:
    frame = pd.DataFrame({"section_number": [1], "section": ["Use"], "mood": ["good"]})
    with pytest.raises(SchemaError, match=r"missing \['text'\], not declared \['mood'\]"):
        build.insert_frame(MODEL_CARD_TABLE, frame)
    assert build.count_rows(MODEL_CARD_TABLE) == 0


def test_null_in_a_column_that_must_have_a_value_names_table_and_column(build: Build) -> None:
    with pytest.raises(SchemaError, match=r"table offense: .*offense_group"):
        build.insert(OFFENSE_TABLE, OFFENSE.replace("'A' AS", "NULL AS"))


def test_data_source_must_be_known_and_is_added(build: Build) -> None:
    facts = """SELECT 'a.csv' AS raw_file, 'nibrs' AS layout, '0' AS sha256, 1 AS rows_in,
        1 AS rows_kept, 0 AS rows_rejected, 0 AS rows_in_polygon, 0 AS rows_polygon_disagrees,
        '' AS columns_left_out"""
    with pytest.raises(SchemaError, match="does not know its data source"):
        build.insert(RAW_FILE_TABLE, facts)
    build.data_source = "it's simulated"
    assert build.insert(RAW_FILE_TABLE, facts) == 1
    assert build.fetch_value("SELECT data_source FROM raw_file") == "it's simulated"


def test_nan_becomes_null_only_where_null_is_allowed(build: Build) -> None:
    build.data_source = "test"
    row: dict[str, object] = {c.name: 1 for c in AVERAGE_DAILY_TABLE.columns if c.name != "data_source"}
    row |= {"neighborhood": "A", "forecast_month": pd.Timestamp("2026-01-01")}
    row["average_daily_crime_count"] = float("nan")
    build.insert_frame(AVERAGE_DAILY_TABLE, pd.DataFrame([row]))
    assert build.fetch_value("SELECT average_daily_crime_count FROM average_daily") is None
    row["expected_daily_crimes"] = float("nan")
    with pytest.raises(SchemaError, match=r"table average_daily: .*expected_daily_crimes"):
        build.insert_frame(AVERAGE_DAILY_TABLE, pd.DataFrame([row]))
    assert build.count_rows(AVERAGE_DAILY_TABLE) == 1


def test_frame_is_let_go_of_once_it_is_inserted(build: Build) -> None:
    build.data_source = "test"
    frame = pd.DataFrame({"section_number": [1], "section": ["Use"], "text": ["For planning."]})
    assert build.insert_frame(MODEL_CARD_TABLE, frame) == 1
    assert build.fetch_value("SELECT count(*) FROM duckdb_views() WHERE NOT internal AND temporary") == 0


def test_build_is_closed_whatever_ends_it(tmp_path: Path) -> None:
    with pytest.raises(SchemaError), open_build("a", tmp_path / "a.duckdb") as failed:
        raise SchemaError("it broke here")
    with open_build("b", tmp_path / "b.duckdb") as done:
        pass
    for build in (failed, done):
        with pytest.raises(duckdb.ConnectionException, match="closed"):
            build.connection.execute("SELECT 1")


def test_what_spills_lies_where_leftovers_are_swept(build: Build) -> None:
    spill = Path(str(build.fetch_value("SELECT current_setting('temp_directory')")))
    assert spill.parent == build.path.parent
    assert spill.name.startswith(build.path.name)


def test_old_drivers_can_read_the_storage_version(build: Build) -> None:
    found = build.connection.execute(
        "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'build'"
    ).fetchone()
    assert found is not None
    assert "v1.0.0" in str(found[0])
