"""The charts by month and hour and by weekday and hour, by their cells; their rows as SQL has them."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from flask import Flask
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from serve.chart_size import ChartSize
from serve.hour_grid_chart import find_unit, make_figure
from serve.hour_grid_data import HourGrid, read_months, read_weekdays
from tests.charts import SIZES, find_overlaps
from tests.one_in import one_in

SERIES = HourGrid(
    neighborhood="Cascade Avenue/Road",
    row_kind="weekday",
    row_names=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    expected_crimes=tuple(tuple(0.01 * hour + 0.001 * day for hour in range(24)) for day in range(7)),
    first_month=dt.date(2026, 1, 1),
    last_month=dt.date(2026, 12, 1),
    data_source="Atlanta Police Department open data",
)
MONTHS = replace(
    SERIES,
    row_kind="month",
    row_names=tuple(f"{dt.date(2026, month, 1):%b %Y}" for month in range(1, 13)),
    expected_crimes=tuple((0.0,) * 12 + (1e-7 * month,) * 12 for month in range(12)),
)
SMALL = ChartSize.model_validate({"width": 480, "height": 320})


def list_texts(axes: Axes) -> list[list[str]]:
    """Return what is written into the cells of each row, from the left."""
    found = sorted(axes.texts, key=lambda text: text.get_position()[::-1])
    rows: dict[float, list[str]] = {}
    for text in found:
        rows.setdefault(text.get_position()[1], []).append(text.get_text())
    return list(rows.values())


def test_cells_are_the_hours_of_each_row_told_per_100_hours() -> None:
    figure = make_figure(SERIES)
    axes, bar = figure.axes
    (mesh,) = axes.collections
    np.testing.assert_allclose(
        np.asarray(mesh.get_array()).reshape(7, 24), 100 * np.array(SERIES.expected_crimes)
    )
    assert bar.get_ylabel() == "Expected crimes per 100 hours"
    assert axes.yaxis_inverted()
    assert [tick.get_text() for tick in axes.get_yticklabels()][::6] == [
        "Monday  (2.76)", "Sunday  (2.9)"
    ]  # fmt: skip
    assert list_texts(axes)[0] == [str(hour) for hour in range(24)]


def test_colors_are_classes_whose_bounds_are_printed() -> None:
    figure = make_figure(SERIES)
    axes, bar = figure.axes
    figure.draw_without_rendering()
    bounds = [float(text.get_text()) for text in bar.get_yticklabels()]
    assert bounds[0] == 0
    assert bounds[-1] >= 100 * max(max(row) for row in SERIES.expected_crimes)
    shown = {to_hex(color) for color in axes.collections[0].get_facecolors()}  # type: ignore[attr-defined]
    assert 3 <= len(shown) <= len(bounds) - 1


def test_busiest_hour_is_bold_or_has_a_dot_where_numbers_have_no_room() -> None:
    bold = [text for text in make_figure(SERIES).axes[0].texts if text.get_fontweight() == "bold"]
    assert [text.get_position() for text in bold] == [(23.5, day + 0.5) for day in range(7)]
    assert list_texts(make_figure(SERIES, SMALL).axes[0]) == [["\u25cf"]] * 7


@pytest.mark.parametrize(
    ("highest", "hours"), [(12, 1), (10, 1), (9.9, 10), (0.2, 100), (3e-7, 10**6), (0, 10**6)]
)
def test_unit_gives_the_busiest_cell_two_digits(highest: float, hours: int) -> None:
    assert find_unit(highest) == hours


@pytest.mark.parametrize("size", one_in(2, SIZES))
def test_nothing_overlaps_at_any_size(size: ChartSize) -> None:
    series = replace(SERIES, neighborhood="Unknown zone, outside neighborhoods")
    assert find_overlaps(make_figure(series, size)) == []


@pytest.mark.parametrize("crimes", [MONTHS.expected_crimes, ((0.0,) * 24,) * 12])
def test_months_with_next_to_no_crimes_overlap_no_more(crimes: tuple[tuple[float, ...], ...]) -> None:
    assert find_overlaps(make_figure(replace(MONTHS, expected_crimes=crimes), SMALL)) == []


def test_alt_text_says_the_numbers() -> None:
    assert SERIES.alt_text == (
        "Heat map of expected crimes per clock hour in Cascade Avenue/Road, 7 weekdays by 24 hours,"
        " January 2026 to December 2026. Highest 0.236 at 23:00, Sunday; lowest 0 at 00:00, Monday."
        " Expected on an average day: Monday 2.76, Tuesday 2.78, Wednesday 2.81, Thursday 2.83, Friday"
        " 2.86, Saturday 2.88, Sunday 2.9. Source: Atlanta Police Department open data."
    )


def test_rows_are_those_of_the_tables(app: Flask, published: Path) -> None:
    name = "Cascade Avenue/Road"
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        months = connection.execute(
            "SELECT strftime(forecast_month, '%b %Y'), list(expected_crimes ORDER BY hour)"
            " FROM forecast_hourly WHERE neighborhood = ? GROUP BY forecast_month"
            " ORDER BY forecast_month", [name],
        ).fetchall()  # fmt: skip
        fridays = connection.execute(
            "SELECT sum(expected_crimes * exposure_days) / sum(exposure_days)"
            " FROM forecast_hourly_weekday WHERE neighborhood = ? AND iso_weekday = 5"
            " GROUP BY hour ORDER BY hour", [name],
        ).fetchall()  # fmt: skip
    with app.extensions["current_build"].get().engine.connect() as reader:
        heatmap, weekdays = read_months(reader, name), read_weekdays(reader, name)
    assert list(zip(heatmap.row_names, map(list, heatmap.expected_crimes), strict=True)) == months
    assert weekdays.row_names[4] == "Friday"
    assert weekdays.expected_crimes[4] == pytest.approx([crimes for (crimes,) in fridays])
    assert len(weekdays.expected_crimes) == 7
    for series in (heatmap, weekdays):
        assert (series.first_month, series.last_month) == (dt.date(2026, 1, 1), dt.date(2026, 12, 1))
        assert series.data_source == "simulated data"
