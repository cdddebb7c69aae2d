"""As-of features: the future cannot change them."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base import estimate_base
from models.features import FEATURES, make_features
from models.patrol import make_patrol_features
from models.volume import make_training_rows
from tests.models.panels import FIRST_MONTH, make_panel


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(8, 24))
def test_permuting_the_future_changes_no_feature(seed: int, months_known: int) -> None:
    panel = make_panel()
    origin = FIRST_MONTH + months_known
    counts = panel.patrol_counts.copy()
    future = counts[:, months_known:]
    np.random.default_rng(seed).shuffle(future.reshape(-1))
    counts[:, months_known:] = future
    targets = np.arange(origin, origin + 6)
    for other in (panel, replace(panel, patrol_counts=counts)):
        past = other.before(origin)
        features = make_features(past, origin, targets, estimate_base(past, origin))
        patrol = make_patrol_features(past, targets)
        if other is panel:
            first, first_patrol = features, patrol
    np.testing.assert_array_equal(first, features)
    np.testing.assert_array_equal(first_patrol, patrol)


def test_training_features_are_as_of_the_training_origin() -> None:
    panel = make_panel()
    counts = panel.patrol_counts.copy()
    counts[:, 18:] = counts[:, 18:][:, ::-1] + 1
    changed = replace(panel, patrol_counts=counts)
    origin = FIRST_MONTH + 18
    one, two = (make_training_rows(p, origin, origin + 12) for p in (panel, changed))
    np.testing.assert_array_equal(one[0], two[0])
    assert not np.array_equal(one[1], two[1])


def test_rows_run_over_place_then_target_then_hour() -> None:
    panel = make_panel(places=2, months=12)
    origin = FIRST_MONTH + 12
    base = estimate_base(panel, origin)
    features = make_features(panel, origin, np.array([origin, origin + 1, origin + 2]), base)
    assert features.shape == (2 * 3 * 24, len(FEATURES))
    cells = features.reshape(2, 3, 24, len(FEATURES))
    np.testing.assert_allclose(cells[1, 2, :, FEATURES.index("log_base")], np.log(base[1]), rtol=1e-5)
    assert cells[0, :, 0, FEATURES.index("horizon_months")].tolist() == [1, 2, 3]


def test_seasons_of_months_never_seen_are_neutral() -> None:
    panel = make_panel(places=2, months=3)
    origin = FIRST_MONTH + 3
    features = make_features(panel, origin, np.array([origin + 4]), estimate_base(panel, origin))
    assert not features[:, FEATURES.index("log_city_season")].any()
    assert not features[:, FEATURES.index("log_own_season")].any()
