"""Mirrors that die or cannot be made: the old one stays, the error is one line without a password."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pytest

pytest.importorskip("psycopg", reason="`make .venv/postgres` installs what a mirror needs")

from tests.postgres_server import Server, connect, list_schemas, run_server
from tests.warehouse.mirrors import fail, mirror, read_stamps, read_views
from tests.warehouse.test_faults import mount_memory
from tests.warehouse.test_readers import publish_stamped
from warehouse import postgres, settings
from warehouse.table import Table

PATIENCE = 60
"""Seconds after which a test that hangs is given up; nothing is measured by it."""

SECRET = "hunter2"  # noqa: S105  # nobody's


def start_mirror(builds: Path, url: str) -> "subprocess.Popen[bytes]":
    """Start a mirror in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "warehouse", "--builds", str(builds), "mirror", url], cwd=settings.ROOT
    )


def check_kills(builds: Path, url: str, moments: "list[float]") -> None:
    """Kill mirrors of build 2 at moments, as parts of the time that one takes; the old one must stay."""
    assert start_mirror(builds, url).wait(PATIENCE) == 0
    start = time.monotonic()
    assert start_mirror(builds, url).wait(PATIENCE) == 0
    seconds = 3 * (time.monotonic() - start)  # one that copies takes longer than one that compares
    publish_stamped(builds, 2)
    for moment in moments:
        process = start_mirror(builds, url)
        try:
            process.wait(moment * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
        assert len(read_views(url)) == 1
    assert start_mirror(builds, url).wait(PATIENCE) == 0
    assert read_views(url) == {"0002"}
    assert list_schemas(url) == ["atlshield", "atlshield_0001", "atlshield_0002"]


@pytest.mark.slow
def test_killed_mirror_leaves_the_old_one(builds: Path, url: str) -> None:
    check_kills(builds, url, [0.4])


@pytest.mark.slow
def test_mirrors_killed_at_ten_random_moments_leave_the_old_one(builds: Path, url: str) -> None:
    check_kills(builds, url, np.random.default_rng(1).uniform(0.1, 1, 10).tolist())


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (SECRET, "none of a database: expected postgresql+psycopg://"),
        (f"mysql://user:{SECRET}@here/there", "none of a PostgreSQL database"),
        (f"postgresql+psycopg://user:p@{SECRET}@here/there", "@ in a password as %40"),
        (f"postgresql+psycopg://user:p@here:{SECRET}/there", "none of a database"),
        (f"postgresql+psycopg://user:{SECRET}@localhost:1/there", "refused"),
        (f"postgresql+psycopg://user@/there?host=/nowhere&password={SECRET}", "No such file"),
    ],
)
def test_wrong_address_is_told_without_its_password(
    address: str, said: str, builds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = fail(builds, address, capsys)
    assert said in told
    assert SECRET not in told


def test_password_comes_from_the_url_the_environment_or_a_file(
    builds: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    url = server.make_database("locked_out")
    told = fail(builds, url.replace("locked_out@", f"locked_out:{SECRET}@"), capsys)
    assert "password authentication failed for user" in told and SECRET not in told
    assert "no password supplied" in fail(builds, url, capsys)
    mirror(builds, url.replace("locked_out@", "locked_out:right@"))
    monkeypatch.setenv("PGPASSWORD", "right")
    mirror(builds, url)
    monkeypatch.delenv("PGPASSWORD")
    file = tmp_path / "pgpass"
    file.write_text("*:*:*:locked_out:right\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    mirror(builds, url)


def test_user_without_rights_is_told_which(
    builds: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror(builds, server.make_database())  # so that the role is there
    own = server.make_database("owner_only")
    other = server.make_database().replace("postgres@", "owner_only@")
    assert "permission denied for database test_" in fail(builds, other, capsys)
    assert list_schemas(other) == []
    with connect(other.replace("owner_only@", "postgres@")) as connection:
        connection.execute("ALTER ROLE atlshield_reader RENAME TO away")
    try:
        mirror(builds, own)
        assert "owner_only may not create roles" in capsys.readouterr().out
    finally:
        with connect(other.replace("owner_only@", "postgres@")) as connection:
            connection.execute("ALTER ROLE away RENAME TO atlshield_reader")
    mirror(builds, own)
    with connect(own.replace("owner_only@", "postgres@")) as connection:
        connection.execute("SET ROLE atlshield_reader")
        assert read_stamps(connection) == {"0001"}


def test_server_that_is_too_old_and_a_schema_that_is_no_mirror_are_refused(
    builds: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect(url) as connection:
        connection.execute("CREATE SCHEMA atlshield; CREATE VIEW atlshield.mine AS SELECT 1 AS one")
    assert '"atlshield" already exists' in fail(builds, url, capsys)
    assert list_schemas(url) == ["atlshield"]
    monkeypatch.setattr(postgres, "MIN_VERSION", 99)
    assert "expected PostgreSQL 99 or later, found" in fail(builds, url, capsys)


def write_half(build: duckdb.DuckDBPyConnection, table: Table, pipe: int) -> None:
    """Stand in for an engine that loses rows."""
    os.close(pipe)


def write_badly(build: duckdb.DuckDBPyConnection, table: Table, pipe: int) -> None:
    """Stand in for an engine that finds its file damaged."""
    os.close(pipe)
    raise duckdb.IOException("a block is damaged")


def write_wrongly(build: duckdb.DuckDBPyConnection, table: Table, pipe: int) -> None:
    """Stand in for an engine that the server does not understand, and that writes on."""
    with os.fdopen(pipe, "wb") as stream:
        stream.write(b"what,ever\n" * 100_000)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (write_half, "neighborhood: count(*): expected 1, found 0"),
        (write_badly, "a block is damaged"),
        (write_wrongly, "(COPY holiday, line 1"),
    ],
)
def test_copy_that_fails_or_differs_changes_nothing(
    write: object, said: str, builds: Path, url: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    mirror(builds, url)
    publish_stamped(builds, 2)
    monkeypatch.setattr("warehouse.mirror.write_csv", write)
    assert said in fail(builds, url, capsys)
    assert read_views(url) == {"0001"}
    assert list_schemas(url) == ["atlshield", "atlshield_0001"]


def test_server_that_dies_is_told_in_one_line(
    builds: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def end_connection(build: duckdb.DuckDBPyConnection, table: Table, pipe: int) -> None:
        with connect(url) as other:
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            other.execute(f"{end} WHERE application_name = 'atlshield'")
        write_wrongly(build, table, pipe)

    monkeypatch.setattr("warehouse.mirror.write_csv", end_connection)
    assert re.search("terminat|closed", fail(builds, url, capsys))
    assert not caplog.records
    assert list_schemas(url) == []


@pytest.mark.slow
def test_command_whose_server_dies_while_it_copies_ends_with_a_word(published: Path, url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "warehouse", "--builds", str(published), "mirror", url],
        cwd=settings.ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    with connect(url) as other:
        while process.poll() is None:
            if other.execute(f"{end} WHERE query LIKE 'COPY forecast_category %'").fetchall():
                break
            time.sleep(0.01)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, "the pipe's writer must not end the process"
    assert said.count("\n") == 1 and said.startswith("error: ")


def test_missing_driver_is_told(
    builds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "warehouse.mirror", None)
    assert "needs `make .venv/postgres` first" in fail(builds, "postgresql://u@h/d", capsys)


@pytest.mark.slow
def test_full_disk_of_the_server_is_told_and_changes_nothing(
    builds: Path, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = Path(tempfile.mkdtemp(prefix="atlshield-disk-"))  # not pytest's: the server is another user
    mount_memory(disk, "-t", "tmpfs", "-o", "size=120m", "tmpfs")
    try:
        with run_server(disk) as small:
            url = small.make_database()
            mirror(builds, url)
            filler = shutil.disk_usage(disk).free - 2_000_000
            (disk / "filler").write_bytes(bytes(filler))
            assert "No space left on device" in fail(published, url, capsys)
            (disk / "filler").unlink()
            assert read_views(url) == {"0001"}
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S607
        disk.rmdir()
