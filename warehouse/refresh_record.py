"""What the last refresh did, also when it failed: `refresh.json` in the folder of builds.

Input: a folder of builds, its lock held, and the work of one refresh. Output: a record, written when
the refresh begins and again when it ends: one that was killed has no end. The record goes into backups
and to whoever asks for the state, so it has no value of any raw row: what an error quotes is left out
there, and only the refresh's own output has it.
"""

import datetime as dt
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError

from warehouse.command import MACHINE_ERRORS, is_interrupt, join_lines
from warehouse.errors import ShieldError
from warehouse.files import format_now, replace_text
from warehouse.guards import GuardError
from warehouse.pointer import find_pointer

RECORD = "refresh.json"
QUOTED = re.compile(r"""(?<!\w)(["'])(?!/)(?:\\.|(?!\1).)*\1""")
"""What an error quotes, but for paths; an apostrophe within a word quotes nothing."""
MAX_ERROR_LENGTH = 500

Outcome = Literal["published", "followed", "refused", "failed", "interrupted"]
"""How a refresh ended, or the follow of a replica: `followed` is that it has what its source serves."""


def check_time(text: str) -> str:
    """Return a time that has a zone. Raises `ValueError` for any other text."""
    if dt.datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"expected a time with its zone, found {text!r}")
    return text


Time = Annotated[str, AfterValidator(check_time)]


@dataclass(frozen=True)
class RefreshRun:
    """One refresh; times are UTC. Without `ended_at` and `outcome` it is at work, or was killed.

    `build_id` is empty for a follow.
    `error` is one line; a refresh that published may have one too, of what it did after that.
    """

    build_id: str
    began_at: Time
    ended_at: Time | None = None
    outcome: Outcome | None = None
    error: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether it did what it is for and nothing failed."""
        return self.outcome in {"published", "followed"} and self.error is None


@dataclass(frozen=True)
class RefreshRecord:
    """The last refresh, and the newest before it that was not good; None where there was none."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    last: RefreshRun
    earlier_failure: RefreshRun | None = None

    @property
    def newest_failure(self) -> RefreshRun | None:
        """The newest refresh that ended and was not good."""
        failed = self.last.ended_at is not None and not self.last.is_good
        return self.last if failed else self.earlier_failure


RECORD_FACTS = TypeAdapter(RefreshRecord)


def read_refresh(builds: Path) -> RefreshRecord | None:
    """Return what is recorded of the last refresh, None where nothing is.

    Raises `ShieldError` for a record that is none, and `OSError` for one that cannot be read.
    """
    path = builds / RECORD
    if not path.exists():
        return None
    try:
        return RECORD_FACTS.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ShieldError(f"{path} is no record of a refresh: {where}: {first['msg']}") from error


@contextmanager
def record_refresh(builds: Path, build_id: str, done: Outcome = "published") -> Iterator[None]:
    """Record one refresh, the work within the context; call with the folder's lock held.

    `done` is how one that goes well has ended. Whatever the work raises is recorded and raised on.
    Raises `OSError` where the record cannot be written before the work, which it then names, or after
    it went well.
    """
    run = RefreshRun(build_id, format_now())
    failure = find_failure(builds)
    try:
        write_record(builds, RefreshRecord(run, failure))
    except OSError as error:
        what = f"this refresh cannot be recorded in {builds / RECORD}: {error.strerror}"
        raise OSError(error.errno, what) from error
    try:
        yield
    except BaseException as error:
        try:
            write_record(builds, RefreshRecord(end_run(builds, run, error), failure))
        except OSError as second:  # the work's own error goes first
            print(f"error: the end of this refresh cannot be recorded: {second}", file=sys.stderr)
        raise
    ended = replace(run, ended_at=format_now(), outcome=done)
    write_record(builds, RefreshRecord(ended, failure))


def find_failure(builds: Path) -> RefreshRun | None:
    """Return the newest refresh so far that was not good; one that was killed is such a one."""
    try:
        record = read_refresh(builds)
    except ShieldError as error:
        return RefreshRun("", format_now(), format_now(), "failed", describe_error(error))
    if record is None or record.last.is_good:
        return record.earlier_failure if record else None
    return record.last


def write_record(builds: Path, record: RefreshRecord) -> None:
    """Write the record in one step. Raises `OSError`."""
    replace_text(builds / RECORD, json.dumps(asdict(record), indent=2) + "\n")


def end_run(builds: Path, run: RefreshRun, error: BaseException) -> RefreshRun:
    """Return how a refresh ended that raised. Raises `OSError` where the pointer cannot be read."""
    current = find_pointer(builds)
    outcome: Outcome = "failed"
    if current and current.build_id == run.build_id:
        outcome = "published"
    elif isinstance(error, GuardError):
        outcome = "refused"
    elif is_interrupt(error):
        outcome = "interrupted"
    return replace(run, ended_at=format_now(), outcome=outcome, error=describe_error(error))


def describe_error(error: BaseException) -> str:
    """Return one line on an error, without what it quotes; of this program's mistakes only the kind."""
    if is_interrupt(error):
        return "interrupted"
    if not isinstance(error, (ShieldError, *MACHINE_ERRORS)):
        return f"{type(error).__name__}, a mistake of this program: the log has its traceback"
    line = re.sub(r"'…'(, '…')+", "'…', …", QUOTED.sub("'…'", join_lines(str(error))))
    return line if len(line) <= MAX_ERROR_LENGTH else f"{line[:MAX_ERROR_LENGTH]}…"
