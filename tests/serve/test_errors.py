"""Errors that are the machine's: what it lacks is said, nobody is called wrong for it."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from serve.app import create_app
from serve.current_build import find_current_build
from tests.serve.builds import copy_builds
from tests.serve.client import make_client
from warehouse.operation import Operation
from warehouse.pointer import read_pointer

KEY = {"Authorization": f"Bearer {'k' * 20}"}


@pytest.fixture(scope="module")
def without_file(published: Path, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A client of an application whose build was removed, and whose engine has closed it."""
    builds = copy_builds(published, tmp_path_factory.mktemp("gone"))
    app = create_app(Operation(builds=builds, api_keys=("k" * 20,), sql=True))
    (builds / read_pointer(builds).file).unlink()
    with app.app_context():
        served = find_current_build().get()
    assert served is not None
    served.engine.dispose()
    return make_client(app)


@pytest.mark.parametrize(
    "address",
    ["/v1/queries/busiest_neighborhoods?month=1", "/v1/tables", "/v1/tables/offense",
     "/v1/tables/offense.csv", "/v1/tables/offense.parquet", "/charts/month/Downtown.json"],
)  # fmt: skip
def test_file_that_is_gone_is_the_service_s_error(without_file: FlaskClient, address: str) -> None:
    answer = without_file.get(address, headers=KEY)
    problem = json.loads(answer.data)
    assert answer.status_code == 503, problem
    assert ".duckdb cannot be read: " in problem["detail"]
    assert "/" not in problem["detail"]
    assert answer.headers["Retry-After"]


def test_statement_on_a_file_that_is_gone_is_not_wrong(without_file: FlaskClient) -> None:
    answer = without_file.post("/v1/sql", json={"sql": "SELECT 1"}, headers=KEY)
    problem = answer.get_json()
    assert answer.status_code == 503, problem
    assert "does not exist" in problem["detail"]
    assert "/" not in problem["detail"]


@contextmanager
def name_folder(folder: Path) -> Iterator[str]:
    """Stand for a new folder of temporary files."""
    yield str(folder)


def test_folder_of_temporary_files_that_is_full_or_missing_is_named(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "offense.parquet").symlink_to("/dev/full")
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryDirectory", lambda: name_folder(tmp_path))
        full = client.get("/v1/tables/offense.parquet")
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
        missing = client.get("/v1/tables/offense.parquet")
    for answer, reason in ((full, "No space left on device"), (missing, "No such file or directory")):
        assert answer.status_code == 507
        assert answer.get_json()["detail"] == (
            f"the folder of temporary files (TMPDIR) cannot hold offense.parquet: {reason}"
        )
    assert client.get("/v1/tables/offense.parquet").status_code == 200
