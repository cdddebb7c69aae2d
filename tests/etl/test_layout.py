"""Layouts are recognised by their header."""

import gzip
import io
from pathlib import Path

import pytest

from etl.city import City, load_city
from etl.layout import load_layouts, recognize_layout
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


def test_every_layout_recognises_itself_in_any_column_order(city: City) -> None:
    layouts = load_layouts(city)
    for layout in layouts:
        assert recognize_layout("f.csv", list(reversed(layout.columns)), layouts) is layout


def test_every_field_is_one_of_the_layout_columns(city: City) -> None:
    for layout in load_layouts(city):
        assert set(layout.fields.values()) <= set(layout.columns), layout.name


def test_unknown_header_names_the_closest_layout_and_the_difference(city: City) -> None:
    layouts = load_layouts(city)
    nibrs = next(layout for layout in layouts if layout.name == "nibrs")
    header = [name for name in nibrs.columns if name != "NhoodName"] + ["Mood"]
    with pytest.raises(ShieldError) as caught:
        recognize_layout("f.csv", header, layouts)
    assert str(caught.value) == (
        "f.csv: header matches no known layout; closest is nibrs, "
        "missing ['NhoodName'], not expected ['Mood']"
    )


def test_repeated_column_is_not_a_known_layout(city: City) -> None:
    layouts = load_layouts(city)
    with pytest.raises(ShieldError, match="matches no known layout"):
        recognize_layout("f.csv", [*layouts[0].columns, "x"], layouts)


@pytest.mark.real_data
def test_real_files_are_recognised(real_data: Path, city: City) -> None:
    paths = [real_data / f"{name}.csv.gz" for name in REAL_LAYOUTS]
    files = inspect_files(paths, city)
    assert {file.path.name.split(".")[0]: file.layout.name for file in files} == REAL_LAYOUTS


def test_unknown_city_names_the_known_ones() -> None:
    with pytest.raises(ShieldError, match="no city 'gotham': .* has atlanta"):
        load_city("gotham")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; expected a header line"),
        (b"\n", "the file is empty; expected a header line"),
        (b"a,b\n1,2\n", "header matches no known layout"),
        (b"\xff\xfea,b\n", "the header is not UTF-8 text"),
        (gzip.compress(b"x" * 100_000, mtime=0)[:60], "truncated or damaged gz file"),
        (gzip.compress(b"a,b\n" * 100_000, mtime=0)[:-9], "truncated or damaged gz file"),
    ],
)
def test_unfit_file_is_named_with_what_was_expected(
    tmp_path: Path, city: City, content: bytes, message: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(ShieldError, match=message) as caught:
        inspect_files([path], city)
    assert "bad.csv" in str(caught.value)


def test_missing_file_and_repeated_name(tmp_path: Path, city: City) -> None:
    with pytest.raises(ShieldError, match="none.csv: no such file; expected a raw CSV"):
        inspect_files([tmp_path / "none.csv"], city)
    with pytest.raises(ShieldError, match="two raw files have the name a.csv"):
        inspect_files([tmp_path / "a.csv", tmp_path / "b" / "a.csv"], city)


def test_gz_is_known_by_its_first_bytes_not_by_its_name(tmp_path: Path, city: City) -> None:
    layout = load_layouts(city)[0]
    path = tmp_path / "plain_name.csv"
    stream = io.BytesIO()
    with gzip.open(stream, "wb") as packed:
        packed.write((",".join(layout.columns) + "\n").encode())
    path.write_bytes(stream.getvalue())
    assert inspect_files([path], city)[0].kind == "gzip"
