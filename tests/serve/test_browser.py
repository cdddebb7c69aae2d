"""Pages in a real browser: accessible, quiet, asking nobody else, at every size, without script too."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from serve.pages import NAVIGATION
from tests.serve.builds import copy_builds, publish_changed, wait_until
from tests.serve.server import ask, run_server

pytestmark = [pytest.mark.slow, pytest.mark.server]

BOUNDARIES = """
INSERT INTO boundary
SELECT neighborhood, format('POLYGON (({0:.3f} {1:.3f}, {2:.3f} {1:.3f}, {2:.3f} {3:.3f},'
                            || ' {0:.3f} {1:.3f}))', longitude - 0.004, latitude - 0.004,
                            longitude + 0.004, latitude + 0.004), data_source
FROM neighborhood WHERE longitude IS NOT NULL
"""
PATHS = [*(path for path, _ in NAVIGATION), "/neighborhoods/Downtown?month=7"]
WIDTHS = {"phone": 320, "tablet": 768, "desk": 1440, "desk at 200 %": 720}
LATER = "20991231T000000Z"
STRANGE_NAME = "O''Hare & <Sons>/West"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of two builds, the later with boundaries and a name that must be quoted everywhere."""
    folder = tmp_path_factory.mktemp("browser")
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        tables = connection.execute("""
            SELECT table_name FROM duckdb_columns() JOIN duckdb_tables() USING (table_name)
            WHERE column_name = 'neighborhood' ORDER BY 1""").fetchall()
    renaming = [
        f"UPDATE {table} SET neighborhood = '{STRANGE_NAME}' WHERE neighborhood = 'Home Park'"
        for (table,) in tables
    ]
    builds = copy_builds(published, folder)
    publish_changed(
        builds, LATER, BOUNDARIES, *renaming, "UPDATE average_daily SET expected_month_crimes = 7"
    )
    with run_server(builds) as (address, _):
        yield address


@contextmanager
def open_page(browser: Browser, address: str, **options: Any) -> Iterator[Page]:  # noqa: ANN401
    """Open a page; whatever it complains of, or asks of others, fails the test."""
    context = browser.new_context(**options)
    page, host = context.new_page(), "/".join(address.split("/")[:3])
    mistakes: list[str] = []
    page.on(
        "console", lambda said: mistakes.append(said.text) if said.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(host) else mistakes.append(asked.url))
    page.goto(address)
    yield page
    context.close()
    assert mistakes == []


def read_table(page: Page) -> list[list[str]]:
    """Return the cells of the table's body."""
    texts = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    cells: list[list[str]] = page.eval_on_selector_all("main table tbody tr", texts)
    return cells


def ask_json(address: str, path: str) -> Any:  # noqa: ANN401
    """Return what the service answers in JSON."""
    return json.loads(ask(address, path))


def check_accessible(page: Page) -> None:
    """Fail with every rule of axe that a page breaks."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("size", WIDTHS)
def test_every_page_is_accessible_at_every_size(
    browser: Browser, address: str, path: str, size: str
) -> None:
    view = {"width": WIDTHS[size], "height": 900}
    with open_page(browser, address + path, viewport=view) as page:
        if size in {"phone", "desk"}:  # what lies between changes widths only
            check_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= view["width"]
        assert page.locator("h1").count() == 1


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("look", ["dark", "print", "without script"])
def test_every_page_has_other_looks(browser: Browser, address: str, path: str, look: str) -> None:
    scheme, has_script = "dark" if look == "dark" else "light", look != "without script"
    with open_page(browser, address + path, color_scheme=scheme, java_script_enabled=has_script) as page:
        if look == "dark":
            check_accessible(page)
        if look == "print":
            page.emulate_media(media="print")
            assert not page.locator("nav").first.is_visible()
        assert page.locator("main").inner_text().strip()
        assert page.locator("footer").inner_text().startswith("Build ")


def test_map_and_table_follow_the_slider_by_keyboard(browser: Browser, address: str) -> None:
    with open_page(browser, f"{address}/?month=7&per=hour&hour=12") as page:
        before = read_table(page)
        page.focus("input[name=hour]")
        page.keyboard.press("ArrowRight")
        expect(page.locator("h1")).to_contain_text("13:00 to 14:00")
        assert "hour=13" in page.url
        after = read_table(page)
        assert page.locator("output").inner_text() == "13:00"
        titles = page.eval_on_selector_all(
            "svg.map path title", "all => all.map(one => one.textContent)"
        )
        assert page.evaluate("document.activeElement.name") == "hour"
    rows = ask_json(address, "/v1/tables/forecast_hourly?month=7&hour=13&_limit=1000")["rows"]
    expected = {row["neighborhood"]: row["expected_crimes"] for row in rows}
    assert {name: value for _, name, _, value in after} == {
        name: f"{value:.4f}" for name, value in expected.items()
    }
    assert before != after
    for title in titles:
        name, _, value = title.rpartition(": ")
        assert float(value) == pytest.approx(expected[name], rel=0.01)


def test_form_works_without_script(browser: Browser, address: str) -> None:
    with open_page(browser, address, java_script_enabled=False) as page:
        page.select_option("select[name=month]", "7")
        page.check("input[name=per][value=hour]")
        page.click("button")
        assert "month=7&per=hour&hour=12" in page.url
        assert "July" in page.locator("h1").inner_text()


@pytest.mark.parametrize("has_script", [True, False])
def test_two_builds_are_chosen(browser: Browser, address: str, has_script: bool) -> None:
    with open_page(browser, f"{address}/compare", java_script_enabled=has_script) as page:
        expect(page.locator("#places")).to_be_visible()
        page.select_option("select[name=from]", LATER)
        if not has_script:
            page.click("button")
        expect(page.locator("#view")).to_contain_text("Nothing that is compared differs")
        assert f"from={LATER}&to={LATER}" in page.url


def test_keyboard_reaches_the_content_first(browser: Browser, address: str) -> None:
    with open_page(browser, address) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_names_are_text_wherever_they_stand(browser: Browser, address: str) -> None:
    with open_page(browser, f"{address}/?sort=name") as page:
        names = [name for _, name, *_ in read_table(page)]
    assert STRANGE_NAME.replace("''", "'") in names


def test_a_build_may_be_published_while_a_page_is_open(
    browser: Browser, published: Path, tmp_path: Path
) -> None:
    builds = copy_builds(published, tmp_path)
    with run_server(builds) as (address, _), open_page(browser, f"{address}/?per=hour&month=1") as page:
        publish_changed(builds, "later", "UPDATE forecast_hourly SET expected_crimes = 7")
        wait_until(lambda: ask_json(address, "/readyz")["build_id"] == "later")
        page.focus("input[name=hour]")
        page.keyboard.press("ArrowRight")
        expect(page.locator("footer")).to_contain_text("Build later")
        assert {value for *_, value in read_table(page)} == {"7.0000"}


def test_before_the_first_build_a_page_says_so(browser: Browser, tmp_path: Path) -> None:
    with run_server(tmp_path) as (address, _):
        context = browser.new_context()
        page = context.new_page()
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 503
        assert page.locator("h1").inner_text() == "Service Unavailable"
        check_accessible(page)
        context.close()
