"""The feed profile: one picture of what the raw files of a published build look like.

Enters: a published build, read-only. Leaves: a PNG with monthly incidents and their breaks, the
report delay, missing values and exact midnights. Object-oriented figures only.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etl.feed_health import ALL_INCIDENTS
from etl.level_breaks import FEWEST_DAYS
from warehouse import settings
from warehouse.columns import CRIMES_AGAINST
from warehouse.errors import ShieldError

# Okabe and Ito's palette (2008, "Color universal design"), which people of any color vision tell apart.
COLORS = dict(
    zip(
        (*CRIMES_AGAINST, ALL_INCIDENTS),
        ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#888888"),
        strict=True,
    )
)
BAR_COLOR, WARNING_COLOR = "#0072b2", "#d55e00"
SIZE_INCHES = (13, 9)
DOTS_PER_INCH = 110
DELAY_TICKS = (0, 1, 3, 7, 30, 90, 180)
MOST_BREAKS = 7
MOST_BARS = 14
"""More would not be readable; the picture then says how many there are in `feed_health`."""
FEWEST_BAR_PLACES = 6
STEP_POINTS = 15

MONTHS_SELECT = """
WITH observed AS (
    SELECT date_trunc('month', calendar_date)::DATE AS month_start, count(*) AS days
    FROM calendar GROUP BY ALL
)
SELECT subject, month_start, days, value / days AS per_day
FROM feed_health JOIN observed USING (month_start)
WHERE health_check = 'monthly_incidents' ORDER BY ALL
"""


@dataclass(frozen=True)
class FeedProfile:
    """What the picture shows.

    `months` has subject, month_start, days and per_day, the incidents per observed day; `findings`
    is `feed_health` and `delays` is `report_delay`.
    """

    city: str
    cutoff: pd.Timestamp
    data_source: str
    months: pd.DataFrame
    findings: pd.DataFrame
    delays: pd.DataFrame

    def find(self, health_check: str) -> pd.DataFrame:
        """Return the findings of one check."""
        return self.findings[self.findings["health_check"] == health_check]


def draw_profile(build_path: Path, out: Path) -> None:
    """Write the picture of a published build to `out`, a PNG.

    Raises `ShieldError` for a build without these tables and for a file that cannot be written.
    """
    figure = make_figure(load_profile(build_path))
    try:
        figure.savefig(out, format="png")
    except OSError as error:
        raise ShieldError(f"cannot write the feed profile to {out}: {error.strerror}") from error


def load_profile(build_path: Path) -> FeedProfile:
    """Read what the picture shows."""
    try:
        with duckdb.connect(str(build_path), read_only=True) as connection:
            run = connection.execute("SELECT city, cutoff, data_source FROM refresh_run").df().iloc[0]
            return FeedProfile(
                city=str(run["city"]),
                cutoff=pd.Timestamp(run["cutoff"]),
                data_source=str(run["data_source"]),
                months=connection.execute(MONTHS_SELECT).df(),
                findings=connection.execute("SELECT * FROM feed_health ORDER BY ALL").df(),
                delays=connection.execute("SELECT * FROM report_delay ORDER BY delay_days").df(),
            )
    except duckdb.CatalogException as error:
        raise ShieldError(
            f"{build_path.name} comes from an earlier version and holds no feed health: "
            "run `make refresh` first"
        ) from error


def make_figure(profile: FeedProfile) -> Figure:
    """Return the picture; its axes are labelled months, notes, delay, missing and midnight."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    rows = figure.add_gridspec(2, 1, height_ratios=(1.1, 1), hspace=0.08)
    top = rows[0].subgridspec(1, 2, width_ratios=(4, 1))
    bottom = rows[1].subgridspec(1, 3, width_ratios=(1.15, 1, 1), wspace=0.08)
    axes = figure.add_subplot(top[0], label="months")
    draw_months(axes, profile)
    draw_notes(figure.add_subplot(top[1], label="notes"), axes, list_breaks(profile))
    draw_delay(figure.add_subplot(bottom[0], label="delay"), profile.delays)
    draw_shares(figure.add_subplot(bottom[1], label="missing"), profile.find("missing_share"),
                "Missing or unreadable values by column")  # fmt: skip
    draw_shares(figure.add_subplot(bottom[2], label="midnight"), profile.find("midnight_share"),
                "Occurred at exactly 00:00, by file")  # fmt: skip
    figure.suptitle(f"{profile.city}: feed health, cutoff {profile.cutoff:%Y-%m-%d}", fontsize="x-large")
    note = f"Source: {profile.data_source}"
    figure.supxlabel(note, fontsize="small", color="#555555", x=0.99, ha="right")
    if profile.data_source == settings.SIMULATED:
        figure.text(
            0.5, 0.5, settings.SIMULATED.upper(), ha="center", va="center", fontsize=70,
            color="#999999", alpha=0.3, rotation=24,
        )  # fmt: skip
    return figure


def list_breaks(profile: FeedProfile) -> pd.DataFrame:
    """Return the breaks in the order of their numbers in the picture."""
    breaks = profile.find("level_break").sort_values(["month_start", "subject"])
    return breaks.reset_index(drop=True)


def draw_months(axes: Axes, profile: FeedProfile) -> None:
    """Draw a line per crime-against; gaps are shaded, breaks numbered, thin months left out."""
    months = profile.months[profile.months["days"] >= FEWEST_DAYS]
    rates = months.pivot_table("per_day", "month_start", "subject")
    starts = profile.months["month_start"]
    every = pd.date_range(starts.min(), starts.max(), freq="MS")
    for subject, color in COLORS.items():
        if subject in rates:
            values = rates[subject].reindex(every)  # a missing month breaks the line
            style = "--" if subject == ALL_INCIDENTS else "-"
            axes.plot(every, values, style, color=color, label=subject, marker=".", markersize=4)
    for number, gap in enumerate(profile.find("missing_month")["month_start"]):
        axes.axvspan(
            gap, gap + pd.offsets.MonthBegin(), color="#cccccc", alpha=0.5, linewidth=0,
            label="_" * bool(number) + "covered by no file",
        )  # fmt: skip
    draw_breaks(axes, list_breaks(profile))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Incidents per observed day")
    tidy(axes, "Incidents by month of occurrence and crime against", "y")


def draw_breaks(axes: Axes, breaks: pd.DataFrame) -> None:
    """Mark each break by a line at its month and its number in the middle of the step.

    Numbers of the same month stand side by side, so that close levels do not hide each other.
    """
    months = breaks.groupby("month_start")["subject"]
    steps = months.cumcount() - (months.transform("size") - 1) / 2
    for number, (row, step) in enumerate(zip(breaks.to_dict("records"), steps, strict=True), start=1):
        color = COLORS[row["subject"]]
        axes.axvline(row["month_start"], color=color, linestyle=":", linewidth=1.2)
        axes.annotate(
            str(number), (row["month_start"], (row["value"] + row["expected_value"]) / 2),
            xytext=(STEP_POINTS * step, 0), textcoords="offset points", color="white",
            fontsize="x-small", weight="bold", ha="center", va="center",
            bbox={"boxstyle": "circle,pad=0.3", "facecolor": color, "edgecolor": "white"},
        )  # fmt: skip


def draw_notes(notes: Axes, months: Axes, breaks: pd.DataFrame) -> None:
    """Write the legend of the months, and what each numbered break is, beside them."""
    notes.set_axis_off()
    notes.legend(*months.get_legend_handles_labels(), loc="upper left", frameon=False,
                 fontsize="small", borderaxespad=0)  # fmt: skip
    lines = [
        f"{number}  {row.month_start:%Y-%m}  {row.expected_value:.3g} → {row.value:.3g} a day\n"
        f"     {row.subject}"
        for number, row in enumerate(breaks.head(MOST_BREAKS).itertuples(), start=1)
    ]
    if len(breaks) > MOST_BREAKS:
        lines.append(f"{len(breaks) - MOST_BREAKS} more in feed_health")
    heading = "Breaks in level" if lines else "No break in level"
    notes.text(0.02, 0, "\n".join([heading, *lines]), fontsize="small", va="bottom",
               transform=notes.transAxes)  # fmt: skip


def draw_delay(axes: Axes, delays: pd.DataFrame) -> None:
    """Draw the share reported within each number of days, the first days stretched."""
    tidy(axes, "Reported within days of the occurrence", "both")
    if delays.empty:
        axes.text(0.5, 0.5, "no incident is old enough", transform=axes.transAxes, ha="center")
        return
    shares = 100 * delays["cumulative_share"]
    axes.plot(delays["delay_days"], shares, color=BAR_COLOR, marker=".", markersize=4)
    axes.set_xscale("function", functions=(np.log1p, np.expm1))
    axes.set_xticks(DELAY_TICKS, [*map(str, DELAY_TICKS[:-1]), f"{DELAY_TICKS[-1]}+"],
                    fontsize="small")  # fmt: skip
    axes.set_ylim(5 * np.floor((shares.iloc[0] - 2) / 5), 100.5)
    axes.set_xlabel("Days, 0 for the same day")
    axes.set_ylabel("Share of incidents, %")
    for day in (0, 1, 30):
        axes.annotate(f"{shares.iloc[day]:.1f} %", (day, shares.iloc[day]), xytext=(6, -9),
                      textcoords="offset points", fontsize="small")  # fmt: skip


def draw_shares(axes: Axes, shares: pd.DataFrame, title: str) -> None:
    """Draw shares as horizontal bars, the largest on top, with the share that is warned of."""
    shown = shares.nlargest(MOST_BARS, "value")[::-1]
    values = 100 * shown["value"]
    colors = [WARNING_COLOR if warned else BAR_COLOR for warned in shown["is_warning"]]
    axes.barh(range(len(shown)), values, color=colors, height=0.7)
    axes.set_yticks(range(len(shown)), label_subjects(shown["subject"]), fontsize="x-small")
    for place, value in enumerate(values):
        axes.annotate(f"{value:.1f}", (value, place), xytext=(3, 0), textcoords="offset points",
                      va="center", fontsize="x-small")  # fmt: skip
    limit = 100 * float(shares["expected_value"].max())
    axes.axvline(limit, color="#555555", linestyle="--", linewidth=1)
    axes.set_xlim(0, 1.15 * max(limit, *values))
    axes.set_ylim(len(shown) - max(len(shown), FEWEST_BAR_PLACES) - 0.6, len(shown) - 0.4)
    axes.set_xlabel("Share of rows, %; dashed: warning")
    if len(shown) < len(shares):
        title += f" (largest {len(shown)} of {len(shares)})"
    tidy(axes, title, "x")


def label_subjects(subjects: "pd.Series[str]") -> list[str]:
    """Return subjects for people: the column first, and its file where there are several."""
    pairs = [(column, file) for file, _, column in (subject.partition(":") for subject in subjects)]
    several = len({file for _, file in pairs}) > 1
    names = [(column, file.removesuffix(".gz").removesuffix(".csv")) for column, file in pairs]
    return [
        ", ".join(filter(None, (column, file if several or not column else "")))
        for column, file in names
    ]


def tidy(axes: Axes, title: str, grid: Literal["x", "y", "both"]) -> None:
    """Set the title and what all panels share."""
    axes.set_title(title, fontsize="medium", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis=grid, color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
