"""The model card: every build says what it is."""

from pathlib import Path

import duckdb

from models.card import render_card


def test_card_names_data_scores_limits_and_use(published: Path) -> None:
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        sections = connection.execute(
            "SELECT section, text FROM model_card ORDER BY position"
        ).fetchall()
    texts = dict(sections)
    assert list(texts) == ["Data", "Method", "Scores", "Limits", "Use"]
    assert "simulated data" in texts["Data"]
    for model in ("base_and_forest", "reference_empirical_bayes", "cell_mean", "seasonal_naive"):
        assert f"| {model} | " in texts["Scores"]
    assert "Reported crime is not crime" in texts["Limits"]
    assert "not an observed deployment" in texts["Limits"]
    page = render_card("20260101T000000Z", sections)
    assert page.startswith("# Model card of build 20260101T000000Z\n\n## Data\n")
