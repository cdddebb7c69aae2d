"""Lookups in every form answer what SQL says, whoever puts the answer together."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serve.lookups import MAX_LOOKUPS
from warehouse.pointer import read_pointer

HOUR_COLUMNS = {
    "hour": "hour_label", "predicted_crimes": "expected_crimes", "suggested_patrol": "suggested_patrol",
    "intensity": "intensity", "intensity_local": "intensity_local",
    "expected_reported_crimes": "expected_reported_crimes",
    "forecast_month": "forecast_month::VARCHAR", "data_source": "data_source",
}  # fmt: skip
DAY_COLUMNS = {
    "neighborhood": "d.neighborhood", "month": "d.month",
    "average_daily_crime_count": "d.average_daily_crime_count",
    "expected_daily_crimes": "d.expected_daily_crimes",
    "expected_reported_daily_crimes": "d.expected_reported_daily_crimes",
    "forecast_month": "forecast_month::VARCHAR", "data_source": "d.data_source", "is_named": "is_named",
}  # fmt: skip


class Oracle:
    """Answers read by SQL, one row at a time."""

    def __init__(self, published: Path) -> None:
        """Open the build."""
        self.connection = duckdb.connect(str(published / "current.duckdb"), read_only=True)
        names = self.connection.execute("SELECT neighborhood FROM neighborhood ORDER BY 1").fetchall()
        self.names = [name for (name,) in names]

    def find_hour(self, name: str, month: int, hour: int) -> dict[str, Any]:
        """Return an hour."""
        sql = f"SELECT {', '.join(HOUR_COLUMNS.values())} FROM mart_forecast_hourly"
        where = "WHERE neighborhood = ? AND month = ? AND hour = ?"
        row = self.connection.execute(f"{sql} {where}", [name, month, hour]).fetchall()[0]
        return dict(zip(HOUR_COLUMNS, row, strict=True))

    def find_day(self, name: str, month: int) -> dict[str, Any]:
        """Return an average day."""
        sql = f"SELECT {', '.join(DAY_COLUMNS.values())} FROM average_daily d JOIN neighborhood"
        where = "USING (neighborhood) WHERE neighborhood = ? AND month = ?"
        row = self.connection.execute(f"{sql} {where}", [name, month]).fetchall()[0]
        return dict(zip(DAY_COLUMNS, row, strict=True))


@pytest.fixture(scope="module")
def oracle(published: Path) -> Oracle:
    """The build, by SQL."""
    return Oracle(published)


SPELLINGS: list[Callable[[str], str]] = [
    str, str.upper, str.lower, str.swapcase, lambda name: f"  {name}\t",
    lambda name: name.replace(" ", ""), lambda name: name.replace("-", "\u2013"),
    lambda name: name.replace(",", ""),
]  # fmt: skip
Lookup = tuple[int, Callable[[str], str], int, int | None]
"""Number of a neighborhood, how it is spelled, month, hour."""

lookups = st.tuples(
    st.integers(0, 10_000),
    st.sampled_from(SPELLINGS),
    st.integers(1, 12),
    st.none() | st.integers(0, 23),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=lookups, is_float=st.booleans())
def test_one_lookup_says_what_sql_says_in_each_form(
    client: FlaskClient, published: Path, oracle: Oracle, asked: Lookup, is_float: bool
) -> None:
    number, spell, month, _ = asked
    name = oracle.names[number % len(oracle.names)]
    body = {"neighborhood": spell(name), "month": float(month) if is_float else month}
    query = {"neighborhood": spell(name), "month": month}
    pinned = f"/v1/builds/{read_pointer(published).build_id}"  # answered by Flask's route
    hours = [oracle.find_hour(name, month, hour) for hour in range(24)]
    for path, expected in (("/predict_hourly_crime", hours),
                           ("/average_daily_crime", oracle.find_day(name, month))):  # fmt: skip
        answers = [
            client.post(path, json=body), client.get(path, query_string=query),
            client.get(pinned + path, query_string=query),
        ]  # fmt: skip
        assert answers[0].get_json() == expected
        assert {answer.data for answer in answers} == {answers[0].data}
        assert {answer.mimetype for answer in answers} == {"application/json"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(lookups, max_size=30), unknown=st.sets(st.integers(0, 29)))
def test_many_lookups_come_in_their_order_with_null_for_what_is_unknown(
    client: FlaskClient, published: Path, oracle: Oracle, asked: list[Lookup], unknown: set[int]
) -> None:
    body: list[dict[str, Any]] = []
    expected: list[dict[str, Any] | None] = []
    for place, (number, spell, month, hour) in enumerate(asked):
        name = oracle.names[number % len(oracle.names)]
        hours = {} if hour is None else {"hour": hour}
        if place in unknown:
            body.append({"neighborhood": f"no: {name}", "month": month, **hours})
            expected.append(None)
        else:
            body.append({"neighborhood": spell(name), "month": month, **hours})
            place_hour = {"neighborhood": name, "month": month}
            expected.append(
                oracle.find_day(name, month)
                if hour is None
                else place_hour | oracle.find_hour(name, month, hour)
            )
    answer = client.post("/v1/lookups", json={"lookups": body})
    assert answer.get_json() == {"build_id": read_pointer(published).build_id, "results": expected}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"lookups": [{"neighborhood": "Midtown", "month": 1, "month": 2}]}', "'month' is given twice"),
        ('{"lookups": [], "lookups": []}', "'lookups' is given twice"),
        ('{"lookups": [{"neighborhood": "Midtown", "month": 0}]}',
         "lookups.0.month: expected a whole number from 1 to 12, found 0"),
        ('{"lookups": [{"neighborhood": "Midtown", "month": 1}, {"month": 1}]}',
         "missing field 'lookups.1.neighborhood'"),
        ('{"lookups": [{"neighborhood": "Midtown", "month": 1, "hour": null}]}',
         "lookups.0.hour: expected a whole number from 0 to 23, found None"),
        ('{"lookups": [{"neighborhood": "Midtown", "month": 1, "hour": "3"}]}',
         "lookups.0.hour: expected"),
        ('{"lookups": {"neighborhood": "Midtown"}}', "lookups: expected a valid list"),
        ('{"lookups": [{"neighborhood": "Midtown", "month": 1, "Hour": 3}]}',
         "unknown parameter 'lookups.0.Hour'"),
        ('{"lookups": [], "hour": 3}', "unknown parameter 'hour'"),
        ("[]", "expected a JSON object like"),
        ("{}", "missing field 'lookups'"),
    ],
)  # fmt: skip
def test_mistake_in_many_lookups_is_named(client: FlaskClient, body: str, message: str) -> None:
    answer = client.post("/v1/lookups", data=body)
    assert answer.status_code == 400
    assert message in answer.get_json()["detail"]


def test_more_lookups_than_allowed_are_refused_and_as_many_answered(client: FlaskClient) -> None:
    lookup = {"neighborhood": "Midtown", "month": 1}
    for count, code in ((MAX_LOOKUPS, 200), (MAX_LOOKUPS + 1, 400)):
        answer = client.post("/v1/lookups", json={"lookups": [lookup] * count})
        assert answer.status_code == code
    assert f"at most {MAX_LOOKUPS}" in json.loads(answer.data)["detail"]


@pytest.mark.parametrize("path", ["/average_daily_crime", "/v1/lookups"])
def test_parameters_beside_a_body_are_refused(client: FlaskClient, path: str) -> None:
    lookup = {"neighborhood": "Midtown", "month": 1}
    body = {"lookups": [lookup]} if path == "/v1/lookups" else lookup
    assert client.post(path, json=body).status_code == 200
    answer = client.post(f"{path}?month=3", json=body)
    assert answer.status_code == 400
    assert "expected all parameters in the body" in answer.get_json()["error"]


def test_one_lookup_with_a_field_twice_is_refused(client: FlaskClient) -> None:
    body = '{"neighborhood": "Midtown", "month": 1, "month": 2}'
    assert (
        client.post("/average_daily_crime", data=body).get_json()["error"]
        == "field 'month' is given twice"
    )
