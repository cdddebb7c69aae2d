"""Axes of the pictures on pages: where a value lies, and round numbers to write beside them.

Input: the largest value, both ends of an axis in the picture. Output: a `Scale`.
"""

import math
from dataclasses import dataclass

STEPS = (1, 2, 2.5, 5, 10)
"""Distances between ticks, times a power of ten."""


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
        return [(number * step, f"{number * step:.4g}") for number in range(first, last + 1)]


def fit_scale(largest: float, start: float, end: float) -> Scale:
    """Return the axis from 0 to a bit more than the largest value; to 1 where all are 0."""
    return Scale(0.0, 1.05 * largest if largest > 0 else 1.0, start, end)
