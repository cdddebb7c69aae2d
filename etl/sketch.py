"""A draft of the layout and the city of a raw file that nobody has described yet.

Enters: an unknown raw file. Leaves: `layouts/<name>.toml` and `cities/<name>.toml` for a person to
check, whose comments say on what grounds each guess stands and what is in doubt. No address and no
exact coordinate is written.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from etl.draft import render_city, render_layout
from etl.guess import DATE_FIELDS, FLAG, NUMBER, Guess, guess_columns
from etl.guess_clock import (
    agree_weekdays,
    derive_shifts,
    guess_zone,
    judge_clock,
    lowest_hour,
    read_hours,
    read_weekdays,
    to_local,
)
from etl.guess_dates import (
    EPOCH,
    DateGuess,
    find_epoch,
    find_months,
    fold,
    guess_formats,
    parse_moments,
    spell_months,
)
from etl.sample import Sample, printable, read_sample
from warehouse.errors import ShieldError

MISSING_WORDS = frozenset({
    "unbekannt", "keine angabe", "k.a.", "ohne", "inconnu", "inconnue", "non renseigne", "desconocido",
    "desconocida", "sin dato", "s/d", "n.d.", "no especificado", "not reported", "not recorded",
    "(blank)", "n.a.",
})  # fmt: skip
"""Spellings of a missing value beyond those that every layout knows, without accents."""

MARGIN_DEGREES = 0.02
WEEKDAY_SHARE = 0.9
SHIFT_SHARE = 0.6


@dataclass
class Finding:
    """Everything a draft is written from. `box` is longitude and latitude, each from and to."""

    name: str
    file_name: str
    sample: Sample
    guess: Guess
    dates: DateGuess
    doubts: list[str] = field(default_factory=list)
    null_spellings: list[str] = field(default_factory=list)
    decimal_comma: bool = False
    is_projected: bool = False
    box: tuple[float, float, float, float] | None = None
    country: str | None = None
    time_zone: str | None = None
    clock_is_local: bool = False
    shifts: dict[str, tuple[int, int]] = field(default_factory=dict)
    beat_pattern: str | None = None

    def column(self, name: str) -> pd.Series | None:
        """Return the text of a field's column; None for a field that was not found."""
        return self.sample.frame[self.guess.fields[name]] if name in self.guess.fields else None

    def drop(self, name: str, why: str) -> None:
        """Leave a field out of the draft, with a doubt that says why."""
        self.doubts.append(f"{self.guess.fields.pop(name)!r} is not mapped as {name}: {why}")


def write_sketch(path: Path, folder: Path, name: str | None) -> Finding:
    """Write the two drafts of a file into a folder and return what they say.

    Raises `ShieldError` when the file is no table, when the name is no file name of small letters,
    digits and underscores, or when a draft is there already.
    """
    name = name or re.sub(r"[^a-z0-9]+", "_", fold(path.name.split(".")[0])).strip("_") or "city"
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ShieldError(f"--name: expected small letters, digits and _, found {printable(name)!r}")
    targets = [folder / room / f"{name}.toml" for room in ("layouts", "cities")]
    for target in targets:
        if target.exists():
            raise ShieldError(f"{target}: exists already; move it away or give another --name or --out")
    finding = find_out(path, name)
    for target, text in zip(targets, (render_layout(finding), render_city(finding)), strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as stream:
            stream.write(text)
    return finding


def find_out(path: Path, name: str) -> Finding:
    """Read the start of a file and guess what can be guessed of it."""
    sample = read_sample(path)
    guess = guess_columns(sample.frame)
    finding = Finding(name, printable(path.name), sample, guess, DateGuess())
    finding.doubts += [*sample.doubts, *guess.doubts]
    find_place(finding)
    find_dates(finding)
    moments = find_clock(finding)
    check_evidence(finding, moments)
    find_offenses(finding)
    finding.null_spellings = find_null_spellings(finding)
    finding.beat_pattern = find_beat_pattern(finding)
    return finding


def find_place(finding: Finding) -> None:
    """Guess the kind of coordinates, the box round them, country and time zone."""
    x, y = finding.column("longitude"), finding.column("latitude")
    if x is None or y is None:
        for name in {"longitude", "latitude"} & set(finding.guess.fields):
            finding.drop(name, "the other coordinate was not found")
        finding.doubts.append("no coordinates: no box and no time zone can be guessed")
        return
    finding.decimal_comma = any(bool(text.str.contains(",").any()) for text in (x, y))
    pairs = [pd.to_numeric(text.str.replace(",", "."), errors="coerce") for text in (x, y)]
    east, north = (numbers.where((pairs[0] != 0) & (pairs[1] != 0)) for numbers in pairs)
    # No city lies beyond 72 degrees of latitude.
    if east.abs().median() <= 72 < north.abs().median() <= 180:
        fields = finding.guess.fields
        fields["longitude"], fields["latitude"] = fields["latitude"], fields["longitude"]
        finding.doubts.append("names of longitude and latitude seem swapped: mapped by their values")
        east, north = north, east
    if east.abs().quantile(0.9) > 180 or north.abs().quantile(0.9) > 90:
        finding.is_projected = True
        return
    edges = [numbers.quantile(share) for numbers in (east, north) for share in (0.005, 0.995)]
    if not np.isnan(edges).any():
        steps = ((-1, np.floor), (1, np.ceil)) * 2
        box = [
            float(f((e + s * MARGIN_DEGREES) * 100) / 100)
            for e, (s, f) in zip(edges, steps, strict=True)
        ]
        finding.box = (box[0], box[1], box[2], box[3])
        finding.country, finding.time_zone = guess_zone(float(east.median()), float(north.median()))


def find_dates(finding: Finding) -> None:
    """Guess formats of all date columns together; those in a unit of time since 1970 have none."""
    names = [name for name in DATE_FIELDS if name in finding.guess.fields]
    columns = [finding.sample.frame[finding.guess.fields[name]] for name in names]
    months = finding.column("occurred_month")
    if not columns:
        spelled = {} if months is None else find_months(months.drop_duplicates())
        finding.dates.month_names = spell_months(spelled)
        return
    if unit := find_epoch(columns[0]):
        evidence = ["counted since 1970, which is UTC by definition"]
        finding.dates = DateGuess([unit], zone="UTC", evidence=evidence)
        return
    told = finding.column("weekday")
    finding.dates = guess_formats(columns, None if told is None else read_weekdays(told))


def find_clock(finding: Finding) -> pd.Series | None:
    """Guess whether moments are UTC, and return those of the occurrence in local time."""
    column, dates = finding.column("occurred"), finding.dates
    if column is None or not dates.formats:
        return None
    moments = parse_moments(column, dates.formats)
    clock = finding.column("occurred_clock")
    hours = read_hours(finding.column("occurred_hour") if clock is None else clock, clock is None)
    times = moments.dropna().dt.strftime("%H:%M").unique()
    if hours is None and len(times) > 2:
        judge_zone(finding, moments)
        is_utc = dates.zone == "UTC" and finding.time_zone
        return to_local(moments, finding.time_zone or "UTC") if is_utc else moments
    if len(times) <= 2 and set(times) - {"00:00"} and finding.time_zone:
        # A local midnight in UTC is the same hour, or two of them where summer time is kept.
        dates.zone, finding.clock_is_local = "UTC", hours is not None
        dates.evidence.append(
            f"dates have no time of day but {' or '.join(times)}: local midnight in UTC"
        )
        moments = to_local(moments, finding.time_zone)
    days = cast("pd.Series", moments.dt.normalize())
    if hours is None:
        return days
    moments = days + pd.to_timedelta(hours, unit="h")
    if not 2 <= lowest_hour(moments) <= 7:
        finding.doubts.append(f"fewest incidents at {lowest_hour(moments)}:00, expected 2 to 7: UTC?")
    return moments


def judge_zone(finding: Finding, moments: pd.Series) -> None:
    """Decide between UTC and local by all the evidence there is, the weekday first."""
    dates, told = finding.dates, finding.column("weekday")
    if finding.time_zone is None:
        low = lowest_hour(moments)
        finding.doubts.append(
            f"UTC or local is open: fewest incidents at {low}:00, expected 2 to 7 local"
        )
        return
    weekdays = None if told is None else read_weekdays(told)
    verdicts = judge_clock(moments, finding.time_zone, weekdays, finding.column("shift"))
    dates.evidence += verdicts
    clear = [verdict for verdict in verdicts.values() if verdict]
    if clear and not dates.formats[0].endswith(("%z", "Z")) and dates.formats[0] not in EPOCH:
        dates.zone = "UTC" if clear[0] > 0 else "local"
    if len(set(clear)) != 1 or (dates.zone == "UTC") != (clear[0] > 0):
        finding.doubts.append(f"time_zone = {dates.zone!r} is not clear: {'; '.join(verdicts)}")


def check_evidence(finding: Finding, moments: pd.Series | None) -> None:
    """Keep weekday and shift columns only where they agree with the moments."""
    told, shifts = finding.column("weekday"), finding.column("shift")
    if told is not None and moments is not None:
        share = agree_weekdays(moments, read_weekdays(told))
        finding.guess.why["weekday"] += f"; agrees with {share:.1%} of the dates"
        if share < WEEKDAY_SHARE:
            finding.drop("weekday", f"it agrees with {share:.0%} of the dates")
    if shifts is None or moments is None:
        return
    has_hours = moments.dt.hour.nunique() > 2 and (shifts != "").any()
    finding.shifts, share = derive_shifts(moments.dt.hour, shifts) if has_hours else ({}, 0.0)
    finding.guess.why["shift"] += f"; {share:.1%} of the rows lie in their shift's hours"
    if share < SHIFT_SHARE:
        finding.shifts = {}
        finding.drop("shift", "its values are no runs of hours")


def find_offenses(finding: Finding) -> None:
    """Leave out the offense literal where it says the code in other words."""
    codes, literals = finding.column("nibrs_code"), finding.column("offense_literal")
    if codes is None and literals is None:
        finding.doubts.append("no column of offenses was found: map nibrs_code or offense_literal")
    if codes is None or literals is None:
        return
    pairs = pd.DataFrame({"code": codes, "literal": literals})[(codes != "") & (literals != "")]
    if len(pairs) and len(pairs.drop_duplicates()) <= 1.05 * min(pairs.nunique()):
        name = finding.guess.fields.pop("offense_literal")
        finding.guess.notes.append(f"{name!r} says nibrs_code in words")


def find_null_spellings(finding: Finding) -> list[str]:
    """Return spellings of a missing value that the file has and not every layout knows."""
    frame, found = finding.sample.frame, set()
    for name in frame.columns.difference(finding.guess.private):
        texts = frame[name].unique()
        found |= {str(text) for text in texts if fold(str(text)) in MISSING_WORDS}
    typed = {"latitude": NUMBER, "longitude": NUMBER, "firearm_involved": FLAG}
    for name in typed.keys() & finding.guess.fields.keys():
        found |= repeated_words(frame[finding.guess.fields[name]], typed[name])
    for name in finding.guess.fields.keys() & {*DATE_FIELDS, "occurred_clock", "occurred_until_clock"}:
        found |= repeated_words(frame[finding.guess.fields[name]], r".*\d.*")
    return sorted(found)


def repeated_words(column: pd.Series, pattern: str) -> set[str]:
    """Return texts without digits that do not fit a column of values and are there three times."""
    odd = column[(column != "") & ~column.str.lower().str.fullmatch(f"{pattern}|.*\\d.*")]
    counts = odd.value_counts()
    return {str(text) for text in counts.index[counts >= 3] if len(str(text)) <= 30}


def find_beat_pattern(finding: Finding) -> str | None:
    """Return the pattern of beats of digits that begin with the zone; None for others."""
    beats, zones = finding.column("beat"), finding.column("zone")
    if beats is None or zones is None:
        return None
    told = (beats != "") & (zones != "")
    lengths = beats[told].str.len().mode(), zones[told].str.len().mode()
    if not told.any() or lengths[0][0] <= lengths[1][0]:
        return None
    pattern = rf"([0-9]{{{lengths[1][0]}}})[0-9]{{{lengths[0][0] - lengths[1][0]}}}"
    zone = beats[told].str.extract(f"^{pattern}$")[0]
    return pattern if (zone == zones[told]).mean() > 0.9 else None


def describe(finding: Finding) -> str:
    """Return the summary that a terminal shows."""
    fields, why = finding.guess.fields, finding.guess.why
    width = max(map(len, fields), default=0)
    doubts = [*finding.doubts, *finding.dates.doubts]
    return "\n".join([
        f"{finding.file_name}: {len(finding.sample.frame):,} rows looked at",
        *(f"  {name:{width}}  {printable(fields[name])}  ({why[name]})" for name in fields),
        f"  formats {finding.dates.formats}, clock {finding.dates.zone}, city at {finding.time_zone}",
        *(f"  doubt: {printable(doubt)}" for doubt in doubts),
    ])  # fmt: skip
