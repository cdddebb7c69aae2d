"""An empty figure of a size, the same for every chart.

Input: a title and a `ChartSize`. Output: a matplotlib figure. Object-oriented figures only: pyplot keeps
every figure.
"""

from textwrap import fill

import matplotlib as mpl
from matplotlib.figure import Figure

from serve.chart_size import ChartSize

mpl.rcParams["svg.hashsalt"] = "atlshield"  # ids of an SVG are the same in every process
mpl.rcParams["text.parse_math"] = False  # a dollar in a name is a dollar

POINTS_PER_INCH = 72
TITLE_LETTERS_PER_INCH = 9.5
DEFAULT_SIZE = ChartSize.model_validate({})


def start_figure(title: str, size: ChartSize) -> Figure:
    """Return an empty figure under a title that fits its width; its layout keeps texts apart."""
    dpi = size.dots_per_inch
    inches = (size.width + 0.01) / dpi, (size.height + 0.01) / dpi  # rounding must not lose a pixel
    figure = Figure(figsize=inches, dpi=dpi, layout="constrained")
    figure.suptitle(fill(title, int(TITLE_LETTERS_PER_INCH * inches[0])))
    return figure
