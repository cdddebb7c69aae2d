"""The `.tds`: valid by Tableau's schema, and true to the declarations."""

from xml.etree.ElementTree import Element

import pytest

from tests.warehouse.tableau_schema import find_faults
from warehouse.pointer import PublishedBuild
from warehouse.tableau_fields import list_extract_fields
from warehouse.tableau_source import make_datasource, order_parts, render_source
from warehouse.tableau_stars import STARS, Star

SIMULATED = PublishedBuild(
    "20260102T030405Z", "warehouse.duckdb", "0" * 64, "2026-01-02T03:04:05Z", "2025-12-31",
    "simulated", is_synthetic=True,
)  # fmt: skip
REAL = PublishedBuild(
    "20260102T030405Z", "warehouse.duckdb", "0" * 64, "2026-01-02T03:04:05Z", "2025-12-31", "portal",
    is_synthetic=False,
)  # fmt: skip

stars = pytest.mark.parametrize("star", STARS, ids=lambda star: star.name)


def read_columns(star: Star, published: PublishedBuild = SIMULATED) -> dict[str, Element]:
    """Return the `<column>`s of a data source by the names of their fields."""
    root = make_datasource(star, published, "The 'police' & <others>")
    return {column.attrib["name"].strip("[]"): column for column in root.findall("column")}


@pytest.mark.network
@stars
def test_source_is_valid_and_a_broken_one_is_refused(star: Star) -> None:
    source = render_source(star, SIMULATED, "simulated data")
    assert find_faults(source) == []
    for right, wrong in (
        (b'role="dimension"', b'role="dimensions"'),
        (b'name="[build_id]"', b'name="build_id"'),
        (b"</object-graph>", b"</object-graph><date-options/>"),
        (b' unique-key="true"', b' unique="true"'),
    ):
        assert find_faults(source.replace(right, wrong, 1)), wrong


@stars
def test_caption_says_where_data_is_simulated(star: Star) -> None:
    captions = [make_datasource(star, build, "x").attrib["caption"] for build in (SIMULATED, REAL)]
    assert captions == [f"{star.caption} (simulated data)", star.caption]


@stars
def test_constants_tell_build_cutoff_and_source(star: Star) -> None:
    columns = read_columns(star)
    told = {
        columns[name].attrib["caption"]: columns[name].find("calculation")
        for name in ("build_id", "cutoff", "build_source")
    }
    formulas = {text: found.attrib["formula"] for text, found in told.items() if found is not None}
    assert formulas == {
        "Build": '"20260102T030405Z"',
        "Cutoff": "#2025-12-31#",
        "Data source": "\"The 'police' & <others>\"",
    }
    assert columns["cutoff"].attrib["datatype"] == "date"


def test_quotation_mark_of_a_publisher_does_not_end_the_literal() -> None:
    root = make_datasource(STARS[0], REAL, 'The "Daily"')
    formulas = [found.attrib["formula"] for found in root.iter("calculation")]
    assert "\"The 'Daily'\"" in formulas


@stars
def test_no_two_fields_have_the_same_caption(star: Star) -> None:
    captions = [column.attrib["caption"] for column in read_columns(star).values()]
    assert len(captions) == len(set(captions))


@stars
def test_every_declared_column_is_a_field_with_caption_and_description(star: Star) -> None:
    columns = read_columns(star)
    for part in star.parts:
        for name, declared in part.fields.items():
            text = columns[name].findtext("desc/formatted-text/run") or ""
            assert text.startswith(declared.description)
            assert (f"Unit: {declared.unit}." in text) == (declared.unit is not None)
            assert (columns[name].get("hidden") == "true") == (name in part.hidden)
            if name not in part.hidden and name not in part.captions:
                assert columns[name].attrib["caption"] == declared.label


@stars
def test_only_what_adds_up_is_summed(star: Star) -> None:
    columns = read_columns(star)
    for part in star.parts:
        for name, declared in part.fields.items():
            found = columns[name].attrib
            assert (found["aggregation"] == "Sum") == (declared.aggregation == "sum"), name
            if any(word in name for word in ("share", "lower", "upper", "margin", "days", "itude")):
                assert found["aggregation"] in ("Avg", "Min", "Max"), name
            if declared.type == "DOUBLE":  # a number that nothing is said of would be summed by Tableau
                assert found["role"] == "measure", name


@stars
def test_codes_are_ordinal_dimensions(star: Star) -> None:
    codes = {"month", "hour", "year", "iso_weekday", "forecast_month_number"}
    columns = read_columns(star)
    found = codes & columns.keys()
    assert {"month", "hour"} <= found
    for name in found:
        assert (columns[name].get("role"), columns[name].get("type")) == ("dimension", "ordinal"), name
        assert columns[name].get("default-format") == "*0", name


@stars
def test_degrees_have_geographic_roles(star: Star) -> None:
    columns = read_columns(star)
    roles = {
        name: column.attrib["semantic-role"]
        for name, column in columns.items() if "semantic-role" in column.attrib
    }  # fmt: skip
    assert roles
    for part in star.parts:
        if part.point:
            assert roles[part.point.latitude] == "[Geographical].[Latitude]"
            assert roles[part.point.longitude] == "[Geographical].[Longitude]"
            assert columns[part.point.name].attrib["datatype"] == "spatial"


@stars
def test_every_field_lies_in_one_folder(star: Star) -> None:
    root = make_datasource(star, SIMULATED, "x")
    items = [item.attrib["name"] for item in root.iter("folder-item")]
    fields = [c.attrib["name"] for c in root.findall("column") if c.attrib["datatype"] != "table"]
    assert sorted(items) == sorted(fields)
    folders = {folder.attrib["name"] for folder in root.iter("folder")}
    assert {"Place", "Time", "Patrol", "Build"} <= folders
    assert ("Forecast" in folders) == (star.name == "forecast")  # what is listed nowhere lies there


@stars
def test_objects_tables_columns_and_ids_are_in_one_order(star: Star) -> None:
    root = make_datasource(star, SIMULATED, "x")
    order = [part.name for part in order_parts(star)]
    ids = [found.attrib["id"] for found in root.iter("object")]
    assert ids == sorted(ids) and [name.rpartition("_")[0] for name in ids] == order
    tables = root.findall("connection/relation/relation")
    assert [table.attrib["name"] for table in tables] == order
    assert [table.attrib["name"] for table in root.findall("object-graph//relation")] == order
    for values in (
        [found.attrib["value"].partition(".")[0] for found in root.iter("map")],
        [found.findtext("parent-name") for found in root.iter("metadata-record")],
    ):
        assert list(dict.fromkeys(values)) == [f"[{name}]" for name in order]
    fields = [f"[{name}]" for part in order_parts(star) for name, *_ in list_extract_fields(part)]
    assert [found.attrib["key"] for found in root.iter("map")] == fields


@stars
def test_relationships_go_from_the_fact_to_unique_keys(star: Star) -> None:
    root = make_datasource(star, SIMULATED, "x")
    parts = {part.name: part for part in star.parts}
    relationships = root.findall("object-graph/relationships/relationship")
    assert len(relationships) == len(star.dimensions)
    for found in relationships:
        child, parent = found.find("first-end-point"), found.find("second-end-point")
        assert child is not None and parent is not None
        assert child.attrib["object-id"].startswith(f"{star.fact.name}_")
        assert "unique-key" not in child.attrib and parent.attrib["unique-key"] == "true"
        operators = [expression.attrib["op"] for expression in found.iter("expression")]
        names = [text.strip("[]") for text in operators if text.startswith("[")]
        key = parts[parent.attrib["object-id"].rpartition("_")[0]].key
        assert tuple(names[1::2]) == key
        assert set(names[::2]) <= star.fact.fields.keys()


def test_texts_with_an_order_are_not_sorted_by_letters() -> None:
    root = make_datasource(STARS[1], SIMULATED, "x")
    orders = {
        sort.attrib["column"]: [bucket.text for bucket in sort.iter("bucket")]
        for sort in root.iter("manual-sort")
    }
    assert orders["[time_of_day]"] == ['"Morning"', '"Afternoon"', '"Evening"', '"Night"']
    assert orders["[month_name]"][:2] == ['"January"', '"February"']
    assert orders["[weekday_name]"][0] == '"Monday"'
