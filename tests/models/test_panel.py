"""Counts and exposure on the complete grid, and what of them was known when."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from models.day_types import HOLIDAY
from models.load_panel import load_panel
from tests.conftest import CleanFiles
from tests.models.panels import FIRST_MONTH, make_panel
from tests.raw import write_raw
from warehouse.months import start_month


def at(number: int, utc: str, **change: str) -> dict[str, str]:
    """Return a row that happened and was reported at one time."""
    moment = {"OccurredFromDate": utc, "OccurredToDate": utc, "ReportDate": utc}
    return {"IncidentNumber": str(number), **moment, **change}


def test_panel_holds_zeros_days_and_clock_changes(clean: CleanFiles, tmp_path: Path) -> None:
    rows = [
        at(1, "3/1/2021 15:00"),
        at(2, "3/1/2021 15:30", NibrsUcrCode="240"),
        at(3, "3/31/2021 12:00", NhoodName="Midtown"),
        at(4, "5/15/2021 12:00"),
    ]
    panel = load_panel(clean([write_raw(tmp_path / "raw.csv", rows)]).connection)
    assert panel.neighborhoods == ("Downtown", "Midtown")
    assert panel.months.tolist() == [3, 4, 5]
    assert panel.days.tolist() == [31, 30, 15]
    assert panel.counts.shape == (2, 3, 24)
    assert panel.counts.sum() == panel.day_type_counts.sum() == panel.day_counts.sum() == 4
    assert panel.patrol_counts[0, 0, 10].tolist() == [1, 0, 0, 1]
    assert panel.counts[1, 0, 8] == 1
    assert panel.exposure[:, 12].tolist() == [31, 30, 15]
    assert panel.exposure[:, 2].tolist() == [30, 30, 15]
    assert panel.day_type_days[0].tolist() == [5, 5, 5, 4, 4, 4, 4, 0]
    assert panel.day_counts[:, 0].tolist() == [2, 0]


def test_november_repeats_hour_one_and_has_two_holidays(clean: CleanFiles, tmp_path: Path) -> None:
    rows = [at(1, "11/1/2021 15:00"), at(2, "11/25/2021 15:00"), at(3, "11/30/2021 15:00")]
    panel = load_panel(clean([write_raw(tmp_path / "raw.csv", rows)]).connection)
    assert panel.exposure[0, :3].tolist() == [30, 31, 30]
    assert panel.day_type_days[0, HOLIDAY] == 2
    assert panel.day_type_counts[0, HOLIDAY].sum() == 1
    assert (panel.holidays[0].year, panel.holidays[-1].year) == (2021, 2023)


def test_factors_of_days_average_to_one_over_the_panels_own_holidays() -> None:
    panel = make_panel()
    quiet = np.array([4, 4, 4, 4, 4, 4, 5, 1])  # the holidays are without crime
    days = pd.date_range("2019-01-01", periods=30)
    panel = replace(panel, day_type_days=np.tile(quiet, (30, 1)), holidays=days)
    often = np.append(np.full(7, (365.25 - 30) / 7), 30) / 365.25
    np.testing.assert_allclose(np.einsum("k,khs->hs", often, panel.day_type_factors), 1)
    assert panel.day_type_factors[HOLIDAY].max() < panel.day_type_factors[0].min()


def test_common_offenses_stand_alone_and_the_rest_go_by_patrol_type(
    clean: CleanFiles, tmp_path: Path
) -> None:
    codes = [code for n, code in enumerate(
        ["23F", "240", "13A", "220", "290", "35A", "13B", "23H", "11A", "09A"], start=1
    ) for _ in range(20 - n)]  # fmt: skip
    rows = [at(n, "5/15/2021 12:00", NibrsUcrCode=code) for n, code in enumerate(codes)]
    panel = load_panel(clean([write_raw(tmp_path / "raw.csv", rows)]).connection)
    names = [stratum.name for stratum in panel.strata]
    assert len(names) == 10
    totals = dict(zip(names, panel.stratum_counts.sum(axis=(0, 1, 2)).tolist(), strict=True))
    assert (totals["Other: Foot Patrol"], totals["Other: Vehicle Patrol"]) == (11, 10)
    seen = panel.offense_cells.groupby("offense")["incidents"].sum()
    offenses = {
        (names[offense.stratum], offense.category, offense.is_reported): seen[number]
        for number, offense in enumerate(panel.offenses)
    }
    assert offenses["Other: Foot Patrol", "Sex Offenses", True] == 11
    assert offenses["Other: Vehicle Patrol", "Homicide Offenses", True] == 10
    assert offenses["Drug/Narcotic Violations", "Drug/Narcotic Offenses", False] == 14
    assert len(offenses) == len(panel.category_names) + 2  # two assaults and two thefts


def test_before_ends_at_the_origin_and_between_leaves_out_its_end() -> None:
    panel = make_panel(months=12)
    past, future = panel.before(FIRST_MONTH + 5), panel.between(FIRST_MONTH + 5, FIRST_MONTH + 7)
    assert past.month_numbers.tolist() == list(range(FIRST_MONTH, FIRST_MONTH + 5))
    assert future.month_numbers.tolist() == [FIRST_MONTH + 5, FIRST_MONTH + 6]
    assert past.counts.shape[1] == len(past.days) == len(past.exposure) == 5
    assert past.day_counts.shape[1] == len(past.day_months) == 150
    assert np.array_equal(past.counts, panel.counts[:, :5])


def test_before_leaves_out_what_was_reported_later_and_says_what_share_that_is() -> None:
    panel = make_panel(places=3, months=24, rate=1.0)
    counts = panel.stratum_counts
    late = pd.DataFrame(
        [
            (0, FIRST_MONTH + t, start_month(FIRST_MONTH + t), 12, 0, FIRST_MONTH + t + lag, incidents)
            for t in range(24)
            for lag, incidents in ((1, 30.0), (3, 10.0))
        ],
        columns=panel.late.columns,
    )
    counts[0, :, 12, 0] = 100.0  # of which 30 come a month late and 10 three months late
    panel = replace(panel, late=late, stratum_counts=counts)
    past = panel.before(FIRST_MONTH + 20)
    assert past.stratum_counts[0, :, 12, 0].tolist() == [100.0] * 17 + [90.0, 90.0, 60.0]
    total = panel.counts.sum(axis=(0, 2)).mean()
    newest = [1 - 10 / total, 1 - 10 / total, 1 - 40 / total]
    np.testing.assert_allclose(past.completeness[-3:], newest, rtol=0.01)
    np.testing.assert_allclose(past.completeness[:17], 1)
    # What was known at an earlier origin does not depend on the origin it is asked from.
    again = past.before(FIRST_MONTH + 10)
    np.testing.assert_array_equal(again.counts, panel.before(FIRST_MONTH + 10).counts)
    np.testing.assert_array_equal(again.completeness, panel.before(FIRST_MONTH + 10).completeness)
    assert panel.stratum_counts[0, 19, 12, 0] == 100
