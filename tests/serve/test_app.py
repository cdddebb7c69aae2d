"""What holds for every request: its id, the key, the build's headers, a 304, what is counted."""

import json
import logging
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from serve.app import Service, create_app
from serve.log import JsonFormatter
from tests.serve.builds import copy_builds, publish_changed
from warehouse.operation import Operation
from warehouse.pointer import read_pointer

DAILY = "/average_daily_crime?neighborhood=Downtown&month=1"
CHART = "/charts/hourly/Midtown/3.png"
KEYS = ("0123456789abcdef", "fedcba9876543210")


@pytest.fixture(scope="module")
def keyed(published: Path, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A client of a service that asks for a key."""
    builds = copy_builds(published, tmp_path_factory.mktemp("keyed"))
    return create_app(Operation(builds=builds, api_keys=KEYS)).test_client()


@pytest.mark.parametrize("path", [DAILY, CHART])
def test_answer_names_its_build_and_is_not_sent_to_a_client_that_has_it(
    client: FlaskClient, published: Path, path: str
) -> None:
    answer = client.get(path)
    build_id = read_pointer(published).build_id
    assert answer.headers["X-Build-ID"] == build_id
    assert answer.headers["Cache-Control"] == "no-cache"
    tag = answer.headers["ETag"]
    assert re.fullmatch(rf'"{build_id}-[0-9a-f]{{12}}"', tag)
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.data) == (304, b"")
        assert (again.headers["ETag"], again.headers["X-Build-ID"]) == (tag, build_id)
    assert client.get(path, headers={"If-None-Match": '"other"'}).data == answer.data
    head = client.head(path)
    assert (head.data, head.headers["ETag"]) == (b"", tag)
    assert head.headers["Content-Length"] == str(len(answer.data))


def test_tag_is_another_for_another_build_and_for_other_code(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = copy_builds(published, tmp_path)
    tags = [create_app(builds).test_client().get(DAILY).headers["ETag"]]
    publish_changed(builds, "z")
    tags.append(create_app(builds).test_client().get(DAILY).headers["ETag"])
    monkeypatch.setattr("serve.app.hash_code", lambda: "other")
    tags.append(create_app(builds).test_client().get(DAILY).headers["ETag"])
    assert len(set(tags)) == 3


def test_error_is_not_kept_and_has_no_tag(client: FlaskClient) -> None:
    for path, code in (("/average_daily_crime?neighborhood=Nowhere&month=1", 404), ("/nowhere", 404)):
        answer = client.get(path, headers={"If-None-Match": "*"})
        assert answer.status_code == code
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers


def test_post_has_its_build_but_no_tag(client: FlaskClient, published: Path) -> None:
    answer = client.post(
        "/average_daily_crime", json={"neighborhood": "Downtown", "month": 1},
        headers={"If-None-Match": "*"},
    )  # fmt: skip
    assert answer.status_code == 200
    assert answer.headers["X-Build-ID"] == read_pointer(published).build_id
    assert "ETag" not in answer.headers


def test_address_with_the_build_never_changes(client: FlaskClient, published: Path) -> None:
    build_id = read_pointer(published).build_id
    for path in (DAILY, CHART):
        answer = client.get(f"/v1/builds/{build_id}{path}")
        assert answer.data == client.get(path).data
        assert answer.headers["Cache-Control"] == "max-age=31536000, immutable"
        tag = answer.headers["ETag"]
        assert (
            client.get(f"/v1/builds/{build_id}{path}", headers={"If-None-Match": tag}).status_code == 304
        )
    other = client.get(f"/v1/builds/other{DAILY}")
    assert other.status_code == 404
    assert f"build 'other' is not served here; served now: {build_id}" in other.get_json()["detail"]
    body = {"neighborhood": "Downtown", "month": 1}
    assert client.post(f"/v1/builds/{build_id}/average_daily_crime", json=body).status_code == 404
    for path in ("/readyz", "/metrics", "/livez", "/v1/builds", "/docs", "/openapi.json"):
        answer = client.get(f"/v1/builds/{build_id}{path}", headers={"If-None-Match": "*"})
        assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")


def test_no_address_is_redirected(client: FlaskClient) -> None:
    for path in ("/v1//tables", "/v1/tables/", "/docs/"):
        assert client.get(path, headers={"Host": "elsewhere.example"}).status_code == 404
    for path in ("//", "///", "//v1/tables"):  # as the server hands them over
        answer = client.get("/", environ_overrides={"PATH_INFO": path, "HTTP_HOST": "elsewhere.example"})
        assert answer.status_code == 200


@pytest.mark.parametrize("path", [DAILY, CHART, "/openapi.json", "/docs", "/metrics", "/nowhere"])
def test_everything_but_health_needs_a_key(keyed: FlaskClient, path: str) -> None:
    refused = keyed.get(path)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert refused.get_json()["detail"] == "expected Authorization: Bearer <key>"
    key = KEYS[0]
    for wrong in ("Bearer", "Bearer ", f"Basic {key}", f"Bearer {key}x", f"Bearer {key[:-1]}", key):
        assert keyed.get(path, headers={"Authorization": wrong}).status_code == 401
    for key in KEYS:
        code = keyed.get(path, headers={"Authorization": f"Bearer {key}"}).status_code
        assert code == (404 if path == "/nowhere" else 200)


def test_health_needs_no_key(keyed: FlaskClient) -> None:
    assert keyed.get("/livez").status_code == keyed.get("/readyz").status_code == 200
    assert keyed.post("/average_daily_crime", json={}).status_code == 401


def test_request_id_is_taken_over_or_made(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for given, is_taken in (("abc-1.2_3", True), ("x" * 65, False), ('a"b', False), ("", False)):
        answer = client.get("/average_daily_crime", headers={"X-Request-ID": given})
        found = answer.headers["X-Request-ID"]
        assert (found == given) == is_taken
        assert answer.get_json()["request_id"] == found
        logged = json.loads(JsonFormatter().format(caplog.records[-1]))
        assert (logged["request_id"], logged["status"], logged["level"]) == (found, 400, "info")


def test_log_has_every_request_where_that_is_wanted_and_nothing_personal(
    published: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    builds = copy_builds(published, tmp_path)
    for log_requests in (False, True):
        caplog.clear()
        app = create_app(Operation(builds=builds, log_requests=log_requests))
        app.test_client().get(DAILY, environ_overrides={"REMOTE_ADDR": "203.0.113.9"})
        lines = [JsonFormatter().format(record) for record in caplog.records]
        assert len(lines) == log_requests
        assert not [line for line in lines if "203.0.113.9" in line or "month" in line]


def test_mistake_of_the_program_is_told_without_its_inside(
    published: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(copy_builds(published, tmp_path))

    @app.get("/mistake")
    def mistake() -> str:
        raise RuntimeError("secret")

    answer = app.test_client().get("/mistake")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    told = next(line for line in lines if line["message"] == "unforeseen error")
    assert "RuntimeError: secret" in told["traceback"]
    assert told["request_id"] == answer.get_json()["request_id"]


def test_every_answer_has_the_headers_of_safety(client: FlaskClient) -> None:
    for path in (DAILY, CHART, "/nowhere", "/livez"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/v1/builds", "/v1/queries", "/v1/tables"])
def test_parameter_that_a_list_does_not_take_is_refused(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200
    answer = client.get(f"{path}?_limit=1")
    assert answer.status_code == 400
    assert answer.get_json()["detail"] == "unknown parameter '_limit'"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probe_may_add_parameters(client: FlaskClient, path: str) -> None:
    assert client.get(f"{path}?from=probe").status_code == 200


def test_requests_are_counted_by_route_and_status(app: Service) -> None:
    client = app.test_client()

    def count(route: str, status: int) -> float:
        text = client.get("/metrics").text
        found = re.search(
            rf'^atlshield_request_seconds_count{{route="{re.escape(route)}",status="{status}"}} (\S+)$',
            text, re.MULTILINE,
        )  # fmt: skip
        return float(found[1]) if found else 0.0

    with app.test_request_context(CHART) as context:
        chart = str(context.request.url_rule)
    asked = [
        (DAILY, "/average_daily_crime", 200), (CHART, chart, 200), ("/nowhere", "none", 404),
        (DAILY[:-1], "/average_daily_crime", 400),
    ]  # fmt: skip
    for path, route, status in asked:
        before = count(route, status)
        client.get(path)
        assert count(route, status) == before + 1
    text = client.get("/metrics").text
    assert float(re.search(r"^atlshield_build_age_seconds (\S+)$", text, re.MULTILINE)[1]) > 0  # type: ignore[index]
    assert float(re.search(r"^atlshield_cutoff_age_seconds (\S+)$", text, re.MULTILINE)[1]) > 0  # type: ignore[index]


def test_page_of_the_document_asks_no_other_host(client: FlaskClient) -> None:
    page = client.get("/docs")
    assert not re.search(r"(?:https?:)?//", page.text)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert len(client.get("/docs/rapidoc.js").data) > 100_000
