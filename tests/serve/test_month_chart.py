"""The month chart, by its data series, and its rows as SQL tells them."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from flask import Flask
from matplotlib.axes import Axes
from matplotlib.container import BarContainer

from serve.chart_size import ChartSize
from serve.current_build import CurrentBuild
from serve.month_chart import make_figure
from serve.month_data import MonthSeries, ObservedMonth, read_month
from tests.charts import SIZES, find_overlaps
from tests.serve.builds import copy_builds

MONTHS = [dt.date(2026 + (month > 12), (month - 1) % 12 + 1, 1) for month in range(4, 16)]
SERIES = MonthSeries(
    neighborhood="Cascade Avenue/Road",
    forecast_months=tuple(MONTHS),
    expected_crimes=tuple(10.0 + month for month in range(12)),
    intervals={
        80: tuple((5.0 + month, 15.0 + month) for month in range(12)),
        95: tuple((2.0 + month, 24.0 + month) for month in range(12)),
    },
    observed=tuple(
        ObservedMonth(dt.date(year, month, 1), 3 * month)
        for year in (2024, 2025) for month in range(1, 13)
    ),
    data_source="Atlanta Police Department open data",
)  # fmt: skip


def list_points(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """Return the points of each labelled line."""
    return {
        str(line.get_label()): [(float(x), float(y)) for x, y in np.array(line.get_xydata())]
        for line in axes.lines
    }


def test_months_stand_in_their_order_across_their_intervals() -> None:
    axes = make_figure(SERIES).axes[0]
    assert list_points(axes)["expected"] == list(enumerate(SERIES.expected_crimes))
    bars = [found for found in axes.containers if isinstance(found, BarContainer)]
    drawn = [[(bar.get_y(), bar.get_y() + bar.get_height()) for bar in found] for found in bars]
    assert drawn == [list(SERIES.intervals[80]), list(SERIES.intervals[95])]
    assert [found.get_label() for found in bars] == [
        f"{level} % prediction\ninterval" for level in (80, 95)
    ]
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert names[0] == "Apr\n2026"
    assert names[8:10] == ["Dec", "Jan\n2027"]


def test_observed_months_stand_beside_the_forecast_of_their_month() -> None:
    points = list_points(make_figure(SERIES).axes[0])
    january, april = 9, 0
    for label in ("observed, newest\n12 months", "observed, earlier"):
        found = {round(x - 0.36): y for x, y in points[label]}
        assert (found[january], found[april]) == (3, 12)


@pytest.mark.parametrize("size", SIZES)
def test_nothing_overlaps_at_any_size(size: ChartSize) -> None:
    series = replace(SERIES, neighborhood="Unknown zone, outside neighborhoods")
    assert find_overlaps(make_figure(series, size)) == []


def test_place_without_observed_months_and_without_expected_crimes_is_drawn() -> None:
    zeros = tuple((0.0, 0.0) for _ in range(12))
    series = replace(SERIES, observed=(), expected_crimes=(0.0,) * 12, intervals={80: zeros, 95: zeros})
    figure = make_figure(series)
    assert list(list_points(figure.axes[0])) == ["expected"]
    assert figure.axes[0].get_ylim()[1] > 0
    assert "No month was observed whole." in series.alt_text


def test_alt_text_says_the_numbers() -> None:
    assert SERIES.alt_text == (
        "Chart of expected crimes in 12 months in Cascade Avenue/Road. Most in March 2027, 21 (80 %"
        " prediction interval 16 to 26, 95 % prediction interval 13 to 35); fewest in April 2026, 10"
        " (80 % prediction interval 5 to 15, 95 % prediction interval 2 to 24). The months add up to"
        " 186. Observed in the newest 12 complete months, January 2025 to December 2025: 234."
        " Source: Atlanta Police Department open data."
    )


def test_rows_are_those_of_the_tables(app: Flask, published: Path) -> None:
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        (name,) = connection.execute(
            "SELECT neighborhood FROM neighborhood ORDER BY incident_count DESC"
        ).fetchall()[0]
        months = connection.execute(
            "SELECT forecast_month, expected_month_crimes, month_lower_80, month_upper_80,"
            " month_lower_95, month_upper_95 FROM average_daily WHERE neighborhood = ? ORDER BY ALL",
            [name],
        ).fetchall()
        counts = dict(
            connection.execute(
                "SELECT date_trunc('month', occurred_at)::DATE, count(*) FROM incident"
                " WHERE neighborhood = ? GROUP BY ALL", [name],
            ).fetchall()
        )  # fmt: skip
    with app.extensions["current_build"].get().engine.connect() as reader:
        series = read_month(reader, name)
    assert series.forecast_months == tuple(row[0] for row in months)
    assert series.expected_crimes == tuple(row[1] for row in months)
    assert series.intervals == {
        80: tuple(row[2:4] for row in months), 95: tuple(row[4:6] for row in months)
    }  # fmt: skip
    assert [month.month_start for month in series.observed] == [
        dt.date(year, month, 1) for year in range(2021, 2026) for month in range(1, 13)
    ]
    assert {month.month_start: month.crimes for month in series.observed if month.crimes} == counts


def test_month_that_was_not_observed_whole_is_left_out(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(
        published, tmp_path,
        "UPDATE mart_neighborhood_month SET observed_days = 28 WHERE month_start = '2024-02-01'",
    )  # fmt: skip
    served = CurrentBuild(builds).get()
    assert served is not None
    with served.engine.connect() as reader:
        observed = read_month(reader, "Downtown").observed
    assert len(observed) == 59
    assert dt.date(2024, 2, 1) not in {month.month_start for month in observed}
