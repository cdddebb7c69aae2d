"""Speed figures of patrol plans, a part of `make bench`.

Input: a folder of builds. Output: a table of figures. Nothing passes or fails here.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from planner.cells import read_cells
from planner.limits import Limits, make_limits
from planner.linear_program import _make_program, solve
from planner.plan import make_plan
from planner.request import read_request
from warehouse.read import connect_published
from warehouse.settings import ROOT

ROUNDS = 3
CAP = 8
"""Units that a cell may have in the plain program: with one variable for each, some 160,000."""


def measure(work: Callable[[], object]) -> float:
    """Return the processor seconds of some work, the median of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def solve_plainly(limits: Limits) -> None:
    """Solve one linear program with a variable for every unit that a cell may have."""
    problem = replace(limits.problem, cap=np.minimum(limits.problem.cap, CAP))
    _make_program(problem, np.zeros_like(problem.cap), problem.cap, problem.cap).solve()


def bench_plan(builds: Path) -> None:
    """Print what the example's plan takes beside a plain linear program and the reading of cells."""
    request = read_request(ROOT / "plans" / "example.toml")
    with connect_published(builds) as (published, connection):
        read = measure(lambda: read_cells(connection, published.build_id, request))
        cells = read_cells(connection, published.build_id, request)
        limits = make_limits(cells, request)
        free = limits.scale_floors(0)
        fast = measure(lambda: solve(free.problem))
        floors = measure(lambda: solve(limits.problem))
        plain = measure(lambda: solve_plainly(limits))
        whole = measure(lambda: make_plan(connection, published, request))
    print(f"patrol plan, {len(cells):,} cells; reading them takes {read:.2f} s")
    print(f"  without floors {fast / read:.2f} times that (aim: at most 1.00)")
    print(f"  with floors {floors / plain:.2f} times one plain program (aim: at most 1.00)")
    print(f"  with ranges and trade-off {whole / plain:.1f} times that (aim: at most 10.0)")
