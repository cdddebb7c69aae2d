"""The interval of a ratio of deviances against the normal interval of a mean."""

import numpy as np
import pytest

from models.metrics import resample_ratio

PLACES = 400


def test_interval_of_the_ratio_reaches_1_96_standard_errors_to_either_side() -> None:
    """Half of the places are at 0.5 and half at 1.5 of the reference: mean 1, its error 0.5 / 20.

    An interval of 90 % would reach 1.64 standard errors.
    """
    deviances = np.where(np.arange(PLACES) % 2, 0.5, 1.5)
    error = 0.5 / np.sqrt(PLACES)
    lower, upper = resample_ratio(deviances, np.ones(PLACES), seed=1, draws=10_000)
    assert lower == pytest.approx(1 - 1.96 * error, abs=0.1 * error)
    assert upper == pytest.approx(1 + 1.96 * error, abs=0.1 * error)


def test_reference_is_drawn_with_the_deviances_it_belongs_to() -> None:
    """Where every place has the same ratio, so has every draw of places."""
    reference = np.arange(1.0, PLACES + 1)
    assert resample_ratio(0.9 * reference, reference, seed=1) == pytest.approx((0.9, 0.9))
