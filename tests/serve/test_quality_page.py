"""The page of quality: its numbers are SQL's, and where another model wins it says so."""

import datetime as dt
import re
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from flask.testing import FlaskClient

from models.model_names import PUBLISHED
from serve import quality_page
from serve.app import create_app
from serve.page_scale import DotRow, draw_dots
from tests.serve.builds import copy_builds
from tests.serve.client import make_client
from tests.serve.page_text import Page, check_form

TRACK = """
INSERT INTO mart_track_record
SELECT 'b' || age, DATE '2025-12-31' - to_months(age), DATE '2025-12-01' + to_months(month), age, grain,
       1065 + 16 * month, 1090 + age, 1095, 0.9, age * deviance, deviance, 0.5, 0.75, 0.95,
       if(grain = 'city_month', 1080, NULL), if(grain = 'city_month', 1110, NULL),
       if(grain = 'city_month', 1070, NULL), if(grain = 'city_month', 1120, NULL), 'simulated data'
FROM (VALUES (1), (2)) AS ages(age), (VALUES (1), (2), (3)) AS months(month),
     (VALUES ('city_month', 1), ('neighborhood_month', 4)) AS grains(grain, deviance)
"""


@pytest.fixture(scope="module")
def scores(published: Path) -> pd.DataFrame:
    """The backtest of the published build."""
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        return connection.execute("SELECT * FROM mart_model_quality").df()


@pytest.fixture
def page(client: FlaskClient) -> Page:
    """The page of the published build."""
    return check_form(client.get("/quality").text)


def find_means(scores: pd.DataFrame) -> dict[tuple[Any, ...], float]:
    """Return means over origins by metric, horizon and model, all cells."""
    cells = scores[(scores["grain"] == "neighborhood_month_hour") & (scores["subset"] == "all")]
    means = cells.groupby(["metric", "horizon_months", "model"])["value"].mean()
    return {tuple(key): value for key, value in means.items()}  # type: ignore[arg-type]


def test_published_model_is_that_of_the_backtest() -> None:
    assert PUBLISHED.name == quality_page.PUBLISHED


def test_models_are_those_of_sql(page: Page, scores: pd.DataFrame) -> None:
    means = find_means(scores[scores["metric"] == "deviance_to_reference"])
    horizons = sorted({horizon for _, horizon, _ in means})
    models = {model for *_, model in means}
    rows = page.find_rows("Poisson deviance beside")
    assert [row[0].removesuffix(" (published)") for row in rows] == sorted(
        models, key=lambda model: (means["deviance_to_reference", horizons[-1], model], model)
    )
    for name, *cells in rows:
        model = name.removesuffix(" (published)")
        assert cells == [f"{means['deviance_to_reference', at, model]:.4f}" for at in horizons]


def test_best_of_the_others_is_told_wherever_one_is_better(page: Page, scores: pd.DataFrame) -> None:
    facts = scores.drop_duplicates("metric").set_index("metric")
    means = find_means(scores)
    expected = []
    for metric, horizon in sorted({key[:2] for key in means}):
        target = facts.loc[metric, "target_value"]
        if metric.startswith("deviance_to_reference_") or pd.isna(target):
            continue
        others = {
            model: abs(value - target)
            for (name, at, model), value in means.items()
            if (name, at) == (metric, horizon)
        }
        own = others.pop(PUBLISHED.name)
        best = min(others, key=lambda model: (others[model], model))
        if others[best] < own - 0.0001:
            value, published = means[metric, horizon, best], means[metric, horizon, PUBLISHED.name]
            label = str(facts.loc[metric, "metric_label"])
            expected.append([label, str(horizon), best, f"{value:.6g}", f"{published:.6g}"])
    assert expected, "nothing would be tested"
    assert page.find_rows("Every score in which another model is better") == expected


def test_a_worse_published_model_is_said_to_be_worse(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(
        published, tmp_path,
        "UPDATE mart_model_quality SET value = 1.5 WHERE metric = 'deviance_to_reference'"
        " AND model = 'base_and_forest'",
    )  # fmt: skip
    text = make_client(create_app(builds)).get("/quality").text
    assert "no other model is better" not in text
    assert "it is worse than base, " in text
    assert "the reference is better at 2 of 2 origins" in text


def test_tenths_and_origins_and_coverage_are_those_of_sql(page: Page, scores: pd.DataFrame) -> None:
    longest = scores["horizon_months"].max()
    own = scores[(scores["model"] == PUBLISHED.name) & (scores["horizon_months"] == longest)]
    tenths = own[own["grain"] == "decile"].pivot_table(index="subset", columns="metric", values="value")
    for tenth, expected, observed, ratio in page.find_rows("Crimes per cell by tenth"):
        means = tenths.loc[tenth]
        assert (expected, observed) == (
            f"{means['expected_crimes']:.4g}", f"{means['observed_crimes']:.4g}",
        )  # fmt: skip
        if observed != "0":
            assert ratio == f"{means['expected_crimes'] / means['observed_crimes']:.3f}"
    assert len(page.find_rows("Crimes per cell by tenth")) == 10
    cells = own[(own["grain"] == "neighborhood_month_hour") & (own["subset"] == "all")]
    by_origin = cells.pivot_table(index="origin", columns="metric", values="value").sort_index()
    assert page.find_rows("Deviance beside") == [
        [
            f"{origin:%Y-%m-%d}",
            f"{row['deviance_to_reference']:.4f}",
            f"{row['deviance_to_reference_lower_95']:.4f} to"
            f" {row['deviance_to_reference_upper_95']:.4f}",
        ]
        for origin, row in by_origin.iterrows()
    ]
    covered = scores[(scores["metric_family"] == "coverage") & (scores["subset"] == "all")]
    groups = covered.groupby(["grain", "metric_level", "horizon_months"])["value"]
    words = {word: grain for grain, word in quality_page.GRAINS.items()}
    rows = page.find_rows("Share of counts inside")
    assert len(rows) == len(groups)
    for grain, level, horizon, mean, ends in rows:
        values = groups.get_group((words[grain], int(level[:2]), int(horizon)))
        assert mean == f"{100 * values.mean():.0f} %"
        assert ends == f"{100 * values.min():.0f} % to {100 * values.max():.0f} %"


def test_dots_and_ranges_and_marks_lie_on_one_axis() -> None:
    picture = draw_dots([DotRow("a", 2.0, 1.0, 4.0, 3.0), DotRow("b", None, None, 5.0, None)])
    assert (picture.scale.low, picture.scale.high) == pytest.approx((0.8, 5.2))
    assert picture.height == 80
    assert draw_dots([]).rows == ()
    assert draw_dots([DotRow("a", 1.0, None, None, 1.0)]).scale.put(1.0) == pytest.approx(435)


def test_a_dot_lies_right_of_the_mark_where_the_reference_is_better(
    published: Path, tmp_path: Path
) -> None:
    builds = copy_builds(
        published, tmp_path,
        "UPDATE mart_model_quality SET value = if(origin = (SELECT min(origin) FROM mart_model_quality),"
        " 0.8, 1.1) WHERE metric = 'deviance_to_reference' AND model = 'base_and_forest'",
        "UPDATE mart_model_quality SET value = 0.7 WHERE metric = 'deviance_to_reference_lower_95'",
        "UPDATE mart_model_quality SET value = 1.2 WHERE metric = 'deviance_to_reference_upper_95'",
    )  # fmt: skip
    page = check_form(make_client(create_app(builds)).get("/quality").text)
    lines = page.list_elements("line")
    [start, *_] = [float(str(line["x1"])) for line in lines if line["class"] == "range"]
    [end, *_] = [float(str(line["x2"])) for line in lines if line["class"] == "range"]
    [mark, *_] = [float(str(line["x1"])) for line in lines if line["class"] == "target"]
    dots = [float(str(dot["cx"])) for dot in page.list_elements("circle")[:2]]
    shares = [(place - start) / (end - start) for place in (dots[0], mark, dots[1])]
    assert shares == pytest.approx([0.2, 0.6, 0.8], abs=0.001)


def test_groups_are_those_of_sql(page: Page, published: Path) -> None:
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        audit = connection.execute("SELECT * FROM group_audit ORDER BY group_kind, group_name").df()
    rows = page.find_rows("Groups of neighborhoods")
    assert [row[0].lower() for row in rows] == sorted(audit["group_kind"].unique())
    for kind, count, ratios, high, low, covered, lost in rows:
        group = audit[audit["group_kind"] == kind.lower()].set_index("group_name")
        group = group[group["predicted_to_actual"].notna()]
        ratio = group["predicted_to_actual"]
        assert (count, ratios) == (str(len(group)), f"{ratio.min():.2f} to {ratio.max():.2f}")
        for told, chosen in (
            (high, group["predicted_to_actual_lower"] > 1),
            (low, group["predicted_to_actual_upper"] < 1),
            (lost, group["deviance_to_reference"] > 1),
        ):
            assert told == (", ".join(group.index[chosen]) or "none")
        share = 100 * group["coverage"]
        assert covered == f"{share.min():.0f} % to {share.max():.0f} %"


def test_track_record_is_shown_where_there_is_one(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(published, tmp_path, TRACK)
    text = make_client(create_app(builds)).get("/quality").text
    page = check_form(text)
    newest = dt.date(2025, 11, 30)
    assert page.find_rows("The city’s months") == [
        [f"{month} 2026", f"{newest}", f"{observed:,}", "1,091", "1,080 to 1,110", "1,095"]
        for month, observed in (("January", 1081), ("February", 1097), ("March", 1113))
    ]
    assert "2 of 3 of the city’s months lie in their 80 % interval" in text
    assert re.search("nearer to what happened in 1 of them, the .*simple model.* in 2", text)
    assert page.find_rows("Months of neighborhoods by age") == [
        ["1", "3", "1.000", "75 %", "95 %"], ["2", "3", "2.000", "75 %", "95 %"],
    ]  # fmt: skip


def test_forecasts_that_are_not_scored_are_named(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(
        published, tmp_path,
        "DELETE FROM track_build",
        """INSERT INTO track_build SELECT build, cutoff, state, months, 9, 0, 0, 'simulated data'
           FROM (VALUES ('b1', '2025-01-31', 'whole', 3), ('b2', '2025-02-28', 'whole', 0),
                        ('b3', '2025-03-31', 'whole', 0), ('b4', '2025-03-31', 'changed', 0),
                        ('b5', NULL, 'missing', 0)) AS left_forecasts(build, cutoff, state, months)""",
    )  # fmt: skip
    text = make_client(create_app(builds)).get("/quality").text
    check_form(text)
    assert "2 published forecasts, known up to 2025-02-28 and later, the last to 2025-03-31:" in text
    assert re.findall("<li>build (b.*)</li>", text) == [
        "b4, known up to 2025-03-31: its file was changed since it was published",
        "b5: its file is missing",
    ]


def test_without_backtest_and_track_record_it_says_so(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(
        published, tmp_path,
        "DELETE FROM mart_model_quality",
        "DELETE FROM mart_track_record",
        "UPDATE group_audit SET predicted_to_actual = NULL, predicted_to_actual_lower = NULL,"
        " predicted_to_actual_upper = NULL, coverage = NULL, deviance_to_reference = NULL",
    )  # fmt: skip
    text = make_client(create_app(builds)).get("/quality").text
    check_form(text)
    for told in (
        "there is no track record",
        "This build has no backtest",
        "No past forecast was scored",
    ):
        assert told in text


def test_parameter_that_there_is_not_is_told_on_a_page(client: FlaskClient) -> None:
    answer = client.get("/quality?horizon=1")
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert "horizon" in answer.text
