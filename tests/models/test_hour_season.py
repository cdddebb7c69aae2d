"""The yearly waves of the hours: found where they are, against the textbook's formula, nothing else."""

import math

import numpy as np
import pytest

from models.arrays import Floats
from models.base_rate import estimate_base
from models.city_level import forecast_level
from models.hour_season import (
    PROFILE_BANDWIDTH,
    WAVE_BANDWIDTH,
    WAVE_SD,
    estimate_hour_seasons,
)
from models.panel import HOURS, Panel
from tests.models.panels import FIRST_MONTH, make_panel

EVENINGS = slice(18, 23)
JANUARY, JULY = FIRST_MONTH + 36, FIRST_MONTH + 42


def make_seasonal(wave: float, places: int = 4) -> Panel:
    """Return three years whose evening hours have a wave that peaks in July; no month differs in all."""
    panel = make_panel(places=places, months=36)
    counts = np.full(panel.stratum_counts.shape, 50.0)
    months = np.arange(36)
    evening = np.exp(-wave * np.cos(2 * np.pi * months / 12))
    counts[:, :, EVENINGS] *= evening[None, :, None, None]
    counts *= 50 * HOURS / counts.sum(axis=2, keepdims=True)
    panel.stratum_counts[:] = counts
    return panel


def slow_seasons(panel: Panel, months: list[int]) -> Floats:
    """Return the factors by inverse matrices, an entry at a time."""
    counts, exposure, seen = panel.counts.sum(axis=0), panel.exposure, panel.month_numbers
    expected = np.empty_like(counts)
    for t in range(len(seen)):
        weights = [math.exp(-0.5 * ((other - seen[t]) / PROFILE_BANDWIDTH) ** 2) for other in seen]
        for h in range(HOURS):
            near = sum(w * c for w, c in zip(weights, counts[:, h], strict=True)) + 0.5
            days = sum(w * d for w, d in zip(weights, exposure[:, h], strict=True))
            expected[t, h] = near / days * exposure[t, h]
        expected[t] *= counts[t].sum() / expected[t].sum()
    # The sizes of the cosines come first, then those of the sines.
    design = [np.kron(np.array([f(2 * math.pi * t / 12) for f in (math.cos, math.sin)])[:, None],
                      np.eye(HOURS)) for t in seen]  # fmt: skip
    gap = [[min(abs(a - b), HOURS - abs(a - b)) for b in range(HOURS)] for a in range(HOURS)]
    prior = WAVE_SD**2 * np.kron(np.eye(2), np.exp(-0.5 * (np.array(gap) / WAVE_BANDWIDTH) ** 2))
    likelihood = sum(d @ np.diag(e) @ d.T for d, e in zip(design, expected, strict=True))
    gradient = sum(d @ (c - e) for d, c, e in zip(design, counts, expected, strict=True))
    # (K^-1 + A)^-1 = K - K (K + A^-1)^-1 K: a smooth K has no inverse that could be relied on.
    posterior = prior - prior @ np.linalg.inv(prior + np.linalg.inv(likelihood)) @ prior
    sizes = posterior @ gradient
    factors = [
        [math.exp(math.cos(2 * math.pi * t / 12) * sizes[h]
                  + math.sin(2 * math.pi * t / 12) * sizes[HOURS + h]) for h in range(HOURS)]
        for t in months
    ]  # fmt: skip
    return np.array(factors)


def test_factors_are_the_posterior_mode_of_one_newton_step() -> None:
    panel = make_panel(places=5, months=20, rate=0.4)
    panel.clock_hours[:, 2] -= 3.0
    months = [FIRST_MONTH + 20, FIRST_MONTH + 27]
    np.testing.assert_allclose(
        estimate_hour_seasons(panel, np.array(months)), slow_seasons(panel, months), rtol=1e-6
    )


def test_evenings_that_are_busier_in_summer_are_expected_so() -> None:
    panel = make_seasonal(0.08)
    january, july = estimate_hour_seasons(panel, np.array([JANUARY, JULY]))
    swing = july[EVENINGS].mean() / july[2:14].mean() / (january[EVENINGS].mean() / january[2:14].mean())
    assert swing == pytest.approx(math.exp(0.16), rel=0.03)


def test_hours_without_a_season_stay_as_they_are() -> None:
    np.testing.assert_allclose(
        estimate_hour_seasons(make_seasonal(0.0), np.array([JANUARY, JULY])), 1, atol=1e-9
    )


def test_lasting_change_of_the_hours_is_no_season() -> None:
    """From the second year on a third of the crimes of the morning are recorded at midnight."""
    panel = make_seasonal(0.0)
    moved = panel.stratum_counts[:, 12:, 8] / 3
    panel.stratum_counts[:, 12:, 8] -= moved
    panel.stratum_counts[:, 12:, 0] += moved
    factors = estimate_hour_seasons(panel, np.array([JANUARY, JULY]))
    np.testing.assert_allclose(factors, 1, atol=0.03)


def test_seasons_of_the_hours_leave_the_months_of_the_city_as_they_were() -> None:
    panel, targets = make_seasonal(0.08), np.arange(JANUARY, JANUARY + 12)
    base = estimate_base(panel, JANUARY, targets)
    counts = panel.stratum_counts.sum(axis=(0, 2), dtype=np.float64)
    days = np.broadcast_to(panel.days[:, None], counts.shape)
    level = forecast_level(counts, days, panel.month_numbers, targets).rates
    months = base.rates.sum(axis=(0, 2))
    np.testing.assert_allclose(months / months.mean(axis=0), level / level.mean(axis=0), rtol=0.005)
    evenings = base.rates[:, :, EVENINGS].sum(axis=(0, 2, 3)) / base.rates.sum(axis=(0, 2, 3))
    assert evenings[6] > 1.1 * evenings[0]
