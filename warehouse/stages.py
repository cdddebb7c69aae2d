"""The stages of a refresh, in order: what the stopwatch times and `refresh_run` records.

Input: nothing. Output: `STAGES`, from which the stopwatch, the columns of `refresh_run` and the
benchmark take their names.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stage; `is_recorded` where it ends before `refresh_run` is written."""

    name: str
    description: str
    is_recorded: bool = True


STAGES = (
    Stage("etl", "the cleaning stage"),
    Stage("training", "the training stage"),
    Stage("backtest", "the backtest; next to 0 where it was left out"),
    Stage("compare", "the comparison with the last build of the same feed"),
    Stage("audit", "the audit", is_recorded=False),
    Stage("publish", "publishing", is_recorded=False),
)
