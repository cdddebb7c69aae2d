"""Publishing to Tableau, against a server on loopback that checks what it is sent."""

import html
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import cast
from urllib.parse import quote

import pytest
from tenacity import wait_none

from warehouse import tableau_publish
from warehouse.__main__ import main
from warehouse.errors import ShieldError
from warehouse.tableau_publish import TOKEN_NAME, TOKEN_SECRET, TRIES, Target, publish_files

SECRET = "the-secret&=="  # noqa: S105
SESSION = "the-session|1"
ANSWER = '<tsResponse xmlns="http://tableau.com/api">{}</tsResponse>'
PROJECTS = ANSWER.format(
    '<pagination pageNumber="1" pageSize="100" totalAvailable="3"/><projects>'
    '<project id="p1" name="Police"/><project id="p2" name="Twice"/><project id="p3" name="Twice"/>'
    "</projects>"
)
ERROR = '<error code="{0}"><summary>{1}</summary><detail>{2}</detail></error>'


class Tableau(ThreadingHTTPServer):
    """A server of one site; `fails` are the answers to give before the good ones, by path."""

    def __init__(self) -> None:
        """Listen on loopback."""
        super().__init__(("127.0.0.1", 0), Answers)
        self.requests: list[tuple[str, str, bytes, str | None]] = []
        self.fails: dict[str, list[tuple[int, str]]] = {}

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def paths(self) -> list[str]:
        """What was asked, without the part that all share."""
        return [f"{verb} {path.removeprefix('/api/3.6/')}" for verb, path, _, _ in self.requests]


class Answers(BaseHTTPRequestHandler):
    """What the REST API answers."""

    def do_GET(self) -> None:
        """Answer a list of projects."""
        self.do_POST()

    def do_POST(self) -> None:
        """Answer a sign-in, a sign-out or a file."""
        tableau = cast(Tableau, self.server)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        tableau.requests.append((self.command, self.path, body, self.headers.get("X-Tableau-Auth")))
        kind = self.path.partition("?")[0].rpartition("/")[2]
        status, answer = 200, make_answer(kind)
        if left := tableau.fails.get(kind):
            status, answer = left.pop(0)
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def make_answer(kind: str) -> str:
    if kind == "signin":
        return ANSWER.format(
            f'<credentials token="{SESSION}"><site id="s" contentUrl=""/><user id="u"/></credentials>'
        )
    if kind == "projects":
        return PROJECTS
    if kind in {"datasources", "workbooks"}:
        return ANSWER.format(
            f'<{kind[:-1]} id="d" name="n"><project id="p1"/><owner id="u"/></{kind[:-1]}>'
        )
    return ""


@pytest.fixture
def tableau(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tableau]:
    monkeypatch.setenv(TOKEN_NAME, "the-token")
    monkeypatch.setenv(TOKEN_SECRET, SECRET)
    monkeypatch.setattr(tableau_publish, "PAUSE", wait_none())
    with Tableau() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {"Forecast (simulated data)": "a.tdsx", "ATLShield": "b.twbx"}
    for name in found.values():
        Path(tmp_path, name).write_bytes(f"contents of {name}".encode())
    return {name: tmp_path / file for name, file in found.items()}


def test_files_replace_what_has_their_names(
    tableau: Tableau, files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    publish_files(files, Target(tableau.address, "atlanta", "Police"))
    assert [re.sub(r"\?page.*", "", path) for path in tableau.paths()] == [
        "POST auth/signin", "GET sites/s/projects",
        "POST sites/s/datasources?datasourceType=tdsx&overwrite=true",
        "POST sites/s/workbooks?workbookType=twbx&overwrite=true", "POST auth/signout",
    ]  # fmt: skip
    (_, _, sign_in, _), *later = tableau.requests
    assert b'personalAccessTokenName="the-token"' in sign_in and b"the-secret&amp;==" in sign_in
    assert b'contentUrl="atlanta"' in sign_in
    assert all(b"the-secret" not in body for _, _, body, _ in later)
    assert {sent for _, _, _, sent in later} == {SESSION}
    sent = {"datasource": later[1][2], "workbook": later[2][2]}
    for (kind, body), (name, path) in zip(sent.items(), files.items(), strict=True):
        assert f'<{kind} name="{name}"'.encode() in body and b'<project id="p1"' in body
        assert path.read_bytes() in body
    assert b'showTabs="true"' in sent["workbook"]
    assert capsys.readouterr().out.count("published ") == 2


def test_command_publishes_the_published_build(
    tableau: Tableau, few_places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["publish-tableau", "--server", tableau.address, "--project"]
    assert main(["--builds", str(few_places), *words, "Police"]) == 0
    sent = [(path, body) for _, path, body, _ in tableau.requests if "overwrite=true" in path]
    captions = ["ATLShield forecast", "ATLShield incidents", "ATLShield"]
    for (_, body), caption in zip(sent, captions, strict=True):
        assert f'name="{caption} (simulated data)"'.encode() in body
        assert b"PK\x03\x04" in body
    assert capsys.readouterr().out.count("published ATLShield") == 3
    assert main(["--builds", str(few_places), *words, "Nobody"]) == 1
    assert "0 projects are called 'Nobody'" in capsys.readouterr().err


def test_what_passes_is_tried_again(tableau: Tableau, files: dict[str, Path]) -> None:
    tableau.fails = {"signin": [(503, "")], "datasources": [(500, "")] * (TRIES - 1)}
    publish_files(files, Target(tableau.address, "", "Police"))
    assert sum("datasources" in path for path in tableau.paths()) == TRIES
    assert sum("signin" in path for path in tableau.paths()) == 2


def test_what_does_not_pass_says_what_was_published(tableau: Tableau, files: dict[str, Path]) -> None:
    refusal = ANSWER.format(ERROR.format("403004", "Forbidden", "no right to publish workbooks"))
    tableau.fails = {"workbooks": [(403, refusal)]}
    words = r"ATLShield was not published: .*no right to publish.*before it: Forecast \(simulated data\)"
    with pytest.raises(ShieldError, match=words):
        publish_files(files, Target(tableau.address, "", "Police"))
    assert tableau.paths()[-1] == "POST auth/signout"
    assert sum("workbooks" in path for path in tableau.paths()) == 1

    tableau.fails = {"datasources": [(500, "")] * TRIES}
    with pytest.raises(ShieldError, match="Internal.* 500 .*published before it: nothing"):
        publish_files(files, Target(tableau.address, "", "Police"))


def test_a_token_that_is_refused_never_shows(tableau: Tableau, files: dict[str, Path]) -> None:
    refusal = ANSWER.format(ERROR.format("401001", "Signin Error", "token is invalid"))
    tableau.fails = {"signin": [(401, refusal)]}
    with pytest.raises(ShieldError, match="signing in at http.*token is invalid") as caught:
        publish_files(files, Target(tableau.address, "", "Police"))
    assert SECRET not in str(caught.value)
    assert tableau.paths() == ["POST auth/signin"]


@pytest.mark.parametrize(("kind", "status"), [("signin", 401), ("projects", 403), ("datasources", 500)])
@pytest.mark.parametrize("body", ["tsResponse", "no XML: {}"])
def test_what_a_server_repeats_is_told_without_secrets(
    tableau: Tableau, files: dict[str, Path], kind: str, status: int, body: str
) -> None:
    echo = f"{html.escape(SECRET)} {quote(SECRET)} {html.escape(SESSION)} https://me:pass@host/ told"
    if body == "tsResponse":
        body = ANSWER.format(ERROR.format("1", "No", "{}"))
    tableau.fails = {kind: [(status, body.format(echo))] * TRIES}
    with pytest.raises(ShieldError, match="told") as caught:
        publish_files(files, Target(tableau.address, "", "Police"))
    said = str(caught.value)
    assert "the-secret" not in said and "pass" not in said and "https://host/" in said
    assert "the-session" not in said or kind == "signin"  # signed in nowhere, there is no such token


PAGES = ["<html><body><p>Log in</p></body></html>", "<html><p>Log in<br>", "", ANSWER.format("")]


@pytest.mark.parametrize("kind", ["signin", "projects", "datasources"])
@pytest.mark.parametrize("page", PAGES)
def test_an_answer_that_is_not_tableau_s_is_told(
    tableau: Tableau, files: dict[str, Path], kind: str, page: str
) -> None:
    tableau.fails = {kind: [(200, page)]}
    with pytest.raises(ShieldError, match="answers like no Tableau Server|there are none") as caught:
        publish_files(files, Target(tableau.address, "", "Police"))
    assert "\n" not in str(caught.value)
    assert tableau.paths()[-1] == ("POST auth/signin" if kind == "signin" else "POST auth/signout")


@pytest.mark.parametrize(("project", "words"), [("Polize", "0 .*'Police'"), ("Twice", "2 projects")])
def test_a_project_must_be_one(
    tableau: Tableau, files: dict[str, Path], project: str, words: str
) -> None:
    with pytest.raises(ShieldError, match=words):
        publish_files(files, Target(tableau.address, "", project))
    assert not any("datasources" in path for path in tableau.paths())


def test_nobody_listens(tableau: Tableau, files: dict[str, Path]) -> None:
    with pytest.raises(ShieldError, match=r"signing in at http://127\.0\.0\.1:9, .*ConnectionError"):
        publish_files(files, Target("http://127.0.0.1:9", "", "Police"))


@pytest.mark.parametrize("name", [TOKEN_NAME, TOKEN_SECRET])
def test_a_token_must_be_there(
    tableau: Tableau, files: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "")
    with pytest.raises(ShieldError, match=f"{name} is not set"):
        publish_files(files, Target(tableau.address, "", "Police"))
    assert not tableau.requests


@pytest.mark.parametrize(
    "server",
    [
        "tableau.example",
        "http://tableau.example",
        "ftp://tableau.example",
        "https://",
        "https://[a",
        "https://a:pass@c",
        "https://:pass@c",
        "https://a:pa/pass@c",
        "https://a:pass@[c",
        "a:pass@c",
    ],
)
def test_an_address_must_be_safe(server: str) -> None:
    with pytest.raises(ShieldError, match="--server") as caught:
        Target(server, "", "Police")
    assert "pass@" not in str(caught.value)
