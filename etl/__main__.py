"""Commands on the feed: `python -m etl profile`."""

import argparse
import sys
from pathlib import Path

from etl.profile import draw_profile
from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.publish import read_pointer


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code, having said what went wrong on standard error."""
    options = parse_arguments(arguments)
    try:
        options.run(options)
    except ShieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options; `run` is the command's function."""
    parser = argparse.ArgumentParser(prog="python -m etl", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    profile = commands.add_parser("profile", help="draw the feed health of the published build")
    profile.add_argument("--builds", type=Path, default=settings.BUILDS_DIR, help="folder of builds")
    profile.add_argument("--out", type=Path, default=Path("feed_profile.png"), help="PNG to write")
    profile.set_defaults(run=run_profile)
    return parser.parse_args(arguments)


def run_profile(options: argparse.Namespace) -> None:
    """Draw the published build's feed."""
    draw_profile(options.builds / read_pointer(options.builds).file, options.out)
    print(f"feed profile written to {options.out}")


if __name__ == "__main__":
    sys.exit(main())
