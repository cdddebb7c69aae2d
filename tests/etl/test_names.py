"""Spellings of a name: which are the same, which one wins, and what is counted."""

import csv
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.city import City
from etl.clean import clean_files
from etl.names import choose_names, fold_name, tidy_name
from etl.report import describe_cleaning
from tests.conftest import CleanFiles
from tests.etl.cleaned import fetch
from tests.raw import GOOD_COBRA_2013, write_raw
from warehouse.build import Build, open_build


@pytest.mark.parametrize(
    "spelling",
    [
        "OLD FOURTH WARD", "old fourth ward", " Old  Fourth Ward\t", "Old\u00a0Fourth\u202fWard",
        "\u3000Old Fourth Ward", "\uff2f\uff4c\uff44 Fourth Ward",
    ],
)  # fmt: skip
def test_case_white_space_and_width_do_not_make_another_name(spelling: str) -> None:
    assert fold_name(spelling) == fold_name("Old Fourth Ward")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("14", "14.0"), ("14", " 14.0 "), ("14", "\uff11\uff14.0"),
        ("S\u00e3o Jos\u00e9", "SA\u0303O JOSE\u0301"), ("Stra\u00dfe", "STRASSE"),
        ("\ufb01eld", "FIELD"), ("\u0390", "\u0390".upper()),
    ],
)  # fmt: skip
def test_number_text_unicode_form_and_ligatures_do_not_make_another_name(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("14", "14.5"), ("14", "14.00"), ("14", "014"), ("14", "140"), ("14.0.0", "14.0"),
        ("Ward 14.0", "Ward 14"), ("West End", "Westend"), ("West-End", "West End"),
        ("S\u00e3o", "Sao"), ("The Villages at Castleberry H", "The Villages at Castleberry Hill"),
    ],
)  # fmt: skip
def test_names_that_differ_by_more_are_not_merged(one: str, other: str) -> None:
    assert fold_name(one) != fold_name(other)
    assert choose_names({one: 9, other: 1}, [one]).get(other, other) == tidy_name(other)


@given(st.text())
def test_tidied_name_keeps_its_key(text: str) -> None:
    assert fold_name(tidy_name(text)) == fold_name(text)
    assert tidy_name(tidy_name(text)) == tidy_name(text)


COUNTS = {"MIDTOWN": 6, "Midtown": 5, "Midtown ": 4, "midtown": 9, "Downtown": 1}


@pytest.mark.parametrize(
    ("counts", "preferred", "aliases", "names"),
    [
        # "Midtown" and "Midtown " are one spelling of nine rows, before "midtown" in sort order.
        (COUNTS, [], {}, {"MIDTOWN": "Midtown", "Midtown ": "Midtown", "midtown": "Midtown"}),
        ({"b": 3, "B": 2}, [], {}, {"B": "b"}),
        ({"b": 2, "B": 2}, [], {}, {"b": "B"}),
        ({"b": 9, "B": 2}, ["B", "b"], {}, {"b": "B"}),
        ({"b": 9, "B": 2}, ["a"], {"old": "B"}, {"b": "B"}),
        ({"b": 9, "OLD ": 2}, ["b"], {"old": "B"}, {"OLD ": "b"}),
        ({"old": 9, "new": 2}, ["old"], {"Old": "New"}, {"old": "New", "new": "New"}),
        ({"14.0": 9, "14": 2}, [], {}, {"14.0": "14"}),
        ({"Sa\u0303o": 2, "S\u00e3o": 1}, [], {}, {"Sa\u0303o": "S\u00e3o"}),
        ({"\u00a0": 1, "a": 1}, [], {}, {"\u00a0": ""}),
        ({}, ["a"], {"b": "c"}, {}),
    ],
)
def test_polygon_then_alias_then_commonest_then_first_in_order(
    counts: dict[str, int], preferred: list[str], aliases: dict[str, str], names: dict[str, str]
) -> None:
    assert choose_names(counts, preferred, aliases) == names


@given(st.dictionaries(st.text(" \u00a0.0A1aBbß", max_size=4), st.integers(1, 9)))
def test_raw_names_share_a_name_just_when_they_share_a_key(counts: dict[str, int]) -> None:
    renamed = choose_names(counts)
    names = {raw: renamed.get(raw, raw) for raw in counts}
    assert all(fold_name(name) == fold_name(raw) for raw, name in names.items())
    assert len(set(names.values())) == len({fold_name(raw) for raw in counts})


def repairs(build: Build) -> dict[str, int]:
    """Return incidents per repair that was needed."""
    found = fetch(build, "SELECT repair, row_count FROM repaired_incident WHERE row_count > 0")
    return {str(repair): int(str(rows)) for repair, rows in found}


def test_spellings_of_a_neighborhood_are_one_counted_and_reported(
    clean: CleanFiles, tmp_path: Path
) -> None:
    spellings = ["Midtown"] * 4 + ["MIDTOWN", "Mid\u00a0town", "Mid town", "MIDTOWN", "Downtown"]
    rows = [{"IncidentNumber": str(n), "NhoodName": name} for n, name in enumerate(spellings)]
    rejected = {"IncidentNumber": "99", "NhoodName": "MIDTOWN", "NibrsUcrCode": ""}
    build = clean([write_raw(tmp_path / "raw.csv", [*rows, rejected])])
    assert fetch(build, "SELECT neighborhood, incident_count FROM neighborhood ORDER BY 1") == [
        ("Downtown", 1), ("Mid town", 2), ("Midtown", 6),
    ]  # fmt: skip
    assert repairs(build) == {"neighborhood_renamed": 3}
    assert [line for line in describe_cleaning(build) if "renamed  " in line] == [
        "  renamed          2  'MIDTOWN' is 'Midtown'",
        "  renamed          1  'Mid\\xa0town' is 'Mid town'",
    ]


def test_only_the_largest_merges_are_reported(clean: CleanFiles, tmp_path: Path) -> None:
    rows = [
        {
            "IncidentNumber": f"{letter}{n}",
            "NhoodName": f"{letter}.." if n < 1 else f"{letter}..".lower(),
        }
        for size, letter in enumerate("ABCDEFG", start=1)
        for n in range(-size, size + 1)
    ]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    reported = [line.split()[-1] for line in describe_cleaning(build) if "renamed  " in line]
    assert reported == ["'G..'", "'F..'", "'E..'", "'D..'", "'C..'"]


def test_zones_beats_and_npus_do_not_split(clean: CleanFiles, tmp_path: Path) -> None:
    """A spreadsheet's `509.0` is a beat of zone 5, not a row without one."""
    rows = [
        {"IncidentNumber": "1"},
        {"IncidentNumber": "2"},
        {"IncidentNumber": "3", "BEAT_Text": "509.0", "NPU": "m"},
        {"IncidentNumber": "4", "BEAT_Text": "902.0"},
    ]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    found = fetch(build, "SELECT beat, zone, npu, count(*) FROM incident GROUP BY ALL ORDER BY 4")
    assert found == [(None, None, "M", 1), ("509", "5", "M", 3)]
    assert repairs(build) == {"district_renamed": 2}


def test_name_of_white_space_only_is_missing(clean: CleanFiles, tmp_path: Path) -> None:
    rows = [{}, {"IncidentNumber": "2", "NhoodName": "\t"}]
    build = clean([write_raw(tmp_path / "raw.csv", rows)])
    assert repairs(build) == {"placed_outside": 1}


def test_files_of_several_layouts_share_their_names(clean: CleanFiles, tmp_path: Path) -> None:
    new = write_raw(tmp_path / "new.csv", [{}, {"IncidentNumber": "2"}])
    cobra = {"neighborhood": "DOWNTOWN", "npu": "m"}
    old = write_raw(tmp_path / "old.csv", [cobra], "cobra_2013", GOOD_COBRA_2013)
    build = clean([old, new])
    assert fetch(build, "SELECT DISTINCT neighborhood, npu FROM incident") == [("Downtown", "M")]
    assert fetch(
        build, "SELECT raw_file, repair FROM repaired_incident WHERE row_count > 0 ORDER BY ALL"
    ) == [
        ("old.csv", "district_renamed"),
        ("old.csv", "neighborhood_renamed"),
    ]


@pytest.mark.slow
@pytest.mark.real_data
def test_capitals_in_a_real_file_change_no_count_where_polygons_spell(
    tmp_path: Path, city: City, real_data: Path
) -> None:
    """The 2020 file with every third name in capitals gives the table of the file as published."""
    source = real_data / "cobra_2020_from_october.csv.gz"
    changed = tmp_path / "changed.csv"
    write_capitals(source, changed)
    select = "SELECT neighborhood, npu, zone, incident_count FROM neighborhood ORDER BY ALL"
    found = []
    for path in (source, changed):
        with open_build("test", tmp_path / f"{path.name}.duckdb") as build:
            clean_files(build, [path], city, boundaries=real_data / "atlanta_neighborhoods.geojson")
            found.append(fetch(build, select))
    assert len(found[0]) > 200
    assert found[0] == found[1]


def write_capitals(source: Path, path: Path) -> None:
    """Copy a COBRA file with every third neighborhood in capitals and a no-break space after it."""
    with gzip.open(source, "rt", newline="") as old, path.open("w", newline="") as new:
        reader = csv.DictReader(old)
        assert reader.fieldnames is not None
        writer = csv.DictWriter(new, reader.fieldnames)
        writer.writeheader()
        for number, row in enumerate(reader):
            if number % 3 == 0 and row["neighborhood"] not in ("", "NULL"):
                row["neighborhood"] = row["neighborhood"].upper() + "\u00a0"
            writer.writerow(row)
