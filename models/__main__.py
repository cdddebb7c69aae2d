"""`python -m models backtest`: score the models at past origins of the published build's incidents."""

import argparse
import sys
from pathlib import Path

import duckdb
from tqdm import tqdm

from models.backtest import list_origins, run_backtest
from models.panel import load_panel
from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.publish import read_pointer


def main(arguments: list[str] | None = None) -> int:
    """Print the scores; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    parser.add_argument("command", choices=["backtest"])
    parser.add_argument("--builds", type=Path, default=settings.BUILDS_DIR, help="folder of builds")
    parser.add_argument("--origins", type=int, default=4, help="past origins, a quarter apart")
    options = parser.parse_args(arguments)
    try:
        print_backtest(options.builds, options.origins)
    except ShieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def print_backtest(builds: Path, wanted: int) -> None:
    """Run the backtest on the published build and print one table per origin."""
    published = read_pointer(builds)
    with duckdb.connect(str(builds / published.file), read_only=True) as connection:
        panel = load_panel(connection)
    origins = list_origins(panel, wanted)
    if not origins:
        raise ShieldError("the published build holds too few months for a backtest")
    if published.is_synthetic:
        print(settings.SIMULATED)
    for origin in tqdm(origins, unit="origin", disable=None):
        scores = run_backtest(panel, [origin])
        print(f"\norigin {scores['origin'].iloc[0]}, {scores['horizon_months'].iloc[0]} months ahead")
        table = scores.pivot_table(index="model", columns="metric", values="value", sort=False)
        print(table.to_string(float_format="{:,.4f}".format, na_rep=""))


if __name__ == "__main__":
    sys.exit(main())
