"""What changed between two builds, as a specification: two small builds in, changes out."""

import duckdb

from warehouse.changes import render_changes

SIDE = """
CREATE TABLE {name}.incident AS SELECT unnest({days}::DATE[]) AS occurred_at;
CREATE TABLE {name}.average_daily AS
    SELECT unnest(['A', 'A', 'B']) AS neighborhood, unnest({crimes}) AS expected_month_crimes;
CREATE TABLE {name}.forecast_city AS
    SELECT '2021-04-01'::DATE AS forecast_month, floor(list_sum({crimes})) AS expected_month_crimes;
CREATE TABLE {name}.raw_file AS
    SELECT unnest(['{raw}', 'both.csv']) AS raw_file, 3 AS rows_in, repeat('0123456789', 6) AS sha256;
CREATE TABLE {name}.forecast_category AS
    SELECT unnest(['Theft', 'Theft', 'Arson']) AS offense_category, '2021-04-01'::DATE AS forecast_month,
           unnest({crimes}) AS expected_crimes;
CREATE TABLE {name}.forecast_hourly AS
    SELECT unnest(['Foot', 'Bike', if({crimes}[2] > 2, 'Bike', 'Foot')]) AS suggested_patrol;
CREATE TABLE {name}.backtest_score AS
    SELECT 'forest' AS model, unnest({origins}::DATE[]) AS origin, 3 AS horizon_months, 'hour' AS grain,
           'all' AS subset, 'mean_absolute_error' AS metric, unnest({scores}) AS value;
"""


def test_incidents_forecasts_and_newest_scores_that_differ_are_listed() -> None:
    with duckdb.connect() as connection:
        for name, facts in {
            "old": {
                "days": ["2021-01-01", "2021-01-02", "2021-02-01"],
                "crimes": [1.0, 2.0, 5.0],
                "origins": ["2020-01-01", "2020-04-01"],
                "scores": [9.0, -0.5],
            },
            "new": {
                "days": ["2021-01-01", "2021-01-02", "2021-03-01"],
                "crimes": [1.0, 3.0, 5.0 + 1e-15],
                "origins": ["2020-04-01", "2020-07-01"],
                "scores": [9.0, -0.25],
            },
        }.items():
            connection.execute(f"ATTACH ':memory:' AS {name}")
            connection.execute(SIDE.format(name=name, raw=f"{name}.csv", **facts))
        changes = connection.execute(render_changes("old", "new")).fetchall()
    assert changes == [
        ("backtest score", "forest, mean_absolute_error, hour, 3 months", -0.5, -0.25),
        ("forecast by category", "Theft", 90.0, 120.0),
        ("forecast by month", "2021-04", 8.0, 9.0),
        ("forecast by neighborhood", "A", 3.0, 4.0),
        ("hours by suggested patrol", "Bike", 1.0, 2.0),
        ("hours by suggested patrol", "Foot", 2.0, 1.0),
        ("incidents by month", "2021-02", 1.0, None),
        ("incidents by month", "2021-03", None, 1.0),
        ("rows by raw file", "new.csv, SHA-256 01234567…", None, 3.0),
        ("rows by raw file", "old.csv, SHA-256 01234567…", 3.0, None),
    ]


def test_what_rounding_explains_is_no_change() -> None:
    sides = {"old": ([0.1 + 0.2, 5.0], -0.3), "new": ([0.3, 5.0], -0.1 - 0.2)}
    assert sides["old"] != sides["new"]
    with duckdb.connect() as connection:
        for name, (crimes, score) in sides.items():
            connection.execute(f"ATTACH ':memory:' AS {name}")
            facts = {"days": ["2021-01-01"], "origins": ["2020-01-01"], "scores": [score]}
            connection.execute(SIDE.format(name=name, raw="a.csv", crimes=[*crimes, 0.0], **facts))
        assert connection.execute(render_changes("old", "new")).fetchall() == []
