"""What lies over what in a drawn chart, by bounding boxes."""

from unittest.mock import patch

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase

from serve.chart_size import ChartSize

SIZES = [
    ChartSize.model_validate(size)
    for size in (
        {"width": 480, "height": 320}, {}, {"width": 1920, "height": 1080},
        {"width": 2400, "height": 320, "dpi": 300},
    )
]  # fmt: skip
"""From the smallest chart to the largest letters."""

SLACK = 1.0
"""Pixels by which boxes may touch."""


def find_overlaps(figure: Figure) -> list[str]:
    """Return what a drawn chart has where it should not, a sentence each.

    No text may reach out of the figure or lie on another; none but those written into axes on purpose
    may lie on any, and no legend on a bar or a line's point. The mark of simulated data is left out: it
    is written across.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    texts = [text for text in list_drawn(figure, renderer) if text.get_rotation() in {0, 90}]
    plots = [axes for axes in figure.axes if axes.axison]
    inside = {text: axes for axes in figure.axes for text in axes.texts}
    boxes = {text: text.get_window_extent(renderer) for text in texts}
    found = [
        f"{text.get_text()!r} lies on axes"
        for text in texts
        for axes in plots
        if inside.get(text) is not axes and cross(boxes[text], axes.get_window_extent(renderer))
    ]
    found += [
        f"{text.get_text()!r} leaves the figure" for text in texts if leaves(boxes[text], figure.bbox)
    ]
    found += [
        f"{one.get_text()!r} lies on {other.get_text()!r}"
        for number, one in enumerate(texts)
        for other in texts[:number]
        if cross(boxes[one], boxes[other])
    ]
    for legend in figure.findobj(Legend):
        box = legend.get_window_extent(renderer)
        found += ["legend lies on axes" for axes in plots if covers_data(box, axes)]
    return found


def list_drawn(figure: Figure, renderer: RendererAgg) -> list[Text]:
    """Draw a figure and return its texts; names of ticks beyond the axes exist, but are not drawn."""
    figure.draw(renderer)
    drawn: list[Text] = []
    draw = Text.draw

    def record(text: Text, renderer: RendererAgg) -> None:
        if text.get_visible() and text.get_text().strip():
            drawn.append(text)
        draw(text, renderer)

    with patch.object(Text, "draw", record):
        figure.draw(renderer)
    return drawn


def cross(one: Bbox, other: Bbox) -> bool:
    """Return whether two boxes share more than an edge."""
    shared = Bbox.intersection(one, other)
    return shared is not None and shared.width > SLACK and shared.height > SLACK


def leaves(box: Bbox, frame: BboxBase) -> bool:
    """Return whether a box reaches out of a frame."""
    grown = frame.padded(SLACK)
    return not (grown.contains(box.x0, box.y0) and grown.contains(box.x1, box.y1))


def covers_data(box: Bbox, axes: Axes) -> bool:
    """Return whether a box lies on a bar or on a point of a line of the axes."""
    if any(cross(box, patch.get_window_extent()) for patch in axes.patches):
        return True
    return any(
        box.contains(x, y)
        for line in axes.lines
        for x, y in line.get_transform().transform(line.get_xydata())
    )
