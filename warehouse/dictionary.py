"""What every column means, for people: the `data_dictionary` table and `docs/data_dictionary.md`.

Enters: the declarations. Leaves: rows of the table, the text of the page.
"""

from collections.abc import Iterable, Iterator

import pandas as pd

from warehouse.build import Build
from warehouse.schema import DATA_DICTIONARY_TABLE, TABLES
from warehouse.table import Column, Table


def fill_dictionary(build: Build) -> None:
    """Write `data_dictionary` from the declarations."""
    build.insert_frame(DATA_DICTIONARY_TABLE, pd.DataFrame(list_entries(TABLES)))


def list_entries(tables: Iterable[Table]) -> Iterator[dict[str, object]]:
    """Yield one row of `data_dictionary` per table and column."""
    for table in tables:
        for position, column in enumerate(table.columns, start=1):
            yield {
                "table_name": table.name,
                "column_name": column.name,
                "position": position,
                "type": column.type,
                "label": column.label,
                "description": column.description,
                "unit": column.unit,
                "is_key": column.name in table.key,
                "is_nullable": column.nullable,
                "value_range": describe_range(column),
                "reference": column.references,
                "table_description": table.description,
                "table_grain": table.grain,
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


def render_page(tables: Iterable[Table]) -> str:
    """Return `docs/data_dictionary.md`: one section per table, one line per column."""
    lines = [
        "# Data dictionary",
        "",
        "Generated from `warehouse/schema.py` by `python -m warehouse docs`.",
        "Every timestamp is local wall clock time unless its unit says otherwise.",
    ]
    for table in tables:
        lines += ["", f"## {table.name}", "", table.description, ""]
        lines += [f"One row per {table.grain}." + (" A view." if table.is_view else "")]
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
