"""The sensitivity: it names what is kept, changes one constant at a time and leaves none changed."""

import pytest

from models import base_rate
from studies.sensitivity import CANDIDATES, changed, vary_constants
from tests.models.panels import FIRST_MONTH, make_panel


def test_kept_value_is_among_the_candidates() -> None:
    for module, name, values in CANDIDATES:
        assert getattr(module, name) in values, name


def test_constant_is_itself_again_whatever_happens() -> None:
    kept = base_rate.SHAPE_PRIOR_WEIGHT
    with pytest.raises(ZeroDivisionError), changed(base_rate, "SHAPE_PRIOR_WEIGHT", 1.0):
        assert base_rate.SHAPE_PRIOR_WEIGHT == 1.0
        _ = 1 / 0
    assert kept == base_rate.SHAPE_PRIOR_WEIGHT


def test_sensitivity_scores_every_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "studies.sensitivity.CANDIDATES", ((base_rate, "SHAPE_PRIOR_WEIGHT", (0.001, 40.0)),)
    )
    table = vary_constants(make_panel(places=20, months=30, rate=0.02), [FIRST_MONTH + 18])
    assert table["is_kept"].tolist() == [False, True]
    wild, shrunken = table["mean_ratio"]
    assert shrunken < wild
