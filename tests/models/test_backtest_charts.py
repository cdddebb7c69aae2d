"""Charts of a backtest, by what they show and by where it stands."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from models.backtest import list_origins, run_backtest
from models.backtest_charts import CHARTS, bound_count, describe_silence, make_figure
from models.model_names import BASE, PUBLISHED
from tests.charts import find_overlaps
from tests.models.panels import make_panel
from tests.quick_models import quick_models


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    """Scores at the newest origin of a small panel."""
    panel = make_panel(places=8, months=36, rate=0.2)
    with quick_models():
        return run_backtest(panel, list_origins(panel, 1)).scores


def test_no_note_label_or_legend_of_a_chart_lies_on_its_data(scores: pd.DataFrame) -> None:
    many = pd.concat(
        scores.assign(origin=pd.to_datetime(scores["origin"]) - pd.DateOffset(months=3 * number))
        for number in range(12)
    )
    for some in (scores, many):
        for draw in CHARTS.values():
            figure = make_figure(draw, some.assign(data_source="Atlanta Police Department open data"))
            assert find_overlaps(figure) == []


def test_reliability_is_drawn_on_log_axes_with_poisson_intervals(scores: pd.DataFrame) -> None:
    np.testing.assert_allclose(  # Garwood 1936, table
        bound_count(np.array([0.0, 10.0])), [[0.0, 4.7954], [3.6889, 18.3904]], atol=1e-4
    )
    axes = make_figure(CHARTS["reliability"], scores.assign(data_source="x")).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    (bars,) = axes.collections
    assert isinstance(bars, LineCollection)
    points = np.column_stack(axes.lines[1].get_data())
    for bar, (expected, observed) in zip(bars.get_segments(), points, strict=True):
        assert bar[0][0] == bar[1][0] == expected
        assert np.isnan(observed) or bar[0][1] <= observed <= bar[1][1]


def test_chart_tells_at_how_many_origins_the_forest_was_silent(scores: pd.DataFrame) -> None:
    assert "silent (not seen to help) at 1 of 1 origins" in describe_silence(silence(scores))
    lively = silence(scores)
    lively.loc[lively["model"] == PUBLISHED.name, "value"] += 0.1
    assert "at 0 of 1 origins" in describe_silence(lively)


def silence(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of one origin with the published model scored as its base."""
    others = scores[scores["model"] != PUBLISHED.name]
    base = others[others["model"] == BASE.name]
    return pd.concat([others, base.assign(model=PUBLISHED.name)])
