"""What `python -m etl sketch` guesses of single facts: text, dates, clock, place, shifts."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from etl.guess_clock import derive_shifts
from etl.guess_dates import DATES, find_months, guess_formats
from etl.guess_place import guess_zone
from tests.etl.unknown_file import MOMENTS, made_up, sketch, write
from tests.one_in import one_in


@pytest.mark.parametrize(
    ("encoding", "found", "separator"),
    [
        ("utf-8", None, ","), ("utf-8-sig", None, ";"), ("latin-1", "latin-1", "\t"),
        ("cp1252", "cp1252", ","), ("utf-16", "utf-16", ";"), ("utf-16-le", "utf-16-le", "\t"),
    ],
)  # fmt: skip
def test_encoding_and_separator_are_found(
    tmp_path: Path, encoding: str, found: str | None, separator: str
) -> None:
    dash = "–" if encoding != "latin-1" else "-"
    rows = made_up(Barrio=lambda n: f"Peñón{dash}{n % 3}, Sur; Río")
    layout, _, _ = sketch(write(tmp_path / "f.csv", rows, separator, encoding))
    assert layout.get("encoding") == found
    assert layout.get("separator", ",") == separator
    assert layout["fields"]["neighborhood"] == "Barrio"


@pytest.mark.parametrize("suffix", ["", " %H:%M", "T%H:%M:%SZ", " %H:%M%z", " %H:%M:%S %Z"])
@pytest.mark.parametrize("form", one_in(3, DATES))
def test_format_is_guessed_from_what_it_writes(form: str, suffix: str) -> None:
    texts = pd.Series(MOMENTS.tz_localize("UTC").strftime(form + suffix))
    guess = guess_formats(texts, find_months(texts), lambda formats: form + suffix[:6])
    assert guess.formats == [form + suffix]
    assert guess.is_utc == suffix.endswith(("z", "Z"))
    assert not guess.doubts


def test_day_and_month_are_ordered_by_values_by_weekdays_or_doubted(tmp_path: Path) -> None:
    early = MOMENTS[MOMENTS.day <= 12]

    def guess(name: str, **columns: Callable[[int], str]) -> tuple[list[str], str]:
        path = tmp_path / name / "f.csv"
        path.parent.mkdir()
        layout, _, text = sketch(write(path, made_up(**columns)))
        return layout["datetime_formats"], text

    by_value, text = guess("value", Occurred=lambda n: f"{MOMENTS[n]:%d/%m/%Y %H:%M}")
    assert by_value == ["%d/%m/%Y %H:%M"]
    assert "both orders" not in text
    dates = {"Occurred": lambda n: f"{early[n % len(early)]:%d/%m/%Y %H:%M}"}
    days = {"Weekday": lambda n: f"{early[n % len(early)]:%A}"}
    by_weekday, text = guess("weekday", **dates, **days)
    assert by_weekday == ["%d/%m/%Y %H:%M"]
    assert "both orders" not in text
    _, text = guess("undecided", **dates)
    assert "# doubt: day and month can be read in both orders" in text


def test_utc_is_known_by_the_low_of_the_night_and_by_offsets(tmp_path: Path) -> None:
    utc = MOMENTS + pd.Timedelta(hours=6)
    layout, city, text = sketch(
        write(tmp_path / "f.csv", made_up(Occurred=lambda n: f"{utc[n]:%Y-%m-%d %H:%M}"))
    )
    assert (layout["time_zone"], city["time_zone"]) == ("UTC", "America/Chicago")
    (tmp_path / "z").mkdir()
    rows = made_up(Occurred=lambda n: f"{utc[n]:%Y-%m-%dT%H:%M:%S}Z")
    layout, _, _ = sketch(write(tmp_path / "z" / "f.csv", rows))
    assert (layout["time_zone"], layout["datetime_formats"]) == ("UTC", ["%Y-%m-%dT%H:%M:%SZ"])


def test_local_midnight_in_utc_beside_a_local_hour_is_recognised(tmp_path: Path) -> None:
    days = MOMENTS.normalize().tz_localize("America/Chicago").tz_convert("UTC")
    rows = made_up(
        Occurred=lambda n: f"{days[n]:%Y/%m/%d %H:%M:%S}", Occ_Hour=lambda n: str(MOMENTS[n].hour)
    )
    layout, _, _ = sketch(write(tmp_path / "f.csv", rows))
    assert layout["fields"]["occurred_hour"] == "Occ_Hour"
    assert (layout["time_zone"], layout["clock_time_zone"]) == ("UTC", "local")


def test_swapped_names_are_mapped_by_their_values_and_doubted(tmp_path: Path) -> None:
    rows = made_up(Lon=lambda n: f"41.5{n % 7}", Lat=lambda n: f"-90.5{n % 7}")
    layout, city, text = sketch(write(tmp_path / "f.csv", rows))
    assert (layout["fields"]["longitude"], layout["fields"]["latitude"]) == ("Lat", "Lon")
    assert city["bounding_box"]["longitude_max"] < -90
    assert "# doubt: names of longitude and latitude seem swapped" in text


def test_beats_give_their_pattern_and_shifts_that_times_contradict_are_dropped(tmp_path: Path) -> None:
    rows = made_up(
        Beat=lambda n: f"{n % 6 + 1}0{n % 4}",
        Zone=lambda n: f"{n % 6 + 1}",
        Watch=lambda n: "Day" if (MOMENTS[n].hour < 12) == (n % 10 > 2) else "Eve",
    )
    layout, city, text = sketch(write(tmp_path / "f.csv", rows))
    assert city["beat_pattern"] == "([0-9]{1})[0-9]{2}"
    assert city["districts"] == {"zone": "Zone", "beat": "Beat"}
    assert "shift" not in layout["fields"]
    assert "# doubt: 'Watch' is not mapped as shift: 30% of 600 times lie outside the shift" in text


def test_shift_hours_may_wrap_and_must_be_runs() -> None:
    hours = [*range(24)] * 2

    def derive(names: list[str]) -> dict[str, list[int]]:
        return derive_shifts(pd.DataFrame({"hour": hours, "shift": names}))

    nights = ["Night" if hour < 6 or hour >= 22 else "Day" for hour in hours]
    assert derive(nights) == {"Day": [6, 22], "Night": [22, 6]}
    assert derive(["AB"[hour % 2] for hour in hours]) == {}


@pytest.mark.parametrize(
    ("longitude", "latitude", "expected"),
    [
        (-84.39, 33.75, ("US", "America/New_York")),
        (-123.1, 49.26, ("CA", "America/Vancouver")),
        (13.4, 52.5, ("DE", "Europe/Berlin")),
        (10.75, 59.9, ("NO", "Europe/Oslo")),
        (-73.6, 45.5, ("CA", "America/Toronto")),  # nearer to New York on a flat map
        (151.2, -33.87, ("AU", "Australia/Sydney")),
    ],
)
def test_time_zone_is_that_of_the_nearest_principal_city(
    longitude: float, latitude: float, expected: tuple[str, str]
) -> None:
    assert guess_zone(longitude, latitude) == expected
