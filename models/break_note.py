"""What the forecast makes of a break in the level of the newest year, in a sentence with its numbers.

Input: a build with `feed_health`, `calendar`, `incident` and `forecast_city`, and its panel. Output: a
sentence per break of all incidents.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

import duckdb
import numpy as np

from models.base_rate import measure_memory
from models.forecast import next_months
from models.panel import Panel
from warehouse.columns import ALL_INCIDENTS
from warehouse.months import MONTHS, number_month

NEWEST_MONTHS = 3
"""The shorter of the two spans whose weight is told; the longer is a year."""

# The same calendar months are compared, so that season is on both sides.
BREAKS_SELECT = """
SELECT broken.month_start, expected_value AS before, value AS after,
       (SELECT count(*) FROM incident WHERE occurred_at >= broken.month_start)
           / (SELECT count(*) FROM calendar WHERE calendar_date >= broken.month_start) AS observed,
       (SELECT sum(expected_month_crimes) / sum(day(last_day(forecast_month))) FROM forecast_city
        WHERE month IN (SELECT month FROM calendar WHERE calendar_date >= broken.month_start)) AS ahead
FROM feed_health AS broken
WHERE health_check = 'level_break' AND subject = $all AND month_start > $cutoff - INTERVAL 1 YEAR
ORDER BY month_start
"""


def describe_breaks(
    connection: duckdb.DuckDBPyConnection, panel: Panel, cutoff: dt.date
) -> tuple[str, ...]:
    """Return a sentence per break in the year up to the cutoff; none where there is no break."""
    found = connection.execute(BREAKS_SELECT, {"all": ALL_INCIDENTS, "cutoff": cutoff}).fetchall()
    if not found:
        return ()
    origin = number_month(cutoff) + 1
    past, targets = panel.before(origin), np.array(next_months(cutoff))
    weights = {
        months: measure_memory(past, origin, targets, months) for months in (NEWEST_MONTHS, MONTHS)
    }
    return tuple(describe_break(month, rates, weights) for month, *rates in found)


def describe_break(month: dt.date, rates: Sequence[float], weights: Mapping[int, float]) -> str:
    """Return what the forecast makes of one break.

    `rates` are incidents a day: before and after it, since it, and expected in the same months.
    `weights` are by months how far the level follows their counts (`measure_memory`).
    """
    before, after, observed, ahead = rates
    told = ", ".join(
        f"of the newest {months} months by {weight:.0%}" for months, weight in weights.items()
    )
    return (
        f"the level changed in {month:%Y-%m}, from {before:.3g} to {after:.3g} incidents a day. Since"
        f" then there were {observed:.3g} a day, and the forecast has {ahead:.3g} in the same months"
        f" of the coming year: its level follows a change {told}, all years share its season."
        f" Where the feed changed and not crime, FIRST={month:%Y-%m-%d} leaves out what was before and"
        f" LAST={month - dt.timedelta(days=1):%Y-%m-%d} what came after"
    )
