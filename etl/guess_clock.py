"""Guesses about the clock of moments: weekdays told, UTC or local, hours of shifts, time zone.

Enters: moments, columns of weekdays and shifts, coordinates. Leaves: what each kind of evidence says.
"""

import re
import zoneinfo
from importlib import resources
from typing import cast

import numpy as np
import pandas as pd

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

LOW_HOUR = 4.5
"""Crime is at its low around 5 in the morning, local time (Felson and Poulsen, "Simple indicators of
crime by time of day", International Journal of Forecasting 19, 2003); Atlanta's at 4 to 5."""

SHIFT_HOURS = {"day": 11, "eve": 19, "night": 3}
"""Middle hour of police shifts by their usual names. A morning watch is the night in one city and the
forenoon in another."""


def read_weekdays(column: pd.Series) -> pd.Series:
    """Return ISO weekdays 1-7 of English names or abbreviations; NaN for other values."""
    return column.str.lower().map(
        {name[:length]: n for n, name in enumerate(WEEKDAYS, 1) for length in range(3, len(name) + 1)}
    )


def agree_weekdays(moments: pd.Series, weekdays: pd.Series) -> float:
    """Return the share of rows whose told weekday is that of their moment; 0 without any."""
    told = weekdays.notna() & moments.notna()
    return float((moments[told].dt.dayofweek + 1 == weekdays[told]).mean()) if told.any() else 0.0


def read_hours(column: pd.Series | None, is_hour_only: bool) -> pd.Series | None:
    """Return hours 0-23 of clock texts, integers hhmm or hours; None without a column, NaN unread."""
    if column is None:
        return None
    text = column.str.lower()
    digits = text.str.extract(r"^(\d+)")[0]
    is_packed = ~text.str.contains(":") & (not is_hour_only) & (digits.str.len() > 2)
    hours = pd.to_numeric(digits.where(~is_packed, digits.str[:-2]), errors="coerce")
    if not is_hour_only and is_packed.any():
        hours = hours.where(is_packed | text.str.contains(":"), 0)  # 45 is 00:45 among 1145
    afternoon = text.str.contains("p") & (hours < 12)
    midnight = text.str.contains("a") & (hours == 12)
    return (hours + 12 * afternoon - 12 * midnight) % 24


def to_local(moments: pd.Series, time_zone: str) -> pd.Series:
    """Return UTC moments on the wall clock of a time zone."""
    told = moments.dt.tz_localize("UTC").dt.tz_convert(time_zone)
    return cast("pd.Series", told.dt.tz_localize(None))


def judge_clock(
    moments: pd.Series, time_zone: str, weekdays: pd.Series | None, shifts: pd.Series | None
) -> dict[str, int]:
    """Return what each kind of evidence says of moments with a time of day: 1 UTC, -1 local, 0 open."""
    readings = (moments, to_local(moments, time_zone))
    verdicts = {}
    if weekdays is not None:
        local, utc = (agree_weekdays(reading, weekdays) for reading in readings)
        verdicts[f"weekday column agrees with {local:.1%} as local, {utc:.1%} as UTC"] = (
            int(np.sign(utc - local)) if abs(utc - local) > 0.02 else 0
        )
    if shifts is not None:
        local, utc = (distance_from_shifts(reading, shifts) for reading in readings)
        verdicts[f"middle of the shifts lies {local:.1f} h off as local, {utc:.1f} h as UTC"] = (
            int(np.sign(local - utc)) if abs(local - utc) > 1 else 0
        )
    lows = [lowest_hour(reading) for reading in readings]
    local, utc = (circular_distance(low, LOW_HOUR) for low in lows)
    verdicts[f"fewest incidents at {lows[0]}:00 as local, {lows[1]}:00 as UTC"] = (
        int(np.sign(local - utc)) if abs(local - utc) > 1 else 0
    )
    return verdicts


def circular_distance(hour: float, other: float) -> float:
    """Return how far two hours of the day lie apart, at most 12."""
    return min((hour - other) % 24, (other - hour) % 24)


def lowest_hour(moments: pd.Series) -> int:
    """Return the middle of the three hours with fewest incidents; midnight and noon sharp left out.

    Those stand for an unknown time in many files.
    """
    minutes = moments.dt.hour * 60 + moments.dt.minute
    counts = moments[~minutes.isin([0, 720])].dt.hour.value_counts().reindex(range(24), fill_value=0)
    three = sum(np.roll(counts.to_numpy(), shift) for shift in (-1, 0, 1))
    return int(np.argmin(three))


def distance_from_shifts(moments: pd.Series, shifts: pd.Series) -> float:
    """Return the mean distance of the middle hour of shifts' rows from that of their name; 0 without."""
    distances = []
    for name in shifts[shifts != ""].unique():
        expected = next((hour for word, hour in SHIFT_HOURS.items() if word in name.lower()), None)
        angles = moments[shifts == name].dropna().dt.hour * (2 * np.pi / 24)
        if expected is not None and len(angles):
            middle = np.angle(np.exp(1j * angles.to_numpy()).mean()) * 24 / (2 * np.pi)
            distances.append(circular_distance(float(middle), expected))
    return float(np.mean(distances)) if distances else 0.0


def derive_shifts(hours: pd.Series, shifts: pd.Series) -> tuple[dict[str, tuple[int, int]], float]:
    """Return each shift's first and last hour, the last exclusive, and the share of rows within them.

    An hour belongs to the shift that most of its rows tell. Empty where shifts are no runs of hours.
    """
    told = (shifts != "") & hours.notna()
    counts = pd.crosstab(hours[told].astype(int), shifts[told]).reindex(range(24), fill_value=0)
    owners = counts.idxmax(axis=1)
    spans = {}
    for name in map(str, counts.columns):
        mine = [hour for hour in range(24) if str(owners[hour]) == name]
        firsts = [hour for hour in mine if (hour - 1) % 24 not in mine]
        if len(firsts) != 1:
            return {}, 0.0
        spans[name] = (firsts[0], (firsts[0] + len(mine)) % 24 or 24)
    return spans, float(counts.max(axis=1).sum() / counts.to_numpy().sum())


def guess_zone(longitude: float, latitude: float) -> tuple[str, str]:
    """Return country and time zone of the nearest principal city in the time zone database.

    A name of three parts is that of a region whose past differs, such as America/Kentucky/Louisville:
    the country's first zone of the same offsets in recent winters and summers stands for it.
    """
    lines = (resources.files("tzdata") / "zoneinfo" / "zone1970.tab").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    places = [(row[0].split(",")[0], row[2], *read_place(row[1])) for row in rows]

    def distance(place: tuple[str, str, float, float]) -> float:
        east = (place[3] - longitude) * np.cos(np.radians(latitude))
        return float((place[2] - latitude) ** 2 + east**2)

    country, zone, *_ = min(places, key=distance)
    if zone.count("/") == 1:
        return country, zone
    names = (name for code, name, *_ in places if code == country and name.count("/") == 1)
    return country, next((name for name in names if offsets(name) == offsets(zone)), zone)


def read_place(text: str) -> tuple[float, float]:
    """Return latitude and longitude of ISO 6709 text such as +404251-0740023."""
    parts = re.findall(r"[+-]\d+", text)
    degrees = []
    for part, digits in zip(parts, (2, 3), strict=True):
        whole, minutes = part[1 : 1 + digits], part[1 + digits : 3 + digits]
        degrees.append((int(whole) + int(minutes) / 60) * (-1 if part[0] == "-" else 1))
    return degrees[0], degrees[1]


def offsets(zone: str) -> list[object]:
    """Return a zone's offsets from UTC in the winter and summer of two recent years."""
    moments = [pd.Timestamp(year, month, 15) for year in (2015, 2023) for month in (1, 7)]
    return [moment.tz_localize(zoneinfo.ZoneInfo(zone)).utcoffset() for moment in moments]
