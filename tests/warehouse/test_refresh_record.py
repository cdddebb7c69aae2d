"""What is left of a refresh for whoever looks later: how it ended, and nothing of any raw row."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.warehouse.test_records import describe, lay
from warehouse import refresh_record
from warehouse.errors import ShieldError
from warehouse.files import replace_text
from warehouse.guards import GuardError
from warehouse.refresh_record import (
    MAX_ERROR_LENGTH,
    RECORD,
    RefreshRecord,
    RefreshRun,
    read_refresh,
    record_refresh,
    write_record,
)

ADDRESS = "4711ZQ SECRET ST"
BEGAN = "2026-01-01T00:00:00Z"


def fail(builds: Path, error: BaseException, build_id: str = "x") -> RefreshRun:
    """Record a refresh that raises; return what is recorded of it."""
    with pytest.raises(type(error)), record_refresh(builds, build_id):
        raise error
    record = read_refresh(builds)
    assert record is not None
    assert record.newest_failure == record.last
    return record.last


def test_refresh_has_no_end_before_it_ends(tmp_path: Path) -> None:
    assert read_refresh(tmp_path) is None
    with record_refresh(tmp_path, "x"):
        begun = read_refresh(tmp_path)
        assert begun is not None
        assert (begun.last.build_id, begun.last.ended_at, begun.newest_failure) == ("x", None, None)
    ended = read_refresh(tmp_path)
    assert ended is not None
    assert ended.last.outcome == "published"
    assert ended.last.is_good
    assert ended.last.ended_at is not None
    assert ended.last.began_at == begun.last.began_at
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]


@pytest.mark.parametrize(
    ("error", "outcome", "told"),
    [
        (ShieldError("a.csv: empty;\n mend it"), "failed", "a.csv: empty; mend it"),
        (OSError(28, "It is full", "/b"), "failed", "[Errno 28] It is full: '/b'"),
        (GuardError("not published: rows fell"), "refused", "not published: rows fell"),
        (KeyboardInterrupt(), "interrupted", "interrupted"),
        (KeyError(ADDRESS), "failed", "KeyError, a mistake of this program: the log has its traceback"),
        (ShieldError("x" * 1000), "failed", "x" * MAX_ERROR_LENGTH + "…"),
    ],
)  # fmt: skip
def test_failure_is_recorded_in_one_line(
    tmp_path: Path, error: BaseException, outcome: str, told: str
) -> None:
    run = fail(tmp_path, error)
    assert (run.outcome, run.error) == (outcome, told)
    assert run.ended_at is not None


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (f"row 3: place {ADDRESS!r}, expected a name", "row 3: place '…', expected a name"),
        (f"a city's row: \"{ADDRESS}\" and the file's", "a city's row: '…' and the file's"),
        (f"row 3: place {ADDRESS + chr(39)!r}; row 4", "row 3: place '…'; row 4"),
        (f"row 3: {ADDRESS + chr(39) + chr(34)!r}; row 4", "row 3: '…'; row 4"),
        (f"found [{ADDRESS!r}, {ADDRESS!r}]", "found ['…', …]"),
    ],
)
def test_what_an_error_quotes_is_left_out(tmp_path: Path, message: str, told: str) -> None:
    assert fail(tmp_path, ShieldError(message)).error == told
    assert ADDRESS not in (tmp_path / RECORD).read_text()


def test_newest_failure_outlives_what_came_after(tmp_path: Path) -> None:
    failed = fail(tmp_path, ShieldError("first"))
    for build_id in ("y", "z"):
        with record_refresh(tmp_path, build_id):
            pass
    record = read_refresh(tmp_path)
    assert record is not None
    assert (record.last.build_id, record.newest_failure) == ("z", failed)


def test_refresh_that_was_killed_is_a_failure_for_the_next(tmp_path: Path) -> None:
    killed = RefreshRun("x", BEGAN)
    write_record(tmp_path, RefreshRecord(killed))
    with record_refresh(tmp_path, "y"):
        pass
    record = read_refresh(tmp_path)
    assert record is not None
    assert record.newest_failure == killed


def test_record_that_is_none_is_named_and_is_a_failure_for_the_next(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text('{"last": {"build_id": 1}}')
    with pytest.raises(ShieldError, match=r"refresh\.json is no record of a refresh: last\.build_id: "):
        read_refresh(tmp_path)
    with record_refresh(tmp_path, "y"):
        pass
    record = read_refresh(tmp_path)
    assert record is not None
    assert record.newest_failure is not None
    assert "is no record of a refresh" in str(record.newest_failure.error)


def test_failure_after_the_pointer_moved_is_one_of_a_published_build(tmp_path: Path) -> None:
    lay(tmp_path, "x", current="x")
    run = fail(tmp_path, OSError("the disk said no"), describe("x").build_id)
    assert (run.outcome, run.error, run.is_good) == ("published", "the disk said no", False)
    assert replace(run, error=None).is_good


def test_end_that_cannot_be_recorded_hides_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = iter([replace_text])

    def replace_once(path: Path, text: str) -> None:
        if (work := next(left, None)) is None:
            raise OSError("No space left on device")
        work(path, text)

    monkeypatch.setattr(refresh_record, "replace_text", replace_once)
    with pytest.raises(ShieldError, match="the first"), record_refresh(tmp_path, "x"):
        raise ShieldError("the first")
    told = "error: the end of this refresh cannot be recorded: No space left on device\n"
    assert capsys.readouterr().err == told
    record = read_refresh(tmp_path)
    assert record is not None
    assert record.last.ended_at is None


def test_record_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / f"{RECORD}.partial").mkdir()
    told = f"this refresh cannot be recorded in {tmp_path / RECORD}: Is a directory"
    with pytest.raises(OSError, match=re.escape(told)), record_refresh(tmp_path, "x"):
        pass
