"""The page of changes: its numbers are those of SQL on both builds, whichever two are chosen."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from flask.testing import FlaskClient

from serve.app import create_app
from serve.compare_page import compare_once
from tests.serve.builds import (
    copy_builds,
    damage_file,
    flip_middle,
    list_open_builds,
    publish_changed,
)
from tests.serve.client import make_client
from tests.serve.page_text import check_form
from warehouse.pointer import read_pointer

LATER = "20991231T000000Z"
STRANGE_NAME = "O''Hare & <Sons>/West"
CHANGES = (
    f"UPDATE refresh_run SET build_id = '{LATER}', cutoff = '2026-01-31', rows_kept = rows_kept + 7",
    "DELETE FROM incident WHERE strftime(occurred_at, '%Y-%m') = '2025-06'",
    "UPDATE forecast_city SET expected_month_crimes = 1.5 * expected_month_crimes WHERE month = 2",
    "UPDATE forecast_city SET forecast_month = '2027-01-01' WHERE month = 1",
    "UPDATE average_daily SET expected_month_crimes = 2 * expected_month_crimes"
    " WHERE neighborhood = 'Downtown'",
    "UPDATE average_daily SET expected_month_crimes = 0.9 * expected_month_crimes"
    " WHERE neighborhood = 'Midtown'",
    f"UPDATE average_daily SET neighborhood = '{STRANGE_NAME}' WHERE neighborhood = 'Home Park'",
    "UPDATE backtest_score SET value = value + 1 WHERE metric = 'mean_absolute_error'",
)


@pytest.fixture
def builds(published: Path, tmp_path: Path) -> Path:
    """A folder of two kept builds, the later one served."""
    folder = copy_builds(published, tmp_path)
    publish_changed(folder, LATER, *CHANGES)
    return folder


@pytest.fixture
def two(builds: Path) -> Iterator[FlaskClient]:
    """A client of two kept builds."""
    compare_once.cache_clear()
    yield make_client(create_app(builds))


@pytest.fixture
def earlier(published: Path) -> str:
    """The id of the earlier of the two."""
    return read_pointer(published).build_id


def read_both(builds: Path, earlier: str, select: str) -> tuple[dict[str, float], dict[str, float]]:
    """Return items and values of a SELECT on both builds."""
    found = []
    for name in (earlier, LATER):
        with duckdb.connect(str(builds / f"warehouse-{name}.duckdb"), read_only=True) as connection:
            found.append(dict(connection.execute(select).fetchall()))
    return found[0], found[1]


def list_differences(before: dict[str, float], after: dict[str, float], digits: int) -> list[list[str]]:
    """Return the rows that a page has of values that differ."""

    def show(value: float | None) -> str:
        return "none" if value is None else f"{value:,.{digits}f}"

    rows = []
    for item in sorted(before.keys() | after.keys()):
        left, right = before.get(item), after.get(item)
        if left == right:
            continue
        change = share = ""
        if left is not None and right is not None:
            sign = "−" if right < left else "+"
            change = f"{sign}{abs(right - left):,.{digits}f}"
            share = f"{sign}{100 * abs(right - left) / left:.1f} %"
        rows.append([item, show(left), show(right), change, share])
    return rows


def test_numbers_are_those_of_sql_on_both_builds(two: FlaskClient, builds: Path, earlier: str) -> None:
    page = check_form(two.get("/compare").text)
    for caption, select, digits in (
        ("Crimes expected in the month",
         "SELECT strftime(forecast_month, '%Y-%m'), expected_month_crimes FROM forecast_city", 1),
        ("Incidents that occurred",
         "SELECT strftime(occurred_at, '%Y-%m'), count(*) FROM incident GROUP BY ALL", 0),
    ):  # fmt: skip
        rows = list_differences(*read_both(builds, earlier, select), digits)
        assert page.find_rows(caption) == rows
        assert rows
    select = "SELECT neighborhood, sum(expected_month_crimes) FROM average_daily GROUP BY ALL"
    before, after = read_both(builds, earlier, select)
    rows = list_differences(before, after, 1)
    sizes = {name: abs(after.get(name, 0) - before.get(name, 0)) for name, *_ in rows}
    found = page.find_rows("Crimes expected in a year")
    assert sorted(found) == sorted(rows)
    assert [sizes[name] for name, *_ in found] == sorted(sizes.values(), reverse=True)
    assert {name for name, *_ in found} == {
        "Downtown", "Midtown", "Home Park", STRANGE_NAME.replace("''", "'"),
    }  # fmt: skip
    total = sum(after.values()) - sum(before.values())
    assert f"Summed over all neighborhoods: +{total:,.1f} crimes a year" in two.get("/compare").text
    scores = page.find_rows("The published model’s scores")
    select = """SELECT horizon_months, arg_max(value, origin) FROM backtest_score
        WHERE model = 'base_and_forest' AND metric = 'mean_absolute_error' AND subset = 'all'
          AND grain = 'neighborhood_month_hour' GROUP BY ALL ORDER BY 1"""
    olds, news = read_both(builds, earlier, select)
    months = max(olds)
    [score] = scores
    labels = read_both(builds, earlier, "SELECT metric, any_value(metric_label) FROM mart_model_quality"
                       " GROUP BY ALL")[0]  # fmt: skip
    assert score[0] == str(labels["mean_absolute_error"])
    assert score[1:4] == [
        f"neighborhood month hour, {months} months", f"{olds[months]:,.4g}", f"{news[months]:,.4g}",
    ]  # fmt: skip


def test_lineage_of_both_is_told(two: FlaskClient, builds: Path, earlier: str) -> None:
    rows = dict((row[0], row[1:]) for row in check_form(two.get("/compare").text).find_rows("What each"))
    kept = read_both(builds, earlier, "SELECT 'kept', rows_kept FROM refresh_run")
    assert rows["Cutoff"] == ["2025-12-31", "2026-01-31"]
    assert rows["Rows kept"] == [f"{side['kept']:,}" for side in kept]
    assert rows["Cleaning"] == ["default", "default"]
    assert "different feeds" not in two.get("/compare").text


def test_any_two_are_chosen_by_the_address(two: FlaskClient, earlier: str) -> None:
    for address, before, after in (
        ("/compare", earlier, LATER),
        (f"/compare?to={LATER}", earlier, LATER),
        (f"/compare?from={LATER}&to={earlier}", LATER, earlier),
        (f"/compare?from={earlier}", earlier, LATER),
    ):
        text = two.get(address).text
        assert f"Build {after} beside build {before}." in text
        assert re.findall(r'<option value="(\w+)" selected>', text) == [before, after]
    same = two.get(f"/compare?from={earlier}&to={earlier}").text
    assert "Nothing that is compared differs" in same
    assert "is the oldest that is kept" in two.get(f"/compare?to={earlier}").text
    assert two.get(f"/compare?to={earlier}").status_code == 200


def test_served_one_is_compared_with_the_last_of_its_feed(builds: Path, earlier: str) -> None:
    publish_changed(builds, "20991231T000001Z", "UPDATE refresh_run SET city = 'Rivertown'")
    publish_changed(
        builds, "20991231T000002Z", f"UPDATE refresh_run SET compared_build_id = '{earlier}'"
    )
    client = make_client(create_app(builds))
    assert f"beside build {earlier}." in client.get("/compare").text


def test_builds_of_other_feeds_and_simulated_ones_are_told(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(published, tmp_path)
    publish_changed(builds, LATER, f"UPDATE refresh_run SET build_id = '{LATER}', source_kind = 'files'")
    pointer = builds / "current.json"
    pointer.write_text(pointer.read_text().replace('"is_synthetic": true', '"is_synthetic": false'))
    text = make_client(create_app(builds)).get("/compare").text
    assert "of different feeds</strong> (kind of source: simulated and files)" in text
    assert text.count('<p class="banner">Build ') == 2
    assert "is simulated data: it says nothing about real places" in text


def test_only_one_build_has_nothing_to_compare_with(client: FlaskClient, published: Path) -> None:
    text = client.get("/compare").text
    assert f"Only one build is kept here, {read_pointer(published).build_id}" in text
    assert "<select" not in text
    check_form(text)


@pytest.mark.parametrize("parameter", ["from", "to"])
def test_build_that_is_not_kept_is_told_by_its_parameter(
    two: FlaskClient, earlier: str, parameter: str
) -> None:
    for unknown in ("20000101T000000Z", "..%2Fcurrent", "%00", "<script>", "x" * 300):
        answer = two.get(f"/compare?{parameter}={unknown}")
        assert (answer.status_code, answer.mimetype) == (404, "text/html")
        assert f"<p>{parameter}: build " in answer.text
        assert f"is not kept; there are {earlier}, {LATER}." in answer.text
        assert "<script>" not in answer.text.replace('<script type="module"', "")
    assert two.get("/compare?with=x").status_code == 400
    assert two.get(f"/compare?{parameter}=x&{parameter}=x").status_code == 400


def test_damaged_build_and_one_of_another_version_are_told_by_their_parameter(
    two: FlaskClient, builds: Path, earlier: str
) -> None:
    assert two.get("/compare").status_code == 200
    path = builds / f"warehouse-{earlier}.duckdb"
    whole = path.read_bytes()
    damage_file(path, flip_middle(whole))
    answer = two.get("/compare")
    assert answer.status_code == 404
    assert f"<p>from: warehouse-{earlier}.duckdb is damaged" in answer.text
    assert "<p>to: warehouse-" in two.get(f"/compare?from={LATER}&to={earlier}").text
    assert str(builds) not in answer.text
    damage_file(path, whole)
    assert two.get("/compare").status_code == 200
    record = path.with_suffix(".json")
    told = record.read_text()
    record.unlink()
    assert f"&#39;{earlier}&#39; is not kept" in two.get(f"/compare?from={earlier}").text
    record.write_text(told)
    publish_changed(builds, "20991231T000003Z", "DROP TABLE forecast_city")
    answer = two.get(f"/compare?from={earlier}&to=20991231T000003Z")
    assert answer.status_code == 404
    assert "was written by another version of ATLShield" in answer.text


def test_builds_are_closed_behind_the_comparison_and_compared_once(
    two: FlaskClient, builds: Path, earlier: str
) -> None:
    assert two.get("/compare").status_code == 200
    assert list_open_builds(builds) == [f"warehouse-{LATER}.duckdb"]
    before = compare_once.cache_info().misses
    assert two.get("/compare").status_code == 200
    assert compare_once.cache_info().misses == before
    (builds / f"warehouse-{earlier}.duckdb").unlink()
    answer = two.get(f"/compare?from={earlier}")
    assert answer.status_code == 404
    assert f"from: build &#39;{earlier}&#39; is not kept; there are {LATER}." in answer.text
