"""The charts' part of `make bench`: first drawings beside matplotlib alone, kept ones beside a constant.

Input: a folder of builds. Output: figures on standard output.
"""

import io
import statistics
import time
import urllib.request
from collections.abc import Callable
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any
from urllib.parse import quote

from serve.chart_file import MAKERS, Series
from serve.charts import make_file
from serve.city_data import read_city
from serve.current_build import CurrentBuild, ServedBuild
from serve.hour_grid_data import read_months, read_weekdays
from serve.hourly_data import read_hourly
from serve.month_data import read_month
from tests.benchmark_service import BARE, compare, list_places
from tests.charts import SIZES
from tests.load import Server, make_request, run_service

DRAWINGS = 15
CHARTS = 5_000
SIZE = SIZES[1]
KINDS: dict[str, tuple[Callable[..., Series], dict[str, Any]]] = {
    "hourly": (read_hourly, {"month": 7}), "month": (read_month, {}), "heatmap": (read_months, {}),
    "weekday": (read_weekdays, {}), "city": (read_city, {"month": 7}),
}  # fmt: skip


def bench_drawing(builds: Path) -> None:
    """Print for each kind of chart what a first request takes beside matplotlib for the same figure."""
    build = CurrentBuild(builds).get()
    assert build is not None
    places = list_places(builds)
    for kind, (read, where) in KINDS.items():
        ours, alone = [], []
        for place in places[:DRAWINGS]:
            asked = where if kind == "city" else {"neighborhood": place, **where}
            ours.append(measure(lambda: make_file(build, read, asked, SIZE, "png")))  # noqa: B023
            series = read_series(build, read, asked)
            alone.append(measure(lambda: draw_alone(series)))  # noqa: B023
        ratio = statistics.median(ours) / statistics.median(alone)
        print(f"{kind} chart drawn in {1000 * statistics.median(ours):.0f} ms")
        print(f"  ratio to matplotlib alone {ratio:.2f} (aim: at most 1.2)")


def measure(call: Callable[[], object]) -> float:
    """Return the processor's seconds that a call takes."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def read_series(build: ServedBuild, read: Callable[..., Series], asked: dict[str, Any]) -> Series:
    """Return what a chart shows."""
    with build.engine.connect() as connection:
        return read(connection, **asked)


def draw_alone(series: Series) -> None:
    """Make a figure of a series that is there, and write it as matplotlib does."""
    MAKERS[type(series)](series, SIZE).savefig(io.BytesIO(), format="png")


def bench_kept(builds: Path) -> None:
    """Print the rate of charts that were drawn before, beside a bare route with as many bytes."""
    place = quote(list_places(builds)[0])
    path = f"/charts/month/{place}.png"
    with run_service(builds) as server:
        size = len(urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}").read())
        with run_service(builds, BARE, BODY_BYTES=str(size)) as bare_server:
            bare = compare("bare Flask route, a chart's bytes", bare_server, [make_request("/bare")])
        kept = compare("charts drawn before", server, [make_request(path)])
    print(f"  ratio to the bare route {kept.per_second / bare.per_second:.2f} (aim: at least 0.7)")


def bench_memory(builds: Path, charts: int = CHARTS) -> None:
    """Print by how much the service has grown after so many different charts."""
    with run_service(builds) as server:
        time.sleep(10)  # what draws is imported by then
        before = server.measure_memory()
        for path in islice(list_paths(builds), charts):
            ask(server, path)
        grown = server.measure_memory() - before
    print(f"{charts} different charts: {grown:+.0f} MB on {before:.0f} (aim: at most +40)")


def list_paths(builds: Path) -> "cycle[str]":
    """Return addresses of charts, all different for as long as there are sizes."""
    places, sizes = map(quote, list_places(builds)), range(480, 1_500, 51)
    kinds = [f"{kind}/{{}}{'/7' if kind == 'hourly' else ''}" for kind in KINDS if kind != "city"]
    return cycle(
        f"/charts/{kind.format(place)}.{chart_format}?width={width}"
        for width, place, (kind, chart_format) in product(
            sizes, list(places), zip(kinds, ("png", "svg", "png", "svg"), strict=True)
        )
    )


def ask(server: Server, path: str) -> None:
    """Ask for a chart. Raises `HTTPError` unless it comes."""
    urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}").read()


def bench_charts(builds: Path) -> None:
    """Print the figures of the charts."""
    bench_drawing(builds)
    bench_kept(builds)
    bench_memory(builds)
