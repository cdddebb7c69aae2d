"""Quality checks of the clock: are times read as they were meant?

Input: `staged` and the raw files. Output: a sentence per check that fails: weekdays or shifts that the
file names and its times contradict, hours that no city's crime has, and the other reading that fits
better.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from etl.city import City
from etl.raw_file import RawFile
from warehouse.table import quote_text

Floats = npt.NDArray[np.float64]

MAX_ROWS = 10_000
"""Rows of a file that are looked at, evenly over its length: a share of them is off by 1 % at most."""

MIN_NAMED = 50
"""Rows that must name a weekday or a shift before these are asked."""

MAX_CONTRADICTED_SHARE = 0.10
"""Share of named weekdays that the dates may contradict. In the department's files it is 0 to 7 %; its
UTC times read as local contradict 16 %."""

MAX_OUTSIDE_SHARE = 0.15
"""Share of the times that may lie outside their shift: 0 to 9 % in the department's files. In the wrong
clock half of them do."""

MIN_TIMES = 200
"""Times from which on hours are looked at one by one."""

MAX_HOUR_SHARE = 0.5
"""Share of the times that one hour may hold: beyond it, the hour is not known."""

MIN_PROFILE_TIMES = 1000
"""Times from which on the profile of the day is known: its distance is then off by about 0.03."""

CITY_PROFILE = np.array([0.106, 0.049, 0.072, 0.118, 0.157, 0.178, 0.178, 0.141])
"""Shares (8) of the day's crimes in each three hours: mean of Atlanta's COBRA files of 2013-16, of
2019-21 and of the nibrs sample. Each of them, and the simulated data, is within `MAX_FITTING_DISTANCE`
of it."""

DAY_HOURS, BLOCKS = 24, len(CITY_PROFILE)

MAX_FITTING_DISTANCE, MIN_SUSPECT_DISTANCE = 0.10, 0.11
"""Total variation distances from `CITY_PROFILE`: up to the first a reading fits, beyond the second it
is suspect. The total variation distance, half the sum of absolute differences, is the share of the times
that would have to move to another block of hours."""

BETTER_FACTOR = 0.65
"""The other reading must be nearer by this factor: Atlanta's files read in the wrong clock are at 0.12
to 0.25, and at 0.03 to 0.09 in the right one."""

MAX_MINUTE_SHARE = 0.2
"""Share of the times that one minute of the day may hold, such as 00:01 or 12:00 for an hour that is not
known: 2 to 4 % in the department's files."""

MIN_SHIFTED_DISTANCE = 0.15
"""Distance as it is read from which on a day that fits when moved is reported: some four hours."""

PERIODS, MIN_PERIOD_TIMES, MAX_PERIOD_DISTANCE = 4, 600, 0.15
"""A file is cut into so many periods of as many times; each may lie so far from the rest. Periods of the
department's files are within 0.09, chance alone makes 0.05."""

MAX_BACKWARD_SHARE = 0.1
"""Share of the windows that may end before they begin, or of the reports before the day of the
occurrence: under 2 % in the department's files."""

MIN_FLAT_DISTANCE = 0.04
"""A profile nearer than this to a flat one is no city's; the flattest known is at 0.10."""

MIN_YEAR = 1980
"""A file of which half is older has its dates misread: epoch seconds taken for milliseconds are 1970."""


@dataclass(frozen=True)
class Hours:
    """Counts (24) of one file's times by clock hour, as they were read and in the other clock."""

    read: Floats
    other: Floats

    @property
    def count(self) -> int:
        """How many times there are."""
        return int(self.read.sum())


def check_clock(connection: duckdb.DuckDBPyConnection, file: RawFile, city: City) -> Iterator[str]:
    """Yield a sentence per check that the times of one file fail."""
    sample_times(connection, file, city)
    yield from check_years(connection)
    contradicted, named = count_contradicted(connection)
    if named >= MIN_NAMED and contradicted[0] > MAX_CONTRADICTED_SHARE:
        better = contradicted[1] < contradicted[0] / 2
        other = f"; read {name_other(file)} it is {contradicted[1]:.0%}" if better else ""
        yield (
            f"{contradicted[0]:.0%} of {named:,} weekdays that the file names are not those of its"
            f" dates{other}"
        )
    yield from check_shifts(connection, file)
    yield from check_order(connection)
    yield from check_minutes(connection)
    # Weekdays that fit prove a clock better than any profile, where day and clock are one moment.
    is_one_moment = not (file.has("occurred_clock") or file.has("occurred_hour"))
    is_proven = is_one_moment and named >= MIN_NAMED and contradicted[0] <= MAX_CONTRADICTED_SHARE / 2
    yield from check_hours(count_hours(connection), file, is_proven=is_proven)
    yield from check_periods(connection)


def name_other(file: RawFile) -> str:
    """Return the clock that the layout does not say."""
    if not file.layout.is_utc:
        return "as UTC"
    return 'with clock_time_zone = "local"' if file.has("occurred_clock") else "as local"


def render_other(file: RawFile, city: City) -> str:
    """Return the SQL of `occurred` in the clock that the layout does not say."""
    zone = quote_text(city.time_zone.key)
    if file.layout.is_utc:
        return f"timezone('UTC', timezone({zone}, occurred))"
    return f"timezone({zone}, timezone('UTC', occurred))"


def sample_times(connection: duckdb.DuckDBPyConnection, file: RawFile, city: City) -> None:
    """Create `sampled_time`: every so many times of a file, as read and in the `other` clock.

    `is_one_day` leaves out windows over several days: the file may name the weekday of either end.
    """
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE sampled_time AS
        SELECT occurred, {render_other(file, city)} AS other, raw_weekday, raw_shift,
               occurred_until < occurred AS ends_before,
               reported::DATE < occurred::DATE AS is_reported_before,
               coalesce(occurred_until::DATE, occurred::DATE) = occurred::DATE AS is_one_day
        FROM staged
        WHERE file_number = $number AND occurred IS NOT NULL AND row_number % (
            SELECT count(*) // $most + 1 FROM staged WHERE file_number = $number) = 0""",
        {"number": file.number, "most": MAX_ROWS},
    )


def check_years(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield a sentence if half of the occurrences are older than any feed."""
    typical = connection.execute("SELECT median(occurred)::DATE FROM sampled_time").fetchall()[0][0]
    if typical is not None and typical.year < MIN_YEAR:
        yield f"half of its dates are before {typical}: check the unit of datetime_formats"


def count_contradicted(connection: duckdb.DuckDBPyConnection) -> tuple[tuple[float, float], int]:
    """Return the shares of named weekdays that contradict the times, and how many are named.

    The shares are those as read and in the other clock.
    """
    read, other, named = connection.execute("""
        SELECT avg((isodow(occurred) <> raw_weekday)::INTEGER),
               avg((isodow(other) <> raw_weekday)::INTEGER), count(*)
        FROM sampled_time WHERE raw_weekday IS NOT NULL AND is_one_day""").fetchall()[0]
    return (float(read or 0), float(other or 0)), int(named)


def check_shifts(connection: duckdb.DuckDBPyConnection, file: RawFile) -> Iterator[str]:
    """Yield a sentence if too many times lie outside the shift that the file names for them."""
    shifts = file.layout.shifts
    if not shifts:
        return
    inside = " ".join(
        f"WHEN {quote_text(name)}"
        f" THEN (hour(occurred) - {first} + 24) % 24 < {(last - first) % 24 or 24}"
        for name, (first, last) in shifts.items()
    )
    outside, named = connection.execute(f"""
        SELECT avg((NOT inside)::INTEGER), count(inside)
        FROM (SELECT CASE raw_shift {inside} END AS inside FROM sampled_time WHERE is_one_day)
        """).fetchall()[0]
    if named >= MIN_NAMED and outside > MAX_OUTSIDE_SHARE:
        yield f"{outside:.0%} of {named:,} times lie outside the shift that the file names for them"


def check_order(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield a sentence if too many windows end before they begin, or reports come before occurrences."""
    ended, ending, early, reporting = connection.execute("""
        SELECT avg(ends_before::INTEGER), count(ends_before),
               avg(is_reported_before::INTEGER), count(is_reported_before) FROM sampled_time
        """).fetchall()[0]
    if ending >= MIN_NAMED and ended > MAX_BACKWARD_SHARE:
        yield f"{ended:.0%} of {ending:,} occurrences end before they begin"
    if reporting >= MIN_NAMED and early > MAX_BACKWARD_SHARE:
        yield f"{early:.0%} of {reporting:,} reports come before the day of the occurrence"


def check_minutes(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield a sentence if one minute of the day holds too many times."""
    minute, share, times = connection.execute("""
        SELECT strftime(occurred, '%H:%M') AS minute, count(*) / sum(count(*)) OVER () AS share,
               sum(count(*)) OVER () FROM sampled_time
        GROUP BY minute ORDER BY share DESC, minute LIMIT 1""").fetchone() or ("", 0, 0)
    if times >= MIN_TIMES and MAX_MINUTE_SHARE < share <= MAX_HOUR_SHARE:
        yield (
            f"{share:.0%} of {times:,} times are exactly {minute}: it stands for an hour that is not"
            " known"
        )


def check_periods(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield a sentence for each quarter of the times whose day is not that of the others."""
    rows = connection.execute(f"""
        SELECT period, hour(occurred) AS hour, count(*) AS times,
               min(occurred)::DATE::VARCHAR AS first, max(occurred)::DATE::VARCHAR AS last
        FROM (SELECT occurred, ntile({PERIODS}) OVER (ORDER BY occurred) - 1 AS period
              FROM sampled_time)
        GROUP BY ALL""").df()
    counts = np.zeros((PERIODS, DAY_HOURS))
    np.add.at(counts, (rows["period"], rows["hour"]), rows["times"])
    for period, hours in enumerate(counts):
        others = counts.sum(axis=0) - hours
        if min(hours.sum(), others.sum()) < MIN_PERIOD_TIMES:
            continue
        distance = measure_distance(hours, sum_blocks(others))
        if distance > MAX_PERIOD_DISTANCE:
            days = rows[rows["period"] == period]
            yield (
                f"from {days['first'].min()} to {days['last'].max()} a share of {distance:.0%} of the"
                " times lies in other hours than in the rest of the file: another clock"
            )


def count_hours(connection: duckdb.DuckDBPyConnection) -> Hours:
    """Return the times by hour (24) in both clocks."""
    rows = connection.execute("""
        SELECT hour(occurred) AS read, hour(other) AS other, count(*) AS times
        FROM sampled_time GROUP BY ALL""").fetchnumpy()
    read, other = np.zeros((2, DAY_HOURS))
    np.add.at(read, rows["read"], rows["times"])
    np.add.at(other, rows["other"], rows["times"])
    return Hours(read, other)


def check_hours(hours: Hours, file: RawFile, *, is_proven: bool) -> Iterator[str]:
    """Yield what no city's crime shows. `is_proven` says that weekdays have confirmed the clock."""
    if hours.count < MIN_TIMES:
        return
    shares = hours.read / hours.count
    top = int(shares.argmax())
    if shares[top] > MAX_HOUR_SHARE:
        yield (
            f"{shares[top]:.0%} of {hours.count:,} times lie between {top:02}:00 and {top:02}:59: the"
            " file tells no clock, or its clock is read in the wrong unit"
        )
        return
    if not shares[13:].any() and shares[1:12].all():
        yield (
            f"none of {hours.count:,} times lies between 13:00 and 23:59: a 12-hour clock is read"
            " without its AM and PM"
        )
        return
    if hours.count >= MIN_PROFILE_TIMES:
        yield from check_profile(hours, file, is_proven=is_proven)


def check_profile(hours: Hours, file: RawFile, *, is_proven: bool) -> Iterator[str]:
    """Yield a sentence if the profile is no city's, or is one in another clock only."""
    if measure_distance(hours.read, np.full(BLOCKS, 1 / BLOCKS)) < MIN_FLAT_DISTANCE:
        yield f"{hours.count:,} times spread evenly over the day, as no city's crime does"
    read, other = (measure_distance(counts, CITY_PROFILE) for counts in (hours.read, hours.other))
    is_better = read > MIN_SUSPECT_DISTANCE and other < min(MAX_FITTING_DISTANCE, BETTER_FACTOR * read)
    shift, shifted = find_shift(hours.read)
    if is_proven:
        return
    if is_better:
        yield (
            f"its hours fit a city's day better when read {name_other(file)}: a share of {other:.0%}"
            f" of the times lies in other hours then, {read:.0%} as the layout says"
        )
    elif read > MIN_SHIFTED_DISTANCE and shifted < MAX_FITTING_DISTANCE:
        yield f"its hours fit a city's day only when moved by {shift:+d} hours"


def find_shift(counts: Floats) -> tuple[int, float]:
    """Return by how many hours counts must be moved to come nearest to a city's day, and how near."""
    distances = {
        hours: measure_distance(np.roll(counts, hours), CITY_PROFILE) for hours in range(-11, 13)
    }
    best = min(distances, key=lambda hours: (distances[hours], abs(hours)))
    return best, distances[best]


def sum_blocks(counts: Floats) -> Floats:
    """Return the shares (8) of counts by hour (24) in each three hours."""
    shares: Floats = counts.reshape(BLOCKS, -1).sum(axis=1) / counts.sum()
    return shares


def measure_distance(counts: Floats, profile: Floats) -> float:
    """Return the total variation distance of counts by hour (24) from a profile by three hours (8)."""
    return float(np.abs(sum_blocks(counts) - profile).sum() / 2)
