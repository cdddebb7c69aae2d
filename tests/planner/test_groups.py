"""Hours by group: worked out by hand, and those of a plan of a build."""

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from planner.groups import sum_groups
from planner.plan import make_plan
from planner.request import read_request
from tests.planner.requests import BASE, write_request
from warehouse.read import connect_published
from warehouse.tables_plan import PLAN_GROUP_TABLE, PLAN_NEIGHBORHOOD_TABLE


def test_hours_are_put_beside_crimes_and_residents() -> None:
    weeks = pd.DataFrame(
        {"neighborhood": ["a", "b", "c"], "hours": [10.0, 20.0, 30.0],
         "expected_reported_crimes": [5.0, 0.0, 0.0]}
    )  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE neighborhood_group AS FROM (VALUES
                ('a', 'zone', '1'), ('b', 'zone', '1'), ('c', 'zone', '2'), ('d', 'zone', '2'),
                ('d', 'npu', 'Z')) AS t(neighborhood, group_kind, group_name);
            CREATE TABLE group_audit AS FROM (VALUES
                ('zone', '1', 2000), ('zone', '2', 500), ('npu', 'Z', NULL)
            ) AS t(group_kind, group_name, population)""")
        groups = sum_groups(connection, weeks).astype(object)
    found = {
        (kind, name): tuple(None if pd.isna(value) else value for value in values)
        for kind, name, *values in groups.itertuples(index=False)
    }
    assert groups.columns[2:].to_list() == [
        "left_out_count", "hours", "expected_reported_crimes", "population",
        "hours_per_reported_crime", "hours_per_1000_residents",
    ]  # fmt: skip
    assert found == {
        ("zone", "1"): (0, 30, 5, 2000, 6, 15),
        ("zone", "2"): (1, 30, 0, 500, None, None),
        ("npu", "Z"): (1, 0, 0, None, None, None),
    }


def test_plan_has_the_groups_of_its_build(few_places: Path, tmp_path: Path) -> None:
    request = read_request(write_request(tmp_path, BASE))
    with connect_published(few_places) as (published, connection):
        plan = make_plan(connection, published, request)
        known = connection.execute("SELECT group_kind, group_name FROM group_audit ORDER BY ALL")
        groups, weeks = plan[PLAN_GROUP_TABLE], plan[PLAN_NEIGHBORHOOD_TABLE]
        assert list(zip(groups["group_kind"], groups["group_name"], strict=True)) == known.fetchall()
    zones = groups[groups["group_kind"] == "zone"].set_index("group_name")["hours"]
    expected = weeks.fillna({"zone": "unknown"}).groupby("zone")["hours"].sum()
    assert zones.to_dict() == pytest.approx(expected.to_dict())
