"""The city chart: a map of its places by expected crimes in a month, the first of them numbered.

Input: a `CitySeries`. Output: a figure. Area and color of a bubble say the same, and the bounds of the
colors are printed.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from textwrap import fill

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from serve.alt_text import write_number
from serve.chart_frame import DEFAULT_SIZE, POINTS_PER_INCH, start_figure
from serve.chart_size import ChartSize
from serve.city_data import MAX_FIRST_PLACES, Center, CityPlace, CitySeries
from serve.hourly_chart import MIN_HEIGHT
from warehouse.chart_style import (
    EDGE_COLOR,
    GRID_COLOR,
    MUTED_COLOR,
    SEQUENTIAL_COLORS,
    note_source,
)

COLORS = 5
ROUND_NUMBERS = (1, 2, 4, 8)
"""Of the highest bound of a color, times a power of ten: so are most of its halves."""
MIN_DIAMETER, MAX_DIAMETER = 3.0, 20.0
"""Of a bubble, in points."""
MIN_DEGREES = 0.01
"""A map reaches so far from its first place at least: it may be the only one."""
MARKERS = {True: ("o", 1.0), False: ("D", math.pi / 4)}
"""Of named places, and of those outside named neighborhoods; beside each its square for one area."""
NAME_LETTERS = 24
NUMBER_POINTS = 8
NUMBER_SHIFTS = [(0.0, 0.0)] + [
    (radius * math.cos(turn * math.pi / 6), radius * math.sin(turn * math.pi / 6))
    for radius in (1.5, 2.5, 3.5) for turn in range(12)
]  # fmt: skip
"""Where a number may stand beside the centre of its place, in sizes of its letters, the best first."""

Centered = list[tuple[int, CityPlace, Center]]
"""Rank by expected crimes, place and its centre."""


def make_figure(series: CitySeries, size: ChartSize = DEFAULT_SIZE) -> Figure:
    """Return the chart as a figure: a map, beside it the legend and the first places."""
    figure = start_figure(series.title, size)
    axes = figure.subplots()
    places = [
        (rank, place, place.center)
        for rank, place in enumerate(series.places, start=1) if place.center is not None
    ]  # fmt: skip
    norm = make_norm(series.places[0].expected_month_crimes)
    fit_map(axes, [center for *_, center in places])
    draw_places(axes, places, norm)
    axes.set_title(series.total, fontsize="medium", color=MUTED_COLOR)
    add_legend(figure, series, norm)
    note_source(figure, series.data_source, *describe_map(series))
    number_places(figure, axes, places)
    return figure


def make_norm(highest: float) -> BoundaryNorm:
    """Return classes of colors, each half as high as the next: few places have most crimes."""
    power = 10.0 ** math.floor(math.log10(max(highest, MIN_HEIGHT)))
    top = next((n * power for n in ROUND_NUMBERS if n * power >= highest), 10 * power)
    bounds = [0.0, *(top / 2**halves for halves in reversed(range(COLORS)))]
    return BoundaryNorm(bounds, colormaps[SEQUENTIAL_COLORS].N)


def fit_map(axes: Axes, centers: Sequence[Center]) -> None:
    """Let the axes hold all places, a degree of longitude as long as it is there."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(GRID_COLOR)
    if not centers:
        axes.text(0.5, 0.5, "No place has a known centre", transform=axes.transAxes, ha="center")
        return
    east, north = centers[0]
    axes.update_datalim([(east + side, north + side) for side in (-MIN_DEGREES, MIN_DEGREES)])
    axes.set_aspect(1 / math.cos(math.radians(north)), adjustable="datalim")


def draw_places(axes: Axes, places: Centered, norm: BoundaryNorm) -> None:
    """Draw a bubble for each place, small ones above large ones.

    Bubbles also where the build has boundaries, which the city's page fills: they do not make a place of
    much ground look like one of many crimes.
    """
    for is_named, (marker, square) in MARKERS.items():
        shown = [(center, place) for _, place, center in places if place.is_named is is_named]
        if not shown:
            continue
        crimes = [place.expected_month_crimes for _, place in shown]
        axes.scatter(
            [center[0] for center, _ in shown], [center[1] for center, _ in shown],
            s=[square * find_diameter(value, norm) ** 2 for value in crimes], c=crimes, norm=norm,
            cmap=SEQUENTIAL_COLORS, marker=marker, edgecolors=EDGE_COLOR, linewidths=0.5,
        )  # fmt: skip


def find_diameter(crimes: float, norm: BoundaryNorm) -> float:
    """Return the diameter of a bubble in points; its area grows with the crimes."""
    return max(MIN_DIAMETER, MAX_DIAMETER * math.sqrt(crimes / norm.boundaries[-1]))


def add_legend(figure: Figure, series: CitySeries, norm: BoundaryNorm) -> None:
    """Write the classes of the bubbles, and below them the first places, beside the map."""
    handles = [
        Line2D([], [], linestyle="", marker=MARKERS[True][0], markersize=find_diameter(upper, norm),
               color=colormaps[SEQUENTIAL_COLORS](norm((lower + upper) / 2)),
               markeredgecolor=EDGE_COLOR, label=f"{lower:.4g} to {upper:.4g}")
        for lower, upper in pairwise(norm.boundaries)
    ]  # fmt: skip
    if not all(place.is_named for place in series.places):
        handles.append(Line2D([], [], linestyle="", marker=MARKERS[False][0], color=MUTED_COLOR,
                              markersize=5, label="outside named\nneighborhoods"))  # fmt: skip
    first = (
        fill(f"{rank} {place.neighborhood}: {write_number(place.expected_month_crimes)}", NAME_LETTERS)
        for rank, place in enumerate(series.places[:MAX_FIRST_PLACES], start=1)
    )
    handles.append(Line2D([], [], linestyle="", label="\n".join(("", "Most in:", *first))))
    figure.legend(
        handles=handles, title="Expected crimes", loc="outside right center", frameon=False,
        fontsize="small", title_fontsize="small", alignment="left", labelspacing=0.8,
    )  # fmt: skip


def describe_map(series: CitySeries) -> list[str]:
    """Return the notes below the map."""
    notes = ["Bubbles stand at the median of incidents; areas grow with expected crimes"]
    if series.missing:
        notes.append(
            f"{len(series.missing)} of {len(series.places)} places have no known centre: not on the map"
        )
    return notes


def number_places(figure: Figure, axes: Axes, places: Centered) -> None:
    """Write the ranks of the first places at their bubbles, none on another.

    Where they find room depends on the layout, which is therefore made here, once.
    """
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    axes.apply_aspect()
    taken: list[tuple[float, float]] = []
    for rank, _, center in places[:MAX_FIRST_PLACES]:
        if rank > MAX_FIRST_PLACES:
            break
        x, y = axes.transData.transform(center) * POINTS_PER_INCH / figure.dpi / NUMBER_POINTS
        right, up = next((shift for shift in NUMBER_SHIFTS if all(
            max(abs(x + shift[0] - left), abs(y + shift[1] - low)) > 1.2 for left, low in taken
        )), NUMBER_SHIFTS[-1])  # fmt: skip
        taken.append((x + right, y + up))
        axes.annotate(
            f"{rank}", center, (NUMBER_POINTS * right, NUMBER_POINTS * up),
            textcoords="offset points", ha="center", va="center", fontsize=NUMBER_POINTS,
            path_effects=[withStroke(linewidth=2, foreground=EDGE_COLOR)],
        )  # fmt: skip
