"""Two charts of a plan: what fairness costs, and hours by zone and shift.

Input: a `Plan`. Output: figures, which say so where the data is simulated.
"""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from planner.plan import Plan
from warehouse.chart_style import (
    EDGE_COLOR,
    SEQUENTIAL_COLORS,
    SERIES_COLORS,
    WARNING_COLOR,
    finish_axes,
    note_source,
)
from warehouse.columns import UNKNOWN_ZONE
from warehouse.tables_plan import PLAN_HOURS_TABLE, PLAN_TRADE_OFF_TABLE

SIZE, DPI = (9.0, 5.6), 120
NOTE = "Hours where crime is expected: nothing here says that patrols reduce it."


def draw_trade_off(plan: Plan) -> Figure:
    """Return the curve of fairness: equality of hours against crimes in cells with a patrol."""
    figure = make_figure()
    axes = figure.subplots()
    rows = plan[PLAN_TRADE_OFF_TABLE]
    rows = rows[rows["is_feasible"]]
    rows = rows.assign(patrolled=100 * rows["patrolled_share"])
    for multiple, color, label, place in (
        (0.0, SERIES_COLORS[0], "without floors", (8, 4)),
        (1.0, SERIES_COLORS[2], "with the floors asked for", (-16, -12)),
    ):
        curve = rows[rows["floor_multiple"] == multiple]
        if len(curve):
            axes.plot(curve["patrolled"], curve["hours_gini"], marker="o", color=color, label=label)
        for name, x, y in zip(curve["fairness"], curve["patrolled"], curve["hours_gini"], strict=True):
            axes.annotate(f"{name:g}", (x, y), color=color, textcoords="offset points", xytext=place)
    asked = rows[rows["is_request"]]
    axes.plot(
        asked["patrolled"], asked["hours_gini"], "D", label="this plan", color=WARNING_COLOR,
        markersize=11, markerfacecolor="none", markeredgewidth=2,
    )  # fmt: skip
    axes.set_xlabel(f"% of expected crimes ({plan.request.demand}) in cells with a patrol")
    axes.set_ylabel("Gini of hours per expected crime (0: all the same)")
    axes.set_title("What fairness gives and costs; numbers are values of fairness", loc="left")
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, loc="upper right")
    finish_axes(axes, "both")
    note_source(figure, plan.data_source, NOTE)
    return figure


def draw_zone_shift(plan: Plan) -> Figure:
    """Return weekly hours by zone and shift as a table, dark for few."""
    hours = plan[PLAN_HOURS_TABLE].fillna({"zone": UNKNOWN_ZONE})
    table = hours.pivot_table(
        index="zone", columns="shift", values="hours", aggfunc="sum", observed=True
    )
    table = table[list(plan.request.shifts)]
    figure = make_figure()
    axes = figure.subplots()
    values = table.to_numpy()
    image = axes.imshow(values, cmap=SEQUENTIAL_COLORS, aspect="auto", vmin=0)
    for (row, column), value in np.ndenumerate(values):
        is_dark = value < values.max() / 2
        axes.text(column, row, f"{value:,.0f}", ha="center", va="center",
                  color=EDGE_COLOR if is_dark else "black")  # fmt: skip
    spans = [f"{shift}\n{plan.request.shifts[shift]}" for shift in table.columns]
    axes.set_xticks(range(len(spans)), spans)
    axes.set_yticks(range(len(table)), [f"zone {zone}" for zone in table.index])
    axes.set_title("Planned patrol-hours a week", loc="left")
    hide_frame(axes)
    figure.colorbar(image, ax=axes, label="hours per week")
    note_source(figure, plan.data_source, NOTE)
    return figure


def make_figure() -> Figure:
    """Return an empty figure."""
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def hide_frame(axes: Axes) -> None:
    """Take frame and ticks off a table."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


CHARTS: dict[str, Callable[[Plan], Figure]] = {
    "plan_trade_off": draw_trade_off,
    "plan_zone_shift": draw_zone_shift,
}
"""The charts by the names of their files."""
