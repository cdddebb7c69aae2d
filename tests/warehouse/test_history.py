"""Kept builds: what makes one whole, and what is left of the others when one comes back."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.tables import fill
from warehouse.build import open_build
from warehouse.errors import SchemaError, ShieldError
from warehouse.files import PARTIAL, hash_file
from warehouse.history import check_hash, read_lineage, roll_back, verify_build
from warehouse.pointer import POINTER, PublishedBuild, read_pointer
from warehouse.publish import publish_build
from warehouse.records import list_builds, name_record
from warehouse.tables_forecast import MODEL_CARD_TABLE
from warehouse.tables_lineage import REFRESH_RUN_TABLE


def publish(builds: Path, build_id: str, section: str = "") -> Path:
    """Publish a build that holds its lineage and a section of a model card; return its file."""
    partial = builds / f"{build_id}.written"
    with open_build(build_id, partial) as build:
        build.data_source = "test"
        fill(build, REFRESH_RUN_TABLE, f"build_id\n{build_id}")
        fill(build, MODEL_CARD_TABLE, "section_number\n1", section=section)
    return builds / publish_build(builds, build_id, partial).file


def accept(_: object) -> None:
    """Stand in for an audit that finds nothing."""


def test_lineage_is_one_row_by_column(tmp_path: Path) -> None:
    run = read_lineage(publish(tmp_path, "a"))
    assert tuple(run) == REFRESH_RUN_TABLE.column_names
    assert run["build_id"] == "a"


def test_build_without_lineage_is_not_published(tmp_path: Path) -> None:
    with open_build("a", tmp_path / "a.written"):
        pass
    with pytest.raises(ShieldError, match=r"^a\.written cannot be read back: a\.written has no lineage"):
        publish_build(tmp_path, "a", tmp_path / "a.written")


def test_file_that_is_no_build_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "a.written").write_text("no database\n" * 1000)
    with pytest.raises(ShieldError, match=r"^a\.written cannot be read back: ") as caught:
        publish_build(tmp_path, "a", tmp_path / "a.written")
    assert str(caught.value).count("cannot be read") == 1


def test_whole_file_that_is_no_fit_build_is_not_verified(tmp_path: Path) -> None:
    path = publish(tmp_path, "a")
    assert check_hash(path) == read_pointer(tmp_path)
    with pytest.raises(SchemaError, match="not fit to publish"):
        verify_build(path)


def test_verifying_reads_a_build_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.history.audit_build", accept)
    path = publish(tmp_path, "a", section=np.random.default_rng(1).bytes(2**19).hex())
    assert verify_build(path) == read_pointer(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF  # within the section: the lineage can still be read
    path.chmod(0o600)
    path.write_bytes(content)
    with pytest.raises(ShieldError, match="is damaged: SHA-256 is"):
        verify_build(path)
    for record in (tmp_path / POINTER, tmp_path / name_record("a")):
        record.write_text(json.dumps(json.loads(record.read_text()) | {"sha256": hash_file(path)}))
    assert read_lineage(path)["build_id"] == "a"
    with pytest.raises(ShieldError, match="cannot be read back"):
        verify_build(path)


def test_build_published_by_a_refresh_that_died_is_kept_when_another_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.history.audit_build", accept)
    first, second = publish(tmp_path, "a"), publish(tmp_path, "b")
    record = tmp_path / name_record("b")
    record.rename(record.with_name(record.name + PARTIAL))  # it died right after the pointer moved
    back: PublishedBuild = roll_back(tmp_path)
    assert (back.file, read_pointer(tmp_path)) == (first.name, back)
    assert (tmp_path / "current.duckdb").readlink() == Path(first.name)
    assert list_builds(tmp_path) == [first, second]
    assert roll_back(tmp_path, "b").file == second.name
