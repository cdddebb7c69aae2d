"""Patrol plans of the published build: `python -m planner plan REQUEST`."""

import signal
import sys
from argparse import Namespace

from planner.plan_files import write_plan
from planner.request import read_request
from planner.summary import describe_plan
from warehouse.command import CommandParser, add_builds, load_operation, parse_path, run_command


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code, having said what went wrong on standard error."""
    parser = CommandParser(prog="python -m planner", description=__doc__)
    parser.add_argument("command", choices=["plan"])
    parser.add_argument("request", type=parse_path, metavar="REQUEST", help="as plans/example.toml")
    add_builds(parser)
    parser.add_argument(
        "--out",
        type=parse_path,
        help="folder to write (default: the request's name in the setting plans)",
    )
    options = parser.parse_args(arguments)
    return run_command(lambda: answer(options))


def answer(options: Namespace) -> None:
    """Make the plan, write its files and tell of it."""
    request = read_request(options.request)
    out = options.out or load_operation().plans / options.request.stem
    plan = write_plan(options.builds, request, out)
    print("\n".join(describe_plan(plan)))
    print(f"written to {out}")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` is no error
    sys.exit(main())
