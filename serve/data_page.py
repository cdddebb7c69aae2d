"""The pages of the data: where they come from, what was left out, what each column means, downloads.

Input: a build. Output: HTML.
"""

from typing import Annotated

import sqlalchemy as sa
from flask import Response
from pydantic import Field

from serve.builds import list_facts
from serve.current_build import take_build
from serve.pages import blueprint, render_page
from serve.parameters import Parameters, checked
from serve.rows import read_rows
from serve.tables import find_table
from warehouse.read import CORE_TABLES
from warehouse.schema import TABLES

MAX_ROWS = 30
DELAYS = (0, 1, 2, 7, 14, 30, 90)
"""Days of delay that the page tells of."""


class DictionaryQuery(Parameters):
    """Which columns of the dictionary: of a table, or that tell of some words."""

    table: Annotated[str, Field(description="Name of a table.")] = ""
    q: Annotated[str, Field(max_length=100, description="Words to find.")] = ""


@blueprint.get("/data")
@checked
def show_data(query: Parameters) -> Response:
    """Answer where the data come from, what was left out, and all downloads."""
    build = take_build()
    health, delay, card = (CORE_TABLES[name].c for name in ("feed_health", "report_delay", "model_card"))
    with build.connect() as connection:
        licence = connection.execute(
            sa.select(card.text).where(card.section == "Contact and licence")
        ).scalar()
    parts = (
        read_rows(
            build, "raw_file", "Raw files",
            ("raw_file", "layout", "rows_in", "rows_kept", "rows_rejected", "sha256"),
        ),
        read_rows(
            build, "rejected_incident", "Rejected rows by rule", ("raw_file", "rule", "row_count"),
            where=CORE_TABLES["rejected_incident"].c.row_count > 0,
            order=[CORE_TABLES["rejected_incident"].c.row_count.desc()], limit=MAX_ROWS,
        ),
        read_rows(
            build, "feed_health", "Warnings on the feed", ("health_check", "month_start", "detail"),
            where=health.is_warning, limit=MAX_ROWS,
        ),
        read_rows(
            build, "report_delay", "How late offenses are reported",
            ("delay_days", "incident_count", "cumulative_share"), where=delay.delay_days.in_(DELAYS),
        ),
    )  # fmt: skip
    return render_page(
        "data.html", build, parts=parts, tables=TABLES, licence=licence, kept=list_facts()
    )


@blueprint.get("/data/dictionary")
@checked
def show_dictionary(query: DictionaryQuery) -> Response:
    """Answer what columns mean, those of a table or those that tell of some words."""
    build, entry = take_build(), CORE_TABLES["data_dictionary"].c
    select = sa.select(entry.table_name, entry.column_name, entry.type, entry.unit, entry.description)
    table = find_table(query.table) if query.table else None
    if table:
        select = select.where(entry.table_name == table.name)
    for word in query.q.split():
        told = entry.table_name + " " + entry.column_name + " " + entry.description
        select = select.where(told.icontains(word, autoescape=True))
    select = select.order_by(entry.table_name, entry.column_number)
    is_asked = bool(query.table or query.q.strip())
    with build.connect() as connection:
        rows = connection.execute(select).all() if is_asked else []
    return render_page(
        "dictionary.html", build, query=query, rows=rows, tables=TABLES, is_asked=is_asked,
        table=table,
    )  # fmt: skip
