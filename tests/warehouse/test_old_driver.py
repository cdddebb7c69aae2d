"""A published build is read by the DuckDB that an old BI driver brings."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import pytest

from tests.one_in import one_in
from warehouse.pointer import read_pointer
from warehouse.schema import TABLES
from warehouse.settings import ROOT

CACHE = ROOT / ".cache"

# Hashing a row reads every column; a view is read through the tables below it.
READ_ALL = """
import json, sys
import duckdb
names = sys.argv[2:]
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for name in names:
        connection.execute(f"SELECT bit_xor(hash({name})) FROM {name}").fetchall()
    rows = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
print(json.dumps({"version": duckdb.__version__, "rows": rows}))
"""


def install_driver(version: str) -> Path:
    """Return a folder with that DuckDB and nothing else; skip, saying why, where it cannot be had."""
    folder = CACHE / f"duckdb-{version}"
    if folder.is_dir():
        return folder
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:",
             "--retries", "0", "--timeout", "15", "--disable-pip-version-check",
             "--target", f"{work}/new", f"duckdb=={version}"],
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:]
            pytest.skip(f"DuckDB {version} cannot be installed for this Python: {reason}")
        Path(work, "new").rename(folder)
    return folder


@pytest.mark.network
@pytest.mark.parametrize("version", one_in(2, ["1.0.0", "1.1.3"]))
def test_old_driver_reads_every_table_and_view(published: Path, version: str) -> None:
    path = published / read_pointer(published).file
    names = [table.name for table in TABLES]
    done = subprocess.run(
        [sys.executable, "-S", "-c", READ_ALL, str(path), *names],  # -S: not the DuckDB of the project
        env={"PYTHONPATH": str(install_driver(version))}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in names
        }
    assert json.loads(done.stdout) == {"version": version, "rows": rows}
