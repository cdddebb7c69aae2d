"""Commands on forecasts: `python -m models backtest`."""

import argparse
import sys
from pathlib import Path

import duckdb
import pandas as pd
from tqdm import tqdm

from models.backtest import list_origins, run_backtest
from models.charts import draw_scores
from models.panel import load_panel
from models.rivals import has_lightgbm
from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.publish import read_pointer

SHOWN = ("deviance_to_reference", "predicted_to_actual", "capture_top_5_percent", "coverage_80",
         "patrol_log_loss")  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Print and draw the scores; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    parser.add_argument("command", choices=["backtest"])
    parser.add_argument("--builds", type=Path, default=settings.BUILDS_DIR, help="folder of builds")
    parser.add_argument("--origins", type=int, default=6, help="past origins, a quarter apart")
    parser.add_argument("--out", type=Path, default=Path("backtest"), help="folder of table and charts")
    options = parser.parse_args(arguments)
    try:
        make_backtest(options.builds, options.origins, options.out)
    except ShieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def make_backtest(builds: Path, wanted: int, out: Path) -> None:
    """Score all models on the published build; print a table, write `backtest_score.csv` and charts."""
    published = read_pointer(builds)
    with duckdb.connect(str(builds / published.file), read_only=True) as connection:
        panel = load_panel(connection)
    origins = list_origins(panel, wanted)
    if not origins:
        raise ShieldError("the published build holds too few months for a backtest")
    if not has_lightgbm():
        tqdm.write("LightGBM is not installed and left out: make test installs it")
    scores = run_backtest(panel, origins, with_rivals=True)
    scores["data_source"] = settings.SIMULATED if published.is_synthetic else published.source
    out.mkdir(parents=True, exist_ok=True)
    scores.to_csv(out / "backtest_score.csv", index=False)
    if published.is_synthetic:
        print(settings.SIMULATED)
    print_scores(scores)
    for path in draw_scores(scores, out):
        print(f"drawn: {path}")


def print_scores(scores: pd.DataFrame) -> None:
    """Print one table per horizon: models by origin, deviance beside the reference, and the means."""
    for horizon, part in scores.groupby("horizon_months"):
        ratio = part[part["metric"] == "deviance_to_reference"]
        table = ratio.pivot_table(index="model", columns="origin", values="value", sort=False)
        table["mean"] = table.mean(axis=1)
        print(f"\n{horizon} months ahead: Poisson deviance beside the reference, below 1 is better")
        print(table.sort_values("mean").to_string(float_format="{:,.4f}".format))
        rest = part[part["metric"].isin(SHOWN) & ~part["grain"].str.contains("zone|decile|day")]
        means = rest.pivot_table(index="model", columns="metric", values="value", sort=False)
        print(f"\n{horizon} months ahead: means over origins")
        print(means.to_string(float_format="{:,.4f}".format, na_rep=""))


if __name__ == "__main__":
    sys.exit(main())
