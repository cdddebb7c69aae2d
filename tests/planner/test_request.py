"""Requests: the example is one, and every mistake is named with its key."""

from pathlib import Path

import pytest

from planner.request import list_hours, read_request
from tests.planner.requests import BASE, write_request
from warehouse import settings
from warehouse.errors import ShieldError


def test_example_is_a_request_and_says_what_it_may_hold() -> None:
    request = read_request(settings.ROOT / "plans" / "example.toml")
    assert request.hours["day"].foot == (32.0,) * 7
    assert request.hours["evening"].foot[4] == 64
    assert request.hours["night"].bicycle == (0.0,) * 7
    assert request.floors.zones == {"5": {"night": 24}}
    assert all(f"{key} =" in request.text or f"[{key}" in request.text
               for key in type(request).model_fields if key not in {"file", "text"})  # fmt: skip


def test_hours_of_a_shift_that_spans_midnight() -> None:
    assert list(list_hours("22:00-02:00")) == [(22, False), (23, False), (0, True), (1, True)]
    assert list(list_hours("20:00-24:00"))[-1] == (23, False)
    assert len(list(list_hours("00:00-24:00"))) == len(list(list_hours("06:00-06:00"))) == 24


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("month = 7", "", "month: missing, expected a value"),
        ("month = 7", "month = 13", "month: found 13, expected less than or equal to 12"),
        ("month = 7", "month =", "expected a TOML file in UTF-8"),
        ("[shifts]", "fairnes = 1\n[shifts]", "fairnes: unknown key; did you mean 'fairness'?"),
        ("[shifts]", "fairness = -1\n[shifts]", "fairness: found -1"),
        ("[shifts]", "fairness = nan\n[shifts]", "fairness: found nan"),
        ("[shifts]", 'demand = "most"\n[shifts]', "demand: expected reported, all; found 'most'"),
        ("month = 7", "month = true", "month: found True, expected"),
        ("[shifts]", "seed = true\n[shifts]", "seed: found True, expected"),
        ("[shifts]", "fairness = true\n[shifts]", "fairness: found True, expected"),
        ("[shifts]", 'fairness = "1"\n[shifts]', "fairness: found '1', expected"),
        ("[shifts]", "unit_hours = true\n[shifts]", "unit_hours: found True, expected"),
        ("[shifts]", 'file = ""\n[shifts]', "unknown key 'file'"),
        ("[shifts]", 'text = ""\n[shifts]', "unknown key 'text'"),
        ("[shifts]", "unit_hours = 4\n[shifts]", "hours.day.foot (Monday): found 10, expected a mult"),
        ("[shifts]", "unit_hours = 0\n[shifts]", "unit_hours: found 0"),
        ("foot = 6", "foots = 6", "hours.night.foots: unknown key; did you mean 'foot'?"),
        ("foot = 6", "foot = -6", "hours.night.foot.0: found -6"),
        (
            "foot = 6",
            "foot = [1, 2]",
            "hours.night.foot: found [1, 2], expected a number, or a list of seven",
        ),
        ("foot = 6", 'foot = "6"', "hours.night.foot: found '6'"),
        ("foot = 6", "foot = true", "hours.night.foot: found True, expected a number"),
        (
            "[hours.night]\nfoot = 6\nvehicle = 30",
            "[hours]\nnight = 6",
            "hours.night: found 6, expected a table",
        ),
        ("[shifts]", 'left_out = "A"\n[shifts]', "left_out: found 'A', expected a list"),
        ("[hours.night]", "[hours.nite]", "hours.nite: no such shift; did you mean 'night'?"),
        (
            "19:00-07:00",
            "19:00-06:00",
            "shifts: expected every hour of the day in one shift; 6:00 is in",
        ),
        ("19:00-07:00", "18:00-07:00", "shifts: expected every hour of the day in one shift; 18:00 is"),
        ("19:00-07:00", "19-7", "shifts.night: found '19-7', expected whole hours, as"),
    ],
)
def test_mistake_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in BASE
    with pytest.raises(ShieldError) as caught:
        read_request(write_request(tmp_path, BASE.replace(old, new)))
    assert f"asked.toml: {message}" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[floors.zone_shift]\ndusk = 2", "floors.zone_shift.dusk: no such shift"),
        ('[floors.zones."5"]\ndusk = 2', "floors.zones.5.dusk: no such shift"),
        ("[floors]\nzone = 2", "floors.zone: unknown key; did you mean 'zones'?"),
        ("[floors]\nneighborhood_week = 1.5",
         "floors.neighborhood_week: found 1.5, expected a multiple of unit_hours, 1"),
        ("[floors.neighborhoods]\nA = 1.5", "floors.neighborhoods.A: found 1.5"),
        ("[floors.zone_shift]\nday = 1.5", "floors.zone_shift.day: found 1.5"),
        ('[floors.zones."5"]\nday = 2.5', "floors.zones.5.day: found 2.5"),
        ("[caps]\nfoot = 0.5", "caps.foot: found 0.5, expected a multiple"),
        ("[caps]\nfoot = 0", "caps.foot: found 0"),
        ("[caps]\nfeet = 1", "caps.feet: unknown key; did you mean 'foot'?"),
    ],
)  # fmt: skip
def test_mistake_in_floors_and_caps_is_named(table: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ShieldError) as caught:
        read_request(write_request(tmp_path, f"{BASE}{table}\n"))
    assert f"asked.toml: {message}" in str(caught.value)


def test_request_without_hours_is_refused(tmp_path: Path) -> None:
    text = BASE.partition("[hours.day]")[0]
    with pytest.raises(ShieldError, match=r"hours: no shift has any"):
        read_request(write_request(tmp_path, f"{text}[hours.day]\nfoot = 0\n[hours.night]\n"))
    with pytest.raises(ShieldError, match=r"hours.night: missing, expected the shift's hours; \[hours"):
        read_request(write_request(tmp_path, f"{text}[hours.day]\nfoot = 6\n"))


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShieldError, match=r"none\.toml: there is no such file"):
        read_request(tmp_path / "none.toml")
