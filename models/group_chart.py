"""The chart of the audit by group: predicted over actual with its interval, and misses on each side.

Input: rows of `group_audit`. Output: one PNG, which says so where the data is simulated.
"""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.arrays import Integers
from warehouse.chart_style import LINE_COLOR, SERIES_COLORS, finish_axes, note_source
from warehouse.tables_groups import LEVEL

WIDTH, DPI = 10.0, 120
ROW_INCHES, FRAME_INCHES = 0.2, 1.6
ENDS = ["predicted_to_actual_lower", "predicted_to_actual_upper"]
FURTHEST = 2.0
"""Small groups may have been missed by more: their dots stand at the edge."""


def draw_groups(audit: pd.DataFrame, data_source: str, out: Path) -> None:
    """Draw the audit into a PNG. Raises `OSError` where it cannot be written."""
    make_figure(audit, data_source).savefig(out, format="png")


def make_figure(audit: pd.DataFrame, data_source: str) -> Figure:
    """Return the chart as a figure: a row per group with scores, a gap between kinds."""
    audit = audit.dropna(subset="predicted_to_actual").reset_index(drop=True)
    rows = -(audit.index + audit["group_kind"].ne(audit["group_kind"].shift()).cumsum()).to_numpy()
    size = (WIDTH, FRAME_INCHES + ROW_INCHES * (rows[0] - rows[-1] + 1))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    ratio, misses = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    draw_ratios(ratio, audit, rows)
    draw_misses(misses, audit, rows)
    kinds = audit["group_kind"].str.replace("_", " ")
    ratio.set_yticks(rows, (kinds + ": " + audit["group_name"]).to_list(), fontsize=8)
    ratio.set_ylim(rows[-1] - 1, rows[0] + 1)
    note_source(
        figure, data_source,
        "Fifths from 1, the lowest. Bars of the left side: 95 % bootstrap intervals over months; where"
        " one does not reach the line, the group was forecast too high or too low.",
        f"Of {LEVEL} % intervals {100 - LEVEL} % of the months should miss, half on each side.",
    )  # fmt: skip
    return figure


def draw_ratios(axes: Axes, audit: pd.DataFrame, rows: Integers) -> None:
    """Draw predicted over actual of each group, and its interval."""
    axes.axvline(1, color=LINE_COLOR, linewidth=1)
    known = audit[ENDS].notna().all(axis=1).to_numpy()
    lower, upper = (audit[end].clip(upper=FURTHEST) for end in ENDS)
    axes.hlines(rows[known], lower[known], upper[known], color=SERIES_COLORS[0], linewidth=2, alpha=0.5)
    axes.plot(audit["predicted_to_actual"].clip(upper=FURTHEST), rows, "o", markersize=4,
              color=SERIES_COLORS[0])  # fmt: skip
    axes.set_xlabel(f"predicted / actual crimes (drawn up to {FURTHEST:g})")
    axes.set_title("Errors at past origins by group", loc="left")
    finish_axes(axes, "both")


def draw_misses(axes: Axes, audit: pd.DataFrame, rows: Integers) -> None:
    """Draw the shares of months below and above their intervals."""
    due = (1 - LEVEL / 100) / 2
    for side, share in ((-1, "below_share"), (1, "above_share")):
        axes.barh(rows, side * audit[share], height=0.7, color=SERIES_COLORS[1 if side > 0 else 0])
        axes.axvline(side * due, color=LINE_COLOR, linewidth=1)
    axes.axvline(0, color=LINE_COLOR, linewidth=1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(100 * value):.3g}%")
    axes.set_xlabel("below | above their interval")
    axes.set_title(f"Misses of {LEVEL} % intervals", loc="left")
    finish_axes(axes, "x")
