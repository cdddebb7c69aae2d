"""The dictionary of a build speaks of the city's own districts."""

import re
from pathlib import Path

import pytest

from warehouse.build import open_build
from warehouse.columns import DISTRICT_KINDS
from warehouse.dictionary import describe_range, fill_dictionary, list_entries, render_page
from warehouse.schema import TABLES
from warehouse.table import Column, Table

KIND = re.compile(rf"\b({'|'.join(DISTRICT_KINDS)})s?\b", re.IGNORECASE)


Entry = dict[str, str]
TEXTS = ("label", "description", "table_description", "table_grain")


def read_dictionary(folder: Path, districts: dict[str, str]) -> dict[tuple[str, str], Entry]:
    """Return the texts of `data_dictionary` by table and column, for a city with those districts."""
    with open_build("test", folder / "b.duckdb") as build:
        fill_dictionary(build, districts)
        rows = build.connection.execute(
            f"SELECT table_name, column_name, {', '.join(TEXTS)} FROM data_dictionary"
        ).fetchall()
    return {(table, column): dict(zip(TEXTS, said, strict=True)) for table, column, *said in rows}


def test_columns_have_the_citys_words(tmp_path: Path) -> None:
    texts = read_dictionary(tmp_path, {"npu": "Borough", "zone": "Precinct", "beat": "Round"})
    assert len(texts) == sum(len(table.columns) for table in TABLES)
    assert texts[("incident", "npu")]["label"] == "Borough"
    assert texts[("mart_patrol_plan", "zone")]["description"].startswith("Precinct of the place;")
    assert texts[("incident", "beat")]["description"].startswith("Round at the time")
    assert texts[("neighborhood", "other_zone_share")]["label"] == "Share in another Precinct"
    mart = texts[("mart_zone_distribution", "year")]
    assert mart["table_description"].startswith("Incidents by Precinct and its share")
    assert mart["table_grain"].startswith("Precinct, year")


@pytest.mark.parametrize("kind", DISTRICT_KINDS)
def test_kind_that_the_city_lacks_is_left_out(tmp_path: Path, kind: str) -> None:
    texts = read_dictionary(tmp_path, {other: "Ward" for other in DISTRICT_KINDS if other != kind})
    columns = {column for _, column in texts}
    assert set(DISTRICT_KINDS) - columns == {kind}
    assert ("other_zone_share" in columns) == (kind != "zone")
    assert (("mart_zone_distribution", "year") in texts) == (kind != "zone")


def test_city_without_districts_reads_of_none(tmp_path: Path) -> None:
    texts = read_dictionary(tmp_path, {})
    assert [text for entry in texts.values() for text in entry.values() if KIND.search(text)] == []


def test_position_and_key_are_those_of_the_table_whatever_is_left_out() -> None:
    tables = {table.name: table for table in TABLES}
    for entry in list_entries(TABLES, {}):
        table, name = tables[str(entry["table_name"])], str(entry["column_name"])
        assert table.column_names.index(name) + 1 == entry["column_number"]
        assert (name in table.key) == entry["is_key"]


@pytest.mark.parametrize(
    ("minimum", "maximum", "words"),
    [
        (None, None, None),
        (0, None, "from 0"),
        (None, 1, "up to 1"),
        (1, 12, "1 to 12"),
        (-0.5, 0, "-0.5 to 0"),
    ],
)
def test_ranges_in_words(minimum: float | None, maximum: float | None, words: str | None) -> None:
    column = Column("c", "DOUBLE", "C.", "C", minimum=minimum, maximum=maximum)
    assert describe_range(column) == words


def test_page_has_a_section_for_a_table_and_a_line_for_a_column() -> None:
    person = Table("person", "People.", "person", ("name",), (
        Column("name", "VARCHAR", "A name.", "Name", references="name.name"),
        Column("mood", "VARCHAR", "A mood.", "Mood", allowed=("good", "bad"), nullable=True),
        Column("height", "DOUBLE", "A height.", "Height", unit="m", minimum=0),
    ), is_mart=True, is_view=True)  # fmt: skip
    place = Table("place", "Places.", "place", ("id",), (Column("id", "BIGINT", "An id.", "Id"),))
    lines = render_page((person, place)).splitlines()
    head = ["| column | type | what it holds | unit | values |", "|---|---|---|---|---|"]
    assert lines[0] == "# Data dictionary"
    assert lines[lines.index("## person") - 1 :] == [
        "", "## person", "", "People.", "", "One row per person. A view.", "", *head,
        "| **name** | VARCHAR | A name. |  | in `name.name` |",
        "| mood | VARCHAR | A mood. |  | good, bad |",
        "| height | DOUBLE | A height. | m | from 0 |",
        "", "## place", "", "Places.", "", "One row per place.", "", *head,
        "| **id** | BIGINT | An id. |  |  |",
    ]  # fmt: skip
