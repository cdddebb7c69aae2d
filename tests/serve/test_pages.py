"""Pages: their numbers are the build's, they ask nobody else, and say what is wrong as a page."""

import re
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from serve.app import Service, create_app
from serve.map_shapes import draw_ring, read_rings
from tests.serve.builds import copy_builds, publish_changed
from tests.serve.client import make_client
from warehouse.operation import Operation
from warehouse.pointer import read_pointer

OUTLINE = (
    "POLYGON ((-84.4 33.7, -84.3 33.7, -84.3 33.8, -84.4 33.7),"
    " (-84.35 33.72, -84.34 33.72, -84.35 33.72))"
)
ROW = re.compile(
    r'<tr><td>(\d+)</td><th scope="row"><a href=".*?">(.*?)</a></th><td>.*?</td>'
    r'<td class="number">(.*?)</td></tr>'
)


def read_table(page: str) -> list[tuple[str, str]]:
    """Return names and numbers of a page's table."""
    return [
        (name.replace("&#39;", "'").replace("&amp;", "&"), value) for _, name, value in ROW.findall(page)
    ]


@pytest.mark.parametrize(
    ("address", "select"),
    [
        ("/?month=7", "expected_daily_crimes FROM average_daily WHERE month = 7"),
        (
            "/?month=7&crimes=reported",
            "expected_reported_daily_crimes FROM average_daily WHERE month = 7",
        ),
        (
            "/?month=2&per=hour&hour=0",
            "expected_crimes FROM forecast_hourly WHERE month = 2 AND hour = 0",
        ),
        (
            "/?month=2&per=hour&hour=23&crimes=reported",
            "expected_reported_crimes FROM forecast_hourly WHERE month = 2 AND hour = 23",
        ),
    ],
)
def test_numbers_of_the_city_are_those_of_sql(
    client: FlaskClient, published: Path, address: str, select: str
) -> None:
    page = client.get(address).text
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        rows = connection.execute(f"SELECT neighborhood, {select} ORDER BY 2 DESC, 1").fetchall()
    assert read_table(page) == [(name, f"{value:.4f}") for name, value in rows]
    assert page.count("<circle class=") == len(rows)  # no boundaries in this build
    by_name = read_table(client.get(f"{address}&sort=name").text)
    assert [name for name, _ in by_name] == sorted(name for name, _ in rows)
    [link] = re.findall(r'href="(/v1/tables/[^"]*)"', page)
    lines = client.get(link.replace("&amp;", "&")).text.splitlines()
    assert [line.rsplit(",", 1)[0].strip('"') for line in lines[1:]] == [name for name, _ in rows]


def test_first_forecast_month_is_shown_unless_another_is_asked_for(client: FlaskClient) -> None:
    assert "January 2026" in client.get("/").text
    assert "December 2026" in client.get("/?month=12").text


def test_page_says_what_it_is_and_asks_no_other_host(client: FlaskClient, published: Path) -> None:
    answer = client.get("/")
    build_id = read_pointer(published).build_id
    assert f"Build {build_id} · data up to 2025-12-31" in answer.text
    assert "This is simulated data: it says nothing about real places." in answer.text
    assert "source: simulated data" in answer.text
    assert answer.headers["X-Build-ID"] == build_id
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "http" not in re.sub(r"<svg.*?</svg>", "", answer.text, flags=re.DOTALL)
    assert len(answer.data) < 100_000
    for asset in re.findall(r'"(/assets/[^"]*)"', answer.text):
        found = client.get(asset)
        assert found.status_code == 200
        assert client.get(asset, headers={"If-None-Match": found.headers["ETag"]}).status_code == 304
    again = client.get("/", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/?month=3", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 200


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/?month=13", "month"), ("/?month=", "month"), ("/?hour=24", "hour"), ("/?per=week", "per"),
        ("/?crimes=none", "crimes"), ("/?place=x", "place"), ("/?month=1&month=2", "month"),
    ],
)  # fmt: skip
def test_mistake_in_an_address_is_told_on_a_page(client: FlaskClient, address: str, told: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert told in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_unknown_asset_is_told_on_a_page(client: FlaskClient) -> None:
    answer = client.get("/assets/..%2fapp.py")
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_unknown_address_is_told_to_a_browser_on_a_page(client: FlaskClient) -> None:
    page = client.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert 'href="/neighborhoods"' in page.text
    for accept in ("*/*", "application/json"):
        answer = client.get("/nowhere", headers={"Accept": accept})
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_browser_is_led_to_the_address_without_a_slash_too_many(client: FlaskClient) -> None:
    browser = {"Accept": "text/html,*/*;q=0.8"}
    for asked, found in (
        ("/quality/", "/quality"),
        ("/plans//", "/plans"),
        ("/data/dictionary/?table=offense&q=%C3%A4", "/data/dictionary?table=offense&q=%C3%A4"),
        ("/plans/a%0d%0ab:%20c/", "/plans/a%0D%0Ab%3A%20c"),
    ):
        answer = client.get(asked, headers=browser)
        assert (answer.status_code, answer.headers["Location"]) == (308, found)
        assert client.get(asked).status_code == 404
    for asked in ("/nowhere/", "/./evil.example/"):
        assert client.get(asked, headers=browser).status_code == 404
    environ = {"PATH_INFO": "//quality/", "HTTP_ACCEPT": "text/html"}
    foreign = client.get("/", environ_overrides=environ)  # a host of that name is nobody's
    assert foreign.headers["Location"] == "/quality"


def test_without_a_build_a_page_says_so(tmp_path: Path) -> None:
    answer = make_client(create_app(tmp_path)).get("/")
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "nothing is published" in answer.text or "no build" in answer.text


def test_build_of_an_earlier_version_is_told_on_a_page(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(published, tmp_path, "DROP TABLE boundary")
    answer = make_client(create_app(builds)).get("/")
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "earlier version" in answer.text
    assert str(builds) not in answer.text


def test_outlines_are_drawn_and_the_rest_are_circles(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(
        published, tmp_path, f"INSERT INTO boundary VALUES ('Downtown', '{OUTLINE}', 'simulated data')"
    )
    page = make_client(create_app(builds)).get("/").text
    assert page.count('<path class="c') == 1
    [path] = re.findall(r'<path class="c\d" d="([^"]*)"><title>Downtown: ', page)
    assert path.count("M") == path.count("z") == 2
    assert "Circles, as this build has no boundaries" not in page
    radii = set(re.findall(r' r="([^"]*)"', page))
    assert radii == {"18"}


def test_rings_are_whole_steps_that_end_where_they_began() -> None:
    rings = read_rings(f"MULTIPOLYGON ({OUTLINE.removeprefix('POLYGON ')}, ((1 2, 3 4, 1 2)))")
    assert rings[0] == [(-84.4, 33.7), (-84.3, 33.7), (-84.3, 33.8)]
    assert rings[2] == [(1, 2), (3, 4)]
    assert draw_ring([(0.4, 0.4), (0.6, 0.6), (5.2, 3.4), (5.1, 3.3)]) == "M0 0l1 1l4 2z"


def test_area_of_circles_is_in_proportion(client: FlaskClient) -> None:
    page = client.get("/?month=1").text
    values = dict(read_table(page))
    circles = re.findall(r' r="([^"]*)"><title>(.*?): ', page)
    largest = max(float(value) for value in values.values())
    for radius, name in circles:
        expected = 45 * (float(values[name.replace("&#39;", "'")]) / largest) ** 0.5
        assert float(radius) == pytest.approx(expected, abs=0.06)


def test_a_new_build_has_pages_of_its_own(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(published, tmp_path)
    app = create_app(builds)
    client = make_client(app)
    before = client.get("/?month=1")
    publish_changed(builds, "later", "UPDATE average_daily SET expected_daily_crimes = 7")
    app.extensions["current_build"].follow()
    after = client.get("/?month=1", headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert {value for _, value in read_table(after.text)} == {"7.0000"}
    assert "Build later" in after.text


def test_browser_may_send_the_key_as_a_password_where_nothing_but_an_answer_comes_of_it(
    app: Service,
) -> None:
    key = "k" * 20
    builds = app.extensions["current_build"].builds
    client = make_client(create_app(Operation(builds=builds, api_keys=(key,))))
    asked = client.get("/", headers={"Accept": "text/html"})
    assert (asked.status_code, asked.headers["WWW-Authenticate"]) == (401, 'Basic realm="ATLShield"')
    assert client.get("/v1/builds").headers["WWW-Authenticate"] == "Bearer"
    for address in ("/", "/docs", "/v1/tables/neighborhood.csv"):
        assert client.get(address, auth=("me", key)).status_code == 200
        assert client.get(address, auth=("me", "wrong")).status_code == 401
    body = {"neighborhood": "Downtown", "month": 1}
    assert client.post("/predict_hourly_crime", json=body, auth=("me", key)).status_code == 401


@pytest.mark.parametrize(
    "address", ["/?month=7", "/?month=7&per=hour&hour=3&sort=name", "/neighborhoods/Downtown?month=7"]
)
def test_a_view_only_reads_what_is_there(app: Service, client: FlaskClient, address: str) -> None:
    """What DuckDB joins, sorts or groups takes its time, and leaves memory that it clears late."""
    engine = app.extensions["current_build"].get().engine
    asked: list[tuple[str, object]] = []

    def keep(_connection: object, _cursor: object, sql: str, values: object, *_: object) -> None:
        asked.append((sql, values))

    client.get(address)  # reads once what holds for the build
    sa.event.listen(engine, "before_cursor_execute", keep)
    client.get(address)
    sa.event.remove(engine, "before_cursor_execute", keep)
    assert asked
    with engine.connect() as connection:
        for sql, values in asked:
            [(_, plan)] = connection.exec_driver_sql(f"EXPLAIN {sql}", values).fetchall()
            assert "SCAN" in plan
            assert not re.findall("JOIN|ORDER|TOP_N|GROUP|AGGREGATE|WINDOW", plan), plan
