"""Raw files broken in every way of `tests.ways`: what becomes of them is what is declared there."""

from collections import Counter
from pathlib import Path

import duckdb
import numpy as np
import pytest

from etl.city import load_city
from refresh import main
from tests.changes import DAYS
from tests.damage import SEED, Result, clean_good, damage, draft_once, find_faults, write_draft
from tests.good import Draft
from tests.one_in import one_in
from tests.ways import WAYS, Outcome
from warehouse.pointer import read_pointer
from warehouse.records import list_builds


@pytest.mark.parametrize("layout", one_in(4, load_city().layouts))
def test_good_file_of_each_layout_has_nothing_to_reject_or_mend(layout: str) -> None:
    good = clean_good(layout, DAYS, SEED)
    assert good.rows_in == len(good.incidents) > 1000
    assert not +good.repaired
    assert len(good.days) == DAYS
    assert not good.refused
    assert good.is_synthetic == (layout == "simulated")


def test_ways_are_many_and_on_every_layout() -> None:
    assert len(WAYS) >= 60
    assert {way.layout for way in WAYS.values()} >= {*load_city().layouts} - {"simulated"}


@pytest.mark.parametrize("name", one_in(16, WAYS))
def test_damage_has_the_outcome_that_is_declared(name: str, tmp_path: Path) -> None:
    way = WAYS[name]
    draft, result = damage([way], way.layout, SEED, tmp_path)
    good = clean_good(way.layout, way.days, SEED)
    assert find_faults(draft, good, result) == []
    assert not result.is_synthetic
    if way.outcome.refused:
        assert way.outcome.refused in result.refused
    else:
        check_published(way.outcome, draft, good, result)


def check_published(outcome: Outcome, draft: Draft, good: Result, result: Result) -> None:
    """Hold what was cleaned against what was declared."""
    assert result.refused == ""
    uncovered = good.days - result.days
    on_uncovered = sum(row.incident.occurred.date() in uncovered for row in draft.rows)
    repeated = int(outcome.repeated * len(good.incidents))
    implied = Counter(outside_window=on_uncovered, duplicate=repeated)
    assert +result.rejected == Counter(outcome.rejected) + implied
    assert +result.repaired == Counter(outcome.repaired)
    assert result.days <= good.days
    assert len(uncovered) == outcome.uncovered
    if outcome.values:
        found = [
            {name: row[name] for name in outcome.values}
            for row in result.incidents.values()
            if row["report_number"] in draft.touched
        ]
        assert found == [outcome.values] * len(draft.touched)


@pytest.mark.slow
def test_file_that_fails_a_check_is_published_only_by_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    way = WAYS["UTC read as local, seen by shifts"]
    draft = draft_once(way.layout, DAYS, SEED).copy(np.random.default_rng(SEED))
    (raw,) = write_draft(draft, [way], tmp_path)
    builds = tmp_path / "builds"
    command = ["--source", "files", "--raw", str(raw), "--builds", str(builds), "--no-backtest"]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "error: not published: raw.csv: " in error
    assert way.outcome.refused in error
    assert list_builds(builds) == []
    assert main([*command, "--force"]) == 0
    with duckdb.connect(str(builds / read_pointer(builds).file), read_only=True) as connection:
        forced = connection.execute("SELECT is_forced, guards_fired FROM refresh_run").fetchall()
    assert forced[0][0]
    assert way.outcome.refused in forced[0][1]
