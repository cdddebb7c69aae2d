"""The audit by group: whether the forecast errs for some more than for others, and where it sees crime.

Input: a build with its forecasts and `backtest_month`. Output: `neighborhood_group` and `group_audit`.
Crimes are summed up to the areas that census figures belong to; an area's figure is never handed down to
its members, so that a group that cuts through areas has no population.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.arrays import Floats
from models.metrics import deviance_terms
from warehouse import settings
from warehouse.build import Build
from warehouse.columns import UNKNOWN_ZONE
from warehouse.table import RELATIVE_TOLERANCE
from warehouse.tables_groups import (
    FIFTHS,
    GROUP_AUDIT_TABLE,
    LEVEL,
    NEIGHBORHOOD_GROUP_TABLE,
    VOLUME,
)

RESAMPLES = 2_000
BLOCK_MONTHS = 3
"""Months that follow each other are alike: they are drawn together (circular block bootstrap, Politis
and Romano 1992)."""
MIN_MONTHS = 6
"""With fewer months there is nothing to resample."""

GROUP = ["group_kind", "group_name"]

# The fifth of an area is that of its middle resident, areas in the order of the measure; those that are
# alike in it are in one fifth, whatever their names. An area without a neighborhood, such as a row of
# totals or of another city, would move the others.
GROUPS_SELECT = f"""
WITH area_fifth AS (
    SELECT area, measure,
           least({FIFTHS}, 1 + floor(
               {FIFTHS} * (sum(population) OVER so_far - sum(population) OVER alike / 2)
               / nullif(sum(population) OVER (PARTITION BY measure), 0))) AS fifth
    FROM area_measure JOIN demographic_area USING (area) SEMI JOIN area_member USING (area)
    WHERE value IS NOT NULL
    WINDOW so_far AS (PARTITION BY measure ORDER BY value), alike AS (PARTITION BY measure, value)
)
SELECT neighborhood, 'zone' AS group_kind, coalesce(zone, '{UNKNOWN_ZONE}') AS group_name
FROM neighborhood WHERE EXISTS (FROM neighborhood WHERE zone IS NOT NULL)
UNION ALL
SELECT neighborhood, 'npu', coalesce(npu, '{UNKNOWN_ZONE}')
FROM neighborhood WHERE EXISTS (FROM neighborhood WHERE npu IS NOT NULL)
UNION ALL
SELECT neighborhood, '{VOLUME}',
       ntile({FIFTHS}) OVER (ORDER BY sum(expected_month_crimes), neighborhood)::VARCHAR
FROM average_daily GROUP BY neighborhood
UNION ALL
SELECT neighborhood, measure, coalesce(fifth::INTEGER::VARCHAR, '{UNKNOWN_ZONE}')
FROM neighborhood CROSS JOIN (SELECT DISTINCT measure FROM area_measure)
     LEFT JOIN area_member USING (neighborhood) LEFT JOIN area_fifth USING (area, measure)
"""

# By volume a place is in the group that the origin itself put it in: by what came out, those that turned
# out higher than thought would gather in the upper groups.
CELLS_SELECT = f"""
WITH grouped AS (
    SELECT origin, neighborhood, group_kind, group_name
    FROM (SELECT DISTINCT origin, neighborhood FROM backtest_month)
    JOIN neighborhood_group USING (neighborhood) WHERE group_kind <> '{VOLUME}'
    UNION ALL
    SELECT origin, neighborhood, '{VOLUME}', ntile({FIFTHS}) OVER (
               PARTITION BY origin ORDER BY sum(expected_crimes), neighborhood)::VARCHAR
    FROM backtest_month GROUP BY origin, neighborhood
)
SELECT group_kind, group_name, target_month, observed_crimes, expected_crimes, reference_crimes,
       observed_crimes < lower_{LEVEL} AS below, observed_crimes > upper_{LEVEL} AS above
FROM backtest_month JOIN grouped USING (origin, neighborhood)
ORDER BY group_kind, group_name, target_month, origin, neighborhood
"""

EXPECTED_SELECT = """
SELECT group_kind, group_name, neighborhood, expected_month_crimes AS expected,
       expected_reported_month_crimes AS reported
FROM average_daily JOIN neighborhood_group USING (neighborhood)
ORDER BY group_kind, group_name, neighborhood, month
"""

# Only where each area of the group lies in it as a whole, and each neighborhood in an area.
POPULATION_SELECT = """
WITH area_size AS (SELECT area, count(*) AS members FROM area_member GROUP BY area),
part AS (
    SELECT group_kind, group_name, area, count(*) AS members
    FROM neighborhood_group LEFT JOIN area_member USING (neighborhood) GROUP BY ALL
)
SELECT group_kind, group_name, sum(population)::DOUBLE AS population
FROM part LEFT JOIN area_size USING (area) LEFT JOIN demographic_area USING (area)
GROUP BY ALL HAVING bool_and(coalesce(part.members = area_size.members, false))
"""


def fill_groups(build: Build) -> None:
    """Fill `neighborhood_group` and `group_audit`; without a backtest the scores are NULL."""
    build.insert(NEIGHBORHOOD_GROUP_TABLE, GROUPS_SELECT)
    connection = build.connection
    members = connection.execute(
        "SELECT group_kind, group_name, count(*) AS neighborhood_count FROM neighborhood_group"
        " GROUP BY ALL ORDER BY ALL"
    ).df()
    audit = members.set_index(GROUP)
    audit["population"] = connection.execute(POPULATION_SELECT).df().set_index(GROUP)["population"]
    audit = audit.join(share_expected(connection.execute(EXPECTED_SELECT).df()))
    per_resident = 1000 * audit.pop("reported") / audit["population"]
    audit["reported_per_1000_residents"] = per_resident.where(audit["population"] > 0)
    cells = connection.execute(CELLS_SELECT).df()
    if len(cells):
        audit = audit.join(score_groups(cells))
    audit = audit.reindex(columns=[*GROUP_AUDIT_TABLE.column_names[len(GROUP) : -1]])
    build.insert_frame(GROUP_AUDIT_TABLE, audit.reset_index())


def share_expected(months: pd.DataFrame) -> pd.DataFrame:
    """Return each group's expected reported crimes and its shares of the city's expected crimes."""
    rest = months["expected"] - months["reported"]
    months["discretionary"] = rest.where(rest > RELATIVE_TOLERANCE * months["expected"], 0.0)
    sums = months.groupby(GROUP)[["expected", "reported", "discretionary"]].sum()
    city = sums.groupby(level="group_kind").transform("sum")
    shares = (sums / city).where(city > 0, 0.0).add_suffix("_share")
    return shares.join(sums["reported"])


def score_groups(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of each group over cells: a neighborhood's month after an origin, in a group."""
    observed, expected, reference = (
        cells[f"{name}_crimes"].to_numpy(np.float64) for name in ("observed", "expected", "reference")
    )
    cells["deviance"] = deviance_terms(observed, expected)
    cells["reference_deviance"] = deviance_terms(observed, reference)
    sums = cells.drop(columns="target_month").groupby(GROUP).sum()
    means = cells.groupby(GROUP)[["below", "above"]].mean()
    lower, upper = resample_ratio(cells)
    return pd.DataFrame(
        {
            "observed_crimes": sums["observed_crimes"],
            "predicted_to_actual": divide(sums["expected_crimes"], sums["observed_crimes"]),
            "predicted_to_actual_lower": lower,
            "predicted_to_actual_upper": upper,
            "coverage": 1 - means["below"] - means["above"],
            "below_share": means["below"],
            "above_share": means["above"],
            "deviance_to_reference": divide(sums["deviance"], sums["reference_deviance"]),
        }
    )


def divide(part: pd.Series, whole: pd.Series) -> pd.Series:
    """Return a ratio, NaN where there is nothing to divide by."""
    return part / whole.where(whole > 0)


def resample_ratio(cells: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the ends of the 95 % interval of expected over observed crimes, by group.

    Months are drawn with all their cells: places of a city have the same surprises. NaN where some
    resample has no crime, or there are fewer than `MIN_MONTHS`.
    """
    months = cells.pivot_table(
        index="target_month", columns=GROUP, values=["observed_crimes", "expected_crimes"], aggfunc="sum"
    ).fillna(0.0)
    if len(months) < MIN_MONTHS:
        nothing = pd.Series(dtype=np.float64)
        return nothing, nothing
    weights = draw_blocks(len(months))
    observed, expected = (weights @ months[name] for name in ("observed_crimes", "expected_crimes"))
    ratios = (expected / observed.where(observed > 0)).to_numpy()
    ends = np.quantile(ratios, (0.025, 0.975), axis=0)
    groups = months["observed_crimes"].columns
    return pd.Series(ends[0], groups), pd.Series(ends[1], groups)


def draw_blocks(months: int) -> Floats:
    """Return how often each resample has each month (resample, month): blocks drawn in a circle."""
    random = np.random.default_rng(settings.SEED)
    starts = random.integers(0, months, (RESAMPLES, -(-months // BLOCK_MONTHS), 1))
    drawn: npt.NDArray[np.int64] = (starts + np.arange(BLOCK_MONTHS)) % months
    drawn = drawn.reshape(RESAMPLES, -1)[:, :months]
    weights = np.zeros((RESAMPLES, months))
    np.add.at(weights, (np.arange(RESAMPLES)[:, None], drawn), 1.0)
    return weights
