"""Tableau's Analytics Extensions API: the tables' numbers, row by row, and nothing that is run."""

import base64
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from flask.testing import FlaskClient

from serve.app import create_app
from serve.evaluate import FUNCTIONS, MAX_ROWS
from serve.parameters import MAX_BODY_BYTES, MAX_TABLE_BYTES
from tests.serve.client import make_client
from tests.serve.server import ask, run_server, send_raw
from warehouse import settings
from warehouse.operation import Operation

KEY = "0123456789abcdef"
HOURLY = "return predict_hourly_crime(_arg1, _arg2, _arg3)"
PATROL = [
    "return suggest_patrol(_arg1,_arg2,_arg3)", "\n return\tsuggest_patrol ( _arg1 , _arg2,\n_arg3 ) \n",
    "return tabpy.query('suggest_patrol', _arg1, _arg2, _arg3)['response']",
    'return tabpy.query( "suggest_patrol",_arg1,_arg2,_arg3 ) [ "response" ]',
    "\nanswer = tabpy.query('suggest_patrol', _arg1, _arg2, _arg3)\r\n"
    "assert 'response' in answer, answer\r\nreturn answer['response']\n",
]  # fmt: skip
Rows = list[tuple[Any, ...]]


def query_build(builds: Path, statement: str) -> Rows:
    """Return rows of the published build."""
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as connection:
        return connection.execute(statement).fetchall()


def evaluate(client: FlaskClient, script: str, *arguments: Any) -> Any:  # noqa: ANN401  # JSON
    """Return what a script is answered."""
    data = {f"_arg{number}": each for number, each in enumerate(arguments, start=1)}
    answer = client.post("/evaluate", json={"script": script, "data": data})
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def test_every_hour_and_every_month_has_the_table_s_value(client: FlaskClient, published: Path) -> None:
    hourly = query_build(
        published, "SELECT neighborhood, month, hour, expected_crimes, suggested_patrol FROM "
        "forecast_hourly WHERE month IN (1, 7) ORDER BY hour, neighborhood, month"
    )  # fmt: skip
    names, months, hours, crimes, patrols = map(list, zip(*hourly, strict=True))
    assert evaluate(client, HOURLY, names, months, hours) == crimes
    for script in PATROL:
        assert evaluate(client, script, names, months, hours) == patrols
    daily = query_build(
        published, "SELECT neighborhood, month, average_daily_crime_count FROM average_daily "
        "ORDER BY month, neighborhood"
    )  # fmt: skip
    names, months, averages = map(list, zip(*daily, strict=True))
    assert evaluate(client, "return average_daily_crime(_arg1, _arg2)", names, months) == averages
    assert None not in crimes + patrols + averages


@pytest.mark.parametrize(
    ("names", "months", "hours", "is_known"),
    [
        ([], [], [], []),
        ([], [7], 20, []),
        (["Downtown"], [7], [20], [True]),
        ("Downtown", 7, 20, [True]),
        (["Downtown"] * 5, [7] * 5, [20] * 5, [True] * 5),
        (["Downtown"], [7.0], [20.0, 20], [True, True]),
        ([" DOWNTOWN ", "Nowhere", "", "*", None, "x" * 500, "\ud800"], [7], [20], [True] + 6 * [False]),
        (["Downtown"], [7, None, 0, 13, -7, 7.5, 1e300, float("nan"), float("inf")], [20],
         [True] + 8 * [False]),
        (["Downtown"], [7], [20, None, -1, 24, 20.0001, float("-inf")], [True] + 5 * [False]),
        ([None, None], [None], [None], [False, False]),
    ],
)  # fmt: skip
def test_a_row_has_a_value_or_null(
    client: FlaskClient, published: Path, names: object, months: object, hours: object,
    is_known: list[bool],
) -> None:  # fmt: skip
    [(crimes,)] = query_build(
        published, "SELECT expected_crimes FROM forecast_hourly "
        "WHERE neighborhood = 'Downtown' AND month = 7 AND hour = 20"
    )  # fmt: skip
    expected = [crimes if known else None for known in is_known]
    assert evaluate(client, HOURLY, names, months, hours) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["Downtown"] * 2, [7] * 3, [20]), "one length, found neighborhood 2, month 3, hour 1"),
        (([], [7, 8], [20]), "one length, found neighborhood 0, month 2, hour 1"),
        (([7], ["Downtown"], [20]), "neighborhood: expected texts, found 7"),
        ((["Downtown"], ["July"], [20]), "month: expected numbers, found 'July'"),
        ((["Downtown"], [7], [1, True]), "hour: expected numbers, found True"),
        ((["Downtown"], [7], [[20]]), "hour: expected numbers, found [20]"),
        ((["Downtown"], [7], {"hour": 20}), "hour: expected numbers, found {'hour': 20}"),
        ((["Downtown"], [7]), "data: expected _arg3, found ['_arg1', '_arg2']"),
        ((["Downtown"], [7], [20] * (MAX_ROWS + 1)), f"expected at most {MAX_ROWS} rows"),
    ],
)
def test_wrong_arguments_are_told_as_tableau_shows_it(
    client: FlaskClient, arguments: tuple[Any, ...], message: str
) -> None:
    data = {f"_arg{number}": each for number, each in enumerate(arguments, start=1)}
    answer = client.post("/evaluate", json={"script": HOURLY, "data": data})
    problem = answer.get_json()
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert message in problem["detail"]
    assert (problem["message"], problem["info"]) == ("ATLShield", problem["detail"])
    assert len(problem["detail"]) < 300


HOSTILE = [
    "", " ", "return", "return _arg1", "return 1", "_arg1", "predict_hourly_crime(_arg1, _arg2, _arg3)",
    "import os", "return __import__('os').system('id')", "return open('/etc/passwd').read()",
    "return exec(_arg1)", "return eval(_arg1, _arg2, _arg3)", "return find_prepared(_arg1)",
    "return ask_api(_arg1)", "return predict_hourly_crime.__globals__", "return read_rows(_arg1)",
    f"{HOURLY}; import os", f"{HOURLY}\nimport os", f"import os\n{HOURLY}", f"{HOURLY} or 1",
    f"{HOURLY}[0]",
    f"{HOURLY} # comment", "return predict_hourly_crime(*_arg1)", "return predict_hourly_crime(_arg0)",
    "return predict_hourly_crime(_arg1, _arg2, fetch=_arg3)",
    "return predict_hourly_crime(_arg1, 'x', 2)",
    "return predict_hourly_crime(_arg1, _arg2, (lambda: 1)())", "return predict_hourly_crime()",
    "return predict_hourly_crime(_arg1, _arg2, _arg3,)", "return tabpy.query('suggest_patrol', _arg1)",
    "return tabpy.query('exec', _arg1)['response']", "return tabpy.query(_arg1, _arg2)['response']",
    "return tabpy.query('suggest_patrol\", _arg1, _arg2, _arg3)['response']",
    "return tabpy.query('suggest_patrol', _arg1, _arg2, _arg3)['other']",
    "return tabpy.logger('suggest_patrol', _arg1, _arg2, _arg3)['response']",
    "answer = tabpy.query('suggest_patrol', _arg1, _arg2, _arg3)\nreturn answer['response']",
    "answer = tabpy.query('suggest_patrol', _arg1, _arg2, _arg3)\nassert 'response' in answer, exit()\n"
    "return answer['response']",
    "return predict_hourly_crіme(_arg1, _arg2, _arg3)",
    "return predict_hourly_crime(_arg1١, _arg2, _arg3)",
    "return " * 140, "return predict_hourly_crime(" + "_arg1, " * 130,
    "return predict_hourly_crime(_arg1" + " " * 900, "\x00", "(" * 900,
]  # fmt: skip


@pytest.mark.parametrize("script", HOSTILE)
def test_script_that_is_not_one_call_is_refused(client: FlaskClient, script: str) -> None:
    data = {"_arg1": ["Downtown"], "_arg2": [7], "_arg3": [20]}
    answer = client.post("/evaluate", json={"script": script, "data": data})
    assert answer.status_code == 400
    assert answer.get_json()["info"].startswith("script: expected")
    assert len(answer.get_json()["info"]) < 400


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"script": "return 1"}', '{"script": 1, "data": {}}', "[" * 50_000,
             json.dumps({"script": HOURLY, "data": ["Downtown"]}),
             json.dumps({"script": HOURLY + " " * 1000, "data": {}})],
)  # fmt: skip
def test_body_that_is_no_call_is_refused(client: FlaskClient, body: str) -> None:
    answer = client.post("/evaluate", data=body)
    assert (answer.status_code, answer.get_json()["message"]) == (400, "ATLShield")


@pytest.mark.parametrize("has_hours", [True, False])
def test_table_comes_back_with_columns_more(
    client: FlaskClient, published: Path, has_hours: bool
) -> None:
    table: dict[str, list[Any]] = {
        "Row": ["a", None, "c"], "Neighborhood": ["Downtown", "Nowhere", "Midtown"],
        "MONTH": [7.0, 7, 8],
    }  # fmt: skip
    fields = "average_daily_crime_count, expected_daily_crimes"
    source, where = "average_daily", ""
    if has_hours:
        table[" Hour"] = [20, 20, 3]
        fields = "expected_crimes AS predicted_crimes, suggested_patrol"
        source, where = "forecast_hourly", "AND hour = CASE month WHEN 7 THEN 20 ELSE 3 END"
    [first, second] = query_build(
        published, f"SELECT {fields} FROM {source} WHERE (neighborhood, month) IN "
        f"(('Downtown', 7), ('Midtown', 8)) {where} ORDER BY neighborhood"
    )  # fmt: skip
    found = evaluate(client, "return add_forecast(_arg1)", table)
    assert {name: found[name] for name in table} == table
    added = [values for name, values in found.items() if name not in table]
    assert added == [list(each) for each in zip(first, (None, None), second, strict=True)]
    assert {*found} - {*table} == {field.split()[-1] for field in fields.split(", ")}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([1, 2], "expected a table"),
        ({"neighborhood": ["Downtown"]}, "columns neighborhood and month, found ['neighborhood']"),
        ({"Neighborhood": ["A"] * 2, "month": [1, 2, 3]}, "one length, found Neighborhood 2, month 3"),
        ({"neighborhood": ["A"] * 2, "month": [1]}, "one length, found neighborhood 2, month 1"),
        ({"x": [], "neighborhood": ["A"], "month": [1]}, "one length, found neighborhood 1, x 0"),
        ({"neighborhood": ["A"], "month": 1}, "a list for each column, found none for ['month']"),
        (
            {"Neighborhood": ["A"], " neighborhood": ["B"], "month": [1]},
            "one column neighborhood, found [' neighborhood', 'Neighborhood']",
        ),
        (
            {"neighborhood": ["A"], "month": [1], "hour": [1], "HOUR ": [2]},
            "one column hour, found ['HOUR ', 'hour']",
        ),
        (
            {"neighborhood": ["A"], "month": [1], "hour": [1], " Predicted_Crimes": [0], "x": [1]},
            "names that are added, found [' Predicted_Crimes']",
        ),
        (
            {"neighborhood": ["A"], "month": [1], "expected_daily_crimes": [0]},
            "names that are added, found ['expected_daily_crimes']",
        ),
        ({"neighborhood": ["Downtown"], "month": [1], "x": [float("nan")]}, "found NaN or infinity"),
        ({"neighborhood": ["Downtown"], "month": [1], "x": [1] * (MAX_ROWS + 1)}, "at most"),
    ],
)
def test_table_that_cannot_be_looked_up_is_refused(
    client: FlaskClient, table: object, message: str
) -> None:
    answer = client.post("/query/add_forecast", json={"data": [table]})
    assert answer.status_code == 400
    assert message in answer.get_json()["info"]


def test_model_extension_asks_by_name_or_in_order(client: FlaskClient) -> None:
    named = {"hour": [20], "month": [7], "neighborhood": ["Downtown", None]}
    for name in ("predict_hourly_crime", "suggest_patrol"):
        expected = evaluate(client, f"return {name}(_arg1, _arg2, _arg3)", ["Downtown", None], [7], [20])
        for data in (named, [["Downtown", None], [7], [20]]):
            answer = client.post(f"/query/{name}", json={"data": data})
            assert answer.get_json()["response"] == expected
            assert answer.get_json()["uuid"] == answer.headers["X-Request-ID"]
    table = {"neighborhood": ["Downtown"], "month": [7]}
    found = client.post("/query/add_forecast", json={"data": {"table": table}}).get_json()["response"]
    assert found == evaluate(client, "return add_forecast(_arg1)", table)
    for wrong in ({"month": [7]}, [[7]], {**named, "fetch": ["x"]}, [*named.values(), 1]):
        assert client.post("/query/suggest_patrol", json={"data": wrong}).status_code == 400
    missing = client.post("/query/exec", json={"data": named})
    assert (missing.status_code, missing.get_json()["info"]) == (
        404,
        f"expected one of {', '.join(FUNCTIONS)}",
    )


def test_info_says_which_data_and_whether_a_password_is_needed(client: FlaskClient) -> None:
    answer = client.get("/info").get_json()
    assert settings.SIMULATED in answer["description"]
    assert int(answer["creation_time"]) > 1_700_000_000
    assert "authentication" not in answer["versions"]["v1"]["features"]


def encode(user: str, password: str) -> str:
    """Return what HTTP's basic scheme sends."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_key_is_a_bearer_s_or_the_password_of_any_user(published: Path) -> None:
    client = make_client(create_app(Operation(builds=published, api_keys=("fedcba9876543210", KEY))))
    body = json.dumps({"script": HOURLY, "data": {"_arg1": "Downtown", "_arg2": 7, "_arg3": 20}})
    requests = [("GET", "/info", None), ("POST", "/evaluate", body),
                ("POST", "/query/suggest_patrol", '{"data": ["Downtown", 7, 20]}')]  # fmt: skip
    good = [f"Bearer {KEY}", encode("anybody", KEY), encode("", KEY), f"basic {encode('x', KEY)[6:]}"]
    bad = ["", KEY, f"Basic {KEY}", encode(KEY, ""), encode("x", KEY + "0"), encode("x", "x:" + KEY),
           "Basic é", "Basic //8=", "Basic", f"Digest {KEY}",
           f"Bearer {encode('x', KEY)[6:]}"]  # fmt: skip
    for method, path, content in requests:
        for text in good + bad:
            answer = client.open(path, method=method, data=content, headers={"Authorization": text})
            assert answer.status_code == (200 if text in good else 401), (path, text)
            if text in bad:
                assert answer.headers["WWW-Authenticate"] == 'Basic realm="ATLShield"'
                assert answer.get_json()["message"] == "ATLShield"
    told = client.get("/info", headers={"Authorization": good[0]}).get_json()
    assert told["versions"]["v1"]["features"]["authentication"] == {
        "required": True,
        "methods": {"basic-auth": {}},
    }
    header = {"Authorization": encode("x", KEY)}
    for path in ("/v1/queries", "/metrics"):  # a browser may read
        assert client.get(path, headers=header).status_code == 200, path
    for path in ("/v1/lookups", "/predict_hourly_crime", "/infos", "/readyz/x"):
        assert client.post(path, json={}, headers=header).status_code == 401, path
    assert client.get("/v1/builds/x/evaluate", headers=header).status_code == 404


def test_without_a_build_it_says_so(tmp_path: Path) -> None:
    answer = create_app(tmp_path).test_client().get("/info")
    assert (answer.status_code, answer.get_json()["message"]) == (503, "ATLShield")


def make_body(rows: int) -> bytes:
    """Return a request with so many rows."""
    data = {"_arg1": ["Downtown"] * rows, "_arg2": [7] * rows, "_arg3": [20] * rows}
    return json.dumps({"script": HOURLY, "data": data}).encode()


@pytest.mark.server
def test_long_table_is_taken_where_tableau_sends_it_and_nowhere_else(published: Path) -> None:
    body = make_body(70_000)
    assert MAX_BODY_BYTES < len(body) < MAX_TABLE_BYTES
    with run_server(published) as (address, _):
        values = json.loads(ask(address, "/evaluate", json.loads(body)))
        assert len(values) == 70_000 and set(values) == {values[0]} and values[0] > 0
        for path, size, limit in (
            ("/v1/lookups", len(body), MAX_BODY_BYTES),
            ("/evaluate", MAX_TABLE_BYTES + 1, MAX_TABLE_BYTES),
        ):
            head = (
                f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
            )
            reply = send_raw(address, head.encode() + b" " * size)
            assert reply.status == 413, path
            assert f"a body of at most {limit} bytes".encode() in reply.body
