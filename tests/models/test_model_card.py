"""The model card: every build says what it is."""

import re
from pathlib import Path

import duckdb
import pytest

from models.model_card import describe_forest, describe_method, render_card, tell_weight


def test_card_names_data_scores_limits_and_use(published: Path) -> None:
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        sections = connection.execute(
            "SELECT section, text FROM model_card ORDER BY section_number"
        ).fetchall()
    texts = dict(sections)
    assert list(texts) == ["Data", "Method", "Scores", "Limits", "Use"]
    assert "simulated data" in texts["Data"]
    named = "Neighborhood Planning Unit (`npu`), Police zone (`zone`), Police beat (`beat`)"
    assert f"Districts: {named}." in " ".join(texts["Data"].splitlines())
    for model in ("base_and_forest", "reference_empirical_bayes", "cell_mean", "seasonal_naive"):
        assert f"| {model} | " in texts["Scores"]
    assert "means over past origins: 2, from" in texts["Scores"]
    assert re.search(
        r"`base_and_forest` by origin: deviance / reference 0\.\d+ to [01]\.\d+,", texts["Scores"]
    )
    assert "Reported crime is not crime" in texts["Limits"]
    assert "not an observed deployment" in texts["Limits"]
    assert max(len(line) for line in texts["Method"].splitlines()) <= 105
    page = render_card("20260101T000000Z", sections)
    assert page.startswith("# Model card of build 20260101T000000Z\n\n## Data\n")


@pytest.mark.parametrize(
    ("published", "base", "said"),
    [(0.98, 0.99, " improves on"), (0.99, 0.98, "does not improve on"), (0.99, 0.99, "not applied")],
)
def test_forest_that_changes_nothing_is_not_said_to_improve(
    published: float, base: float, said: str
) -> None:
    assert said in describe_forest(published, base)


def test_weight_of_0_is_said_to_be_no_forest() -> None:
    assert tell_weight(0.0) == "0% (not applied: it was not seen to help)"
    assert tell_weight(0.2) == "20%"


@pytest.mark.parametrize(
    ("districts", "holidays", "said"),
    [
        (
            {"npu": "Borough"},
            1,
            ("(own past, Borough, city)", "Weekdays and the city's holidays (`holiday`)"),
        ),
        ({"zone": "Precinct"}, 0, ("(own past, city)", "Weekdays come from city-wide factors")),
    ],
)
def test_method_speaks_of_what_the_city_has(
    districts: dict[str, str], holidays: int, said: tuple[str, str]
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE holiday AS FROM range({holidays})")
        text = " ".join(describe_method(connection, districts).splitlines())
    for part in said:
        assert part in text
    for word in ("NPU", "federal", "{"):
        assert word not in text
