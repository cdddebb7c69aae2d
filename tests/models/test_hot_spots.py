"""Hot spots: the grid moves nothing, few incidents are not shown, scores are as worked out by hand."""

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pytest

from etl.city import load_city
from etl.clean import clean_files
from models.__main__ import main
from models.hot_spots import (
    Points,
    estimate_kernel,
    estimate_shrunk,
    estimate_weighted,
    fill_hot_spots,
    list_spots,
    score_cells,
    score_estimates,
    sum_cells,
    weigh_months,
)
from models.hot_spots_chart import make_figure
from models.load_panel import load_panel
from refresh import Request, refresh
from tests.charts import find_overlaps
from tests.conftest import build_once
from tests.quick_models import quick_models
from tests.raw import simulate_fewer
from warehouse.build import open_build
from warehouse.months import number_month

MONTHS = np.arange(100, 136)


def make_points(*rows: tuple[int, int, int, float]) -> Points:
    """Return points of `x`, `y`, month and incidents."""
    x, y, month, incidents = (np.array(column) for column in zip(*rows, strict=True))
    return Points(x, y, month, incidents.astype(float))


@pytest.fixture(scope="module")
def spotted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a build that was asked for hot spots."""

    def make(builds: Path) -> None:
        with simulate_fewer(tmp_path_factory.mktemp("simulated")), quick_models():
            refresh(Request("simulated", builds, sample_incidents=5000, hot_spots=True,
                            with_backtest=False))  # fmt: skip

    return build_once(tmp_path_factory, "spotted", make)


def test_cells_are_three_thousandths_west_and_south_of_zero_too() -> None:
    points = make_points((-84390, 33753, 100, 1), (-84388, 33755, 100, 2), (-84387, 33755, 100, 4))
    assert points.corner == (33753, -84390)
    assert sum_cells(points.lay_out(np.ones(3))).tolist() == [[3, 4]]


def test_older_months_count_half_with_each_year_and_later_ones_not_at_all() -> None:
    assert weigh_months(np.array([88, 100, 111, 112, 120]), 112) == pytest.approx(
        [0.25, 0.5, 0.5 ** (1 / 12), 0, 0]
    )


def test_a_cell_far_from_others_keeps_its_count_and_a_new_one_borrows() -> None:
    far = make_points((0, 0, 135, 20), (3000, 0, 135, 1))
    exposure = weigh_months(MONTHS, 136).sum()
    weight = 0.5 ** (1 / 12)
    assert estimate_weighted(far, 136, MONTHS)[0, 0] == pytest.approx(20 * weight / exposure)
    shrunk = estimate_shrunk(far, 136, MONTHS)
    prior = sum_cells(far.smooth(far.lay_out(weigh_months(far.month, 136)), 500))[0, 0] / exposure
    assert shrunk[0, 0] == pytest.approx((20 * weight + 2) / (exposure + 2 / prior))
    assert shrunk[0, 1] > 0  # beside it, where nothing was ever seen
    assert shrunk[0, 500] == 0  # nobody near


def test_kernel_density_keeps_the_sum() -> None:
    points = make_points((0, 0, 130, 0), (300, 300, 130, 0), (150, 150, 130, 10))
    inner = estimate_kernel(points, 136, MONTHS)
    assert inner[50, 50] == inner.max()
    assert inner.sum() * 36 == pytest.approx(10)


def test_scores_are_those_worked_out_by_hand() -> None:
    """Of 40 cells two are chosen: one is the best, the other has nothing."""
    rates, counts = np.zeros(40), np.ones(40)
    rates[:2], counts[:3] = (9, 8), (10, 0, 6)
    assert score_cells(rates, counts, 60.0) == (10 / 60 * 20, 10 / 16)
    assert np.isnan(score_cells(rates, np.zeros(40), 0.0)).all()


def test_scores_know_only_what_was_before() -> None:
    rows = [(3 * cell, 0, month, 1 + cell % 7) for cell in range(40) for month in MONTHS.tolist()]
    before = score_estimates(make_points(*rows), MONTHS)
    assert before["origin"].nunique() == 1  # 36 months: one origin has two years before it
    later = [row for row in rows if row[2] < 124] + [(3 * 39, 0, 130, 500)]
    after = score_estimates(make_points(*later), MONTHS)
    assert (after["accuracy_index"] < before["accuracy_index"]).all()
    assert score_estimates(make_points(*rows), MONTHS[:30]).empty


def test_few_incidents_are_shown_together() -> None:
    points = make_points((0, 0, 135, 12), (3, 0, 135, 11), (30, 0, 120, 50), (60, 0, 135, 40))
    spots = list_spots(points, MONTHS, 136)
    assert spots["incident_count"].to_list() == [40, 12, 11]
    assert spots["cell_count"].to_list() == [1, 1, 2]
    assert spots["longitude"].to_list()[:2] == pytest.approx([0.061, 0.001])
    assert spots[["longitude", "latitude"]].iloc[-1].isna().all()
    assert spots["expected_share"].sum() == pytest.approx(1)
    weighted = estimate_weighted(points, 136, MONTHS).sum()
    assert spots["expected_year_crimes"].sum() == pytest.approx(12 * weighted)


def test_build_holds_what_was_asked_for_and_no_hidden_offense(
    spotted: Path, published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with duckdb.connect(str(spotted / "current.duckdb"), read_only=True) as connection:
        total = connection.execute("SELECT sum(incident_count)::BIGINT FROM hot_spot").fetchone()
        assert (
            total
            == connection.execute("""
            SELECT count(*) FROM incident JOIN offense USING (nibrs_code)
            WHERE NOT is_discretionary AND longitude IS NOT NULL AND report_number NOT IN (
                SELECT report_number FROM incident JOIN offense USING (nibrs_code)
                WHERE is_location_hidden)
              AND occurred_at >= (SELECT date_trunc('month', cutoff) - INTERVAL 11 MONTH
                                  FROM refresh_run)""").fetchone()
        )
        card = dict(connection.execute("SELECT section, text FROM model_card").fetchall())
        spots, places = (
            connection.execute(f"FROM {name}").df() for name in ("hot_spot", "neighborhood")
        )
    assert "This build was asked for hot spots" in card["Hot spots"]
    assert find_overlaps(make_figure(spots, places, "simulated data")) == []
    picture = tmp_path / "map.png"
    assert main(["hot-spots", "--builds", str(spotted), "--out", str(picture)]) == 0
    assert capsys.readouterr().out.startswith("simulated data\n")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["hot-spots", "--builds", str(published)]) == 1
    assert "a refresh with HOT_SPOTS=1 makes them" in capsys.readouterr().err


@pytest.mark.real_data
@pytest.mark.slow
def test_hot_spots_of_2016(real_data: Path, tmp_path: Path) -> None:
    """Shrunk counts find what weighted counts find, and more than a kernel density does."""
    files = [real_data / f"cobra_{year}.csv.gz" for year in range(2013, 2017)]
    with open_build("cobra", tmp_path / "cobra.duckdb") as build:
        cutoff = clean_files(build, files, load_city()).cutoff
        fill_hot_spots(build, load_panel(build.connection), cutoff)
        scores = build.connection.execute(
            "SELECT model, accuracy_index, efficiency_index FROM hot_spot_score WHERE origin = $1",
            [dt.date(2016, 1, 1)],
        ).fetchall()
    found = {model: (pai, pei) for model, pai, pei in scores}
    assert number_month(cutoff) == number_month(dt.date(2016, 12, 1))
    assert found["shrunk_counts"] == pytest.approx((6.54, 0.935), abs=0.02)
    assert found["weighted_counts"] == pytest.approx((6.58, 0.940), abs=0.02)
    assert found["kernel_density"] == pytest.approx((5.08, 0.727), abs=0.02)
