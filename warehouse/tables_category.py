"""The tables of offense categories: what the expected crimes are.

Input: nothing. Output: declarations, listed in `warehouse.schema`.
"""

from dataclasses import replace

from warehouse.columns import (
    CENTER,
    DATA_SOURCE,
    EXPECTED_CRIMES,
    FORECAST_MONTH,
    HOUR,
    MONTH,
    MONTH_NAME,
    NEIGHBORHOOD,
    NPU,
    OFFENSE_CATEGORY,
    TIME_OF_DAY,
    ZONE,
)
from warehouse.table import Column, Reconciliation, Table, differ

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

CRIMES_DECIMALS, SHARE_DECIMALS = 8, 5
"""Decimals that are stored: there are some two million rows, and DuckDB stores few decimals in a third
of the bytes of an arbitrary double."""

CATEGORY_SHARE = Column(
    "category_share", "DOUBLE",
    f"Share of the cell's expected crimes, rounded to {SHARE_DECIMALS} decimals; those of a cell add"
    " up to 1.",
    "Category share", minimum=0, maximum=1,
)

FORECAST_CATEGORY_TABLE = Table(
    "forecast_category",
    "What the expected crimes of a cell are: every offense category of the city, with its share.",
    "neighborhood, month, hour and offense category; every category of incident in every cell",
    ("neighborhood", "month", "hour", "offense_category"),
    (
        NEIGHBORHOOD,
        MONTH,
        HOUR,
        FORECAST_MONTH,
        Column("category_rank", "INTEGER", "Rank by share in the cell, from 1.", "Rank", minimum=1),
        OFFENSE_CATEGORY,
        replace(
            EXPECTED_CRIMES,
            description="Expected crimes of that category in that clock hour on an average day, rounded"
            f" to {CRIMES_DECIMALS} decimals.",
        ),
        CATEGORY_SHARE,
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation("forecast_category lacks a category of incident in a cell, or has too many", """
            SELECT (SELECT count(*) FROM forecast_hourly)
                 * (SELECT count(DISTINCT offense_category) FROM incident)
                 - (SELECT count(*) FROM forecast_category)"""),
        Reconciliation("forecast_category does not add up to its cell in forecast_hourly", f"""
            SELECT count(*) FROM forecast_hourly LEFT JOIN (
                SELECT neighborhood, month, hour, sum(expected_crimes) AS crimes,
                       sum(category_share) AS share, count(*) AS categories
                FROM forecast_category GROUP BY ALL
            ) USING (neighborhood, month, hour)
            WHERE coalesce(abs(expected_crimes - crimes) > categories / 1e{CRIMES_DECIMALS}
                           OR {differ("share", "1")}, true)"""),
        Reconciliation("forecast_category.expected_crimes is not its share of forecast_hourly", f"""
            SELECT count(*) FROM forecast_category AS category
            JOIN forecast_hourly AS cell USING (neighborhood, month, hour)
            WHERE abs(category.expected_crimes - category_share * cell.expected_crimes)
                  > 1 / 1e{CRIMES_DECIMALS}"""),
        Reconciliation("forecast_category.category_rank is not the order of its shares", """
            SELECT count(*) FROM (
                SELECT count(DISTINCT category_rank) AS ranks, max(category_rank) AS last,
                       max(category_share) FILTER (category_rank = 1) AS first_share,
                       count(*) AS categories, max(category_share) AS largest_share
                FROM forecast_category GROUP BY neighborhood, month, hour
            ) WHERE (ranks, last, first_share)
                    IS DISTINCT FROM (categories, categories, largest_share)"""),
    ),
)

MART_FORECAST_CATEGORY_TABLE = Table(
    "mart_forecast_category",
    "What the expected crimes of a time of day are, by offense category.",
    "neighborhood, month, time of day and offense category",
    ("neighborhood", "month", "time_of_day", "offense_category"),
    (
        NEIGHBORHOOD,
        NPU,
        ZONE,
        *CENTER,
        MONTH,
        MONTH_NAME,
        FORECAST_MONTH,
        TIME_OF_DAY,
        OFFENSE_CATEGORY,
        Column(
            "expected_daily_crimes", "DOUBLE",
            "Expected crimes of that category within that time of day, on an average day of that month.",
            "Expected daily crimes", unit="crimes per day", minimum=0,
        ),
        replace(
            CATEGORY_SHARE,
            description="Share of the expected crimes of that time of day, rounded to 6 decimals; NULL"
            " where none are expected.",
            nullable=True,
        ),
        DATA_SOURCE,
    ),
    is_mart=True,
    reconciliations=(
        Reconciliation("mart_forecast_category does not add up to mart_patrol_plan", f"""
            SELECT count(*) FROM mart_patrol_plan LEFT JOIN (
                SELECT neighborhood, month, time_of_day, sum(expected_daily_crimes) AS crimes
                FROM mart_forecast_category GROUP BY ALL
            ) USING (neighborhood, month, time_of_day)
            WHERE coalesce({differ("expected_daily_crimes", "crimes")}, true)"""),
    ),
)
