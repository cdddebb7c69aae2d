"""The offense table follows the FBI's definitions and keeps the first version's patrol types."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from warehouse.settings import REFERENCE_DIR

# Offenses the feed names without a code.
UNCODED = {"Operating/Promoting/Assisting Gambling": "39B", "Sexual Assault with An Object": "11C"}


def read_reference(name: str) -> list[dict[str, str]]:
    """Return the rows of a reference table."""
    with (REFERENCE_DIR / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_counts_are_those_of_the_fbi() -> None:
    rows = read_reference("offense.csv")
    groups = Counter(row["offense_group"] for row in rows)
    retired = {"90I"}
    assert groups["A"] == 71
    assert groups["B"] - len(retired) == 13
    assert len({row["offense_category"] for row in rows if row["offense_group"] == "A"}) == 28
    assert len({row["nibrs_code"] for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("code", "offense", "category", "against"),
    [
        ("09A", "Murder and Nonnegligent Manslaughter", "Homicide Offenses", "Person"),
        ("100", "Kidnapping/Abduction", "Kidnapping/Abduction", "Person"),
        ("120", "Robbery", "Robbery", "Property"),
        ("200", "Arson", "Arson", "Property"),
        ("26H", "Money Laundering", "Fraud Offenses", "Society"),
        ("09C", "Justifiable Homicide", "Homicide Offenses", "Not a Crime"),
        ("90J", "Trespass of Real Property", "Trespass of Real Property", "Society"),
    ],
)
def test_codes_mean_what_the_fbi_says(code: str, offense: str, category: str, against: str) -> None:
    row = next(row for row in read_reference("offense.csv") if row["nibrs_code"] == code)
    assert (row["offense"], row["offense_category"], row["crime_against"]) == (
        offense,
        category,
        against,
    )


def test_literals_lead_to_known_codes() -> None:
    codes = {row["nibrs_code"] for row in read_reference("offense.csv")}
    literals = read_reference("cobra_literal.csv")
    assert {row["nibrs_code"] for row in literals} <= codes
    assert len(literals) == 14


@pytest.mark.real_data
def test_patrol_types_are_those_of_the_first_version(real_data: Path) -> None:
    ours = {row["nibrs_code"]: row["patrol_type"] for row in read_reference("offense.csv")}
    with (real_data / "offenses_first_version.csv").open(newline="") as stream:
        theirs = {
            row["nibrs_code"] or UNCODED[row["offense"]]: row["patrol_type_first_version"]
            for row in csv.DictReader(stream)
        }
    assert {code: ours[code] for code in theirs} == theirs
