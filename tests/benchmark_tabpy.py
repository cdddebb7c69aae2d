"""`python -m tests.benchmark_tabpy BUILDS`: our `/evaluate` beside TabPy, and beside a request per row.

Input: a folder of builds. Output: medians on standard output, milliseconds per call of Tableau.
"""

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import requests

from serve import deploy_tabpy
from tests.benchmark_service import draw_lookups, list_places
from tests.serve.server import run_server
from tests.serve.tabpy_server import PASSWORD, USER, find_python, make_script, run_tabpy

ROWS = (1, 77, 1_000)
CALLS, SLOW_CALLS = 30, 3

ONE_BY_ONE = """
import requests
def ask(name, month, hour):
    asked = {{'neighborhood': name, 'month': month}}
    return requests.get('{api}/predict_hourly_crime', asked).json()[hour]['predicted_crimes']
return [ask(*row) for row in zip(_arg1, _arg2, _arg3)]
"""


def measure(address: str, body: dict[str, Any], calls: int) -> tuple[float, list[Any]]:
    """Return the median seconds of a call, after one that does not count, and its answer."""
    seconds = []
    with requests.Session() as session:
        session.auth = (USER, PASSWORD)
        for _ in range(calls + 1):
            began = time.perf_counter()
            answer = session.post(f"{address}/evaluate", json=body, timeout=60)
            seconds.append(time.perf_counter() - began)
            answer.raise_for_status()
    return statistics.median(seconds[1:]), answer.json()


def bench_tabpy(builds: Path) -> None:
    """Print the medians; the answers of all ways are the same."""
    os.environ["TABPY_PASSWORD"] = PASSWORD
    with run_server(builds) as (api, _), run_tabpy(find_python()) as tabpy:
        deploy_tabpy.deploy(tabpy, api)
        for rows in ROWS:
            lookups = draw_lookups(list_places(builds), rows)
            arguments = [[each[name] for each in lookups] for name in ("neighborhood", "month", "hour")]
            script = make_script("predict_hourly_crime", arguments)
            slow = {**script, "script": ONE_BY_ONE.format(api=api)}
            ours, expected = measure(api, script, CALLS)
            theirs, found = measure(tabpy, script, CALLS)
            each, found_each = measure(tabpy, slow, SLOW_CALLS)
            assert expected == found == found_each
            print(f"{rows} rows: our /evaluate {1000 * ours:.1f} ms")
            print(f"  TabPy with our functions {1000 * theirs:.1f} ms")
            print(f"  TabPy with a request per row {1000 * each:.1f} ms")


if __name__ == "__main__":
    bench_tabpy(Path(sys.argv[1]))
