"""The page of accountability: its numbers are SQL's, and Markdown is HTML without surprises."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from flask.testing import FlaskClient

from serve.account_page import render_markdown
from serve.app import create_app
from tests.serve.builds import copy_builds
from tests.serve.client import make_client
from tests.serve.page_text import Page, check_form

ENDS = ("lower", "upper")


def read_rows(published: Path, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a query on the published build."""
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        result = connection.execute(sql)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def write_share(share: float | None) -> str:
    """Return a share as the page has it."""
    return "" if share is None else f"{100 * share:.1f} %"


def write_ratio(ratio: float | None) -> str:
    """Return a ratio as the page has it."""
    return "" if ratio is None else f"{ratio:.3f}"


@pytest.fixture
def page(client: FlaskClient) -> Page:
    """The page of the published build."""
    return check_form(client.get("/account").text)


def test_groups_are_those_of_sql(page: Page, published: Path) -> None:
    audit = read_rows(published, "SELECT * FROM group_audit ORDER BY group_kind, group_name")
    assert len(audit) > 5
    for kind in {group["group_kind"] for group in audit}:
        assert page.find_rows(
            f"Errors and expected crimes by {kind.replace('_', ' ').replace('npu', 'NPU')}"
        ) == [
            [
                group["group_name"],
                str(group["neighborhood_count"]),
                "" if group["population"] is None else f"{group['population']:,}",
                write_ratio(group["predicted_to_actual"]),
                " to ".join(write_ratio(group[f"predicted_to_actual_{end}"]) for end in ENDS)
                if group["predicted_to_actual_lower"] is not None
                else "",
                *(write_share(group[name]) for name in ("coverage", "below_share", "above_share")),
                write_ratio(group["deviance_to_reference"]),
                *(
                    write_share(group[f"{name}_share"])
                    for name in ("expected", "reported", "discretionary")
                ),
            ]
            for group in audit
            if group["group_kind"] == kind
        ]
    scored = [group for group in audit if group["predicted_to_actual"] is not None]
    assert len(page.list_elements("circle")) == len(scored)


def test_simulation_is_that_of_sql(page: Page, published: Path) -> None:
    rows = read_rows(
        published,
        "SELECT * FROM feedback_simulation WHERE volume_tenth = 1 AND follow_rate = 1 ORDER BY month",
    )
    assert len(rows) == 3 * 21
    rules = [[row for row in rows if row["rule"] == rule] for rule in ("all", "reported", "corrected")]
    expected = []
    for at_once in zip(*rules, strict=True):
        cells = [str(at_once[0]["month"])]
        for row in at_once:
            low, high = (
                write_share(row["patrol_share_lower_80"]),
                write_share(row["patrol_share_upper_80"]),
            )
            cells += [write_share(row["patrol_share"]), f"{low} to {high}"]
        expected.append(cells)
    assert page.find_rows("The busiest tenth’s share of patrols") == expected
    lines = page.list_elements("polyline")
    assert [line["class"] for line in lines] == [
        f"line line-{rule}" for rule in ("all", "reported", "corrected")
    ]
    scale = 210 / (1.05 * max(row["patrol_share_upper_80"] for row in rows))
    for line, rule in zip(lines, rules, strict=True):
        points = [tuple(map(float, point.split(","))) for point in str(line["points"]).split()]
        across, up = [x for x, _ in points], [220 - y for _, y in points]
        assert across == pytest.approx([48 + 664 * row["month"] / 120 for row in rule], abs=0.1)
        assert up == pytest.approx([scale * row["patrol_share"] for row in rule], abs=0.1)


def test_end_of_the_simulation_is_that_of_sql(page: Page, published: Path) -> None:
    rows = read_rows(
        published,
        """
        SELECT rule, follow_rate, sum(patrol_share) FILTER (volume_tenth = 1) AS patrols,
               sum(crime_share) FILTER (volume_tenth = 1) AS crimes, sum(total_variation) AS misplaced
        FROM feedback_simulation WHERE month = 120 GROUP BY ALL ORDER BY ALL
        """,
    )
    names = {"all": "all offenses", "reported": "reported ones", "corrected": "all, corrected"}
    assert page.find_rows("After ten years") == [
        [names[row["rule"]], f"{100 * row['follow_rate']:.0f} %",
         *(write_share(row[name]) for name in ("patrols", "crimes", "misplaced"))]
        for row in rows
    ]  # fmt: skip


def test_card_is_that_of_the_build(page: Page, client: FlaskClient, published: Path) -> None:
    card = read_rows(published, "SELECT section, text FROM model_card ORDER BY section_number")
    names = [name for level, name in page.headings if level == 3 and not name.startswith("By ")]
    assert names == [row["section"] for row in card]
    text = client.get("/account").text.replace("&quot;", '"')
    source = "\n".join(row["text"] for row in card)
    bold = re.findall(r"\*\*([^*]+)\*\*", source)
    assert len(bold) > 5
    for words in bold:
        assert f"<strong>{words}</strong>" in text
    models = [row[0] for row in page.find_rows("Scores")]
    assert "base_and_forest" in models
    assert models == re.findall(r"^\| (\w+) \|", source, re.MULTILINE)[1:]


def test_markdown_brings_no_tag_no_style_no_picture_and_no_first_heading() -> None:
    html = render_markdown(
        "# Big\n\n<script>x</script> `a<b` **b**\n\n- c\n\n![p](http://elsewhere/p.png)\n\n"
        "[l](javascript:x)\n\n"
        "| d |\n|--:|\n| e |",
        "S & T",
    )
    assert "<h4>Big</h4>" in html
    assert "<script" not in html
    assert "<code>a&lt;b</code> <strong>b</strong>" in html
    assert "<li>c</li>" in html
    assert "<img" not in html
    assert "javascript:x" not in re.findall('href="([^"]*)"', html)
    assert "style" not in html
    assert "<table><caption>S &amp; T</caption>" in html
    assert html.rstrip().endswith("</table></div>")


def test_empty_tables_are_told(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(
        published, tmp_path,
        "DELETE FROM feedback_simulation",
        "DELETE FROM model_card",
        "UPDATE group_audit SET predicted_to_actual = NULL, predicted_to_actual_lower = NULL,"
        " predicted_to_actual_upper = NULL, coverage = NULL, below_share = NULL, above_share = NULL,"
        " deviance_to_reference = NULL WHERE group_kind = 'volume'",
        "DELETE FROM group_audit WHERE group_kind <> 'volume'",
    )  # fmt: skip
    client = make_client(create_app(builds))
    text = client.get("/account").text
    page = check_form(text)
    assert "No past forecast was scored in this build" in text
    assert "It could not be simulated for this build: no crime is expected" in text
    assert len(page.tables) == 1
    with_none = copy_builds(builds, tmp_path / "none", "DELETE FROM group_audit")
    assert "has no groups" in make_client(create_app(with_none)).get("/account").text


def test_parameter_that_there_is_not_is_told_on_a_page(client: FlaskClient) -> None:
    answer = client.get("/account?kind=zone")
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert "kind" in answer.text
