"""Simulated incidents: a raw file in the layout `simulated`, drawn from known true rates.

Input: `data/reference/neighborhood.csv` (names, NPU, zone and centre are Atlanta's facts) and the
number of offenses wanted. Output: a raw file with that layout's dirt, and the `Truth` it was drawn
from. Volumes, hours and offenses are drawn at random: they say nothing about the real places. The
layout is that of nibrs and one column more, by which the ETL calls a build simulated, however the file
came in.
"""

import datetime as dt
import filecmp
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from etl.city import City
from warehouse import settings
from warehouse.files import PARTIAL
from warehouse.months import MONTHS
from warehouse.table import quote_text

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DAY_HOURS = 24
REPORT_PREFIX = "SIM"
SERIALS_PER_PART = 10_000_000
DEFAULT_INCIDENTS = 250_000
"""About 50,000 offenses a year, as Atlanta reported 2021-24, over `YEARS`."""
YEARS = range(2021, 2026)

MAX_DRAFT_SECONDS = 24 * 3600
"""Writing a sample takes seconds."""

MISSING_NEIGHBORHOOD = 0.13
MISSING_BEAT = 0.004
MISSING_COORDINATES = 0.002
OUTSIDE_CITY = 0.001
JUNK_OCCURRENCE_YEAR = 0.001
JUNK_REPORT_YEAR = 0.001
REPEATED_ROWS = 0.0002
WIDE_WINDOWS = 0.10
LATE_REPORTS = 0.209
VERY_LATE_REPORTS = 0.042
"""Shares of dirt: those of the department's own export (2021-23), as far as they were measured."""

NAMED_SHARE = (1 - MISSING_NEIGHBORHOOD) * (1 - OUTSIDE_CITY) * (1 - JUNK_OCCURRENCE_YEAR)
KEPT_SHARE = NAMED_SHARE * (1 - MISSING_NEIGHBORHOOD * MISSING_COORDINATES) / (1 - MISSING_NEIGHBORHOOD)
"""Shares of the drawn offenses that cleaning keeps, late reports aside, in a named neighborhood and in
all: the dirt is independent, and a place is known by its name or by its coordinates."""

# Rough city-wide mix of the commoner offenses; the second figure weighs them up at night (20-5).
OFFENSE_MIX = {
    "23F": (13.0, 1.4), "290": (9.0, 1.2), "23H": (8.0, 0.8), "240": (8.0, 1.3), "13B": (7.0, 1.2),
    "35A": (6.0, 1.0), "26A": (6.0, 0.5), "13A": (5.0, 1.6), "220": (4.5, 1.2), "23C": (4.5, 0.4),
    "90C": (4.0, 1.2), "90Z": (10.0, 1.0), "520": (3.5, 1.5), "23D": (2.5, 0.6), "13C": (2.0, 1.0),
    "90J": (2.0, 0.8), "90D": (2.0, 2.5), "26B": (1.8, 0.5), "120": (1.8, 1.6), "26F": (1.5, 0.5),
    "23G": (1.3, 1.3), "250": (0.8, 0.5), "11D": (0.6, 1.0), "90G": (0.6, 1.4), "40A": (0.4, 1.8),
    "11A": (0.5, 1.2), "280": (0.6, 1.0), "90F": (0.4, 0.9), "09A": (0.3, 1.5), "720": (0.2, 0.8),
}  # fmt: skip

LOCATION_MIX = {
    "RESIDENCE_HOME": 40, "HIGHWAY_ROAD_ALLEY_STREET_SIDEWALK": 20, "PARKING_DROP_LOT_GARAGE": 20,
    "COMMERCIAL_OFFICE_BUILDING": 5, "SERVICE_GAS_STATION": 4, "CONVENIENCE_STORE": 3,
    "RESTAURANT": 3, "BAR_NIGHTCLUB": 2, "HOTEL_MOTEL_ETC": 2, "PARK_PLAYGROUND": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What a simulated file was drawn from.

    `rates[n, m, h]` is the expected number of offenses in one clock hour `h` of a day in calendar
    month `m + 1`, in neighborhood `neighborhoods[n]`, before dirt. `first` and `last` are local days.
    """

    neighborhoods: tuple[str, ...]
    rates: Floats
    first: dt.date
    last: dt.date


def simulate_file(path: Path, city: City, incidents: int = DEFAULT_INCIDENTS, part: int = 0) -> Truth:
    """Write a simulated raw file (gz where the name says so) and return its truth.

    `incidents` is the expected number of offenses over `YEARS`. Files of different `part` have other
    rates and other report numbers, and can be read together. Same arguments, same file contents.
    """
    random = np.random.default_rng([settings.SEED, part])
    places = pd.read_csv(settings.REFERENCE_DIR / "neighborhood.csv", dtype={"zone": str})
    hours = list_hours(city)
    rates = draw_rates(random, len(places))
    exposure = hours.groupby(["month", "hour"]).size().to_numpy().reshape(MONTHS, DAY_HOURS)
    rates *= incidents / (rates * exposure).sum()
    offenses = draw_offenses(random, rates, hours, places)
    offenses["serial"] += part * SERIALS_PER_PART
    # Two refreshes may simulate the same file at once: each sees it whole or not at all.
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}{path.suffix}")
    sweep_drafts(path)
    write_rows(partial, offenses)
    # Another refresh may be reading the same sample: it would find that its file has changed.
    if path.exists() and filecmp.cmp(partial, path, shallow=False):
        partial.unlink()
    else:
        partial.replace(path)
    return Truth(tuple(places["neighborhood"]), rates, dt.date(YEARS[0], 1, 1),
                 dt.date(YEARS[-1], 12, 31))  # fmt: skip


def sweep_drafts(path: Path) -> None:
    """Remove drafts of a sample that are so old that whoever wrote them was killed."""
    for draft in path.parent.glob(f"{path.name}.*{PARTIAL}*"):
        with suppress(FileNotFoundError):  # another has just finished it
            if time.time() - draft.stat().st_mtime > MAX_DRAFT_SECONDS:
                draft.unlink()


def list_hours(city: City) -> pd.DataFrame:
    """Return every hour of `YEARS` on the city's clock: `utc`, `local`, `month`, `hour`.

    The hour that a clock change skips is not there and the one it repeats is there twice.
    """
    utc = pd.date_range(
        pd.Timestamp(YEARS[0], 1, 1, tz=city.time_zone).tz_convert("UTC"),
        pd.Timestamp(YEARS[-1] + 1, 1, 1, tz=city.time_zone).tz_convert("UTC"),
        freq="h",
        inclusive="left",
    )
    local = utc.tz_convert(city.time_zone)
    return pd.DataFrame(
        {
            "utc": utc.tz_localize(None).to_numpy("datetime64[s]"),
            "local": local.tz_localize(None).to_numpy("datetime64[s]"),
            "month": local.month,
            "hour": local.hour,
        }
    )


def draw_rates(random: np.random.Generator, places: int) -> Floats:
    """Return relative rates (neighborhood, 12, 24): a level, a season and a mix of day shapes."""
    level = 0.4 + random.lognormal(0.0, 1.0, places)
    season = 1 + 0.08 * np.cos(2 * np.pi * (np.arange(MONTHS) - 6) / MONTHS)
    shapes = np.stack([day_shape(peak, width) for peak, width in ((18, 5), (13, 3.5), (1, 3))])
    mix = random.dirichlet((3.0, 2.0, 1.0), places)
    profile = mix @ shapes
    rates: Floats = level[:, None, None] * season[None, :, None] * profile[:, None, :]
    return rates


def day_shape(peak: float, width: float) -> Floats:
    """Return a shape (24) with mean 1: a circular bump at `peak` on a constant."""
    distance = (np.arange(24) - peak + 12) % 24 - 12
    shape = 0.35 + np.exp(-0.5 * (distance / width) ** 2)
    normalized: Floats = shape / shape.mean()
    return normalized


def draw_offenses(
    random: np.random.Generator, rates: Floats, hours: pd.DataFrame, places: pd.DataFrame
) -> pd.DataFrame:
    """Draw offenses from `rates`, dirt included, and return what `write_rows` needs."""
    place, slot = draw_cells(random, rates, hours)
    count = len(place)
    minute = np.timedelta64(1, "m") * random.integers(0, 60, count)
    occurred = hours["utc"].to_numpy()[slot] + minute
    until = occurred + np.timedelta64(1, "m") * draw_window_minutes(random, count)
    reported = until + np.timedelta64(1, "m") * draw_delay_minutes(random, count)
    offenses = pd.DataFrame(
        {
            "occurred": occurred,
            "until": until,
            "reported": reported,
            "local": hours["local"].to_numpy()[slot] + minute,
            "nibrs_code": draw_codes(random, place, hours["hour"].to_numpy()[slot], len(places)),
            "location": random.choice(
                list(LOCATION_MIX), count, p=np.array(list(LOCATION_MIX.values())) / 100
            ),
            "firearm": random.random(count) < 0.06,
            "latitude": places["latitude"].to_numpy()[place] + random.normal(0, 0.002, count),
            "longitude": places["longitude"].to_numpy()[place] + random.normal(0, 0.002, count),
            "zone": places["zone"].to_numpy()[place],
            "patrol_beat": 1 + place % 12,
            "neighborhood": places["neighborhood"].to_numpy()[place],
            "npu": places["npu"].to_numpy()[place],
        }
    )
    soil(random, offenses)
    end = hours["utc"].iloc[-1] + np.timedelta64(1, "h")
    seen = offenses[offenses["reported"] < end].sort_values(["reported", "occurred", "local"])
    repeated = seen[random.random(len(seen)) < REPEATED_ROWS]
    rows: pd.DataFrame = pd.concat([seen, repeated])
    rows["serial"] = rows.index
    rows["object_id"] = np.arange(len(rows)) + 1
    return rows


def draw_cells(
    random: np.random.Generator, rates: Floats, hours: pd.DataFrame
) -> tuple[Integers, Integers]:
    """Draw Poisson counts per neighborhood, month and hour; return place and hour slot per offense."""
    cell = (hours["month"].to_numpy() - 1) * DAY_HOURS + hours["hour"].to_numpy()
    order = np.argsort(cell, kind="stable")
    sizes = np.bincount(cell, minlength=MONTHS * DAY_HOURS)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    counts = random.poisson(rates.reshape(len(rates), -1) * sizes)
    place, chosen = (
        np.repeat(index, counts.ravel()) for index in np.indices(counts.shape).reshape(2, -1)
    )
    slot = order[starts[chosen] + (random.random(len(chosen)) * sizes[chosen]).astype(np.int64)]
    return place, slot


def draw_window_minutes(random: np.random.Generator, count: int) -> Integers:
    """Draw windows (count) in minutes: median near 50, a share of `WIDE_WINDOWS` over 25 hours."""
    minutes = random.lognormal(np.log(40), 1.4, count)
    wide = random.random(count) < WIDE_WINDOWS
    minutes[wide] = random.uniform(25 * 60, 20 * 24 * 60, int(wide.sum()))
    return np.minimum(minutes, 30 * 24 * 60).astype(np.int64)


def draw_delay_minutes(random: np.random.Generator, count: int) -> Integers:
    """Draw delays (count), in minutes, between the end of the occurrence and the report."""
    day = 24 * 60
    minutes = random.exponential(150, count)
    kind = random.random(count)
    late, very_late = kind < LATE_REPORTS, kind < VERY_LATE_REPORTS
    minutes[late] = random.uniform(day, 30 * day, int(late.sum()))
    minutes[very_late] = random.uniform(30 * day, 150 * day, int(very_late.sum()))
    return minutes.astype(np.int64)


def draw_codes(
    random: np.random.Generator, place: Integers, hour: Integers, places: int
) -> npt.NDArray[np.str_]:
    """Draw NIBRS codes, one for each place and hour, from the place's own mix by day and by night."""
    codes = np.array(list(OFFENSE_MIX))
    weight, night_factor = np.array(list(OFFENSE_MIX.values())).T
    mixes = random.dirichlet(weight, places)[:, None, :] * np.stack([np.ones(len(codes)), night_factor])
    steps = np.cumsum(mixes / mixes.sum(axis=2, keepdims=True), axis=2)
    is_night = ((hour >= 20) | (hour < 5)).astype(np.int64)
    drawn = random.random(len(place))
    chosen = np.empty(len(place), dtype=np.int64)
    for group in np.unique(place * 2 + is_night):
        rows = np.flatnonzero(place * 2 + is_night == group)
        chosen[rows] = np.searchsorted(steps[group // 2, group % 2], drawn[rows])
    return codes[np.minimum(chosen, len(codes) - 1)]


def soil(random: np.random.Generator, offenses: pd.DataFrame) -> None:
    """Add dirt to rows in place as the real export has it; each kind independently of the others."""
    count = len(offenses)
    nameless = random.random(count) < MISSING_NEIGHBORHOOD
    offenses.loc[nameless, "neighborhood"] = None
    offenses.loc[nameless & (random.random(count) < 0.7), "npu"] = None
    offenses.loc[random.random(count) < MISSING_BEAT, "zone"] = None
    offenses.loc[random.random(count) < MISSING_COORDINATES, ["latitude", "longitude"]] = 0.0
    outside = random.random(count) < OUTSIDE_CITY
    offenses.loc[outside & (offenses["latitude"] != 0), "longitude"] = -83.9
    offenses["has_junk_year"] = random.random(count) < JUNK_OCCURRENCE_YEAR
    offenses["has_junk_report"] = random.random(count) < JUNK_REPORT_YEAR


def write_rows(path: Path, offenses: pd.DataFrame) -> None:
    """Write the rows in the layout `simulated`, dates in the export's own spelling."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.register("offenses", offenses)
        reference = quote_text(str(settings.REFERENCE_DIR / "offense.csv"))
        connection.execute(f"""
            COPY (
                SELECT object_id AS OBJECTID,
                    '{REPORT_PREFIX}' || lpad(serial::VARCHAR, 9, '0') AS IncidentNumber,
                    if(firearm, 'yes', 'no') AS FireArmInvolved,
                    CASE WHEN NOT has_junk_report THEN strftime(reported, $stamp)
                         WHEN serial % 2 = 0 THEN '1/1/1015 5:00' ELSE '6/1/2124 4:00'
                         END AS ReportDate,
                    if(has_junk_year, strftime(occurred, '%-m/%-d/1924 %-H:%M'),
                       strftime(occurred, $stamp)) AS OccurredFromDate,
                    strftime(until, $stamp) AS OccurredToDate,
                    dayname("local") AS Day_of_the_week,
                    dayofweek("local") + 1 AS Day_Number,
                    if(nibrs_code IN ('09A', '11A', '120', '13A', '220', '240')
                       OR nibrs_code LIKE '23_', 'Part I', 'Part II') AS Part,
                    left(reference.crime_against, 8) AS Crime_Against,
                    nibrs_code AS NibrsUcrCode, reference.offense AS NIBRS_Offense,
                    if(serial % 8 = 0, 1, NULL) AS Vic_Count,
                    'SIMULATED' AS StreetAddress, "location" AS LocationType,
                    round(longitude, 6) AS Longitude, round(latitude, 6) AS Latitude,
                    'FALSE' AS IsBiasMotivationInvolved,
                    CASE WHEN hour("local") BETWEEN 6 AND 13 THEN 'Day Watch'
                         WHEN hour("local") BETWEEN 14 AND 22 THEN 'Evening Watch'
                         ELSE 'Morning Watch' END AS event_watch,
                    zone AS Zone_int, zone || lpad(patrol_beat::VARCHAR, 2, '0') AS BEAT_Text,
                    NULL AS DISTRICT, npu AS NPU, neighborhood AS NhoodName,
                    round(longitude, 6) AS x, round(latitude, 6) AS y,
                    'yes' AS Simulated
                FROM offenses
                JOIN read_csv({reference}, all_varchar = true) AS reference USING (nibrs_code)
                ORDER BY object_id
            ) TO {quote_text(str(path))} (FORMAT csv, HEADER)""",
            {"stamp": "%-m/%-d/%Y %-H:%M"},
        )  # fmt: skip
