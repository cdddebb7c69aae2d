"""As-of features: the future cannot change them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.arrays import Floats
from models.base_rate import estimate_base
from models.features import FEATURES, make_features
from models.panel import Panel
from models.patrol_forest import make_patrol_features, share_out
from tests.models.panels import FIRST_MONTH, make_panel, with_counts


def describe(panel: Panel, origin: int, months: int) -> tuple[Floats, Floats]:
    """Return the features of both forests for the months after an origin."""
    past, targets = panel.before(origin), np.arange(origin, origin + months)
    base = estimate_base(past, origin, targets).rates
    volume = make_features(past, origin, targets, base.sum(axis=3)).astype(np.float64)
    patrol = make_patrol_features(share_out(past, base), targets).astype(np.float64)
    return volume, patrol


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(8, 24))
def test_permuting_the_future_changes_no_feature(seed: int, months_known: int) -> None:
    panel = make_panel()
    counts = panel.stratum_counts.copy()
    future = counts[:, months_known:].copy()
    np.random.default_rng(seed).shuffle(future.reshape(-1))
    counts[:, months_known:] = future
    origin = FIRST_MONTH + months_known
    one, two = (describe(p, origin, 6) for p in (panel, with_counts(panel, counts)))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


def test_rows_run_over_place_then_target_then_hour() -> None:
    panel = make_panel(places=2, months=12)
    origin = FIRST_MONTH + 12
    targets = np.arange(origin, origin + 3)
    rates = estimate_base(panel, origin, targets).rates.sum(axis=3)
    features = make_features(panel, origin, targets, rates)
    assert features.shape == (2 * 3 * 24, len(FEATURES))
    cells = features.reshape(2, 3, 24, len(FEATURES))
    base = np.log(rates[1].mean(axis=0))
    np.testing.assert_allclose(cells[1, 2, :, FEATURES.index("log_base")], base, rtol=1e-5)
    assert cells[0, :, 0, FEATURES.index("horizon_months")].tolist() == [1, 2, 3]


def test_seasons_of_months_never_seen_are_neutral() -> None:
    panel = make_panel(places=2, months=3)
    origin = FIRST_MONTH + 3
    features, _ = describe(panel, origin + 4, 1)
    assert not features[:, FEATURES.index("log_city_season")].any()
    assert not features[:, FEATURES.index("log_own_season")].any()
