"""From what a chart shows to the bytes of its file. Importing this imports matplotlib.

Input: a series and a `ChartSize`. Output: PNG or SVG, the same bytes for the same chart.
"""

import gc
import io
import re
from collections.abc import Callable
from typing import Any, Literal

from matplotlib.figure import Figure

from serve import city_chart, hour_grid_chart, hourly_chart, month_chart
from serve.chart_size import ChartSize
from serve.city_data import CitySeries
from serve.hour_grid_data import HourGrid
from serve.hourly_data import HourlySeries
from serve.month_data import MonthSeries

Series = HourlySeries | MonthSeries | HourGrid | CitySeries

MAKERS: dict[type[Series], Callable[[Any, ChartSize], Figure]] = {
    HourlySeries: hourly_chart.make_figure,
    MonthSeries: month_chart.make_figure,
    HourGrid: hour_grid_chart.make_figure,
    CitySeries: city_chart.make_figure,
}
UNSAID: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Creator": None, "Date": None}}
"""What a file does not say of itself: it would differ between versions and days."""

gc.collect()
gc.freeze()  # what is there by now, stays: a collection after each chart takes 5 ms instead of 100


def draw_chart(series: Series, size: ChartSize, chart_format: Literal["png", "svg"]) -> bytes:
    """Return the file of a chart; its title and alt text are in it too."""
    content = write_figure(MAKERS[type(series)](series, size), series, chart_format)
    gc.collect()  # a figure is a cycle of some MB: left to Python, a dozen of them wait to be freed
    if chart_format == "png":
        return content
    pixels = f'width="{size.width}" height="{size.height}" role="img"'.encode()
    return re.sub(rb'width="[\d.]+pt" height="[\d.]+pt"', pixels, content, count=1)


def write_figure(figure: Figure, series: Series, chart_format: str) -> bytes:
    """Return a figure as matplotlib writes it."""
    stream = io.BytesIO()
    texts = {"Title": series.title, "Description": series.alt_text}
    figure.savefig(stream, format=chart_format, metadata=texts | UNSAID[chart_format])
    return stream.getvalue()
