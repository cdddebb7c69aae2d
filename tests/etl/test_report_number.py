"""Files without report numbers: rows differ, exact duplicates count, nothing private shows."""

from pathlib import Path

import pytest

from tests.etl.staged import Rows, make_layout, read_staged

LAYOUT = make_layout("day,code,ward,x,y,address", {"longitude": "x", "latitude": "y"})
HEADER = "day,code,ward,x,y,address\n"
ROW = "2022-03-01,23F,A,-84.38811,33.75611,1 SECRET ST\n"
DAMAGE = "broken\n"
"""A line that sends a file through the splitter of dirty CSV."""


def number(path: Path, text: str) -> Rows:
    """Return the made numbers of a file's rows."""
    return read_staged(path / "raw.csv", HEADER + text, LAYOUT, "report_number")


@pytest.mark.parametrize("also", ["", DAMAGE])
def test_rows_that_are_alike_in_every_column_share_a_number(tmp_path: Path, also: str) -> None:
    numbers = number(tmp_path, ROW + ROW.replace("1 S", "2 S") + ROW + ROW.replace(",A", ",B") + also)
    one, other, again, elsewhere = (str(row[0]) for row in numbers)
    assert one == again
    assert one.startswith("20220301-")
    assert (one[-2:], other[-2:], elsewhere[-2:]) == ("-1", "-2", "-1")
    assert one[:-2] == other[:-2] != elsewhere[:-2]


def test_number_stays_when_rows_are_added_or_the_file_is_dirty(tmp_path: Path) -> None:
    before = number(tmp_path, ROW)
    assert number(tmp_path, ROW + ROW.replace("ST", "AVE"))[:1] == before
    assert number(tmp_path, ROW + DAMAGE) == before


def test_number_depends_on_nothing_that_is_not_published(tmp_path: Path) -> None:
    """An address and the digits after the third say nothing to who knows the number."""
    before = number(tmp_path, ROW)
    assert number(tmp_path, ROW.replace("SECRET", "OTHER").replace("-84.38811", "-84.38809")) == before
    assert number(tmp_path, ROW.replace("23F", "240")) != before


def test_projected_coordinates_are_rounded_as_degrees(tmp_path: Path) -> None:
    layout = make_layout(
        "day,code,ward,x,y", {"longitude": "x", "latitude": "y"}, coordinate_system="EPSG:32616"
    )
    text = "day,code,ward,x,y\n2022-03-01,23F,A,741000.{},3738000\n"
    found = {
        read_staged(tmp_path / "raw.csv", text.format(part), layout, "report_number")[0]
        for part in "123"
    }
    assert len(found) == 1
