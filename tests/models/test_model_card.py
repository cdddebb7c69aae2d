"""The model card: every build says what it is."""

import re
from pathlib import Path

import duckdb
import pytest

from models.model_card import (
    describe_forest,
    describe_groups,
    describe_method,
    describe_reversal,
    render_card,
    tell_weight,
)


def test_card_names_data_scores_limits_and_use(published: Path) -> None:
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        sections = connection.execute(
            "SELECT section, text FROM model_card ORDER BY section_number"
        ).fetchall()
    texts = dict(sections)
    assert list(texts) == [
        "Data",
        "Contact and licence",
        "Method",
        "Factors",
        "Evaluation data",
        "Scores",
        "Scores by group",
        "Limits",
        "Use",
        "Oversight",
    ]
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
    assert re.search(
        r"reported 1\.\d\d times as often as there, .* if [1-9]\.\d\d times",
        " ".join(texts["Limits"].split()),
    )
    assert all(line.startswith(("- ", "  ")) for line in texts["Limits"].splitlines())
    contact = " ".join(texts["Contact and licence"].split())
    assert "**Contact:** none is set; expected contact in the file of the city before use." in contact
    assert "'Anyone can use this data at no cost'" in contact
    groups = texts["Scores by group"].splitlines()
    assert [line.split(":")[0] for line in groups[2:]] == [
        "- **Neighborhood Planning Unit** (22 groups)",
        "- **volume** (5 groups)",
        "- **Police zone** (6 groups)",
    ]
    assert max(len(line) for line in texts["Method"].splitlines()) <= 105
    page = render_card("20260101T000000Z", sections)
    assert page.startswith("# Model card of build 20260101T000000Z\n\n## Data\n")


def test_groups_that_were_missed_for_sure_are_named() -> None:
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE group_audit AS FROM (VALUES
                ('zone', '1', 1.2, 1.1, 1.3, 0.7), ('zone', '2', 0.8, 0.7, 0.9, 0.8),
                ('zone', '3', 1.0, 0.9, 1.1, 0.9), ('share_black', '1', 1.25, NULL, NULL, 0.75),
                ('npu', 'A', NULL, NULL, NULL, NULL)
            ) AS rows(group_kind, group_name, predicted_to_actual, predicted_to_actual_lower,
                      predicted_to_actual_upper, coverage)""")
        lines = describe_groups(connection, {"zone": "Precinct"}).splitlines()
        connection.execute("DELETE FROM group_audit WHERE group_kind <> 'npu'")
        nothing = describe_groups(connection, {})
    assert lines[2:] == [
        "- **share black** (1 groups): 1.25 to 1.25; 80 % intervals held 75% to 75%.",
        "- **Precinct** (3 groups): 0.80 to 1.20; too high in 1; too low in 2;"
        " 80 % intervals held 70% to 90%.",
    ]
    assert nothing == "This build has no backtest to audit errors by."


def test_one_place_has_no_order_to_reverse() -> None:
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE mart_neighborhood_rank AS
            SELECT NULL::DOUBLE AS reversal_ratio_next, NULL::DOUBLE AS reversal_ratio_tenth""")
        assert describe_reversal(connection) == ""
        connection.execute("INSERT INTO mart_neighborhood_rank VALUES (1.1, 2), (1.3, NULL)")
        said = describe_reversal(connection)
    assert "if its crimes were reported 1.20 times as often as there, with the one a tenth" in said
    assert "if 2.00 times (`mart_neighborhood_rank`)." in said


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
