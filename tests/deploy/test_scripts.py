"""Scripts and units of `deploy/`, and `run.sh`: read by their own checkers, and run."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.load import find_port
from tests.serve.builds import wait_until
from warehouse.operation import Operation
from warehouse.settings import ROOT

SCRIPTS = sorted([ROOT / "run.sh", *(ROOT / "deploy").glob("*.sh")])
ROOMS = ("warehouse", "serve", "etl", "models", "refresh.py")
UNITS = sorted([*(ROOT / "deploy").glob("*.service"), *(ROOT / "deploy").glob("*.timer")])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_pass_shellcheck(script: Path) -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    found = subprocess.run([checker, script], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()


ANALYZE = shutil.which("systemd-analyze")


@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze here")
def test_units_are_as_systemd_wants_them(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text().replace("/opt/atlshield", str(ROOT))
        (tmp_path / unit.name).write_text(text.replace("User=atlshield", "User=root"))
    paths = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", *paths], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_proxy_leads_to_where_the_service_listens_by_default() -> None:
    path = ROOT / "deploy" / "Caddyfile"
    settings = Operation()
    assert f"reverse_proxy {settings.host}:{settings.port}\n" in path.read_text()
    if caddy := shutil.which("caddy"):
        done = subprocess.run(
            [caddy, "validate", "--adapter", "caddyfile", "--config", path],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_memory_of_both_units_fits_a_small_machine() -> None:
    limits = [
        int(line.removeprefix("MemoryMax=").removesuffix("M"))
        for unit in UNITS for line in unit.read_text().splitlines() if line.startswith("MemoryMax=")
    ]  # fmt: skip
    assert len(limits) == 2
    assert sum(limits) <= 2_048


def run(folder: Path, *words: str, **variables: str) -> tuple[int, str, str]:
    """Run a copy of `run.sh` in a folder; return its exit code, output and errors."""
    done = subprocess.run(
        [folder / "run.sh", *words], capture_output=True, text=True, check=False,
        env={**os.environ, **variables}, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that looks like the clone, with no log and no service of anybody else."""
    for name in (".venv", "Makefile", "requirements.lock", "data", *ROOMS):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "run.sh", tmp_path)
    return tmp_path


@pytest.mark.server
@pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock here")
def test_service_in_the_background_starts_once_and_stops(folder: Path, published: Path) -> None:
    variables = {"ATLSHIELD_BUILDS": str(published), "ATLSHIELD_PORT": str(find_port())}
    assert run(folder, "stop") == (1, "", "error: it does not run\n")
    assert run(folder, "status")[0] == 1
    try:
        code, out, errors = run(folder, **variables)
        assert code == 0, errors
        assert f"tail -f {folder}/atlShield.log" in out
        assert run(folder, "status", **variables) == (0, out, "")
        code, _, errors = run(folder, "start", **variables)
        assert code == 1
        assert errors == f"error: it runs already: {out}"
        process = int((folder / ".run.lock").read_text())
        os.kill(process, signal.SIGKILL)  # its worker goes on
        alone = f"ATLShield's worker goes on alone, process {process} was killed: "
        alone += "./run.sh stop, then ./run.sh\n"
        assert run(folder, "status", **variables) == (0, alone, "")
        assert run(folder, "start", **variables) == (1, "", f"error: it runs already: {alone}")
    finally:
        assert run(folder, "stop") == (0, "ATLShield has ended\n", "")
    assert run(folder, "stop")[0] == 1


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock here")
def test_service_whose_worker_was_killed_ends_and_starts_again(folder: Path, published: Path) -> None:
    variables = {"ATLSHIELD_BUILDS": str(published), "ATLSHIELD_PORT": str(find_port())}
    try:
        for _ in range(2):
            assert run(folder, **variables)[0] == 0
            process = (folder / ".run.lock").read_text().strip()
            (worker,) = Path(f"/proc/{process}/task/{process}/children").read_text().split()
            os.kill(int(worker), signal.SIGKILL)
            wait_until(lambda: run(folder, "status")[0] == 1)
        assert "Unexpected exit from worker" in (folder / "atlShield.log").read_text()
    finally:
        run(folder, "stop")


@pytest.mark.server
@pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock here")
def test_log_begins_anew_at_the_start_and_while_the_service_runs(folder: Path, published: Path) -> None:
    variables = {"ATLSHIELD_BUILDS": str(published), "ATLSHIELD_PORT": str(find_port()),
                 "ATLSHIELD_LOG_MEGABYTES": "1"}  # fmt: skip
    log, before = folder / "atlShield.log", folder / "atlShield.log.1"
    log.write_text("a" * 1_000_000)
    inode = log.stat().st_ino
    try:
        assert run(folder, **variables)[0] == 0
        assert (log.stat().st_size < 1_000_000, before.read_text()) == (True, "a" * 1_000_000)
        with log.open("a") as stream:  # as the service does
            stream.write("b" * 1_000_000)
            stream.flush()
            wait_until(lambda: log.stat().st_size < 1_000_000, 60)
            stream.write("c")
        assert before.read_text().endswith("b" * 1_000_000)
        assert log.read_text().endswith("c")
        assert log.stat().st_ino == inode, "`tail -f` goes on"
        assert (folder / ".run.lock").read_text() != ""
    finally:
        assert run(folder, "stop") == (0, "ATLShield has ended\n", "")
    assert (folder / ".run.lock").read_text() == "", "nobody expects it to answer"


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock here")
def test_of_two_that_start_at_once_one_is_kept(folder: Path, published: Path) -> None:
    variables = {"ATLSHIELD_BUILDS": str(published), "ATLSHIELD_PORT": str(find_port())}
    with ThreadPoolExecutor(2) as pool:
        codes = [code for code, _, _ in pool.map(lambda _: run(folder, **variables), range(2))]
    assert run(folder, "stop") == (0, "ATLShield has ended\n", "")
    assert sorted(codes) in ([0, 0], [0, 1])


@pytest.mark.server
@pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock here")
def test_service_that_cannot_start_says_why(folder: Path, published: Path) -> None:
    code, _, errors = run(folder, ATLSHIELD_PORT="no")
    assert code == 1
    assert "ATLSHIELD_PORT: port: found 'no'" in errors
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, errors = run(folder, ATLSHIELD_BUILDS=str(published), ATLSHIELD_PORT=port)
    assert code == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in errors
    assert run(folder, "status")[0] == 1
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        port = str(other.server_port)
        code, _, errors = run(folder, ATLSHIELD_BUILDS=str(published), ATLSHIELD_PORT=port)
        other.shutdown()
    assert (code, errors) == (1, f"error: something else answers at 127.0.0.1 port {port} already\n")
    code, _, errors = run(folder, "begin")
    assert (code, errors) == (1, "error: expected start, stop or status; found begin\n")


def tell_failure(folder: Path, command: str) -> tuple[int, str]:
    """Tell an operator's command of a failed unit with a made-up journal; return code and output."""
    journal = folder / "journalctl"
    journal.write_text('#!/bin/sh\necho "journal $*"; echo "error: no network"\n')
    journal.chmod(0o755)
    done = subprocess.run(
        [ROOT / "deploy" / "tell_failure.sh", "atlshield-refresh.service"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "ATLSHIELD_ON_FAILURE": command, "PATH": f"{folder}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_operator_s_command_gets_the_unit_and_its_last_lines(tmp_path: Path) -> None:
    journal = "journal --unit atlshield-refresh.service --lines 30 --output cat --no-pager"
    told = f"atlshield-refresh.service failed\n{journal}\nerror: no network\n"
    assert tell_failure(tmp_path, 'echo "$FAILED_UNIT failed"; cat') == (0, told)
    assert tell_failure(tmp_path, "") == (0, "")
    assert tell_failure(tmp_path, "cat >/dev/null; exit 3") == (3, "")


def test_journal_has_the_failure_that_nobody_was_told_of() -> None:
    done = subprocess.run(
        [ROOT / "deploy" / "tell_failure.sh", "atlshield-refresh.service"],
        capture_output=True, text=True, check=False, env={**os.environ, "ATLSHIELD_PORT": "no"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    told = "error: nobody was told that atlshield-refresh.service failed: the settings cannot be read\n"
    assert "ATLSHIELD_PORT: port: found 'no'" in done.stderr
    assert done.stderr.endswith(told)
