"""How the tables hang together, as a picture: `docs/table_diagram.md`.

Input: the declarations. Output: the text of the page, two Mermaid entity diagrams.
"""

from collections.abc import Iterator, Sequence

from warehouse.table import Column, Table


def render_diagram(tables: Sequence[Table]) -> str:
    """Return `docs/table_diagram.md`: keys and references of the tables, and of the marts."""
    lines = [
        "# Tables and their references",
        "",
        "Generated from the declarations of `warehouse/` by `python -m warehouse docs`.",
        "Only keys (PK) and references (FK) are shown; the [data dictionary](data_dictionary.md) has the"
        " rest.",
    ]
    for title, is_mart in (("Tables", False), ("Marts", True)):
        chosen = [table for table in tables if table.is_mart == is_mart]
        lines += ["", f"## {title}", "", "```mermaid", "erDiagram", *draw(chosen), "```"]
    return "\n".join(lines) + "\n"


def draw(tables: Sequence[Table]) -> Iterator[str]:
    """Yield the lines of a diagram: each table with its key and references, then each reference."""
    for table in tables:
        yield f"    {table.name} {{"
        for column in table.columns:
            marks = ["PK"] * (column.name in table.key) + ["FK"] * bool(column.references)
            if marks:
                yield f"        {column.type} {column.name} {', '.join(marks)}"
        yield "    }"
    for table in tables:
        yield from (draw_reference(table, c) for c in table.columns if c.references)


def draw_reference(table: Table, column: Column) -> str:
    """Return the line of one reference: a row of the target has any number of rows in `table`."""
    target = str(column.references).split(".")[0]
    return f"    {target} {'|o' if column.nullable else '||'}--o{{ {table.name} : {column.name}"
