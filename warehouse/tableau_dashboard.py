"""Dashboards and windows for Tableau as XML: where texts, filters, sheets and legends lie.

Input: the declared dashboards. Output: `<dashboard>` and `<window>` elements. Tableau needs a window for
every sheet and dashboard, and of a dashboard's sheets a viewpoint each.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import count
from xml.etree.ElementTree import Element, SubElement

from warehouse.chart_style import MUTED_COLOR, WARNING_COLOR
from warehouse.tableau_sheets import Dashboard, Sheet
from warehouse.tableau_worksheet import Source, add_id

CAVEAT = "Reported crime is not all crime; a patrol type is a rule on the offense."

WIDTH, HEIGHT, PHONE_HEIGHT = 1280, 900, 2400
WHOLE = 100_000
"""Zones are placed in a square of this side, whatever the dashboard's size."""
HEADER = ((0, 5_000), (5_000, 3_500), (8_500, 3_500))
"""Top and height of the zones of text: title, build, how to read it."""
FILTER_TOP, BODY_TOP = 12_000, 19_000
LEGEND_WIDTH = 9_000
PHONE_ZONE_HEIGHT = 280


def make_dashboard(
    source: Source, dashboard: Dashboard, mark: str, facts: str, first_id: int
) -> Element:
    """Return a dashboard: texts on top, filters below them, then the sheets with their legends.

    `mark` (empty: none) says that the data is simulated, `facts` which build it is; zones are numbered
    from `first_id`.
    """
    root = Element("dashboard", name=dashboard.name)
    SubElement(root, "style")
    SubElement(root, "size", minwidth=str(WIDTH), maxwidth=str(WIDTH), minheight=str(HEIGHT),
               maxheight=str(HEIGHT))  # fmt: skip
    colors = [sheet.color for sheet in dashboard.sheets if sheet.color]
    source.add_links(root, [*(each.pill for each in dashboard.filters), *colors])
    leaves = [*make_texts(dashboard, mark, facts), *make_controls(source, dashboard)]
    for sheet in dashboard.sheets:
        leaves += make_sheet_zones(source, sheet)
    outer = make_zone({"type-v2": "layout-basic"}, 0, 0, WHOLE, WHOLE)
    phone = make_zone({"param": "vert", "type-v2": "layout-flow"}, 0, 0, WHOLE, WHOLE)
    for number, zone in zip(count(first_id), (outer, phone, *leaves), strict=False):
        zone.set("id", str(number))
    outer[:0] = leaves
    SubElement(root, "zones").append(outer)
    add_phone_layout(root, phone, leaves)
    add_id(root, "dashboard", dashboard.name)
    return root


def make_texts(dashboard: Dashboard, mark: str, facts: str) -> Iterator[Element]:
    """Yield the zones of text: the title, what the build is, how to read it."""
    plain = {"fontcolor": MUTED_COLOR, "fontsize": "10"}
    texts = (
        [(dashboard.name, {"bold": "true", "fontsize": "18"})],
        [(mark, {"bold": "true", "fontcolor": WARNING_COLOR, "fontsize": "12"}), (facts, plain)],
        [(f"{CAVEAT} {dashboard.note}", plain)],
    )
    for runs, (top, height) in zip(texts, HEADER, strict=True):
        zone = make_zone({"type-v2": "text"}, 0, top, WHOLE, height)
        words = Element("formatted-text")
        for text, font in runs:
            if text:
                SubElement(words, "run", font).text = text
        zone.insert(0, words)
        yield zone


def make_controls(source: Source, dashboard: Dashboard) -> Iterator[Element]:
    """Yield the controls of the filters side by side; as the sheets share them, the first one's."""
    width = WHOLE // len(dashboard.filters)
    for place, each in enumerate(dashboard.filters):
        facts = {
            "mode": "dropdown" if each.is_single else "checkdropdown", "name": dashboard.sheets[0].name,
            "param": source.qualify(each.pill), "type-v2": "filter", "values": "database",
        }  # fmt: skip
        if each.is_single:
            facts["show-all"] = "false"
        yield make_zone(facts, place * width, FILTER_TOP, width, BODY_TOP - FILTER_TOP)


def make_sheet_zones(source: Source, sheet: Sheet) -> Iterator[Element]:
    """Yield the zone of a sheet and, right of it, that of the legend of its colors."""
    left, top, width, height = sheet.area
    body = WHOLE - BODY_TOP
    x, y = left * WHOLE // 100, BODY_TOP + top * body // 100
    w, h = width * WHOLE // 100, height * body // 100
    if not sheet.color:
        yield make_zone({"name": sheet.name}, x, y, w, h)
        return
    yield make_zone({"name": sheet.name}, x, y, w - LEGEND_WIDTH, h)
    legend = {
        "name": sheet.name, "pane-specification-id": "0", "param": source.qualify(sheet.color),
        "type-v2": "color",
    }  # fmt: skip
    yield make_zone(legend, x + w - LEGEND_WIDTH, y, LEGEND_WIDTH, h)


def make_zone(facts: Mapping[str, str], x: int, y: int, w: int, h: int) -> Element:
    """Return a zone of a dashboard, without a border."""
    zone = Element("zone", {**facts, "x": str(x), "y": str(y), "w": str(w), "h": str(h)})
    style = SubElement(zone, "zone-style")
    for attribute, value in (("border-style", "none"), ("border-width", "0"), ("margin", "4")):
        SubElement(style, "format", attr=attribute, value=value)
    return zone


def add_phone_layout(root: Element, column: Element, leaves: list[Element]) -> None:
    """Add the layout for phones, the same zones in one column: without one, sheets may stay hidden."""
    layouts = SubElement(root, "devicelayouts")
    layout = SubElement(layouts, "devicelayout", {"auto-generated": "true", "name": "Phone"})
    height = str(PHONE_HEIGHT)
    SubElement(layout, "size", {"maxheight": height, "minheight": height, "sizing-mode": "vscroll"})
    SubElement(layout, "zones").append(column)
    for place, leaf in enumerate(leaves):
        copy = deepcopy(leaf)
        copy.attrib |= {"fixed-size": str(PHONE_ZONE_HEIGHT), "is-fixed": "true"}
        column.insert(place, copy)


def make_dashboard_window(dashboard: Dashboard) -> Element:
    """Return the window of a dashboard: long sheets fill its width, all others their zone."""
    window = Element("window", {"class": "dashboard", "name": dashboard.name})
    viewpoints = SubElement(window, "viewpoints")
    for sheet in dashboard.sheets:
        zoom = "fit-width" if sheet.sort or sheet.mark == "Text" else "entire-view"
        SubElement(SubElement(viewpoints, "viewpoint", name=sheet.name), "zoom", type=zoom)
    SubElement(window, "active", id="-1")
    add_id(window, "window", dashboard.name)
    return window


def make_sheet_window(source: Source, sheet: Sheet, dashboard: Dashboard) -> Element:
    """Return the window of a worksheet, with its shelves, its filters' controls and its legend."""
    window = Element("window", {"class": "worksheet", "name": sheet.name})
    cards = SubElement(window, "cards")
    controls = [{"type": "filter", "param": source.qualify(each.pill)} for each in dashboard.filters]
    if sheet.color:
        controls.append({
            "type": "color", "param": source.qualify(sheet.color), "pane-specification-id": "0",
        })  # fmt: skip
    edges: dict[str, list[tuple[str, list[dict[str, str]]]]] = {
        "left": [("160", [{"type": kind} for kind in ("pages", "filters", "marks")])],
        "top": [("2147483647", [{"type": kind}]) for kind in ("columns", "rows", "title")],
        "right": [("160", controls)],
    }
    for name, strips in edges.items():
        edge = SubElement(cards, "edge", name=name)
        for size, contents in strips:
            strip = SubElement(edge, "strip", size=size)
            strip.extend(Element("card", facts) for facts in contents)
    SubElement(window, "viewpoint")
    add_id(window, "window", sheet.name)
    return window
