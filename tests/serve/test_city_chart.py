"""The city chart, by its bubbles, and its rows as SQL tells them."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from flask import Flask
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from serve.chart_size import ChartSize
from serve.city_chart import make_figure
from serve.city_data import CityPlace, CitySeries, read_city
from tests.charts import SIZES, find_overlaps

SERIES = CitySeries(
    city="Atlanta",
    forecast_month=dt.date(2026, 7, 1),
    places=tuple(
        CityPlace(
            f"Place {rank}, outside" if rank % 9 == 0 else f"Place {rank}", rank % 9 > 0,
            (-84.4 + 0.01 * (rank % 17), 33.7 + 0.01 * (rank % 19)), 150.0 / rank,
        )
        for rank in range(1, 301)
    ),
    expected_month_crimes=940.0,
    interval_level=80,
    interval=(800.0, 1090.0),
    data_source="Atlanta Police Department open data",
)  # fmt: skip


def list_bubbles(figure: Figure) -> list[tuple[tuple[float, float], float, str]]:
    """Return center, area and color of every bubble, those of named places first."""
    figure.draw_without_rendering()
    found = [shape for shape in figure.axes[0].collections if isinstance(shape, PathCollection)]
    return [
        ((float(x), float(y)), float(size), to_hex(tuple(color)))
        for shape in found
        for (x, y), size, color in zip(
            np.asarray(shape.get_offsets()),
            shape.get_sizes(),
            np.asarray(shape.get_facecolor()),
            strict=True,
        )
    ]


def list_numbers(figure: Figure) -> dict[str, tuple[float, float]]:
    """Return what is written onto the map, with the place that it names."""
    return {text.get_text(): tuple(text.xy) for text in figure.axes[0].texts}  # type: ignore[attr-defined]


def test_bubbles_stand_at_the_centers_and_grow_and_brighten_with_the_crimes() -> None:
    bubbles = list_bubbles(make_figure(SERIES))
    named = [place for place in SERIES.places if place.is_named]
    assert [center for center, *_ in bubbles[: len(named)]] == [place.center for place in named]
    assert len(bubbles) == 300
    sizes = [size for _, size, _ in bubbles[: len(named)]]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] / sizes[1] == pytest.approx(2)
    assert len({color for *_, color in bubbles}) == 5


def test_first_five_places_are_numbered_and_listed() -> None:
    figure = make_figure(SERIES)
    assert list_numbers(figure) == {str(n): SERIES.places[n - 1].center for n in range(1, 6)}
    (legend,) = figure.legends
    listed = legend.get_texts()[-1].get_text().splitlines()
    assert listed[1:] == ["Most in:", "1 Place 1: 150", "2 Place 2: 75", "3 Place 3: 50",
                          "4 Place 4: 37.5", "5 Place 5: 30"]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_nothing_overlaps_at_any_size(size: ChartSize) -> None:
    long = [
        replace(place, neighborhood="Unknown zone, outside neighborhoods") for place in SERIES.places
    ]
    assert find_overlaps(make_figure(replace(SERIES, places=tuple(long)), size)) == []


def test_numbers_of_places_that_lie_together_stand_apart() -> None:
    same = tuple(replace(place, center=(-84.4, 33.7)) for place in SERIES.places)
    assert find_overlaps(make_figure(replace(SERIES, places=same))) == []


def test_places_without_a_center_are_counted_and_named() -> None:
    places = (replace(SERIES.places[0], center=None), *SERIES.places[1:4])
    series = replace(SERIES, places=places)
    figure = make_figure(series)
    assert len(list_bubbles(figure)) == 3
    assert sorted(list_numbers(figure)) == ["2", "3", "4"]
    assert "1 of 4 places have no known centre: not on the map" in figure.get_supxlabel()
    assert "Not on the map, without a known centre: Place 1." in series.alt_text
    assert find_overlaps(figure) == []


@pytest.mark.parametrize("crimes", [0.0, 1e-7, 150.0])
def test_one_place_alone_is_drawn(crimes: float) -> None:
    places = (replace(SERIES.places[0], expected_month_crimes=crimes),)
    figure = make_figure(replace(SERIES, places=places))
    assert [center for center, *_ in list_bubbles(figure)] == [places[0].center]
    (left, right), (low, high) = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()
    assert right - left >= 0.02
    assert high - low >= 0.02
    assert find_overlaps(figure) == []


def test_city_of_which_no_center_is_known_says_so() -> None:
    figure = make_figure(replace(SERIES, places=(replace(SERIES.places[0], center=None),)))
    assert [text.get_text() for text in figure.axes[0].texts] == ["No place has a known centre"]
    assert find_overlaps(figure) == []


def test_degrees_are_as_long_as_on_the_ground() -> None:
    figure = make_figure(SERIES)
    figure.draw_without_rendering()
    (x0, y0), (x1, y1) = figure.axes[0].transData.transform([(-84.4, 33.7), (-84.3, 33.8)])
    assert (x1 - x0) / (y1 - y0) == pytest.approx(np.cos(np.radians(33.7)), rel=0.01)


def test_alt_text_says_the_numbers() -> None:
    assert SERIES.alt_text == (
        "Map of 300 places in Atlanta by expected crimes in July 2026. In all 940, 80 % prediction"
        " interval 800 to 1,090. Most in: Place 1 150; Place 2 75; Place 3 50; Place 4 37.5; Place 5 30."
        " Source: Atlanta Police Department open data."
    )


def test_rows_are_those_of_the_tables(app: Flask, published: Path) -> None:
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        places = connection.execute(
            "SELECT neighborhood, is_named, longitude, latitude, expected_month_crimes"
            " FROM average_daily JOIN neighborhood USING (neighborhood) WHERE month = 2"
            " ORDER BY expected_month_crimes DESC, neighborhood"
        ).fetchall()
        city = connection.execute(
            "SELECT forecast_month, expected_month_crimes, month_lower_80, month_upper_80"
            " FROM forecast_city WHERE month = 2"
        ).fetchall()[0]
    with app.extensions["current_build"].get().engine.connect() as reader:
        series = read_city(reader, 2)
    assert series.places == tuple(
        CityPlace(name, is_named, (east, north), crimes)
        for name, is_named, east, north, crimes in places
    )
    assert (series.forecast_month, series.expected_month_crimes, *series.interval) == city
    assert (series.city, series.data_source) == ("Atlanta", "simulated data")
