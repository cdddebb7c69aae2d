"""Commands on raw data: `python -m etl fetch | profile | sketch`."""

import argparse
import sys
from pathlib import Path

import duckdb

from etl.city import DEFAULT_CITY, load_city
from etl.profile import draw_profile
from etl.sketch import describe, write_sketch
from etl.source import WINDOW_DAYS, fetch_city
from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.publish import read_pointer


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
    fetch.add_argument("--city", default=DEFAULT_CITY, help="name of a file in data/cities")
    fetch.add_argument("--full", action="store_true", help="read everything, not only the window")
    fetch.add_argument("--window-days", type=int, default=WINDOW_DAYS, help="days that are read again")
    fetch.add_argument("--history", action="store_true", help="read the 2009-2020 layer as well")
    fetch.add_argument("--folder", type=Path, help="where snapshots go (default data/raw/<city>)")
    fetch.set_defaults(run=run_fetch)
    profile = commands.add_parser("profile", help="draw the feed health of the published build")
    profile.add_argument("--builds", type=Path, default=settings.BUILDS_DIR, help="folder of builds")
    profile.add_argument("--out", type=Path, default=Path("feed_profile.png"), help="PNG to write")
    profile.set_defaults(run=run_profile)
    sketch = commands.add_parser("sketch", help="draft layout and city of an unknown raw file")
    sketch.add_argument("file", type=Path, help="text, gz or xlsx")
    sketch.add_argument("--out", type=Path, default=Path("sketch"), help="folder (default sketch)")
    sketch.add_argument("--name", help="name of layout and city (default: the file's)")
    sketch.set_defaults(run=run_sketch)
    return parser.parse_args(arguments)


def run_sketch(options: argparse.Namespace) -> None:
    """Write the drafts and tell what they guess."""
    finding = write_sketch(options.file, options.out, options.name)
    print(describe(finding))
    print(f"drafts written: {options.out}/layouts and cities, {finding.name}.toml; check every line")


def run_profile(options: argparse.Namespace) -> None:
    """Draw the published build's feed."""
    draw_profile(options.builds / read_pointer(options.builds).file, options.out)
    print(f"feed profile written to {options.out}")


def run_fetch(options: argparse.Namespace) -> None:
    """Fetch incidents and boundaries, and the history where it is asked for."""
    fetch_city(
        load_city(options.city), options.folder,
        full=options.full, window_days=options.window_days, with_history=options.history,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
