"""The audit by group: sums, fifths, intervals and misses on cases worked out by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from models.group_audit import draw_blocks, fill_groups, score_groups
from models.group_chart import make_figure
from tests.charts import find_overlaps
from warehouse.build import Build
from warehouse.table import render_ddl
from warehouse.tables_groups import GROUP_AUDIT_TABLE, NEIGHBORHOOD_GROUP_TABLE

TABLES = """
CREATE TABLE neighborhood (neighborhood VARCHAR, zone VARCHAR, npu VARCHAR);
CREATE TABLE average_daily (neighborhood VARCHAR, month INTEGER, expected_month_crimes DOUBLE,
                            expected_reported_month_crimes DOUBLE);
CREATE TABLE demographic_area (area VARCHAR, population BIGINT);
CREATE TABLE area_measure (area VARCHAR, measure VARCHAR, value DOUBLE);
CREATE TABLE area_member (neighborhood VARCHAR, area VARCHAR);
CREATE TABLE backtest_month (origin DATE, neighborhood VARCHAR, target_month DATE,
    observed_crimes DOUBLE, expected_crimes DOUBLE, reference_crimes DOUBLE,
    lower_80 DOUBLE, upper_80 DOUBLE);
INSERT INTO neighborhood VALUES ('a', '1', 'A'), ('b', '1', 'B'), ('c', '2', 'B'), ('d', NULL, NULL);
INSERT INTO average_daily VALUES ('a', 1, 10, 10), ('b', 1, 20, 15), ('c', 1, 60, 60), ('d', 1, 10, 5);
"""
AREAS = """
INSERT INTO demographic_area VALUES ('X', 1000), ('Y', 4000);
INSERT INTO area_measure VALUES ('X', 'share_black', 0.1), ('Y', 'share_black', 0.9);
INSERT INTO area_member VALUES ('a', 'X'), ('b', 'Y'), ('c', 'Y');
"""
BACKTEST = """
INSERT INTO backtest_month
SELECT '2020-01-01', place, DATE '2020-01-01' + INTERVAL (month) MONTH, observed, expected, 2, 1, 5
FROM range(8) AS months(month),
     (VALUES ('a', 0.0, 2.0), ('b', 4.0, 2.0), ('c', 6.0, 3.0), ('d', 3.0, 3.0))
         AS places(place, observed, expected)
"""


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Four places: zones 1, 1, 2 and none; what the audit reads, and nothing else."""
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        for table in (NEIGHBORHOOD_GROUP_TABLE, GROUP_AUDIT_TABLE):
            connection.execute(render_ddl(table))
        yield Build("test", tmp_path, connection, "simulated data")


def audit(build: Build) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the audit: the columns of each kind and group."""
    fill_groups(build)
    names = GROUP_AUDIT_TABLE.column_names
    rows = build.connection.execute(f"SELECT {', '.join(names)} FROM group_audit").fetchall()
    return {row[:2]: dict(zip(names, row, strict=True)) for row in rows}


def pick(found: dict[tuple[str, str], dict[str, Any]], kind: str, column: str) -> dict[str, Any]:
    """Return a column by group of a kind."""
    return {name: row[column] for (group_kind, name), row in found.items() if group_kind == kind}


def test_shares_are_of_the_city_and_what_lies_nowhere_is_a_group(build: Build) -> None:
    found = audit(build)
    assert pick(found, "zone", "neighborhood_count") == {"1": 2, "2": 1, "unknown": 1}
    assert pick(found, "zone", "expected_share") == {"1": 0.3, "2": 0.6, "unknown": 0.1}
    assert pick(found, "zone", "discretionary_share") == {"1": 0.5, "2": 0, "unknown": 0.5}
    assert found["zone", "1"]["reported_share"] == pytest.approx(25 / 90)
    for kind in ("zone", "npu", "volume"):
        for name in ("expected_share", "reported_share", "discretionary_share"):
            assert sum(pick(found, kind, name).values()) == pytest.approx(1)
    assert {row["predicted_to_actual"] for row in found.values()} == {None}
    assert {kind for kind, _ in found} == {"zone", "npu", "volume"}


def test_rounding_is_no_crime_that_police_discover(build: Build) -> None:
    build.connection.execute(
        "UPDATE average_daily SET expected_reported_month_crimes = expected_month_crimes * (1 - 1e-15)"
    )
    assert {row["discretionary_share"] for row in audit(build).values()} == {0.0}


def test_census_facts_count_where_areas_are_whole(build: Build) -> None:
    build.connection.execute(AREAS)
    found = audit(build)
    assert pick(found, "share_black", "population") == {"1": 1000, "4": 4000, "unknown": None}
    assert pick(found, "share_black", "neighborhood_count") == {"1": 1, "4": 2, "unknown": 1}
    assert found["share_black", "4"]["reported_per_1000_residents"] == 1000 * 75 / 4000
    assert pick(found, "npu", "population") == {"A": 1000, "B": 4000, "unknown": None}
    assert set(pick(found, "zone", "population").values()) == {None}  # zone 1 has a part of Y


def test_areas_that_are_alike_are_in_one_fifth_and_those_that_lie_elsewhere_move_none(
    build: Build,
) -> None:
    build.connection.execute(f"""{AREAS}
        UPDATE area_member SET area = 'Z' WHERE neighborhood = 'c';
        INSERT INTO demographic_area VALUES ('Z', 1000), ('city', 9000);
        INSERT INTO area_measure VALUES ('Z', 'share_black', 0.1), ('city', 'share_black', 0.5),
            ('X', 'share_white', 0), ('Y', 'share_white', 0), ('Z', 'share_white', 0)""")
    groups = audit(build)
    assert pick(groups, "share_black", "population") == {"1": 2000, "4": 4000, "unknown": None}
    assert pick(groups, "share_white", "population") == {"3": 6000, "unknown": None}


def test_scores_of_groups(build: Build) -> None:
    build.connection.execute(BACKTEST)
    found = audit(build)
    first, second = found["zone", "1"], found["zone", "2"]
    assert first["predicted_to_actual"] == 1
    assert (second["observed_crimes"], second["predicted_to_actual"]) == (48, 0.5)
    assert (second["predicted_to_actual_lower"], second["predicted_to_actual_upper"]) == (0.5, 0.5)
    misses = ("coverage", "below_share", "above_share")
    assert [first[name] for name in misses] == [0.5, 0.5, 0.0]
    assert [second[name] for name in misses] == [0.0, 0.0, 1.0]
    ours, reference = 6 * np.log(6 / 3) - 3, 6 * np.log(6 / 2) - 4
    assert second["deviance_to_reference"] == pytest.approx(ours / reference)


def test_volume_is_what_the_origin_thought(build: Build) -> None:
    """Not what this build thinks: a had least then, and has most now."""
    build.connection.execute(BACKTEST + "; UPDATE average_daily SET expected_month_crimes = 1000"
                             " WHERE neighborhood = 'a'")  # fmt: skip
    assert pick(audit(build), "volume", "observed_crimes") == {"1": 0, "2": 32, "3": 48, "4": 24}
    assert build.connection.execute(
        "SELECT group_name FROM neighborhood_group WHERE neighborhood = 'a' AND group_kind = 'volume'"
    ).fetchall() == [("4",)]


def make_cells(months: int, observed: float = 4.0) -> pd.DataFrame:
    """Return cells of one group whose months differ."""
    rows = pd.DataFrame({"target_month": pd.date_range("2020-01-01", periods=months, freq="MS")})
    rows["observed_crimes"] = observed + np.arange(months)
    return rows.assign(
        group_kind="zone", group_name="1", expected_crimes=6.0, reference_crimes=5.0,
        below=False, above=False,
    )  # fmt: skip


def test_interval_holds_the_ratio_and_few_months_have_none() -> None:
    row = score_groups(make_cells(24)).iloc[0]
    assert row["predicted_to_actual_lower"] < row["predicted_to_actual"]
    assert row["predicted_to_actual"] < row["predicted_to_actual_upper"]
    assert score_groups(make_cells(5)).iloc[0].isna().sum() == 2
    assert score_groups(make_cells(6)).iloc[0].isna().sum() == 0


def test_group_without_crime_has_no_ratio() -> None:
    row = score_groups(make_cells(8).assign(observed_crimes=0.0)).iloc[0]
    assert row[["predicted_to_actual", "predicted_to_actual_lower"]].isna().all()
    assert row["coverage"] == 1


def test_blocks_are_months_in_a_row_and_each_resample_has_as_many_as_there_are() -> None:
    weights = draw_blocks(7)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.1)
    assert (draw_blocks(7) == weights).all()
    alone = np.roll(weights, 1, axis=1) + np.roll(weights, -1, axis=1) == 0
    assert not (alone & (weights > 1)).any()  # a month drawn often has neighbors drawn


def test_nothing_of_the_chart_lies_on_its_data(build: Build) -> None:
    build.connection.execute(AREAS + BACKTEST)
    audit(build)
    rows = build.connection.execute("FROM group_audit").df()
    figure = make_figure(rows, "simulated data")
    assert find_overlaps(figure) == []
    rows = rows.dropna(subset="predicted_to_actual", ignore_index=True)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[0] == f"{rows['group_kind'][0]}: {rows['group_name'][0]}"
    assert len(names) == len(rows)
