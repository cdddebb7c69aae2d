"""The hourly chart: bars by hour, coloured by intensity.

Enters: an `HourlySeries`. Leaves: PNG bytes. Object-oriented figures only: pyplot keeps every figure.
"""

import io

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from serve.answers import HourlySeries
from warehouse import settings
from warehouse.columns import INTENSITIES

COLORS = dict(zip(INTENSITIES, ("#4caf50", "#f9c22e", "#d6404e"), strict=True))
"""Green, yellow, red; red and green differ in lightness too, for those who cannot tell them apart."""

SIZE_INCHES = (9, 4.5)
DOTS_PER_INCH = 110
HEADROOM = 1.22


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
    axes.bar(hours, series.expected_crimes, width=0.85, color=[COLORS[i] for i in series.intensity])
    axes.set_title(f"{series.neighborhood}, {series.forecast_month:%B %Y}: expected crimes by hour")
    axes.set_ylabel("Expected crimes per hour")
    axes.set_xlabel("Hour of day, local time")
    axes.set_xticks(range(0, 24, 2), [f"{hour:02d}:00" for hour in range(0, 24, 2)])
    axes.set_xlim(-0.6, 23.6)
    axes.set_ylim(0, max(*series.expected_crimes, 1e-9) * HEADROOM)
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.grid(visible=True, color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(
        handles=[Patch(color=color, label=intensity) for intensity, color in COLORS.items()],
        title="Intensity (city, all year)", loc="upper left", ncols=3, frameon=False,
        fontsize="small", title_fontsize="small", alignment="left",
    )  # fmt: skip
    note = f"Source: {series.data_source}"
    figure.supxlabel(note, fontsize="small", color="#555555", x=0.99, ha="right")
    if series.data_source == settings.SIMULATED:
        axes.text(
            0.5, 0.5, settings.SIMULATED.upper(), transform=axes.transAxes, ha="center",
            va="center", fontsize=34, color="#999999", alpha=0.35, rotation=18,
        )  # fmt: skip
    return figure
