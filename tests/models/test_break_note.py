"""What the forecast makes of a break of the newest year: the sentence and its numbers."""

import datetime as dt
from dataclasses import replace

import duckdb
import numpy as np
import pytest

from models.base_rate import measure_memory
from models.break_note import describe_break, describe_breaks
from models.model_card import tell_break
from models.panel import Panel
from tests.models.panels import FIRST_MONTH, make_panel

ORIGIN = FIRST_MONTH + 36
TARGETS = np.arange(ORIGIN, ORIGIN + 12)
CUTOFF = dt.date(2021, 12, 31)


def scale_newest(panel: Panel, months: int, factor: float) -> Panel:
    """Return the panel with its newest months' counts times a factor."""
    scales = np.where(panel.month_numbers >= ORIGIN - months, factor, 1.0)[None, :, None, None]
    return replace(panel, stratum_counts=panel.stratum_counts * scales)


def test_memory_is_how_far_the_level_follows_its_newest_months() -> None:
    panel = make_panel(months=36, rate=0.5)
    short, year, everything = (measure_memory(panel, ORIGIN, TARGETS, n) for n in (3, 12, 36))
    assert 0 < short < year < everything
    assert everything == pytest.approx(1, abs=0.05)
    broken = measure_memory(scale_newest(panel, 6, 2.0), ORIGIN, TARGETS, 3)
    assert broken > short + 0.1


def fill_tables(breaks: str) -> duckdb.DuckDBPyConnection:
    """Return tables of a city with 8 incidents a day since October 2021 and 5 before."""
    connection = duckdb.connect()
    connection.execute(f"""
        CREATE TABLE calendar AS SELECT day::DATE AS calendar_date, month(day) AS month
            FROM range(DATE '2019-01-01', DATE '2022-01-01', INTERVAL 1 DAY) AS days(day);
        CREATE TABLE incident AS SELECT calendar_date::TIMESTAMP AS occurred_at
            FROM calendar, range(8) AS number(n) WHERE n < 5 OR calendar_date >= DATE '2021-10-01';
        CREATE TABLE forecast_city AS SELECT month(first) AS month, first::DATE AS forecast_month,
                day(last_day(first)) * CASE WHEN month(first) < 10 THEN 6.5 ELSE 7.5 END
                    AS expected_month_crimes
            FROM range(DATE '2022-01-01', DATE '2023-01-01', INTERVAL 1 MONTH) AS months(first);
        CREATE TABLE feed_health (health_check VARCHAR, subject VARCHAR, month_start DATE,
            expected_value DOUBLE, value DOUBLE);
        {breaks}""")
    return connection


def insert_break(subject: str, month: str) -> str:
    """Return the statement that enters a break from 5 to 8 a day."""
    return f"INSERT INTO feed_health VALUES ('level_break', '{subject}', DATE '{month}', 5, 8);"


def test_break_of_the_newest_year_is_told_with_what_the_forecast_makes_of_it() -> None:
    panel = make_panel(months=36, rate=0.5)
    (text,) = describe_breaks(fill_tables(insert_break("all", "2021-10-01")), panel, CUTOFF)
    assert "changed in 2021-10, from 5 to 8 incidents a day" in text
    assert "there were 8 a day, and the forecast has 7.5 in the same months" in text
    shares = [measure_memory(panel, ORIGIN, TARGETS, months) for months in (3, 12)]
    assert f"newest 3 months by {shares[0]:.0%}, of the newest 12 months by {shares[1]:.0%}" in text
    assert "FIRST=2021-10-01 leaves out what was before and LAST=2021-09-30 what came after" in text
    assert tell_break(text).startswith("Of note: the level changed in 2021-10")


@pytest.mark.parametrize(
    ("subject", "month"), [("Property", "2021-10-01"), ("all", "2020-12-01"), ("all", "2019-06-01")]
)
def test_older_breaks_and_those_of_a_part_are_not_told(subject: str, month: str) -> None:
    found = describe_breaks(fill_tables(insert_break(subject, month)), make_panel(months=36), CUTOFF)
    assert found == ()


def test_two_breaks_of_a_year_are_told_in_order() -> None:
    tables = fill_tables(insert_break("all", "2021-10-01") + insert_break("all", "2021-04-01"))
    first, second = describe_breaks(tables, make_panel(months=36), CUTOFF)
    assert "in 2021-04" in first
    assert "in 2021-10" in second
    assert ";" not in describe_break(CUTOFF, (1.0, 2.0, 3.0, 4.0), {3: 0.4})
