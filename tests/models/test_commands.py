"""The commands on forecasts."""

from pathlib import Path

import pandas as pd
import pytest

from models.__main__ import main
from tests.models.panels import make_panel
from tests.quick_models import quick_models


def test_backtest_prints_writes_and_draws(
    published: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On a panel of few places, which is read in place of the build's own."""
    panel = make_panel(places=10, months=30, rate=0.2)
    monkeypatch.setattr("models.__main__.load_panel", lambda _connection: panel)
    out = tmp_path / "backtest"
    with quick_models():
        assert main(["backtest", "--builds", str(published), "--origins", "1", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "simulated data" in told
    assert "12 months ahead: Poisson deviance beside the reference" in told
    assert "first_version_published" in told
    scores = pd.read_csv(out / "backtest_score.csv")
    assert set(scores["data_source"]) == {"simulated data"}
    assert {path.name for path in out.iterdir()} == {
        "backtest_score.csv", "skill.png", "reliability.png", "coverage.png", "hit_rate.png"
    }  # fmt: skip


def test_audit_prints_and_draws(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = tmp_path / "audit.png"
    assert main(["audit", "--builds", str(published), "--out", str(chart)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "simulated data"
    assert [line for line in told if line.startswith("by ")] == ["by npu", "by volume", "by zone"]
    assert told[-1] == f"drawn: {chart}"
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert main(["audit", "--builds", str(published), "--out", str(tmp_path)]) == 1
    assert "cannot write the chart" in capsys.readouterr().err


def test_feedback_prints_and_draws(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = tmp_path / "feedback.png"
    assert main(["feedback", "--builds", str(published), "--out", str(chart)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == [
        "simulated data", "after 120 months: share of patrols by tenth, the busiest is 1"
    ]  # fmt: skip
    assert sum(line.startswith(("all ", "corrected ", "reported ")) for line in told) == 2 * 3
    assert told[-1] == f"drawn: {chart}"
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert main(["feedback", "--builds", str(published), "--out", str(tmp_path)]) == 1
    assert "cannot write the chart" in capsys.readouterr().err


def test_feedback_of_nothing_says_why(
    daily: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = tmp_path / "feedback.png"
    assert main(["feedback", "--builds", str(daily), "--out", str(chart)]) == 1
    assert "nothing was simulated: no crime is expected that the public" in capsys.readouterr().err
    assert not chart.exists()


def test_card_is_printed(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", "--builds", str(published)]) == 0
    heading, *rest = capsys.readouterr().out.splitlines()
    assert heading.startswith("# Model card of build 2")
    assert rest[:3] == ["", "## Data", ""]
    assert rest[3].startswith("**This is simulated data")


def test_little_data_and_no_build_are_errors_of_one_line(
    daily_builds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backtest", "--builds", str(daily_builds)]) == 1
    assert "holds too few months for a backtest" in capsys.readouterr().err
    assert main(["card", "--builds", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: ")
