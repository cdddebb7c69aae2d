"""What Tableau knows of an extract: captions, types, folders and relationships, as XML.

Input: a star, the published build and whose data it is. Output: a `<datasource>` element, for a workbook
or, by `render_source`, for a file of its own (`.tds`). Elements stand in the order of the schema that
Tableau publishes.
"""

import hashlib
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from warehouse import settings
from warehouse.pointer import PublishedBuild
from warehouse.tableau_fields import (
    DEGREES,
    KINDS,
    POINT_KIND,
    Kind,
    choose_aggregation,
    choose_format,
    is_measure,
    list_extract_fields,
    list_order,
    sort_into_folders,
)
from warehouse.tableau_stars import Part, Relationship, Star

EXTRACTS = "Data/Extracts"
"""The folder of extracts in a packed data source or workbook."""

SCHEMA = "Extract"
"""The schema of every table in an extract, as Tableau names it."""

VERSION = "18.1"
"""The format of Tableau 2018.1 and later; relationships need 2020.2."""

FEATURES = (
    "ObjectModelEncapsulateLegacy",
    "ObjectModelTableType",
    "SchemaViewerObjectModel",
    "SortTagCleanup",
)
"""What a data source uses beyond that format: the object model, and the order of texts. Tableau knows an
element only where its feature is named."""


class Constant(NamedTuple):
    """A field that says the same in every view, whatever tables it reads."""

    name: str
    caption: str
    kind: Kind
    formula: str


def make_datasource(star: Star, published: PublishedBuild, source: str) -> Element:
    """Return the element that describes a star's extract; `source` is the build's `data_source`.

    It reads the extract of the package that it lies in. Its caption says where data is simulated.
    """
    caption = star.caption + (f" ({settings.SIMULATED})" if published.is_synthetic else "")
    root = Element(
        "datasource", caption=caption, inline="true", name=name_datasource(star), version=VERSION
    )
    constants = list_constants(published, source)
    add_connection(root, star, caption)
    SubElement(root, "aliases", enabled="yes")
    for part in star.parts:
        add_fields(root, star, part)
    for name, text, kind, formula in constants:
        field = add_column(root, f"[{name}]", text, kind.name, "dimension", kind.dimension_type)
        SubElement(field, "calculation", {"class": "tableau", "formula": formula})
    add_folders(root, star, constants)
    SubElement(
        root, "layout",
        {"dim-ordering": "alphabetic", "measure-ordering": "alphabetic", "show-structure": "true"},
    )  # fmt: skip
    SubElement(root, "date-options", {"start-of-week": "monday"})
    add_sorts(root, star)
    add_object_graph(root, star)
    return root


def render_source(star: Star, published: PublishedBuild, source: str) -> bytes:
    """Return the `.tds` of a star: its `<datasource>`, with the features of the format that it uses."""
    root = make_datasource(star, published, source)
    root.set("formatted-name", name_datasource(star))
    manifest = Element("document-format-change-manifest")
    manifest.extend(Element(feature) for feature in FEATURES)
    root.insert(0, manifest)
    indent(root)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def name_datasource(star: Star) -> str:
    """Return the name by which the sheets of a workbook speak of a star's data source."""
    return f"federated.{star.file_name}"


def name_connection(star: Star) -> str:
    """Return the name of the one connection of a star's data source."""
    return f"hyper.{star.file_name}"


def name_object(star: Star, part: Part) -> str:
    """Return the id of a part in Tableau's object model, the same in every build."""
    digest = hashlib.sha256(f"{star.name}/{part.name}".encode()).hexdigest()
    return f"{part.name}_{digest[:32].upper()}"


def order_parts(star: Star) -> list[Part]:
    """Return the parts by their names, which also is the order of their objects' ids.

    Tableau Cloud has been seen to pair objects and tables by their place in several lists, some of
    which it sorts: all lists are in this order, so that an object finds its own table in any case.
    """
    return sorted(star.parts, key=lambda part: part.name)


def list_constants(published: PublishedBuild, source: str) -> tuple[Constant, ...]:
    """Return the constants of a data source: which build it is, until when, and whose data."""
    return (
        Constant("build_id", "Build", KINDS["VARCHAR"], quote_literal(published.build_id)),
        Constant("cutoff", "Cutoff", KINDS["DATE"], f"#{published.cutoff}#"),
        Constant("build_source", "Data source", KINDS["VARCHAR"], quote_literal(source)),
    )


def quote_literal(text: str) -> str:
    """Return a text for a formula; `"` becomes `'`, since Tableau's literals know no escape."""
    return '"' + text.replace('"', "'") + '"'


def add_connection(root: Element, star: Star, caption: str) -> None:
    """Add the connection to the extract: its tables, their columns, and what each is called here."""
    connection = SubElement(root, "connection", {"class": "federated"})
    named = SubElement(
        SubElement(connection, "named-connections"), "named-connection",
        caption=caption, name=name_connection(star),
    )  # fmt: skip
    SubElement(named, "connection", {
        "authentication": "auth-none", "class": "hyper",
        "dbname": f"{EXTRACTS}/{star.file_name}.hyper", "default-settings": "yes", "schema": SCHEMA,
        "sslmode": "", "tablename": "", "username": "tableau_internal_user",
    })  # fmt: skip
    tables = SubElement(connection, "relation", type="collection")
    columns, records = SubElement(connection, "cols"), SubElement(connection, "metadata-records")
    for part in order_parts(star):
        add_relation(tables, star, part)
        for name, *_ in list_extract_fields(part):
            SubElement(columns, "map", key=f"[{name}]", value=f"[{part.name}].[{name}]")
        add_records(records, star, part)


def add_relation(parent: Element, star: Star, part: Part) -> None:
    """Add a table of the extract."""
    SubElement(
        parent, "relation", connection=name_connection(star), name=part.name,
        table=f"[{SCHEMA}].[{part.name}]", type="table",
    )  # fmt: skip


def add_records(parent: Element, star: Star, part: Part) -> None:
    """Add what the extract says of each column of a table."""
    for ordinal, (name, kind, aggregation, nullable) in enumerate(list_extract_fields(part)):
        record = SubElement(parent, "metadata-record", {"class": "column"})
        for tag, value in (
            ("remote-name", name), ("remote-type", kind.code), ("local-name", f"[{name}]"),
            ("parent-name", f"[{part.name}]"), ("remote-alias", name), ("ordinal", ordinal),
            ("local-type", kind.name), ("aggregation", aggregation),
            ("contains-null", str(nullable).lower()), ("object-id", f"[{name_object(star, part)}]"),
        ):  # fmt: skip
            SubElement(record, tag).text = str(value)


def add_column(parent: Element, name: str, caption: str, *words: str) -> Element:
    """Add a field of the data pane and return it; `words` are its type, role and kind of axis."""
    datatype, role, axis = words
    return SubElement(
        parent, "column", caption=caption, datatype=datatype, name=name, role=role, type=axis
    )


def add_fields(root: Element, star: Star, part: Part) -> None:
    """Add the fields of a part, its points, and the count of its rows."""
    for name in part.fields:
        add_field(root, part, name)
    if point := part.point:
        field = add_column(root, f"[{point.name}]", point.caption, POINT_KIND.name, "measure", "nominal")
        field.set("aggregation", "Collect")
        describe(field, "Latitude and longitude as a point on the map; NULL where they are.")
    rows = f"[__tableau_internal_object_id__].[{name_object(star, part)}]"
    add_column(root, rows, name_rows(part), "table", "measure", "quantitative")


def name_rows(part: Part) -> str:
    """Return what people read for the rows of a part; no field may have the same caption."""
    return f"{part.name.title()}s"


def add_field(root: Element, part: Part, name: str) -> None:
    """Add a declared column as a field, with its description and unit."""
    column = part.fields[name]
    kind = KINDS[column.type]
    role = ("measure", "quantitative") if is_measure(column) else ("dimension", kind.dimension_type)
    field = add_column(root, f"[{name}]", part.caption(name), kind.name, *role)
    field.set("aggregation", choose_aggregation(column))
    for attribute, value in (
        ("hidden", "true" if name in part.hidden else ""),
        ("semantic-role", DEGREES.get(column.name, "")),
        ("default-format", choose_format(column)),
    ):
        if value:
            field.set(attribute, value)
    describe(field, column.description + (f" Unit: {column.unit}." if column.unit else ""))


def describe(field: Element, text: str) -> None:
    """Add what is shown when the pointer rests on a field."""
    SubElement(SubElement(SubElement(field, "desc"), "formatted-text"), "run").text = text


def add_folders(root: Element, star: Star, constants: tuple[Constant, ...]) -> None:
    """Add the folders of the data pane, without those that would be empty."""
    contents = sort_into_folders(star)
    contents["Build"] += [constant.name for constant in constants]
    folders = SubElement(root, "folders-common")
    for folder, names in contents.items():
        if names:
            element = SubElement(folders, "folder", name=folder)
            for name in names:
                SubElement(element, "folder-item", name=f"[{name}]", type="field")


def add_sorts(root: Element, star: Star) -> None:
    """Add the order of texts that have one: months, weekdays, times of day, intensities."""
    sorts = SubElement(root, "default-sorts")
    for part in star.parts:
        for name, column in part.fields.items():
            if values := list_order(column):
                sort = SubElement(sorts, "manual-sort", column=f"[{name}]", direction="ASC")
                order = SubElement(sort, "dictionary")
                for value in values:
                    SubElement(order, "bucket").text = f'"{value}"'


def add_object_graph(root: Element, star: Star) -> None:
    """Add Tableau's object model: a logical table per part, and how they belong together."""
    graph = SubElement(root, "object-graph")
    objects, relationships = SubElement(graph, "objects"), SubElement(graph, "relationships")
    for part in order_parts(star):
        element = SubElement(objects, "object", caption=name_rows(part), id=name_object(star, part))
        add_relation(SubElement(element, "properties", context=""), star, part)
    for relationship in sorted(star.relationships, key=lambda found: found.parent):
        add_relationship(relationships, star, relationship)


def add_relationship(parent: Element, star: Star, found: Relationship) -> None:
    """Add that a child's fields equal the parent's key, which is unique."""
    parts = {part.name: part for part in star.parts}
    child, one = parts[found.child], parts[found.parent]
    pairs = list(zip(found.child_fields, one.key, strict=True))
    relationship = SubElement(parent, "relationship")
    where = relationship if len(pairs) == 1 else SubElement(relationship, "expression", op="AND")
    for left, right in pairs:
        equal = SubElement(where, "expression", op="=")
        SubElement(equal, "expression", op=f"[{left}]")
        SubElement(equal, "expression", op=f"[{right}]")
    SubElement(relationship, "first-end-point", {"object-id": name_object(star, child)})
    SubElement(
        relationship, "second-end-point", {"object-id": name_object(star, one), "unique-key": "true"}
    )
