"""Commands on raw data: `python -m etl fetch`."""

import argparse
import sys
from pathlib import Path

import duckdb

from etl.city import load_city
from etl.fetch import fetch_history, fetch_incidents
from etl.polygons import fetch_boundaries
from warehouse import settings
from warehouse.errors import ShieldError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code, having said what went wrong on standard error."""
    options = parse_arguments(arguments)
    try:
        options.run(options)
    except (ShieldError, OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, RuntimeError) as error:
        # DuckDB wraps an interrupt that comes while a query runs.
        if not isinstance(error.__cause__ or error, KeyboardInterrupt):
            raise
        print("error: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options; `run` is the command's function."""
    parser = argparse.ArgumentParser(prog="python -m etl", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    fetch = commands.add_parser("fetch", help="bring the portal's snapshots up to date")
    fetch.add_argument("--city", default="atlanta", help="name of a file in data/cities")
    fetch.add_argument("--full", action="store_true", help="read everything, not only the window")
    fetch.add_argument("--window-days", type=int, default=120, help="days that are read again")
    fetch.add_argument("--history", action="store_true", help="read the 2009-2020 layer as well")
    fetch.add_argument("--folder", type=Path, help="where snapshots go (default data/raw/<city>)")
    fetch.set_defaults(run=run_fetch)
    return parser.parse_args(arguments)


def run_fetch(options: argparse.Namespace) -> None:
    """Fetch incidents and boundaries, and the history where it is asked for."""
    city = load_city(options.city)
    if city.portal is None:
        raise ShieldError(f"{city.name} has no portal: data/cities/{options.city}.toml lacks [portal]")
    folder = options.folder or settings.RAW_DIR / city.name.lower()
    fetch_incidents(
        city.portal, folder / "incidents", full=options.full, window_days=options.window_days
    )
    fetch_boundaries(city.portal, folder / "boundaries")
    if options.history:
        fetch_history(city.portal, folder / "history")


if __name__ == "__main__":
    sys.exit(main())
