"""The ledger of a build: its newest past origins, scored or taken over from the last build.

Input: a panel, an unpublished build and a folder of builds. Output: rows of `backtest_origin`,
`backtest_score` and `backtest_month`, the same whether they were computed or taken over.
"""

from pathlib import Path

import pandas as pd

from models.backtest import list_origins, run_backtest
from models.origin_inputs import hash_inputs, hash_source
from models.panel import Panel
from warehouse.build import Build
from warehouse.months import number_month, start_month
from warehouse.past_scores import find_past_scores
from warehouse.tables_forecast import BACKTEST_ORIGIN_TABLE, BACKTEST_SCORE_TABLE
from warehouse.tables_groups import BACKTEST_MONTH_TABLE

LEDGER_ORIGINS = 6
"""Past origins in every build: a year and a half of quarters."""


def fill_ledger(
    build: Build, panel: Panel, builds: Path, city: str, source_kind: str, cleaning: str
) -> str:
    """Fill `backtest_origin`, `backtest_score` and `backtest_month`; return one line on what was done.

    Scores come from the last published build of the same feed where everything that they follow from
    is the same (`models.origin_inputs`), and are computed where not.
    """
    source = hash_source()
    wanted = pd.DataFrame(
        [
            (start_month(origin), hash_inputs(panel, origin, source))
            for origin in list_origins(panel, LEDGER_ORIGINS)
        ],
        columns=["origin", "input_hash"],
    )
    if wanted.empty:
        return "left out: the data holds too few months"
    past = find_past_scores(
        build, builds, city, source_kind, cleaning, wanted.astype({"origin": "datetime64[s]"})
    )
    found = dict(zip(past.origins["origin"].dt.date, past.origins["computed_build_id"], strict=True))
    rest = [number_month(day) for day in wanted["origin"] if day not in found]
    wanted["computed_build_id"] = wanted["origin"].map(found).astype("object")
    wanted["is_reused"] = wanted["origin"].isin(found)
    build.insert_frame(BACKTEST_ORIGIN_TABLE, wanted)
    computed = run_backtest(panel, rest)
    for table, parts in (
        (BACKTEST_SCORE_TABLE, (past.scores, computed.scores)),
        (BACKTEST_MONTH_TABLE, (past.months, computed.months)),
    ):
        rows = [part.astype({"origin": "datetime64[s]"}) for part in parts if len(part)]
        build.insert_frame(table, pd.concat(rows))
    reason = f" ({past.reason})" if past.reason else ""
    return f"{len(wanted)} origins, {len(found)} of them as the last build has them{reason}"
