"""Day types."""

import numpy as np
import pandas as pd
import pytest

from models.day_types import (
    HOLIDAY,
    average_factors,
    average_holidays,
    count_day_types,
    estimate_factors,
    find_day_types,
)

JULY_2026 = 2026 * 12 + 6
HOLIDAYS = pd.DatetimeIndex(["2026-07-14", "2026-12-25", "2027-12-25"])
NONE = pd.DatetimeIndex([])


def test_holidays_are_a_type_of_their_own() -> None:
    days = pd.DatetimeIndex(["2026-07-04", "2026-07-06", "2026-07-14", "2026-12-25"])
    assert find_day_types(days, HOLIDAYS).tolist() == [5, 0, HOLIDAY, HOLIDAY]
    assert find_day_types(days, NONE).tolist() == [5, 0, 1, 4]


def test_resolution_of_a_timestamp_makes_no_difference() -> None:
    days = pd.DatetimeIndex(["2026-07-14", "2026-07-15"])
    assert find_day_types(days.as_unit("ns"), HOLIDAYS.as_unit("us")).tolist() == [HOLIDAY, 2]


def test_months_count_their_own_weekdays() -> None:
    assert count_day_types(np.array([JULY_2026]), HOLIDAYS).tolist() == [[4, 3, 5, 5, 5, 4, 4, 1]]
    assert count_day_types(np.array([JULY_2026]), NONE).tolist() == [[4, 4, 5, 5, 5, 4, 4, 0]]


def test_holidays_a_year_are_the_mean_of_their_own_years() -> None:
    assert average_holidays(HOLIDAYS) == 1.5
    assert average_holidays(NONE) == 0


@pytest.mark.parametrize("holidays_a_year", [0, 11.4])
def test_factors_find_a_busy_night_and_average_to_one(holidays_a_year: float) -> None:
    days = np.array([100, 100, 100, 100, 100, 100, 100, 10 * bool(holidays_a_year)])
    counts = np.einsum("k,h,s->khs", days, np.full(24, 5.0), np.array([1.0, 0.2]))
    counts[5, 22, 0] *= 2
    factors = estimate_factors(counts, days, holidays_a_year)
    assert 1.5 < factors[5, 22, 0] / factors[1, 22, 0] < 2.1
    assert abs(factors[3, 4, 1] - 1) < 0.05
    often = np.append(np.full(7, (365.25 - holidays_a_year) / 7), holidays_a_year) / 365.25
    np.testing.assert_allclose(np.einsum("k,khs->hs", often, factors), 1)


def test_unseen_day_type_gets_no_factor_of_its_own() -> None:
    days = np.array([10, 10, 10, 10, 10, 10, 10, 0])
    factors = estimate_factors(np.full((8, 24, 1), 10.0) * (days > 0)[:, None, None], days, 11)
    np.testing.assert_allclose(factors, 1, rtol=1e-6)


def test_month_with_more_busy_days_weighs_more() -> None:
    factors = np.ones((8, 24, 1))
    factors[6] = 2
    four, five = average_factors(factors, np.array([[4] * 7 + [0], [4, 4, 4, 4, 4, 4, 5, 0]]))
    assert (five > four).all()
