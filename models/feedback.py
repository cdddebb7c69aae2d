"""Where patrols would end that follow the forecast: the loop of discovered offenses, simulated.

Input: a build with `average_daily`. Output: `feedback_simulation`. The model is the urn of Ensign et al.
2018, "Runaway feedback loops in predictive policing" (PMLR 81), with reported and discovered crimes, but
it forgets; Lum & Isaac 2016, "To predict and serve?" (Significance 13:5), warned of the loop. It says
what counts that follow themselves come to, not what happens in the city.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from models.arrays import Floats, Integers
from warehouse import settings
from warehouse.build import Build
from warehouse.months import MONTHS
from warehouse.table import exceed
from warehouse.tables_account import (
    ALL_OFFENSES,
    CORRECTED,
    FEEDBACK_MONTHS,
    FEEDBACK_RULES,
    FEEDBACK_SIMULATION_TABLE,
    FOLLOW_RATES,
    MAX_CORRECTION,
    REPORTED,
    VOLUME_TENTHS,
)

MEMORY_MONTHS = 6.0
"""Half-life of a count in the simulated forecast."""
REPLICATIONS = 40
RANGE = (0.1, 0.9)
"""Quantiles of the replications between which the 80 % range lies."""

Draw = Callable[[Floats], Floats | Integers]
"""Counts of expected counts: Poisson draws, or the expected counts themselves."""

RATES_SELECT = f"""
WITH yearly AS (
    SELECT neighborhood, sum(expected_month_crimes ORDER BY month) AS expected,
           sum(expected_reported_month_crimes ORDER BY month) AS reported
    FROM average_daily GROUP BY ALL
)
SELECT reported / {MONTHS} AS reported,
       if({exceed("expected", "reported")}, expected - reported, 0) / {MONTHS} AS discovered
FROM yearly ORDER BY reported DESC, neighborhood
"""
"""Crimes a month by place, the busiest first; what rounding leaves of a sum is not discovered."""

END_SELECT = """
SELECT start_share, patrol_share FROM feedback_simulation
WHERE volume_tenth = 1 AND month = $month AND follow_rate = 1 AND rule IN ($all, $reported)
ORDER BY rule
"""


@dataclass(frozen=True)
class Loop:
    """What feeds back, by place.

    `reported` are crimes a month that the public reports, `discoverable` those that police would
    discover if every patrol were there, `start` shares of patrols at first, `counts` the remembered
    crimes that the first forecast stands on. Shares of patrols go with the counts to the power of
    1 / `exponent`; `even_share` of them is spread evenly.
    """

    reported: Floats
    discoverable: Floats
    start: Floats
    counts: Floats
    memory_months: float = MEMORY_MONTHS
    exponent: float = 1.0
    even_share: float = 0.0

    @property
    def crime_shares(self) -> Floats:
        """Each place's share of the crimes that even patrols would count: p* of the model."""
        crimes = self.reported + self.discoverable / len(self.reported)
        shares: Floats = crimes / crimes.sum()
        return shares


def close_loop(reported: Floats, discovered: Floats, exponent: float = 1.0) -> Loop | None:
    """Return the loop of expected crimes a month by place; None where there is none to close.

    Patrols start as reported crimes lie. What can be discovered lies as what was discovered, as if
    patrols had been even so far: no build knows where they were. At the start as much is discovered
    as is expected.
    """
    start = reported ** (1 / exponent)
    if not start @ discovered > 0:
        return None
    start = start / start.sum()
    discoverable = discovered * discovered.sum() / (start @ discovered)
    return Loop(reported, discoverable, start, reported / (1 - keep_share(MEMORY_MONTHS)),
                exponent=exponent)  # fmt: skip


def keep_share(memory_months: float) -> float:
    """Return how much of a count is left after a month, for a half-life in months (infinity: all)."""
    return float(2 ** (-1 / memory_months))


def simulate(
    loop: Loop, follow_rates: Sequence[float], months: int, replications: int, draw: Draw
) -> Iterator[Floats]:
    """Yield patrols' shares (rule, follow rate, replication, place), at the start and after each month.

    Rules are `FEEDBACK_RULES`. Replications of different rules share their reported crimes, so that they
    differ by what the rules do.
    """
    places = len(loop.reported)
    shape = (len(FEEDBACK_RULES), len(follow_rates), replications, places)
    follow, rules = np.array(follow_rates)[:, None, None], np.array(FEEDBACK_RULES)
    is_counted = (rules != REPORTED)[:, None, None, None]
    is_corrected = (rules == CORRECTED)[:, None, None, None]
    kept = keep_share(loop.memory_months)
    counts, shares = np.broadcast_to(loop.counts, shape), np.broadcast_to(loop.start, shape)
    yield shares
    for _ in range(months):
        reported = draw(np.broadcast_to(loop.reported, (replications, places)))
        discovered = draw(loop.discoverable * shares * is_counted)
        correction = 1 / np.maximum(places * shares, 1 / MAX_CORRECTION)
        # Sums that decay, not means: their shares are the same, and with kept = 1 they are Ensign's urn.
        counts = kept * counts + reported + np.where(is_corrected, correction, 1) * discovered
        powers = counts ** (1 / loop.exponent)
        forecast = powers / powers.sum(axis=-1, keepdims=True)
        forecast = loop.even_share / places + (1 - loop.even_share) * forecast
        shares = (1 - follow) * loop.start + follow * forecast
        yield shares


def tabulate(loop: Loop) -> pd.DataFrame:
    """Return the rows of `feedback_simulation`; places stand in the order of their volume."""
    places = len(loop.reported)
    tenth = np.arange(places) * VOLUME_TENTHS // places
    member = (tenth[:, None] == np.arange(VOLUME_TENTHS)).astype(np.float64)
    draw = np.random.default_rng(settings.SEED).poisson
    months = simulate(loop, FOLLOW_RATES, max(FEEDBACK_MONTHS), REPLICATIONS, draw)
    told = [shares for month, shares in enumerate(months) if month in FEEDBACK_MONTHS]
    patrols = np.stack([shares @ member for shares in told], axis=2)
    away = np.stack([abs(shares - loop.crime_shares) / 2 @ member for shares in told], axis=2)
    lower, upper = np.quantile(patrols, RANGE, axis=3)
    keys = pd.MultiIndex.from_product(
        [FEEDBACK_RULES, FOLLOW_RATES, FEEDBACK_MONTHS, range(1, VOLUME_TENTHS + 1)],
        names=["rule", "follow_rate", "month", "volume_tenth"],
    )
    columns = {
        "patrol_share": patrols.mean(axis=3),
        "patrol_share_lower_80": lower,
        "patrol_share_upper_80": upper,
        "start_share": np.broadcast_to(loop.start @ member, lower.shape),
        "crime_share": np.broadcast_to(loop.crime_shares @ member, lower.shape),
        "total_variation": away.mean(axis=3),
    }
    values = {name: array.ravel() for name, array in columns.items()}
    return pd.DataFrame(values, index=keys).reset_index()


def fill_feedback(build: Build) -> None:
    """Fill `feedback_simulation` from the build's own expected crimes; it stays empty without a loop."""
    rates = build.connection.execute(RATES_SELECT).df()
    loop = close_loop(rates["reported"].to_numpy(), rates["discovered"].to_numpy())
    if loop is not None:
        build.insert_frame(FEEDBACK_SIMULATION_TABLE, tabulate(loop))


def describe_feedback(connection: duckdb.DuckDBPyConnection) -> str:
    """Return what the simulation found, in a sentence with its numbers, or why there is none."""
    month = max(FEEDBACK_MONTHS)
    values = {"month": month, "all": ALL_OFFENSES, "reported": REPORTED}
    ends = connection.execute(END_SELECT, values).fetchall()
    if not ends:
        return f"No such loop could be simulated: {FEEDBACK_SIMULATION_TABLE.empty_where}."
    (start, by_all), (_, by_reported) = ends
    return (
        f"Were patrols to follow the forecast of all offenses for {month // MONTHS} years, the busiest"
        f" tenth of neighborhoods would get {by_all:.0%} of them instead of {start:.0%}; were they to"
        f" follow that of reported crimes, {by_reported:.0%} (simulated, see `feedback_simulation`)."
        " This takes what police can discover to lie where they found it, as if patrols had been even so"
        " far."
    )
