"""The pages' part of `make bench`: their rate beside a constant of as many bytes, and memory afterwards.

Input: a folder of builds. Output: figures on standard output.
"""

import sys
import urllib.request
from itertools import islice, product
from pathlib import Path
from urllib.parse import quote

from tests.benchmark_service import BARE, list_places
from tests.load import make_request, run_service, send_requests

REQUESTS = 400
VIEWS = 5_000
MONTHS, HOURS = range(1, 13), range(24)


def list_views(places: list[str]) -> list[str]:
    """Return the addresses of different pages: of the city first, then of neighborhoods."""
    city = [
        f"/?per={per}&month={month}&hour={hour}&crimes={crimes}&sort={sort}"
        for per, month, hour, crimes, sort in product(
            ("hour", "day"), MONTHS, HOURS, ("all", "reported"), ("crimes", "name")
        )
    ]
    return city + [
        f"/neighborhoods/{quote(place)}?month={month}" for place in places for month in MONTHS
    ]


def bench_pages(builds: Path) -> None:
    """Print the rate of the city page, and what thousands of different pages leave in memory."""
    views = list_views(list_places(builds))
    pages = [make_request(view) for view in views]
    with run_service(builds) as server:
        size = len(urllib.request.urlopen(f"http://127.0.0.1:{server.port}{views[0]}").read())
        rate = send_requests(server.port, pages[:REQUESTS], REQUESTS)
        one = send_requests(server.port, pages[:REQUESTS], REQUESTS, connections=1)
        with run_service(builds, BARE, BODY_BYTES=str(size)) as bare_server:
            bare = send_requests(bare_server.port, [make_request("/bare")], 10 * REQUESTS)
        print(f"city page, {size / 1000:.0f} KB: {rate.per_second:.0f}/s, one at a time "
              f"{1000 / one.per_second:.0f} ms (aim: first byte within 50)")  # fmt: skip
        print(f"  a bare route of as many bytes {bare.per_second:,.0f}/s")
        before = server.measure_memory()
        count = len(list(islice(views, VIEWS)))
        send_requests(server.port, pages[:VIEWS], count, connections=4)
        after = server.measure_memory()
        print(f"  {count:,} different pages leave {after - before:+.0f} MB on {before:.0f} (aim: 40)")


if __name__ == "__main__":
    bench_pages(Path(sys.argv[1]))
