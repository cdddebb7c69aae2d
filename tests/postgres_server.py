"""A PostgreSQL server of the tests' own, on a Unix socket in a folder that is thrown away.

Input: the server's programs, as Debian's package `postgresql` installs them. Output: URLs of databases.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection

OPTIONS = "-c listen_addresses='' -c fsync=off -c unix_socket_directories='{}' -c max_connections=40"
RULES = "local all locked_out scram-sha-256\nlocal all all trust\n"
OTHER_USER = "nobody"
"""Runs the server where the tests are root's: PostgreSQL refuses that."""

NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Server:
    """A running server: the folder of its socket, and its programs."""

    folder: Path
    programs: Path

    def make_database(self, owner: str = "") -> str:
        """Return the URL of a new database, which belongs to a new user where one is named."""
        name = f"test_{next(NUMBERS)}"
        with psycopg.connect(host=str(self.folder), user="postgres", autocommit=True) as connection:
            if owner:
                connection.execute(f"CREATE ROLE {owner} LOGIN PASSWORD 'right'")
            connection.execute(f"CREATE DATABASE {name}{' OWNER ' + owner if owner else ''}")
        return self.name(name, owner or "postgres")

    def name(self, database: str, user: str) -> str:
        """Return the URL of a database for a user."""
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"


def connect(url: str) -> Connection:
    """Connect to a database as its URL says, in autocommit, its views in the search path."""
    options = "-c search_path=atlshield"
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True, options=options)


def list_schemas(url: str) -> list[str]:
    """Return the schemas of a database that are not the server's own."""
    select = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information|^public' ORDER BY 1"
    with connect(url) as connection:
        return [name for (name,) in connection.execute(select)]


MISSING = "PostgreSQL's server is not installed (Debian: postgresql)"


def find_programs() -> Path | None:
    """Return the folder of the newest server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    return Path(initdb).parent if initdb else None


def run_as_other(*command: str) -> None:
    """Run a program as somebody who is not root. Raises `CalledProcessError` with what it said."""
    change = ["setpriv", f"--reuid={OTHER_USER}", "--regid=nogroup", "--clear-groups"]
    subprocess.run(
        [*(change if os.geteuid() == 0 else []), *command],
        check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def run_server(data: Path | None = None) -> Iterator[Server]:
    """Run a server while the block runs, its data in an empty folder where one is given; or skip."""
    programs = find_programs() or pytest.skip(MISSING)
    with tempfile.TemporaryDirectory(prefix="atlshield-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)  # not pytest's, which only its owner may enter, and of a short name
        data = data or folder / "data"
        data.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(folder, OTHER_USER)
            shutil.chown(data, OTHER_USER)
        run_as_other(
            str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust",
            "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip
        (data / "pg_hba.conf").write_text(RULES)
        control = [str(programs / "pg_ctl"), "-D", str(data), "-w", "-t", "120"]
        run_as_other(*control, "-l", str(folder / "log"), "-o", OPTIONS.format(folder), "start")
        try:
            yield Server(folder, programs)
        finally:
            run_as_other(*control, "-m", "immediate", "stop")
