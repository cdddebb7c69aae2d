"""The rules by themselves: to which files they apply, which copy stays, what no code is known for."""

from pathlib import Path

import duckdb
import pytest

from etl.city import City
from etl.raw_file import inspect_file
from etl.rules import apply_rules, list_rules, list_unmapped
from etl.staging import stage_files
from tests.etl.staged import make_layout


def test_only_files_with_coordinates_are_asked_for_them(tmp_path: Path, city: City) -> None:
    bare = make_layout("id,day,code,ward", name="bare")
    placed = make_layout("id,day,code,ward,x,y", {"longitude": "x", "latitude": "y"}, name="placed")
    (tmp_path / "bare.csv").write_text("id,day,code,ward\n1,2021-06-01,240,A\n")
    (tmp_path / "placed.csv").write_text(
        "id,day,code,ward,x,y\n2,2021-06-01,240,A,,\n3,2021-06-01,240,A,-84.4,33.7\n"
    )
    files = [
        inspect_file(tmp_path / f"{layout.name}.csv", number, [layout], city)
        for number, layout in enumerate((bare, placed))
    ]
    rules = [rule for rule in list_rules(city, "strict") if rule.name == "missing_latitude"]
    with duckdb.connect() as connection:
        stage_files(connection, files, city, tmp_path / "scratch")
        connection.execute("ALTER TABLE staged ADD COLUMN is_outside BOOLEAN DEFAULT false")
        apply_rules(connection, files, rules, city.model_copy(update={"layouts": ("bare", "placed")}))
        rejected = connection.execute(
            "SELECT report_number, rule FROM rejected JOIN staged USING (row_id)"
        ).fetchall()
    assert rejected == [("2", "missing_latitude")]


@pytest.mark.parametrize(
    ("columns", "facts", "lacking"),
    [
        (
            {}, {},
            ["missing_zone", "missing_beat", "missing_location_type", "missing_reported",
             "missing_latitude", "missing_longitude", "left_out_offense", "outside_city"],
        ),
        ({"beat": "a", "location_type": "b", "longitude": "c", "latitude": "d", "reported": "e"},
         {"left_out_offenses": ["LOST DOG"]}, []),
        ({"zone": "a", "location_type": "b", "longitude": "c", "latitude": "d"}, {},
         ["missing_beat", "missing_reported", "left_out_offense"]),
    ],
)  # fmt: skip
def test_rules_do_not_apply_to_a_file_without_what_they_need(
    tmp_path: Path, city: City, columns: dict[str, str], facts: dict[str, object], lacking: list[str]
) -> None:
    header = "id,day,code,ward,a,b,c,d,e"
    (tmp_path / "raw.csv").write_text(f"{header}\n1,2021-06-01,240,A,1,1,-84.4,33.7,2021-06-01\n")
    file = inspect_file(tmp_path / "raw.csv", 0, [make_layout(header, columns, **facts)], city)
    assert [rule.name for rule in list_rules(city, "strict") if not rule.applies_to(file)] == lacking


def test_offenses_without_a_code_come_by_frequency_then_name_and_those_left_out_do_not() -> None:
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE offense AS SELECT '23F' AS nibrs_code;
            CREATE TABLE staged AS FROM (VALUES
                ('Loitering', '99X', false), ('LOITERING', NULL, false), (NULL, '99z', false),
                ('Jaywalking', '99X', false), ('Theft', '23F', false), (NULL, NULL, false),
                ('Lost dog', NULL, true)) given (offense_literal, nibrs_code, is_left_out)
            """)
        assert list_unmapped(connection) == [("LOITERING", 2), ("99Z", 1), ("JAYWALKING", 1)]
