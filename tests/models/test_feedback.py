"""The feedback loop: facts of urns that are known without simulating, and its table in a build."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from scipy.optimize import brentq

from models import feedback
from models.arrays import Floats
from models.feedback import (
    RATES_SELECT,
    Draw,
    Loop,
    close_loop,
    describe_feedback,
    keep_share,
    simulate,
    tabulate,
)
from models.feedback_chart import make_figure
from tests.charts import find_overlaps
from warehouse import settings
from warehouse.build import open_build
from warehouse.columns import DATA_SOURCE
from warehouse.tables_account import (
    ALL_OFFENSES,
    CORRECTED,
    FEEDBACK_MONTHS,
    FEEDBACK_RULES,
    FEEDBACK_SIMULATION_TABLE,
    FOLLOW_RATES,
    REPORTED,
)

ALL, ONLY_REPORTED, DIVIDED = (
    FEEDBACK_RULES.index(rule) for rule in (ALL_OFFENSES, REPORTED, CORRECTED)
)
RATES = np.array([30.0, 20.0, 12.0, 5.0, 1.0])
FOUND = np.array([4.0, 9.0, 1.0, 2.0, 0.5])


def expect(rates: Floats) -> Floats:
    """Return the expected counts themselves, without noise."""
    return rates


def draw_counts() -> Draw:
    return np.random.default_rng(1).poisson


def require_loop(reported: Floats, discovered: Floats, exponent: float = 1.0) -> Loop:
    loop = close_loop(reported, discovered, exponent)
    assert loop is not None
    return loop


def run(
    loop: Loop, months: int, follow: float = 1.0, replications: int = 1, draw: Draw = expect
) -> Floats:
    """Return shares of patrols (rule, replication, place) at the end."""
    *_, shares = simulate(loop, (follow,), months, replications, draw)
    return shares[:, 0]


def solve_fixed_point(loop: Loop) -> Floats:
    """Return the shares p with p_i = r_i / (S - q_i) that add up to 1, S above every q_i."""

    def excess(total: float) -> float:
        return float((loop.reported / (total - loop.discoverable)).sum() - 1)

    highest = loop.discoverable.max()
    total = brentq(excess, highest * (1 + 1e-9), highest + 100 * loop.reported.sum())
    shares: Floats = loop.reported / (total - loop.discoverable)
    return shares


def measure_distance(loop: Loop, shares: Floats) -> Floats:
    """Return the total variation from the shares of crimes."""
    distance: Floats = abs(shares - loop.crime_shares).sum(axis=-1) / 2
    return distance


def test_loop_starts_at_the_rates_of_the_build() -> None:
    loop = require_loop(RATES, FOUND)
    assert loop.start == pytest.approx(RATES / RATES.sum())
    assert loop.discoverable @ loop.start == pytest.approx(FOUND.sum())
    assert loop.discoverable / loop.discoverable.sum() == pytest.approx(FOUND / FOUND.sum())
    assert require_loop(RATES, FOUND, 2).start == pytest.approx(RATES**0.5 / (RATES**0.5).sum())
    even = RATES + loop.discoverable / 5
    assert loop.crime_shares == pytest.approx(even / even.sum())


def test_all_offenses_end_at_the_fixed_point() -> None:
    loop = require_loop(RATES, FOUND)
    end = run(loop, 600)[ALL, 0]
    assert end == pytest.approx(solve_fixed_point(loop), abs=1e-9)
    assert abs(end - loop.start).max() > 0.05


def test_two_places_end_at_the_root_of_the_update_matrix() -> None:
    loop = require_loop(np.array([3.0, 2.0]), np.array([1.0, 1.5]))
    (one, other), (found, found_there) = loop.reported, loop.discoverable
    a, b, c, d = one + found, other, one, other + found_there  # rows: the place where the patrol is
    roots = np.roots([c + d - a - b, a - 2 * c - d, c])
    (root,) = roots[(roots > 0) & (roots < 1)]
    assert run(loop, 600)[ALL, 0, 0] == pytest.approx(root, abs=1e-9)
    noisy = Loop(1000 * loop.reported, 1000 * loop.discoverable, loop.start, 1000 * loop.counts)
    assert run(noisy, 200, replications=50, draw=draw_counts())[ALL, :, 0].mean() == pytest.approx(
        root, abs=0.01
    )


def make_urn(rates: Floats, memory_months: float) -> Loop:
    """Return an urn of ten balls a place, in which all is discovered."""
    counts = np.full(len(rates), 10.0)
    return Loop(np.zeros(len(rates)), rates, counts / counts.sum(), counts, memory_months=memory_months)


def test_equal_places_where_all_is_discovered_end_at_random_with_a_beta_limit() -> None:
    """Beta(10, 10) of Pólya's urn, whose standard deviation is 0.109."""
    end = run(make_urn(np.ones(2), np.inf), 500, replications=3000, draw=draw_counts())[ALL, :, 0]
    assert end.std() == pytest.approx(0.109, abs=0.006)
    assert end.mean() == pytest.approx(0.5, abs=0.01)


def test_unequal_places_where_all_is_discovered_end_at_one_place() -> None:
    end = run(make_urn(np.array([0.9, 0.3]), 6.0), 240)[ALL, 0]
    assert end == pytest.approx([1, 0], abs=1e-6)
    noisy = run(make_urn(np.array([90.0, 30.0]), 6.0), 240, replications=50, draw=draw_counts())
    assert noisy[ALL].min(axis=0) == pytest.approx([1, 0], abs=0.01)


def test_reported_and_corrected_stay_where_crimes_are() -> None:
    reported = 3000 / np.arange(1, 243) ** 0.9
    loop = require_loop(reported, reported / 4)
    exact = measure_distance(loop, run(loop, 120)[:, 0])
    assert exact[ONLY_REPORTED] == pytest.approx(0, abs=1e-12)
    assert exact[DIVIDED] == pytest.approx(0, abs=1e-3)  # the correction has a limit
    assert exact[ALL] > 0.1
    noisy = measure_distance(loop, run(loop, 120, replications=5, draw=draw_counts())).mean(axis=1)
    assert (noisy[[ONLY_REPORTED, DIVIDED]] < 0.02).all()


def simulate_slowly(loop: Loop, rule: str, follow: float, months: int) -> list[float]:
    """Return shares of patrols at the end, place by place and as a mean that forgets."""
    places = range(len(loop.reported))
    patrols, level = list(loop.start), list(loop.reported)
    learned = 1 - 2 ** (-1 / loop.memory_months)
    for _ in range(months):
        for i in places:
            weight = {"all": 1.0, "reported": 0.0, "corrected": min(1 / (len(places) * patrols[i]), 20)}
            seen = loop.reported[i] + weight[rule] * loop.discoverable[i] * patrols[i]
            level[i] = (1 - learned) * level[i] + learned * seen
        powers = [value ** (1 / loop.exponent) for value in level]
        patrols = [
            (1 - follow) * loop.start[i]
            + follow * (loop.even_share / len(places) + (1 - loop.even_share) * powers[i] / sum(powers))
            for i in places
        ]
    return patrols


@pytest.mark.parametrize(("exponent", "even_share"), [(1.0, 0.0), (2.0, 0.0), (1.0, 0.2)])
@pytest.mark.parametrize("months", [1, 30])
def test_all_rules_and_follow_rates_at_once_are_each_alone(
    exponent: float, even_share: float, months: int
) -> None:
    reported = np.array([300.0, 20.0, 12.0, 5.0, 1.0])  # to the last one goes less than a 20th of even
    closed = require_loop(reported, FOUND, exponent)
    loop = Loop(closed.reported, closed.discoverable, closed.start, closed.counts, exponent=exponent,
                even_share=even_share)  # fmt: skip
    *_, shares = simulate(loop, (0.3, 1.0), months, 1, expect)
    for number, rule in enumerate(FEEDBACK_RULES):
        for column, follow in enumerate((0.3, 1.0)):
            slow = simulate_slowly(loop, rule, follow, months)
            assert shares[number, column, 0] == pytest.approx(slow, rel=1e-9)


def test_half_of_a_count_is_left_after_the_half_life() -> None:
    assert keep_share(6) ** 6 == pytest.approx(0.5)
    assert require_loop(RATES, FOUND).memory_months == 6
    assert keep_share(np.inf) == 1


@pytest.mark.parametrize(
    ("reported", "discovered"),
    [
        ([3.0, 2.0], [0.0, 0.0]),
        ([0.0, 0.0], [3.0, 2.0]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([1.0, 0.0], [0.0, 1.0]),
    ],
)
def test_without_a_loop_there_is_none(reported: list[float], discovered: list[float]) -> None:
    assert close_loop(np.array(reported), np.array(discovered)) is None
    assert close_loop(np.array([0.3, 0.2]), np.array([0.01, 0.0])) is not None


def test_table_has_tenths_by_volume_and_ranges_over_replications(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feedback, "REPLICATIONS", 30)
    reported = np.arange(25.0, 0, -1) * 20
    loop = require_loop(reported, reported / 3 + 10)
    table = tabulate(loop)
    assert table.equals(tabulate(loop))
    start = table[(table["month"] == 0) & (table["rule"] == REPORTED) & (table["follow_rate"] == 1)]
    busiest, second = reported[:3].sum() / reported.sum(), reported[3:5].sum() / reported.sum()
    for name in ("patrol_share", "start_share"):
        assert start[name].to_list()[:2] == pytest.approx([busiest, second])
    crimes = loop.crime_shares
    assert start["crime_share"].to_list()[:2] == pytest.approx([crimes[:3].sum(), crimes[3:5].sum()])
    assert start["total_variation"].sum() == pytest.approx(measure_distance(loop, loop.start))
    end = table[(table["month"] == max(FEEDBACK_MONTHS)) & (table["volume_tenth"] == 1)]
    *_, last = simulate(loop, FOLLOW_RATES, 120, 30, np.random.default_rng(settings.SEED).poisson)
    busiest_last = last[..., :3].sum(axis=3).reshape(-1, 30)
    for name, share in (("lower", 0.1), ("upper", 0.9)):
        assert end[f"patrol_share_{name}_80"].to_list() == pytest.approx(
            np.quantile(busiest_last, share, axis=1)
        )
    by_all = end[end["rule"] == ALL_OFFENSES].sort_values("follow_rate")
    assert by_all["patrol_share"].is_monotonic_increasing
    fixed = solve_fixed_point(loop)
    whole = table[(table["month"] == max(FEEDBACK_MONTHS)) & (table["follow_rate"] == 1)]
    patrols = whole[whole["rule"] == ALL_OFFENSES]
    assert patrols["patrol_share"].to_list()[:2] == pytest.approx(
        [fixed[:3].sum(), fixed[3:5].sum()], abs=0.01
    )
    assert patrols["total_variation"].sum() == pytest.approx(measure_distance(loop, fixed), abs=0.02)


def read_build(published: Path, select: str) -> pd.DataFrame:
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        return connection.execute(select).df()


def test_build_simulates_its_own_expected_crimes(published: Path) -> None:
    rates = read_build(published, RATES_SELECT)
    month = read_build(published, """
        SELECT sum(expected_month_crimes) / 12 AS expected,
               sum(expected_reported_month_crimes) / 12 AS reported FROM average_daily""")  # fmt: skip
    assert rates["reported"].sum() == pytest.approx(month["reported"][0])
    assert rates.sum().sum() == pytest.approx(month["expected"][0])
    assert rates["reported"].is_monotonic_decreasing
    told = read_build(published, "FROM feedback_simulation").drop(columns=DATA_SOURCE.name)
    loop = require_loop(rates["reported"].to_numpy(), rates["discovered"].to_numpy())
    key = list(FEEDBACK_SIMULATION_TABLE.key)
    pd.testing.assert_frame_equal(
        told.sort_values(key).reset_index(drop=True),
        tabulate(loop).sort_values(key).reset_index(drop=True),
        check_dtype=False,
    )


def test_sentence_has_the_numbers_of_the_table(published: Path) -> None:
    told = read_build(published, """
        SELECT patrol_share, start_share FROM feedback_simulation
        WHERE rule = 'all' AND follow_rate = 1 AND month = 120 AND volume_tenth = 1""")  # fmt: skip
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        said = describe_feedback(connection)
    patrols, start = f"{told['patrol_share'][0]:.0%}", f"{told['start_share'][0]:.0%}"
    assert f"for 10 years, the busiest tenth of neighborhoods would get {patrols} of them" in said
    assert f"instead of {start}; were they to follow that of reported crimes" in said
    card = read_build(published, "SELECT text FROM model_card WHERE section = 'Limits'")["text"][0]
    assert said in " ".join(card.split())


def test_city_without_discovered_offenses_says_so(tmp_path: Path) -> None:
    with open_build("test", tmp_path / "b.duckdb") as build:
        build.connection.execute("""
            CREATE OR REPLACE TABLE average_daily AS
            SELECT 'A' AS neighborhood, 1 AS month, 3.0 AS expected_month_crimes,
                   3.0 * (1 - 1e-12) AS expected_reported_month_crimes""")
        feedback.fill_feedback(build)
        assert build.count_rows(FEEDBACK_SIMULATION_TABLE) == 0
        said = describe_feedback(build.connection)
    assert said.startswith(
        "No such loop could be simulated: no crime is expected that the public reports"
    )


def test_nothing_of_the_chart_lies_on_its_data_and_it_draws_the_table() -> None:
    table = tabulate(require_loop(RATES, FOUND))
    figure = make_figure(table, "simulated data")
    assert find_overlaps(figure) == []
    years, tenths = figure.axes
    drawn = {str(line.get_label()): np.asarray(line.get_ydata()) for line in years.lines}
    busiest = table[(table["volume_tenth"] == 1) & (table["follow_rate"] == 1)]
    for rule, label in zip(
        FEEDBACK_RULES, ("all offenses", "reported ones", "all, corrected"), strict=True
    ):
        assert (drawn[label] == busiest[busiest["rule"] == rule]["patrol_share"]).all()
    end = table[(table["month"] == 120) & (table["follow_rate"] == 1) & (table["rule"] == ALL_OFFENSES)]
    heights = [bar.get_height() for bar in tenths.patches if isinstance(bar, Rectangle)]
    assert heights == end["patrol_share"].to_list()
    years.set_ylim(0.38, 0.58)  # ticks in halves of a percent
    for axes in figure.axes:
        told = [float(label.get_text().removesuffix("%")) for label in axes.get_yticklabels()]
        assert told == pytest.approx(100 * axes.get_yticks())


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("share", "follow", "distance", "busiest"),
    [
        (0.12, 1.0, 0.083, 0.56),
        (0.29, 1.0, 0.36, 0.73),
        (0.12, 0.5, 0.033, None),
        (0.29, 0.5, 0.103, None),
    ],
)
def test_real_rates_run_away_as_measured(
    real_data: Path, share: float, follow: float, distance: float, busiest: float | None
) -> None:
    counts = pd.read_csv(real_data / "nibrs_monthly_offenses_by_neighborhood_2021_2026.csv.gz")
    reported = counts[counts["crime_against"] != "society"].groupby("neighborhood")["offenses"].sum()
    rates = np.sort(reported.to_numpy(np.float64))[::-1] / counts["month"].nunique()
    loop = require_loop(rates, rates * share / (1 - share))
    end = run(loop, 120, follow, replications=5, draw=draw_counts())
    assert measure_distance(loop, end)[ALL].mean() == pytest.approx(distance, rel=0.05)
    tenth = len(rates) // 10
    assert loop.start[:tenth].sum() == pytest.approx(0.50, abs=0.01)
    if busiest is not None:
        assert end[ALL, :, :tenth].sum(axis=1).mean() == pytest.approx(busiest, abs=0.01)
        assert measure_distance(loop, end)[DIVIDED].mean() == pytest.approx(0.02, abs=0.002)
