"""The page of accountability: whom errors fall on, where following the forecast ends, its model card.

Input: nothing. Output: HTML of `group_audit`, `feedback_simulation` and `model_card` of the build.
"""

import itertools
from typing import Any

import sqlalchemy as sa
from flask import Response
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markupsafe import Markup, escape

from serve.current_build import take_build
from serve.page_scale import DotRow, Scale, draw_dots, fit_scale
from serve.pages import blueprint, render_page
from serve.parameters import NoParameters, checked
from warehouse.months import MONTHS
from warehouse.read import CORE_TABLES
from warehouse.tables_account import FEEDBACK_MONTHS, FEEDBACK_SIMULATION_TABLE

RULES = {"all": "all offenses", "reported": "reported ones", "corrected": "all, corrected"}
"""What the forecast counts that patrols of the simulation follow, in words."""
LEFT, RIGHT, TOP, BOTTOM = 48, 712, 10, 220
"""Edges of the axes of the simulation's picture."""
HEADING_SHIFT = 3
"""A section of the card has a third heading; headings in it come below."""

SIMULATION = CORE_TABLES["feedback_simulation"].c


@blueprint.get("/account")
@checked
def show_account(query: NoParameters) -> Response:
    """Answer the page of accountability."""
    build = take_build()
    audit, card = CORE_TABLES["group_audit"], CORE_TABLES["model_card"]
    by_group = sa.select(audit).order_by(audit.c.group_kind, audit.c.group_name)
    by_section = sa.select(card).order_by(card.c.section_number)
    with build.connect() as connection:
        groups = connection.execute(by_group).all()
        sections = connection.execute(by_section).all()
        busiest = connection.execute(select_busiest()).all()
        ends = connection.execute(select_ends()).all()
    kinds = {
        kind: list(rows) for kind, rows in itertools.groupby(groups, key=lambda row: row.group_kind)
    }
    largest = max((row.patrol_share_upper_80 for row in busiest), default=0.0)
    rules = {rule: [row for row in busiest if row.rule == rule] for rule in RULES}
    return render_page(
        "account.html", build, kinds=kinds, rules=rules, ends=ends, rule_names=RULES,
        pictures={kind: draw_groups(rows) for kind, rows in kinds.items()},
        start=busiest[0].start_share if busiest else None,
        time_scale=Scale(0, max(FEEDBACK_MONTHS) / MONTHS, LEFT, RIGHT),
        share_scale=fit_scale(largest, BOTTOM, TOP),
        simulation=FEEDBACK_SIMULATION_TABLE,
        card=[(row.section, render_markdown(row.text, row.section)) for row in sections],
    )  # fmt: skip


def draw_groups(rows: list[sa.Row[Any]]) -> Any:  # noqa: ANN401
    """Return the picture of predicted over actual by group; None where nothing was scored."""
    dots = [
        DotRow(
            f"{row.group_name}", row.predicted_to_actual, row.predicted_to_actual_lower,
            row.predicted_to_actual_upper, 1.0,
        )
        for row in rows
        if row.predicted_to_actual is not None
    ]  # fmt: skip
    return draw_dots(dots) if dots else None


def select_busiest() -> sa.Select[Any]:
    """Return the query for the busiest tenth's share of patrols that follow the forecast in full."""
    return (
        sa.select(
            SIMULATION.rule, SIMULATION.month, SIMULATION.patrol_share,
            SIMULATION.patrol_share_lower_80, SIMULATION.patrol_share_upper_80, SIMULATION.start_share,
        )
        .where(SIMULATION.volume_tenth == 1, SIMULATION.follow_rate == 1)
        .order_by(SIMULATION.rule, SIMULATION.month)
    )  # fmt: skip


def select_ends() -> sa.Select[Any]:
    """Return the query for the end of the simulation by rule and follow rate.

    The busiest tenth's shares of patrols and crimes, and the share of all patrols that are not where
    crimes are.
    """

    def pick(column: sa.Column[float]) -> sa.ColumnElement[float]:
        return sa.func.max(column).filter(SIMULATION.volume_tenth == 1)

    return (
        sa.select(
            SIMULATION.rule, SIMULATION.follow_rate, pick(SIMULATION.patrol_share).label("patrols"),
            pick(SIMULATION.crime_share).label("crimes"),
            sa.func.sum(SIMULATION.total_variation).label("misplaced"),
        )
        .where(SIMULATION.month == max(FEEDBACK_MONTHS))
        .group_by(SIMULATION.rule, SIMULATION.follow_rate)
        .order_by(SIMULATION.rule, SIMULATION.follow_rate)
    )  # fmt: skip


def open_table(_renderer: RendererHTML, _tokens: Any, _at: int, _options: Any, env: Any) -> str:  # noqa: ANN401
    """Return the begin of a table of the card: it may scroll, and has the section as its caption."""
    name = escape(env["section"])
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {name}">'
        f"<table><caption>{name}</caption>"
    )


def close_table(*_: object) -> str:
    """Return the end of a table of the card."""
    return "</table></div>"


MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
MARKDOWN.add_render_rule("table_open", open_table)
MARKDOWN.add_render_rule("table_close", close_table)


def render_markdown(text: str, section: str) -> Markup:
    """Return a section of the card as HTML: tags in it are text, and it has no style and no picture."""
    env = {"section": section}
    tokens = MARKDOWN.parse(text, env)
    for token in tokens:
        token.attrs.pop("style", None)  # an aligned column; the policy of pages forbids it
        if token.type.startswith("heading"):
            token.tag = f"h{min(int(token.tag[1:]) + HEADING_SHIFT, 6)}"
    return Markup(MARKDOWN.renderer.render(tokens, MARKDOWN.options, env))  # noqa: S704
