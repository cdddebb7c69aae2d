"""Worksheets for Tableau as XML: what a sheet reads, filters, and draws.

Input: the `<datasource>` of a star, the declared sheets. Output: `<worksheet>` elements. A pill is
declared wherever it is used: Tableau drops a field without a word where that is missing.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from warehouse.tableau_sheets import Dashboard, Filter, Pill, Sheet
from warehouse.tableau_stars import Star

USER = "http://www.tableausoftware.com/xml/user"
"""The namespace of what Tableau's own controls remember."""

PREFIXES = {
    "None": "none", "Month-Trunc": "tmn", "Count": "cnt", "Sum": "sum", "Avg": "avg", "Min": "min",
    "Max": "max",
}  # fmt: skip
AMOUNT_PALETTE = "blue_10_0"
"""Tableau's palette from light to dark blue: amounts need no telling of hues apart."""


@dataclass(frozen=True)
class Source:
    """A data source of the workbook: its star, its element, and what pills are called in it."""

    star: Star
    element: Element

    @property
    def name(self) -> str:
        """The name by which sheets speak of it."""
        return self.element.attrib["name"]

    def find_field(self, pill: Pill) -> Element:
        """Return the element of a pill's field. Raises `KeyError` where the source has none."""
        for column in self.element.iterfind("column"):
            if column.get("name") == f"[{pill.field}]":
                return column
        raise KeyError(f"star {self.star.name}: no field {pill.field}")

    def choose_type(self, pill: Pill) -> str:
        """Return a pill's type; what is no number on a scale has an order where it is no text."""
        if pill.is_quantitative:
            return "quantitative"
        is_text = self.find_field(pill).get("datatype") in ("string", "boolean")
        return "nominal" if is_text else "ordinal"

    def name_pill(self, pill: Pill) -> str:
        """Return the name of a pill's instance, as `[cnt:incident_id:qk]`."""
        share = "pcto:" if pill.is_share else ""
        return f"[{share}{PREFIXES[pill.derivation]}:{pill.field}:{self.choose_type(pill)[0]}k]"

    def qualify(self, pill: Pill) -> str:
        """Return the name of a pill's instance with its data source."""
        return f"[{self.name}].{self.name_pill(pill)}"

    def make_instance(self, pill: Pill) -> Element:
        """Return the element that declares a pill; a share is one of the whole table."""
        instance = Element(
            "column-instance", column=f"[{pill.field}]", derivation=pill.derivation,
            name=self.name_pill(pill), pivot="key", type=self.choose_type(pill),
        )  # fmt: skip
        if pill.is_share:
            SubElement(instance, "table-calc", {"ordering-type": "Table", "type": "PctTotal"})
        return instance

    def add_links(self, parent: Element, pills: Iterable[Pill], is_map: bool = False) -> None:
        """Add which data source a sheet or a dashboard uses, and what of it."""
        links = SubElement(parent, "datasources")
        SubElement(links, "datasource", caption=self.element.attrib["caption"], name=self.name)
        if is_map:
            add_map_source(parent)
        used = tuple(dict.fromkeys(pills))
        fields = {pill.field: self.find_field(pill).attrib for pill in used}
        needs = SubElement(parent, "datasource-dependencies", datasource=self.name)
        needs.extend(Element("column", dict(attributes)) for attributes in fields.values())
        needs.extend(self.make_instance(pill) for pill in used)


def make_worksheet(
    source: Source, sheet: Sheet, dashboard: Dashboard, defaults: Mapping[str, str], first_group: int
) -> Element:
    """Return a worksheet with its dashboard's filters, which it shares by the numbers of their groups.

    `defaults` has the values that the filters' defaults stand for.
    """
    root = Element("worksheet", name=sheet.name)
    table = SubElement(root, "table")
    view = SubElement(table, "view")
    filtered = [each.pill for each in dashboard.filters]
    source.add_links(view, (*sheet.pills, *filtered), sheet.is_map)
    for group, each in enumerate(dashboard.filters, first_group):
        add_filter(view, source, each, defaults, group)
    if sheet.sort:
        column, using = (source.qualify(pill) for pill in sheet.sort)
        SubElement(view, "computed-sort", column=column, direction="DESC", using=using)
    slices = SubElement(view, "slices")
    for pill in filtered:
        SubElement(slices, "column").text = source.qualify(pill)
    SubElement(view, "aggregation", value="true")
    add_marks(table, source, sheet)
    SubElement(table, "rows").text = join_shelf(source, sheet.rows)
    SubElement(table, "cols").text = join_shelf(source, sheet.columns)
    add_id(root, "worksheet", sheet.name)
    return root


def add_filter(
    view: Element, source: Source, declared: Filter, defaults: Mapping[str, str], group: int
) -> None:
    """Add a filter to a sheet: of everything, or of the one value that is its default."""
    names = {"class": "categorical", "column": source.qualify(declared.pill), "filter-group": str(group)}
    kept = {"level": source.name_pill(declared.pill), f"{{{USER}}}ui-marker": "enumerate"}
    if declared.default:
        kept |= {"function": "member", "member": defaults[declared.default]}
        kept |= {f"{{{USER}}}ui-domain": "database", f"{{{USER}}}ui-enumeration": "inclusive"}
    else:
        kept |= {"function": "level-members", f"{{{USER}}}ui-enumeration": "all"}
    SubElement(SubElement(view, "filter", names), "groupfilter", kept)


def add_marks(table: Element, source: Source, sheet: Sheet) -> None:
    """Add the marks of a sheet, what they show, and the palette where their colors are amounts."""
    style = SubElement(table, "style")
    if sheet.color and sheet.color.is_quantitative:
        SubElement(
            SubElement(style, "style-rule", element="mark"), "encoding", attr="color",
            field=source.qualify(sheet.color), palette=AMOUNT_PALETTE, type="interpolated",
        )  # fmt: skip
    relaxed = {"selection-relaxation-option": "selection-relaxation-allow"}
    pane = SubElement(SubElement(table, "panes"), "pane", relaxed)
    SubElement(SubElement(pane, "view"), "breakdown", value="auto")
    SubElement(pane, "mark", {"class": sheet.mark})
    shown = [("color", sheet.color), ("size", sheet.size), ("text", sheet.text)]
    shown += [("lod", pill) for pill in sheet.detail]
    if any(pill for _, pill in shown):
        encodings = SubElement(pane, "encodings")
        for tag, pill in shown:
            if pill:
                SubElement(encodings, tag, column=source.qualify(pill))
    if sheet.text:
        rule = SubElement(SubElement(pane, "style"), "style-rule", element="mark")
        SubElement(rule, "format", attr="mark-labels-show", value="true")


def join_shelf(source: Source, pills: tuple[Pill, ...]) -> str:
    """Return the text of a shelf: headers nest, the first outermost; axes stand side by side."""
    *before, last = [source.qualify(pill) for pill in pills] or [""]
    sign = "+" if pills and pills[0].is_quantitative else "/"
    for name in reversed(before):
        last = f"({name} {sign} {last})"
    return last


def add_map_source(parent: Element) -> None:
    """Add Tableau's own background of maps."""
    SubElement(SubElement(parent, "mapsources"), "mapsource", name="Tableau")


def add_id(parent: Element, kind: str, name: str) -> None:
    """Add the id of a sheet, dashboard or window: the same in every build."""
    found = uuid.uuid5(uuid.NAMESPACE_URL, f"atlshield/{kind}/{name}")
    SubElement(parent, "simple-id", uuid=f"{{{str(found).upper()}}}")
