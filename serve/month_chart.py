"""The month chart: 12 expected months in their prediction intervals, observed months beside them.

Input: a `MonthSeries`. Output: a figure.
"""

from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from serve.chart_frame import DEFAULT_SIZE, start_figure
from serve.chart_size import ChartSize
from serve.hourly_chart import HEADROOM, MIN_HEIGHT
from serve.month_data import MonthSeries
from warehouse.chart_style import MUTED_COLOR, SERIES_COLORS, finish_axes, note_source
from warehouse.months import MONTHS

Drawn = Line2D | BarContainer

BAR_STYLES = ((0.5, 0.45), (0.28, 0.25))
"""Width and opacity of the narrow and the wide interval: the wide one is the thinner and the paler."""
OBSERVED_SHIFT = 0.36
"""Months that an observed one stands to the right of its forecast."""

NOTE = "Intervals of the month's count are calibrated at past origins, without a guarantee"


def make_figure(series: MonthSeries, size: ChartSize = DEFAULT_SIZE) -> Figure:
    """Return the chart as a figure: one axes, legend beside it."""
    figure = start_figure(series.title, size)
    axes = figure.subplots()
    handles = [*draw_forecast(axes, series), *draw_observed(axes, series)]
    months = series.forecast_months
    named = [f"{month:%b\n%Y}" if at == 0 or month.month == 1 else f"{month:%b}"
             for at, month in enumerate(months)]  # fmt: skip
    axes.set_xticks(range(len(months)), named)
    axes.set_xlim(-0.5, len(months) - 0.5 + OBSERVED_SHIFT / 2)
    uppers = [upper for ends in series.intervals.values() for _, upper in ends]
    counts = [month.crimes for month in series.observed]
    axes.set_ylim(0, HEADROOM * max(*uppers, *counts, *series.expected_crimes, MIN_HEIGHT))
    axes.set_ylabel("Crimes in the month")
    figure.legend(
        handles=handles, loc="outside right center", frameon=False, fontsize="small", alignment="left"
    )
    finish_axes(axes, "y")
    note_source(figure, series.data_source, NOTE)
    return figure


def draw_forecast(axes: Axes, series: MonthSeries) -> list[Drawn]:
    """Draw the expected months across their intervals; return what the legend names."""
    expected = axes.plot(
        series.expected_crimes, linestyle="", marker="_", markersize=12, markeredgewidth=2.2,
        color=SERIES_COLORS[0], label="expected",
    )  # fmt: skip
    bars = [
        axes.bar(
            range(len(ends)), [upper - lower for lower, upper in ends], width,
            bottom=[lower for lower, _ in ends], color=SERIES_COLORS[0], alpha=alpha, linewidth=0,
            label=f"{level} % prediction\ninterval",
        )
        for (level, ends), (width, alpha) in zip(series.intervals.items(), BAR_STYLES, strict=True)
    ]  # fmt: skip
    return [*expected, *bars]


def draw_observed(axes: Axes, series: MonthSeries) -> list[Drawn]:
    """Draw the newest 12 observed months filled, older ones hollow; return those that are there."""
    places = {month.month: at + OBSERVED_SHIFT for at, month in enumerate(series.forecast_months)}
    newest, earlier = series.observed[-MONTHS:], series.observed[:-MONTHS]
    drawn: list[Drawn] = []
    for months, fill, label in (
        (newest, MUTED_COLOR, "observed, newest\n12 months"), (earlier, "none", "observed, earlier"),
    ):  # fmt: skip
        if months:
            drawn += axes.plot(
                [places[month.month_start.month] for month in months],
                [month.crimes for month in months], linestyle="", marker="o", markersize=4,
                color=MUTED_COLOR, markerfacecolor=fill, label=label, clip_on=False,
            )  # fmt: skip
    return drawn
