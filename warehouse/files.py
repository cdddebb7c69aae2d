"""Files that survive a crash: hash, wait for the disk, replace in one step, lock a folder.

Input: paths. Output: files that are there in full or not at all; errors that name the folder.
"""

import datetime as dt
import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from warehouse.errors import ShieldError

PARTIAL = ".partial"
"""Ending of what is not finished: whoever finds it may remove it, under the folder's lock."""

REFRESH, FETCH, EXPORT = "refresh", "fetch", "export"
"""Work that has a folder to itself: one of builds, one of snapshots, one where an export is written."""


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file. Raises `OSError` where it cannot be read."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power cut. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(draft: Path, path: Path) -> None:
    """Give a written file its name in one step: a power cut leaves the old file or the new one.

    Both must lie on one file system. Raises `OSError`.
    """
    sync(draft)  # its content, before its name
    draft.replace(path)
    sync(path.parent)


def replace_text(path: Path, text: str) -> None:
    """Write a file that, whenever the process dies, holds the old text or the new one.

    Raises `OSError`; a draft, `<name>.partial`, may then be left.
    """
    draft = path.with_name(path.name + PARTIAL)
    draft.write_text(text)
    replace_file(draft, path)


def replace_link(link: Path, target: Path) -> None:
    """Let a link lead to a path, in one step, where it does not already. Raises `OSError`.

    The folder of the link is made; a draft that a dead process left is replaced.
    """
    if link.is_symlink() and link.readlink() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    draft = link.with_name(f".{link.name}{PARTIAL}")  # hidden: no reader takes it for a partition
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)


def name_lock(work: str) -> str:
    """Return the name of the file that is locked while such work is done in a folder."""
    return f".{work}.lock"


@contextmanager
def hold_lock(folder: Path, work: str) -> Iterator[None]:
    """Let one process at a time do such work, a word as "refresh", in `folder`, which is made.

    The system takes the lock back when its holder dies, however it dies: the file may stay, and what
    it says of a dead holder is in nobody's way. Raises `ShieldError` naming the work, and the process,
    host and start of its holder, or the folder or the lock that cannot be written. A lock that root
    takes belongs to the folder's owner: it is his the next time.
    """
    path = folder / name_lock(work)
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(path.open("a+"))
            if os.geteuid() == 0:
                owner = folder.stat()
                os.fchown(lock.fileno(), owner.st_uid, owner.st_gid)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}, started {format_now()}")
            lock.flush()
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "one that has just started"
            raise ShieldError(f"another {work} is at work in {folder} ({holder})") from error
        except OSError as error:
            of_lock = f" (its lock, {path})" if os.path.lexists(path) else ""
            raise ShieldError(
                f"cannot write to the folder {folder}: {error.strerror}{of_lock}"
            ) from error
        yield


def is_locked(lock: Path) -> bool:
    """Return whether a process holds a lock on a file or folder, having taken it to know.

    Raises `OSError` for a file that is there and cannot be read.
    """
    if not lock.exists():
        return False
    descriptor = os.open(lock, os.O_RDONLY)  # which opens a folder too
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def format_now() -> str:
    """Return the time in UTC to the second, as the pointer writes times."""
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
