"""The published forecast tables: complete, dated, reconciled."""

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from etl.city import City
from models.day_types import HOLIDAY
from models.forecast import list_days, next_months
from refresh import Request, refresh
from tests.raw import write_daily


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


def test_days_count_clock_changes_on_their_weekday(city: City) -> None:
    months = np.array([2026 * 12 + 2, 2026 * 12 + 5, 2026 * 12 + 10])
    days = list_days(months, city.time_zone, pd.DatetimeIndex(["2026-06-19"]))
    assert days.counts.sum(axis=1).tolist() == [31, 30, 30]
    assert days.counts[0].tolist() == [5, 5, 4, 4, 4, 4, 5]
    assert days.hours[0, 6, :4].tolist() == [5, 5, 4, 5]
    assert days.hours[0].sum() == 31 * 24 - 1
    assert days.hours[1].sum() == 30 * 24
    assert days.hours[2, 6, :3].tolist() == [5, 6, 5]
    assert days.day_types[1, 4].tolist() == [
        0,
        0,
        0,
        0,
        3,
        0,
        0,
        1,
    ]  # one of June's Fridays is a holiday
    assert days.day_types[..., HOLIDAY].sum() == 1


@pytest.fixture(params=["published", pytest.param("whole_city", marks=pytest.mark.slow)])
def forecast(request: pytest.FixtureRequest) -> Path:
    """A folder with a published build of few neighborhoods, and one of all, by the models in full."""
    folder: Path = request.getfixturevalue(request.param)
    return folder


def fetch(builds: Path, select: str) -> list[tuple[object, ...]]:
    """Return the rows of a SELECT on the published build."""
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as connection:
        return connection.execute(select).fetchall()


def test_hours_add_up_to_days_and_days_to_months(forecast: Path) -> None:
    assert fetch(forecast, """
        SELECT count(*) FROM average_daily JOIN (
            SELECT neighborhood, month, sum(expected_crimes) AS hours, count(*) AS cells
            FROM forecast_hourly GROUP BY ALL) USING (neighborhood, month)
        WHERE cells <> 24 OR abs(expected_daily_crimes - hours) > 1e-12
           OR abs(expected_month_crimes - hours * day(last_day(forecast_month))) > 1e-9
    """) == [(0,)]  # fmt: skip


def test_weekdays_average_to_the_hour_and_places_add_up_to_zones_and_city(forecast: Path) -> None:
    assert fetch(forecast, """
        SELECT count(*) FROM forecast_hourly JOIN (
            SELECT neighborhood, month, hour, count(*) AS weekdays, sum(exposure_days) AS days,
                   sum(expected_crimes * exposure_days) / sum(exposure_days) AS mean
            FROM forecast_hourly_weekday GROUP BY ALL) USING (neighborhood, month, hour)
        WHERE weekdays <> 7 OR days <> day(last_day(forecast_month))
           OR abs(expected_crimes / mean - 1) > 1e-12
    """) == [(0,)]  # fmt: skip
    ((zones, city),) = fetch(forecast, """
        SELECT (SELECT sum(crimes) FROM (SELECT zone, sum(expected_month_crimes) AS crimes
                FROM average_daily JOIN neighborhood USING (neighborhood) GROUP BY ALL)),
               sum(expected_crimes * exposure_days) FROM forecast_hourly_weekday""")  # fmt: skip
    assert float(str(zones)) == pytest.approx(float(str(city)), rel=1e-12)


def test_what_the_public_reports_is_part_of_every_number_and_adds_up(forecast: Path) -> None:
    assert fetch(forecast, """
        SELECT max(expected_reported_crimes / expected_crimes) <= 1,
               min(expected_reported_crimes) > 0 FROM forecast_hourly_weekday
    """) == [(True, True)]  # fmt: skip
    ((share, seen),) = fetch(forecast, """
        SELECT (SELECT sum(expected_reported_month_crimes) / sum(expected_month_crimes)
                FROM average_daily),
               (SELECT avg((NOT is_discretionary)::INTEGER)
                FROM incident JOIN offense USING (nibrs_code))
    """)  # fmt: skip
    assert float(str(share)) == pytest.approx(float(str(seen)), abs=0.02)


def test_weekdays_differ_and_not_by_much(forecast: Path) -> None:
    ratios = [float(str(ratio)) for (ratio,) in fetch(forecast, """
        SELECT sum(expected_crimes) / (SELECT sum(expected_crimes) / 7 FROM forecast_hourly_weekday)
        FROM forecast_hourly_weekday GROUP BY iso_weekday""")]  # fmt: skip
    assert len(ratios) == 7
    assert 0.8 < min(ratios) < 1 < max(ratios) < 1.25


def test_all_categories_are_ranked_shares_of_the_cell(forecast: Path) -> None:
    assert fetch(forecast, """
        SELECT count(*) = (SELECT count(*) FROM forecast_hourly)
                        * (SELECT count(DISTINCT offense_category) FROM incident),
               count(DISTINCT category_rank) = count(DISTINCT offense_category),
               max(abs(top.expected_crimes - category_share * hourly.expected_crimes)) < 0.6e-8
        FROM forecast_category AS top JOIN forecast_hourly AS hourly USING (neighborhood, month, hour)
    """) == [(True, True, True)]  # fmt: skip
    assert fetch(forecast, """
        SELECT count(*) FROM forecast_category AS one JOIN forecast_category AS two
            USING (neighborhood, month, hour)
        WHERE two.category_rank = one.category_rank + 1 AND two.category_share > one.category_share
    """) == [(0,)]  # fmt: skip


def test_observed_rates_count_days_without_crime(forecast: Path) -> None:
    assert fetch(forecast, """
        SELECT count(*) FROM forecast_hourly JOIN average_daily USING (neighborhood, month)
        WHERE abs(forecast_hourly.observed_crimes * observed_days - support_incidents) > 1e-9
    """) == [(0,)]  # fmt: skip
    assert fetch(forecast, """
        SELECT sum(support_incidents) = (SELECT count(*) FROM incident),
               (SELECT sum(observed_crimes) FROM average_daily) = (SELECT count(*) FROM incident)
        FROM forecast_hourly""") == [(True, True)]  # fmt: skip


def test_expected_year_is_near_the_last_year(forecast: Path) -> None:
    ratio = fetch(forecast, """
        SELECT (SELECT sum(expected_month_crimes) FROM average_daily) / count(*)
        FROM incident, refresh_run
        WHERE occurred_at::DATE > cutoff - INTERVAL 12 MONTH""")[0][0]  # fmt: skip
    assert 0.85 < float(str(ratio)) < 1.15


def test_intensity_follows_the_stored_thresholds(forecast: Path) -> None:
    assert fetch(forecast, """
        SELECT count(*) FROM forecast_hourly, refresh_run
        WHERE intensity <> CASE WHEN expected_crimes >= intensity_high_from THEN 'high'
            WHEN expected_crimes >= intensity_moderate_from THEN 'moderate' ELSE 'low' END
    """) == [(0,)]  # fmt: skip
    shares = {
        name: share
        for name, share in fetch(
            forecast,
            """
            SELECT intensity, count(*) / sum(count(*)) OVER () FROM forecast_hourly GROUP BY ALL""",
        )
    }
    ((one_cell,),) = fetch(forecast, "SELECT 1.0::DOUBLE / count(*) FROM forecast_hourly")
    wanted = {"low": 0.5, "moderate": 0.4, "high": 0.1}
    assert shares == {
        name: pytest.approx(share, abs=float(str(one_cell))) for name, share in wanted.items()
    }


def test_local_intensity_is_by_the_neighborhoods_own_year(forecast: Path) -> None:
    assert fetch(forecast, """
        SELECT count(*) FROM forecast_hourly JOIN (
            SELECT neighborhood, quantile_cont(expected_crimes, 0.5) AS moderate_from,
                   quantile_cont(expected_crimes, 0.9) AS high_from
            FROM forecast_hourly GROUP BY ALL) USING (neighborhood)
        WHERE intensity_local <> CASE WHEN expected_crimes >= high_from THEN 'high'
            WHEN expected_crimes >= moderate_from THEN 'moderate' ELSE 'low' END
    """) == [(0,)]  # fmt: skip
    assert fetch(forecast, """
        SELECT DISTINCT count(*) FILTER (intensity_local = 'high'),
               count(*) FILTER (intensity_local = 'low')
        FROM forecast_hourly GROUP BY neighborhood""") == [(29, 144)]  # fmt: skip


def test_suggested_patrol_follows_its_rule_and_shows_its_margin(forecast: Path) -> None:
    rows = fetch(forecast, """
        WITH share AS (
            UNPIVOT (SELECT neighborhood, month, hour, suggested_patrol, suggested_patrol_share,
                            runner_up_patrol, patrol_margin, expected_crimes,
                            patrol_share_foot AS "Foot Patrol", patrol_share_bicycle AS "Bicycle Patrol",
                            patrol_share_motorcycle AS "Motorcycle Patrol",
                            patrol_share_vehicle AS "Vehicle Patrol" FROM forecast_hourly)
            ON "Foot Patrol", "Bicycle Patrol", "Motorcycle Patrol", "Vehicle Patrol"
            INTO NAME patrol VALUE share),
        city AS (SELECT patrol, sum(share * expected_crimes) / sum(expected_crimes) AS city_share
                 FROM share GROUP BY ALL),
        ruled AS (
            SELECT *, share >= 0.15 OR share = max(share) OVER cell AS takes_part,
                   share / sqrt(city_share) AS score
            FROM share JOIN city USING (patrol) WINDOW cell AS (PARTITION BY neighborhood, month, hour))
        SELECT neighborhood, month, hour,
               arg_max(patrol, score) FILTER (takes_part) = any_value(suggested_patrol),
               abs(max(share) FILTER (patrol = suggested_patrol)
                   - any_value(suggested_patrol_share)) < 1e-12,
               abs(any_value(suggested_patrol_share) - max(share) FILTER (patrol = runner_up_patrol)
                   - any_value(patrol_margin)) < 1e-12
        FROM ruled GROUP BY ALL""")  # fmt: skip
    assert [(len(rows),)] == fetch(forecast, "SELECT count(*) * 12 * 24 FROM neighborhood")
    assert all(row[3:] == (True, True, True) for row in rows)


def test_not_every_cell_has_the_same_patrol(forecast: Path) -> None:
    assert len(fetch(forecast, "SELECT DISTINCT suggested_patrol FROM forecast_hourly")) > 1


def test_intervals_hold_the_expected_month_where_much_is_expected(forecast: Path) -> None:
    assert fetch(forecast, """
        SELECT count(*) FROM average_daily WHERE expected_month_crimes > 5
          AND NOT expected_month_crimes BETWEEN month_lower_80 AND month_upper_80
    """) == [(0,)]  # fmt: skip


def test_one_month_of_data_gives_a_complete_forecast(tmp_path: Path) -> None:
    raw = write_daily(tmp_path / "month.csv", days=31)
    refresh(Request("files", tmp_path / "builds", raw=(raw,)))
    builds = tmp_path / "builds"
    ((places, hours, share),) = fetch(builds, """
        SELECT (SELECT count(*) FROM neighborhood), (SELECT count(*) FROM forecast_hourly),
               volume_blend_weight FROM refresh_run""")  # fmt: skip
    assert hours == int(str(places)) * 12 * 24
    assert share == 0
    assert fetch(builds, "SELECT count(*) FROM backtest_score") == [(0,)]
    (card,) = fetch(builds, "SELECT text FROM model_card WHERE section = 'Scores'")
    assert "no backtest" in str(card[0])
