"""Queries that have a name: each answers what its declaration promises, from the served build."""

import datetime as dt
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from serve.current_build import find_current_build
from serve.queries import QUERIES
from warehouse import queries

Row = dict[str, Any]


def ask(client: FlaskClient, name: str, **parameters: object) -> list[Row]:
    """Return the rows of a query, by column."""
    response = client.get(f"/v1/queries/{name}", query_string=parameters)
    assert response.status_code == 200, response.text
    answer = response.get_json()
    names = [column["name"] for column in answer["columns"]]
    return [dict(zip(names, row, strict=True)) for row in answer["rows"]]


def read(app: Flask, sql: str) -> list[tuple[Any, ...]]:
    """Return what hand-written SQL finds in the build that is served."""
    with app.app_context():
        served = find_current_build().get()
    assert served is not None
    with served.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def list_examples(name: str) -> dict[str, str]:
    """Return the declared examples of a query's parameters."""
    declared = QUERIES[name].parameters.items()
    return {key: str(each.example) for key, each in declared if each.example is not None}


@pytest.fixture
def place(app: Flask) -> str:
    """The neighborhood with the most incidents."""
    return str(
        read(app, "SELECT neighborhood FROM neighborhood ORDER BY incident_count DESC LIMIT 1")[0][0]
    )


@pytest.mark.parametrize("name", QUERIES)
def test_examples_find_rows_of_the_served_build(app: Flask, client: FlaskClient, name: str) -> None:
    response = client.get(f"/v1/queries/{name}", query_string=list_examples(name))
    assert response.status_code == 200, response.text
    answer = response.get_json()
    assert answer["build_id"] == response.headers["X-Build-ID"]
    assert answer["truncated"] is False
    assert answer["rows"]
    assert all(column["type"] != "HUGEINT" for column in answer["columns"])
    again = client.get(
        f"/v1/queries/{name}",
        query_string=list_examples(name), headers={"If-None-Match": response.headers["ETag"]},
    )  # fmt: skip
    assert again.status_code == 304


@pytest.mark.parametrize("name", QUERIES)
def test_parameters_of_the_declaration_are_those_of_the_sql_and_of_openapi(
    client: FlaskClient, name: str
) -> None:
    declared = QUERIES[name].parameters
    assert set(re.findall(r"(?<!:):(\w+)", QUERIES[name].sql)) == set(declared)
    route = client.get("/openapi.json").get_json()["paths"][f"/v1/queries/{name}"]["get"]
    assert route["summary"] == QUERIES[name].title
    shown = {each["name"]: each for each in route["parameters"]}
    assert shown.keys() == declared.keys()
    for key, parameter in declared.items():
        assert shown[key]["description"] == parameter.description
        assert shown[key]["required"] == (parameter.default is None)
        assert parameter.example is not None or parameter.default is not None


def test_list_names_every_query(client: FlaskClient) -> None:
    listed = client.get("/v1/queries").get_json()["queries"]
    assert [entry["name"] for entry in listed] == list(QUERIES)
    assert len(listed) >= 10
    assert listed[0]["parameters"] == ["month", "first_hour", "last_hour", "rows"]
    for entry in listed:
        assert client.get(entry["path"], query_string=list_examples(entry["name"])).status_code == 200


def test_busiest_neighborhoods_go_past_midnight(app: Flask, client: FlaskClient) -> None:
    found = ask(client, "busiest_neighborhoods", month=7, first_hour=22, last_hour=1, rows=3)
    expected = read(app, """SELECT neighborhood, sum(expected_crimes) FROM forecast_hourly
        WHERE month = 7 AND hour IN (22, 23, 0, 1) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3""")  # fmt: skip
    assert [row["neighborhood"] for row in found] == [name for name, _ in expected]
    assert [row["expected_crimes"] for row in found] == pytest.approx([crimes for _, crimes in expected])
    day = ask(client, "busiest_neighborhoods", month=7, rows=1)[0]
    whole = read(app, "SELECT max(expected_daily_crimes) FROM average_daily WHERE month = 7")[0][0]
    assert day["expected_crimes"] == pytest.approx(whole)


def test_patrol_plan_is_that_of_the_place(app: Flask, client: FlaskClient, place: str) -> None:
    found = ask(client, "patrol_plan", neighborhood=place.upper(), month=7)
    total = read(app, f"""SELECT expected_daily_crimes FROM average_daily
        WHERE month = 7 AND neighborhood = '{place}'""")[0][0]  # fmt: skip
    assert {row["time_of_day"] for row in found} == {"Morning", "Afternoon", "Evening", "Night"}
    assert sum(row["expected_daily_crimes"] for row in found) == pytest.approx(total)


def test_months_are_compared_by_incidents(app: Flask, client: FlaskClient) -> None:
    found = ask(client, "month_comparison", first_month="2024-07-15", second_month="2025-02-01")
    counted = dict(read(app, """SELECT offense_category, count(*) FROM incident
        WHERE occurred_at >= '2025-02-01' AND occurred_at < '2025-03-01' GROUP BY 1"""))  # fmt: skip
    assert {
        r["offense_category"]: r["second_incidents"] for r in found if r["second_incidents"]
    } == counted
    for row in found:
        assert row["first_per_day"] == pytest.approx(row["first_incidents"] / 31)
        assert row["second_per_day"] == pytest.approx(row["second_incidents"] / 28)


def test_offense_mix_adds_up(app: Flask, client: FlaskClient, place: str) -> None:
    found = ask(client, "offense_mix", neighborhood=place)
    counts = dict(read(app, f"""SELECT offense_category, count(*) FROM incident
        WHERE neighborhood = '{place}' GROUP BY 1"""))  # fmt: skip
    assert {r["offense_category"]: r["incident_count"] for r in found if r["incident_count"]} == counts
    assert sum(row["observed_share"] for row in found) == pytest.approx(1)
    assert sum(row["expected_share"] or 0 for row in found) == pytest.approx(1)


def test_trend_counts_the_category_by_month(app: Flask, client: FlaskClient) -> None:
    found = ask(
        client, "category_trend", category="robbery", first_day="2022-01-01", last_day="2022-12-31"
    )
    counted = dict(read(app, """SELECT date_trunc('month', occurred_at)::DATE, count(*) FROM incident
        WHERE offense_category = 'Robbery' AND year(occurred_at) = 2022 GROUP BY 1"""))  # fmt: skip
    assert [row["month_start"] for row in found] == [f"2022-{month:02}-01" for month in range(1, 13)]
    for row in found:
        assert row["incident_count"] == counted.get(dt.date.fromisoformat(row["month_start"]), 0)


def test_firearm_share_leaves_small_places_out(app: Flask, client: FlaskClient) -> None:
    found = ask(client, "firearm_share", minimum_incidents=30, rows=1000)
    armed = read(app, """SELECT neighborhood, avg(firearm_involved::INT) FROM incident
        WHERE firearm_involved IS NOT NULL GROUP BY 1 HAVING count(*) >= 30""")  # fmt: skip
    assert {row["neighborhood"]: row["firearm_share"] for row in found} == pytest.approx(dict(armed))
    shares = [row["firearm_share"] for row in found]
    assert shares == sorted(shares, reverse=True)


def test_week_has_all_incidents(app: Flask, client: FlaskClient) -> None:
    found = ask(client, "hours_of_the_week")
    assert len(found) == 168
    assert (
        sum(row["incident_count"] for row in found) == read(app, "SELECT count(*) FROM incident")[0][0]
    )


def test_forecast_stands_beside_the_observed(app: Flask, client: FlaskClient, place: str) -> None:
    found = ask(client, "forecast_beside_observed", neighborhood=place)
    held = read(app, f"""SELECT month, observed_crimes / observed_days, expected_daily_crimes
        FROM average_daily WHERE neighborhood = '{place}' ORDER BY month""")  # fmt: skip
    for row, (month, observed, expected) in zip(found, held, strict=True):
        assert row["month"] == month
        assert row["observed_daily_crimes"] == pytest.approx(observed)
        assert row["expected_to_observed"] == pytest.approx(expected / observed)


def test_model_stands_beside_its_baseline(app: Flask, client: FlaskClient) -> None:
    found = ask(client, "model_beside_baseline", horizon_months=6)
    values = dict(read(app, """SELECT model, avg(value) FROM backtest_score WHERE subset = 'all'
        AND metric = 'poisson_deviance' AND horizon_months = 6 GROUP BY ALL"""))  # fmt: skip
    assert {row["model"]: row["value"] for row in found} == pytest.approx(values)
    ours = next(row for row in found if row["model"] == "base_and_forest")
    assert ours["reference_value"] == pytest.approx(values[ours["reference_model"]])


def test_zones_add_up_to_the_city(app: Flask, client: FlaskClient) -> None:
    found = ask(client, "zone_totals", month=3)
    city = read(app, "SELECT expected_month_crimes FROM forecast_city WHERE month = 3")[0][0]
    assert sum(row["expected_month_crimes"] for row in found) == pytest.approx(city)
    assert sum(row["city_share"] for row in found) == pytest.approx(1)


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        ("zone_totals", 400, "missing field 'month'"),
        ("zone_totals?month=0", 400, "month: expected a whole number from 1 to 12, found '0'"),
        ("zone_totals?month=7.5", 400, "month: expected a whole number from 1 to 12"),
        ("zone_totals?month=7&month=8", 400, "'month' is given twice"),
        ("zone_totals?month=7&zone=1", 400, "unknown parameter 'zone'"),
        ("firearm_share?rows=1001", 400, "rows: expected a whole number from 1 to 1000, found '1001'"),
        ("month_comparison?first_month=July&second_month=2025-07-01", 400,
         "first_month: expected a day YYYY-MM-DD, found 'July'"),
        ("month_comparison?first_month=2024-02-30&second_month=2025-07-01", 400,
         "first_month: expected a"),
        ("model_beside_baseline?horizon_months=2", 400, "expected '1', '3', '6' or '12'"),
        ("patrol_plan?month=7&neighborhood=", 400, "neighborhood: expected at least 1 character"),
        ("patrol_plan?month=7&neighborhood=Midtwn", 404, "found 'Midtwn'"),
        ("patrol_plan?month=7&neighborhood=%27+OR+1=1+--", 404, "neighborhood: expected a value of"),
        ("category_trend?category=robbery&first_day=2025-04-01&last_day=2025-01-01", 404,
         "first_day: expected a day up to last_day (2025-01-01), found 2025-04-01"),
        ("category_trend?category=Robery", 404, "expected a value of offense.offense_category"),
        ("no_such_query", 404, ""),
    ],
)  # fmt: skip
def test_wrong_parameter_is_named(client: FlaskClient, address: str, status: int, message: str) -> None:
    response = client.get(f"/v1/queries/{address}")
    assert response.status_code == status
    problem = response.get_json()
    assert message in problem["detail"]
    assert ("Midtown" in problem.get("close_names", [])) == ("Midtwn" in address)


def test_rows_end_at_the_cap_and_the_answer_says_so(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MAX_ROWS", 5)
    answer = client.get("/v1/queries/hours_of_the_week").get_json()
    assert (len(answer["rows"]), answer["truncated"]) == (5, True)
