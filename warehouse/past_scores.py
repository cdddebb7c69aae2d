"""Scores of past origins that the last build of the same feed holds already.

Input: an unpublished build, a folder of builds, the hashes of the inputs of its past origins. Output:
rows of `backtest_origin`, `backtest_score` and `backtest_month` for those whose inputs are the same.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from warehouse.build import Build
from warehouse.changes import BEFORE, find_last_build
from warehouse.errors import LACKS
from warehouse.read import attach_build
from warehouse.records import name_id

# Who computed a score stays known, however often it is taken over.
ORIGINS_SELECT = f"""
SELECT origin, input_hash, coalesce(computed_build_id, $build_id) AS computed_build_id
FROM {BEFORE}.backtest_origin JOIN wanted_origins USING (origin, input_hash)
"""
ROWS_SELECT = f"""
SELECT * EXCLUDE (data_source) FROM {BEFORE}.{{table}}
WHERE origin IN (SELECT origin FROM ({ORIGINS_SELECT}))
"""


class PastScores(NamedTuple):
    """Rows of the three tables, and in words why there are none, if so."""

    origins: pd.DataFrame
    scores: pd.DataFrame
    months: pd.DataFrame
    reason: str


def find_past_scores(
    build: Build, builds: Path, city: str, source_kind: str, cleaning: str, wanted: pd.DataFrame
) -> PastScores:
    """Return what the last published build of the same feed holds of wanted origins.

    `wanted` has the columns `origin` and `input_hash`. `build` must hold its `raw_file`. A build whose
    SHA-256 is not that of its record is passed over; one of another version holds nothing.
    """
    last, warnings = find_last_build(build, builds, city, source_kind, cleaning)
    nothing, none = wanted[:0].assign(computed_build_id=""), (pd.DataFrame(), pd.DataFrame())
    if last is None:
        return PastScores(nothing, *none, "; ".join(warnings))
    connection, build_id = build.connection, {"build_id": name_id(last)}
    connection.register("wanted_origins", wanted)
    try:
        with attach_build(connection, last, BEFORE):
            origins = connection.execute(ORIGINS_SELECT, build_id).df()
            scores, months = (
                connection.execute(ROWS_SELECT.format(table=table), build_id).df()
                for table in ("backtest_score", "backtest_month")
            )
    except LACKS:
        reason = f"{last.name} was written by another version of ATLShield"
        return PastScores(nothing, *none, reason)
    finally:
        connection.unregister("wanted_origins")
    return PastScores(origins, scores, months, "; ".join(warnings))
