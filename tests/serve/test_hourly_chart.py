"""The hourly chart, by its data series; and that it comes as a picture over HTTP."""

import datetime as dt
from dataclasses import replace
from urllib.parse import quote

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from serve.answers import HourlySeries
from serve.hourly_chart import make_figure
from warehouse.chart_style import INTENSITY_COLORS

SERIES = HourlySeries(
    neighborhood="Cascade Avenue/Road",
    forecast_month=dt.date(2026, 7, 1),
    expected_crimes=tuple(0.01 * hour for hour in range(24)),
    intensity=("low",) * 10 + ("moderate",) * 10 + ("high",) * 4,
    data_source="Atlanta Police Department open data",
)
SLASHED = "Cascade Avenue/Road"


def test_bars_are_the_hours_colored_by_intensity() -> None:
    axes = make_figure(SERIES).axes[0]
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [bar.get_height() for bar in bars] == list(SERIES.expected_crimes)
    assert [round(bar.get_x() + bar.get_width() / 2) for bar in bars] == list(range(24))
    colors = [INTENSITY_COLORS[intensity] for intensity in SERIES.intensity]
    assert [to_hex(bar.get_facecolor()) for bar in bars] == colors


@pytest.mark.parametrize("scale", [1e-6, 1.0])
def test_bars_stand_apart_and_fill_the_axes(scale: float) -> None:
    crimes = tuple(scale * value for value in SERIES.expected_crimes)
    axes = make_figure(replace(SERIES, expected_crimes=crimes)).axes[0]
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    left, right = axes.get_xlim()
    edges = [left, *(bar.get_x() + side for bar in bars for side in (0, bar.get_width())), right]
    assert all(0 < step < 1 for step in np.diff(edges))
    assert 0.75 < max(crimes) / axes.get_ylim()[1] < 0.9
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
    assert axes.get_title() == "Cascade Avenue/Road, July 2026: expected crimes by hour"
    assert axes.get_ylabel() == "Expected crimes per hour"
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["low", "moderate", "high"]
    assert list_slanted(figure) == []


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
        ("Cascade Avenue/Road/13.png", 400, "from 1 to 12, found 13"),
        ("Cascade Avenue/Road/x.png", 400, "from 1 to 12, found 'x'"),
        ("Cascade Avenue/Road/².png", 400, "from 1 to 12"),
        ("Cascade Avenue/Road/٧.png", 400, "from 1 to 12"),
        ("Cascade Avenue/Roat/1.png", 400, "unknown neighborhood"),
        ("Cascade Avenue/Road/1.gif", 404, "not found"),
    ],
)
def test_bad_chart_requests_are_told_what_was_expected(
    client: FlaskClient, path: str, code: int, message: str
) -> None:
    answer = client.get(f"/charts/hourly/{path}")
    assert answer.status_code == code
    assert message in answer.get_json()["error"]
