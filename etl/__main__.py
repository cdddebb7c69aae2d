"""Commands on raw data: `python -m etl fetch | profile | sketch`.

Input: a command line. Output: snapshots, a picture or drafts of settings; an exit code.
"""

import sys
from argparse import Namespace
from pathlib import Path

from etl.city import DEFAULT_CITY, load_city
from etl.fetch import REREAD_DAYS
from etl.sketch import describe, list_refusals, write_sketch
from etl.source import fetch_city
from warehouse.command import (
    CommandParser,
    add_builds,
    count_between,
    load_operation,
    parse_name,
    parse_path,
    run_command,
)
from warehouse.track import list_needed_files

MAX_REREAD_DAYS = 36_525
"""A century: no report is older."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code, having said what went wrong on standard error."""
    options = parse_arguments(arguments)
    return run_command(lambda: options.run(options), lambda: "run the same command again to go on")


def parse_arguments(arguments: list[str] | None) -> Namespace:
    """Return the options; `run` is the command's function."""
    parser = CommandParser(prog="python -m etl", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    fetch = commands.add_parser("fetch", help="bring the portal's snapshots up to date")
    fetch.add_argument(
        "--city", type=parse_name, default=DEFAULT_CITY, help="name of a file in data/cities"
    )
    fetch.add_argument("--full", action="store_true", help="read everything, not only the window")
    fetch.add_argument("--window-days", type=count_between(0, MAX_REREAD_DAYS),
                       default=REREAD_DAYS, help="days that are read again")  # fmt: skip
    fetch.add_argument("--history", action="store_true", help="read the 2009-2020 layer as well")
    fetch.add_argument(
        "--folder", type=parse_path, help="where snapshots go (default: the city's in raw_folder)"
    )
    fetch.set_defaults(run=run_fetch)
    profile = commands.add_parser("profile", help="draw what a published build's raw files look like")
    add_builds(profile)
    profile.add_argument("--out", type=parse_path, default=Path("feed_profile.png"), help="PNG to write")
    profile.set_defaults(run=run_profile)
    sketch = commands.add_parser("sketch", help="draft layout and city of an unknown raw file")
    sketch.add_argument("file", type=parse_path, help="text, gz or xlsx")
    sketch.add_argument("--out", type=parse_path, default=Path("sketch"), help="folder (default sketch)")
    sketch.add_argument("--name", type=parse_name, help="name of layout and city (default: the file's)")
    sketch.set_defaults(run=run_sketch)
    return parser.parse_args(arguments)


def run_profile(options: Namespace) -> None:
    """Draw the published build's feed; what draws is imported here, as no other command needs it."""
    from etl.feed_chart import draw_feed

    draw_feed(options.builds, options.out)


def run_sketch(options: Namespace) -> None:
    """Write the drafts and print what they guess."""
    finding = write_sketch(options.file, options.out, options.name)
    print(describe(finding))
    for line in list_refusals(options.out, finding.name):
        print(f"  to be settled: {line}")
    print(f"drafts written: {options.out}/layouts and cities, {finding.name}.toml; check every line")


def run_fetch(options: Namespace) -> None:
    """Fetch incidents and boundaries, and the history where it is asked for."""
    city, operation = load_city(options.city), load_operation()
    fetch_city(
        city, options.folder or operation.raw_folder / city.name.lower(),
        full=options.full, window_days=options.window_days, with_history=options.history,
        kept=operation.kept_snapshots, needed=list_needed_files(operation.builds),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
