"""The search: it names what is kept, changes one constant at a time and leaves none changed."""

import pytest

from models import base
from models.search import CANDIDATES, changed, search
from tests.models.panels import FIRST_MONTH, make_panel


def test_kept_value_is_among_the_candidates() -> None:
    for module, name, values in CANDIDATES:
        assert getattr(module, name) in values, name


def test_constant_is_itself_again_whatever_happens() -> None:
    kept = base.SHAPE_PSEUDO_EVENTS
    with pytest.raises(ZeroDivisionError), changed(base, "SHAPE_PSEUDO_EVENTS", 1.0):
        assert base.SHAPE_PSEUDO_EVENTS == 1.0
        _ = 1 / 0
    assert kept == base.SHAPE_PSEUDO_EVENTS


def test_search_scores_every_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.search.CANDIDATES", ((base, "SHAPE_PSEUDO_EVENTS", (0.001, 60.0)),))
    table = search(make_panel(places=20, months=30, rate=0.02), [FIRST_MONTH + 18])
    assert table["is_kept"].tolist() == [False, True]
    wild, shrunken = table["mean_ratio"]
    assert shrunken < wild
