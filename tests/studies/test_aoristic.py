"""The test of the three answers to an incident's hour."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from studies.aoristic import score_hours, spread_windows


@pytest.mark.parametrize(
    ("hour", "begun", "hours", "expected"),
    [
        (13, 0.0, 2.0, {13: 0.5, 14: 0.5}),
        (13, 0.5, 2.0, {13: 0.25, 14: 0.5, 15: 0.25}),
        (23, 0.5, 1.0, {23: 0.5, 0: 0.5}),
        (7, 0.25, 0.0, {7: 1.0}),
        (7, 0.25, 30.0, {7: 1.0}),
        (23, 0.0, 24.0, dict.fromkeys(range(24), 1 / 24)),
    ],
)
def test_window_is_spread_over_its_hours(
    hour: int, begun: float, hours: float, expected: dict[int, float]
) -> None:
    counts = spread_windows(pd.DataFrame({"hour": [hour], "begun": [begun], "hours": [hours]}))
    np.testing.assert_allclose(counts, [expected.get(h, 0.0) for h in range(24)], atol=1e-9)


def test_answers_are_scored_on_short_windows(published: Path) -> None:
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        table = score_hours(connection)
    assert table["offense"].iloc[-1] == "all"
    assert table["tested"].iloc[-1] == table["tested"].iloc[:-1].sum() > 0
    assert (table[["begin", "spread", "short"]] < 1.1 * np.log(24)).all(axis=None)
