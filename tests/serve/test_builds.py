"""Builds over HTTP: whole, in parts, as they were published."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from flask.testing import FlaskClient

from serve.app import create_app
from tests.serve.builds import copy_builds, damage_file, flip_middle, publish_changed
from tests.serve.client import make_client
from warehouse.pointer import PublishedBuild, read_pointer, render_pointer

CURRENT = "/v1/builds/current.duckdb"


@pytest.fixture
def build(published: Path) -> tuple[PublishedBuild, bytes]:
    """What is published, and its bytes."""
    found = read_pointer(published)
    return found, (published / found.file).read_bytes()


def test_whole_file_is_what_was_published(
    client: FlaskClient, build: tuple[PublishedBuild, bytes], tmp_path: Path
) -> None:
    published, content = build
    answer = client.get(CURRENT)
    assert answer.status_code == 200
    assert answer.data == content
    assert answer.headers["ETag"] == f'"{published.sha256}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Cache-Control"] == "no-cache"
    head = client.head(CURRENT)
    assert (head.data, head.headers["Content-Length"]) == (b"", str(len(content)))
    (tmp_path / "copy.duckdb").write_bytes(answer.data)
    with duckdb.connect(str(tmp_path / "copy.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT build_id FROM refresh_run").fetchone() == (published.build_id,)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-15", 0, 15),
        ("bytes=4096-4096", 4096, 4096),
        ("bytes=-16", -16, -1),
        ("bytes=12288-", 12288, -1),
        ("bytes=1000000-99999999999", 1_000_000, -1),
    ],
)
def test_part_of_a_file(
    client: FlaskClient, build: tuple[PublishedBuild, bytes], asked: str, first: int, last: int
) -> None:
    content = build[1]
    first, last = first % len(content), last % len(content)
    answer = client.get(CURRENT, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.data == content[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(content)}"
    assert answer.headers["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=a-b", "lines=0-1", "bytes=0-1,5-6", "0-1", "", "bytes=-99999999999"]
)
def test_range_that_means_nothing_or_several_parts_is_not_heeded(
    client: FlaskClient, asked: str
) -> None:
    answer = client.get(CURRENT, headers={"Range": asked})
    assert answer.status_code == 200
    assert "Content-Range" not in answer.headers
    assert client.head(CURRENT, headers={"Range": "bytes=0-1"}).status_code == 200


def test_range_behind_the_end_is_refused_with_the_size(
    client: FlaskClient, build: tuple[PublishedBuild, bytes]
) -> None:
    size = len(build[1])
    answer = client.get(CURRENT, headers={"Range": f"bytes={size}-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{size}"
    assert answer.get_json()["status"] == 416


def test_part_is_sent_of_the_named_file_only(
    client: FlaskClient, build: tuple[PublishedBuild, bytes]
) -> None:
    tag = f'"{build[0].sha256}"'
    for condition, status in ((tag, 206), ('"other"', 200), (f"W/{tag}", 200)):
        answer = client.get(CURRENT, headers={"Range": "bytes=0-3", "If-Range": condition})
        assert answer.status_code == status, condition
    for condition, status in ((tag, 304), (f'"x", W/{tag}', 304), ("*", 304), ('"other"', 200)):
        assert client.get(CURRENT, headers={"If-None-Match": condition}).status_code == status
    assert client.get(CURRENT, headers={"If-Match": '"other"'}).status_code == 412


@pytest.fixture
def two_builds(published: Path, tmp_path: Path) -> Iterator[tuple[FlaskClient, Path]]:
    """A client of a folder with two kept builds, the earlier with a record, and a refused one."""
    builds = copy_builds(published, tmp_path)
    publish_changed(builds, "20991231T000000Z", "CREATE TABLE later AS SELECT 1 AS n")
    current = builds / read_pointer(builds).file
    shutil.copy(current, builds / "warehouse-20991231T000001Z.duckdb.refused")
    yield make_client(create_app(builds)), builds


def test_kept_builds_are_listed_and_sent_for_ever(
    two_builds: tuple[FlaskClient, Path], build: tuple[PublishedBuild, bytes]
) -> None:
    client, builds = two_builds
    published, content = build
    listed = json.loads(client.get("/v1/builds").data)["builds"]
    assert [entry["build_id"] for entry in listed] == ["20991231T000000Z", published.build_id]
    assert [entry["is_current"] for entry in listed] == [True, False]
    assert listed[1]["bytes"] == len(content)
    assert listed[1]["sha256"] == published.sha256
    answer = client.get(f"/v1/builds/{published.build_id}.duckdb")
    assert answer.data == content
    assert answer.headers.getlist("Cache-Control") == ["max-age=31536000, immutable"]
    assert "X-Build-ID" not in answer.headers
    assert client.get(CURRENT).data == (builds / "warehouse-20991231T000000Z.duckdb").read_bytes()


@pytest.mark.parametrize("build_id", ["20991231T000001Z", "x", "..%2Fcurrent", "%00"])
def test_what_is_not_kept_is_not_sent(two_builds: tuple[FlaskClient, Path], build_id: str) -> None:
    answer = two_builds[0].get(f"/v1/builds/{build_id}.duckdb")
    assert answer.status_code == 404
    assert answer.get_json()["detail"]


def test_damaged_build_and_one_without_a_record_are_not_sent(
    two_builds: tuple[FlaskClient, Path], build: tuple[PublishedBuild, bytes]
) -> None:
    client, builds = two_builds
    published, content = build
    address = f"/v1/builds/{published.build_id}.duckdb"
    assert client.get(address).status_code == 200
    damage_file(builds / published.file, flip_middle(content))
    answer = client.get(address)
    assert answer.status_code == 404
    assert "is damaged" in answer.get_json()["detail"]
    record = (builds / published.file).with_suffix(".json")
    record.unlink()
    assert "has no record" in client.get(address).get_json()["detail"]
    assert len(json.loads(client.get("/v1/builds").data)["builds"]) == 1
    damage_file(builds / published.file, content)
    record.write_text(render_pointer(published))
    assert client.get(address).status_code == 200


def test_file_that_is_swept_away_is_sent_to_its_end(
    two_builds: tuple[FlaskClient, Path], build: tuple[PublishedBuild, bytes]
) -> None:
    client, builds = two_builds
    published, content = build
    answer = client.get(f"/v1/builds/{published.build_id}.duckdb", buffered=False)
    parts = iter(answer.iter_encoded())
    first = next(parts)
    (builds / published.file).unlink()
    assert first + b"".join(parts) == content
    answer.close()
    assert client.get(f"/v1/builds/{published.build_id}.duckdb").status_code == 404
