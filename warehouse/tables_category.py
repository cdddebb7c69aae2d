"""The tables of offense categories: what the expected crimes are.

Input: nothing. Output: declarations, listed in `warehouse.schema`.
"""

from dataclasses import replace

from warehouse.columns import (
    DATA_SOURCE,
    EXPECTED_CRIMES,
    FORECAST_MONTH,
    HOUR,
    MONTH,
    NEIGHBORHOOD,
    OFFENSE_CATEGORY,
)
from warehouse.settings import MAX_CATEGORY_RANK
from warehouse.table import RELATIVE_TOLERANCE, Column, Reconciliation, Table, differ

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

FORECAST_CATEGORY_TABLE = Table(
    "forecast_category",
    "What drives a cell: the offense categories with the largest share of its expected crimes.",
    f"neighborhood, month, hour and rank; {MAX_CATEGORY_RANK} ranks, or fewer where the city has fewer"
    " categories",
    ("neighborhood", "month", "hour", "category_rank"),
    (
        NEIGHBORHOOD,
        MONTH,
        HOUR,
        FORECAST_MONTH,
        Column(
            "category_rank", "INTEGER", "Rank by share, from 1.", "Rank", minimum=1,
            maximum=MAX_CATEGORY_RANK,
        ),
        OFFENSE_CATEGORY,
        replace(
            EXPECTED_CRIMES,
            description="Expected crimes of that category in that clock hour on an average day.",
        ),
        Column(
            "category_share", "DOUBLE", "Share of the cell's expected crimes, as the base rate has it.",
            "Category share", minimum=0, maximum=1,
        ),
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation(
            "forecast_category has a cell without its first rank, or with more than its crimes", f"""
            SELECT count(*) FROM forecast_hourly LEFT JOIN (
                SELECT neighborhood, month, hour, sum(expected_crimes) AS top,
                       min(category_rank) AS first_rank
                FROM forecast_category GROUP BY ALL
            ) USING (neighborhood, month, hour)
            WHERE first_rank IS DISTINCT FROM 1
               OR top > expected_crimes * (1 + {RELATIVE_TOLERANCE})"""),
        Reconciliation("forecast_category.expected_crimes is not its share of forecast_hourly", f"""
            SELECT count(*) FROM forecast_category AS category
            JOIN forecast_hourly AS cell USING (neighborhood, month, hour)
            WHERE {differ("category.expected_crimes", "category_share * cell.expected_crimes")}"""),
    ),
)
