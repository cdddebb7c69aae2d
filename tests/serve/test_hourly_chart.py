"""The hourly chart, by its data series; and that it comes as a picture over HTTP."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import duckdb
import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from serve.answers import BlendWeights
from serve.chart_size import ChartSize
from serve.hourly_chart import describe_forests, make_figure
from serve.hourly_data import HourlySeries, read_hourly
from tests.charts import SIZES, find_overlaps
from warehouse.chart_style import INTENSITY_COLORS, INTENSITY_HATCHES

SERIES = HourlySeries(
    neighborhood="Cascade Avenue/Road",
    forecast_month=dt.date(2026, 7, 1),
    expected_crimes=tuple(0.01 * hour for hour in range(24)),
    intensity_local=("low",) * 10 + ("moderate",) * 10 + ("high",) * 4,
    city_mean=0.05,
    rank=7,
    neighborhood_count=243,
    blend_weights=BlendWeights(0.0, 0.2),
    is_named=True,
    data_source="Atlanta Police Department open data",
)
SLASHED = "Cascade Avenue/Road"


def test_bars_are_the_hours_colored_by_intensity() -> None:
    axes = make_figure(SERIES).axes[0]
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [bar.get_height() for bar in bars] == list(SERIES.expected_crimes)
    assert [round(bar.get_x() + bar.get_width() / 2) for bar in bars] == list(range(24))
    colors = [INTENSITY_COLORS[intensity] for intensity in SERIES.intensity_local]
    assert [to_hex(bar.get_facecolor()) for bar in bars] == colors
    hatches = [INTENSITY_HATCHES[intensity] for intensity in SERIES.intensity_local]
    assert [bar.get_hatch() or "" for bar in bars] == hatches
    assert len(set(hatches)) == 3


@pytest.mark.parametrize("scale", [1e-6, 1.0])
def test_bars_stand_apart_and_fill_the_axes(scale: float) -> None:
    crimes = tuple(scale * value for value in SERIES.expected_crimes)
    axes = make_figure(replace(SERIES, expected_crimes=crimes, city_mean=scale * 0.05)).axes[0]
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    left, right = axes.get_xlim()
    edges = [left, *(bar.get_x() + side for bar in bars for side in (0, bar.get_width())), right]
    assert all(0 < step < 1 for step in np.diff(edges))
    assert 0.9 < max(crimes) / axes.get_ylim()[1] < 1
    assert axes.get_ylim()[0] == 0


def test_every_other_hour_is_named() -> None:
    axes = make_figure(SERIES).axes[0]
    assert axes.get_xticks().tolist() == list(range(0, 24, 2))
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert names[:2] == ["00:00", "02:00"]
    assert names[-1] == "22:00"


def test_title_axes_and_legend_say_what_is_shown() -> None:
    figure = make_figure(SERIES)
    axes = figure.axes[0]
    assert figure.get_suptitle() == "Cascade Avenue/Road, July 2026: expected crimes by hour"
    assert axes.get_title() == "Rank 7 of 243 by expected crimes in the month"
    assert axes.get_ylabel() == "Expected crimes per hour"
    assert list_legend(figure) == ["low", "moderate", "high", "mean neighborhood"]
    assert list_slanted(figure) == []


def list_legend(figure: Figure) -> list[str]:
    """Return the labels of the legend."""
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(("mean", "is_drawn"), [(0.1, True), (0.9, True), (1.0, False)])
def test_mean_neighborhood_is_a_line_or_words_where_it_would_flatten_the_bars(
    mean: float, is_drawn: bool
) -> None:
    figure = make_figure(replace(SERIES, city_mean=mean))
    axes = figure.axes[0]
    assert [np.array(line.get_ydata()).tolist() for line in axes.get_lines()] == [[mean] * 2] * is_drawn
    assert ("mean neighborhood" in list_legend(figure)) is is_drawn
    assert axes.get_title().endswith("mean neighborhood: 1 per hour, above this axis") is not is_drawn
    assert bool(axes.get_ylim()[1] > mean) is is_drawn


@pytest.mark.parametrize("name", ["Downtown", "Place " * 12])
@pytest.mark.parametrize("mean", [0.05, 9.0])
def test_nothing_that_is_written_overlaps_or_leaves_the_picture(name: str, mean: float) -> None:
    figure = make_figure(replace(SERIES, neighborhood=name, city_mean=mean))
    figure.draw_without_rendering()
    axes, (legend,) = figure.axes[0], figure.legends
    outer = [text for text in figure.texts if text.get_text()]
    written = [axes.title, axes.xaxis.label, legend, *outer]
    boxes = [axes.get_window_extent(), *(part.get_window_extent() for part in written)]
    assert len(boxes) == 6
    for number, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])


@pytest.mark.parametrize(
    "name", ["Zone 3, outside neighborhoods", "Unknown zone, outside neighborhoods"]
)
def test_all_that_is_told_of_a_quiet_place_outside_neighborhoods_lies_inside(name: str) -> None:
    figure = make_figure(
        replace(
            SERIES,
            neighborhood=name,
            forecast_month=dt.date(2026, 9, 1),
            expected_crimes=(0.0012,) * 24,
            city_mean=0.0123,
            rank=1249,
            neighborhood_count=1249,
            is_named=False,
        )
    )
    assert figure.axes[0].get_title() == (
        "Place outside the named neighborhoods; rank 1249 of 1249 by expected crimes in the month\n"
        "mean neighborhood: 0.012 per hour, above this axis"
    )
    assert find_overlaps(figure) == []


def test_rank_and_mean_are_those_of_the_tables(app: Flask, published: Path) -> None:
    engine = app.extensions["current_build"].get().engine
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        names = connection.execute(
            "SELECT neighborhood FROM average_daily WHERE month = 7 ORDER BY expected_month_crimes DESC"
        ).fetchall()
        mean = connection.execute(
            "SELECT sum(expected_daily_crimes) / 24 / count(*) FROM average_daily WHERE month = 7"
        ).fetchall()[0][0]
    for place in (0, 5, len(names) - 1):
        with engine.connect() as connection:
            series = read_hourly(connection, names[place][0], 7)
        assert (series.rank, series.neighborhood_count) == (place + 1, len(names))
        assert series.city_mean == pytest.approx(mean)


@pytest.mark.parametrize("size", SIZES)
def test_nothing_overlaps_at_any_size(size: ChartSize) -> None:
    name = "Unknown zone, outside neighborhoods"
    series = replace(SERIES, neighborhood=name, city_mean=9.0, is_named=False)
    assert find_overlaps(make_figure(series, size)) == []


def test_alt_text_says_the_numbers() -> None:
    assert SERIES.alt_text == (
        "Bar chart of expected crimes in each clock hour of an average day of July 2026 in Cascade"
        " Avenue/Road. Most at 23:00, 0.23; fewest at 00:00, 0; the 24 hours add up to 2.76. Rank 7 of"
        " 243 by expected crimes in the month; the mean neighborhood has 0.05 per hour. Intensity beside"
        " its own hours of the year: low: 00:00, 01:00, 02:00, 03:00, 04:00, 05:00, 06:00, 07:00, 08:00,"
        " 09:00; moderate: 10:00, 11:00, 12:00, 13:00, 14:00, 15:00, 16:00, 17:00, 18:00, 19:00; high:"
        " 20:00, 21:00, 22:00, 23:00. Source: Atlanta Police Department open data."
    )


def list_slanted(figure: Figure) -> list[str]:
    """Return what is written across the figure."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_rotation() not in {0, 90}]


def test_simulated_data_is_called_simulated_across_the_chart() -> None:
    figure = make_figure(replace(SERIES, data_source="simulated data"))
    assert list_slanted(figure) == ["SIMULATED DATA"]


def test_hours_without_any_expected_crime_can_be_drawn() -> None:
    figure = make_figure(replace(SERIES, expected_crimes=(0.0,) * 24))
    assert figure.axes[0].get_ylim()[1] > 0


@pytest.mark.parametrize("path", [SLASHED, quote(SLASHED, safe=""), SLASHED.lower().replace(" ", "%20")])
def test_chart_of_a_name_with_a_slash_is_a_png(app: Flask, client: FlaskClient, path: str) -> None:
    assert SLASHED in app.extensions["current_build"].get().answers.names.values()
    answer = client.get(f"/charts/hourly/{path}/7.png")
    assert answer.status_code == 200
    assert answer.mimetype == "image/png"
    assert answer.data.startswith(b"\x89PNG")


def test_same_chart_has_the_same_bytes(client: FlaskClient) -> None:
    path = f"/charts/hourly/{quote(SLASHED)}/7.png"
    assert client.get(path).data == client.get(path).data


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("Cascade Avenue/Road/13.png", 400, "from 1 to 12, found '13'"),
        ("Cascade Avenue/Road/x.png", 400, "from 1 to 12, found 'x'"),
        ("Cascade Avenue/Road/².png", 400, "from 1 to 12"),
        ("Cascade Avenue/Road/٧.png", 400, "from 1 to 12"),
        ("Cascade Avenue/Roat/1.png", 404, "unknown neighborhood"),
        ("Cascade Avenue/Road/1.gif", 404, "not found"),
    ],
)
def test_bad_chart_requests_are_told_what_was_expected(
    client: FlaskClient, path: str, code: int, message: str
) -> None:
    answer = client.get(f"/charts/hourly/{path}")
    assert answer.status_code == code
    assert message in answer.get_json()["error"]


@pytest.mark.parametrize("highest", [0.23, 0.001])
def test_chart_says_which_forest_is_silent_and_nothing_lies_on_the_bars(highest: float) -> None:
    """Also where the mean neighborhood lies above the axis, which is then told in words."""
    crimes = tuple(highest / 23 * hour for hour in range(24))
    figure = make_figure(replace(SERIES, expected_crimes=crimes))
    texts = [text.get_text() for text in figure.findobj(Text)]
    note = "Blend weights: volume forest silent (not seen to help), patrol forest 20%"
    assert f"{note}\nSource: {SERIES.data_source}" in texts
    assert find_overlaps(figure) == []
    assert describe_forests(BlendWeights(1.0, 0.0)).startswith(
        "Blend weights: volume forest 100%, patrol"
    )
