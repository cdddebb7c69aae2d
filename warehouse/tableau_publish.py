"""Extracts and workbook on a Tableau Server or Tableau Cloud, over its REST API.

Input: a folder of builds, a server's address, a site, a project, and a personal access
token from the environment. Output: data sources and a workbook there, each replaced as a whole.
"""

import difflib
import html
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree.ElementTree import ParseError

import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from warehouse.address import check_address
from warehouse.errors import ShieldError
from warehouse.export import MANIFEST
from warehouse.settings import SIMULATED
from warehouse.tableau_export import WORKBOOK, export_tableau
from warehouse.tableau_stars import STARS

if TYPE_CHECKING:  # an extra, imported where it is used
    from tableauserverclient import ProjectItem, Server

TOKEN_NAME, TOKEN_SECRET = "TABLEAU_TOKEN_NAME", "TABLEAU_TOKEN_SECRET"
"""The variables of the environment that hold a personal access token."""

REST_VERSION = "3.6"
"""The first version of the REST API that knows such tokens (Tableau 2019.4); later servers have it."""

TIMEOUTS = (10, 600)
"""Seconds to wait for a connection, and for the next byte: a server unpacks before it answers."""

TRIES = 4
PAUSE = wait_exponential_jitter(initial=1, max=20)

UNREADABLE = (ParseError, AttributeError, IndexError, TypeError, ValueError)
"""What the client raises where a good answer is not Tableau's, as a proxy's page that asks to log in."""


@dataclass(frozen=True)
class Target:
    """Where to publish: a server's address, a site as in its addresses ('': the default), a project."""

    server: str
    site: str
    project: str

    def __post_init__(self) -> None:
        """Raise `ShieldError` for an address over which no token may go."""
        check_address("--server", self.server, "a token")


def publish_build(builds: Path, target: Target) -> None:
    """Publish both extracts and the workbook of the published build, as exported now.

    Their names there say where data is simulated, so that it never replaces real data. Raises as
    `export_tableau` and `publish_files`.
    """
    read_token()  # what is missing is said before the seconds of an export
    with tempfile.TemporaryDirectory() as folder:
        out = export_tableau(builds, Path(folder, "out"))
        is_synthetic = json.loads((out / MANIFEST).read_text())["build"]["is_synthetic"]
        mark = f" ({SIMULATED})" if is_synthetic else ""
        files = {star.caption + mark: out / f"{star.file_name}.tdsx" for star in STARS}
        publish_files(files | {f"ATLShield{mark}": out / f"{WORKBOOK}.twbx"}, target)


def publish_files(files: Mapping[str, Path], target: Target) -> None:
    """Publish files under their names, each replacing what has its name in the project.

    A `.tdsx` becomes a data source, a `.twbx` a workbook. What passes (no connection, an error of the
    server) is tried again. Raises `ShieldError` with the server's words and what was published before.
    """
    with sign_in(target) as server:
        project = find_project(server, target.project)
        done: list[str] = []
        for name, path in files.items():
            try:
                publish_file(server, project, name, path)
            except ShieldError as error:
                before = f"published before it: {', '.join(done) or 'nothing'}"
                raise ShieldError(f"{name} was not published: {error}; {before}") from error
            done.append(name)
            print(f"published {name}: project {target.project}, {path.stat().st_size / 1e6:.1f} MB")


def read_token(environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return a token's name and secret. Raises `ShieldError` naming the variable that is missing."""
    for name in (TOKEN_NAME, TOKEN_SECRET):
        if not environment.get(name):
            raise ShieldError(f"{name} is not set: expected a personal access token's, made in Tableau")
    return environment[TOKEN_NAME], environment[TOKEN_SECRET]


@contextmanager
def sign_in(target: Target) -> Iterator["Server"]:
    """Sign in for as long as the block runs, and out again.

    Raises `ShieldError` where the package, the token or the server is missing or refuses.
    """
    token = read_token()
    try:
        from tableauserverclient import PersonalAccessTokenAuth, Server
    except ImportError as error:
        raise ShieldError(f"publishing needs `make .venv/tableau` first: {error}") from error
    server = Server(target.server, http_options={"timeout": TIMEOUTS})  # type: ignore[no-untyped-call]
    server.version = REST_VERSION
    with explain(f"signing in at {target.server}, site {target.site or 'default'!r}", server):
        for attempt in try_again():
            with attempt:
                server.auth.sign_in(PersonalAccessTokenAuth(*token, site_id=target.site))
    try:
        yield server
    finally:
        with explain("signing out", server):
            server.auth.sign_out()


def find_project(server: "Server", name: str) -> "ProjectItem":
    """Return the project of a name. Raises `ShieldError` where there is none, or more than one."""
    from tableauserverclient import Pager

    with explain("listing the projects", server):
        projects = list(Pager(server.projects))
    if not projects:  # also what the client makes of a page that is XML by chance
        raise ShieldError("listing the projects: there are none; does a proxy ask to log in?")
    found = [project for project in projects if project.name == name]
    if len(found) != 1:
        names = sorted({str(project.name) for project in projects})
        near = difflib.get_close_matches(name, names) or names[:3]
        raise ShieldError(f"--project: {len(found)} projects are called {name!r}; there are {near}")
    return found[0]


def publish_file(server: "Server", project: "ProjectItem", name: str, path: Path) -> None:
    """Publish one file. Raises `ShieldError` with the server's words."""
    from tableauserverclient import DatasourceItem, WorkbookItem

    mode = server.PublishMode.Overwrite
    with explain(f"sending {path.name}", server):
        for attempt in try_again():
            with attempt:
                if path.suffix == ".tdsx":
                    server.datasources.publish(DatasourceItem(project.id, name), path, mode)
                else:
                    item = WorkbookItem(project.id, name, show_tabs=True)
                    server.workbooks.publish(item, path, mode, None, False, False)


def try_again() -> Retrying:
    """Return attempts at one request: more than one only for what may pass."""
    from tableauserverclient.server.endpoint.exceptions import InternalServerError

    passing = (requests.ConnectionError, requests.Timeout, InternalServerError)
    return Retrying(
        retry=retry_if_exception_type(passing), stop=stop_after_attempt(TRIES), wait=PAUSE, reraise=True
    )


@contextmanager
def explain(doing: str, server: "Server") -> Iterator[None]:
    """Raise `ShieldError` saying what was being done for whatever a server or the network refuses.

    Its text never has the token's secret, the session's token or a user name of an address.
    """
    from tableauserverclient.server.endpoint.exceptions import TableauError

    try:
        yield
    except (TableauError, requests.RequestException) as error:
        said = " ".join(redact(str(error), server).split())
        raise ShieldError(f"{doing}: {type(error).__name__}: {said:.300}") from error
    except UNREADABLE as error:
        wrong = "the server answers like no Tableau Server; does a proxy ask to log in?"
        raise ShieldError(f"{doing}: {wrong} ({type(error).__name__})") from error


def redact(text: str, server: "Server") -> str:
    """Return a text without secrets: as they are, as in XML, as in addresses."""
    is_signed_in = server.is_signed_in()  # type: ignore[no-untyped-call]
    secrets = [read_token()[1], (server.auth_token or "") if is_signed_in else ""]
    for secret in filter(None, map(str.strip, secrets)):
        for written in (secret, html.escape(secret), quote(secret, safe="")):
            text = re.sub(re.escape(written), "(secret)", text, flags=re.IGNORECASE)
    return re.sub(r"//[^\s/?#]*@", "//", text)
