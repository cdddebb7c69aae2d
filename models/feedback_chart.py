"""The chart of the feedback simulation: the busiest tenth over the years, and all tenths at the end.

Input: rows of `feedback_simulation`. Output: one PNG, which says so where the data is simulated.
"""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from warehouse.chart_style import LINE_COLOR, SERIES_COLORS, finish_axes, note_source
from warehouse.months import MONTHS
from warehouse.tables_account import ALL_OFFENSES, CORRECTED, FEEDBACK_MONTHS, REPORTED

SIZE, DPI = (10.0, 8.0), 120
YEARS = max(FEEDBACK_MONTHS) // MONTHS
LABELS = {ALL_OFFENSES: "all offenses", REPORTED: "reported ones", CORRECTED: "all, corrected"}
"""What the forecast counts that patrols follow, in the order of their colors."""


def draw_feedback(simulated: pd.DataFrame, data_source: str, out: Path) -> None:
    """Draw the simulation into a PNG. Raises `OSError` where it cannot be written."""
    make_figure(simulated, data_source).savefig(out, format="png")


def make_figure(simulated: pd.DataFrame, data_source: str) -> Figure:
    """Return the chart as a figure: patrols that follow the forecast in full, legends beside."""
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    years, tenths = figure.subplots(2, 1, height_ratios=(3, 2))
    followed = simulated[simulated["follow_rate"] == 1]
    draw_years(years, followed[followed["volume_tenth"] == 1])
    draw_tenths(tenths, followed[followed["month"] == max(FEEDBACK_MONTHS)])
    for axes in (years, tenths):
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
        axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        finish_axes(axes, "y")
    note_source(
        figure, data_source,
        "No observed patrols: what following a forecast does to itself, if what police can discover lies"
        " where they found it so far. Bands: four in five replications.",
    )  # fmt: skip
    return figure


def draw_years(axes: Axes, busiest: pd.DataFrame) -> None:
    """Draw the busiest tenth's share of patrols by rule, and where it starts."""
    axes.axhline(busiest["start_share"].iloc[0], color=LINE_COLOR, linewidth=1)
    for (rule, label), color in zip(LABELS.items(), SERIES_COLORS, strict=False):
        rows = busiest[busiest["rule"] == rule].sort_values("month")
        years = rows["month"] / MONTHS
        axes.fill_between(
            years, rows["patrol_share_lower_80"], rows["patrol_share_upper_80"], color=color, alpha=0.2
        )
        axes.plot(years, rows["patrol_share"], color=color, linewidth=2, label=label)
    axes.set_xlabel("years")
    axes.set_ylabel("share of patrols")
    axes.set_title("The busiest tenth, if patrols follow the forecast of …", loc="left")


def draw_tenths(axes: Axes, end: pd.DataFrame) -> None:
    """Draw each tenth's patrols at the end, should they follow all offenses, beside its crimes."""
    rows = end[end["rule"] == ALL_OFFENSES].sort_values("volume_tenth")
    axes.bar(rows["volume_tenth"], rows["patrol_share"], color=SERIES_COLORS[0], alpha=0.7,
             label="patrols")  # fmt: skip
    axes.plot(rows["volume_tenth"], rows["crime_share"], "D", color=SERIES_COLORS[1], label="crimes")
    axes.set_xticks(rows["volume_tenth"])
    axes.set_xlabel("tenth of the neighborhoods by expected reported crimes, the busiest is 1")
    axes.set_ylabel("share")
    axes.set_title(f"After {YEARS} years of following all offenses", loc="left")
