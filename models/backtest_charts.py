"""Charts of a backtest: skill, reliability, coverage and hit rate.

Input: rows of `backtest_score`. Output: one PNG each, which says so where the data is simulated.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.metrics import (
    ALL,
    CAPTURE,
    CELL_GRAIN,
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
from models.model_names import MODELS, PUBLISHED
from warehouse.chart_style import LINE_COLOR, SERIES_COLORS, finish_axes, note_source

SIZE, DPI = (8.0, 4.5), 120
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
MAX_RATIO_SHOWN = 1.15
"""Models further above the reference than this are named, not drawn: the first version is 50 times."""


def draw_scores(scores: pd.DataFrame, out: Path) -> list[Path]:
    """Draw all four charts into a folder; return their paths."""
    charts: dict[str, Callable[[Axes, pd.DataFrame], None]] = {
        "skill": draw_skill,
        "reliability": draw_reliability,
        "coverage": draw_coverage,
        "hit_rate": draw_hit_rate,
    }
    paths = []
    for name, draw in charts.items():
        figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        draw(axes, scores)
        finish_axes(axes)
        note_source(figure, str(scores["data_source"].iloc[0]))
        path = out / f"{name}.png"
        figure.savefig(path)
        paths.append(path)
    return paths


def select_longest(
    scores: pd.DataFrame, metric: Metric[Sample], column: str, value: str
) -> pd.DataFrame:
    """Return the rows of one metric and value of a column at the longest horizon of each origin."""
    rows = scores[(scores["metric"] == metric.name) & (scores[column] == value)]
    longest = rows.groupby("origin")["horizon_months"].transform("max")
    return rows[rows["horizon_months"] == longest]


def draw_skill(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw each model's deviance beside the reference's, by origin, with its bootstrap interval."""
    scores = scores[scores["subset"] == ALL]
    rows = select_longest(scores, DEVIANCE_RATIO, "grain", CELL_GRAIN)
    table = rows.pivot_table(index="origin", columns="model", values="value").sort_index()
    off = [str(model) for model in table if table[model].max() > MAX_RATIO_SHOWN]
    shown = table.drop(columns=off)
    for model in shown:
        bold, (color, line) = model == PUBLISHED.name, STYLES[str(model)]
        axes.plot(table.index.astype(str), table[model], line, marker="o", label=LABELS[str(model)],
                  color=color, linewidth=2.5 if bold else 1, zorder=3 if bold else 2)  # fmt: skip
    ends = [
        select_longest(scores, end, "model", PUBLISHED.name).set_index("origin")["value"].sort_index()
        for end in RATIO_ENDS
    ]
    color, _ = STYLES[PUBLISHED.name]
    axes.fill_between(table.index.astype(str), ends[0], ends[1], alpha=0.2, color=color)
    axes.set_ylabel("Poisson deviance / reference")
    axes.set_title("Skill by origin, the longest horizon (below 1 is better)", loc="left")
    if off:
        names = ", ".join(LABELS[model] for model in off)
        axes.set_xlabel(f"origin; not drawn, above {MAX_RATIO_SHOWN}: {names}", fontsize=8)
    axes.legend(fontsize=8, frameon=False)


def draw_reliability(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw observed against expected crimes by tenth of the cells, all origins together."""
    expected, observed = (
        select_longest(scores, metric, "grain", DECILE_GRAIN).groupby("subset")["value"].mean()
        for metric in (EXPECTED, OBSERVED)
    )
    expected = expected.sort_values()
    limit = max(expected.max(), observed.max()) * 1.05
    axes.plot([0, limit], [0, limit], color=LINE_COLOR, linewidth=1)
    axes.plot(expected, observed.loc[expected.index], marker="o", color=SERIES_COLORS[0])
    axes.set_xlabel("expected crimes per cell, mean of a tenth of the cells")
    axes.set_ylabel("observed crimes per cell")
    axes.set_title("Reliability", loc="left")


def draw_coverage(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw the empirical coverage of the intervals by origin, and the level it should be near."""
    for grain, style in ((MONTH_GRAIN, "-"), (DAY_GRAIN, ":")):
        for (level, metric), color in zip(COVERAGE.items(), SERIES_COLORS, strict=False):
            rows = select_longest(scores, metric, "grain", grain)
            covered = rows.set_index("origin")["value"].sort_index()
            axes.plot(covered.index.astype(str), covered, style, color=color, marker="o",
                      label=f"{GRAIN_LABELS[grain]}, {level} %")  # fmt: skip
            axes.axhline(level / 100, color=color, linewidth=0.5)
    axes.set_ylabel("share of counts inside")
    axes.set_title("Empirical coverage of the prediction intervals", loc="left")
    axes.legend(fontsize=8, frameon=False)


def draw_hit_rate(axes: Axes, scores: pd.DataFrame) -> None:
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
    axes.set_xlim(right=1.3 * table.to_numpy().max())  # room for the legend
    axes.set_xlabel("share of incidents")
    axes.set_title("Hit rate", loc="left")
    axes.legend(fontsize=8, frameon=False, loc="lower right")
