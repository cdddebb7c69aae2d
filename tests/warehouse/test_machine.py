"""How much of a machine a refresh takes: never more than there is."""

from pathlib import Path
from typing import NamedTuple

import pytest

from warehouse import machine
from warehouse.errors import ShieldError
from warehouse.machine import MB, available_memory, limit_engine, require_space

available_cores = machine.available_cores
"""As it is before the tests are given one core."""


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Linux's accounts of a machine of 2 GiB, where this process is in the group a/b."""
    (tmp_path / "meminfo").write_text("MemTotal:  2097152 kB\nMemFree: 1 kB\n")
    (tmp_path / "own").write_text("4:memory:/old\n0::/a/b\n")
    (tmp_path / "groups" / "a" / "b").mkdir(parents=True)
    for name, place in (("MEMORY", "meminfo"), ("OWN_CGROUPS", "own"), ("CGROUPS", "groups")):
        monkeypatch.setattr(machine, name, tmp_path / place)
    return tmp_path


@pytest.mark.parametrize(
    ("limits", "memory", "engine"),
    [
        ({}, 2**31, "900MB"),
        ({"a/b": "max", "a": "max"}, 2**31, "900MB"),
        ({"a/b": "max", "a": str(1_000 * MB)}, 1_000 * MB, "450MB"),
        ({"a/b": str(600 * MB), "a": str(1_000 * MB)}, 600 * MB, "270MB"),
        ({"a/b": str(2**40)}, 2**31, "900MB"),
    ],
)
def test_memory_is_what_the_tightest_group_leaves(
    accounts: Path, limits: dict[str, str], memory: int, engine: str
) -> None:
    for group, limit in limits.items():
        (accounts / "groups" / group / "memory.max").write_text(f"{limit}\n")
    (accounts / "memory.max").write_text("1\n")  # of no group
    assert available_memory() == memory
    assert limit_engine() == engine


@pytest.mark.parametrize(
    ("quotas", "cores"),
    [
        ({}, 4),
        ({"a/b": "max 100000"}, 4),
        ({"a/b": "200000 100000", "a": "max 100000"}, 2),
        ({"a/b": "350000 100000", "a": "150000 100000"}, 1),
        ({"a/b": "50000 100000"}, 1),
        ({"a/b": "900000 100000"}, 4),
    ],
)
def test_cores_are_what_the_tightest_group_leaves(
    accounts: Path, monkeypatch: pytest.MonkeyPatch, quotas: dict[str, str], cores: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 5})
    for group, quota in quotas.items():
        (accounts / "groups" / group / "cpu.max").write_text(f"{quota}\n")
    assert available_cores() == cores


def test_without_accounts_nothing_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MEMORY", "OWN_CGROUPS", "CGROUPS"):
        monkeypatch.setattr(machine, name, tmp_path / "none")
    assert limit_engine() == "900MB"


class Usage(NamedTuple):
    """What `shutil.disk_usage` returns of a disk."""

    free: int


@pytest.mark.parametrize(("last", "raw", "needed"), [(0, 0, 250), (50, 0, 250), (200, 30, 460)])
def test_space_is_asked_for_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int, raw: int, needed: int
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(needed * MB))
    require_space(tmp_path, last * MB, raw * MB)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(needed * MB - 1))
    with pytest.raises(ShieldError, match=f"{needed - 1} MB free, a refresh needs {needed} MB"):
        require_space(tmp_path, last * MB, raw * MB)


def test_a_share_is_all_that_a_process_uses(accounts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert accounts.exists()
    monkeypatch.setattr(machine, "_shares", {})
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8))
    machine.take_share(3, 700 * MB)
    assert (available_cores(), available_memory(), limit_engine()) == (3, 700 * MB, "315MB")
    machine.take_share(99, 2**40)
    assert (available_cores(), available_memory()) == (8, 2**31)
