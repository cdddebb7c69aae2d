"""A grid of hours: a row of 24 cells for each month or weekday, colored by expected crimes.

Input: an `HourGrid`. Output: a figure. Colors are few and their bounds printed; where cells have room,
their numbers are too.
"""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from serve.alt_text import write_number
from serve.chart_frame import DEFAULT_SIZE, start_figure
from serve.chart_size import ChartSize
from serve.hour_grid_data import HourGrid
from serve.hourly_chart import MIN_HEIGHT
from serve.hourly_data import HOURS
from warehouse.chart_style import EDGE_COLOR, MUTED_COLOR, SEQUENTIAL_COLORS, note_source

COLORS = 7
MAX_EXPONENT = 6
"""Crimes are told per million hours at most."""
MIN_CELL_PIXELS = 26
"""Cells of a chart so wide hold a number of two digits that can be read."""
NUMBER_POINTS = 7
AXES_SHARE = 0.7
"""Of a figure's width, about, that its cells take."""


def make_figure(series: HourGrid, size: ChartSize = DEFAULT_SIZE) -> Figure:
    """Return the chart as a figure: one axes, a color bar beside it."""
    figure = start_figure(series.title, size)
    axes = figure.subplots()
    crimes = np.array(series.expected_crimes)
    hours = find_unit(crimes.max())
    cells, has_numbers = crimes * hours, size.width * AXES_SHARE / HOURS >= MIN_CELL_PIXELS
    norm = make_norm(cells.max())
    mesh = axes.pcolormesh(
        cells, cmap=colormaps[SEQUENTIAL_COLORS], norm=norm, edgecolor=EDGE_COLOR, linewidth=0.3
    )
    mark_cells(axes, cells, norm, has_numbers=has_numbers)
    axes.set_xticks(np.arange(0, HOURS, 2) + 0.5, [f"{hour:02d}" for hour in range(0, HOURS, 2)])
    days = zip(series.row_names, series.expected_crimes, strict=True)
    axes.set_yticks(
        np.arange(len(cells)) + 0.5, [f"{name}  ({write_number(sum(row))})" for name, row in days]
    )
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Hour of day, local time")
    mark = "in bold" if has_numbers else "with a dot"
    axes.set_title(
        f"In brackets: expected on an average day; {mark}: the row's busiest hour", fontsize="small",
        color=MUTED_COLOR,
    )  # fmt: skip
    bar = figure.colorbar(mesh, ax=axes, aspect=30, pad=0.015)
    bar.set_label(f"Expected crimes per {f'{hours:,} hours' if hours > 1 else 'hour'}")
    bar.ax.tick_params(labelsize="small")
    note_source(
        figure,
        series.data_source,
        f"Forecast of {series.first_month:%B %Y} to {series.last_month:%B %Y}",
    )
    return figure


def find_unit(highest: float) -> int:
    """Return the hours, a power of ten, in which the busiest cell has at least 10 crimes."""
    units: list[int] = [10**exponent for exponent in range(MAX_EXPONENT + 1)]
    return next((hours for hours in units if highest * hours >= 10), units[-1])


def make_norm(highest: float) -> BoundaryNorm:
    """Return the classes of colors: at most so many, with round bounds, from 0 to the highest value."""
    bounds = MaxNLocator(COLORS).tick_values(0, max(highest, MIN_HEIGHT))
    return BoundaryNorm(bounds, colormaps[SEQUENTIAL_COLORS].N)


def mark_cells(axes: Axes, cells: NDArray[np.float64], norm: BoundaryNorm, *, has_numbers: bool) -> None:
    """Write the number of each cell, or a dot for the busiest of each row where there is no room."""
    for row, values in enumerate(cells):
        busiest = int(values.argmax())
        for hour in range(len(values)) if has_numbers else [busiest]:
            color = "white" if norm(values[hour]) < colormaps[SEQUENTIAL_COLORS].N / 2 else "black"
            axes.text(
                hour + 0.5, row + 0.5, f"{values[hour]:.0f}" if has_numbers else "\u25cf", color=color,
                ha="center", va="center", fontsize=NUMBER_POINTS,
                fontweight="bold" if hour == busiest else "normal", in_layout=False,
            )  # fmt: skip
