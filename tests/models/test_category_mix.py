"""The mix of offenses: shares that add up, a slow oracle, places and hours that differ."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.arrays import Floats
from models.category_mix import CITY_PRIOR_WEIGHT, UNSEEN_INCIDENTS, estimate_mix
from models.panel import Offense, Panel
from tests.models.panels import FIRST_MONTH, make_panel

OFFENSES = (
    Offense("Theft", 0, is_reported=True),
    Offense("Drugs", 0, is_reported=False),
    Offense("Assault", 1, is_reported=True),
    Offense("Theft", 1, is_reported=True),
    Offense("Fraud", 2, is_reported=True),
    Offense("Drugs", 3, is_reported=False),
    Offense("Arson", 3, is_reported=True),
)
"""Strata of one or two offenses, categories in several strata, and the last one never seen."""


def make_mixed() -> Panel:
    """Return a panel whose offenses depend on place and hour."""
    panel = replace(make_panel(places=4, months=12, rate=0.2), offenses=OFFENSES)
    cells = panel.offense_cells
    first = np.array([0, 2, 4, 5])[cells["offense"]]
    is_second = (cells["offense"] < 2) & ((cells["place"] == 1) | (cells["hour"] > 20))
    return replace(panel, offense_cells=cells.assign(offense=first + is_second))


def mix_slowly(panel: Panel, place: int, hour: int, offense: int) -> float:
    """Return the share of an offense in its stratum, by the formula for one cell."""
    cells = panel.offense_cells
    kin = [n for n, other in enumerate(OFFENSES) if other.stratum == OFFENSES[offense].stratum]

    def share(chosen: pd.Series, number: int) -> float:
        seen = {n: cells[chosen & (cells["offense"] == n)]["incidents"].sum() for n in kin}
        city = {n: cells[cells["offense"] == n]["incidents"].sum() + UNSEEN_INCIDENTS for n in kin}
        prior = city[number] / sum(city.values())
        total = sum(seen.values()) + CITY_PRIOR_WEIGHT
        return float((seen[number] + CITY_PRIOR_WEIGHT * prior) / total / prior)

    def weigh(number: int) -> float:
        city = float(cells[cells["offense"] == number]["incidents"].sum()) + UNSEEN_INCIDENTS
        return city * share(cells["place"] == place, number) * share(cells["hour"] == hour, number)

    return float(weigh(offense) / sum(weigh(number) for number in kin))


def draw_rates() -> Floats:
    """Return rates (place, month, hour, stratum)."""
    return np.random.default_rng(1).gamma(1.0, size=(4, 12, 24, 4))


def test_mix_is_the_product_of_place_and_hour_within_the_stratum() -> None:
    panel = make_mixed()
    shares = estimate_mix(panel).shares
    for cell in ((0, 0, 0), (1, 3, 0), (1, 22, 1), (2, 23, 3), (3, 5, 4), (0, 1, 6)):
        assert shares[cell] == pytest.approx(mix_slowly(panel, *cell)), cell


def test_categories_and_the_reported_part_are_sums_over_offenses() -> None:
    panel, rates = make_mixed(), draw_rates()
    mix = estimate_mix(panel)
    crimes = rates[..., [offense.stratum for offense in OFFENSES]] * mix.shares[:, None]
    by_category = dict(zip(panel.category_names, np.moveaxis(mix.share_categories(rates), -1, 0),
                           strict=True))  # fmt: skip
    total = rates.sum(axis=3)
    assert list(by_category) == ["Arson", "Assault", "Drugs", "Fraud", "Theft"]
    np.testing.assert_allclose(by_category["Theft"] * total, crimes[..., 0] + crimes[..., 3])
    np.testing.assert_allclose(by_category["Drugs"] * total, crimes[..., 1] + crimes[..., 5])
    np.testing.assert_allclose(sum(by_category.values()), 1)
    reported = mix.keep_reported(rates)
    np.testing.assert_allclose(reported.sum(axis=3), total - crimes[..., 1] - crimes[..., 5])
    assert (reported <= rates).all()


def test_city_that_reports_all_keeps_its_very_rates() -> None:
    panel, rates = make_mixed(), draw_rates()
    offenses = tuple(replace(offense, is_reported=True) for offense in OFFENSES)
    kept = estimate_mix(replace(panel, offenses=offenses)).keep_reported(rates)
    np.testing.assert_allclose(kept, rates, rtol=1e-14)
    assert (kept <= rates).all()


def test_offense_cells_know_nothing_of_the_origin_or_later() -> None:
    panel = make_mixed()
    late = panel.offense_cells["reported_month"] + (panel.offense_cells["hour"] == 7) * 2
    panel = replace(panel, offense_cells=panel.offense_cells.assign(reported_month=late))
    cells = panel.before(FIRST_MONTH + 6).offense_cells
    assert cells["month_number"].max() == FIRST_MONTH + 5
    assert cells[cells["hour"] == 7]["month_number"].max() == FIRST_MONTH + 3
    future = panel.between(FIRST_MONTH + 6, FIRST_MONTH + 8).offense_cells
    assert set(future["month_number"]) == {FIRST_MONTH + 6, FIRST_MONTH + 7}
    assert 7 in set(future["hour"])
