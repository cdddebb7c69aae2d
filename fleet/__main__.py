"""Refreshes many cities on a cluster, and makes one set of tables of them: `python -m fleet CITIES`.

The exit code is how many cities failed, at most 100; an error of the command itself says so.
"""

import sys
from argparse import Namespace

from fleet.city_task import CityOutcome, CityTask
from fleet.cluster import connect_cluster, run_tasks
from fleet.inputs import hash_code
from fleet.request import make_request, read_fleet
from fleet.union import claim, remove_others, write_database
from refresh import measure_inputs
from warehouse.command import (
    CommandParser,
    count_between,
    load_operation,
    parse_path,
    parse_text,
    run_command,
)
from warehouse.files import hold_lock
from warehouse.tables_fleet import FAILED, OUTCOMES, UNFINISHED

FLEET = "fleet"
MAX_FAILED = 100
BYTES_PER_INCIDENT = 100


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    operation = load_operation()
    parser = CommandParser(prog="python -m fleet", description=__doc__)
    parser.add_argument("cities", type=parse_path, metavar="CITIES", help="as fleet/example.toml")
    parser.add_argument(
        "--builds", type=parse_path, default=operation.fleet_builds, help="folder of the cities' folders"
    )
    parser.add_argument(
        "--union", type=parse_path, default=operation.fleet_union, help="folder of their common tables"
    )
    parser.add_argument("--scheduler", type=parse_text, help="address of a Dask scheduler, tcp://…")
    parser.add_argument("--workers", type=count_between(1, 1000), help="processes on this machine")
    parser.add_argument("--resume", action="store_true", help="leave out what did not change")
    options = parser.parse_args(arguments)
    if options.scheduler and options.workers:
        parser.error("--workers are those of this machine, --scheduler has its own")
    failed: list[str] = []
    code = run_command(lambda: failed.extend(run_fleet(options)))
    return code or min(len(failed), MAX_FAILED)


def run_fleet(options: Namespace) -> list[str]:
    """Refresh all cities and write the union; return the names of those that failed."""
    operation, code = load_operation(), hash_code()
    builds, union = options.builds.resolve(), options.union.resolve()
    cities = read_fleet(options.cities).cities
    tasks = [
        CityTask(name, make_request(name, city, builds, operation), union, code, options.resume)
        for name, city in cities.items()
    ]
    tasks.sort(key=guess_size, reverse=True)  # so that no large one is left for the end
    with hold_lock(builds, FLEET), connect_cluster(options.scheduler, options.workers) as client:
        claim(union, builds)
        gone = remove_others(union, cities)
        ended = {task.name: CityOutcome(task.name, UNFINISHED, None, 0, None) for task in tasks}
        try:
            for outcome in run_tasks(client, tasks):
                ended[outcome.city] = outcome
        finally:  # after Ctrl-C too
            path = write_database(union, ended.values())
    outcomes = list(ended.values())
    counts = (f"{sum(o.outcome == kind for o in outcomes)} {kind}" for kind in OUTCOMES[:-1])
    print(f"{len(outcomes)} {'city' if len(outcomes) == 1 else 'cities'}: {', '.join(counts)}")
    for name in gone:
        print(f"{name} is no longer in the union: {options.cities} does not have it")
    print(f"union in {path}")
    return [outcome.city for outcome in outcomes if outcome.outcome == FAILED]


def guess_size(task: CityTask) -> int:
    """Return about how many bytes a city's refresh reads."""
    simulated = BYTES_PER_INCIDENT * task.request.sample_incidents
    last, raw = measure_inputs(task.request)
    return max(last, raw, simulated if task.request.source_kind == "simulated" else 0)


if __name__ == "__main__":
    sys.exit(main())
