"""The OpenAPI document: it is valid and complete, and the service keeps what it promises.

schemathesis makes requests of the document, good and bad ones, and compares the answers with it.
"""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.specs.openapi.definitions import OPENAPI_31
from schemathesis.transport.wsgi import WSGITransport

from serve.app import Service, create_app
from tests.serve.builds import copy_builds
from tests.serve.server import run_server
from warehouse.operation import Operation

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
"""schemathesis does not close what it is answered in process."""

KEY = "0123456789abcdef"
LARGE_TABLES = ("forecast_category", "forecast_hourly_weekday", "mart_forecast_category")
PHASES = ("examples", "coverage", "fuzzing", "stateful")

ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "429", "5xx"]
"""What schemathesis lets a valid request be answered by itself."""
ALSO_400 = [
    # Clients of the first version know an unknown neighborhood by this code.
    {"include-path": "/predict_hourly_crime", "include-method": "POST"},
    {"include-path": "/average_daily_crime", "include-method": "POST"},
    # No schema says which texts are SQL.
    {"include-path": "/v1/sql"},
    # Nor which are calls of a function, or its arguments.
    {"include-path": "/evaluate"},
    {"include-path": "/query/{name}"},
]
Document = dict[str, Any]


def make_config(key: str | None, phases: tuple[str, ...], examples: int) -> SchemathesisConfig:
    """Return how schemathesis runs: every check that it has, the same requests each time."""
    also_400 = {"positive_data_acceptance": {"expected-statuses": [*ACCEPTED, "400"]}}
    return SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "continue-on-failure": True,
            "auth": {"openapi": {"key": {"bearer": key}}} if key else {},
            "generation": {"max-examples": examples, "database": "none"},
            "phases": {phase: {"enabled": phase in phases} for phase in PHASES},
            "operations": [{**where, "checks": also_400} for where in ALSO_400],
        }
    )


def find_failures(schema: Any) -> tuple[set[tuple[str, str, str]], dict[str, set[int]]]:  # noqa: ANN401
    """Run all phases; return what failed, and which status codes each operation answered."""
    failures, codes = set(), dict[str, set[int]]()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures.add(("error", str(vars(event)), ""))
        if not isinstance(event, events.ScenarioFinished):
            continue
        for exchange in event.recorder.interactions.values():
            if exchange.response is not None:
                codes.setdefault(event.recorder.label, set()).add(exchange.response.status_code)
        for check in (check for checks in event.recorder.checks.values() for check in checks):
            if check.failure_info:
                failure = check.failure_info
                failures.add((check.name, str(failure.failure), failure.code_sample))
    return failures, codes


@pytest.fixture(autouse=True)
def mend_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the check of ignored keys run in process: 4.32.5 hands it settings of sockets there."""
    send = WSGITransport.send

    def send_without(self: WSGITransport, case: Any, **options: Any) -> Any:  # noqa: ANN401
        if options.get("session") is None:
            options = {name: options[name] for name in options.keys() & {"app", "headers", "session"}}
        return send(self, case, **options)

    monkeypatch.setattr(WSGITransport, "send", send_without)


def load(app: Service, key: str | None, phases: tuple[str, ...], examples: int) -> Any:  # noqa: ANN401
    """Return what schemathesis makes of an application's document."""
    config = make_config(key, phases, examples)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return schemathesis.openapi.from_wsgi("/openapi.json", app, config=config, headers=headers)


@pytest.fixture(scope="module")
def small(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a build whose largest tables know one place: each is asked for whole, often."""
    return copy_builds(
        published, tmp_path_factory.mktemp("small"),
        *(f"DELETE FROM {table} WHERE neighborhood <> 'Downtown'" for table in LARGE_TABLES),
    )  # fmt: skip


@pytest.fixture(scope="module")
def keyed(small: Path) -> Service:
    """A service that asks for a key and answers SQL."""
    return create_app(Operation(builds=small, api_keys=(KEY,), sql=True))


@pytest.fixture(scope="module")
def document(keyed: Service) -> Document:
    """The document of that service."""
    answer = keyed.test_client().get("/openapi.json", headers={"Authorization": f"Bearer {KEY}"})
    found: Document = answer.get_json()
    return found


def list_operations(document: Document) -> list[tuple[str, str, Document]]:
    """Return path, method and declaration of every operation."""
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


@pytest.mark.slow
def test_edges_of_every_schema_find_no_answer_that_the_document_does_not_promise(
    keyed: Service,
) -> None:
    failures, codes = find_failures(load(keyed, KEY, ("examples", "coverage"), 3))
    assert not failures
    assert codes["GET /average_daily_crime"] >= {200, 400, 401, 404}


@pytest.mark.slow
@pytest.mark.parametrize("key", [KEY, None], ids=["key and SQL", "open"])
def test_no_answer_is_one_that_the_document_does_not_promise(
    small: Path, keyed: Service, key: str | None
) -> None:
    app = keyed if key else create_app(small)
    failures, codes = find_failures(load(app, key, PHASES, 20))
    assert not failures
    refused = {401} if key else set()
    for label, found in codes.items():
        is_open = label in {"GET /livez", "GET /readyz"}
        assert found >= (set() if is_open else refused), label
        assert 200 in found or label == "POST /v1/sql", label


@pytest.mark.slow
@pytest.mark.server
def test_server_keeps_the_promises_too(small: Path) -> None:
    with run_server(small, ATLSHIELD_API_KEYS=KEY, ATLSHIELD_SQL="1") as (address, _):
        schema = schemathesis.openapi.from_url(
            f"{address}/openapi.json", config=make_config(KEY, PHASES, 5),
            headers={"Authorization": f"Bearer {KEY}"},
        )  # fmt: skip
        failures, _ = find_failures(schema)
    assert not failures


def test_document_is_valid_openapi(document: Document) -> None:
    validator = jsonschema_rs.Draft202012Validator(OPENAPI_31)
    assert not [error.message for error in validator.iter_errors(document)]
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        )
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)


def test_document_describes_every_route_and_its_references_lead_somewhere(
    keyed: Service, document: Document
) -> None:
    assert document["openapi"].startswith("3.1")
    rules = {
        re.sub(r"<(?:[^<:]+:)?([^>]+)>", r"{\1}", rule.rule)
        for rule in keyed.url_map.iter_rules()
        if not rule.endpoint.startswith("pages.")  # those are for people
    }
    assert set(document["paths"]) == rules
    for kind, name in re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(document)):
        assert name in document["components"][kind]


def test_every_operation_is_described(document: Document) -> None:
    operations = list_operations(document)
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(set(ids)) == len(ids)
    tags = {tag["name"] for tag in document["tags"]}
    for path, _, operation in operations:
        assert operation["summary"], path
        assert operation["description"], path
        assert set(operation["tags"]) <= tags, path
        for parameter in operation.get("parameters", []):
            assert parameter["schema"].get("description") or parameter.get("description"), parameter


def test_examples_are_answers_that_fit_their_schema(document: Document) -> None:
    binary = {"image/png", "image/svg+xml", "application/vnd.duckdb", "application/vnd.apache.parquet"}
    for path, _, operation in list_operations(document):
        if operation["tags"] == ["document"]:
            continue
        for media, content in operation["responses"]["200"]["content"].items():
            assert ("examples" in content) == (media not in binary), (path, media)
            if media == "application/json":
                schema = {**content["schema"], "components": document["components"]}
                jsonschema_rs.validator_for(schema).validate(content["examples"]["answer"]["value"])


def test_document_asks_for_a_key_only_where_the_service_does(app: Service, document: Document) -> None:
    assert document["security"] == [{"key": []}]
    either = [
        path
        for path, _, each in list_operations(document)
        if {"password": []} in each.get("security", [])
    ]
    assert sorted(either) == ["/evaluate", "/info", "/query/{name}"]
    opened = [path for path, _, each in list_operations(document) if each.get("security") == []]
    assert sorted(opened) == ["/livez", "/readyz"]
    assert app.test_client().get("/openapi.json").get_json()["security"] == []


def test_document_without_a_build_has_no_examples(tmp_path: Path) -> None:
    found = create_app(tmp_path).test_client().get("/openapi.json")
    assert found.status_code == 200
    for _, _, operation in list_operations(found.get_json()):
        assert not [
            each for each in operation["responses"]["200"]["content"].values() if "examples" in each
        ]
