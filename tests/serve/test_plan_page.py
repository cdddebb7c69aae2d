"""Pages of plans: their numbers are the plan's, and what is no plan is told."""

import re
import shutil
from pathlib import Path

import duckdb
import pytest
from flask.testing import FlaskClient

from planner.plan_files import write_plan
from planner.request import read_request
from serve.app import create_app
from tests.planner.requests import BASE, FLOORS, write_request
from tests.serve.builds import copy_builds
from tests.serve.client import make_client
from tests.serve.page_text import check_terms
from warehouse.operation import Operation

NAME = "summer & 'night'"


@pytest.fixture(scope="module")
def plans(few_places: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plan."""
    folder = tmp_path_factory.mktemp("plans")
    request = read_request(write_request(tmp_path_factory.mktemp("requests"), BASE + FLOORS))
    write_plan(few_places, request, folder / NAME)
    return folder


@pytest.fixture
def planned(few_places: Path, plans: Path, tmp_path: Path) -> FlaskClient:
    """A client of a service that has the plan."""
    operation = Operation(builds=copy_builds(few_places, tmp_path), plans=plans)
    return make_client(create_app(operation))


def test_every_heading_of_a_plan_leads_to_its_meaning(planned: FlaskClient) -> None:
    assert "/data/dictionary?table=plan_request#fairness" in check_terms(planned, "/plans")
    links = check_terms(planned, "/plans/summer%20&%20'night'")
    assert {"/data/dictionary#fairness", "/data/dictionary?table=plan_trade_off#hours_gini"} <= links


def test_plan_is_shown_as_its_tables_have_it(planned: FlaskClient, plans: Path) -> None:
    page = planned.get("/plans/summer%20&%20'night'").text
    with duckdb.connect(str(plans / NAME / "plan.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT neighborhood, hours FROM plan_neighborhood ORDER BY hours DESC, 1"
        ).fetchall()
        zones = connection.execute("""
            SELECT coalesce(zone, 'unknown'), sum(hours) FILTER (shift = 'day'),
                   sum(hours) FILTER (shift = 'night'), sum(hours)
            FROM plan_hours GROUP BY 1 ORDER BY 1""").fetchall()
        limits = connection.execute(
            "SELECT description FROM plan_limit ORDER BY limit_number"
        ).fetchall()
        points = connection.execute(
            "SELECT count(*) FROM plan_trade_off WHERE patrolled_share IS NOT NULL"
        ).fetchall()[0][0]
    numbers = [[name, f"{hours:,.4g}"] for name, hours in rows]
    found = re.findall(r'<td>([^<]*)</td><td>[^<]*</td><td class="number">([^<]*)</td>', page)
    assert [list(pair) for pair in found if pair[0] in dict(rows)] == numbers
    for zone, *hours in zones:
        cells = "".join(f'<td class="number">{value:,.4g}</td>' for value in hours)
        assert f'<tr><th scope="row">{zone}</th>{cells}</tr>' in page
    assert page.count("<circle class=") == points
    for (description,) in limits:
        assert description.replace("'", "&#39;") in page
    assert "This plan is made from simulated data." in page
    assert "neighborhood_week = 3" in page
    assert "prevent" not in page.partition("<footer>")[0]


def test_files_of_a_plan_can_be_had_and_no_others(planned: FlaskClient, plans: Path) -> None:
    page = planned.get("/plans/summer%20&%20'night'").text
    links = set(re.findall(r'href="(/plans/[^"]*/files/[^"]*)"', page))
    assert len(links) == 8
    for link in links:
        found = planned.get(link.replace("&amp;", "&").replace("&#39;", "'"))
        assert found.status_code == 200, link
        assert found.data == (plans / NAME / link.rpartition("/")[2]).read_bytes()
    for link in ("manifest.json", "..%2f..%2fsecret", "plan.duckdb.wal"):
        assert planned.get(f"/plans/summer%20&%20'night'/files/{link}").status_code == 404


def test_list_leads_to_each_plan_and_says_of_which_build_it_is(planned: FlaskClient) -> None:
    page = planned.get("/plans").text
    [link] = re.findall(r'href="(/plans/[^"]+)"', page)
    assert planned.get(link.replace("&amp;", "&")).status_code == 200
    assert "July 2026" in page
    assert "no longer" not in page


def test_what_is_no_plan_is_told(few_places: Path, tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    client = make_client(create_app(Operation(builds=copy_builds(few_places, tmp_path), plans=plans)))
    assert "There is no plan yet" in client.get("/plans").text
    answer = client.get("/plans/none")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "there are none" in answer.text
    (plans / "broken").mkdir(parents=True)
    (plans / "broken" / "plan.duckdb").write_bytes(b"no database")
    assert "plan broken cannot be read" in client.get("/plans").text
    assert client.get("/plans/broken").status_code == 404
    assert client.get("/plans/..").status_code == 404


def test_plan_that_was_changed_after_it_was_made_is_told(
    planned: FlaskClient, few_places: Path, plans: Path, tmp_path: Path
) -> None:
    assert "SHA-256" not in planned.get("/plans").text
    assert "SHA-256" not in planned.get("/plans/summer%20&%20'night'").text
    copy = tmp_path / "plans"
    for name in ("changed", ".hidden"):
        shutil.copytree(plans / NAME, copy / name)
    with duckdb.connect(str(copy / "changed" / "plan.duckdb")) as connection:
        connection.execute("UPDATE plan_neighborhood SET hours = hours + 1")
    builds = copy_builds(few_places, tmp_path / "other")
    client = make_client(create_app(Operation(builds=builds, plans=copy)))
    words = "plan changed: the SHA-256 of plan.duckdb is not the one in manifest.json"
    assert words in client.get("/plans/changed").text
    assert words in client.get("/plans").text
    assert ".hidden" not in client.get("/plans").text
    assert client.get("/plans/.hidden").status_code == 404


def test_unknown_parameters_are_refused(planned: FlaskClient) -> None:
    plan = "/plans/summer%20&%20'night'"
    for address in (plan, f"{plan}/files/plan_hours.csv", "/plans", "/neighborhoods/Downtown"):
        answer = planned.get(f"{address}?x=1")
        assert answer.status_code == 400, address
        assert "unknown parameter" in answer.text
