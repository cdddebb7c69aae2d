"""Pages as a reader meets them: their tables, headings and links, and what every page must be.

Input: HTML. Output: a `Page`.
"""

import re
from html.parser import HTMLParser

from flask.testing import FlaskClient


class Page(HTMLParser):
    """What stands on a page: text of tables by caption, levels of headings, attributes of elements."""

    def __init__(self, text: str) -> None:
        """Read a page."""
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[tuple[int, str]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._rows: list[list[str]] = []
        self._text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a table, a row or a cell."""
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        if tag in {"caption", "th", "td"} or tag in HEADINGS:
            self._text = ""

    def handle_data(self, data: str) -> None:
        """Add text to what was begun."""
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        """End a heading, a caption or a cell."""
        if tag in HEADINGS:
            self.headings.append((int(tag[1]), self._text.strip()))
        elif tag == "caption":
            assert self._text not in self.tables, "two tables have the same caption"
            self.tables[self._text] = self._rows
        elif tag in {"th", "td"}:
            self._rows[-1].append(self._text.strip())

    def list_elements(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def find_rows(self, caption: str) -> list[list[str]]:
        """Return the rows, head excluded, of the one table whose caption begins so."""
        [rows] = [rows for name, rows in self.tables.items() if name.startswith(caption)]
        return rows[1:]


HEADINGS = {f"h{level}" for level in range(1, 7)}


def check_form(text: str) -> Page:
    """Check what holds for every page, and return it.

    Small; one first heading, and none that skips a level; every table has a caption, every picture a
    title; no style that the policy forbids; no other host.
    """
    page = Page(text)
    assert len(text.encode()) <= 100_000
    levels = [level for level, _ in page.headings]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in zip(levels, levels[1:], strict=False))
    assert len(page.tables) == len(page.list_elements("table"))
    for tag, attributes in page.elements:
        assert not {"style", "onclick", "onload"} & set(attributes), (tag, attributes)
        assert "http" not in str(attributes.get("href", "")) + str(attributes.get("src", ""))
    assert "style" not in {tag for tag, _ in page.elements}
    identifiers = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(identifiers) == len(set(identifiers))
    for picture in page.list_elements("svg"):
        if picture.get("aria-hidden") == "true":  # beside words that say the same
            continue
        assert picture["role"] == "img"
        assert picture["aria-labelledby"] in identifiers
    for tag in ("path", "polyline", "circle", "rect", "line"):
        assert "nan" not in str(page.list_elements(tag)).lower()
    return page


HEADING = re.compile(r'<th scope="col"[^>]*>(.*?)</th>')
SELF_EXPLAINING = re.compile(r"20\d\d|(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*|MB|Files")
"""Headings that need no meaning: years, days of the week, units, downloads."""


def check_terms(client: FlaskClient, path: str) -> set[str]:
    """Check that each heading of the tables of a page has a link, and that each term is explained.

    Returns the addresses of the meanings that the page leads to.
    """
    text = client.get(path).text
    for heading in HEADING.findall(text):
        assert "<a " in heading or SELF_EXPLAINING.fullmatch(heading), (path, heading)
    links = {
        link.replace("&amp;", "&") for link in re.findall(r'href="(/data/dictionary[?#][^"]*)"', text)
    }
    for link in links:
        address, _, anchor = link.partition("#")
        assert not anchor or f'id="{anchor}"' in client.get(address).text, link
    return links
