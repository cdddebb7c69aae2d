"""Pages of the data: rows are the build's, each heading leads to its meaning, all can be downloaded."""

import re
from pathlib import Path

import duckdb
import pytest
from flask.testing import FlaskClient

from serve.app import create_app
from serve.glossary import WORDS
from serve.rows import show_value
from tests.serve.builds import copy_builds
from tests.serve.client import make_client
from warehouse.pointer import read_pointer
from warehouse.schema import TABLES


def list_links(page: str) -> set[str]:
    """Return the addresses of this host that a page leads to."""
    return {
        link.partition("#")[0].replace("&amp;", "&") for link in re.findall(r'href="(/[^"]*)"', page)
    }


@pytest.mark.parametrize("address", ["/data", "/data/dictionary?table=incident"])
def test_every_link_of_a_page_leads_somewhere(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200
    assert len(answer.data) < 100_000
    links = list_links(answer.text)
    assert len(links) > 3
    for link in links:
        if not link.endswith((".csv", ".parquet")):  # whole tables have tests of their own
            assert client.get(link).status_code == 200, link
    headings = set(re.findall(r'/data/dictionary\?table=(\w+)#(\w+)"', answer.text))
    known = {(table.name, name) for table in TABLES for name in table.column_names}
    assert headings <= known


def test_data_are_told_as_the_build_has_them(client: FlaskClient, published: Path) -> None:
    page = client.get("/data").text
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        name, kept, sha256 = connection.execute(
            "SELECT raw_file, rows_kept, sha256 FROM raw_file"
        ).fetchall()[0]
        rules = connection.execute(
            "SELECT rule, row_count FROM rejected_incident WHERE row_count > 0"
        ).fetchall()
        days = connection.execute(
            "SELECT cumulative_share FROM report_delay WHERE delay_days = 7"
        ).fetchall()[0][0]
    assert re.search(
        rf'<td>{name}</td><td>simulated</td><td class="number">.*?<td class="hash">{sha256}</td>', page
    )
    assert f"{kept:,} of " in page
    for rule, count in rules:
        assert f'<td>{rule}</td><td class="number">{count:,}</td>' in page
    assert f'<td class="number">{days:.4g}</td>' in page
    assert "no formal licence" in " ".join(page.split())
    for table in TABLES:
        assert f'/v1/tables/{table.name}.parquet"' in page
    assert f"/v1/builds/{read_pointer(published).build_id}.duckdb" in page


def test_warnings_stand_one_by_one(published: Path, tmp_path: Path) -> None:
    told = "all: from 2 to 1 a day; training mixes two levels; places: unknown (1): Moon"
    builds = copy_builds(published, tmp_path, f"UPDATE refresh_run SET warnings = '{told}'")
    page = make_client(create_app(builds)).get("/data").text
    assert re.findall("<li>(.*?:.*)</li>", page) == [
        "all: from 2 to 1 a day; training mixes two levels", "places: unknown (1): Moon",
    ]  # fmt: skip


def test_dictionary_is_searched_by_words_and_tables(client: FlaskClient) -> None:
    page = client.get("/data/dictionary?q=PREDICTION+interval+month").text
    assert "month_lower_80" in page
    assert "is_discretionary" not in page
    page = client.get("/data/dictionary?table=offense").text
    assert 'id="is_discretionary"' in page
    assert "month_lower_80" not in page
    assert "No column tells of that." in client.get("/data/dictionary?q=100%25+_").text
    page = client.get("/data/dictionary").text
    assert "Choose a table" in page
    assert page.count("<dt id=") == len(WORDS)
    page = client.get("/data/dictionary?q=OUTSIDE+neighborhoods").text
    assert re.findall('<dt id="(.*?)"', page) == ["neighborhood"]
    page = client.get("/data/dictionary?table=plan_trade_off").text
    assert 'id="hours_gini"' in page
    assert "<dt" not in page
    unknown = client.get("/data/dictionary?table=offence")
    assert (unknown.status_code, unknown.mimetype) == (404, "text/html")
    assert "offense" in unknown.text
    attack = client.get("/data/dictionary?q=<script>alert(1)</script>").text
    assert "<script>alert" not in attack


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""), (True, "yes"), (1234, "1,234"), (0.123456, "0.1235"), (12345.6, "12,346"),
        ("text", "text"), (0.0, "0"),
    ],
)  # fmt: skip
def test_values_are_for_people(value: object, shown: str) -> None:
    assert show_value(value) == shown
