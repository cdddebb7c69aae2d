"""Guesses about the clock: formats of dates, UTC or local, hours of shifts.

Input: a `Finding` whose columns and place are guessed. Output: it with what its times show.
"""

from functools import partial

import duckdb
import numpy as np
import pandas as pd

from etl.clock_checks import (
    BETTER_FACTOR,
    CITY_PROFILE,
    MAX_CONTRADICTED_SHARE,
    MIN_NAMED,
    MIN_TIMES,
    check_clock,
    check_shifts,
    count_contradicted,
    count_hours,
    measure_distance,
)
from etl.finding import Finding, stage_sample
from etl.guess_dates import find_months, guess_formats, spell_months
from etl.layout_values import EPOCHS

MIN_DIFFERENCE = 0.02
"""Shares of contradicted weekdays nearer than this decide nothing."""


def find_formats(finding: Finding) -> None:
    """Guess formats of all date columns together; those in a unit of time since 1970 have none."""
    facts, fields = finding.facts, finding.guess.fields
    names = [name for name in ("occurred", "reported", "occurred_until") if name in fields]
    columns = [finding.column(name) for name in (*names, *({"occurred_month"} & fields.keys()))]
    if not columns:
        return
    kinds = {column.name: column.kinds for column in finding.guess.columns}
    if names and (units := kinds[fields[names[0]]] & set(EPOCHS)):
        facts |= {"time_zone": "UTC", "datetime_formats": sorted(units)}
        return
    months = find_months(pd.concat(columns).drop_duplicates())
    texts = pd.concat(columns[: len(names)]).drop_duplicates() if names else pd.Series(dtype=str)
    dates = guess_formats(texts[texts != ""], months, partial(choose_order, finding))
    for name in names if not dates.formats else ():
        finding.guess.drop(name, "no format reads it")
    finding.guess.doubts += dates.doubts
    found = {"datetime_formats": dates.formats, "month_names": spell_months(months)}
    facts |= {key: value for key, value in found.items() if value}
    facts |= {"time_zone": "UTC"} if dates.is_utc else {}


def choose_order(finding: Finding, formats: list[str]) -> str:
    """Return the format whose weekdays fit, or that gives more days than months and is in doubt."""
    ranks = {}
    for form in formats:
        with stage_sample(finding, "occurred", "weekday", datetime_formats=[form]) as (connection, *_):
            (share, _), named = count_contradicted(connection)
            spread = connection.execute("""
                SELECT count(DISTINCT day(occurred)) - count(DISTINCT month(occurred))
                FROM sampled_time""").fetchall()[0][0]
            ranks[form] = (named >= MIN_NAMED and share <= MAX_CONTRADICTED_SHARE, spread)
    best = max(formats, key=ranks.__getitem__)
    if not ranks[best][0]:
        orders = " or ".join(formats)
        finding.guess.doubts.append(
            f"day and month can be read in both orders ({orders}): no value is over 12"
        )
    return best


def find_clock(finding: Finding) -> None:
    """Guess whether dates are UTC; without a time zone of the city that cannot be."""
    if "occurred" not in finding.guess.fields or "datetime_formats" not in finding.facts:
        return
    clocks = {"occurred_clock", "occurred_hour"} & set(finding.guess.fields)
    with stage_sample(finding, "occurred", time_zone="local") as (connection, *_):
        found = connection.execute(
            "SELECT DISTINCT strftime(occurred, '%H:%M') FROM sampled_time LIMIT 3"
        )
        times = sorted(time for (time,) in found.fetchall())
    if len(times) > 2 and not clocks:
        judge_zone(finding)
    elif len(times) <= 2 and set(times) - {"00:00"} and finding.time_zone:
        # A local midnight in UTC is the same hour, or two of them where summer time is kept.
        finding.facts |= {"time_zone": "UTC", **({"clock_time_zone": "local"} if clocks else {})}
        finding.evidence.append(f"no time of day but {' or '.join(times)}: local midnight in UTC")
    if clocks and (len(times) > 2 or finding.facts.get("time_zone") == "UTC"):
        finding.guess.doubts.append(
            "dates have a time beside a clock of their own: look at a row, and say in time_zone and"
            " clock_time_zone which of them is UTC"
        )


def judge_zone(finding: Finding) -> None:
    """Decide between UTC and local by the evidence there is, unless the dates say it themselves."""
    if finding.time_zone is None:
        finding.guess.doubts.append("UTC or local is open without the city's time zone")
        return
    with stage_sample(finding, time_zone="local") as (connection, *_):
        verdicts = judge_clock(connection)
    if next(iter(verdicts.values()), False):
        finding.facts["time_zone"] = "UTC"
    if set(verdicts.values()) != {finding.facts["time_zone"] == "UTC"}:
        words = "; ".join(verdicts) or "too few rows show it"
        finding.guess.doubts.append(f"UTC or local is not clear: {words}")
    finding.evidence += verdicts


def judge_clock(connection: duckdb.DuckDBPyConnection) -> dict[str, bool]:
    """Return whether times are UTC by each kind of evidence that says it, with words, the best first.

    The sample is staged as local.
    """
    verdicts = {}
    (local, utc), named = count_contradicted(connection)
    if named >= MIN_NAMED and abs(local - utc) > MIN_DIFFERENCE:
        words = f"weekdays contradict {local:.1%} of the dates read as local, {utc:.1%} as UTC"
        verdicts[words] = utc < local
    hours = count_hours(connection)
    if hours.count >= MIN_TIMES:
        local, utc = (measure_distance(counts, CITY_PROFILE) for counts in (hours.read, hours.other))
        if min(local, utc) < BETTER_FACTOR * max(local, utc):
            words = (
                f"distance of the hours from a city's day: {local:.2f} read as local, {utc:.2f} as UTC"
            )
            verdicts[words] = utc < local
    return verdicts


def find_shifts(finding: Finding) -> None:
    """Derive the hours of shifts, and ask of the sample what a refresh will ask of the file.

    Shifts that fail a refresh's check are no evidence: they say who took the report.
    """
    with stage_sample(finding) as (connection, *_):
        times = connection.execute("""
            SELECT hour(occurred) AS hour, raw_shift AS shift FROM sampled_time
            WHERE raw_shift IS NOT NULL AND is_one_day""").df()
    finding.shifts = derive_shifts(times) if len(times) else {}
    with stage_sample(finding) as (connection, file, city):
        doubts = [*check_shifts(connection, file)]
        if "shift" in finding.guess.fields and (doubts or not finding.shifts):
            finding.guess.drop("shift", next(iter(doubts), "its values are no runs of hours"))
            finding.shifts = {}
        others = check_clock(connection, file, city)
        finding.guess.doubts += [text for text in others if text not in doubts]


def derive_shifts(times: pd.DataFrame) -> dict[str, list[int]]:
    """Return each shift's first and last hour, the last exclusive; `times` has `shift` and `hour`.

    An hour belongs to the shift that most of its rows name. Empty where shifts are no runs of hours.
    """
    counts = pd.crosstab(times["hour"], times["shift"]).reindex(range(24), fill_value=0)
    owners = counts.idxmax(axis=1).to_numpy()
    spans = {}
    for name in counts.columns:
        starts = np.flatnonzero((owners == name) & (np.roll(owners, 1) != name))
        if len(starts) != 1:
            return {}
        spans[str(name)] = [int(starts[0]), int(starts[0] + (owners == name).sum()) % 24 or 24]
    return spans if len(spans) > 1 else {}
