"""A plan by group: the hours of districts, volume and census groups, beside crimes and residents.

Input: the plan's weeks by neighborhood, and a build that says which groups each is in. Output: rows of
`plan_group`.
"""

import duckdb
import pandas as pd

# A place that is left out has no hours; a group that has one has no figure per resident either.
GROUPS_SELECT = """
SELECT group_kind, group_name, count(*) FILTER (week.neighborhood IS NULL) AS left_out_count,
       coalesce(sum(week.hours), 0) AS hours,
       coalesce(sum(week.expected_reported_crimes), 0) AS expected_reported_crimes,
       any_value(population) AS population
FROM neighborhood_group AS member
JOIN group_audit USING (group_kind, group_name)
LEFT JOIN planned_week AS week ON week.neighborhood = member.neighborhood
GROUP BY ALL ORDER BY ALL
"""


def sum_groups(connection: duckdb.DuckDBPyConnection, weeks: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `plan_group` for the rows of `plan_neighborhood`.

    Figures that nothing can be divided by are NaN.
    """
    connection.register("planned_week", weeks[["neighborhood", "hours", "expected_reported_crimes"]])
    groups = connection.execute(GROUPS_SELECT).df()
    connection.unregister("planned_week")
    crimes, people = groups["expected_reported_crimes"], groups["population"]
    groups["hours_per_reported_crime"] = (groups["hours"] / crimes).where(crimes > 0)
    is_whole = (people > 0) & (groups["left_out_count"] == 0)
    groups["hours_per_1000_residents"] = (1000 * groups["hours"] / people).where(is_whole)
    return groups
