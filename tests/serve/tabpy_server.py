"""A real TabPy in an environment of its own, started as `make tabpy` does.

Input: a folder. Output: its address; an environment that stays in `.cache`.
"""

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.serve.builds import wait_until
from warehouse.settings import ROOT

LOCK = ROOT / "requirements-tabpy.lock"
USER, PASSWORD = "tableau", "correct-horse-battery"


def find_python() -> Path:
    """Return a Python that has the TabPy of the lock file; skip, saying why, where it cannot be had."""
    folder = ROOT / ".cache" / f"tabpy-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--retries", "0", "--timeout", "15",
         "--disable-pip-version-check", "-r", LOCK],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"TabPy cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    (folder / "ready").touch()
    return python


def start(python: Path, state: Path, port: int, **environment: str) -> "subprocess.Popen[str]":
    """Start TabPy; its log goes to `state`.log."""
    with state.with_suffix(".log").open("a") as log:
        return subprocess.Popen(
            [python, "-P", "serve/start_tabpy.py", "--port", str(port), "--state", state],
            cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log, text=True,
        )  # fmt: skip


@contextmanager
def run_tabpy(python: Path, **environment: str) -> Iterator[str]:
    """Run a TabPy that answers; stop it in the end."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        state, address = Path(folder, "the state (1)"), f"http://127.0.0.1:{port}"
        process = start(python, state, port, TABPY_USER=USER, TABPY_PASSWORD=PASSWORD, **environment)
        try:
            wait_until(lambda: is_answering(address, process), 60)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=20)
            log = state.with_suffix(".log").read_text()
        assert PASSWORD not in log and "DEBUG" not in log


def is_answering(address: str, process: "subprocess.Popen[str]") -> bool:
    """Return whether TabPy answers."""
    assert process.poll() is None, "TabPy has ended"
    try:
        return ask(address, "/info").ok
    except requests.ConnectionError:
        return False


def ask(
    address: str, path: str, body: object = None, user: str = USER, password: str = PASSWORD
) -> requests.Response:
    """Return the answer to a request, with a password unless it is empty."""
    method = "GET" if body is None else "POST"
    auth = (user, password) if password else None
    return requests.request(method, address + path, json=body, auth=auth, timeout=60)


def make_script(name: str, arguments: list[Any]) -> dict[str, Any]:
    """Return what Tableau posts for the calculated field of the README."""
    names = [f"_arg{number}" for number in range(1, 1 + len(arguments))]
    script = (
        f"answer = tabpy.query('{name}', {', '.join(names)})\n"
        "assert 'response' in answer, answer\nreturn answer['response']"
    )
    return {"script": script, "data": dict(zip(names, arguments, strict=True))}
