"""The pages of the data: where they come from, what was left out, what each column means, downloads.

Input: a build. Output: HTML.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import sqlalchemy as sa
from flask import Response
from pydantic import Field

from serve.builds import list_facts
from serve.current_build import ServedBuild, take_build
from serve.glossary import WORDS
from serve.pages import blueprint, once_per_build, read_run, render_page
from serve.parameters import Parameters, checked
from serve.rows import read_rows
from serve.tables import find_table
from warehouse.columns import DISTRICT_KINDS
from warehouse.dictionary import list_entries
from warehouse.read import CORE_TABLES
from warehouse.schema import PLAN_TABLES, TABLES

MAX_ROWS = 30
NEXT_WARNING = re.compile(r"; (?=[^;]*: )")
"""Where a warning ends and another begins: each says first what it is about; one may have more parts."""
SHOWN = ("table_name", "column_name", "type", "unit", "description")
"""What the dictionary shows of a column."""
PLAN_ENTRIES = [
    {name: entry[name] for name in SHOWN}
    for entry in list_entries(PLAN_TABLES, {kind: kind for kind in DISTRICT_KINDS})
]
"""The columns of a plan: they stand in a file of their own."""
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
        "data.html", build, parts=parts, tables=TABLES, licence=licence, kept=list_facts(),
        warnings=NEXT_WARNING.split(read_run(build).warnings),
    )  # fmt: skip


@blueprint.get("/data/dictionary")
@checked
def show_dictionary(query: DictionaryQuery) -> Response:
    """Answer what columns mean, those of a table or those that tell of some words."""
    build = take_build()
    plan_table = next((table for table in PLAN_TABLES if table.name == query.table), None)
    table = plan_table or (find_table(query.table) if query.table else None)
    asked = query.q.casefold().split()
    rows = [
        row
        for row in (*read_entries(build), *PLAN_ENTRIES)
        if (table is None or row["table_name"] == table.name) and tells(row, asked)
    ]
    return render_page(
        "dictionary.html", build, query=query, rows=rows if table or asked else [],
        tables=(*TABLES, *PLAN_TABLES), is_asked=bool(table or asked), table=table,
        words={} if table else find_words(asked),
    )  # fmt: skip


@once_per_build
def read_entries(build: ServedBuild) -> list[Mapping[str, Any]]:
    """Return what each column of a build means, in the words of its city."""
    entry = CORE_TABLES["data_dictionary"].c
    select = sa.select(*(entry[name] for name in SHOWN)).order_by(entry.table_name, entry.column_number)
    with build.connect() as connection:
        return [dict(row) for row in connection.execute(select).mappings()]


def tells(row: Mapping[str, Any], asked: list[str]) -> bool:
    """Return whether all that is asked for stands in the names or the description of a column."""
    text = "{table_name} {column_name} {description}".format_map(row).casefold()
    return all(word in text for word in asked)


def find_words(asked: list[str]) -> dict[str, str]:
    """Return the words of the glossary in which all that is asked for stands, in any case."""
    return {
        word: text
        for word, text in WORDS.items()
        if all(part in f"{word} {text}".casefold() for part in asked)
    }
