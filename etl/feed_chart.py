"""The feed chart: one picture of what the raw files of a published build look like.

Input: a published build. Output: a PNG with monthly incidents and their breaks, the report delay,
missing values and exact midnights. `python -m etl profile` draws it.
"""

import datetime as dt
from collections.abc import Sequence
from itertools import cycle, groupby
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from etl.feed_profile import FeedProfile, FileShare, LevelBreak, load_profile
from warehouse import settings
from warehouse.chart_style import (
    EDGE_COLOR,
    GAP_COLOR,
    MUTED_COLOR,
    SERIES_COLORS,
    WARNING_COLOR,
    finish_axes,
    note_source,
)
from warehouse.columns import ALL_INCIDENTS, CRIMES_AGAINST
from warehouse.errors import ShieldError
from warehouse.months import number_month, start_month

COLORS = dict(zip((*CRIMES_AGAINST, ALL_INCIDENTS), cycle(SERIES_COLORS), strict=False))
BAR_COLOR = SERIES_COLORS[0]
SIZE_INCHES = (13, 9)
DOTS_PER_INCH = 110
DELAY_TICKS = (0, 1, 3, 7, 30, 90, settings.MAX_DELAY_DAYS)
NOTED_DELAYS = (0, 1, 30)
MAX_BREAKS = 7
MAX_BARS = 14
"""More would not be readable; the picture then says how many there are in `feed_health`."""

MIN_BAR_PLACES = 6
STEP_POINTS = 15


def draw_feed(builds: Path, out: Path) -> None:
    """Write the picture of the published build to `out`, a PNG.

    Raises `NoBuildError` for a build that cannot be read and `ShieldError` for a file that cannot be
    written.
    """
    figure = make_figure(load_profile(builds))
    try:
        figure.savefig(out, format="png")
    except OSError as error:
        raise ShieldError(f"cannot write the feed profile to {out}: {error.strerror}") from error
    print(f"feed profile written to {out}")


def make_figure(profile: FeedProfile) -> Figure:
    """Return the picture; its axes are labelled months, notes, delay, missing and midnight."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    rows = figure.add_gridspec(2, 1, height_ratios=(1.1, 1), hspace=0.08)
    top = rows[0].subgridspec(1, 2, width_ratios=(4, 1))
    bottom = rows[1].subgridspec(1, 3, width_ratios=(1.15, 1, 1), wspace=0.08)
    axes = figure.add_subplot(top[0], label="months")
    draw_months(axes, profile)
    draw_notes(figure.add_subplot(top[1], label="notes"), axes, profile.breaks)
    draw_delay(figure.add_subplot(bottom[0], label="delay"), profile.delay_shares)
    draw_shares(figure.add_subplot(bottom[1], label="missing"), profile.missing_shares,
                "Missing or unreadable values by column")  # fmt: skip
    draw_shares(figure.add_subplot(bottom[2], label="midnight"), profile.midnight_shares,
                "Occurred at exactly 00:00, by file")  # fmt: skip
    figure.suptitle(f"{profile.city}: feed health, cutoff {profile.cutoff:%Y-%m-%d}", fontsize="x-large")
    note_source(figure, profile.data_source)
    return figure


def draw_months(axes: Axes, profile: FeedProfile) -> None:
    """Draw a line per crime-against; gaps are shaded, breaks numbered, thin months left out."""
    numbers = [number_month(rate.month_start) for rate in profile.rates]
    every = [start_month(number) for number in range(min(numbers), max(numbers) + 1)]
    places = [place_day(month) for month in every]
    axes.xaxis_date()
    for subject, color in COLORS.items():
        shown = {
            rate.month_start: rate.incidents_per_day
            for rate in profile.rates
            if rate.subject == subject and rate.observed_days >= settings.MIN_MONTH_DAYS
        }
        if shown:
            values = [shown.get(month, np.nan) for month in every]  # a missing month breaks the line
            style = "--" if subject == ALL_INCIDENTS else "-"
            axes.plot(places, values, style, color=color, label=subject, marker=".", markersize=4)
    draw_gaps(axes, profile.gaps)
    draw_breaks(axes, profile.breaks)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Incidents per observed day")
    axes.set_title("Incidents by month of occurrence and crime against", fontsize="medium", loc="left")
    finish_axes(axes, "y")


def draw_gaps(axes: Axes, gaps: Sequence[dt.date]) -> None:
    """Shade each month that no file covers; the legend names them once."""
    for place, month in enumerate(gaps):
        end = start_month(number_month(month) + 1)
        label = "_" * bool(place) + "covered by no file"
        axes.axvspan(
            place_day(month), place_day(end), color=GAP_COLOR, alpha=0.5, linewidth=0, label=label
        )


def draw_breaks(axes: Axes, breaks: Sequence[LevelBreak]) -> None:
    """Mark each break by a line at its month and its number in the middle of the step.

    Numbers of the same month stand side by side, so that close levels do not hide each other.
    """
    for month, group in groupby(enumerate(breaks, start=1), key=lambda pair: pair[1].month_start):
        together = list(group)
        for place, (number, found) in enumerate(together):
            color = COLORS[found.subject]
            axes.axvline(place_day(month), color=color, linestyle=":", linewidth=1.2)
            axes.annotate(
                str(number), (place_day(month), (found.rate_before + found.rate_after) / 2),
                xytext=(STEP_POINTS * (place - (len(together) - 1) / 2), 0),
                textcoords="offset points", color=EDGE_COLOR, fontsize="x-small", weight="bold",
                ha="center", va="center",
                bbox={"boxstyle": "circle,pad=0.3", "facecolor": color, "edgecolor": EDGE_COLOR},
            )  # fmt: skip


def place_day(day: dt.date) -> float:
    """Return where a time axis has a day."""
    return float(date2num(day))  # type: ignore[no-untyped-call]


def draw_notes(notes: Axes, months: Axes, breaks: Sequence[LevelBreak]) -> None:
    """Write the legend of the months, and what each numbered break is, beside them."""
    notes.set_axis_off()
    notes.legend(*months.get_legend_handles_labels(), loc="upper left", frameon=False,
                 fontsize="small", borderaxespad=0)  # fmt: skip
    lines = [
        f"{number}  {found.month_start:%Y-%m}  {found.rate_before:.3g} → {found.rate_after:.3g} a day\n"
        f"     {found.subject}"
        for number, found in enumerate(breaks[:MAX_BREAKS], start=1)
    ]
    if len(breaks) > MAX_BREAKS:
        lines.append(f"{len(breaks) - MAX_BREAKS} more in feed_health")
    heading = "Breaks in level" if lines else "No break in level"
    notes.text(0.02, 0, "\n".join([heading, *lines]), fontsize="small", va="bottom",
               transform=notes.transAxes)  # fmt: skip


def draw_delay(axes: Axes, delay_shares: Sequence[float]) -> None:
    """Draw the share reported within each number of days, the first days stretched."""
    axes.set_title("Reported within days of the occurrence", fontsize="medium", loc="left")
    finish_axes(axes, "both")
    if not delay_shares:
        axes.text(0.5, 0.5, "no incident is old enough", transform=axes.transAxes, ha="center")
        return
    percent = [100 * share for share in delay_shares]
    axes.plot(range(len(percent)), percent, color=BAR_COLOR, marker=".", markersize=4)
    axes.set_xscale("function", functions=(np.log1p, np.expm1))
    axes.set_xticks(DELAY_TICKS, [*map(str, DELAY_TICKS[:-1]), f"{DELAY_TICKS[-1]}+"],
                    fontsize="small")  # fmt: skip
    axes.set_ylim(5 * np.floor((percent[0] - 2) / 5), 100.5)
    axes.set_xlabel("Days, 0 for the same day")
    axes.set_ylabel("Share of incidents, %")
    for day in NOTED_DELAYS:
        axes.annotate(f"{percent[day]:.1f} %", (day, percent[day]), xytext=(6, -9),
                      textcoords="offset points", fontsize="small")  # fmt: skip


def draw_shares(axes: Axes, shares: Sequence[FileShare], title: str) -> None:
    """Draw shares as horizontal bars, the largest on top, with the share that is warned of."""
    shown = sorted(shares, key=lambda found: found.share, reverse=True)[:MAX_BARS][::-1]
    percent = [100 * found.share for found in shown]
    colors = [WARNING_COLOR if found.is_warning else BAR_COLOR for found in shown]
    axes.barh(range(len(shown)), percent, color=colors, height=0.7)
    labels = label_subjects([found.subject for found in shown])
    axes.set_yticks(range(len(shown)), labels, fontsize="x-small")
    for place, value in enumerate(percent):
        axes.annotate(f"{value:.1f}", (value, place), xytext=(3, 0), textcoords="offset points",
                      va="center", fontsize="x-small")  # fmt: skip
    limit = 100 * max(found.limit for found in shares)
    axes.axvline(limit, color=MUTED_COLOR, linestyle="--", linewidth=1)
    axes.set_xlim(0, 1.15 * max(limit, *percent))
    axes.set_ylim(len(shown) - max(len(shown), MIN_BAR_PLACES) - 0.6, len(shown) - 0.4)
    axes.set_xlabel("Share of rows, %; dashed: warning")
    if len(shown) < len(shares):
        title += f"\n(largest {len(shown)} of {len(shares)})"
    axes.set_title(title, fontsize="medium", loc="left")
    finish_axes(axes, "x")


def label_subjects(subjects: Sequence[str]) -> list[str]:
    """Return subjects for people: the column first, and its file where there are several."""
    pairs = [(column, file) for file, _, column in (subject.partition(":") for subject in subjects)]
    several = len({file for _, file in pairs}) > 1
    names = [(column, file.removesuffix(".gz").removesuffix(".csv")) for column, file in pairs]
    return [
        ", ".join(filter(None, (column, file if several or not column else "")))
        for column, file in names
    ]
