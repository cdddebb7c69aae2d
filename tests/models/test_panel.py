"""Counts and exposure on the complete grid."""

from pathlib import Path

import numpy as np

from models.panel import load_panel
from tests.conftest import CleanFiles
from tests.models.panels import FIRST_MONTH, make_panel
from tests.raw import write_raw


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
    assert panel.counts.sum() == 4
    assert panel.patrol_counts[0, 0, 10].tolist() == [1, 0, 0, 1]
    assert panel.counts[1, 0, 8] == 1
    assert panel.exposure[:, 12].tolist() == [31, 30, 15]
    assert panel.exposure[:, 2].tolist() == [30, 30, 15]


def test_november_repeats_hour_one(clean: CleanFiles, tmp_path: Path) -> None:
    rows = [at(1, "11/1/2021 15:00"), at(2, "11/30/2021 15:00")]
    panel = load_panel(clean([write_raw(tmp_path / "raw.csv", rows)]).connection)
    assert panel.exposure[0, :3].tolist() == [30, 31, 30]


def test_before_ends_at_the_origin_and_between_leaves_out_its_end() -> None:
    panel = make_panel(months=12)
    past, future = panel.before(FIRST_MONTH + 5), panel.between(FIRST_MONTH + 5, FIRST_MONTH + 7)
    assert past.month_numbers.tolist() == list(range(FIRST_MONTH, FIRST_MONTH + 5))
    assert future.month_numbers.tolist() == [FIRST_MONTH + 5, FIRST_MONTH + 6]
    assert past.counts.shape[1] == len(past.days) == len(past.exposure) == 5
    assert np.array_equal(past.counts, panel.counts[:, :5])
