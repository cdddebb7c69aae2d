"""The map of hot spots: cells colored by expected crimes a year, over the middles of neighborhoods.

Input: rows of `hot_spot` and `neighborhood`. Output: one PNG, which says so where the data is simulated.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from warehouse.chart_style import MUTED_COLOR, SEQUENTIAL_COLORS, note_source
from warehouse.tables_hot_spots import CELL_THOUSANDTHS, MIN_INCIDENTS

SIZE, DPI = (9.0, 9.0), 120
HALF = CELL_THOUSANDTHS / 2000
"""Half a cell's side in degrees."""


def draw_spots(spots: pd.DataFrame, places: pd.DataFrame, data_source: str, out: Path) -> None:
    """Draw the map into a PNG. Raises `OSError` where it cannot be written."""
    make_figure(spots, places, data_source).savefig(out, format="png")


def make_figure(spots: pd.DataFrame, places: pd.DataFrame, data_source: str) -> Figure:
    """Return the map as a figure; `spots` ends with the row of all other cells."""
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shown, rest = spots.iloc[:-1], spots.iloc[-1]
    axes.plot(places["longitude"], places["latitude"], "+", color=MUTED_COLOR, markersize=4, alpha=0.6)
    middles = shown[["longitude", "latitude"]].to_numpy()
    corners = np.array([(-HALF, -HALF), (HALF, -HALF), (HALF, HALF), (-HALF, HALF)])
    cells = PolyCollection(list(middles[:, None] + corners), cmap=SEQUENTIAL_COLORS)
    cells.set_array(shown["expected_year_crimes"].to_numpy())
    cells.set_norm("log")
    axes.add_collection(cells)
    axes.autoscale_view()
    axes.set_aspect(1 / np.cos(np.radians(places["latitude"].mean())))
    axes.set_xlabel("longitude")
    axes.set_ylabel("latitude")
    axes.set_title("Hot spots: expected crimes a year that the public reports", loc="left")
    if len(shown):
        figure.colorbar(cells, ax=axes, shrink=0.6, label="crimes a year in a cell (logarithmic)")
    note_source(
        figure, data_source,
        f"{len(shown):,} cells with {MIN_INCIDENTS} or more incidents in twelve months; the"
        f" {rest['cell_count']:,.0f} others hold {rest['expected_share']:.0%} of the expected crimes."
        " Crosses are the middles of neighborhoods.",
    )  # fmt: skip
    return figure
