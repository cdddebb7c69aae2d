"""The chain ladder on a triangle of three months, by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.models.panels import FIRST_MONTH, make_panel
from warehouse.months import start_month

JANUARY, FEBRUARY, MARCH, APRIL = range(FIRST_MONTH, FIRST_MONTH + 4)

#                    within the month, one month late, two months late
REPORTS = {JANUARY: (60, 30, 10), FEBRUARY: (40, 10, 5), MARCH: (100, 20, 7)}
"""What is reported before April is 100 of January, 50 of February and 100 of March."""


def test_factor_of_an_age_is_taken_from_months_beyond_that_age_only() -> None:
    """March, of age 0, does not tell what a next month adds; nor February what a second one does."""
    counts = np.zeros((1, 3, 24, 4), dtype=np.float32)
    counts[0, :, 12, 0] = [sum(lags) for lags in REPORTS.values()]
    rows = [
        (0, month, start_month(month), 12, 0, month + lag, incidents)
        for month, lags in REPORTS.items()
        for lag, incidents in enumerate(lags)
        if lag
    ]
    panel = make_panel(places=1, months=3)
    late = pd.DataFrame(rows, columns=panel.late.columns)
    known = replace(panel, stratum_counts=counts, late=late).before(APRIL)
    first = (90 + 50) / (60 + 40)
    second = 100 / 90
    assert known.counts.sum(axis=(0, 2)).tolist() == [100, 50, 100]
    assert known.completeness.tolist() == pytest.approx([1, 1 / second, 1 / (first * second)])
