"""What the state of a machine says of an upgrade that is not finished."""

import fcntl
import os
from pathlib import Path

import pytest

from warehouse import settings, status, systemd
from warehouse.operation import Operation
from warehouse.status import Finding, list_findings


def test_upgrade_that_was_broken_off_needs_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo = tmp_path / ".upgrade" / "undo"
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    monkeypatch.setattr(status, "UPGRADE_UNDO", undo)
    monkeypatch.setattr(systemd, "RUNNING", tmp_path / "none")

    def find() -> Finding | None:
        found = list_findings(Operation(), tmp_path)
        return next((finding for finding in found if finding.label == "upgrade"), None)

    assert find() is None
    undo.parent.mkdir()
    undo.touch()
    text = "was broken off: make upgrade takes it back"
    assert find() == Finding("upgrade", text, f"an upgrade {text}")
    clone = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(clone, fcntl.LOCK_EX)
    assert find() == Finding("upgrade", "at work")
    os.close(clone)
