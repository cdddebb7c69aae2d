"""Past origins: which, and what they know."""

import numpy as np
import pytest

from models.past_origin import list_past_origins, replay_origins
from tests.models.panels import FIRST_MONTH, make_panel, with_counts


@pytest.mark.parametrize(
    ("months", "offsets"),
    [
        (48, [45, 42, 39, 36, 33, 30, 27, 24]),
        (18, [15, 12, 9, 6]),
        (12, [9, 6]),
        (8, []),
        (1, []),
    ],
)
def test_origins_are_quarters_back_with_half_a_year_before_them(months: int, offsets: list[int]) -> None:
    panel = make_panel(months=months)
    found = list_past_origins(panel, FIRST_MONTH + months)
    assert [start - FIRST_MONTH for start in found] == offsets


def test_months_between_files_are_no_history() -> None:
    panel = make_panel(months=36)
    gap = panel.select_months((panel.months == 1) | (panel.month_numbers >= FIRST_MONTH + 30))
    assert list_past_origins(gap, FIRST_MONTH + 36) == [FIRST_MONTH + 33]


def test_past_origin_ends_with_the_data_and_can_be_cut() -> None:
    panel = make_panel(months=24)
    newest, *_, oldest = replay_origins(panel, FIRST_MONTH + 24)
    assert newest.targets.tolist() == [FIRST_MONTH + 21, FIRST_MONTH + 22, FIRST_MONTH + 23]
    assert len(oldest.targets) == 12
    assert oldest.expected.shape == oldest.future.counts.shape
    cut = oldest.until(int(oldest.targets[4]))
    assert len(cut.targets) == 4
    np.testing.assert_array_equal(cut.rates, oldest.rates[:, :4])


def test_what_a_past_origin_expected_does_not_change_with_its_future() -> None:
    panel = make_panel(months=24)
    counts = panel.stratum_counts.copy()
    counts[:, 12:] = counts[:, 12:][:, ::-1] + 3
    pairs = zip(
        *(replay_origins(p, FIRST_MONTH + 24) for p in (panel, with_counts(panel, counts))), strict=True
    )
    for one, two in pairs:
        same = one.origin <= FIRST_MONTH + 12
        assert np.array_equal(one.base, two.base) == same
        assert not np.array_equal(one.future.counts, two.future.counts)
