"""What every column means, for people: the `data_dictionary` table and `docs/data_dictionary.md`.

Input: the declarations, and a city's words for its districts. Output: rows of the table in those words;
comments in the build's own catalog and the text of the page, which hold for any city.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from warehouse.build import Build
from warehouse.columns import DISTRICT_KINDS
from warehouse.schema import TABLES
from warehouse.table import Column, Table, render_comments
from warehouse.tables_lineage import DATA_DICTIONARY_TABLE

DISTRICT_WORD = re.compile(rf"\b({'|'.join(DISTRICT_KINDS)})\b", re.IGNORECASE)


def fill_dictionary(build: Build, districts: Mapping[str, str]) -> None:
    """Write `data_dictionary` in a city's words: `districts` names each kind of district that it has.

    Columns of other kinds are left out, and so are tables with such a column in their key. The comments
    in the catalog are as declared, for tools that show them. Raises `SchemaError` as
    `Build.insert_frame` does.
    """
    import pandas as pd  # a second and 50 MB that commands on finished builds do without

    entries = pd.DataFrame(list_entries(TABLES, districts))
    for text in ("label", "description", "table_description", "table_grain"):
        entries[text] = [name_districts(entry, districts) for entry in entries[text]]
    build.insert_frame(DATA_DICTIONARY_TABLE, entries)
    write_comments(build, TABLES)


def write_comments(build: Build, tables: Iterable[Table]) -> None:
    """Write what tables and columns mean into the catalog of their file."""
    comments = (comment for table in tables for comment in render_comments(table))
    build.connection.begin()  # one wait for the disk, not one for each of some 400 statements
    build.connection.execute(";".join(comments))
    build.connection.commit()


def name_districts(text: str, districts: Mapping[str, str]) -> str:
    """Return a declaration's text with the city's words for the kinds of district that it names."""
    return DISTRICT_WORD.sub(lambda found: districts.get(found[0].lower(), found[0]), text)


def list_entries(tables: Iterable[Table], districts: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """Yield one row of `data_dictionary` per table and column that the city has, as declared."""
    for table in tables:
        lacking = {c.name for c in table.columns if c.district and c.district not in districts}
        if lacking & set(table.key):
            continue
        for number, column in enumerate(table.columns, start=1):
            if column.name in lacking:
                continue
            yield {
                "table_name": table.name,
                "column_name": column.name,
                "column_number": number,
                "type": column.type,
                "label": column.label,
                "description": column.description,
                "unit": column.unit,
                "is_key": column.name in table.key,
                "is_nullable": column.nullable,
                "value_range": describe_range(column),
                "reference": column.references,
                "table_description": table.description,
                "table_grain": table.full_grain,
            }


def describe_range(column: Column) -> str | None:
    """Return the allowed values or the bounds in words, None where the column is free."""
    if column.allowed:
        return ", ".join(column.allowed)
    if column.minimum is None and column.maximum is None:
        return None
    low = "" if column.minimum is None else f"{column.minimum:g}"
    high = "" if column.maximum is None else f"{column.maximum:g}"
    return f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}"


def render_page(tables: Iterable[Table], other_tables: Iterable[Table] = ()) -> str:
    """Return `docs/data_dictionary.md`: one section per table, one line per column.

    Those of a plan and of a fleet come last: they stand in files of their own.
    """
    lines = [
        "# Data dictionary",
        "",
        "Generated from the declarations of `warehouse/` by `python -m warehouse docs`.",
        "Every timestamp is local wall clock time unless its unit says otherwise.",
        "NPU, zone and beat stand for districts that a city may have: the table `data_dictionary` of a",
        "build calls them by the city's names and leaves out those it lacks.",
        "Tables whose names begin with `plan_` stand in the file of a plan; `fleet_run` and",
        "`city_summary` in that of a fleet.",
    ]
    for table in (*tables, *other_tables):
        lines += ["", f"## {table.name}", "", table.description, ""]
        lines += [f"One row per {table.full_grain}." + (" A view." if table.is_view else "")]
        lines += ["", "| column | type | what it holds | unit | values |", "|---|---|---|---|---|"]
        lines += [render_row(table, column) for column in table.columns]
    return "\n".join(lines) + "\n"


def render_row(table: Table, column: Column) -> str:
    """Return one line of a table's section; key columns are bold."""
    name = f"**{column.name}**" if column.name in table.key else column.name
    values = describe_range(column) or ""
    if column.references:
        values = f"{values} in `{column.references}`".strip()
    cells = (name, column.type, column.description, column.unit or "", values)
    return "| " + " | ".join(cells) + " |"
