"""The city's trend slows down, and its half-yearly wave comes back after half a year."""

import numpy as np
import pytest

from models.city_level import forecast_level
from tests.models.panels import FIRST_MONTH

MONTHS = np.arange(FIRST_MONTH, FIRST_MONTH + 36)
NEWEST = MONTHS[-1]


def forecast(rates: list[float], ahead: list[int]) -> list[float]:
    """Return the level so many months after three years of one stratum with these rates."""
    counts = np.array(rates)[:, None] * 30
    level = forecast_level(counts, np.full((36, 1), 30.0), MONTHS, NEWEST + np.array(ahead)).rates
    return [float(rate) for rate in level[:, 0]]


def test_each_year_of_a_trend_goes_1_over_e_as_far_as_the_year_before() -> None:
    """Januaries only, so that no season is in it; the e-folding time of the slope is twelve months."""
    rising = [100 * 1.01**month for month in range(36)]
    one, two, three = forecast(rising, [13, 25, 37])
    assert two > 1.01 * one
    assert np.log(two / one) / np.log(three / two) == pytest.approx(np.e, rel=0.02)


def test_two_peaks_a_year_are_forecast_as_two_peaks_six_months_apart() -> None:
    wave = [1 + 0.15 * np.cos(4 * np.pi * (month - 1) / 12) for month in range(36)]  # February, August
    level = forecast([100 * value for value in wave], list(range(1, 13)))
    peaks = [
        month for month in range(12) if level[month] > max(level[month - 1], level[(month + 1) % 12])
    ]
    assert peaks == [1, 7]
    assert level[1] == pytest.approx(level[7], rel=0.02)
    assert level[1] > 1.15 * level[4]
