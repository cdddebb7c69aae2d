"""Terms of the pages: every heading of a table leads to what it means, and that is there."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from serve.app import create_app
from serve.glossary import WORDS, link_term, name_anchor
from serve.pages import NAVIGATION
from tests.serve.builds import copy_builds, publish_changed
from tests.serve.client import make_client
from tests.serve.page_text import check_terms

PATHS = [*(path for path, _ in NAVIGATION), "/neighborhoods/Downtown", "/data/dictionary?table=offense"]


@pytest.fixture(scope="module")
def two(published: Path, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A client of two builds."""
    builds = copy_builds(published, tmp_path_factory.mktemp("glossary"))
    publish_changed(
        builds, "later", "UPDATE average_daily SET expected_month_crimes = 7",
        "UPDATE forecast_city SET expected_month_crimes = 7", "UPDATE backtest_score SET value = 7",
    )  # fmt: skip
    return make_client(create_app(builds))


@pytest.mark.parametrize("path", PATHS)
def test_every_heading_leads_to_its_meaning(two: FlaskClient, path: str) -> None:
    links = check_terms(two, path)
    assert "/data/dictionary#expected-crimes" in links


def test_no_word_of_the_glossary_is_left_out_of_the_pages(two: FlaskClient) -> None:
    led_to = set().union(*(check_terms(two, path) for path in PATHS))
    unused = {word for word in WORDS if f"/data/dictionary#{name_anchor(word)}" not in led_to}
    assert unused <= {"fairness"}  # of plans


def test_meaning_that_is_nowhere_is_a_mistake(two: FlaskClient) -> None:
    for meaning in ("offense.nothing", "#nothing", "offense", "zone"):
        with pytest.raises(KeyError, match=meaning):
            link_term("x", meaning)
