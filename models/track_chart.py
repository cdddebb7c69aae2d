"""The chart of the track record: the city month by month as published, and skill by age.

Input: rows of `mart_track_record`, one forecast for each cutoff. Output: one PNG, which says so where
the data is simulated.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.metrics import CITY_MONTH_GRAIN, MONTH_GRAIN
from warehouse.chart_style import LINE_COLOR, SERIES_COLORS, finish_axes, note_source

SIZE, DPI = (10.0, 8.0), 120
MAX_FORECASTS = 5
"""More forecasts than this are thinned out evenly, the oldest and the newest among them."""
MAX_NAMES = 10
"""So many names of months find room along the axis."""


def draw_track(record: pd.DataFrame, data_source: str, out: Path) -> None:
    """Draw the record into a PNG. Raises `OSError` where it cannot be written."""
    make_figure(record, data_source).savefig(out, format="png")


def make_figure(record: pd.DataFrame, data_source: str) -> Figure:
    """Return the chart as a figure: the city's months above, skill by age below, legends beside."""
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    city, ages = figure.subplots(2, 1, height_ratios=(3, 2))
    draw_city(city, record[record["grain"] == CITY_MONTH_GRAIN])
    draw_ages(ages, record[record["grain"] == MONTH_GRAIN])
    for axes in (city, ages):
        finish_axes(axes, "y")
    note_source(figure, data_source)
    return figure


def draw_city(axes: Axes, city: pd.DataFrame) -> None:
    """Draw the city's observed months, and each forecast with its 80 % interval."""
    cutoffs = city["cutoff"].drop_duplicates().sort_values().to_list()
    shown = [cutoffs[i] for i in np.unique(np.linspace(0, len(cutoffs) - 1, MAX_FORECASTS).astype(int))]
    for cutoff, color in zip(shown, SERIES_COLORS, strict=False):
        rows = city[city["cutoff"] == cutoff].sort_values("target_month")
        axes.fill_between(
            rows["target_month"], rows["month_lower_80"], rows["month_upper_80"], color=color, alpha=0.2
        )
        axes.plot(rows["target_month"], rows["expected_month_crimes"], marker="o", markersize=3,
                  color=color, label=f"cutoff {cutoff:%Y-%m-%d}")  # fmt: skip
    observed = city.drop_duplicates("target_month").sort_values("target_month")
    axes.plot(observed["target_month"], observed["observed_crimes"], color="black", marker="s",
              markersize=4, linewidth=1.5, label="observed")  # fmt: skip
    first, last = observed["target_month"].min(), observed["target_month"].max()
    months = pd.date_range(first, last, freq="MS")
    named = months[:: len(months) // MAX_NAMES + 1]
    axes.set_xticks(named, named.strftime("%Y-%m"))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("crimes in the city's month")
    thinned = f"; {len(shown)} of {len(cutoffs)} cutoffs drawn" if len(shown) < len(cutoffs) else ""
    axes.set_title(f"The city's months as published, with 80 % intervals{thinned}", loc="left")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def draw_ages(axes: Axes, places: pd.DataFrame) -> None:
    """Draw the deviance of neighborhoods' months beside the reference's, by age of the forecast."""
    axes.axhline(1, color=LINE_COLOR, linewidth=1)
    axes.plot(places["age_months"], places["deviance_to_reference"], "o", markersize=4, alpha=0.5,
              color=SERIES_COLORS[0], label="a forecast's month")  # fmt: skip
    sums = places.groupby("age_months")[["poisson_deviance", "reference_deviance"]].sum()
    together = sums["poisson_deviance"] / sums["reference_deviance"]
    axes.plot(sums.index, together, color=SERIES_COLORS[0], linewidth=2, label="all of an age")
    axes.set_xticks(range(1, 13))
    axes.set_xlabel("age of the forecast, months")
    axes.set_ylabel("Poisson deviance / reference")
    axes.set_title("Skill in neighborhoods by age (below 1 is better)", loc="left")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
