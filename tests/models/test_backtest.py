"""The backtest: origins, models, and that no forecast sees its own future."""

from dataclasses import replace

import numpy as np
import pytest

from models.backtest import (
    PUBLISHED,
    REFERENCE,
    forecast_patrol,
    forecast_volume,
    list_origins,
    run_backtest,
)
from tests.models.panels import FIRST_MONTH, make_panel


def test_origins_are_quarters_apart_with_a_year_after_the_newest() -> None:
    panel = make_panel(months=36)
    assert [origin - FIRST_MONTH for origin in list_origins(panel, 3)] == [24, 21, 18]
    assert len(list_origins(panel, 99)) == 5
    assert list_origins(make_panel(months=23), 1) == []


def test_every_model_is_scored_beside_the_reference() -> None:
    panel = make_panel(months=30)
    scores = run_backtest(panel, list_origins(panel, 1))
    volume = scores[scores["metric"] == "deviance_to_reference"].set_index("model")["value"]
    assert volume[REFERENCE] == pytest.approx(1)
    assert set(volume.index) == {"neighborhood_hour_mean", REFERENCE, "base", PUBLISHED}
    patrol = scores[scores["metric"] == "patrol_log_loss"]
    assert set(patrol["model"]) == {"city_shares", "neighborhood_hour_shares", PUBLISHED}
    assert (scores["horizon_months"] == 12).all()
    assert scores["value"].notna().all()
    assert not scores.duplicated(["model", "origin", "horizon_months", "grain", "metric"]).any()


def test_no_forecast_changes_when_the_future_does() -> None:
    panel = make_panel(months=30)
    counts = panel.patrol_counts.copy()
    counts[:, 18:] += 5
    changed = replace(panel, patrol_counts=counts)
    origin = FIRST_MONTH + 18
    for forecast in (forecast_volume, forecast_patrol):
        one, two = (
            forecast(p.before(origin), origin, p.between(origin, origin + 12)) for p in (panel, changed)
        )
        for model in one:
            np.testing.assert_array_equal(one[model], two[model])


def test_no_origins_give_no_scores() -> None:
    scores = run_backtest(make_panel(), [])
    assert scores.empty
    assert list(scores.columns) == ["model", "origin", "horizon_months", "grain", "metric", "value"]
