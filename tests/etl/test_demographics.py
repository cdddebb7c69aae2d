"""Census facts: a good file fills both tables, a bad one is refused by line and column."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from etl.city import load_city
from etl.demographics import fill_demographics, load_demographics
from warehouse.build import Build
from warehouse.errors import ShieldError
from warehouse.table import render_ddl
from warehouse.tables_groups import AREA_MEASURE_TABLE, AREA_MEMBER_TABLE, DEMOGRAPHIC_AREA_TABLE

HEADER = "area_kind,area,members,population,share_black,share_black_margin,source,vintage\n"
GOOD = HEADER + (
    "tract,X,Downtown; cabbagetown,1000,0.5,0.05,Census,2019-2023\n"
    "tract,Y,The Villages at Castleberry H;Moon,0,,,Census,\n"
)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """The tables that census facts go into, and three neighborhoods."""
    with duckdb.connect() as connection:
        for table in (DEMOGRAPHIC_AREA_TABLE, AREA_MEASURE_TABLE, AREA_MEMBER_TABLE):
            connection.execute(render_ddl(table))
        connection.execute("""
            CREATE TABLE neighborhood AS FROM (VALUES ('Downtown', true), ('Cabbagetown', true),
                ('The Villages at Castleberry Hill', true), ('Midtown', true), ('Airport', false))
                AS places(neighborhood, is_named)""")
        yield Build("test", tmp_path, connection, "simulated data")


def write(folder: Path, text: str) -> Path:
    """Return a demographics file."""
    path = folder / "areas.csv"
    path.write_text(text)
    return path


def test_good_file_fills_the_tables_and_names_meet_whatever_their_case(
    build: Build, tmp_path: Path
) -> None:
    areas = load_demographics(write(tmp_path, "\ufeff" + GOOD), load_city())
    warnings = list(fill_demographics(build, areas, load_city()))
    rows = build.connection.execute("FROM demographic_area ORDER BY area").fetchall()
    assert rows == [
        ("X", "tract", 1000, "2019-2023", "Census", None),
        ("Y", "tract", 0, None, "Census", None),
    ]
    measures = build.connection.execute("FROM area_measure ORDER BY area").fetchall()
    assert measures == [("X", "share_black", 0.5, 0.05), ("Y", "share_black", None, None)]
    assert build.connection.execute("FROM area_member ORDER BY 1").fetchall() == [
        ("Cabbagetown", "X"), ("Downtown", "X"), ("The Villages at Castleberry Hill", "Y"),
    ]  # fmt: skip
    assert warnings == [
        "demographics: no neighborhood here (1): Moon",
        "demographics: in no area, their group is 'unknown' (1): Midtown",
    ]


def test_file_of_another_city_is_refused(build: Build, tmp_path: Path) -> None:
    areas = load_demographics(write(tmp_path, HEADER + "tract,X,Moon,10,0.5,,Census,\n"), load_city())
    with pytest.raises(ShieldError, match="no member of an area is a neighborhood of Atlanta: 'Moon'"):
        list(fill_demographics(build, areas, load_city()))


def test_misspelt_member_is_refused_as_its_residents_would_count_without_its_crimes(
    build: Build, tmp_path: Path
) -> None:
    text = GOOD.replace("Downtown;", "Downtwn;")
    areas = load_demographics(write(tmp_path, text), load_city())
    with pytest.raises(
        ShieldError, match="area X has 'Downtwn', .*did you mean 'Downtown', which is in"
    ):
        list(fill_demographics(build, areas, load_city()))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("1000", "1,000", "areas.csv, line 2: expected as many fields as the header has"),
        ("1000", "many", "areas.csv, line 2: population: found 'many', expected a valid integer"),
        ("1000", "39", "population: found 39 residents of 4 neighborhoods, expected at least 10"),
        ("1000", "-1", "areas.csv, line 2: population: found '-1', expected greater than or equal to 0"),
        ("1000,0.5", "1000,50", "line 2: share_black: found '50', expected less than or equal to 1"),
        ("1000,0.5", "1000,nan", "line 2: share_black: found 'nan', expected"),
        ("tract,X", "tract,", "line 2: area: found '', expected some text"),
        ("tract,Y", "tract,X", "area 'X' is there 2 times (X, X), expected once"),
        ("Moon", "DOWNTOWN", "neighborhood 'downtown' is there 2 times (X, Y), expected once"),
        ("Downtown;", "The Villages at Castleberry Hill;", "hill' is there 2 times (X, Y)"),
        ("Downtown; cab", "Downtown;; cab", "line 2: members.1: found '', expected"),
        ("share_black,", "share_blck,", "unknown column 'share_blck'; did you mean 'share_black'?"),
        ("share_black_margin", "share_black", "column 'share_black' is there twice"),
        ("members", "licence", "expected a column 'members', found area_kind, area, licence,"),
        ("share_black,share_black_margin", "vintage,licence", "column 'vintage' is there twice"),
        ("share_black,share_black_margin,source,vintage", "licence,share_black_margin,source,vintage",
         "expected one of the columns share_black"),
    ],
)  # fmt: skip
def test_bad_file_is_refused_by_name(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(ShieldError) as caught:
        load_demographics(write(tmp_path, GOOD.replace(old, new, 1)), load_city())
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("0.6,0.4,0.015,0.9,50000,9", None),  # whole percents; who is Hispanic is of any race
        ("0.6,0.4,0.016,0.9,50000,9",
         "found share_black 0.6 + share_white 0.4 + share_asian 0.016 = 1.016, expected 1 or less"),
        ("0.8,0.4,,,,", "line 2: found share_black 0.8 + share_white 0.4 = 1.2, expected 1 or less"),
        (",,-0.1,,,", "line 2: share_asian: found '-0.1', expected greater than or equal to 0"),
        (",,,,83.7,", "line 2: median_household_income: found '83.7', expected greater"),
        (",,,,-666666666,", "line 2: median_household_income: found '-666666666', expected greater"),
        (",,,,1000001,", "line 2: median_household_income: found '1000001', expected less"),
        (",,,,50000,-1", "line 2: median_household_income_margin: found '-1', expected greater"),
    ],
)  # fmt: skip
def test_figures_that_cannot_be_are_refused(tmp_path: Path, row: str, told: str | None) -> None:
    measures = (
        "share_black,share_white,share_asian,share_hispanic,median_household_income,"
        "median_household_income_margin"
    )
    text = f"area_kind,area,members,population,source,{measures}\ntract,X,Downtown,10,Census,{row}\n"
    path = write(tmp_path, text)
    if told is None:
        assert len(load_demographics(path, load_city())) == 1
        return
    with pytest.raises(ShieldError) as caught:
        load_demographics(path, load_city())
    assert told in str(caught.value)


@pytest.mark.parametrize("text", [b"", HEADER.encode(), b"\xff\xfe", b'area_kind,"x'])
def test_file_that_is_none_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "areas.csv"
    path.write_bytes(text)
    with pytest.raises(ShieldError, match=r"areas\.csv: "):
        load_demographics(path, load_city())
    with pytest.raises(ShieldError, match=r"none\.csv: no such file; expected a CSV"):
        load_demographics(tmp_path / "none.csv", load_city())


@pytest.mark.real_data
def test_census_file_of_atlanta(real_data: Path) -> None:
    areas = load_demographics(real_data / "atlanta_demographics_by_nsa.csv", load_city())
    assert len(areas) == 103
    assert sum(area.median_household_income is None for area in areas) == 3
    assert len({member for area in areas for member in area.members}) >= 242
