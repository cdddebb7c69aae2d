"""Words for numbers: for those who cannot see a chart, and for the chart itself.

Input: numbers and where they come from. Output: text.
"""

from collections.abc import Sequence

from warehouse import settings

MIN_WRITTEN = 0.0001
"""Smaller numbers are only told to be smaller."""


def write_number(value: float) -> str:
    """Return a number for people: three significant digits, all of those before the point."""
    if 0 < value < MIN_WRITTEN:
        return f"less than {MIN_WRITTEN}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def write_interval(level: int, ends: tuple[float, float]) -> str:
    """Return a prediction interval with its level in percent."""
    return f"{level} % prediction interval {' to '.join(map(write_number, ends))}"


def write_source(data_source: str) -> str:
    """Return the sentence of the source; simulated data is said to be about no real place."""
    if data_source == settings.SIMULATED:
        return "This is simulated data and says nothing about real places."
    return f"Source: {data_source}."


def find_ends(values: Sequence[float]) -> tuple[int, int]:
    """Return where the highest and the lowest value stand, the first of several."""
    return values.index(max(values)), values.index(min(values))
