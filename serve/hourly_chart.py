"""The hourly chart: bars by hour, marked by local intensity, beside the mean hour of the city.

Input: an `HourlySeries`. Output: a figure.
"""

from dataclasses import asdict
from textwrap import wrap

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from serve.answers import BlendWeights
from serve.chart_frame import DEFAULT_SIZE, start_figure
from serve.chart_size import ChartSize
from serve.hourly_data import HourlySeries
from warehouse.chart_style import (
    EDGE_COLOR,
    INTENSITY_COLORS,
    INTENSITY_HATCHES,
    MUTED_COLOR,
    finish_axes,
    note_source,
)

HEADROOM = 1.08
"""Height of the axis beside the highest bar, or beside the line where that is higher."""

MAX_LINE_HEIGHT = 4.0
"""The line is drawn up to so many times the highest bar; beyond, it would flatten the bars."""

MIN_HEIGHT = 1e-9
"""An axis needs a height where no crime at all is expected."""

WIDE_INCHES = 8
"""From this width on, every other hour is named."""

CITY_MEAN = "mean neighborhood"


def make_figure(series: HourlySeries, size: ChartSize = DEFAULT_SIZE) -> Figure:
    """Return the chart as a figure: one axes, 24 bars, the city's mean hour, legend beside them."""
    figure = start_figure(series.title, size)
    axes = figure.subplots()
    highest = max(*series.expected_crimes, MIN_HEIGHT)
    has_line = series.city_mean <= MAX_LINE_HEIGHT * highest
    bars = axes.bar(range(len(series.expected_crimes)), series.expected_crimes, width=0.85)
    handles: list[Patch | Line2D] = [Patch(label=name) for name in INTENSITY_COLORS]
    marked = zip([*bars, *handles], [*series.intensity_local, *INTENSITY_COLORS], strict=True)
    for patch, name in marked:
        patch.set(color=INTENSITY_COLORS[name], hatch=INTENSITY_HATCHES[name], hatchcolor=EDGE_COLOR)
    if has_line:
        handles.append(axes.axhline(series.city_mean, color=MUTED_COLOR, linewidth=1.2, label=CITY_MEAN))
    told = describe_place(series, has_line=has_line)
    lines = [part for line in told.splitlines() for part in wrap(line, int(10 * figure.get_figwidth()))]
    axes.set_title("\n".join(lines), fontsize="medium", color=MUTED_COLOR)
    axes.set_ylabel("Expected crimes per hour")
    axes.set_xlabel("Hour of day, local time")
    named = range(0, 24, 2 if figure.get_figwidth() >= WIDE_INCHES else 4)
    axes.set_xticks(named, [f"{hour:02d}:00" for hour in named])
    axes.set_xlim(-0.6, 23.6)
    axes.set_ylim(0, max(highest, series.city_mean if has_line else 0) * HEADROOM)
    figure.legend(
        handles=handles, title="Beside its own hours\nof the year", loc="outside right center",
        frameon=False, fontsize="small", title_fontsize="small", alignment="left",
    )  # fmt: skip
    finish_axes(axes, "y")
    note_source(figure, series.data_source, describe_forests(series.blend_weights))
    return figure


def describe_forests(weights: BlendWeights) -> str:
    """Return how much of each forest is in the forecast; one of weight 0 is silent."""
    told = (
        f"{name} forest {f'{weight:.0%}' if weight else 'silent (not seen to help)'}"
        for name, weight in asdict(weights).items()
    )
    return f"Blend weights: {', '.join(told)}"


def describe_place(series: HourlySeries, *, has_line: bool) -> str:
    """Return what the place is and its rank; below it the city's mean hour where no line shows it."""
    rank = f"Rank {series.rank} of {series.neighborhood_count} by expected crimes in the month"
    if not series.is_named:
        rank = f"Place outside the named neighborhoods; {rank.lower()}"
    if has_line:
        return rank
    return f"{rank}\n{CITY_MEAN}: {series.city_mean:.2g} per hour, above this axis"
