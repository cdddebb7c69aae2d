"""The backtest: origins, models, that no forecast sees its own future, and that scores are honest."""

from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from models.backtest import (
    HORIZONS,
    forecast_origin,
    list_origins,
    run_backtest,
    score_intervals,
    score_offenses,
    score_volume,
)
from models.backtest_charts import draw_scores
from models.backtest_offenses import fit_boosted
from models.base_rate import estimate_reference
from models.baselines import SIMPLE_BASELINES, fit_first_version, fit_poisson_glm
from models.load_panel import load_panel
from models.metrics import METRICS, poisson_deviance
from models.model_names import BASE, MODELS, PUBLISHED, REFERENCE
from models.panel import Offense
from tests.models.panels import FIRST_MONTH, make_panel, with_counts
from tests.quick_models import quick_models

SLOW_BASELINES = {"first_version_published", "first_version_with_exposure", "lightgbm_poisson"}


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    """Scores of every model at the newest two origins of a small panel."""
    panel = make_panel(places=8, months=36, rate=0.2)
    with quick_models():
        return run_backtest(panel, list_origins(panel, 2), with_slow_baselines=True).scores


def test_origins_are_quarters_apart_with_a_year_after_the_newest() -> None:
    panel = make_panel(months=36)
    assert [origin - FIRST_MONTH for origin in list_origins(panel, 3)] == [24, 21, 18]
    assert len(list_origins(panel, 99)) == 5
    assert list_origins(make_panel(months=23), 1) == []


def test_every_model_is_scored_beside_the_reference(scores: pd.DataFrame) -> None:
    volume = scores[scores["metric"] == "deviance_to_reference"]
    assert set(volume["model"]) == {
        REFERENCE.name,
        BASE.name,
        PUBLISHED.name,
        *SIMPLE_BASELINES,
        *SLOW_BASELINES,
    }
    assert (volume[volume["model"] == REFERENCE.name]["value"] == 1).all()
    patrol = scores[scores["metric"] == "patrol_log_loss"]
    shares = {"city_shares", "neighborhood_hour_shares", BASE.name, PUBLISHED.name}
    assert set(patrol["model"]) == shares
    assert set(scores["horizon_months"]) == set(HORIZONS)
    assert scores["value"].notna().all()
    assert not scores.duplicated(
        ["model", "origin", "horizon_months", "grain", "subset", "metric"]
    ).any()


def test_every_declared_name_is_scored_and_no_other(scores: pd.DataFrame) -> None:
    assert set(scores["metric"]) == {metric.name for metric in METRICS}
    assert set(scores["model"]) == {model.name for model in MODELS}
    for metric in METRICS:
        assert set(scores[scores["metric"] == metric.name]["grain"]) == set(metric.grains)


def test_parts_are_scored_each_on_its_own_cells(scores: pd.DataFrame) -> None:
    newest = scores[(scores["origin"] == scores["origin"].max()) & (scores["horizon_months"] == 12)]
    subsets = {grain: set(rows["subset"]) for grain, rows in newest.groupby("grain")}
    tenths = {str(number) for number in range(1, 11)}
    assert subsets.pop("zone") == {"1", "2"}
    assert subsets.pop("decile") == tenths
    assert subsets.pop("neighborhood_month_hour") == {"all", "reported", "common_4"}
    assert set().union(*subsets.values()) == {"all"}
    means = newest[newest["metric"] == "expected_crimes"].set_index("subset")["value"]
    assert means.loc[[str(number) for number in range(1, 11)]].is_monotonic_increasing


def test_interval_of_the_ratio_holds_it(scores: pd.DataFrame) -> None:
    table = (
        scores[scores["grain"] == "neighborhood_month_hour"]
        .pivot_table(index=["model", "origin", "horizon_months"], columns="metric", values="value")
        .dropna(subset="deviance_to_reference")
    )
    ratio = table["deviance_to_reference"]
    assert (table["deviance_to_reference_lower_95"] <= ratio + 1e-12).all()
    assert (table["deviance_to_reference_upper_95"] >= ratio - 1e-12).all()


def test_no_forecast_changes_when_the_future_does() -> None:
    panel = make_panel(months=30)
    counts = panel.stratum_counts.copy()
    counts[:, 18:] += 5
    origin = FIRST_MONTH + 18
    one, two = (
        forecast_origin(p, origin, with_slow_baselines=True) for p in (panel, with_counts(panel, counts))
    )
    for model in one.rates:
        np.testing.assert_array_equal(one.rates[model], two.rates[model], model)
    for model in one.shares:
        np.testing.assert_array_equal(one.shares[model], two.shares[model], model)
    np.testing.assert_array_equal(one.intervals.tails, two.intervals.tails)


@pytest.mark.slow
def test_stationary_truth_is_forecast_within_its_sampling_error() -> None:
    panel = make_panel(places=30, months=36, rate=0.3)
    random = np.random.default_rng(1)
    truth = 0.3 * random.lognormal(0, 0.8, 30)  # the levels that make_panel draws first
    forecast = forecast_origin(panel, FIRST_MONTH + 24)
    errors = forecast.rates[PUBLISHED.name].sum(axis=2).mean(axis=1) / 24 / truth - 1
    sampling = 1 / np.sqrt(truth * 24 * 30 * 24)
    assert np.sqrt((errors**2).mean()) < 3.0 * np.sqrt((sampling**2).mean())


def test_published_model_leaks_nothing(published: Path) -> None:
    """An hourly R² above 0.3 on data like this would mean that a forecast had seen its future."""
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        panel = load_panel(connection)
    forecast = forecast_origin(panel, list_origins(panel, 1)[0])
    counts = forecast.future.counts / forecast.future.exposure
    residual = ((counts - forecast.rates[PUBLISHED.name]) ** 2).sum()
    assert 0 < 1 - residual / ((counts - counts.mean()) ** 2).sum() < 0.3


def test_city_without_zones_has_no_scores_of_zones() -> None:
    panel = make_panel(months=24)
    forecast = forecast_origin(panel, list_origins(panel, 1)[0])
    without = replace(forecast, future=replace(forecast.future, zone=(None,) * 6))
    for one, zones in ((forecast, {"1", "2"}), (without, set())):
        scores = list(score_volume(one, 12))
        assert {score.subset for score in scores if score.grain == "zone"} == zones


def test_city_without_zones_has_no_coverage_of_zones_and_one_of_the_city() -> None:
    panel = replace(make_panel(months=24), zone=(None,) * 6)
    forecast = forecast_origin(panel, list_origins(panel, 1)[0])
    assert {score.grain for score in score_intervals(forecast, 12)} == {
        "neighborhood_month", "neighborhood_day", "city_month",
    }  # fmt: skip


def test_coverage_of_areas_is_that_of_their_own_counts_and_intervals() -> None:
    panel = make_panel(places=8, months=36, rate=0.5)
    forecast = forecast_origin(panel, FIRST_MONTH + 24)
    observed = panel.counts[:, 24:].sum(axis=2)
    expected = (forecast.rates[PUBLISHED.name] * forecast.future.exposure).sum(axis=2)
    found = {s.grain: s.value for s in score_intervals(forecast, 12) if s.metric == "coverage_80"}
    odd = np.arange(8) % 2 == 1
    zones = [expected[~odd].sum(axis=0), expected[odd].sum(axis=0)]
    seen = [observed[~odd].sum(axis=0), observed[odd].sum(axis=0)]
    model, variance = forecast.intervals, forecast.city_variance
    city = model.predict_city(expected.sum(axis=0), variance, 80)
    inside = (observed.sum(axis=0) >= city.lower) & (observed.sum(axis=0) <= city.upper)
    assert found["city_month"] == pytest.approx(inside.mean())
    shares = []
    for means, counts in zip(zones, seen, strict=True):
        zone = model.predict_zone(means, variance, 80)
        shares.append(((counts >= zone.lower) & (counts <= zone.upper)).mean())
    assert found["zone_month"] == pytest.approx(np.mean(shares))


def test_named_neighborhoods_are_scored_on_their_own_where_there_are_other_places() -> None:
    panel = replace(make_panel(months=24), is_named=np.array([True, False, True, True, True, True]))
    forecast = forecast_origin(panel, list_origins(panel, 1)[0])
    ratios = {
        score.subset: score.value for score in score_volume(forecast, 12)
        if score.metric == "poisson_deviance" and score.model == PUBLISHED.name
    }  # fmt: skip
    observed, exposure = forecast.future.counts[panel.is_named], forecast.future.exposure
    expected = forecast.rates[PUBLISHED.name][panel.is_named] * exposure
    assert ratios["named"] == pytest.approx(poisson_deviance(observed, expected))
    assert ratios["named"] < ratios["all"]


def test_reported_crimes_are_scored_on_their_own_beside_their_own_reference() -> None:
    panel = make_panel(months=24, rate=0.2)
    origin = list_origins(panel, 1)[0]
    forecast = forecast_origin(panel, origin)
    deviances = {
        score.model: score.value for score in score_offenses(forecast, 12)
        if (score.metric, score.subset) == ("poisson_deviance", "reported")
    }  # fmt: skip
    part = with_counts(panel, panel.stratum_counts * np.array([1, 1, 1, 0], dtype=np.float32))
    reference = estimate_reference(part.before(origin), origin)[:, None]
    observed, exposure = panel.stratum_counts[:, 12:, :, :3].sum(axis=3), forecast.future.exposure
    expected = forecast.offenses.reported[PUBLISHED.name] * exposure
    assert deviances == {
        REFERENCE.name: pytest.approx(poisson_deviance(observed, reference * exposure)),
        PUBLISHED.name: pytest.approx(poisson_deviance(observed, expected)),
    }
    assert (expected < forecast.rates[PUBLISHED.name] * exposure).all()
    all_reported = tuple(replace(offense, is_reported=True) for offense in panel.offenses)
    forecast = forecast_origin(replace(panel, offenses=all_reported), origin)
    assert not [score for score in score_offenses(forecast, 12) if score.subset == "reported"]


def test_categories_are_scored_given_that_a_crime_happened() -> None:
    panel = make_panel(places=8, months=24, rate=0.2)
    panel = replace(panel, offenses=(*panel.offenses, Offense("Never seen", 3, is_reported=True)))
    forecast = forecast_origin(panel, list_origins(panel, 1)[0], with_slow_baselines=True)
    found = {
        (score.model, score.subset, score.metric): score.value
        for score in score_offenses(forecast, 12) if score.metric.startswith("category")
    }  # fmt: skip
    counts = panel.stratum_counts.astype(np.float64)
    past, seen = counts[:, :12].sum(axis=(0, 1, 2)), counts[:, 12:].sum(axis=(0, 1, 2))
    losses = -(seen * np.log(past / past.sum())).sum() / seen.sum()
    for subset in ("all", "common_4"):
        assert found["city_shares", subset, "category_log_loss"] == pytest.approx(losses)
        accuracy = seen[past.argmax()] / seen.sum()
        assert found["city_shares", subset, "category_accuracy"] == pytest.approx(accuracy)
        for model in (PUBLISHED.name, "neighborhood_hour_shares"):
            assert found[model, subset, "category_log_loss"] == pytest.approx(losses, rel=0.02)
        assert found["boosted_identifiers", subset, "category_log_loss"] > losses
    for shares in forecast.offenses.categories.values():
        np.testing.assert_allclose(shares.sum(axis=3), 1)


def test_boosted_baseline_learns_places_that_differ() -> None:
    panel = make_panel(places=4, months=12, rate=0.5)
    cells = panel.offense_cells
    category = cells["offense"].where(cells["place"] != 2, 1)
    shares = fit_boosted(replace(panel, offense_cells=cells.assign(offense=category)), np.arange(3))
    assert shares.shape == (4, 3, 24, 4)
    assert shares[2, ..., 1].min() > 0.9
    assert shares[0, ..., 1].mean() == pytest.approx(0.1, abs=0.03)


def test_no_origins_give_no_scores() -> None:
    scores, months = run_backtest(make_panel(), [])
    assert months.empty
    assert scores.empty
    assert list(scores.columns) == [
        "model", "origin", "horizon_months", "grain", "subset", "metric", "value"
    ]  # fmt: skip


def test_poisson_glm_meets_its_margins() -> None:
    panel = make_panel(places=5, months=12, rate=0.5)
    fitted = fit_poisson_glm(panel, panel.month_numbers) * panel.exposure
    for axes in ((0, 1), (0, 2), (1, 2)):
        np.testing.assert_allclose(fitted.sum(axis=axes), panel.counts.sum(axis=axes), rtol=1e-6)


def test_first_version_multiplies_crime() -> None:
    panel = make_panel(places=10, months=24, rate=0.05)
    rates = fit_first_version(panel, np.arange(FIRST_MONTH + 24, FIRST_MONTH + 36))
    truth = panel.counts.sum() / panel.exposure.sum() / 10
    assert rates["first_version_published"].mean() > 10 * truth
    assert rates["first_version_with_exposure"].mean() < 5 * truth


def test_charts_are_drawn_and_name_their_data(scores: pd.DataFrame, tmp_path: Path) -> None:
    paths = draw_scores(scores.assign(data_source="simulated data"), tmp_path)
    assert [path.name for path in paths] == [
        "skill.png", "reliability.png", "coverage.png", "hit_rate.png"
    ]  # fmt: skip
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in paths)
