"""Pages of neighborhoods: their numbers are SQL's, and names of every kind lead to them."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest
from flask.testing import FlaskClient

from serve.app import create_app
from serve.page_scale import Scale, fit_scale
from tests.serve.builds import copy_builds
from tests.serve.client import make_client
from tests.serve.page_text import Page, check_form
from warehouse.schema import TABLES

HOSTILE = """O'Hara/<b>"x" & y"""


def ask(published: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query on the published build."""
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        return connection.execute(sql, values).fetchall()


def open_place(client: FlaskClient, name: str, query: str = "") -> Page:
    """Return the page of a place."""
    return check_form(client.get(f"/neighborhoods/{quote(name)}{query}").text)


@pytest.fixture(scope="module")
def slashed(published: Path) -> str:
    """A name that holds a slash."""
    return str(
        ask(published, "SELECT min(neighborhood) FROM neighborhood WHERE contains(neighborhood, '/')")[
            0
        ][0]
    )


def test_hours_are_those_of_sql(client: FlaskClient, published: Path, slashed: str) -> None:
    for name in ("Downtown", slashed):
        rows = ask(
            published,
            "SELECT hour_label, expected_crimes, intensity_local, suggested_patrol,"
            " suggested_patrol_share, runner_up_patrol, support_incidents"
            " FROM mart_forecast_hourly WHERE neighborhood = ? AND month = 7 ORDER BY hour",
            name,
        )
        page = open_place(client, name, "?month=7")
        assert page.find_rows("Expected crimes, intensity and patrol by hour, July 2026") == [
            [hour, f"{crimes:.4f}", level, patrol, f"{100 * share:.0f} %", other, str(support)]
            for hour, crimes, level, patrol, share, other, support in rows
        ]
        heights = [float(str(bar["height"])) for bar in page.list_elements("rect")[:24]]
        largest = max(row[1] for row in rows)
        assert heights == pytest.approx([200 * row[1] / largest for row in rows], abs=0.1)
        colors = {"low": "c1", "moderate": "c2", "high": "c4"}
        assert [bar["class"] for bar in page.list_elements("rect")[:24]] == [
            colors[row[2]] for row in rows
        ]


def test_week_is_that_of_sql(client: FlaskClient, published: Path) -> None:
    rows = ask(
        published,
        """
        PIVOT (
            SELECT hour, iso_weekday, sum(expected_crimes * exposure_days) / sum(exposure_days) AS mean
            FROM forecast_hourly_weekday WHERE neighborhood = 'Downtown' GROUP BY ALL
        ) ON iso_weekday USING first(mean) ORDER BY hour
        """,
    )
    page = open_place(client, "Downtown")
    assert page.find_rows("Expected crimes by hour and weekday") == [
        [f"{hour:02d}:00", *(f"{mean:.4f}" for mean in means)] for hour, *means in rows
    ]
    cells = [mean for day in range(1, 8) for mean in (row[day] for row in rows)]
    levels = [int(str(cell["class"])[1]) for cell in page.list_elements("rect")[24:]]
    assert [levels.count(level) for level in range(5)] == pytest.approx([168 / 5] * 5, abs=8)
    assert set(levels) == set(range(5))
    by_crimes = [level for _, level in sorted(zip(cells, levels, strict=True))]
    assert by_crimes == sorted(by_crimes)


def test_months_are_those_of_sql(client: FlaskClient, published: Path) -> None:
    rows = ask(
        published,
        "SELECT strftime(forecast_month, '%B %Y'), expected_month_crimes, month_lower_80,"
        " month_upper_80, month_lower_95, month_upper_95, month(forecast_month)"
        " FROM average_daily WHERE neighborhood = 'Downtown' ORDER BY forecast_month",
    )
    counts = dict(
        ask(
            published,
            "SELECT month(occurred_at), count(*) FROM incident"
            " WHERE neighborhood = 'Downtown' AND year(occurred_at) = 2025 GROUP BY 1",
        )
    )
    table = open_place(client, "Downtown").find_rows("Crimes by month")
    assert [row[:4] for row in table] == [
        [name, f"{mean:.1f}", f"{low:.0f} to {high:.0f}", f"{lower:.0f} to {upper:.0f}"]
        for name, mean, low, high, lower, upper, _ in rows
    ]
    assert [row[-1] for row in table] == [str(counts.get(row[-1], 0)) for row in rows]


def test_categories_are_those_of_sql(client: FlaskClient, published: Path) -> None:
    rows = ask(
        published,
        """
        SELECT offense_category, sum(expected_crimes),
               sum(expected_crimes) / sum(sum(expected_crimes)) OVER ()
        FROM forecast_category WHERE neighborhood = 'Downtown' AND month = 2
        GROUP BY 1 ORDER BY 2 DESC, 1
        """,
    )
    page = open_place(client, "Downtown", "?month=2")
    assert page.find_rows("Offense categories of February 2026") == [
        [name, f"{crimes:.4f}", f"{100 * share:.1f} %"] for name, crimes, share in rows
    ]


def test_similar_places_have_like_volume_and_the_nearest_shape(
    client: FlaskClient, published: Path
) -> None:
    places: dict[str, list[float]] = {}
    for name, crimes in ask(
        published,
        "SELECT neighborhood, expected_crimes FROM forecast_hourly WHERE month = 7"
        " ORDER BY neighborhood, hour",
    ):
        places.setdefault(name, []).append(crimes)
    name = sorted(places, key=lambda place: sum(places[place]))[len(places) // 2]
    own = places.pop(name)

    def differ(place: str) -> float:
        pairs = zip(own, places[place], strict=True)
        return sum(abs(a / sum(own) - b / sum(places[place])) for a, b in pairs) / 2

    like = [place for place in places if 0.5 <= sum(places[place]) / sum(own) <= 2]
    nearest = sorted(like, key=lambda place: (differ(place), place))[:5]
    page = open_place(client, name, "?month=7")
    assert page.find_rows("Places most like") == [
        [place, f"{sum(places[place]):.4f}", f"{100 * differ(place):.1f} %"] for place in nearest
    ]


def test_first_forecast_month_is_shown_unless_another_is_asked_for(client: FlaskClient) -> None:
    assert "Downtown, January 2026" in client.get("/neighborhoods/downtown").text
    assert "Downtown, December 2026" in client.get("/neighborhoods/DOWN-TOWN?month=12").text


def test_links_lead_to_the_same_numbers(client: FlaskClient, slashed: str) -> None:
    page = open_place(client, slashed, "?month=7")
    links = [str(link["href"]) for link in page.list_elements("a")]
    tables = [link for link in links if link.startswith("/v1/tables/")]
    assert len(tables) == 12
    for link in tables:
        answer = client.get(link)
        assert answer.status_code == 200
        assert slashed in answer.text
    for link in (link for link in links if link.startswith("/charts/")):
        assert slashed in client.get(link.replace(".png", ".json")).text
    assert len([link for link in links if link.startswith("/charts/")]) == 4


def test_search_shows_a_place_or_lists_some(client: FlaskClient, published: Path) -> None:
    names = [row[0] for row in ask(published, "SELECT neighborhood FROM neighborhood ORDER BY 1")]

    def search(text: str) -> tuple[str, list[str]]:
        answer = client.get(f"/neighborhoods?q={quote(text)}")
        assert answer.status_code == 200
        check_form(answer.text)
        found = re.findall(r'<li><a href="/neighborhoods/[^"]*">(.*?)</a></li>', answer.text)
        return answer.text, [name.replace("&#39;", "'") for name in found]

    assert search("")[1] == names
    assert "<h1>Downtown, January 2026</h1>" in search("down town")[0]
    assert "<h1>Downtown, January 2026</h1>" in search("OWNTOW")[0]
    assert search("park")[1] == [name for name in names if "park" in name.lower()]
    for blank in (" ", "\t \u00a0"):
        page, found = search(blank)
        assert (found, "places:" in page, "hold" in page) == (names, True, False)
    page, found = search("--")
    assert (found, "No neighborhood is called “--”" in page) == ([], True)
    page, found = search("Dwntwn")
    assert found == ["Downtown"]
    assert "Spelled like it" in page
    page, found = search("<script>zzzz</script>")
    assert not found
    assert "<script>zzzz" not in page
    assert "&lt;script&gt;zzzz" in page


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("/neighborhoods/Downtown?month=13", 400, "month"),
        ("/neighborhoods/Downtown?month=x", 400, "month"),
        ("/neighborhoods/Downtown?hour=1", 400, "hour"),
        ("/neighborhoods/" + "x" * 201, 400, "name"),
        ("/neighborhoods?q=a&q=b", 400, "q"),
        ("/neighborhoods?name=a", 400, "name"),
        ("/neighborhoods?q=" + "x" * 201, 400, "q"),
        ("/neighborhoods/Dwntwn", 404, '<a href="/neighborhoods/Downtown">Downtown</a>'),
        ("/neighborhoods/%3Cb%3E", 404, "&lt;b&gt;"),
        ("/neighborhoods/%00%ff/../..", 404, "There is no neighborhood"),
    ],
)
def test_mistake_is_told_on_a_page(client: FlaskClient, address: str, status: int, told: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert told in answer.text


def test_name_of_any_letters_has_a_page(published: Path, tmp_path: Path) -> None:
    tables = [
        table.name
        for table in TABLES
        if "neighborhood" in table.column_names and not table.is_view and table.name != "area_member"
    ]
    builds = copy_builds(
        published, tmp_path,
        *(f"UPDATE {table} SET neighborhood = '{HOSTILE.replace(chr(39), 2 * chr(39))}'"
          " WHERE neighborhood = 'Downtown'" for table in tables),
    )  # fmt: skip
    client = make_client(create_app(builds))
    page = open_place(client, HOSTILE)
    assert page.headings[0] == (1, f"{HOSTILE}, January 2026")
    for address in ("/", "/neighborhoods"):
        links = [str(link["href"]) for link in Page(client.get(address).text).list_elements("a")]
        [link, *_] = [link for link in links if "Hara" in link]
        assert client.get(link).status_code == 200
        assert "<b>" not in client.get(link).text


def test_place_of_which_nothing_is_expected_has_a_page(published: Path, tmp_path: Path) -> None:
    where = "WHERE neighborhood = 'Downtown'"
    builds = copy_builds(
        published, tmp_path,
        f"UPDATE mart_forecast_hourly SET expected_crimes = 0 {where}",
        f"UPDATE forecast_hourly SET expected_crimes = 0 {where}",
        f"UPDATE forecast_hourly_weekday SET expected_crimes = 0 {where}",
        f"UPDATE average_daily SET expected_daily_crimes = 0, expected_month_crimes = 0,"
        f" month_lower_80 = 0, month_upper_80 = 0, month_lower_95 = 0, month_upper_95 = 0 {where}",
        f"UPDATE mart_forecast_category SET expected_daily_crimes = 0 {where}",
        f"UPDATE mart_neighborhood_month SET incident_count = 0 {where}",
        f"DELETE FROM mart_similar_place {where}",
    )  # fmt: skip
    text = make_client(create_app(builds)).get("/neighborhoods/Downtown").text
    check_form(text)
    assert "No other place expects" in text


def test_scale_is_linear_and_its_ticks_are_round() -> None:
    scale = Scale(0, 10, 220, 10)
    assert (scale.put(0), scale.put(10), scale.put(5)) == (220, 10, 115)
    assert [text for _, text in scale.list_ticks()] == ["0", "2.5", "5", "7.5", "10"]
    assert [text for _, text in Scale(0.93, 1.12, 0, 1).list_ticks()] == ["0.95", "1", "1.05", "1.1"]
    assert [text for _, text in Scale(0, 24_000, 0, 1).list_ticks(2)] == ["0", "20,000"]
    assert fit_scale(0, 0, 1) == Scale(0, 1, 0, 1)
    for largest in (1e-6, 0.3, 7, 99, 12_345):
        ticks = fit_scale(largest, 0, 1).list_ticks()
        assert 3 <= len(ticks) <= 6
        assert ticks[-1][0] <= 1.05 * largest
