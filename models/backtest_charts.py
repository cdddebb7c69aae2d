"""Charts of a backtest: skill, reliability, coverage and hit rate.

Enters: rows of `backtest_score`. Leaves: one PNG each, which says so where the data is simulated.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.backtest import DAY_GRAIN, MONTH_GRAIN, PUBLISHED

SIZE, DPI = (8.0, 4.5), 120
WORST_SHOWN = 1.15
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
        axes.spines[["top", "right"]].set_visible(False)
        figure.text(0.01, 0.005, str(scores["data_source"].iloc[0]), fontsize=8, color="#555555")
        path = out / f"{name}.png"
        figure.savefig(path)
        paths.append(path)
    return paths


def select_longest(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of one metric at the longest horizon of each origin."""
    rows = scores[scores["metric"] == metric]
    longest = rows.groupby("origin")["horizon_months"].transform("max")
    return rows[rows["horizon_months"] == longest]


def draw_skill(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw each model's deviance beside the reference's, by origin, with its 95 % interval."""
    rows = select_longest(scores, "deviance_to_reference")
    table = rows.pivot_table(index="origin", columns="model", values="value").sort_index()
    off = [str(model) for model in table if table[model].max() > WORST_SHOWN]
    for model in table.drop(columns=off):
        bold = model == PUBLISHED
        axes.plot(table.index.astype(str), table[model], marker="o", label=model,
                  linewidth=2.5 if bold else 1, zorder=3 if bold else 2)  # fmt: skip
    ends = [
        select_longest(scores, f"deviance_to_reference_{end}_95").query("model == @PUBLISHED")
        .set_index("origin")["value"].sort_index() for end in ("lower", "upper")
    ]  # fmt: skip
    axes.fill_between(table.index.astype(str), ends[0], ends[1], alpha=0.2)
    axes.set_ylabel("Poisson deviance / reference")
    axes.set_title("Skill by origin, the longest horizon (below 1 is better)", loc="left")
    if off:
        axes.set_xlabel(f"origin; not drawn, above {WORST_SHOWN}: {', '.join(off)}", fontsize=8)
    axes.legend(fontsize=8, frameon=False)


def draw_reliability(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw observed against expected crimes by tenth of the cells, all origins together."""
    rows = select_longest(scores, "expected_crimes"), select_longest(scores, "observed_crimes")
    expected, observed = (part.groupby("grain")["value"].mean().sort_values() for part in rows)
    limit = max(expected.max(), observed.max()) * 1.05
    axes.plot([0, limit], [0, limit], color="#999999", linewidth=1)
    axes.plot(expected, observed.loc[expected.index], marker="o")
    axes.set_xlabel("expected crimes per cell, mean of a tenth of the cells")
    axes.set_ylabel("observed crimes per cell")
    axes.set_title("Reliability", loc="left")


def draw_coverage(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw how often the intervals held, by origin."""
    for grain, style in ((MONTH_GRAIN, "-"), (DAY_GRAIN, ":")):
        for level, color in ((80, "#1f77b4"), (95, "#d62728")):
            rows = select_longest(scores, f"coverage_{level}").query("grain == @grain")
            held = rows.set_index("origin")["value"].sort_index()
            axes.plot(held.index.astype(str), held, style, color=color, marker="o",
                      label=f"{grain}, {level} %")  # fmt: skip
            axes.axhline(level / 100, color=color, linewidth=0.5)
    axes.set_ylabel("share of counts inside")
    axes.set_title("Coverage of the prediction intervals", loc="left")
    axes.legend(fontsize=8, frameon=False)


def draw_hit_rate(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw the share of incidents in the highest-ranked cells, by model, mean over origins."""
    shares = (1, 5, 10)
    table = pd.DataFrame(
        {
            str(share): select_longest(scores, f"capture_top_{share}_percent")
            .groupby("model")["value"]
            .mean()
            for share in shares
        }
    ).sort_values("5")
    for offset, share in enumerate(shares):
        axes.barh([index + 0.25 * (1 - offset) for index in range(len(table))], table[str(share)], 0.25,
                  label=f"top {share} % of cells")  # fmt: skip
    axes.set_yticks(range(len(table)), list(table.index), fontsize=8)
    axes.set_xlabel("share of incidents")
    axes.set_title("Hit rate", loc="left")
    axes.legend(fontsize=8, frameon=False, loc="lower right")
