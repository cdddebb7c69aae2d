"""The workbook: valid by Tableau's schema, true to the stars, and no sum of what does not add up.

No Tableau is here to open it. What Tableau is known to refuse or to drop beyond its schema is tested as
rules: features that are used but not named, pills that are not declared, missing windows and viewpoints.
"""

from collections.abc import Iterator
from datetime import date
from itertools import combinations
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from tests.warehouse.tableau_schema import find_faults
from warehouse.pointer import PublishedBuild
from warehouse.read import connect_published
from warehouse.table import Column
from warehouse.tableau_fields import AGGREGATIONS
from warehouse.tableau_sheets import DASHBOARDS, Dashboard, Pill, Sheet
from warehouse.tableau_source import make_datasource
from warehouse.tableau_stars import FORECAST_STAR, STARS, Star
from warehouse.tableau_workbook import render_workbook
from warehouse.tableau_worksheet import Source

SIMULATED = PublishedBuild(
    "20260102T030405Z", "warehouse.duckdb", "0" * 64, "2026-01-02T03:04:05Z", "2025-12-31",
    "simulated", is_synthetic=True,
)  # fmt: skip
REAL = PublishedBuild(
    "20260102T030405Z", "warehouse.duckdb", "0" * 64, "2026-01-02T03:04:05Z", "2025-12-31", "portal",
    is_synthetic=False,
)  # fmt: skip
HOSTILE = """The "police" & <others> of L'Aquila; <Sheet Name> ]]> 'x' &amp;"""
FIRST_MONTH = date(2026, 1, 1)

SHEETS = [(dashboard, sheet) for dashboard in DASHBOARDS for sheet in dashboard.sheets]
dashboards = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
each_sheet = pytest.mark.parametrize(
    ("dashboard", "sheet"), SHEETS, ids=[sheet.name for _, sheet in SHEETS]
)


@pytest.fixture(scope="module")
def document() -> bytes:
    """The workbook of a simulated build."""
    return render_workbook(SIMULATED, HOSTILE, FIRST_MONTH)


@pytest.fixture(scope="module")
def root(document: bytes) -> Element:
    """Its root."""
    return read(document)


def read(document: bytes) -> Element:
    """Return the root of a workbook that was rendered here."""
    return fromstring(document)  # noqa: S314


def find_one(parent: Element, path: str) -> Element:
    """Return the one element at a path."""
    (found,) = parent.findall(path)
    return found


def list_columns(star: Star) -> dict[str, Column]:
    """Return the declared columns of a star by the names of their fields."""
    return {name: column for part in star.parts for name, column in part.fields.items()}


@pytest.mark.network
def test_workbook_is_valid_and_a_broken_one_is_refused(document: bytes) -> None:
    assert find_faults(document) == []
    for right, wrong in (
        (b'<mark class="Bar"', b'<mark type="Bar"'),
        (b'<lod column="', b'<detail column="'),
        (b'<active id="-1" />', b""),
        (b'<aggregation value="true" />', b""),
        (b'derivation="Count" ', b""),
        (b"<computed-sort column", b"<computed-sort col"),
        (b"</windows>", b"</windows><worksheets />"),
    ):
        assert right in document
        assert find_faults(document.replace(right, wrong, 1)), wrong


def test_features_are_named_whose_elements_are_used(root: Element) -> None:
    """An element whose feature is not named in the manifest keeps the whole file from opening."""
    named = {feature.tag for feature in find_one(root, "document-format-change-manifest")}
    for path, feature in (
        (".//datasource/object-graph", "ObjectModelEncapsulateLegacy"),
        (".//column[@datatype='table']", "ObjectModelTableType"),
        (".//layout[@show-structure]", "SchemaViewerObjectModel"),
        (".//zone[@type-v2]", "SetMembershipControl"),
        (".//worksheet/simple-id", "SheetIdentifierTracking"),
        (".//computed-sort", "SortTagCleanup"),
        (".//manual-sort", "SortTagCleanup"),
        (".//window/simple-id", "WindowsPersistSimpleIdentifiers"),
    ):
        assert root.find(path) is not None, path
        assert feature in named
    for path in ("explain-data", ".//shelf-sort-v2", ".//shelf-sorts", ".//datagraph"):
        assert root.find(path) is None


@pytest.mark.parametrize("star", STARS, ids=lambda star: star.name)
def test_fields_in_use_are_those_of_the_data_source(root: Element, star: Star) -> None:
    name = f"federated.{star.file_name}"
    source = find_one(root, f"datasources/datasource[@name='{name}']")
    fields = {column.attrib["name"]: column.attrib for column in source.findall("column")}
    uses = root.findall(f".//datasource-dependencies[@datasource='{name}']")
    assert uses
    for use in uses:
        columns = {column.attrib["name"]: column.attrib for column in use.findall("column")}
        assert columns == {found: fields[found] for found in columns}
        assert all(columns[found].get("hidden") is None for found in columns)
        instances = use.findall("column-instance")
        assert {instance.attrib["column"] for instance in instances} == columns.keys()
    assert {field.strip("[]") for field in fields} >= list_columns(star).keys()


def list_references(part: Element) -> Iterator[str]:
    """Yield every mention of a pill in a worksheet or dashboard, without its data source."""
    for element in part.iter():
        mentions = [element.attrib.get(name, "") for name in ("column", "using", "field", "param")]
        if element.tag in ("rows", "cols") or (element.tag == "column" and not element.attrib):
            mentions += (element.text or "").translate(str.maketrans("()+/", "    ")).split()
        for mention in mentions:
            if mention.startswith("[federated."):
                yield mention.split("].", 1)[1]
        if "level" in element.attrib:  # unlike all others, written without its data source
            yield element.attrib["level"]


@pytest.mark.parametrize("path", ["worksheets/worksheet", "dashboards/dashboard"])
def test_pills_are_declared_where_they_are_used(root: Element, path: str) -> None:
    """Tableau drops a field without a word whose instance is not declared."""
    for part in root.findall(path):
        declared = {instance.attrib["name"] for instance in part.iter("column-instance")}
        shown = part.find("zones") if part.tag == "dashboard" else part
        assert shown is not None
        used = set(list_references(shown))
        assert used
        assert used <= declared


@each_sheet
def test_no_sheet_sums_what_does_not_add_up(dashboard: Dashboard, sheet: Sheet) -> None:
    columns = list_columns(dashboard.star)
    for pill in sheet.pills:
        column = columns[pill.field]
        if pill.derivation in AGGREGATIONS.values():
            expected = AGGREGATIONS[column.aggregation or "average"]
            assert pill.derivation == expected, pill
            assert column.aggregation or column.name in ("latitude", "longitude"), pill
        elif pill.derivation == "Count":
            assert (pill.field,) == dashboard.star.fact.key
        else:
            assert column.aggregation is None, pill


def test_the_declared_aggregations_are_looked_at() -> None:
    """The test above would pass for any sheets if nothing but sums were declared."""
    used = {pill.derivation for _, sheet in SHEETS for pill in sheet.pills}
    assert used == {"None", "Month-Trunc", "Count", "Sum", "Avg", "Min", "Max"}


def test_expected_crimes_are_those_of_one_month(root: Element) -> None:
    forecasts = [dashboard for dashboard in DASHBOARDS if dashboard.star == FORECAST_STAR]
    assert forecasts
    for dashboard in forecasts:
        for sheet in dashboard.sheets:
            path = f"worksheets/worksheet[@name='{sheet.name}']//filter[@column='{name_month()}']"
            (chosen,) = find_one(root, path)
            assert (chosen.get("function"), chosen.get("member")) == ("member", "#2026-01-01#")
        zones = root.findall(
            f"dashboards/dashboard[@name='{dashboard.name}']//zone[@param='{name_month()}']"
        )
        assert zones
        assert {(zone.get("mode"), zone.get("show-all")) for zone in zones} == {("dropdown", "false")}


def name_month() -> str:
    """Return the pill that filters the months of the forecast."""
    return f"[federated.{FORECAST_STAR.file_name}].[none:forecast_month:ok]"


def test_defaults_are_values_of_the_build(published: Path) -> None:
    with connect_published(published) as (build, connection):
        first, newest = connection.execute(
            "SELECT (SELECT min(forecast_month) FROM forecast_hourly), (SELECT max(year) FROM"
            " mart_incident_explorer)"
        ).fetchone() or (None, None)
    root = read(render_workbook(build, "simulated data", first))
    kept = {
        (chosen.attrib["level"], chosen.attrib["member"])
        for chosen in root.iterfind(".//groupfilter[@function='member']")
    }
    assert kept == {("[none:forecast_month:ok]", f"#{first}#"), ("[none:year:ok]", str(newest))}


def test_explorer_filters_by_all_that_is_asked_for() -> None:
    (explorer,) = (dashboard for dashboard in DASHBOARDS if dashboard.name == "Explorer")
    assert {each.field for each in explorer.filters} >= {
        "neighborhood", "time_of_day", "location_type", "firearm_involved", "offense_category",
        "offense",
    }  # fmt: skip


@dashboards
def test_filters_act_on_every_sheet_and_have_a_control(root: Element, dashboard: Dashboard) -> None:
    groups = []
    for sheet in dashboard.sheets:
        view = find_one(root, f"worksheets/worksheet[@name='{sheet.name}']/table/view")
        groups.append([(f.attrib["column"], f.attrib["filter-group"]) for f in view.findall("filter")])
        slices = [column.text for column in view.findall("slices/column")]
        assert slices == [column for column, _ in groups[-1]]
    assert all(found == groups[0] for found in groups)
    zones = find_one(root, f"dashboards/dashboard[@name='{dashboard.name}']/zones")
    controls = [zone.attrib["param"] for zone in zones.iterfind(".//zone[@type-v2='filter']")]
    assert controls == [column for column, _ in groups[0]]


def test_filters_of_two_dashboards_are_not_shared(root: Element) -> None:
    fields: dict[str, set[tuple[str, str]]] = {}
    for dashboard, sheet in SHEETS:
        for found in root.iterfind(f"worksheets/worksheet[@name='{sheet.name}']//filter"):
            key = (dashboard.name, found.attrib["column"])
            fields.setdefault(found.attrib["filter-group"], set()).add(key)
    assert all(len(found) == 1 for found in fields.values())


@dashboards
def test_dashboards_show_their_sheets(root: Element, dashboard: Dashboard) -> None:
    names = [sheet.name for sheet in dashboard.sheets]
    element = find_one(root, f"dashboards/dashboard[@name='{dashboard.name}']")
    for layout in (find_one(element, "zones"), find_one(element, "devicelayouts/devicelayout/zones")):
        zones = list(layout.iter("zone"))
        shown = [
            zone.get("name") for zone in zones if "name" in zone.attrib and "type-v2" not in zone.attrib
        ]
        assert shown == names
        assert {zone.get("name") for zone in zones} - {None} == set(names)
    window = find_one(root, f"windows/window[@name='{dashboard.name}']")
    assert [found.get("name") for found in window.iter("viewpoint")] == names


@dashboards
def test_zones_fill_a_dashboard_without_overlap(root: Element, dashboard: Dashboard) -> None:
    outer = find_one(root, f"dashboards/dashboard[@name='{dashboard.name}']/zones/zone")
    places = [[int(zone.attrib[side]) for side in "xywh"] for zone in (outer, *outer.findall("zone"))]
    (whole, *places) = places
    assert whole == [0, 0, 100_000, 100_000]
    for first, second in combinations(places, 2):
        assert not all(
            max(first[side], second[side])
            < min(first[side] + first[side + 2], second[side] + second[side + 2])
            for side in (0, 1)
        ), (first, second)
    assert all(min(x, y) >= 0 and max(x + w, y + h) <= 100_000 for x, y, w, h in places)
    assert sum(w * h for _, _, w, h in places) == pytest.approx(1e10, rel=0.001)


def test_every_sheet_is_in_a_dashboard_and_has_a_window(root: Element) -> None:
    sheets = [sheet.attrib["name"] for sheet in root.iterfind("worksheets/worksheet")]
    found = [dashboard.attrib["name"] for dashboard in root.iterfind("dashboards/dashboard")]
    assert sheets == [sheet.name for _, sheet in SHEETS]
    assert len(found) == 6
    windows = [window.attrib["name"] for window in root.iterfind("windows/window")]
    assert windows == [*found, *sheets]
    assert len(set(windows)) == len(windows)
    ids = [element.attrib["uuid"] for element in root.iter("simple-id")]
    assert len(set(ids)) == len(ids) == 2 * len(windows)
    zones = [zone.attrib["id"] for zone in root.iterfind("dashboards/dashboard/zones//zone")]
    assert len(set(zones)) == len(zones)


@dashboards
@pytest.mark.parametrize("build", [SIMULATED, REAL], ids=["simulated", "real"])
def test_dashboards_say_what_build_they_show(dashboard: Dashboard, build: PublishedBuild) -> None:
    root = read(render_workbook(build, HOSTILE, FIRST_MONTH))
    element = find_one(root, f"dashboards/dashboard[@name='{dashboard.name}']/zones")
    text = "\n".join(run.text or "" for run in element.iter("run"))
    for told in (
        dashboard.name, "Build 20260102T030405Z", "data up to 2025-12-31", HOSTILE,
        "Reported crime is not all crime; a patrol type is a rule on the offense.",
    ):  # fmt: skip
        assert told in text
    assert ("SIMULATED DATA" in text) == build.is_synthetic


def test_values_have_colors_that_are_told_apart(root: Element) -> None:
    painted = {
        encoding.attrib["field"]: {found.findtext("bucket"): found.get("to") for found in encoding}
        for encoding in root.iterfind("datasources/datasource/style//encoding")
    }
    assert painted.keys() == {"[none:suggested_patrol:nk]", "[none:time_of_day:nk]"}
    for field, colors in painted.items():
        assert len(set(colors.values())) == len(colors) == 4
        assert root.find(f"datasources/datasource/column-instance[@name='{field}']") is not None
    assert '"Foot Patrol"' in painted["[none:suggested_patrol:nk]"]


def test_the_same_build_gives_the_same_bytes(document: bytes) -> None:
    assert document == render_workbook(SIMULATED, HOSTILE, FIRST_MONTH)


def test_a_pill_without_a_field_is_an_error() -> None:
    star = STARS[0]
    source = Source(star, make_datasource(star, SIMULATED, HOSTILE))
    with pytest.raises(KeyError, match="star forecast: no field crimes"):
        source.name_pill(Pill("crimes"))
