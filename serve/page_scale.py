"""Axes of the pictures on pages: where a value lies, and round numbers to write beside them.

Input: the largest value, both ends of an axis in the picture; rows of dots. Output: a `Scale`; a picture
of dots, which the macro of `templates/dots.html` draws.
"""

import math
from dataclasses import dataclass

STEPS = (1, 2, 2.5, 5, 10)
"""Distances between ticks, times a power of ten."""
DOTS_LEFT, DOTS_RIGHT, ROW_HEIGHT = 170, 700, 20
"""Where the axis of a picture of dots begins and ends, and how high its rows are."""


@dataclass(frozen=True)
class Scale:
    """A linear axis: values from `low` to `high` lie from `start` to `end` in the picture."""

    low: float
    high: float
    start: float
    end: float

    def put(self, value: float) -> float:
        """Return where a value lies, to a tenth of a pixel."""
        return round(
            self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1
        )

    def list_ticks(self, count: int = 4) -> list[tuple[float, str]]:
        """Return some `count` round values of the axis, rising, and each as text."""
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(step * power for step in STEPS if step * power >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [number * step for number in range(first, last + 1)]
        return [(value, f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}") for value in values]


def fit_scale(largest: float, start: float, end: float) -> Scale:
    """Return the axis from 0 to a bit more than the largest value; to 1 where all are 0."""
    return Scale(0.0, 1.05 * largest if largest > 0 else 1.0, start, end)


@dataclass(frozen=True)
class DotRow:
    """A row of a picture: a dot at a value, a line over its range, a mark where it should be.

    What is not known is None and not drawn.
    """

    label: str
    value: float | None
    low: float | None
    high: float | None
    target: float | None


@dataclass(frozen=True)
class DotPicture:
    """Rows of dots on one axis, and the height of the picture they need."""

    rows: tuple[DotRow, ...]
    scale: Scale
    height: int


def draw_dots(rows: list[DotRow]) -> DotPicture:
    """Return the picture of rows, of which there may be none."""
    shown = [
        value
        for row in rows
        for value in (row.value, row.low, row.high, row.target)
        if value is not None
    ]
    low, high = min(shown, default=0.0), max(shown, default=1.0)
    room = 0.05 * (high - low) or 0.5
    return DotPicture(
        tuple(rows), Scale(low - room, high + room, DOTS_LEFT, DOTS_RIGHT), ROW_HEIGHT * len(rows) + 40
    )
