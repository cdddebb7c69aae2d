"""Layouts are recognised by their header."""

from pathlib import Path

import pytest

from etl.city import City
from etl.layout import Layout, load_layouts, recognize_layout
from etl.raw_file import inspect_files
from warehouse.errors import ShieldError

REAL_LAYOUTS = {
    "apd_nibrs_sample_2021_2023": "nibrs",
    "cobra_2013": "cobra_2013",
    "cobra_2016": "cobra_2013",
    "cobra_2019": "cobra_2019",
    "cobra_2020_to_september": "cobra_2020_to_september",
    "cobra_2020_from_october": "cobra_2020_from_october",
    "cobra_2021": "cobra_2021",
}


def recognize(header: list[str], layouts: list[Layout]) -> Layout:
    """Return the layout of a header that every layout reads alike."""
    return recognize_layout("f.csv", lambda _layout: header, layouts)


def test_every_layout_recognises_itself_in_any_column_order(city: City) -> None:
    layouts = load_layouts(city)
    for layout in layouts:
        assert recognize(list(reversed(layout.columns)), layouts) is layout


def test_every_field_is_one_of_the_layout_columns(city: City) -> None:
    for layout in load_layouts(city):
        assert set(layout.fields.values()) <= set(layout.columns), layout.name


def test_unknown_header_names_the_closest_layout_and_the_difference(city: City) -> None:
    layouts = load_layouts(city)
    nibrs = next(layout for layout in layouts if layout.name == "nibrs")
    header = [name for name in nibrs.columns if name != "NhoodName"] + ["Mood"]
    with pytest.raises(ShieldError) as caught:
        recognize(header, layouts)
    assert str(caught.value) == (
        "f.csv: header matches no known layout; closest is nibrs, "
        "missing ['NhoodName'], not expected ['Mood']"
    )


def test_repeated_column_is_not_a_known_layout(city: City) -> None:
    layouts = load_layouts(city)
    with pytest.raises(ShieldError, match="matches no known layout"):
        recognize([*layouts[0].columns, "x"], layouts)


@pytest.mark.real_data
def test_real_files_are_recognised(real_data: Path, city: City) -> None:
    paths = [real_data / f"{name}.csv.gz" for name in REAL_LAYOUTS]
    files = inspect_files(paths, city)
    assert {file.path.name.split(".")[0]: file.layout.name for file in files} == REAL_LAYOUTS
