"""Charts of a backtest: skill, reliability, coverage and hit rate.

Input: rows of `backtest_score`. Output: one PNG each, which says so where the data is simulated. Legends
stand beside the axes and notes below: neither hides a line or a bar.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import chi2

from models.arrays import Floats
from models.metrics import (
    ALL,
    CAPTURE,
    CELL_GRAIN,
    CELLS,
    COVERAGE,
    DAY_GRAIN,
    DECILE_GRAIN,
    DEVIANCE_RATIO,
    EXPECTED,
    MONTH_GRAIN,
    OBSERVED,
    RATIO_ENDS,
    Metric,
    Sample,
)
from models.model_names import BASE, MODELS, PUBLISHED
from warehouse.chart_style import LINE_COLOR, SERIES_COLORS, finish_axes, note_source

Draw = Callable[[Axes, pd.DataFrame], str]

SIZE, DPI = (9.5, 4.5), 120
LABELS = {model.name: model.label for model in MODELS}
STYLES = {
    model.name: (
        SERIES_COLORS[number % len(SERIES_COLORS)],
        "--" if number >= len(SERIES_COLORS) else "-",
    )
    for number, model in enumerate(MODELS)
}
"""Color and line of each model, the same in every chart."""
GRAIN_LABELS = {MONTH_GRAIN: "a neighborhood's month", DAY_GRAIN: "a neighborhood's day"}
COUNT_LEVEL = 0.95
"""Level of the intervals of observed counts."""
MAX_UPRIGHT_ORIGINS = 8
"""More origins are named by upright text: side by side they would overlap."""
MAX_RATIO_SHOWN = 1.15
"""Models further above the reference than this are named, not drawn: the first version is 50 times."""


def draw_scores(scores: pd.DataFrame, out: Path) -> list[Path]:
    """Draw all four charts into a folder; return their paths."""
    paths = []
    for name, draw in CHARTS.items():
        path = out / f"{name}.png"
        make_figure(draw, scores).savefig(path)
        paths.append(path)
    return paths


def make_figure(draw: Draw, scores: pd.DataFrame) -> Figure:
    """Return one chart: a figure of one axes, its legend beside it, its notes below."""
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    note = draw(axes, scores)
    finish_axes(axes)
    if axes.get_legend_handles_labels()[1]:
        figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    notes = filter(None, (note, describe_silence(scores)))
    note_source(figure, str(scores["data_source"].iloc[0]), *notes)
    return figure


def describe_silence(scores: pd.DataFrame) -> str:
    """Return at how many origins the volume forest was silent: its model scores as its base does."""
    scores = scores[scores["subset"] == ALL]
    rows = select_longest(scores, DEVIANCE_RATIO, "grain", CELL_GRAIN)
    table = rows.pivot_table(index="origin", columns="model", values="value")
    silent = int((table[PUBLISHED.name] == table[BASE.name]).sum())
    return f"Volume forest silent (not seen to help) at {silent} of {len(table)} origins."


def name_origins(axes: Axes, origins: pd.Index) -> list[int]:
    """Name the origins along the x-axis by year and month; return their places."""
    names = [f"{origin:%Y-%m}" for origin in pd.to_datetime(origins)]
    places = list(range(len(names)))
    rotation = "horizontal" if len(names) <= MAX_UPRIGHT_ORIGINS else "vertical"
    axes.set_xticks(places, names, rotation=rotation)
    axes.set_xlabel("origin")
    return places


def select_longest(
    scores: pd.DataFrame, metric: Metric[Sample], column: str, value: str
) -> pd.DataFrame:
    """Return the rows of one metric and value of a column at the longest horizon of each origin."""
    rows = scores[(scores["metric"] == metric.name) & (scores[column] == value)]
    longest = rows.groupby("origin")["horizon_months"].transform("max")
    return rows[rows["horizon_months"] == longest]


def draw_skill(axes: Axes, scores: pd.DataFrame) -> str:
    """Draw each model's deviance beside the reference's, by origin, with its bootstrap interval.

    Returns which models are too far off to be drawn.
    """
    scores = scores[scores["subset"] == ALL]
    rows = select_longest(scores, DEVIANCE_RATIO, "grain", CELL_GRAIN)
    table = rows.pivot_table(index="origin", columns="model", values="value").sort_index()
    places = name_origins(axes, table.index)
    off = [str(model) for model in table if table[model].max() > MAX_RATIO_SHOWN]
    for model in table.drop(columns=off):
        bold, (color, line) = model == PUBLISHED.name, STYLES[str(model)]
        axes.plot(places, table[model], line, marker="o", label=LABELS[str(model)],
                  color=color, linewidth=2.5 if bold else 1, zorder=3 if bold else 2)  # fmt: skip
    ends = [
        select_longest(scores, end, "model", PUBLISHED.name).set_index("origin")["value"].sort_index()
        for end in RATIO_ENDS
    ]
    color, _ = STYLES[PUBLISHED.name]
    lower, upper = (end.reindex(table.index).to_numpy() for end in ends)
    axes.vlines(places, lower, upper, color=color, alpha=0.3, linewidth=6)
    axes.set_ylabel("Poisson deviance / reference")
    axes.set_title("Skill by origin, the longest horizon (below 1 is better)", loc="left")
    names = ", ".join(LABELS[model] for model in off)
    return f"Not drawn, above {MAX_RATIO_SHOWN}: {names}." if off else ""


def draw_reliability(axes: Axes, scores: pd.DataFrame) -> str:
    """Draw observed against expected crimes by tenth of the cells, origins together, on log axes.

    Returns what the bars are. Where nothing was observed there is a bar and no point.
    """
    expected, observed, cells = (
        select_longest(scores, metric, "grain", DECILE_GRAIN).groupby("subset")["value"].mean()
        for metric in (EXPECTED, OBSERVED, CELLS)
    )
    lower, upper = bound_count((observed * cells).to_numpy()) / cells.to_numpy()
    floor = min(expected.min(), observed[observed > 0].min()) / 2
    limits = float(floor), 2 * float(max(expected.max(), upper.max()))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.plot(limits, limits, color=LINE_COLOR, linewidth=1)
    axes.vlines(expected, np.maximum(lower, floor), upper, color=SERIES_COLORS[0], alpha=0.5)
    axes.plot(expected, observed.where(observed > 0), "o", color=SERIES_COLORS[0])
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    axes.set_xlabel("expected crimes per cell, mean of a tenth of the cells")
    axes.set_ylabel("observed crimes per cell")
    axes.set_title("Reliability", loc="left")
    return f"Bars: {COUNT_LEVEL:.0%} Poisson interval of the count of one origin (origins share months)."


def bound_count(counts: Floats) -> Floats:
    """Return both ends (2, count) of the exact interval of Poisson means (Garwood 1936)."""
    tail = (1 - COUNT_LEVEL) / 2
    lower = np.where(counts > 0, chi2.ppf(tail, np.maximum(2 * counts, 1e-9)) / 2, 0.0)
    return np.stack([lower, chi2.ppf(1 - tail, 2 * (counts + 1)) / 2])


def draw_coverage(axes: Axes, scores: pd.DataFrame) -> str:
    """Draw the empirical coverage of the intervals by origin, and the level it should be near."""
    for grain, style in ((MONTH_GRAIN, "-"), (DAY_GRAIN, ":")):
        for (level, metric), color in zip(COVERAGE.items(), SERIES_COLORS, strict=False):
            rows = select_longest(scores, metric, "grain", grain)
            covered = rows.set_index("origin")["value"].sort_index()
            axes.plot(name_origins(axes, covered.index), covered, style, color=color, marker="o",
                      label=f"{GRAIN_LABELS[grain]}, {level} %")  # fmt: skip
            axes.axhline(level / 100, color=color, linewidth=0.5)
    axes.set_ylabel("share of counts inside")
    axes.set_title("Empirical coverage of the prediction intervals", loc="left")
    return "Thin lines: the share that should be inside."


def draw_hit_rate(axes: Axes, scores: pd.DataFrame) -> str:
    """Draw the share of incidents in the highest-ranked cells, by model, mean over origins."""
    scores = scores[scores["subset"] == ALL]
    table = pd.DataFrame(
        {
            level: select_longest(scores, metric, "grain", CELL_GRAIN).groupby("model")["value"].mean()
            for level, metric in CAPTURE.items()
        }
    )
    table = table.sort_values(table.columns[len(table.columns) // 2])
    for number, (level, color) in enumerate(zip(CAPTURE, SERIES_COLORS, strict=False)):
        places = [index + 0.25 * (1 - number) for index in range(len(table))]
        axes.barh(places, table[level], 0.25, color=color, label=f"top {level} % of cells")
    axes.set_yticks(range(len(table)), [LABELS[str(model)] for model in table.index], fontsize=8)
    axes.set_xlabel("share of incidents")
    axes.set_title("Hit rate", loc="left")
    return ""


CHARTS: dict[str, Draw] = {
    "skill": draw_skill,
    "reliability": draw_reliability,
    "coverage": draw_coverage,
    "hit_rate": draw_hit_rate,
}
"""Charts by name of their file; each draws on axes and returns a note, empty for none."""
