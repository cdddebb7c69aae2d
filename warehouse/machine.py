"""What this machine gives a process: cores and memory within its control groups, space on a disk.

Input: Linux's own accounts. Output: cores, bytes, and a refusal where a disk has too few.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from warehouse import settings
from warehouse.errors import ShieldError

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
MEMORY = Path("/proc/meminfo")

ENGINE_SHARE = 0.45
"""What the engine may have of all memory in a refresh: the forests need as much, the system the rest."""

MB = 1_000_000
BUILD_MB = 250
"""What a first refresh needs beside twice its raw files: a build, and what the engine spills."""


_shares: dict[str, int] = {}


def take_share(cores: int, memory: int) -> None:
    """From now on, use no more than so many cores and bytes: others of the house share this machine."""
    _shares.update(cores=cores, memory=memory)


def available_cores() -> int:
    """Return how many cores this process may use, at least 1: fewer where a control group says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [text.split() for text in read_limits("cpu.max")]  # microseconds, of so many
    cores = min(cores, _shares.get("cores", cores))
    return max(1, min([cores, *(int(part) // int(whole) for part, whole in quotas if part != "max")]))


def limit_engine() -> str:
    """Return the memory that the engine may use in a refresh, as DuckDB takes it."""
    return f"{min(settings.MEMORY_LIMIT_MB, int(available_memory() * ENGINE_SHARE / MB))}MB"


def available_memory() -> int:
    """Return the bytes that this process may use: the machine's, or fewer where a control group says so.

    Of groups those of version 2 count, as systemd makes them. Without Linux's accounts nothing limits.
    """
    found = [int(text) for text in read_limits("memory.max") if text != "max"]
    found += [_shares["memory"]] if _shares else []
    if MEMORY.exists():
        lines = MEMORY.read_text().splitlines()
        found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemTotal:")]
    return min(found, default=2**63)


def read_limits(name: str) -> Iterator[str]:
    """Yield a setting of this process's control group and of those that it lies in."""
    lines = OWN_CGROUPS.read_text().splitlines() if OWN_CGROUPS.exists() else []
    for own in [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]:
        for group in (CGROUPS / own, *(CGROUPS / own).parents):
            if group.is_relative_to(CGROUPS) and (group / name).exists():
                yield (group / name).read_text().strip()


def needed_space(last_bytes: int, raw_bytes: int) -> int:
    """Return the bytes that a refresh needs beside a last build and raw files of so many."""
    return 2 * max(last_bytes, BUILD_MB * MB // 2) + 2 * raw_bytes


def require_space(folder: Path, last_bytes: int, raw_bytes: int) -> None:
    """Raise `ShieldError` where a disk could not take another build: before the minutes of making it.

    `last_bytes` is the size of the last build, `raw_bytes` that of the files to be read.
    """
    require_free(folder, needed_space(last_bytes, raw_bytes), "a refresh")


def require_free(folder: Path, needed: int, work: str) -> None:
    """Raise `ShieldError` where the disk of a folder has fewer bytes than some work needs."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ShieldError(
            f"the disk of {folder} has {free // MB:,} MB free, {work} needs {needed // MB:,} MB"
        )
