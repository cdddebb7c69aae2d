"""Commands of `python -m models`: audit, backtest, card, feedback, hot-spots and track.

Input: a command line and the published build. Output: printed tables, and files of a backtest.
"""

import signal
import sys
from argparse import Namespace
from pathlib import Path

import duckdb
import pandas as pd
from tqdm import tqdm

from models.backtest import require_origins, run_backtest
from models.backtest_charts import draw_scores
from models.baselines import has_lightgbm
from models.feedback_chart import draw_feedback
from models.group_chart import draw_groups
from models.hot_spots_chart import draw_spots
from models.load_panel import load_panel
from models.metrics import (
    ALL,
    CAPTURE,
    COVERAGE,
    DAY_GRAIN,
    DEVIANCE_RATIO,
    PATROL_LOG_LOSS,
    PREDICTED_TO_ACTUAL,
    WEIGHTED_COVERAGE,
)
from models.model_card import render_card
from models.track_chart import draw_track
from warehouse import settings
from warehouse.command import CommandParser, add_builds, count_between, parse_path, run_command
from warehouse.errors import ShieldError
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.pointer import PublishedBuild
from warehouse.read import connect_published
from warehouse.tables_account import FEEDBACK_MONTHS, FEEDBACK_SIMULATION_TABLE
from warehouse.track import MISSING, WHOLE, describe_left, list_left

SHOWN = [
    metric.name
    for metric in (
        DEVIANCE_RATIO,
        PREDICTED_TO_ACTUAL,
        CAPTURE[5],
        COVERAGE[INTERVAL_LEVELS[0]],
        WEIGHTED_COVERAGE[INTERVAL_LEVELS[0]],
        PATROL_LOG_LOSS,
    )
]
TRACK_NEWEST = """mart_track_record SEMI JOIN (
    SELECT max(forecast_build_id) AS forecast_build_id FROM mart_track_record GROUP BY cutoff
) USING (forecast_build_id)"""
"""One forecast for each cutoff, the newest: refreshes that bring no new day would weigh many times."""
TRACK_SUMMARY = f"""
SELECT grain, {{name}}, count(*) AS months, sum(expected_month_crimes) / sum(observed_crimes)
           AS predicted_to_actual,
       sum(poisson_deviance) FILTER (grain <> 'city_month') / sum(reference_deviance)
           AS deviance_to_reference, avg(coverage_80) AS coverage_80, avg(coverage_95) AS coverage_95
FROM {TRACK_NEWEST} GROUP BY ALL ORDER BY ALL
"""
TRACK_CITY = f"""
SELECT cutoff, target_month AS month, observed_crimes AS observed, expected_month_crimes AS forecast,
       reference_month_crimes AS reference, 100 * (forecast / observed - 1) AS error_percent,
       100 * (reference / observed - 1) AS reference_error_percent, month_lower_80, month_upper_80
FROM {TRACK_NEWEST} WHERE grain = 'city_month' ORDER BY cutoff, month
"""
SHOWN_SPOTS = 10
MAX_ORIGINS = 400
"""A century of quarters."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code, having said what went wrong on standard error."""
    parser = CommandParser(prog="python -m models", description=__doc__)
    parser.add_argument(
        "command", choices=["audit", "backtest", "card", "feedback", "hot-spots", "track"]
    )
    add_builds(parser)
    parser.add_argument("--origins", type=count_between(1, MAX_ORIGINS), default=6,
                        help="past origins, a quarter apart")  # fmt: skip
    parser.add_argument(
        "--out",
        type=parse_path,
        help="folder of a backtest's table and charts, or the PNG of another command",
    )
    options = parser.parse_args(arguments)
    return run_command(lambda: answer(options))


def answer(options: Namespace) -> None:
    """Run the command on the published build."""
    with connect_published(options.builds) as (published, connection):
        if options.command == "backtest":
            make_backtest(connection, published, options.origins, options.out or Path("backtest"))
        elif options.command == "track":
            show_track(connection, published, options.builds, options.out or Path("track.png"))
        elif options.command == "hot-spots":
            show_hot_spots(connection, options.out or Path("hot_spots.png"))
        elif options.command == "feedback":
            show_feedback(connection, options.out or Path("feedback.png"))
        elif options.command == "audit":
            show_audit(connection, options.out or Path("audit.png"))
        else:
            select = "SELECT section, text FROM model_card ORDER BY section_number"
            print(render_card(published.build_id, connection.execute(select).fetchall()), end="")


def make_backtest(
    connection: duckdb.DuckDBPyConnection, published: PublishedBuild, wanted: int, out: Path
) -> None:
    """Score all models on the published build; print a table, write `backtest_score.csv` and charts."""
    out.mkdir(parents=True, exist_ok=True)  # first: a place that cannot be written to costs no minutes
    panel = load_panel(connection)
    origins = require_origins(panel, wanted)
    if not has_lightgbm():
        tqdm.write("LightGBM is not installed and left out: make test installs it")
    scores = run_backtest(panel, origins, with_slow_baselines=True).scores
    scores["data_source"] = connection.execute("SELECT data_source FROM refresh_run").fetchall()[0][0]
    scores.to_csv(out / "backtest_score.csv", index=False)
    if published.is_synthetic:
        print(settings.SIMULATED)
    print_scores(scores)
    for path in draw_scores(scores, out):
        print(f"drawn: {path}")


def print_scores(scores: pd.DataFrame) -> None:
    """Print one table per horizon: models by origin, deviance beside the reference, and the means."""
    for horizon, part in scores.groupby("horizon_months"):
        ratio = part[(part["metric"] == DEVIANCE_RATIO.name) & (part["subset"] == ALL)]
        table = ratio.pivot_table(index="model", columns="origin", values="value", sort=False)
        table["mean"] = table.mean(axis=1)
        print(f"\n{horizon} months ahead: Poisson deviance beside the reference, below 1 is better")
        print(table.sort_values("mean").to_string(float_format="{:,.4f}".format))
        rest = part[part["metric"].isin(SHOWN) & (part["subset"] == ALL) & (part["grain"] != DAY_GRAIN)]
        means = rest.pivot_table(index="model", columns="metric", values="value", sort=False)
        print(f"\n{horizon} months ahead: means over origins")
        print(means.to_string(float_format="{:,.4f}".format, na_rep=""))


def show_track(
    connection: duckdb.DuckDBPyConnection, published: PublishedBuild, builds: Path, out: Path
) -> None:
    """Print how earlier published forecasts came out and draw them, one forecast for each cutoff.

    The scores are those of the build's refresh. Forecasts whose file is changed or missing now are
    named, whatever the feed, and marked. Raises `ShieldError` where none has met a complete month yet,
    or the chart cannot be written.
    """
    found = list_left(builds)
    for left in found:
        if left.state != WHOLE:
            print(f"warning: {describe_left(left)}")
    source = str(connection.execute("SELECT data_source FROM refresh_run").fetchall()[0][0])
    if source == settings.SIMULATED:
        print(settings.SIMULATED)
    tracks = connection.execute("SELECT * EXCLUDE (data_source) FROM track_build ORDER BY 1").df()
    if len(tracks):
        states = {left.build_id: left.state for left in found}
        tracks["file_now"] = [states.get(name, MISSING) for name in tracks["forecast_build_id"]]
        print(
            f"as of the refresh of build {published.build_id}; file_now is how each file is now, and one"
            " that is no longer whole keeps the scores of then until the next refresh"
        )
        print(tracks.to_string(index=False))
    record = connection.execute(f"FROM {TRACK_NEWEST}").df()
    if record.empty:
        raise ShieldError("no published forecast has met a complete month yet")
    for name in ("cutoff", "age_months"):
        print(f"\nall months by grain and {name}, of the newest forecast of each cutoff")
        table = connection.execute(TRACK_SUMMARY.format(name=name)).df()
        print(table.to_string(index=False, float_format="{:,.3f}".format))
    print("\nthe city's months")
    print(connection.execute(TRACK_CITY).df().to_string(index=False, float_format="{:,.0f}".format))
    try:
        draw_track(record, source, out)
    except OSError as error:
        raise ShieldError(f"cannot write the chart to {out}: {error.strerror}") from error
    print(f"drawn: {out}")


def show_audit(connection: duckdb.DuckDBPyConnection, out: Path) -> None:
    """Print the audit by group and draw it.

    Raises `ShieldError` where the build has no backtest, or the chart cannot be written.
    """
    audit = connection.execute("FROM group_audit ORDER BY group_kind, group_name").df()
    source = str(audit.pop("data_source").iloc[0])
    if source == settings.SIMULATED:
        print(settings.SIMULATED)
    for kind, part in audit.groupby("group_kind"):
        print(f"\nby {kind}")
        shown = part.drop(columns="group_kind").dropna(axis=1, how="all")
        print(shown.to_string(index=False, float_format="{:,.3f}".format, na_rep=""))
    if audit["predicted_to_actual"].isna().all():
        raise ShieldError(
            "the published build has no backtest to audit errors by, and no chart is drawn:"
            " `make refresh` without NO_BACKTEST=1 makes one where the data hold enough months"
        )
    try:
        draw_groups(audit, source, out)
    except OSError as error:
        raise ShieldError(f"cannot write the chart to {out}: {error.strerror}") from error
    print(f"\ndrawn: {out}")


def show_feedback(connection: duckdb.DuckDBPyConnection, out: Path) -> None:
    """Print where patrols would end that follow the forecast, and draw it.

    Raises `ShieldError` where there is nothing to simulate, or the chart cannot be written.
    """
    simulated = connection.execute("FROM feedback_simulation").df()
    if simulated.empty:
        raise ShieldError(f"nothing was simulated: {FEEDBACK_SIMULATION_TABLE.empty_where}")
    source = str(simulated["data_source"].iloc[0])
    if source == settings.SIMULATED:
        print(settings.SIMULATED)
    end = simulated[simulated["month"] == max(FEEDBACK_MONTHS)]
    print(f"after {max(FEEDBACK_MONTHS)} months: share of patrols by tenth, the busiest is 1")
    shares = end.pivot_table(
        index=["rule", "follow_rate"], columns="volume_tenth", values="patrol_share"
    )
    print(shares.to_string(float_format="{:.3f}".format))
    print("\nshare of patrols that are not where crimes are (total variation)")
    away = end.pivot_table(index="rule", columns="follow_rate", values="total_variation", aggfunc="sum")
    print(away.to_string(float_format="{:.3f}".format))
    try:
        draw_feedback(simulated, source, out)
    except OSError as error:
        raise ShieldError(f"cannot write the chart to {out}: {error.strerror}") from error
    print(f"\ndrawn: {out}")


def show_hot_spots(connection: duckdb.DuckDBPyConnection, out: Path) -> None:
    """Print the hot spots with most expected crimes and their scores, and draw the map.

    Raises `ShieldError` where the build has none, or the map cannot be written.
    """
    spots = connection.execute("FROM hot_spot ORDER BY spot_rank").df()
    if spots.empty:
        raise ShieldError("the published build has no hot spots: a refresh with HOT_SPOTS=1 makes them")
    source = str(spots.pop("data_source").iloc[0])
    if source == settings.SIMULATED:
        print(settings.SIMULATED)
    print(spots.head(SHOWN_SPOTS).to_string(index=False, float_format="{:,.3f}".format))
    scores = connection.execute("SELECT * EXCLUDE (data_source) FROM hot_spot_score ORDER BY ALL").df()
    print("\nscores at past origins" + ("" if len(scores) else ": the data holds too few months"))
    if len(scores):
        print(scores.to_string(index=False, float_format="{:,.3f}".format))
    places = connection.execute("FROM neighborhood WHERE longitude IS NOT NULL").df()
    try:
        draw_spots(spots, places, source, out)
    except OSError as error:
        raise ShieldError(f"cannot write the map to {out}: {error.strerror}") from error
    print(f"\ndrawn: {out}")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` is no error
    sys.exit(main())
