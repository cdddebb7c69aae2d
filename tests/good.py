"""Good raw files of every layout, drawn by a seed: what `tests.damage` breaks.

Input: a layout, a number of days, a seed. Output: a `Draft` of a file whose every row becomes an
incident, with nothing to mend. Names, districts and centres are those of `data/reference`; everything
else is drawn at random. A row keeps what happened beside what it says, so that it can be written
otherwise.
"""

import csv
import datetime as dt
import io
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd

from etl.city import load_city
from etl.clock_checks import CITY_PROFILE
from etl.layout import Layout
from warehouse import settings

FIRST_DAY, SPRING_DAY, AUTUMN_DAY = dt.date(2021, 3, 1), dt.date(2021, 3, 14), dt.date(2021, 11, 7)
PLACES = 40
PROMPT_DAYS = 4
"""Days at either end on which reports come at once, so that the flow has clean edges."""

OFFENSES = ("13A", "220", "23F", "240", "120")
ADDRESSES = ("location", "Location", "StreetAddress")
CLOCK_FORMATS = {"cobra_2013": "%H:%M:%S", "cobra_2019": "%H%M"}
ZONE = load_city().time_zone
UTC = ZoneInfo("UTC")


class UnfitError(Exception):
    """A way to break a file is none for this layout, or for this file as it was broken before."""


@dataclass(frozen=True)
class Incident:
    """What happened; times are on the city's wall clock."""

    number: str
    occurred: dt.datetime
    until: dt.datetime
    reported: dt.datetime
    code: str
    place: dict[str, str]
    firearm: str


@dataclass
class Row:
    """One row: what happened, and what the file says of it by column."""

    incident: Incident
    texts: dict[str, str]


@dataclass
class Draft:
    """A raw file in the making. `touched` holds report numbers whose incident may come out otherwise."""

    layout: Layout
    header: list[str]
    rows: list[Row]
    rng: np.random.Generator
    separator: str = ","
    touched: set[str] = field(default_factory=set)

    def copy(self, rng: np.random.Generator) -> Self:
        """Return a draft that can be changed, with dice of its own."""
        rows = [Row(row.incident, dict(row.texts)) for row in self.rows]
        return replace(self, header=list(self.header), rows=rows, rng=rng, touched=set())

    def column(self, name: str) -> str:
        """Return the column of a field; raises `UnfitError` where there is none."""
        if name not in self.layout.fields:
            raise UnfitError(name)
        return self.layout.fields[name]

    def choose(self, count: int) -> list[Row]:
        """Return rows that nothing has touched, in their order."""
        free = [row for row in self.rows if row.incident.number not in self.touched]
        if len(free) < count:
            raise UnfitError("too few rows are untouched")
        return [free[place] for place in sorted(self.rng.choice(len(free), count, replace=False))]

    def touch(self, rows: Iterable[Row]) -> None:
        """Note that the incidents of rows may come out otherwise."""
        self.touched.update(row.incident.number for row in rows)


def draft_good(layout: Layout, days: int, seed: int) -> Draft:
    """Return the draft of a good file: 12 to 20 reports a day over so many days."""
    rows = [Row(incident, write_texts(layout, incident)) for incident in draw_incidents(days, seed)]
    return Draft(layout, list(layout.columns), rows, np.random.default_rng(seed))


@lru_cache(maxsize=4)
def draw_incidents(days: int, seed: int) -> tuple[Incident, ...]:
    """Return incidents in the order of their reports."""
    rng = np.random.default_rng(seed)
    with (settings.REFERENCE_DIR / "neighborhood.csv").open(newline="", encoding="utf-8") as stream:
        places = list(csv.DictReader(stream))[:PLACES]
    incidents = []
    for day in range(days):
        is_prompt = not PROMPT_DAYS <= day < days - PROMPT_DAYS
        for serial in range(int(rng.integers(12, 21))):
            delay = 0 if is_prompt else int(rng.choice([0, 0, 0, 1, 2, 4]))
            begin = FIRST_DAY + dt.timedelta(days=day - delay)
            incidents.append(draw_incident(rng, places, begin, delay, f"21{day:03}{serial:04}"))
    return tuple(incidents)


def draw_incident(
    rng: np.random.Generator, places: list[dict[str, str]], day: dt.date, delay: int, number: str
) -> Incident:
    """Return an incident that begins and ends on `day` and is reported `delay` days later."""
    hour = int(rng.choice(24, p=np.repeat(CITY_PROFILE, 3) / CITY_PROFILE.sum() / 3))
    if (day, hour) == (SPRING_DAY, 2):  # the clock change skips it
        hour = 3
    occurred = dt.datetime.combine(day, dt.time(hour, int(rng.integers(1, 40))))
    place = {**places[int(rng.integers(len(places)))], "beat": f"{rng.integers(1, 20):02}"}
    place["beat"] = place["zone"] + place["beat"]
    for axis in ("latitude", "longitude"):
        place[axis] = f"{float(place[axis]) + rng.uniform(-0.004, 0.004):.4f}"
    return Incident(
        number=number,
        occurred=occurred,
        until=occurred + dt.timedelta(minutes=int(rng.integers(10))),
        reported=occurred + dt.timedelta(days=delay, minutes=int(rng.integers(10, 20))),
        code=str(rng.choice(OFFENSES)),
        place=place,
        firearm=str(rng.choice(["yes", "no"])),
    )


def write_texts(
    layout: Layout, incident: Incident, dates: str = "", clocks: str = "", is_utc: bool | None = None
) -> dict[str, str]:
    """Return what a row says of an incident, by column, as the layout writes it.

    `dates`, `clocks` and `is_utc` write it otherwise.
    """
    literals = {code: literal for literal, code in layout.offense_codes.items()}
    said = {
        **incident.place,
        "report_number": incident.number,
        "nibrs_code": incident.code,
        "offense_literal": literals.get(incident.code, ""),
        "location_type": "18",
        "firearm_involved": incident.firearm,
        "weekday": f"{incident.occurred:%A}",
        "shift": name_shift(layout, incident.occurred.hour),
    }
    in_utc = layout.is_utc if is_utc is None else is_utc
    for name, moment in (
        ("occurred", incident.occurred), ("occurred_until", incident.until),
        ("reported", incident.reported),
    ):  # fmt: skip
        written = moment.replace(tzinfo=ZONE).astimezone(UTC) if in_utc else moment
        said[name] = write_date(written, dates or layout.datetime_formats[0])
        said[f"{name}_clock"] = written.strftime(clocks or CLOCK_FORMATS.get(layout.name, "%H:%M"))
    texts = {column: said[name] for name, column in layout.fields.items()}
    blank = {column: "1 MADE-UP ST" if column in ADDRESSES else "" for column in layout.columns}
    return {**blank, **texts}


def write_date(moment: dt.datetime, form: str) -> str:
    """Return a moment as a format writes it."""
    if form in {"epoch_ms", "epoch_s"}:
        seconds = int(moment.replace(tzinfo=UTC).timestamp())
        return str(seconds * 1000 if form == "epoch_ms" else seconds)
    return moment.strftime(form)


def name_shift(layout: Layout, hour: int) -> str:
    """Return the shift that holds an hour, empty where the layout has none."""
    shifts = layout.shifts.items()
    return next((name for name, (a, b) in shifts if (hour - a) % 24 < (b - a) % 24), "")


def write_csv(draft: Draft) -> bytes:
    """Return the text of a draft."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=draft.separator, lineterminator="\n")
    writer.writerow(draft.header)
    writer.writerows([row.texts.get(column, "") for column in draft.header] for row in draft.rows)
    return stream.getvalue().encode()


def write_parquet(draft: Draft, path: Path) -> None:
    """Write a draft as a snapshot: every column text, missing as NULL."""
    frame = pd.DataFrame([row.texts for row in draft.rows], columns=draft.header).replace({"": None})
    duckdb.from_df(frame.astype("string")).write_parquet(str(path))
