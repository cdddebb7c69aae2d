"""The hourly chart: bars by hour, colored by intensity.

Input: an `HourlySeries`. Output: PNG bytes. Object-oriented figures only: pyplot keeps every figure.
"""

import io

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from serve.answers import HourlySeries
from warehouse.chart_style import INTENSITY_COLORS, finish_axes, note_source

SIZE_INCHES = (9, 4.5)
DOTS_PER_INCH = 110
HEADROOM = 1.22
"""Height of the axis beside the highest bar: room for the legend."""

MIN_HEIGHT = 1e-9
"""An axis needs a height where no crime at all is expected."""


def draw_hourly(series: HourlySeries) -> bytes:
    """Return the chart as PNG."""
    stream = io.BytesIO()
    make_figure(series).savefig(stream, format="png")
    return stream.getvalue()


def make_figure(series: HourlySeries) -> Figure:
    """Return the chart as a figure: one axes, 24 bars, legend of the three intensities."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    hours = range(len(series.expected_crimes))
    colors = [INTENSITY_COLORS[intensity] for intensity in series.intensity]
    axes.bar(hours, series.expected_crimes, width=0.85, color=colors)
    axes.set_title(f"{series.neighborhood}, {series.forecast_month:%B %Y}: expected crimes by hour")
    axes.set_ylabel("Expected crimes per hour")
    axes.set_xlabel("Hour of day, local time")
    axes.set_xticks(range(0, 24, 2), [f"{hour:02d}:00" for hour in range(0, 24, 2)])
    axes.set_xlim(-0.6, 23.6)
    axes.set_ylim(0, max(*series.expected_crimes, MIN_HEIGHT) * HEADROOM)
    axes.legend(
        handles=[Patch(color=color, label=name) for name, color in INTENSITY_COLORS.items()],
        title="Intensity (city, all year)", loc="upper left", ncols=len(INTENSITY_COLORS),
        frameon=False, fontsize="small", title_fontsize="small", alignment="left",
    )  # fmt: skip
    finish_axes(axes, "y")
    note_source(figure, series.data_source)
    return figure
