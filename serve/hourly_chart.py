"""The hourly chart: bars by hour, colored by local intensity, beside the mean hour of the city.

Input: an `HourlySeries`. Output: PNG bytes. Object-oriented figures only: pyplot keeps every figure.
"""

import io

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from serve.answers import BlendWeights
from serve.chart_data import HourlySeries
from warehouse.chart_style import INTENSITY_COLORS, MUTED_COLOR, finish_axes, note_source

SIZE_INCHES = (9, 4.5)
DOTS_PER_INCH = 110
HEADROOM = 1.08
"""Height of the axis beside the highest bar, or beside the line where that is higher."""

MAX_LINE_HEIGHT = 4.0
"""The line is drawn up to so many times the highest bar; beyond, it would flatten the bars."""

MIN_HEIGHT = 1e-9
"""An axis needs a height where no crime at all is expected."""

CITY_MEAN = "mean neighborhood"


def draw_hourly(series: HourlySeries) -> bytes:
    """Return the chart as PNG."""
    stream = io.BytesIO()
    make_figure(series).savefig(stream, format="png")
    return stream.getvalue()


def make_figure(series: HourlySeries) -> Figure:
    """Return the chart as a figure: one axes, 24 bars, the city's mean hour, legend beside them."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    highest = max(*series.expected_crimes, MIN_HEIGHT)
    has_line = series.city_mean <= MAX_LINE_HEIGHT * highest
    colors = [INTENSITY_COLORS[intensity] for intensity in series.intensity_local]
    axes.bar(range(len(colors)), series.expected_crimes, width=0.85, color=colors)
    handles: list[Patch | Line2D] = [
        Patch(color=color, label=name) for name, color in INTENSITY_COLORS.items()
    ]
    if has_line:
        handles.append(axes.axhline(series.city_mean, color=MUTED_COLOR, linewidth=1.2, label=CITY_MEAN))
    figure.suptitle(f"{series.neighborhood}, {series.forecast_month:%B %Y}: expected crimes by hour")
    axes.set_title(describe_place(series, has_line=has_line), fontsize="medium", color=MUTED_COLOR)
    axes.set_ylabel("Expected crimes per hour")
    axes.set_xlabel("Hour of day, local time")
    axes.set_xticks(range(0, 24, 2), [f"{hour:02d}:00" for hour in range(0, 24, 2)])
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
        for name, weight in zip(weights._fields, weights, strict=True)
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
