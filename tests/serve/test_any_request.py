"""Whatever a request holds, no answer is a mistake of the service; an error is a problem or a page.

hypothesis throws bytes at the path, the query, the headers and the body of every route.
"""

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serve.app import Service

WIRE = st.characters(max_codepoint=255)
"""WSGI has bytes as the characters of the same numbers (PEP 3333)."""
TEXT = st.text(WIRE, max_size=40)
FORMATS = st.sampled_from(["png", "svg", "json", "jpg"])
PARTS = st.one_of(
    st.sampled_from(["Downtown", "Midtown/x", "7", "0", "average_daily", "incident", "..", "%00", ""]),
    TEXT,
)
NAMES = st.one_of(
    st.sampled_from(
        ["neighborhood", "month", "width", "dpi", "_limit", "_next", "_sort", "_columns", "_count"]
    ),
    st.builds("{}__{}".format, st.sampled_from(["month", "offense", "zone", "cutoff"]),
              st.sampled_from(["gte", "in", "isnull", "contains", "not", "x", ""])),
    TEXT,
)  # fmt: skip
PAIRS = st.builds(
    "{}={}".format, NAMES, st.one_of(st.sampled_from(["1", "-1", "[1]", "%ff", "1e999"]), TEXT)
)
QUERIES = st.one_of(TEXT, st.lists(PAIRS, max_size=4).map("&".join))
METHODS = st.sampled_from(["GET"] * 6 + ["POST"] * 3 + ["HEAD", "PUT", "OPTIONS", "TRACE", "X", "get"])
HEADERS = st.dictionaries(
    st.sampled_from(
        ["RANGE", "IF_RANGE", "IF_NONE_MATCH", "IF_MODIFIED_SINCE", "AUTHORIZATION", "X_REQUEST_ID",
         "ACCEPT", "HOST", "COOKIE", "TRANSFER_ENCODING", "X_FORWARDED_FOR"]
    ),
    st.one_of(st.sampled_from(["bytes=0-", "bytes=-1,5-", "bytes=9-1", '"', 'W/"x"', "*"]), TEXT),
    max_size=3,
).map(lambda given: {f"HTTP_{name}": text for name, text in given.items()})  # fmt: skip
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["neighborhood", "month", "hour", "lookups", "sql", "x"]), inner, max_size=3
    ),
    max_leaves=8,
)  # fmt: skip
BODIES = st.one_of(st.binary(max_size=100), JSON_VALUES.map(lambda value: json.dumps(value).encode()))
LENGTHS = st.one_of(st.none(), st.sampled_from(["", "-1", "x", "99999999", "0"]))


@st.composite
def make_paths(draw: st.DrawFn, app: Service) -> str:
    """Return a path that begins as one of the routes does, or any."""
    rule = draw(st.sampled_from(list(app.url_map.iter_rules())))
    path = "".join(
        draw(FORMATS if name == "chart_format" else PARTS) if is_dynamic else name
        for is_dynamic, name in rule._trace
    ).removeprefix("|")
    return draw(st.sampled_from([path, path, path, f"/v1/builds/x{path}", f"{path}/", f"/{path}"]))


def ask(app: Service, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of what the application answers, as a server would ask it."""
    told: list[Any] = []
    base = {
        "SCRIPT_NAME": "", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(), "wsgi.multithread": True, "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }  # fmt: skip
    answer: Iterable[bytes] = app.wsgi_app(base | environ, lambda *status: told.append(status))
    body = b"".join(answer)
    getattr(answer, "close", lambda: None)()
    status, headers = told[0][:2]
    return int(status[:3]), dict(headers), body


draw_request = given(
    data=st.data(), method=METHODS, query=QUERIES, headers=HEADERS, body=BODIES, length=LENGTHS
)


def check_any(
    app: Service, data: st.DataObject, method: str, query: str, headers: dict[str, str], body: bytes,
    length: str | None,
) -> None:  # fmt: skip
    """Check one request."""
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": data.draw(make_paths(app)), "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)) if length is None else length,
        "CONTENT_TYPE": "application/json", "wsgi.input": io.BytesIO(body), **headers,
    }  # fmt: skip
    status, answered, content = ask(app, environ)
    assert status < 500 or status == 503, content
    assert answered["X-Request-ID"]
    if answered.get("Content-Type", "").startswith("text/html"):
        assert "default-src 'none'" in answered["Content-Security-Policy"]
    elif status >= 400:
        assert answered["Content-Type"] == "application/problem+json"
        if method != "HEAD":
            problem = json.loads(content)
            assert problem["status"] == status
            assert problem["request_id"] == answered["X-Request-ID"]
            assert problem["detail"] == problem["error"]


def check_requests(app: Service, count: int) -> None:
    """Check so many requests."""
    limits = settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    limits(draw_request(check_any))(app)


def test_any_request_is_answered(app: Service) -> None:
    check_requests(app, 300)


@pytest.mark.slow
def test_any_of_many_requests_is_answered(app: Service) -> None:
    check_requests(app, 20_000)
