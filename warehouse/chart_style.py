"""How every chart looks: its colors, the note of its source, and the mark of simulated data.

Input: a matplotlib figure and the `data_source` of what it shows. Output: the same figure, marked.
Matplotlib itself is imported by those who draw: lookups need not wait for it.
"""

from textwrap import wrap
from typing import TYPE_CHECKING, Literal

from warehouse import settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INTENSITY_COLORS = {"low": "#4caf50", "moderate": "#f9c22e", "high": "#d6404e"}
"""Green, yellow, red; red and green differ in lightness too, for those who cannot tell them apart."""
INTENSITY_HATCHES = {"low": "", "moderate": "///", "high": "xxx"}
"""Beside the colors, for those who see none."""

SERIES_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#888888")
"""Series of a chart in this order: the palette of Okabe & Ito (2008), safe for color blindness."""
WARNING_COLOR = SERIES_COLORS[1]
MUTED_COLOR, LINE_COLOR, GRID_COLOR = "#555555", "#999999", "#dddddd"
GAP_COLOR, EDGE_COLOR = "#cccccc", "white"
"""Of notes, of reference lines, of the grid, of gaps in a series, of edges and text on a color."""
SEQUENTIAL_COLORS = "cividis"
"""Colormap of amounts, dark for few, made for color blindness by Nuñez, Anderton & Renslow (2018)."""

NOTE_LETTERS_PER_INCH = 12
"""Letters of a note's line for an inch of the figure's width."""
WATERMARK_POINTS_PER_INCH = 7.6
"""Font size of the mark for an inch of the figure's height: it spans charts of any size."""


def finish_axes(axes: "Axes", grid: Literal["x", "y", "both"] | None = None) -> None:
    """Take the frame off two sides and draw a grid along an axis or both (None: no grid)."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if grid is not None:
        axes.grid(visible=True, axis=grid, color=GRID_COLOR, linewidth=0.8)


def note_source(figure: "Figure", data_source: str, *notes: str) -> None:
    """Write notes and the source below the figure; across it too, where the data is simulated.

    The layout keeps room for them as a label of the whole figure: they never lie on axes.
    """
    width = int(NOTE_LETTERS_PER_INCH * figure.get_figwidth())
    lines = [line for note in (*notes, f"Source: {data_source}") for line in wrap(note, width)]
    figure.supxlabel("\n".join(lines), fontsize="small", color=MUTED_COLOR, x=0.99, ha="right",
                     multialignment="right")  # fmt: skip
    if data_source == settings.SIMULATED:
        figure.text(
            0.5, 0.5, settings.SIMULATED.upper(), ha="center", va="center", color=LINE_COLOR, alpha=0.35,
            fontsize=WATERMARK_POINTS_PER_INCH * figure.get_figheight(), rotation=18,
        )  # fmt: skip
