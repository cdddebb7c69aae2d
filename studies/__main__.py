"""Commands on the published build: `python -m studies sensitivity | aoristic`.

Input: a command line and the published build. Output: a printed table.
"""

import signal
import sys
from argparse import Namespace

from models.backtest import require_origins
from models.load_panel import load_panel
from studies.aoristic import score_hours
from studies.sensitivity import vary_constants
from warehouse.command import CommandParser, add_builds, count_between, run_command
from warehouse.read import connect_published

MAX_ORIGINS = 400
"""A century of quarters."""


def main(arguments: list[str] | None = None) -> int:
    """Run one study; return the exit code, having said what went wrong on standard error."""
    parser = CommandParser(prog="python -m studies", description=__doc__)
    parser.add_argument("study", choices=["sensitivity", "aoristic"])
    add_builds(parser)
    parser.add_argument("--origins", type=count_between(1, MAX_ORIGINS), default=6,
                        help="past origins of the sensitivity, a quarter apart")  # fmt: skip
    options = parser.parse_args(arguments)
    return run_command(lambda: print_study(options))


def print_study(options: Namespace) -> None:
    """Print the table of a study of the published build."""
    with connect_published(options.builds) as (_, connection):
        if options.study == "sensitivity":
            panel = load_panel(connection)
            table = vary_constants(panel, require_origins(panel, options.origins))
        else:
            table = score_hours(connection)
    print(table.to_string(index=False, float_format="{:,.4f}".format))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` is no error
    sys.exit(main())
