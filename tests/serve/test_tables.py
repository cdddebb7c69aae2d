"""Tables over HTTP: every row once, the bytes of an export, errors that help."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import duckdb
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from serve import tables
from serve.app import Service
from serve.current_build import ServedBuild
from serve.row_filters import OPERATORS
from tests.one_in import one_in
from tests.serve.client import make_client
from warehouse.export import write_csv
from warehouse.read import connect_published
from warehouse.schema import TABLES
from warehouse.table import Table
from warehouse.tables_clean import INCIDENT_TABLE

LARGE = {"forecast_category", "forecast_hourly_weekday", "mart_forecast_category"}
"""Tables that are left out where every row is looked at: they cost seconds and show nothing else."""

SMALL = [table for table in TABLES if table.name not in LARGE]


def get(client: FlaskClient, address: str) -> Any:  # noqa: ANN401
    """Return the JSON of an address."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.data, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_list_tells_what_is_declared_and_how_many_rows_there_are(
    client: FlaskClient, published: Path
) -> None:
    answer = get(client, "/v1/tables")
    assert [table["name"] for table in answer["tables"]] == [table.name for table in TABLES]
    with connect_published(published) as (build, connection):
        assert answer["build_id"] == build.build_id
        for table, told in zip(TABLES, answer["tables"], strict=True):
            assert [column["name"] for column in told["columns"]] == list(table.column_names)
            assert (told["rows"],) == connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
    columns = {table["name"]: table["columns"] for table in answer["tables"]}
    month = columns["average_daily"][1]
    assert (month["type"], month["minimum"], month["maximum"]) == ("INTEGER", 1, 12)
    crime_against = next(column for column in columns["incident"] if column["name"] == "crime_against")
    assert "Person, Property, or Society" in crime_against["allowed"]


@pytest.mark.parametrize("table", one_in(3, SMALL), ids=lambda table: table.name)
def test_csv_and_parquet_of_a_table_are_those_of_the_export(
    client: FlaskClient, published: Path, tmp_path: Path, table: Table
) -> None:
    parquet, exported = tmp_path / "a.parquet", tmp_path / "b.csv"
    parquet.write_bytes(client.get(f"/v1/tables/{table.name}.parquet").data)
    with connect_published(published) as (_, connection):
        write_csv(connection, table, exported)
        rows = connection.execute(f"SELECT {', '.join(table.column_names)} FROM {table.name}").fetchall()
    assert client.get(f"/v1/tables/{table.name}.csv").data == exported.read_bytes()
    found = duckdb.sql(f"FROM '{parquet}'")
    assert tuple(found.columns) == table.column_names
    assert found.fetchall() == rows


@pytest.mark.parametrize("table", one_in(3, TABLES), ids=lambda table: table.name)
def test_first_pages_of_every_table_come_in_the_order_of_its_key(
    client: FlaskClient, published: Path, table: Table
) -> None:
    pages = [get(client, f"/v1/tables/{table.name}?_limit=3&_count=true")]
    if pages[0]["truncated"]:
        pages.append(get(client, pages[0]["next_url"]))
    key = ", ".join(table.key)
    with connect_published(published) as (_, connection):
        rows = connection.execute(f"SELECT {key} FROM {table.name} ORDER BY {key} LIMIT 6").fetchall()
        total = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
    texts = [
        tuple(str(row[name]).replace("T", " ") for name in table.key) for p in pages for row in p["rows"]
    ]
    assert texts == [tuple(str(value).replace("T", " ") for value in row) for row in rows]
    assert (pages[0]["count"],) == total
    assert pages[0]["columns"] == list(table.column_names)


@pytest.mark.parametrize("limit", [7, 50, 4000])
def test_pages_and_csv_pages_are_the_whole_answer(client: FlaskClient, limit: int) -> None:
    query = (
        "_sort=-zone,expected_crimes&month__in=1,2&hour=20&_columns=neighborhood,month,expected_crimes"
    )
    whole = client.get(f"/v1/tables/mart_forecast_hourly.csv?{query}")
    assert "X-Row-Limit" not in whole.headers
    expected = list(csv.reader(io.StringIO(whole.text)))
    rows: list[list[str]] = []
    address: str | None = f"/v1/tables/mart_forecast_hourly?{query}&_limit={limit}"
    while address:
        page = get(client, address)
        rows += [[str(value) for value in row.values()] for row in page["rows"]]
        assert page["truncated"] == (page["next"] is not None)
        address = page["next_url"]
    assert rows == expected[1:]
    counted = client.get(f"/v1/tables/mart_forecast_hourly.csv?{query}&_count=true")
    assert counted.headers["X-Total-Count"] == str(len(rows))
    lines: list[list[str]] = []
    address = f"/v1/tables/mart_forecast_hourly.csv?{query}&_limit={limit}"
    while address:
        answer = client.get(address)
        assert answer.headers["X-Row-Limit"] == str(limit)
        lines += list(csv.reader(io.StringIO(answer.text)))[1:]
        link = answer.headers.get("Link")
        address = link.partition(">")[0].removeprefix("<") if link else None
    assert lines == expected[1:]


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("forecast_citi", 404, "unknown table 'forecast_citi': did you mean forecast_city"),
        ("incident.xlsx", 404, "unknown table 'incident.xlsx'"),
        ("incident?zon=1", 404, "zon: unknown column 'zon' of incident: did you mean zone"),
        ("incident?_limit=0", 400, "_limit: expected greater than or equal to 1, found '0'"),
        ("incident?_limit=4001", 400, "_limit: expected less than or equal to 4000, found '4001'"),
        ("incident?_limit=5&_limit=6", 400, "_limit: expected once, found 2 times"),
        ("incident?month=1", 404, "unknown column 'month'"),
        ("incident?crime_against=Persons", 400, "expected 'Person', 'Property', 'Society',"),
        ("incident.parquet?_limit=1", 400, "unknown parameter '_limit'"),
        ("average_daily?month=13", 400, "month: expected less than or equal to 12, found '13'"),
        ("average_daily?" + "&".join(f"month__in={n}" for n in range(1, 13)), 200, "neighborhood"),
        (
            "incident?" + "&".join(
                f"{column.name}__{operation}=1"
                for column in INCIDENT_TABLE.columns for operation in ("gt", "lt", "not")
            ), 400, "expected at most 50 filters, found 66",
        ),
    ],
)  # fmt: skip
def test_answer_says_what_is_wrong(client: FlaskClient, address: str, status: int, words: str) -> None:
    answer = client.get(f"/v1/tables/{address}")
    assert answer.status_code == status
    assert words in answer.text.replace('\\"', '"')


def test_token_of_another_build_is_gone(client: FlaskClient) -> None:
    token = get(client, "/v1/tables/average_daily")["next"]
    assert client.get(f"/v1/tables/average_daily?_next={token}").status_code == 200
    assert client.get(f"/v1/tables/average_daily?month=2&_next={token}").status_code == 409
    assert client.get(f"/v1/tables/average_daily?_next={token[:-8]}").status_code == 404
    other = "WyJ4IiwieSIsW11d"  # ["x","y",[]]
    answer = client.get(f"/v1/tables/average_daily?_next={other}")
    assert answer.status_code == 410
    assert "of build x, served is" in answer.text


def test_address_of_a_build_leads_to_its_next_page(client: FlaskClient) -> None:
    build_id = get(client, "/v1/tables/average_daily?_limit=1")["build_id"]
    answer = client.get(f"/v1/builds/{build_id}/v1/tables/average_daily?_limit=1&month=2")
    assert "immutable" in answer.headers["Cache-Control"]
    page = json.loads(answer.data)
    assert page["next_url"].startswith(
        f"/v1/builds/{build_id}/v1/tables/average_daily?_limit=1&month=2&"
    )
    assert get(client, page["next_url"])["rows"][0]["neighborhood"] > page["rows"][0]["neighborhood"]


def test_numbers_of_every_table_are_finite(published: Path) -> None:
    with connect_published(published) as (_, connection):
        for table in TABLES:
            doubles = [column.name for column in table.columns if column.type == "DOUBLE"]
            for name in doubles:
                sql = f"SELECT count(*) FROM {table.name} WHERE NOT isfinite({name})"
                assert connection.execute(sql).fetchone() == (0,), (table.name, name)


def test_whole_tables_are_sent_to_a_few_at_a_time(client: FlaskClient) -> None:
    address = "/v1/tables/incident.csv"
    running = [client.get(address, buffered=False) for _ in range(tables.MAX_HEAVY)]
    for refused in (client.get(address), client.get("/v1/tables/offense.parquet")):
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
    assert client.get("/v1/tables/incident").status_code == 200
    for answer in running:
        answer.close()
    for _ in range(tables.MAX_HEAVY + 1):
        assert client.head(address).status_code == 200
        assert client.get(f"{address}?_sort=x").status_code == 404
        tag = client.get(address).headers["ETag"]
        assert client.get(address, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_client_that_has_the_answer_is_told_before_anything_is_read(
    client: FlaskClient, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/v1/tables/offense.{ending}"
    tag = {"If-None-Match": client.get(address).headers["ETag"]}
    monkeypatch.setattr(ServedBuild, "connect", lambda _: 1 / 0)
    answer = client.get(address, headers=tag)
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"] == tag["If-None-Match"]
    assert client.get(f"{address}?wrong=1", headers=tag).status_code in {400, 404}


TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["1", "-1", "1e9", "true", "2021-01-01", "[1]", '["\\ud800"]', "%", "\x00", "9" * 30]
    ),
)
NAMES = st.one_of(
    st.sampled_from(["_sort", "_columns", "_limit", "_next", "_count", "month", "zone", "is_named"]),
    st.builds(
        "{}__{}".format, st.sampled_from(["zone", "month", "latitude"]), st.sampled_from([*OPERATORS])
    ),
    st.text(max_size=5),
)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(
        ["mart_forecast_hourly", "average_daily.csv", "neighborhood.json", "calendar.parquet", "x"]
    ),
    st.lists(st.tuples(NAMES, TEXTS), max_size=3),
)
def test_no_parameters_make_the_service_fail(
    app: Service, table: str, parameters: list[tuple[str, str]]
) -> None:
    query = urlencode(parameters, quote_via=quote, errors="replace")
    answer = make_client(app).get(f"/v1/tables/{table}?{query}")
    assert answer.status_code in {200, 400, 404}, answer.text
    if answer.status_code != 200:
        assert answer.get_json()["detail"]


@pytest.mark.parametrize("name", ["average_daily", "neighborhood", "mart_patrol_plan"])
def test_neighborhood_in_a_filter_is_found_however_it_is_spelled(client: FlaskClient, name: str) -> None:
    place = "Zone 3, outside neighborhoods"

    def count(query: dict[str, object]) -> int:
        answer = client.get(f"/v1/tables/{name}", query_string={**query, "_count": 1, "_limit": 1})
        assert answer.status_code == 200, answer.get_json()
        return int(answer.get_json()["count"])

    exact = count({"neighborhood": place})
    assert exact > 0
    for spelled in (place.upper(), "zone 3 outside neighborhoods"):
        assert count({"neighborhood": spelled}) == exact
        assert count({"neighborhood__in": [spelled, "mid town"]}) == 2 * exact
        notin = json.dumps([spelled])
        assert count({"neighborhood__notin": notin}) == count({}) - exact
    refused = client.get(f"/v1/tables/{name}", query_string={"neighborhood": "Midtwn"})
    assert refused.status_code == 404
    assert "Midtown" in refused.get_json()["close_names"]
    assert client.get(f"/v1/tables/{name}?neighborhood__in=Midtown,").status_code == 404
