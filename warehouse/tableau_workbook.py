"""The workbook for Tableau as a file: the declared dashboards on the extracts beside it.

Input: the published build, whose data it is, the month in which its forecast begins. Output: the text
of a `.twb`. `VERSION` is what Tableau itself has written since 2018.1; `FEATURES` name what goes beyond
it, known since 2020.2: a file whose element lacks its name there is refused.
"""

from datetime import date
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from warehouse.chart_style import SERIES_COLORS
from warehouse.pointer import PublishedBuild
from warehouse.settings import SIMULATED
from warehouse.tableau_dashboard import make_dashboard, make_dashboard_window, make_sheet_window
from warehouse.tableau_sheets import DASHBOARDS
from warehouse.tableau_source import FEATURES as SOURCE_FEATURES
from warehouse.tableau_source import VERSION, make_datasource
from warehouse.tableau_stars import STARS
from warehouse.tableau_worksheet import USER, Source, add_map_source, make_worksheet

FEATURES = (
    *SOURCE_FEATURES,
    "SetMembershipControl",
    "SheetIdentifierTracking",
    "WindowsPersistSimpleIdentifiers",
)
"""Besides those of a data source: the types of zones, the ids of sheets, those of windows."""

NUMBERS_PER_DASHBOARD = 100
"""Zones and groups of filters are numbered apart in each dashboard, from a multiple of this."""


def render_workbook(published: PublishedBuild, source: str, first_month: date) -> bytes:
    """Return the `.twb` of a build; `source` is whose data it holds.

    Its data sources are those of `make_datasource`: the extracts must lie where that says. The forecast
    opens at `first_month`, the explorer at the year of the cutoff.
    """
    register_namespace("user", USER)
    root = Element(
        "workbook",
        {"original-version": VERSION, "source-build": "0.0.0 (0000.0.0.0)", "source-platform": "win",
         "version": VERSION},
    )  # fmt: skip
    manifest = SubElement(root, "document-format-change-manifest")
    manifest.extend(Element(feature) for feature in FEATURES)
    SubElement(root, "preferences")
    sources = {star.name: Source(star, make_datasource(star, published, source)) for star in STARS}
    SubElement(root, "datasources").extend(found.element for found in sources.values())
    add_map_source(root)
    for found in sources.values():
        paint_values(found)
    add_dashboards(root, sources, published, source, first_month)
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def add_dashboards(
    root: Element, sources: dict[str, Source], published: PublishedBuild, source: str, first_month: date
) -> None:
    """Add the sheets, the dashboards, and their windows: their order is that of the tabs."""
    worksheets, dashboards, windows = (
        SubElement(root, tag) for tag in ("worksheets", "dashboards", "windows")
    )
    mark = f"{SIMULATED.upper()} " if published.is_synthetic else ""
    facts = f"Build {published.build_id}, data up to {published.cutoff}, source: {source}"
    defaults = {"newest year": published.cutoff[:4], "first month": f"#{first_month}#"}
    sheet_windows = []
    for number, dashboard in enumerate(DASHBOARDS, 1):
        found, first = sources[dashboard.star.name], number * NUMBERS_PER_DASHBOARD
        for sheet in dashboard.sheets:
            worksheets.append(make_worksheet(found, sheet, dashboard, defaults, first))
            sheet_windows.append(make_sheet_window(found, sheet, dashboard))
        dashboards.append(make_dashboard(found, dashboard, mark, facts, first))
        windows.append(make_dashboard_window(dashboard))
    windows[0].set("maximized", "true")
    windows.extend(sheet_windows)


def paint_values(source: Source) -> None:
    """Give the declared values of fields that color marks the house's colors, in all sheets alike."""
    sheets = [sheet for each in DASHBOARDS if each.star == source.star for sheet in each.sheets]
    pills = dict.fromkeys(s.color for s in sheets if s.color and not s.color.is_quantitative)
    declared = {name: column for part in source.star.parts for name, column in part.fields.items()}
    style = Element("style")
    rule = SubElement(style, "style-rule", element="mark")
    for pill in pills:
        field = source.name_pill(pill)
        encoding = SubElement(rule, "encoding", attr="color", field=field, type="palette")
        for value, color in zip(declared[pill.field].allowed, SERIES_COLORS, strict=False):
            SubElement(SubElement(encoding, "map", to=color), "bucket").text = f'"{value}"'
    children = [child.tag for child in source.element]
    source.element.insert(children.index("layout") + 1, style)
    for place, pill in enumerate(pills, len(children) - children[::-1].index("column")):
        source.element.insert(place, source.make_instance(pill))
