"""Coverage: the days that the files cover, on which an incident would have been seen.

Input: `staged` and the day the files were read. Output: the temporary tables
`covered_day (calendar_date)`, whose last day is the cutoff, and
`file_read_date (file_number, read_date)`.
Days are covered where rows really flow, by their daily counts; a report beyond the flow covers
nothing, however many days it lies beyond. Nothing here asks what day it is today.
"""

import datetime as dt
from collections.abc import Sequence

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from etl.raw_file import RawFile
from etl.staging import read_texts
from warehouse.errors import ShieldError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Span = tuple[int, int]
"""First and last day, inclusive, as places in an array of days."""

LEVEL_DAYS = 91
"""Days on either side whose mean is the level of the flow: long beside a week, short beside a year."""

MIN_LEVEL_DAYS = 28
"""A shorter stretch counts as so many days: a few reports in a row are no level."""

FLOW_SHARE = 1 / 3
"""Share of the level that days must have on the average to belong to the flow. The quietest day of
the department's files (Christmas) has a quarter of it, their broken-off last day a fifth."""

MIN_LEVEL_SHARE = 0.1
"""The level is nowhere taken to be less than this share of its highest: scattered reports in years
without a file are not a flow of their own."""

MIN_GAP_DAYS = 3
"""Fewer days without an occurrence are left alone, such as the weekends of an office that records only
its own days."""

MIN_GAP_COUNT = 5.0
"""A gap must lack this much of `FLOW_SHARE` of the level, 15 of all of it, so that chance makes none in
a thin feed."""

MIN_SPAN_REPORTS = 15
MIN_SPAN_SHARE = 0.1
"""A span of the flow holds this many reports, or this share of all if those are few: less is a handful
of mistyped dates."""

MAX_NAMED_GAPS = 5
"""Gaps that are named one by one in the warnings."""

MAX_AGE_YEARS = 100
"""Years before the day of reading from which on a date can be meant."""


# A row without a report date is taken by its day of occurrence.
DAY_COUNT = """
CREATE TEMP TABLE day_count AS
WITH report AS (
    SELECT file_number, coalesce(reported, occurred)::DATE AS day, count(*) AS reports FROM staged
    WHERE day IS NOT NULL GROUP BY ALL
), occurrence AS (
    SELECT file_number, occurred::DATE AS day, count(*) AS occurrences FROM staged
    WHERE occurred IS NOT NULL GROUP BY ALL
)
SELECT file_number, day, read_date, coalesce(occurrences, 0)::BIGINT AS occurrences,
       coalesce(reports, 0)::BIGINT AS reports
FROM report FULL JOIN occurrence USING (file_number, day) JOIN file_read_date USING (file_number)
"""


def find_covered_days(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[RawFile],
    first: dt.date | None,
    last: dt.date | None,
) -> None:
    """Create `covered_day` from the flow of rows, within `first` to `last` where given.

    The flow of reports tells where the days begin and end. Between them a gap is where occurrences stop,
    with the days round it on which reports do: of an office that pauses, reports come later and
    occurrences go on. Rows without a report date flow on their days of occurrence. Raises
    `ShieldError` when no day is left, when no date can be read or rows flow nowhere, or when most dates
    lie after the day on which their file was read.
    """
    create_read_dates(connection, files)
    connection.execute(DAY_COUNT)
    check_not_ahead(connection, files)
    start, reports, occurrences = count_days(connection, files)
    spans = find_spans(reports)
    if not spans:
        raise ShieldError(
            f"{', '.join(file.path.name for file in files)}: no stretch of days holds {MIN_SPAN_REPORTS}"
            f" of the {reports.sum():,} reports, which lie too far apart; expected a feed"
        )
    covered = np.zeros(len(reports), dtype=bool)
    covered[spans[0][0] : spans[-1][1] + 1] = True
    gaps = find_gaps(find_spans(occurrences))
    for begin, end in [*gaps, *find_gaps(spans)]:
        if any(begin <= other_end and other_begin <= end for other_begin, other_end in gaps):
            covered[begin : end + 1] = False
    days = pd.DataFrame({"place": np.flatnonzero(covered)})
    connection.register("flow_day", days)
    connection.execute(
        "CREATE TEMP TABLE covered_day AS SELECT ($start::DATE + place::INTEGER)::DATE AS calendar_date"
        " FROM flow_day",
        {"start": start},
    )
    connection.unregister("flow_day")
    narrow_coverage(connection, first, last)


def create_read_dates(connection: duckdb.DuckDBPyConnection, files: Sequence[RawFile]) -> None:
    """Create `file_read_date`: the day each file was read, after which no date can be meant."""
    rows = pd.DataFrame(
        {"file_number": [file.number for file in files], "day": [file.read_date for file in files]}
    )
    connection.register("read_rows", rows)
    connection.execute(
        "CREATE TEMP TABLE file_read_date AS"
        " SELECT file_number::INTEGER AS file_number, day::DATE AS read_date FROM read_rows"
    )
    connection.unregister("read_rows")


def check_not_ahead(connection: duckdb.DuckDBPyConnection, files: Sequence[RawFile]) -> None:
    """Raise `ShieldError` for the first file whose dates mostly lie after the day it was read."""
    ahead = connection.execute("""
        SELECT file_number, any_value(read_date), sum(reports) FILTER (day > read_date), sum(reports),
               max(day)
        FROM day_count GROUP BY file_number
        HAVING sum(reports) FILTER (day > read_date) > sum(reports) / 2 ORDER BY file_number
        """).fetchone()
    if ahead is not None:
        number, read_date, later, dated, newest = ahead
        path, formats = files[number].path, ", ".join(files[number].layout.datetime_formats)
        raise ShieldError(
            f"{path.name}: {later:,} of {dated:,} dates lie after {read_date}, the day the file was"
            f" last changed; the newest is {newest}. Expected dates of the past: check"
            f" datetime_formats ({formats}) of layout {files[number].layout.name}, or, if the dates"
            " are right, the file's modification time"
        )


def count_days(
    connection: duckdb.DuckDBPyConnection, files: Sequence[RawFile]
) -> tuple[dt.date, Integers, Integers]:
    """Return the first day, and reports and occurrences (one per day) from it on.

    Raises `ShieldError` with what the first rows say when no day is left.
    """
    counts = connection.execute(f"""
        SELECT day, sum(reports)::BIGINT AS reports, sum(occurrences)::BIGINT AS occurrences
        FROM day_count
        WHERE day BETWEEN read_date - INTERVAL {MAX_AGE_YEARS} YEAR AND read_date GROUP BY day
        """).df()
    if not counts["reports"].sum():
        raise ShieldError(describe_undated(connection, files[0]))
    start = counts["day"].min()
    place = (counts["day"] - start).dt.days.to_numpy()
    reports, occurrences = np.zeros((2, int(place.max()) + 1), dtype=np.int64)
    reports[place] = counts["reports"]
    occurrences[place] = counts["occurrences"]
    return start.date(), reports, occurrences


def describe_undated(connection: duckdb.DuckDBPyConnection, file: RawFile) -> str:
    """Return words for a file without a day of the last `MAX_AGE_YEARS`."""
    fields = [name for name in file.layout.fields if name.startswith(("reported", "occurred"))]
    examples = read_texts(connection, file, fields, [1, 2, 3])
    rows = [f"row {row}: {', '.join(map(repr, texts.values()))}" for row, texts in examples.items()]
    return (
        f"{file.path.name}: no date of the last {MAX_AGE_YEARS} years can be read; expected"
        f" {', '.join(file.layout.datetime_formats)} of layout {file.layout.name},"
        f" found {'; '.join(rows) or f'{file.rows_malformed:,} malformed rows'}"
    )


def find_spans(counts: Integers) -> list[Span]:
    """Return the spans of days in which `counts` (one per day) flow, in order of time.

    A two-sided cumulative sum (Page 1954, "Continuous inspection schemes", Biometrika 41:100): each day
    adds its count less a reference value, `FLOW_SHARE` of the level round it. A span ends where the sum
    is highest before it falls by a threshold, the sum that a gap takes away, and begins where the same
    holds backwards. So five reports move the end of a feed of 15 a day or more by nothing, wherever they
    are dated.
    """
    if not counts.any():
        return []
    level = find_level(counts)
    increments = counts - FLOW_SHARE * level
    # Half a day short of what a gap takes away: a whole gap exceeds it, one day less never does.
    thresholds = np.maximum(FLOW_SHARE * level * (MIN_GAP_DAYS - 0.5), MIN_GAP_COUNT)
    spans = scan_spans(increments, thresholds)
    minimum = min(MIN_SPAN_REPORTS, MIN_SPAN_SHARE * counts.sum())
    return join_spans([(a, b) for a, b in spans if counts[a : b + 1].sum() >= minimum], counts)


def find_gaps(spans: list[Span]) -> list[Span]:
    """Return the spans between spans."""
    return [(end + 1, begin - 1) for (_, end), (begin, _) in zip(spans, spans[1:], strict=False)]


def find_level(counts: Integers) -> Floats:
    """Return the level of the flow at each day (one per day): the higher mean of the two sides."""
    total = np.concatenate([[0], np.cumsum(counts)])
    day = np.arange(len(counts))
    before = total[day + 1] - total[np.maximum(day + 1 - LEVEL_DAYS, 0)]
    after = total[np.minimum(day + LEVEL_DAYS, len(counts))] - total[day]
    known = np.clip([day + 1, len(counts) - day], MIN_LEVEL_DAYS, LEVEL_DAYS)
    nearest = np.maximum(before / known[0], after / known[1])
    level: Floats = np.maximum(nearest, MIN_LEVEL_SHARE * nearest.max())
    return level


def scan_spans(increments: Floats, thresholds: Floats) -> list[Span]:
    """Return the spans of days in which the cumulative sum rises; both arrays have one value per day.

    Page's rule: the sum is compared with its minimum (`low`) so that a rise is found from any level, and
    with its maximum (`high`) so that a fall by the threshold ends the span at that maximum. A span is
    over, too, when what follows it has used up all it added.
    """
    spans: list[Span] = []
    total = low = high = 0.0
    begin, end = 0, -1
    pairs = zip(increments.tolist(), thresholds.tolist(), strict=True)
    for day, (increment, threshold) in enumerate(pairs):
        total += increment
        if total > high:
            high, end = total, day
        elif total <= low or high - total > threshold:
            if end >= begin:
                spans.append((begin, end))
            low = high = total
            begin = day + 1
    if end >= begin:
        spans.append((begin, end))
    return spans


def join_spans(spans: list[Span], counts: Integers) -> list[Span]:
    """Return spans with those joined between which nothing is missing.

    That is so where fewer days lie between them than a gap has, or where the flow there has
    `FLOW_SHARE` of the lower level of the two sides: before a steep rise the flow is thin beside what
    follows only.
    """
    joined: list[Span] = []
    for begin, end in spans:
        if joined and not is_gap(joined[-1], (begin, end), counts):
            begin = joined.pop()[0]
        joined.append((begin, end))
    return joined


def is_gap(before: Span, after: Span, counts: Integers) -> bool:
    """Return whether reports are missing between two spans."""
    between = counts[before[1] + 1 : after[0]]
    sides = (counts[before[0] : before[1] + 1][-LEVEL_DAYS:],
             counts[after[0] : after[1] + 1][:LEVEL_DAYS])  # fmt: skip
    lower = min(float(side.mean()) for side in sides)
    return len(between) >= MIN_GAP_DAYS and bool(between.mean() < FLOW_SHARE * lower)


def narrow_coverage(
    connection: duckdb.DuckDBPyConnection, first: dt.date | None, last: dt.date | None
) -> None:
    """Delete the covered days outside `first` to `last`. Raises `ShieldError` when none is left."""
    claimed = connection.execute(
        "SELECT min(calendar_date), max(calendar_date) FROM covered_day"
    ).fetchall()[0]
    connection.execute(
        "DELETE FROM covered_day WHERE calendar_date < $first OR calendar_date > $last",
        {"first": first or claimed[0], "last": last or claimed[1]},
    )
    if connection.execute("SELECT count(*) FROM covered_day").fetchone() == (0,):
        raise ShieldError(
            f"the raw files cover {claimed[0]} to {claimed[1]}: "
            f"nothing is left between {first or 'their start'} and {last or 'their end'}"
        )


def describe_gaps(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return a sentence per gap between covered days: the longest, and one for all others."""
    gaps = connection.execute("""
        SELECT calendar_date + 1, following - 1, following - calendar_date - 1
        FROM (SELECT calendar_date, lead(calendar_date) OVER (ORDER BY calendar_date) AS following
              FROM covered_day)
        WHERE following - calendar_date > 1 ORDER BY calendar_date""").fetchall()
    longest = sorted(sorted(gaps, key=lambda gap: -gap[2])[:MAX_NAMED_GAPS])
    sentences = [
        f"{first} to {last} ({days:,} days) are not covered by any file: "
        "a gap of exposure, not days without crime"
        for first, last, days in longest
    ]
    if len(gaps) > MAX_NAMED_GAPS:
        days = sum(gap[2] for gap in gaps) - sum(gap[2] for gap in longest)
        sentences.append(f"{len(gaps) - MAX_NAMED_GAPS:,} shorter gaps of {days:,} days in all")
    return sentences
