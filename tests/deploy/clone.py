"""A clone of this project that may be upgraded: what its operator does, and what it is then.

The upstream is this project with a quick refresh, which publishes the last build again, and with
environments that take their packages from ours.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.load import find_port
from tests.raw import write_daily
from warehouse.operation import PREFIX
from warehouse.pointer import read_pointer
from warehouse.settings import ROOT

BASE = str(sys._base_executable)  # type: ignore[attr-defined]
PACKAGES = next(path for path in sys.path if path.endswith("site-packages"))

QUICK_REFRESH = '''"""A refresh that publishes the last build again, under a new id."""

import datetime as dt
import shutil
import sys

import duckdb

from warehouse.command import load_operation, run_command
from warehouse.errors import ShieldError
from warehouse.files import REFRESH, hold_lock
from warehouse.pointer import read_pointer
from warehouse.publish import publish_build
from warehouse.records import name_build
from warehouse.settings import CITIES_DIR, VERSION


def refresh() -> None:
    builds = load_operation().builds
    with hold_lock(builds, REFRESH):
        build_id = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%fZ}"
        print(f"refresh    {build_id}", flush=True)
        partial = builds / f"{name_build(build_id)}.partial"
        shutil.copyfile(builds / read_pointer(builds).file, partial)
        with duckdb.connect(partial) as connection:
            run = "UPDATE refresh_run SET build_id = ?, atlshield_version = ?, city = ?"
            own_city = "own city" if (CITIES_DIR / "own.toml").exists() else "Atlanta"
            connection.execute(run, [build_id, VERSION, own_city])
        publish_build(builds, build_id, partial)
    if "--force" in sys.argv:
        raise ShieldError("forced")


sys.exit(run_command(refresh))
'''


def own_environment() -> dict[str, str]:
    """Return our environment without settings, and without what a make that runs the tests says."""
    return {
        key: text for key, text in os.environ.items() if not key.startswith((PREFIX, "MAKE", "MFLAGS"))
    }


def call(folder: Path, *words: str | Path) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, env=own_environment()
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@dataclass
class Clone:
    """A clone of an upstream that a test may change, with a published build and perhaps a service."""

    folder: Path
    upstream: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The commit that the clone is at."""
        return call(self.folder, "git", "rev-parse", "HEAD")

    @property
    def build(self) -> str:
        """The id of the published build."""
        return read_pointer(self.folder / "data" / "builds").build_id

    @property
    def state(self) -> tuple[str, str, str]:
        """Version, build and packages: what an upgrade changes or leaves, all at once."""
        assert call(self.folder, "git", "status", "--porcelain", "--untracked-files=no") == ""
        assert not (self.folder / ".upgrade").exists()
        packages = (self.folder / ".venv" / "runtime").read_text()
        assert packages == (self.folder / "requirements.lock").read_text()
        call(self.folder, "make", "--question", ".venv/runtime")  # nothing is left to install
        call(self.folder, ".venv/bin/python", "-m", "warehouse", "list")
        return self.version, self.build, packages

    def commit(self, changes: dict[str, tuple[str, str]], **files: str) -> str:
        """Commit texts that replace others, and new files, to the upstream; return the commit."""
        for name, (old, new) in changes.items():
            text = (self.upstream / name).read_text()
            assert old in text
            (self.upstream / name).write_text(text.replace(old, new))
        for name, text in files.items():
            (self.upstream / "serve" / f"{name}.py").write_text(text)
        call(self.upstream, "git", "add", "--all")
        call(self.upstream, "git", "commit", "--quiet", "--message", "A change")
        return call(self.upstream, "git", "rev-parse", "HEAD")

    def run(self, *words: str, **variables: str) -> tuple[int, str, str]:
        """Run a command in the clone, as its operator would; return exit code, output and errors."""
        done = subprocess.run(
            words, cwd=self.folder, capture_output=True, text=True, check=False, timeout=300,
            env={**self.environment, **variables},
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def upgrade(self, *words: str, **variables: str) -> tuple[int, str, str]:
        """Run `make upgrade`."""
        return self.run("make", "upgrade", *words, **variables)


def ask(port: str, path: str) -> dict[str, Any]:
    """Return what the service answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return dict(json.load(answer))


def start(clone: Clone) -> str:
    """Start the service on a port that its own environment says; return the port."""
    port = str(find_port())
    code, _, errors = clone.run("./run.sh", ATLSHIELD_PORT=port, ATLSHIELD_LOG_REQUESTS="true")
    assert code == 0, errors
    return port


def responds(port: str) -> bool:
    """Return whether the service answers at all."""
    try:
        return bool(ask(port, "/livez"))
    except (urllib.error.URLError, ConnectionError):
        return False


def write_tools(clone: Clone, folder: Path, **tools: str) -> None:
    """Put tools before the system's on the clone's path."""
    folder.mkdir()
    for name, text in tools.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    clone.environment["PATH"] = f"{folder}:{clone.environment['PATH']}"


def make_clone(root: Path, builds: Path) -> Clone:
    """Return a clone with settings and a copy of the builds in it."""
    upstream, folder = root / "upstream", root / "clone"
    for name in call(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").split("\n"):
        if (ROOT / name).exists():
            (upstream / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, upstream / name)
    call(upstream, "git", "init", "--quiet")
    for key, value in (("user.name", "a"), ("user.email", "a@b.example"), ("gc.auto", "0")):
        call(upstream, "git", "config", key, value)
    (upstream / "refresh.py").write_text(QUICK_REFRESH)
    take_ours = f"echo {shlex.quote(PACKAGES)} > $$(ls -d .venv/lib/python*/site-packages)/ours.pth"
    made = Clone(folder, upstream, own_environment())
    install = "$(RUN) pip install --quiet --disable-pip-version-check -r requirements.lock"
    made.commit({"Makefile": (f"{install}\n\t@cp", f"{take_ours}\n\t@cp")})
    made.commit({"Makefile": ("-m venv .venv\n", "-m venv --without-pip .venv\n")})
    call(root, "git", "clone", "--quiet", upstream, folder)
    call(folder, "make", f"PYTHON={BASE}", ".venv/runtime")
    shutil.copytree(builds, folder / "data" / "builds", symlinks=True)
    write_daily(folder / "daily.csv")
    made.environment |= {"OPENBLAS_NUM_THREADS": "1"}
    (folder / "atlshield.toml").write_text('source = "files"\nraw = ["daily.csv"]\n')
    (folder / "data" / "cities" / "own.toml").touch()
    return made
