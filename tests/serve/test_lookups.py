"""The two lookups: the shape existing clients know, the numbers of the tables, errors that help."""

from pathlib import Path

import duckdb
import pytest
from flask.testing import FlaskClient

from serve.answers import Answers, BlendWeights, UnknownNeighborhoodError, fold_names
from serve.app import create_app
from tests.serve.builds import copy_builds

HOURLY, DAILY = "/predict_hourly_crime", "/average_daily_crime"


@pytest.fixture
def place(published: Path) -> str:
    """A neighborhood with a slash in its name."""
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        row = connection.execute(
            "SELECT neighborhood FROM neighborhood WHERE contains(neighborhood, '/') ORDER BY 1"
        ).fetchone()
    assert row is not None
    return str(row[0])


def test_hourly_lookup_has_24_hours_with_the_table_s_numbers(
    client: FlaskClient, published: Path, place: str
) -> None:
    answer = client.post(HOURLY, json={"neighborhood": place, "month": 7}).get_json()
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT printf('%02d:00', hour), expected_crimes, suggested_patrol, "
            "expected_reported_crimes, intensity, intensity_local FROM forecast_hourly "
            "WHERE neighborhood = ? AND month = 7 ORDER BY hour", [place],
        ).fetchall()  # fmt: skip
    names = ("hour", "predicted_crimes", "suggested_patrol", "expected_reported_crimes",
             "intensity", "intensity_local")  # fmt: skip
    assert [tuple(hour[name] for name in names) for hour in answer] == rows
    assert len(answer) == 24
    assert {hour["data_source"] for hour in answer} == {"simulated data"}


def test_hours_come_in_order_whatever_the_order_of_the_rows(
    published: Path, tmp_path: Path, place: str
) -> None:
    table = "mart_forecast_hourly"
    builds = copy_builds(
        published, tmp_path,
        f"CREATE TABLE reversed AS SELECT * FROM {table} ORDER BY neighborhood, month, hour DESC",
        f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM reversed", "DROP TABLE reversed",
    )  # fmt: skip
    client = create_app(builds).test_client()
    hours = [f"{hour:02d}:00" for hour in range(24)]
    for month in range(1, 13):
        answer = client.post(HOURLY, json={"neighborhood": place, "month": month}).get_json()
        assert [hour["hour"] for hour in answer] == hours


def test_daily_lookup_has_the_table_s_number(client: FlaskClient, published: Path, place: str) -> None:
    answer = client.post(DAILY, json={"neighborhood": place, "month": 12}).get_json()
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        row = connection.execute(
            "SELECT average_daily_crime_count, expected_daily_crimes, expected_reported_daily_crimes "
            "FROM average_daily "
            "WHERE neighborhood = ? AND month = 12", [place],
        ).fetchone()  # fmt: skip
    assert row is not None
    assert answer == {
        "neighborhood": place,
        "month": 12,
        "average_daily_crime_count": row[0],
        "expected_daily_crimes": row[1],
        "expected_reported_daily_crimes": row[2],
        "is_named": True,
        "forecast_month": "2026-12-01",
        "data_source": "simulated data",
    }


@pytest.mark.parametrize("month", [7, 7.0])
def test_spelling_of_case_and_space_does_not_matter(
    client: FlaskClient, place: str, month: float
) -> None:
    answer = client.post(DAILY, json={"neighborhood": f" {place.upper()} ", "month": month})
    assert answer.get_json()["neighborhood"] == place


def test_answers_that_the_client_has_are_not_repeated(client: FlaskClient, place: str) -> None:
    asked: dict[str, object] = {"lookups": [{"neighborhood": place, "month": 1}]}
    first = client.post("/v1/lookups", json=asked).get_json()
    for known, results in (
        (first["build_id"], None),
        ("older", first["results"]),
        (None, first["results"]),
    ):
        answer = client.post("/v1/lookups", json=asked | {"known_build": known}).get_json()
        assert answer == {"build_id": first["build_id"], "results": results}


def test_body_needs_no_content_type(client: FlaskClient, place: str) -> None:
    assert client.post(HOURLY, data=f'{{"neighborhood": "{place}", "month": 1}}').status_code == 200


@pytest.mark.parametrize("path", [HOURLY, DAILY])
def test_unknown_neighborhood_offers_close_names(client: FlaskClient, path: str, place: str) -> None:
    answer = client.post(path, json={"neighborhood": place[:-1] + "x", "month": 1})
    assert answer.status_code == 400
    assert answer.get_json()["error"] == f"unknown neighborhood {place[:-1] + 'x'!r}"
    assert place in answer.get_json()["close_names"]


@pytest.mark.parametrize("name", ["Große Straße", "GROSSE STRASSE", " große straße\n"])
def test_name_is_found_by_its_folded_case(name: str) -> None:
    answers = Answers({}, {}, fold_names({"Große Straße"}), BlendWeights(0, 0))
    assert answers.find_neighborhood(name) == "Große Straße"


def test_five_close_names_are_offered_in_their_own_spelling() -> None:
    names = fold_names({f"Home Park {number}" for number in range(9)})
    answers = Answers({}, {}, names, BlendWeights(0, 0))
    with pytest.raises(UnknownNeighborhoodError, match=r"^Home Bark$") as caught:
        answers.find_neighborhood("Home Bark")
    assert len(caught.value.close_names) == 5
    assert set(caught.value.close_names) <= set(answers.names.values())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("not json", "expected a JSON object like"),
        ("", "expected a JSON object like"),
        ("[]", "expected a JSON object like"),
        ("null", "expected a JSON object like"),
        ("{}", "missing field 'neighborhood'"),
        ('{"neighborhood": "Downtown"}', "missing field 'month'"),
        ('{"neighborhood": 5, "month": 1}', "neighborhood: expected text, found 5"),
        ('{"neighborhood": null, "month": 1}', "neighborhood: expected text, found None"),
        ('{"neighborhood": ["a"], "month": 1}', "neighborhood: expected text"),
        ('{"neighborhood": "Nowhere at all", "month": 1}', "unknown neighborhood"),
        ('{"neighborhood": "%s", "month": 0}', "from 1 to 12, found 0"),
        ('{"neighborhood": "%s", "month": 13}', "from 1 to 12, found 13"),
        ('{"neighborhood": "%s", "month": 1.5}', "from 1 to 12, found 1.5"),
        ('{"neighborhood": "%s", "month": 1.0000000000001}', "from 1 to 12, found 1.0000000000001"),
        ('{"neighborhood": "%s", "month": "1"}', "from 1 to 12, found '1'"),
        ('{"neighborhood": "%s", "month": true}', "from 1 to 12, found True"),
        ('{"neighborhood": "%s", "month": NaN}', "from 1 to 12, found nan"),
        ('{"neighborhood": "%s", "month": 1e999}', "from 1 to 12, found inf"),
        ('{"neighborhood": "%s", "month": [1]}', "from 1 to 12, found [1]"),
        (b"\xff\xfe{}", "expected a JSON object like"),
    ],
)
@pytest.mark.parametrize("path", [HOURLY, DAILY])
def test_bad_body_is_told_what_was_expected(
    client: FlaskClient, path: str, place: str, body: str | bytes, message: str
) -> None:
    data = body.replace("%s", place) if isinstance(body, str) else body
    answer = client.post(path, data=data, content_type="application/json")
    assert answer.status_code == 400
    assert message in answer.get_json()["error"]


def test_other_methods_and_paths_answer_in_json(client: FlaskClient) -> None:
    refused = [client.open(HOURLY, method=method) for method in ("PUT", "OPTIONS", "TRACE", "QUERY")]
    for answer, code in (*((answer, 405) for answer in refused), (client.get("/nowhere"), 404)):
        assert answer.status_code == code
        assert answer.mimetype == "application/problem+json"
        assert answer.get_json()["status"] == code
    assert set(refused[0].headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize(
    ("body", "code"),
    [("[" * 50_000, 400), ("{" * 50_000, 400), ('{"neighborhood": "' + "x" * 300_000, 413)],
)
def test_body_that_no_lookup_needs_is_refused_in_few_words(
    client: FlaskClient, body: str, code: int
) -> None:
    answer = client.post("/predict_hourly_crime", data=body)
    assert answer.status_code == code
    assert len(answer.get_json()["error"]) < 200


def test_error_repeats_only_the_start_of_a_long_value(client: FlaskClient) -> None:
    answer = client.post("/predict_hourly_crime", json={"neighborhood": "x" * 5000, "month": 1})
    assert answer.status_code == 400
    assert answer.get_json()["error"].startswith(
        "neighborhood: expected at most 200 characters, found 'xx"
    )
    assert len(answer.get_json()["error"]) < 200
