"""Drafts of files whose layout is known: they load and say what the layout written by hand says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from etl import sample
from etl.city import City, load_city
from etl.layout import Layout, load_layout
from tests.etl.test_layout import REAL_LAYOUTS
from tests.etl.unknown_file import MOMENTS, ROWS, Row, sketch, spell, write
from tests.one_in import one_in
from warehouse import settings

LAYOUTS = sorted(path.stem for path in settings.LAYOUTS_DIR.glob("*.toml"))


def name_shift(layout: Layout, hour: int) -> str:
    """The shift that an hour lies in."""
    spans = layout.shifts.items()
    return next(name for name, (first, last) in spans if (hour - first) % 24 < (last - first) % 24)


def rows_of(facts: Layout) -> list[Row]:
    """Rows of a known layout, with other columns that could be mistaken for its fields."""
    moments = MOMENTS
    if facts.is_utc:
        aware = moments.tz_localize(
            "America/New_York", nonexistent="shift_forward", ambiguous=np.ones(ROWS, bool)
        )
        moments = aware.tz_convert("UTC").tz_localize(None)
    form = facts.datetime_formats[0]
    if form == "epoch_ms":
        dates = [str(int(moment.timestamp()) * 1000) for moment in moments]
    else:
        dates = spell(form, moments)
    values: dict[str, Callable[[int], str]] = {
        **dict.fromkeys(("reported", "occurred", "occurred_until"), lambda n: dates[n]),
        **dict.fromkeys(("occurred_clock", "occurred_until_clock"), lambda n: f"{MOMENTS[n]:%H:%M}"),
        "report_number": lambda n: f"21{n:07}",
        "nibrs_code": lambda n: ("13A", "240", "23F")[n % 3],
        "offense_literal": lambda n: ("AGG ASSAULT", "AUTO THEFT", "ROBBERY", "LARCENY-FROM VEHICLE")[
            n % 4
        ],
        "beat": lambda n: f"{n % 6 + 1}0{n % 4}",
        "neighborhood": lambda n: ("Downtown", "Midtown", "West End")[n % 3],
        "npu": lambda n: "ABM"[n % 3],
        "latitude": lambda n: f"33.7{n % 9}12",
        "longitude": lambda n: f"-84.3{n % 9}12",
        "location_type": lambda n: ("18", "20")[n % 2],
        "firearm_involved": lambda n: ("yes", "no", "no")[n % 3],
        "weekday": lambda n: f"{MOMENTS[n]:%A}",
        "shift": lambda n: name_shift(facts, MOMENTS[n].hour),
    }
    fields = {column: values[name] for name, column in facts.fields.items()}
    others: dict[str, Callable[[int], str]] = {
        "OBJECTID": lambda n: str(n),
        "MI_PRINX": lambda n: str(n + 5000),
        "Location": lambda n: f"{n} SECRET ST",
        "location": lambda n: f"{n} SECRET ST",
        "StreetAddress": lambda n: f"{n} SECRET ST",
        "Vic_Count": lambda n: str(n % 3),
        "x": lambda n: f"-84.3{n % 9}12",
        "y": lambda n: f"33.7{n % 9}12",
        "Crime_Against": lambda n: ("Person", "Property")[n % 2],
    }
    return [
        {c: (others | fields)[c](n) if c in others | fields else "" for c in facts.columns}
        for n in range(ROWS)
    ]


def draft_and_load(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Layout, City]:
    """The drafts of a file as the ETL loads them, with nothing settled but the publisher."""
    sketch(path)
    city = path.parent / "out" / "cities" / "town.toml"
    city.write_text(city.read_text().replace('publisher = ""', 'publisher = "Town Police"'))
    monkeypatch.setattr(settings, "LAYOUTS_DIR", path.parent / "out" / "layouts")
    monkeypatch.setattr(settings, "CITIES_DIR", path.parent / "out" / "cities")
    return load_layout("town"), load_city("town")


def check_draft(draft: Layout, known: Layout) -> None:
    """Assert that a draft says what the layout written by hand says."""
    assert draft.fields.items() >= known.fields.items()
    assert draft.time_zone == known.time_zone
    assert set(draft.datetime_formats) <= set(known.datetime_formats)
    assert set(draft.columns) <= set(known.columns)
    assert draft.shifts.keys() == known.shifts.keys()
    for name, hours in known.shifts.items():
        # Most rows of the hour in which a shift changes can tell either.
        assert np.abs(np.subtract(draft.shifts[name], hours)).max() <= 1
    assert draft.offense_codes.items() <= known.offense_codes.items()


@pytest.mark.parametrize("name", one_in(4, LAYOUTS))
def test_draft_of_a_known_layout_loads_and_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    known = load_layout(name)
    path = write(tmp_path / "f.csv", rows_of(known))
    draft, city = draft_and_load(path, monkeypatch)
    check_draft(draft, known)
    assert city.time_zone.key == "America/New_York"
    assert not [text for text in tmp_path.glob("out/*/*.toml") if "SECRET" in text.read_text()]


@pytest.mark.real_data
@pytest.mark.parametrize("name", one_in(9, sorted(REAL_LAYOUTS, reverse=True)))
def test_draft_of_a_real_file_loads_and_says_the_same(
    tmp_path: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(sample, "MAX_ROWS", 6000)
    known = load_layout(REAL_LAYOUTS[name])
    path = tmp_path / "f.csv.gz"
    path.symlink_to(real_data / f"{name}.csv.gz")
    draft, city = draft_and_load(path, monkeypatch)
    check_draft(draft, known)
    assert city.time_zone.key == "America/New_York"
