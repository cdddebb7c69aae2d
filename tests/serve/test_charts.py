"""Charts over HTTP: every kind in every format, sizes, and the cache."""

import gc
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.exceptions import ServiceUnavailable

from serve import chart_cache, chart_file
from serve.app import create_app
from serve.chart_cache import ChartCache, find_chart
from serve.chart_size import ChartSize
from serve.current_build import CurrentBuild, ServedBuild
from serve.month_data import read_month
from tests.serve.builds import copy_builds
from warehouse.settings import ROOT

PLACE = quote("Cascade Avenue/Road")
ADDRESSES = [f"hourly/{PLACE}/7", f"month/{PLACE}", f"heatmap/{PLACE}", f"weekday/{PLACE}", "city/7"]
TRICKY = "O'Neal/$x^2$ & <b>50 %</b>"


@pytest.fixture
def build(published: Path, tmp_path: Path) -> Iterator[ServedBuild]:
    """A build of one's own, with an empty cache."""
    served = CurrentBuild(copy_builds(published, tmp_path)).get()
    assert served is not None
    yield served
    served.engine.dispose()


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_chart_is_a_picture_of_the_size_asked_for(client: FlaskClient, address: str) -> None:
    answer = client.get(f"/charts/{address}.png?width=701&height=433")
    assert answer.mimetype == "image/png"
    picture = Image.open(io.BytesIO(answer.data))
    assert picture.size == (701, 433)
    words = client.get(f"/charts/{address}.json").get_json()
    assert picture.info["Title"] == words["title"]
    assert picture.info["Description"] == words["alt_text"]
    assert "Software" not in picture.info


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_chart_is_an_svg_that_asks_for_nothing(client: FlaskClient, address: str) -> None:
    answer = client.get(f"/charts/{address}.svg")
    assert answer.mimetype == "image/svg+xml"
    assert "style-src 'unsafe-inline'" in answer.headers["Content-Security-Policy"]
    root = ElementTree.fromstring(answer.data)  # noqa: S314
    assert (root.get("width"), root.get("height"), root.get("role")) == ("990", "495", "img")
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == client.get(f"/charts/{address}.json").get_json()["title"]
    for element in root.iter():
        assert element.tag.rpartition("}")[2] not in {"script", "foreignObject", "image", "a"}
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert not name.endswith("href") or value.startswith("#")
            assert "url(" not in value or "url(#" in value


def test_description_says_what_is_drawn(client: FlaskClient, app: Flask) -> None:
    served = app.extensions["current_build"].get()
    words = client.get(f"/charts/month/{PLACE}.json").get_json()
    with served.engine.connect() as connection:
        series = read_month(connection, "Cascade Avenue/Road")
    assert words["build_id"] == served.published.build_id
    assert words["data_source"] == "simulated data"
    assert words["alt_text"] == series.alt_text
    assert words["alt_text"].endswith("This is simulated data and says nothing about real places.")
    assert words["series"] == json.loads(json.dumps(asdict(series), default=str))


@pytest.mark.parametrize("chart_format", ["png", "svg"])
def test_same_chart_has_the_same_bytes_when_it_is_drawn_again(
    build: ServedBuild, chart_format: str
) -> None:
    size = ChartSize.model_validate({})
    with build.engine.connect() as connection:
        series = read_month(connection, "Downtown")
    drawn = {chart_file.draw_chart(series, size, chart_format) for _ in range(3)}  # type: ignore[arg-type]
    assert len(drawn) == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("width=479", "width: expected greater than or equal to 480, found '479'"),
        ("width=2401", "width: expected less than or equal to 2400"),
        ("height=319", "height: expected"),
        ("height=1601", "height: expected"),
        ("dpi=71", "dpi: expected"),
        ("dpi=301", "dpi: expected"),
        ("width=wide", "width: expected a valid integer"),
        ("dpi=", "dpi: expected a valid integer"),
        ("size=9", "unknown parameter 'size'"),
        ("dpi=80&dpi=90", "'dpi' is given twice"),
    ],
)
def test_bad_size_is_told_by_its_name(client: FlaskClient, query: str, message: str) -> None:
    answer = client.get(f"/charts/city/7.png?{query}")
    assert answer.status_code == 400
    assert message in answer.get_json()["error"]


@pytest.mark.parametrize(
    ("size", "dots"),
    [
        ({}, 110), ({"width": 480, "height": 320}, 72), ({"width": 1920, "height": 1080}, 213),
        ({"dpi": 90}, 90), ({"dpi": 300}, 111), ({"width": 2400, "height": 1600, "dpi": 300}, 300),
    ],
)  # fmt: skip
def test_letters_grow_as_far_as_there_is_room(size: dict[str, int], dots: int) -> None:
    assert ChartSize.model_validate(size).dots_per_inch == dots


@pytest.mark.parametrize("path", ["city/0.png", "city/7.gif", f"month/{PLACE}", "month/Nowhere.png"])
def test_address_that_is_no_chart_is_told(client: FlaskClient, path: str) -> None:
    assert client.get(f"/charts/{path}").status_code in {400, 404}


def test_name_may_hold_whatever_files_hold(published: Path, tmp_path: Path) -> None:
    tables = ("neighborhood", "incident", "average_daily", "forecast_hourly", "mart_forecast_hourly",
              "forecast_hourly_weekday")  # fmt: skip
    name = TRICKY.replace("'", "''")
    client = create_app(
        copy_builds(
            published, tmp_path,
            *(f"UPDATE {table} SET neighborhood = '{name}' WHERE neighborhood = 'Downtown'"
              for table in tables),
        )
    ).test_client()  # fmt: skip
    for kind in ("month/{}", "heatmap/{}", "weekday/{}", "hourly/{}/7"):
        address = "/charts/" + kind.format(quote(TRICKY))
        assert TRICKY in client.get(f"{address}.json").get_json()["title"]
        svg = ElementTree.fromstring(client.get(f"{address}.svg").data)  # noqa: S314
        title = svg.find("{http://www.w3.org/2000/svg}title")
        assert title is not None
        assert TRICKY in (title.text or "")


def test_chart_is_drawn_once_and_then_kept(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"/charts/month/{PLACE}.png?width=600"
    first = client.get(address)
    monkeypatch.delattr(chart_file, "draw_chart")
    again = client.get(f"/charts/month/{PLACE.upper()}.png?width=600")
    assert (again.status_code, again.data) == (200, first.data)
    assert client.get(f"/charts/month/{PLACE}.png?width=601").status_code == 500


def test_requests_for_the_same_chart_at_once_draw_it_once(build: ServedBuild) -> None:
    drawn, go_on, found = [], threading.Event(), []

    def draw() -> bytes:
        drawn.append(1)
        go_on.wait(10)
        return b"chart"

    threads = [
        threading.Thread(target=lambda: found.append(find_chart(build, "same", draw))) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert (found, drawn) == ([b"chart"] * 12, [1])


def test_only_so_many_charts_wait_to_be_drawn(
    build: ServedBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart_cache, "_queue", threading.BoundedSemaphore(2))
    begun, go_on = threading.Semaphore(0), threading.Event()
    active, most = [0], [0]

    def draw() -> bytes:
        active[0] += 1
        most[0] = max(most[0], active[0])
        begun.release()
        go_on.wait(10)
        active[0] -= 1
        return b"chart"

    threads = [threading.Thread(target=find_chart, args=(build, key, draw)) for key in range(2)]
    threads[0].start()
    assert begun.acquire(timeout=10)
    threads[1].start()
    while chart_cache._queue.acquire(blocking=False):  # until the second one waits
        chart_cache._queue.release()
    with pytest.raises(ServiceUnavailable) as caught:
        find_chart(build, "third", draw)
    assert ("Retry-After", "2") in caught.value.get_headers()
    go_on.set()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert find_chart(build, "third", draw) == b"chart"


def test_chart_that_cannot_be_drawn_leaves_its_place_to_others(build: ServedBuild) -> None:
    def fail() -> bytes:
        raise OSError("short of memory")

    for _ in range(20):
        with pytest.raises(OSError, match="short of memory"):
            find_chart(build, "key", fail)
    assert find_chart(build, "key", lambda: b"chart") == b"chart"


def test_cache_keeps_no_more_bytes_than_it_may() -> None:
    cache, drawn = ChartCache(max_bytes=1000).draw_once, []

    def ask(key: int, size: int) -> None:
        cache(key, lambda: drawn.append(key) or b"x" * size)  # type: ignore[func-returns-value]

    for key in (1, 2, 3, 1, 4):  # three of 300 bytes find room; 2 is the one not asked for lately
        ask(key, 300)
    assert drawn == [1, 2, 3, 4]
    for key in (1, 3, 4):
        ask(key, 300)
    assert drawn == [1, 2, 3, 4]
    ask(2, 300)
    ask(5, 2000)  # larger than all the room: answered, not kept
    ask(5, 2000)
    assert drawn == [1, 2, 3, 4, 2, 5, 5]


def test_chart_drawn_before_is_answered_without_flask_with_the_same_bytes_and_headers(
    published: Path, tmp_path: Path
) -> None:
    app = create_app(copy_builds(published, tmp_path))
    client = app.test_client()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/charts/month/Midtown.svg",
               "QUERY_STRING": "width=600"}  # fmt: skip
    path = "/charts/month/Midtown.svg?width=600"
    assert not app.is_quick(environ)
    first = client.get(path)
    assert app.is_quick(environ)
    assert not app.is_quick({**environ, "QUERY_STRING": ""})
    assert not app.is_quick({**environ, "REQUEST_METHOD": "HEAD"})
    again = client.get(path)
    assert again.data == first.data
    names = {*dict(first.headers)} - {"X-Request-ID"}
    assert {name: again.headers[name] for name in names} == {name: first.headers[name] for name in names}
    tag = {"If-None-Match": first.headers["ETag"]}
    assert client.get(path, headers=tag).status_code == 304
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serve.app.Service.preprocess_request", lambda _: 1 / 0)
        assert client.get(path).status_code == 200


def test_charts_go_with_their_build(published: Path, tmp_path: Path) -> None:
    served = CurrentBuild(copy_builds(published, tmp_path)).get()
    assert served is not None
    gc.collect()  # what earlier tests left
    before = len(chart_cache._caches)
    find_chart(served, "key", lambda: b"chart")
    assert len(chart_cache._caches) == before + 1
    del served
    gc.collect()
    assert len(chart_cache._caches) == before


def test_charts_of_two_builds_are_not_mixed(build: ServedBuild, app: Flask) -> None:
    other = app.extensions["current_build"].get()
    assert find_chart(build, "key", lambda: b"one") == b"one"
    assert find_chart(other, "key", lambda: b"other") == b"other"


@pytest.mark.slow
def test_matplotlib_is_imported_after_the_start_or_by_the_first_picture(
    published: Path, tmp_path: Path
) -> None:
    builds = copy_builds(published, tmp_path)
    program = f"""
import sys, threading
from pathlib import Path
from serve import __main__ as server
from warehouse.operation import Operation
server.DRAWING_SECONDS = 600.0
app = server.load(Operation(builds=Path({str(builds)!r}))).app
client = app.test_client()
assert client.get("/charts/city/7.json").status_code == 200
print("matplotlib" in sys.modules)
if len(sys.argv) > 1:
    assert client.get("/charts/city/7.png").status_code == 200
else:
    server.DRAWING_SECONDS = 0
    server.load(Operation(builds=Path({str(builds)!r})))
    for timer in [found for found in threading.enumerate() if isinstance(found, threading.Timer)]:
        if not timer.interval:
            timer.join()
print("serve.chart_file" in sys.modules, "matplotlib.pyplot" in sys.modules)
"""
    for arguments in ([], ["picture"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        words = [word for word in done.stdout.split() if word in {"False", "True"}]
        assert words == ["False", "True", "False"]
