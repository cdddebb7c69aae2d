"""Intervals of a day: days within a month differ by more than Poisson, and the interval knows it."""

from dataclasses import replace

import numpy as np
import pytest

from models.interval import fit_intervals
from models.panel import Panel
from models.past_origin import replay_origins
from tests.models.panels import DAYS, FIRST_MONTH, make_panel

MONTHS = 12
DAILY = np.array([5.0])


def make_days(counts: list[int]) -> Panel:
    """Return a panel in which these counts of days, 5 on average, repeat in every place and month."""
    panel = make_panel(places=2, months=MONTHS)
    panel.stratum_counts[:] = 5 * DAYS / panel.stratum_counts[0, 0].size
    days = np.tile(counts, panel.day_counts.shape[1] // len(counts)).astype(np.uint16)
    return replace(panel, day_counts=np.tile(days, (2, 1)))


def predict_day(panel: Panel) -> tuple[float, float]:
    """Return the 80 % interval of a day on which 5 are expected."""
    model = fit_intervals(replay_origins(panel, FIRST_MONTH + MONTHS))
    interval = model.predict_day(DAILY, DAILY * DAYS, np.zeros(1), 80)
    return float(interval.lower[0]), float(interval.upper[0])


def test_days_that_are_alike_have_the_interval_of_poisson_counts() -> None:
    """At 3 the mid-p value of mean 5 is 0.19, at 2 it is 0.08; at 8 it is 0.10 from above, at 9 0.05."""
    assert predict_day(make_days([5])) == (3, 8)


def test_days_of_nothing_or_ten_by_turns_have_an_interval_that_reaches_ten() -> None:
    """That of Poisson counts, 3 to 8, would hold not one of the days seen."""
    lower, upper = predict_day(make_days([0, 10]))
    assert lower < 2
    assert upper >= 10


def test_day_overdispersion_is_its_moment() -> None:
    """Of 0 and 10 by turns, y (y - 1) is 45 a day on average; of Poisson days, 150 * 149 / 30^2."""
    model = fit_intervals(replay_origins(make_days([0, 10]), FIRST_MONTH + MONTHS))
    assert model.day_overdispersion == pytest.approx(45 / (150 * 149 / DAYS**2) - 1)
