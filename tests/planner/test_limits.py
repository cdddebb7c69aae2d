"""Prices of limits are what solving again with one unit more gains."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from planner.limits import list_binding, make_limits, solve_within
from planner.linear_program import FloorsError
from planner.request import read_request
from tests.one_in import one_in
from tests.planner.requests import write_request
from warehouse.columns import PATROL_TYPES
from warehouse.tables_plan import BUDGET, CAP

Hours = list[float]


def draw_cells(random: np.random.Generator) -> pd.DataFrame:
    """Return the cells of three places, with a demand."""
    places = [("1", "a"), ("1", "b"), ("2", "c")]
    keys = itertools.product(places, range(1, 8), ["all"], PATROL_TYPES)
    cells = pd.DataFrame(
        [(*place, *rest) for place, *rest in keys],
        columns=["zone", "neighborhood", "iso_weekday", "shift", "patrol_type"],
    )
    return cells.assign(demand=random.random(len(cells)))


def find_prices(
    folder: Path, cells: pd.DataFrame, facts: dict[str, float], hours: Hours, more: str = ""
) -> tuple[float, pd.DataFrame]:
    """Return the objective of a plan for hours on foot by weekday, and its limits that bind."""
    keys = "".join(f"{key} = {value}\n" for key, value in facts.items())
    shift = f'[shifts]\nall = "00:00-24:00"\n[hours.all]\nfoot = {hours}\n'
    request = read_request(write_request(folder, f"month = 1\n{keys}{shift}{more}"))
    limits = make_limits(cells, request)
    solution = solve_within(limits, request.unit_hours)
    return solution.objective, list_binding(cells, limits, solution, request.unit_hours)


@pytest.mark.parametrize("unit", one_in(2, [0.5, 1]))
@pytest.mark.parametrize("fairness", [0, 0.25, 1])
@pytest.mark.parametrize("cap", [0, 2])
def test_price_of_a_budget_is_what_its_next_unit_gains(
    fairness: float, unit: float, cap: float, tmp_path: Path
) -> None:
    random = np.random.default_rng(int(10 * fairness + 100 * unit + cap))
    cells, facts = draw_cells(random), {"fairness": fairness, "unit_hours": unit}
    more = f"[caps]\nfoot = {cap}\n" * (cap > 0)
    hours = [4.0, *(random.integers(0, 8, 6) * unit).tolist()]
    before, binding = find_prices(tmp_path, cells, facts, hours, more)
    told = binding[binding["limit_kind"] == BUDGET].set_index("iso_weekday")["shadow_price"]
    for weekday, given in enumerate(hours, start=1):
        if not given:
            assert weekday not in told.index
            continue
        hours[weekday - 1] += unit
        after, _ = find_prices(tmp_path, cells, facts, hours, more)
        hours[weekday - 1] -= unit
        assert told.get(weekday, 0.0) == pytest.approx((after - before) / unit), weekday


@pytest.mark.parametrize("fairness", [0, 1])
def test_price_of_a_cap_is_what_its_next_unit_gains(fairness: float, tmp_path: Path) -> None:
    cells = draw_cells(np.random.default_rng(1))
    request = read_request(write_request(tmp_path, (
        f'month = 1\nfairness = {fairness}\n[shifts]\nall = "00:00-24:00"\n'
        "[hours.all]\nfoot = [3, 4, 5, 6, 7, 8, 9]\n[caps]\nfoot = 2\n"
    )))  # fmt: skip
    limits = make_limits(cells, request)
    solution = solve_within(limits, 1)
    binding = list_binding(cells, limits, solution, 1)
    caps = binding[binding["limit_kind"] == CAP].set_index(["neighborhood", "iso_weekday"])
    told = caps["shadow_price"]
    seen = 0
    for cell in np.flatnonzero((cells["patrol_type"] == "Foot Patrol") & (solution.units == 2)):
        limits.problem.cap[cell] += 1
        gain = solve_within(limits, 1).objective - solution.objective
        limits.problem.cap[cell] -= 1
        key = (cells["neighborhood"][cell], cells["iso_weekday"][cell])
        assert told.get(key, 0.0) == pytest.approx(gain, abs=1e-9), key
        seen += gain > 0
    assert seen == len(told) > 0


def test_with_floors_a_price_is_the_most_that_an_hour_gains(tmp_path: Path) -> None:
    cells, hours = draw_cells(np.random.default_rng(3)), [4.0] * 7
    floors = "[floors.neighborhoods]\nb = 5\n"
    for fairness in (0, 0.5, 1):
        facts = {"fairness": fairness}
        before, binding = find_prices(tmp_path, cells, facts, hours, floors)
        assert binding["description"].str.contains("at most ").all()
        told = binding[binding["limit_kind"] == BUDGET].set_index("iso_weekday")["shadow_price"]
        for weekday in range(1, 8):
            after, _ = find_prices(
                tmp_path, cells, facts, [4.0 + (day == weekday) for day in range(1, 8)], floors
            )
            assert told[weekday] >= after - before - 1e-9


def test_floors_that_only_together_cannot_be_met_are_told_together(tmp_path: Path) -> None:
    cells = draw_cells(np.random.default_rng(4))
    floors = '[floors.zones."1"]\nall = 4\n[floors.neighborhoods]\nc = 3\n'
    with pytest.raises(FloorsError) as caught:
        find_prices(tmp_path, cells, {}, [4.0] * 7, floors)
    total, *lacks = str(caught.value).split("; ")
    assert "neighborhoods ask for 3 hours a week, zones for 28, and 28 can be placed" in total
    assert sum(float(words.split(" lacks ")[1].split()[0]) for words in lacks) == 3
