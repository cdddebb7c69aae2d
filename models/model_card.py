"""The model card of a build: what it is, what it was scored at, what it is for and what not.

Input: a build with its forecasts, scores and lineage; the city's words for its districts. Output:
`model_card`, after Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

import duckdb
import pandas as pd

from models.card_texts import EVALUATION, FACTORS, HOT_SPOTS, LIMITS, ORIGIN, OVERSIGHT, USE
from models.feedback import describe_feedback
from models.metrics import (
    ALL,
    CAPTURE,
    CELL_GRAIN,
    COVERAGE,
    DEVIANCE_RATIO,
    MONTH_GRAIN,
    PATROL_LOG_LOSS,
    PREDICTED_TO_ACTUAL,
    WEIGHTED_COVERAGE,
)
from models.model_names import BASE, PUBLISHED, REFERENCE
from warehouse.build import Build
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.settings import MIN_SUGGESTED_SHARE
from warehouse.tables_forecast import MODEL_CARD_TABLE
from warehouse.tables_hot_spots import AREA_SHARE, MIN_INCIDENTS

METHOD = """\
Counts per neighborhood, month, hour and offense are modelled on the complete grid, cells without crime
included, per calendar day. The **base rate** is the city's level of each common offense (a Gaussian
process with season and damped trend, marginalised over how fast it moves and how large its season is),
times the neighborhood's share of it, times a shape over the hours, both shrunk toward broader ones
({broader}), times the season of the hours, the same for the whole city. Months that are not yet reported
in full count for less. A **random forest regressor** then corrects the base by a ratio learned at past
origins, raised to a blend weight that is chosen there and is 0 where it did not help. {day_types} come
from city-wide factors. **Intervals** ({levels} %) are Gamma-Poisson: the city's uncertainty, which all
places share, and a place's own, calibrated at past origins by group of volume; no coverage is
guaranteed. The **patrol type** is a rule on the offense; its shares blend the base rates and a random
forest classifier. `suggested_patrol` is the type whose share of the cell, divided by the root of its
share of the city, is largest, among those with at least {suggested:.0%} of the cell or the most."""

SHOWN_METRICS = (
    DEVIANCE_RATIO, PREDICTED_TO_ACTUAL, CAPTURE[5], COVERAGE[INTERVAL_LEVELS[0]],
    WEIGHTED_COVERAGE[INTERVAL_LEVELS[0]],
)  # fmt: skip
"""Columns of the table of scores, in this order."""
HEADINGS = (
    "deviance / reference", "predicted / actual", f"in top {CAPTURE[5].level} % of cells",
    f"{INTERVAL_LEVELS[0]} % coverage", "by volume",
)  # fmt: skip

SCORES_SELECT = """
SELECT model, horizon_months, metric, avg(value) AS value, min(value) AS lowest, max(value) AS highest,
       count(DISTINCT origin) AS origins,
       min(origin) AS first_origin, max(origin) AS last_origin
FROM backtest_score WHERE subset = $subset AND grain IN ($cell, $month)
GROUP BY ALL
"""

GROUPS_SELECT = """
SELECT group_kind, count(*), min(predicted_to_actual), max(predicted_to_actual),
       string_agg(group_name, ', ' ORDER BY group_name) FILTER (predicted_to_actual_lower > 1),
       string_agg(group_name, ', ' ORDER BY group_name) FILTER (predicted_to_actual_upper < 1),
       min(coverage), max(coverage)
FROM group_audit WHERE predicted_to_actual IS NOT NULL GROUP BY group_kind ORDER BY group_kind
"""

REVERSAL_SELECT = """
SELECT median(reversal_ratio_next), median(reversal_ratio_tenth) FROM mart_neighborhood_rank
"""

TEXT_WIDTH = 105


def fill_card(
    build: Build,
    districts: Mapping[str, str],
    breaks: Sequence[str] = (),
    contact: str | None = None,
    licence: str | None = None,
) -> None:
    """Fill `model_card` from the other tables of the build.

    `districts` names each kind of district that the city has (`warehouse.columns.DISTRICT_KINDS`);
    `breaks` are sentences on breaks of the newest year; `contact` answers for the forecast, `licence`
    has the terms of the data, None where the city's file names none.
    """
    sections = {
        "Data": "\n\n".join(
            [describe_data(build.connection, districts), *map(tell_break, breaks), ORIGIN]
        ),
        "Contact and licence": tell_contact(contact, licence),
        "Method": describe_method(build.connection, districts),
        "Factors": FACTORS,
        "Evaluation data": EVALUATION,
        "Scores": describe_scores(build.connection),
        "Scores by group": describe_groups(build.connection, districts),
        **describe_hot_spots(build.connection),
        "Limits": describe_limits(build.connection),
        "Use": USE,
        "Oversight": OVERSIGHT,
    }
    rows = pd.DataFrame({"section": sections.keys(), "text": sections.values()})
    rows.insert(0, "section_number", range(1, len(rows) + 1))
    build.insert_frame(MODEL_CARD_TABLE, rows)


def render_card(build_id: str, sections: list[tuple[str, str]]) -> str:
    """Return the card of a build as one Markdown page."""
    parts = [f"## {section}\n\n{text}\n" for section, text in sections]
    return "\n".join([f"# Model card of build {build_id}\n", *parts])


def describe_data(connection: duckdb.DuckDBPyConnection, districts: Mapping[str, str]) -> str:
    """Return what the forecast was made from, and what the city's districts are called."""
    run = connection.execute("FROM refresh_run").df().iloc[0]
    warning = "**This is simulated data; it says nothing about real places.** "
    text = (
        f"{warning if run.is_synthetic else ''}{run.data_source}, {run.city}: {run.rows_kept:,} of "
        f"{run.rows_in:,} rows kept (`{run.cleaning}` cleaning), up to {run.cutoff:%Y-%m-%d}. ATLShield "
        f"{run.atlshield_version}, seed {run.seed}. {run.newest_month_completeness:.1%} of the newest "
        f"month is expected to be reported. Blend weights: volume forest "
        f"{tell_weight(run.volume_blend_weight)}, patrol forest {tell_weight(run.patrol_blend_weight)}."
    )
    named = ", ".join(f"{word} (`{kind}`)" for kind, word in districts.items())
    return wrap(f"{text} Districts: {named}." if named else text)


def tell_contact(contact: str | None, licence: str | None) -> str:
    """Return who answers for the forecast, and the terms of the data."""
    return wrap(
        f"**Contact:** {contact or 'none is set; expected contact in the file of the city before use'}. "
        f"**Terms of the data:** {licence or 'the file of the city names none'}."
    )


def tell_break(sentence: str) -> str:
    """Return a sentence on a break as a paragraph."""
    return wrap(f"Of note: {sentence}.")


def tell_weight(blend_weight: float) -> str:
    """Return a blend weight for people."""
    return f"{blend_weight:.0%}" if blend_weight else "0% (not applied: it was not seen to help)"


def describe_method(connection: duckdb.DuckDBPyConnection, districts: Mapping[str, str]) -> str:
    """Return how the forecast is made, without what this city lacks."""
    has_holidays = connection.execute("FROM holiday LIMIT 1").fetchone()
    broader = ("own past", districts.get("npu"), "city")
    return wrap(
        METHOD.format(
            broader=", ".join(name for name in broader if name),
            day_types="Weekdays and the city's holidays (`holiday`)" if has_holidays else "Weekdays",
            levels=", ".join(str(level) for level in INTERVAL_LEVELS),
            suggested=MIN_SUGGESTED_SHARE,
        )
    )


def describe_limits(connection: duckdb.DuckDBPyConnection) -> str:
    """Return what the forecast cannot tell, and what would come of following it."""
    texts = LIMITS.format(
        feedback=f"- {describe_feedback(connection)}", reversal=describe_reversal(connection)
    )
    items = (" ".join(item.split()) for item in texts.removeprefix("- ").split("\n- "))
    return "\n".join(
        textwrap.fill(item, TEXT_WIDTH, initial_indent="- ", subsequent_indent="  ",
                      break_on_hyphens=False)
        for item in items
    )  # fmt: skip


def describe_reversal(connection: duckdb.DuckDBPyConnection) -> str:
    """Return how unequal reporting would have to be for an order to be another; empty of one place."""
    ((following, tenth),) = connection.execute(REVERSAL_SELECT).fetchall()
    if tenth is None:
        return ""
    return (
        f" In half of all cases, a neighborhood would change places with the next lower in rank if its"
        f" crimes were reported {following:.2f} times as often as there, with the one a tenth of all"
        f" ranks lower if {tenth:.2f} times (`mart_neighborhood_rank`)."
    )


def wrap(text: str) -> str:
    """Return a paragraph in lines of `TEXT_WIDTH`; a hyphen at the end of one would gain a space."""
    return textwrap.fill(text, TEXT_WIDTH, break_on_hyphens=False)


def describe_scores(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the scores of the published model beside the baselines, as a table."""
    subset = {"subset": ALL, "cell": CELL_GRAIN, "month": MONTH_GRAIN}
    scores = connection.execute(SCORES_SELECT, subset).df()
    if scores.empty:
        return "This build has no backtest: it was left out, or the data holds too few months."
    horizon, level = scores["horizon_months"].max(), INTERVAL_LEVELS[0]
    longest = scores[scores["horizon_months"] == horizon]
    table = longest.pivot_table(index="model", columns="metric", values="value")
    losses = table[PATROL_LOG_LOSS.name].dropna().sort_values()
    shown = ", ".join(f"{model} {loss:.4f}" for model, loss in losses.items())
    ratio = table[DEVIANCE_RATIO.name]
    lines = [
        f"{horizon} months ahead, means over past origins: {longest['origins'].max()}, from "
        f"{longest['first_origin'].min():%Y-%m} to {longest['last_origin'].max():%Y-%m}. Deviance below "
        f"1 is better than `{REFERENCE.name}`; the coverage of {level} % intervals should be near "
        f"{COVERAGE[level].target_value:.2f}, by volume (weighted by expected crimes) too.",
        "",
        *render_table(table.dropna(subset=DEVIANCE_RATIO.name)),
        "",
        f"Patrol type, log-loss, lower is better: {shown}.",
        "",
        describe_range(longest),
        describe_forest(ratio[PUBLISHED.name], ratio[BASE.name]),
    ]
    return "\n".join(lines)


def describe_groups(connection: duckdb.DuckDBPyConnection, districts: Mapping[str, str]) -> str:
    """Return a line per kind of group: how far errors differ, and which groups were missed for sure."""
    kinds = connection.execute(GROUPS_SELECT).fetchall()
    if not kinds:
        return "This build has no backtest to audit errors by."
    lines = [
        "Predicted / actual over past origins; a group is named where its 95 % bootstrap interval over"
        " months leaves out 1. Fifths are numbered from 1, the lowest.",
        "",
    ]
    for kind, groups, lowest, highest, high, low, least, most in kinds:
        named = "".join(
            f"; too {way} in {names}" for way, names in (("high", high), ("low", low)) if names
        )
        lines.append(
            f"- **{districts.get(kind, kind.replace('_', ' '))}** ({groups} groups): {lowest:.2f} to "
            f"{highest:.2f}{named}; {INTERVAL_LEVELS[0]} % intervals held {least:.0%} to {most:.0%}."
        )
    return "\n".join(lines)


def describe_hot_spots(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the section on hot spots, none where the build has none."""
    spots = connection.execute("SELECT count(*) - 1, max(spot_rank) FROM hot_spot").fetchall()
    if spots[0][1] is None:
        return {}
    scores = connection.execute(
        "SELECT model, avg(accuracy_index), avg(efficiency_index) FROM hot_spot_score"
        " GROUP BY model ORDER BY model"
    ).fetchall()
    told = "; ".join(
        f"`{model}` PAI {pai:.2f}, PEI {pei:.3f}" for model, pai, pei in scores if pai is not None
    )
    text = HOT_SPOTS.format(cells=spots[0][0], incidents=MIN_INCIDENTS, area=AREA_SHARE,
                            scores=told or "the data holds too few months for scores")  # fmt: skip
    return {"Hot spots": wrap(text)}


def describe_range(scores: pd.DataFrame) -> str:
    """Return between what the published model's scores lay over the origins."""
    published = scores[scores["model"] == PUBLISHED.name].set_index("metric")
    names = [metric.name for metric in SHOWN_METRICS]
    ranges = [
        f"{heading} {published.loc[name, 'lowest']:.3f} to {published.loc[name, 'highest']:.3f}"
        for name, heading in zip(names, HEADINGS, strict=True)
        if name in published.index
    ]
    return wrap(f"`{PUBLISHED.name}` by origin: {', '.join(ranges)}.")


def describe_forest(published: float, base: float) -> str:
    """Return what the volume forest does to its base's deviance; scores are alike where it is silent."""
    if published == base:
        return "The volume forest was not applied there: it had not been seen to help."
    return (
        f"The volume forest {'improves' if published < base else 'does not improve'} on its base there."
    )


def render_table(table: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of a Markdown table, the best model first; what a model lacks stays empty."""
    yield f"| model | {' | '.join(HEADINGS)} |"
    yield "|---" * (1 + len(HEADINGS)) + "|"
    names = [metric.name for metric in SHOWN_METRICS]
    for model, row in table.sort_values(DEVIANCE_RATIO.name).reindex(columns=names).iterrows():
        decimals = (4, *(3 for _ in names[1:]))
        values = [
            f"{value:.{digits}f}" if pd.notna(value) else ""
            for value, digits in zip(row, decimals, strict=True)
        ]
        yield f"| {model} | {' | '.join(values)} |"
