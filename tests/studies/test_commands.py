"""The studies as commands."""

from pathlib import Path

import pytest

from studies.__main__ import main


def test_hours_are_scored(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aoristic", "--builds", str(published)]) == 0
    assert "begin" in capsys.readouterr().out
