"""How far a plan's hours hang on levels that nobody knows.

Input: the build's month intervals, and the limits of a plan. Output: overdispersion by neighborhood, and
ranges of weekly hours over plans for levels drawn anew.
"""

import duckdb
import numpy as np
import pandas as pd

from planner.allocation import Problem
from planner.linear_program import Solution, solve_near
from warehouse.interval_levels import INTERVAL_LEVELS

LEVEL = INTERVAL_LEVELS[0]
NORMAL_WIDTH = 2 * 1.2815515655446004
"""Standard deviations that a central interval of 80 % of a normal distribution is wide."""
PRIOR_CRIMES = 16.0
"""A neighborhood of so many expected crimes a month weighs as much as the mean of all: of fewer, counts
that are whole numbers say little."""
MIN_OVERDISPERSION = 1e-6
DRAWS = 50

MOMENTS = f"""
SELECT {{place}} AS neighborhood,
       sum(((month_upper_{LEVEL} - month_lower_{LEVEL} + 1) / {NORMAL_WIDTH}) ^ 2
           - expected_month_crimes ORDER BY month) AS excess,
       sum(expected_month_crimes ^ 2 ORDER BY month) AS squares, count(*) AS months
FROM {{table}} WHERE month_upper_{LEVEL} > 0 GROUP BY ALL ORDER BY 1
"""


def estimate_overdispersion(connection: duckdb.DuckDBPyConnection) -> "pd.Series[float]":
    """Return the overdispersion of each neighborhood's level beside the city's.

    Counts of a month have the variance mu + overdispersion * mu^2 (`models.interval`), and the interval
    that the build holds is some 2.56 standard deviations wide: from its first whole count to its last
    are the width, less 1. By the method of moments over the year's months, shrunk toward the mean of
    all. The city's own, of `forecast_city`, is taken off: it moves all places alike, and so no hours. A
    place whose intervals are all 0 to 0 has the mean.
    """
    places = connection.execute(MOMENTS.format(place="neighborhood", table="average_daily")).df()
    city = connection.execute(MOMENTS.format(place="''", table="forecast_city")).df()
    shared = float(city["excess"].sum() / max(city["squares"].sum(), MIN_OVERDISPERSION))
    mean = places["excess"].sum() / max(places["squares"].sum(), MIN_OVERDISPERSION)
    prior = PRIOR_CRIMES**2 * places["months"]
    own = (places["excess"] + prior * mean) / (places["squares"] + prior)
    names = connection.execute("SELECT neighborhood FROM neighborhood ORDER BY 1").df()["neighborhood"]
    found = own.set_axis(places["neighborhood"]).reindex(names).fillna(mean)
    beside: pd.Series[float] = (found - shared).clip(lower=MIN_OVERDISPERSION)
    return beside


def draw_ranges(
    cells: pd.DataFrame,
    problem: Problem,
    solution: Solution,
    overdispersion: "pd.Series[float]",
    seed: int,
) -> pd.DataFrame:
    """Return a range of weekly units, `lower` to `upper`, by neighborhood, and `overdispersion`.

    Each draw multiplies a neighborhood's demand by a Gamma variable of mean 1 and its overdispersion as
    variance, and shares out again, where there are floors as `solve_near` does.
    """
    shape = 1 / overdispersion.to_numpy()
    drawn = np.random.default_rng(seed).gamma(shape, 1 / shape, (DRAWS, len(shape)))
    place = overdispersion.index.get_indexer(pd.Index(cells["neighborhood"]))
    weeks = np.empty((DRAWS, len(shape)))
    for week, level in zip(weeks, drawn, strict=True):
        units = solve_near(problem, solution, problem.demand * level[place])
        week[:] = np.bincount(place, units, len(shape))
    tail = (100 - LEVEL) / 200
    lower, upper = np.quantile(weeks, [tail, 1 - tail], axis=0)
    found = {"lower": lower, "upper": upper, "overdispersion": overdispersion}
    return pd.DataFrame(found, index=overdispersion.index)
