"""A replica: it has what its source serves or what it had, whatever happens on the way."""

import errno
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tenacity import wait_none

from refresh import Request, refresh
from tests.kill import disturb_call, list_damage, list_left_over
from tests.one_in import one_in
from tests.serve.builds import flip_middle, publish_changed
from tests.warehouse.source_service import SourceService, StartResponse, answer_with, run_source
from warehouse import download
from warehouse.__main__ import main
from warehouse.backup import list_finished
from warehouse.errors import ShieldError
from warehouse.files import PARTIAL
from warehouse.follow import FOLLOWED, SPARE_MB, follow, read_followed
from warehouse.operation import Operation
from warehouse.pointer import PublishedBuild, move_pointer, read_pointer
from warehouse.records import list_builds
from warehouse.refresh_record import RECORD
from warehouse.status import look_at_failure, look_at_last_refresh
from warehouse.track import TRACK

KEY = "0123456789abcdef"
LATER = ("29991231T000001Z", "29991231T000002Z", "29991231T000003Z")


class Pair(NamedTuple):
    """A source with its folder of builds, and the settings of a replica."""

    source: SourceService
    origin: Path
    replica: Operation

    def follow(self) -> PublishedBuild | None:
        """Follow once."""
        return follow(self.source.address, self.replica)

    def publish(self, build_id: str, *statements: str) -> PublishedBuild:
        """Publish another build at the source."""
        told = f"UPDATE refresh_run SET build_id = '{build_id}'"
        published = publish_changed(self.origin, build_id, told, *statements, "CHECKPOINT")
        self.source.look()
        return published

    @property
    def content(self) -> bytes:
        """The file that the source has published."""
        return (self.origin / read_pointer(self.origin).file).read_bytes()

    @property
    def draft(self) -> Path:
        """Where the replica downloads it."""
        return self.replica.builds / f"{read_pointer(self.origin).file}{PARTIAL}"


@pytest.fixture
def pair(daily_builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """A source that has a build, and a replica that has none and waits for nothing."""
    monkeypatch.setattr(download, "PAUSE", wait_none())
    with run_source(daily_builds) as source:
        yield Pair(source, daily_builds, Operation(builds=tmp_path / "replica", kept_builds=2))


def test_replica_follows_forth_and_back(pair: Pair) -> None:
    builds, first = pair.replica.builds, read_pointer(pair.origin)
    assert pair.follow() == first == read_pointer(builds)
    assert (builds / "current.duckdb").read_bytes() == pair.content
    assert (builds / TRACK / f"{first.build_id}.parquet").exists()
    pair.source.take()
    assert pair.follow() is None
    assert pair.source.take() == (["/v1/builds"], 0)
    later = [pair.publish(build_id) for build_id in LATER[:1]]
    assert pair.follow() == later[0] == read_pointer(builds)
    move_pointer(pair.origin, first)  # as a rollback does
    pair.source.look()
    pair.source.take()
    assert pair.follow() == first == read_pointer(builds)
    assert pair.source.take() == (["/v1/builds"], 0), "the replica has kept it"
    later += [pair.publish(build_id) for build_id in LATER[1:]]
    assert pair.follow() == later[-1]
    assert [path.name for path in list_builds(builds)] == [later[0].file, later[-1].file]
    followed = read_followed(builds)
    assert followed
    assert followed.city == "Atlanta"
    assert set(followed.build_ids) >= {later[0].build_id, later[-1].build_id}
    assert (list_damage(builds), list_left_over(builds)) == ([], [FOLLOWED])


@pytest.mark.parametrize("part", [1, 100_000, None])
def test_what_was_downloaded_before_is_not_asked_for_again(pair: Pair, part: int | None) -> None:
    content = pair.content
    pair.replica.builds.mkdir()
    pair.draft.write_bytes(content[:part])
    (pair.replica.builds / f"warehouse-20200101T000000Z.duckdb{PARTIAL}").write_bytes(b"of another")
    published = read_pointer(pair.origin)
    assert pair.follow() == published
    asked = [environ["HTTP_IF_RANGE"] for environ in pair.source.requests if "HTTP_RANGE" in environ]
    assert asked == [f'"{published.sha256}"'] * (part is not None)
    assert pair.source.take()[1] == len(content) - len(content[:part])
    assert list_left_over(pair.replica.builds) == [FOLLOWED]


def test_part_is_no_file_of_a_backup(pair: Pair) -> None:
    pair.replica.builds.mkdir()
    pair.draft.write_bytes(b"half")
    assert list(list_finished(pair.replica.builds)) == []


def test_part_that_is_longer_than_the_build_is_downloaded_anew(pair: Pair) -> None:
    pair.replica.builds.mkdir()
    pair.draft.write_bytes(pair.content + b"more")
    pair.follow()
    assert pair.source.take()[1] == len(pair.content)


def test_part_of_another_file_of_that_name_is_found_by_its_hash(pair: Pair) -> None:
    pair.replica.builds.mkdir()
    pair.draft.write_bytes(b"other" * 1000)
    with pytest.raises(
        ShieldError, match=r"came damaged: SHA-256 is \w{64}, expected \w{64}; it was rem"
    ):
        pair.follow()
    assert list(list_builds(pair.replica.builds)) == []
    assert not pair.draft.exists()
    assert pair.follow() == read_pointer(pair.origin)


def test_source_that_changes_the_file_meanwhile_sends_it_whole(pair: Pair) -> None:
    pair.replica.builds.mkdir()
    pair.draft.write_bytes(pair.content[:1000])
    app = pair.source.answer

    def answer(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        environ["HTTP_IF_RANGE"] = '"another"'
        return app(environ, start)

    pair.source.answer = answer
    assert pair.follow() == read_pointer(pair.origin)
    assert pair.source.take()[1] == len(pair.content)


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        ("200 OK", (), r"expected \d+ bytes, found more"),
        ("206 PART", (("Content-Range", "bytes 0-9/10"),), r"expected bytes 9-\d+, found Content-Range"),
    ],
)
def test_file_that_is_not_what_was_asked_for(
    pair: Pair, status: str, headers: tuple[tuple[str, str], ...], message: str
) -> None:
    pair.replica.builds.mkdir()
    pair.draft.write_bytes(b"nine byte")
    app, content = pair.source.answer, pair.content

    def answer(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        is_file = environ["PATH_INFO"].endswith(".duckdb")
        spoilt = answer_with(status, content + bytes(2 * download.CHUNK_BYTES), *headers)
        return (spoilt if is_file else app)(environ, start)

    pair.source.answer = answer
    with pytest.raises(ShieldError, match=message):
        pair.follow()
    assert pair.draft.stat().st_size <= len(content)


@pytest.mark.parametrize("is_length_told", [True, False])
def test_answer_that_ends_early_is_resumed(
    pair: Pair, capsys: pytest.CaptureFixture[str], is_length_told: bool
) -> None:
    size, app = len(pair.content), pair.source.answer

    def answer(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        def start_without(status: str, headers: list[tuple[str, str]], *rest: object) -> Any:  # noqa: ANN401
            return start(status, [told for told in headers if told[0] != "Content-Length"], *rest)

        return app(environ, start if is_length_told else start_without)

    def cut(body: Iterable[bytes]) -> Iterator[bytes]:
        whole = b"".join(body)
        yield whole[: len(whole) // 2 + 100]

    pair.source.answer, pair.source.spoil = answer, cut
    with pytest.raises(ShieldError, match=r"no usable answer in 8 tries; the last: "):
        pair.follow()
    asked, sent = pair.source.take()
    assert len(asked) == 1 + download.TRIES
    there = pair.draft.stat().st_size
    assert sent - download.TRIES * download.CHUNK_BYTES < there < size
    pair.source.spoil = iter
    assert pair.follow() == read_pointer(pair.origin)
    assert pair.source.take()[1] == size - there
    assert "try 2 of 8 in" in capsys.readouterr().out


def test_wrong_bytes_are_never_published(pair: Pair) -> None:
    before = pair.follow()
    pair.publish(LATER[0])
    pair.source.spoil = lambda body: [flip_middle(b"".join(body))]
    with pytest.raises(ShieldError, match="came damaged"):
        pair.follow()
    assert read_pointer(pair.replica.builds) == before
    assert list_left_over(pair.replica.builds) == [FOLLOWED]


def test_file_that_is_damaged_here_is_replaced(pair: Pair) -> None:
    pair.follow()
    path = pair.replica.builds / read_pointer(pair.replica.builds).file
    path.chmod(0o644)
    path.write_bytes(flip_middle(pair.content))
    assert list_damage(pair.replica.builds) != []
    assert pair.follow() == read_pointer(pair.origin)
    assert list_damage(pair.replica.builds) == []


def test_build_of_another_version_is_refused_and_not_downloaded_again(pair: Pair) -> None:
    before = pair.follow()
    pair.publish(LATER[0], "DROP TABLE report_delay")
    pair.source.take()
    for size in (len(pair.content), 0):
        with pytest.raises(ShieldError, match=r"another version .* lacks report_delay"):
            pair.follow()
        assert pair.source.take()[1] == size
    assert read_pointer(pair.replica.builds) == before


def test_file_of_another_build_is_refused(pair: Pair) -> None:
    publish_changed(pair.origin, LATER[0], "CHECKPOINT")
    pair.source.look()
    with pytest.raises(ShieldError, match=f"expected build {LATER[0]}, its file is of '2"):
        pair.follow()
    assert not list_builds(pair.replica.builds)


def test_source_without_a_build(tmp_path: Path) -> None:
    with (
        run_source(tmp_path / "empty") as source,
        pytest.raises(ShieldError, match="serves no build yet"),
    ):
        follow(source.address, Operation(builds=tmp_path / "replica"))


def test_key_goes_in_a_header_and_nowhere_else(
    daily_builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password 0123456789abcdef")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with run_source(daily_builds, KEY) as source:
        arguments = ["--builds", str(tmp_path / "replica"), "follow", source.address]
        assert main(arguments) == 1
        assert "/v1/builds answers with 401 UNAUTHORIZED: it wants a key" in capsys.readouterr().err
        assert "HTTP_AUTHORIZATION" not in source.requests[-1]
        monkeypatch.setenv("ATLSHIELD_FOLLOW_KEY", f"{KEY}wrong")
        assert main(arguments) == 1
        monkeypatch.setenv("ATLSHIELD_FOLLOW_KEY", KEY)
        assert main(arguments) == 0
        assert main(["settings"]) == 0
        assert all(KEY not in environ["REQUEST_URI"] for environ in source.requests)
        assert main(["--builds", str(tmp_path), "follow", "http://192.0.2.1"]) == 1
    told = capsys.readouterr()
    assert "FROM: an API key goes over https only, found 'http://192.0.2.1'" in told.err
    assert re.search(r"follow_key +1 set +ATLSHIELD_FOLLOW_KEY", told.out)
    assert KEY not in told.out + told.err


LISTED = {"build_id": "20200101T000000Z", "sha256": "0" * 64, "bytes": 9, "is_current": True}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (answer_with("200 OK", b"<html>log in</html>"), "does not answer like ATLShield, Invalid JSON"),
        (answer_with("200 OK", b'{"builds": 1}'), "like ATLShield, builds: Input should"),
        (answer_with("302 FOUND", b"", ("Location", "http://192.0.2.9/a")), "FOUND, to 192.0.2.9: name"),
        (answer_with("404 NOT FOUND", b"no"), "answers with 404 NOT FOUND; of a service of many"),
        (answer_with("503 BUSY", b"no"), "in 8 tries; the last: .*/v1/builds answers with 503 BUSY"),
        *(
            (
                answer_with("200 OK", json.dumps({"builds": [LISTED | change]}).encode()),
                f"like ATLShield, builds.0.{next(iter(change))}: ",
            )
            for change in (
                {"build_id": "../x"}, {"build_id": "20200101T0Z/"}, {"sha256": "1"}, {"bytes": 0},
            )
        ),
    ],
)  # fmt: skip
def test_server_that_is_none_of_ours(pair: Pair, answer: Any, message: str) -> None:  # noqa: ANN401
    pair.source.answer = answer
    with pytest.raises(ShieldError, match=message):
        pair.follow()
    assert list_left_over(pair.replica.builds) == []


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", wait_none())
    with pytest.raises(
        ShieldError, match=r"^http://127.0.0.1:9: no usable .*; the last: ConnectionError$"
    ):
        follow("http://127.0.0.1:9/", Operation(builds=tmp_path / "replica"))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:5000", "ftp://host", "https://me:secret@host", "http://host:x", "http://h/?a=1"],
)
def test_address_that_is_none(tmp_path: Path, address: str) -> None:
    with pytest.raises(ShieldError, match="^FROM: ") as caught:
        follow(address, Operation(builds=tmp_path / "replica"))
    assert "secret" not in str(caught.value)


def test_disk_that_is_too_small_is_told_before_a_byte(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 20_000_000}))
    needed = len(pair.content) // 1_000_000 + SPARE_MB
    with pytest.raises(ShieldError, match=rf"has 20 MB free, build \w+ needs {needed} MB"):
        pair.follow()
    assert pair.source.take()[1] == 0


def test_folder_in_which_a_refresh_published_is_no_replicas(
    pair: Pair, daily_builds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(daily_builds, pair.replica.builds, symlinks=True)
    with pytest.raises(ShieldError, match="was published by a refresh and did not come by follow"):
        pair.follow()
    assert pair.source.take() == ([], 0)
    (pair.replica.builds / "current.json").unlink()
    with pytest.raises(ShieldError, match="was published by a refresh"):
        pair.follow()
    for path in pair.replica.builds.glob("warehouse-*"):
        path.unlink()
    record = (pair.replica.builds / RECORD).read_text()
    assert "followed" not in record, "it is of the refreshes"
    for _ in range(2):
        assert main(["--builds", str(pair.replica.builds), "follow", pair.source.address]) == 0
    told = capsys.readouterr().out
    assert "published build 2" in told
    assert "what it serves is published here" in told
    (pair.replica.builds / FOLLOWED).write_text("{}")
    with pytest.raises(ShieldError, match=r"followed\.json: expected a city and build ids"):
        pair.follow()
    with pytest.raises(ShieldError, match=r"followed\.json: expected"):
        refresh(Request("simulated", pair.replica.builds))


def test_build_of_another_city_is_none_for_a_replica(pair: Pair) -> None:
    before = pair.follow()
    after = pair.publish(LATER[0], "UPDATE refresh_run SET city = 'Augusta'")
    told = "replica is a replica of Atlanta, build 29991231T000001Z is of Augusta: give a replica of it"
    pair.source.take()
    for sent in (len(pair.content), 0):
        with pytest.raises(ShieldError, match=told):
            pair.follow()
        assert pair.source.take()[1] == sent
    assert read_pointer(pair.replica.builds) == before
    assert follow(
        pair.source.address, Operation(builds=pair.replica.builds.with_name("other"))
    ) == after  # fmt: skip


def test_other_city_of_a_fleet_is_none_for_a_replica(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = pair.source.answer

    def drop_city(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = re.sub("^/v1/cities/[^/]+", "", environ["PATH_INFO"])
        return answer(environ, start)

    monkeypatch.setattr(pair.source, "answer", drop_city)
    address = f"{pair.source.address}/v1/cities/"
    first = follow(address + "east", pair.replica)
    assert follow(address + "east/", pair.replica) is None
    pair.publish(LATER[0])
    with pytest.raises(
        ShieldError, match=r"replica of Atlanta, east of a fleet, build \S+ is of Atlanta, west"
    ):
        follow(address + "west", pair.replica)
    assert read_pointer(pair.replica.builds) == first
    assert follow(address + "east/", pair.replica) == read_pointer(pair.origin)


def test_refresh_in_a_replica_is_refused(pair: Pair) -> None:
    before = pair.follow()
    record = (pair.replica.builds / RECORD).read_bytes()
    with pytest.raises(ShieldError, match="is a replica of Atlanta, kept by make follow: give a refre"):
        refresh(Request("simulated", pair.replica.builds))
    assert (pair.replica.builds / RECORD).read_bytes() == record
    assert pair.follow() is None
    assert read_pointer(pair.replica.builds) == before


def test_state_tells_how_a_replica_follows(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.follow()
    found = look_at_last_refresh(pair.replica.builds)
    assert (found.text.endswith("s, followed"), found.fault) == (True, None)
    monkeypatch.setattr(download, "TRIES", 1)
    with pytest.raises(ShieldError):
        follow("http://127.0.0.1:9", pair.replica)
    failed = look_at_last_refresh(pair.replica.builds)
    assert failed.fault
    assert "failed: http://127.0.0.1:9: no usable answer in 1 tries" in failed.fault
    pair.follow()
    assert look_at_last_refresh(pair.replica.builds).fault is None
    assert "127.0.0.1:9" in look_at_failure(pair.replica.builds).text


class KilledError(BaseException):
    """Death: nothing catches it."""


@pytest.mark.parametrize(
    "step", one_in(2, ["publish_build", "publish.move_pointer", "publish.sweep_leftovers"])
)
def test_death_round_the_moment_of_publishing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before, after = pair.follow(), pair.publish(LATER[0])

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(f"warehouse.{'follow.' * ('.' not in step)}{step}", die)
        pair.follow()
    assert read_pointer(pair.replica.builds) == (after if "sweep" in step else before)
    assert pair.follow() == (None if "sweep" in step else after)
    assert (list_damage(pair.replica.builds), list_left_over(pair.replica.builds)) == ([], [FOLLOWED])


@pytest.mark.slow
def test_death_or_a_full_disk_at_any_call_harms_nothing(pair: Pair) -> None:
    before, after = pair.follow(), pair.publish(LATER[0])
    good = pair.replica.builds.with_name("good")
    shutil.copytree(pair.replica.builds, good, symlinks=True)

    def die() -> None:
        raise (KilledError if number % 2 else OSError(errno.ENOSPC, "No space left on device"))

    number, seen = 0, set()
    while True:
        shutil.rmtree(pair.replica.builds)
        shutil.copytree(good, pair.replica.builds, symlinks=True)
        try:
            with disturb_call(number, die):
                pair.follow()
        except (KilledError, OSError):
            now = read_pointer(pair.replica.builds)
            seen.add(now.build_id)
            assert list_damage(pair.replica.builds) == []
            assert pair.follow() in (after, None)
            assert read_pointer(pair.replica.builds) == after
            assert (list_damage(pair.replica.builds), list_left_over(pair.replica.builds)) == (
                [], [FOLLOWED],
            )  # fmt: skip
            number += 1
        else:
            break
    assert before is not None
    assert seen == {before.build_id, after.build_id}
