"""The published forecast tables: complete, dated, reconciled."""

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pytest

from etl.city import City
from models.forecast import next_months, share_of_days


@pytest.mark.parametrize(
    ("cutoff", "january", "december"),
    [
        (dt.date(2021, 12, 31), (2022, 1), (2022, 12)),
        (dt.date(2025, 3, 28), (2026, 1), (2025, 12)),
        (dt.date(2024, 1, 1), (2025, 1), (2024, 12)),
    ],
)
def test_forecast_months_are_the_next_after_the_cutoff(
    cutoff: dt.date, january: tuple[int, int], december: tuple[int, int]
) -> None:
    months = [divmod(number, 12) for number in next_months(cutoff)]
    assert [month + 1 for _, month in months] == list(range(1, 13))
    assert (months[0][0], 1) == january
    assert (months[11][0], 12) == december


def test_an_average_day_counts_the_clock_changes(city: City) -> None:
    march, november = (share_of_days(dt.date(2026, month, 1), city.time_zone) for month in (3, 11))
    assert march[2] == pytest.approx(30 / 31)
    assert november[1] == pytest.approx(31 / 30)
    assert march.sum() == pytest.approx(24 - 1 / 31)
    np.testing.assert_allclose(share_of_days(dt.date(2026, 6, 1), city.time_zone), 1)


def fetch(builds: Path, select: str) -> list[tuple[object, ...]]:
    """Return the rows of a SELECT on the published build."""
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as connection:
        return connection.execute(select).fetchall()


def test_hours_add_up_to_days_and_days_to_months(published: Path) -> None:
    assert fetch(published, """
        SELECT count(*) FROM average_daily JOIN (
            SELECT neighborhood, month, sum(expected_crimes) AS hours, count(*) AS cells
            FROM forecast_hourly GROUP BY ALL) USING (neighborhood, month)
        WHERE cells <> 24 OR abs(expected_daily_crimes - hours) > 1e-12
           OR abs(expected_month_crimes - hours * day(last_day(forecast_month))) > 1e-9
    """) == [(0,)]  # fmt: skip


def test_observed_rates_count_days_without_crime(published: Path) -> None:
    assert fetch(published, """
        SELECT count(*) FROM forecast_hourly JOIN average_daily USING (neighborhood, month)
        WHERE abs(forecast_hourly.observed_crimes * observed_days - support_incidents) > 1e-9
    """) == [(0,)]  # fmt: skip
    assert fetch(published, """
        SELECT sum(support_incidents) = (SELECT count(*) FROM incident),
               (SELECT sum(observed_crimes) FROM average_daily) = (SELECT count(*) FROM incident)
        FROM forecast_hourly""") == [(True, True)]  # fmt: skip


def test_expected_year_is_near_the_last_year(published: Path) -> None:
    ratio = fetch(published, """
        SELECT (SELECT sum(expected_month_crimes) FROM average_daily) / count(*)
        FROM incident, refresh_run
        WHERE occurred_at::DATE > cutoff - INTERVAL 12 MONTH""")[0][0]  # fmt: skip
    assert 0.85 < float(str(ratio)) < 1.15


def test_intensity_follows_the_stored_thresholds(published: Path) -> None:
    assert fetch(published, """
        SELECT count(*) FROM forecast_hourly, refresh_run
        WHERE intensity <> CASE WHEN expected_crimes >= intensity_high_from THEN 'high'
            WHEN expected_crimes >= intensity_moderate_from THEN 'moderate' ELSE 'low' END
    """) == [(0,)]  # fmt: skip
    shares = {
        name: share
        for name, share in fetch(
            published,
            """
            SELECT intensity, count(*) / sum(count(*)) OVER () FROM forecast_hourly GROUP BY ALL""",
        )
    }
    one_cell = 1 / (242 * 12 * 24)
    wanted = {"low": 0.5, "moderate": 0.4, "high": 0.1}
    assert shares == {name: pytest.approx(share, abs=one_cell) for name, share in wanted.items()}


def test_suggested_patrol_has_the_largest_share(published: Path) -> None:
    assert fetch(published, """
        SELECT count(*) FROM forecast_hourly
        WHERE greatest(patrol_share_foot, patrol_share_bicycle, patrol_share_motorcycle,
                       patrol_share_vehicle) <> CASE suggested_patrol
            WHEN 'Foot Patrol' THEN patrol_share_foot
            WHEN 'Bicycle Patrol' THEN patrol_share_bicycle
            WHEN 'Motorcycle Patrol' THEN patrol_share_motorcycle
            ELSE patrol_share_vehicle END""") == [(0,)]  # fmt: skip
