"""The model card of a build: what it is, what it was scored at, what it is for and what not.

Enters: a build with its forecasts, scores and lineage; the city's words for its districts. Leaves:
`model_card`, after Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import textwrap
from collections.abc import Mapping

import duckdb
import pandas as pd

from models.backtest import BASE, PUBLISHED, REFERENCE
from warehouse.build import Build
from warehouse.tables_forecast import MODEL_CARD_TABLE

METHOD = """\
Counts per neighborhood, month, hour and offense are modelled on the complete grid, cells without crime
included, per calendar day. The **base rate** is the city's level of each common offense (a Gaussian
process with season and damped trend), times the neighborhood's share of it, times a shape over the
hours, both drawn to broader ones ({broader}). Months that are not yet reported in full count
for less. A **random forest regressor** then corrects the base by what it saw at past origins; a gate
decides from past origins how much of that is applied. {kinds} come from city-wide
factors. **Intervals** are Gamma-Poisson, set so that they would have held at past origins. The
**patrol type** is a rule on the offense; its shares come from the base rates and a random forest
classifier. `suggested_patrol` is the type whose share of the cell, divided by the root of its share of
the city, is largest."""

TEXT_WIDTH = 105

LIMITS = """\
- Reported crime is not crime: counts follow what is reported and recorded.
- Offenses that follow police activity (`offense.is_discretionary`) say where police were as much as
  where crime was. Patrols sent by such counts find more of the same, which feeds back into the next
  counts (Lum & Isaac 2016, "To predict and serve?", Significance 13:5; Ensign et al. 2018, "Runaway
  feedback loops in predictive policing", PMLR 81).
- A patrol type is a rule from the offense, not an observed deployment; that it works is not measured.
- The level of a neighborhood drifts, and shocks to the whole city are not foreseen.
- A neighborhood with few incidents has mostly borrowed numbers: see `support_incidents`.
- Incidents count for the hour in which their time window begins; a tenth of windows is longer than a
  day, so the hours of thefts and burglaries are early rather than exact."""

USE = """\
**Intended:** planning of staffing and patrol mix by neighborhood, month and time of day, by people who
know the place; comparison of months and of neighborhoods with their own past.

**Not intended:** any decision about a person, an address or a street; evidence of suspicion; a ranking
of neighborhoods by worth; measuring police performance; anything where a single hour's number is taken
as a fact about that hour."""


def fill_card(build: Build, districts: Mapping[str, str]) -> None:
    """Fill `model_card` from the other tables of the build.

    `districts` names each kind of district that the city has (`warehouse.columns.DISTRICT_KINDS`).
    """
    sections = {
        "Data": describe_data(build.connection, districts),
        "Method": describe_method(build.connection, districts),
        "Scores": describe_scores(build.connection),
        "Limits": LIMITS,
        "Use": USE,
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
        f"{run.rows_in:,} rows kept, up to {run.cutoff:%Y-%m-%d}. ATLShield "
        f"{run.atlshield_version}, seed {run.seed}. {run.newest_month_completeness:.1%} of the newest "
        f"month is expected to be reported. Of the volume forest {run.volume_blend_weight:.0%} is "
        f"applied, of the patrol forest {run.patrol_blend_weight:.0%}."
    )
    named = ", ".join(f"{word} (`{kind}`)" for kind, word in districts.items())
    return wrap(f"{text} Districts: {named}." if named else text)


def describe_method(connection: duckdb.DuckDBPyConnection, districts: Mapping[str, str]) -> str:
    """Return how the forecast is made, without what this city lacks."""
    has_holidays = connection.execute("FROM holiday LIMIT 1").fetchone()
    broader = ("own past", districts.get("npu"), "city")
    return wrap(
        METHOD.format(
            broader=", ".join(name for name in broader if name),
            kinds="Weekdays and the city's holidays (`holiday`)" if has_holidays else "Weekdays",
        )
    )


def wrap(text: str) -> str:
    """Return a paragraph in lines of `TEXT_WIDTH`; a hyphen at the end of one would gain a space."""
    return textwrap.fill(text, TEXT_WIDTH, break_on_hyphens=False)


def describe_scores(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the scores of the published model beside the baselines, as a table."""
    scores = connection.execute("""
        SELECT model, horizon_months, metric, avg(value) AS value, count(DISTINCT origin) AS origins,
               min(origin) AS first_origin, max(origin) AS last_origin
        FROM backtest_score WHERE grain NOT LIKE 'zone%' AND grain NOT LIKE 'decile%'
          AND grain <> 'neighborhood_day'
        GROUP BY ALL""").df()
    if scores.empty:
        return "This build has no backtest: it was left out, or the data holds too few months."
    horizon = scores["horizon_months"].max()
    longest = scores[scores["horizon_months"] == horizon]
    table = longest.pivot_table(index="model", columns="metric", values="value")
    lines = [
        f"{horizon} months ahead, origins: {longest['origins'].max()}, from "
        f"{longest['first_origin'].min():%Y-%m} to {longest['last_origin'].max():%Y-%m}. Deviance below "
        f"1 is better than `{REFERENCE}`; 80 % intervals should hold 0.80.",
        "",
        "| model | deviance / reference | predicted / actual | in top 5 % of cells | 80 % held |",
        "|---|---|---|---|---|",
    ]
    for model, row in table.sort_values("deviance_to_reference").iterrows():
        if pd.notna(row["deviance_to_reference"]):
            held = f"{row['coverage_80']:.3f}" if pd.notna(row.get("coverage_80")) else ""
            lines.append(
                f"| {model} | {row['deviance_to_reference']:.4f} | {row['predicted_to_actual']:.3f} | "
                f"{row['capture_top_5_percent']:.3f} | {held} |"
            )
    losses = table["patrol_log_loss"].dropna().sort_values()
    shown = ", ".join(f"{model} {loss:.4f}" for model, loss in losses.items())
    lines += ["", f"Patrol type, log-loss, lower is better: {shown}."]
    wins = table.loc[PUBLISHED, "deviance_to_reference"] <= table.loc[BASE, "deviance_to_reference"]
    lines += ["", f"The forest {'improves' if wins else 'does not improve'} on its base here."]
    return "\n".join(lines)
