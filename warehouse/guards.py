"""The guards before publishing: is the new build believable beside the last one of the same feed?

Input: an unpublished build, and a folder of builds. Output: a `Comparison`, with a sentence for each
guard that fired. What a guard asks is not whether the build is well formed: that is the audit's.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse import settings
from warehouse.build import Build
from warehouse.changes import BEFORE, fill_changes, find_last_build
from warehouse.errors import LACKS, ShieldError
from warehouse.read import attach_build
from warehouse.records import name_id

MAX_NAMED = 5
"""Neighborhoods that a sentence names at most."""

# A cutoff that goes back corrects a mistake where the last build held next to nothing on the days that
# go: a mistyped date had stretched it. Where no day goes, nothing is a correction: 0 is not below 0.
CUTOFFS = f"""
SELECT before, after, (
    SELECT count(*) FILTER (occurred_at::DATE > after)
           < {settings.GUARD_FLOW_SHARE} * count(*) * any_value(gone_share)
    FROM {BEFORE}.incident,
         (SELECT avg((calendar_date > after)::INTEGER) AS gone_share FROM {BEFORE}.calendar)
) AS is_correction
FROM (SELECT (SELECT max(calendar_date) FROM {BEFORE}.calendar) AS before,
             (SELECT max(calendar_date) FROM calendar) AS after)
"""

CORRECTIONS = f"""
SELECT format('the cutoff was corrected from {{}} to {{}}: the last build held next to nothing on the'
              ' days between', before, after)
FROM ({CUTOFFS}) WHERE is_correction
"""

CELLS = """
SELECT 'zone ' || zone AS cell, date_trunc('month', occurred_at)::DATE AS month, count(*) AS incidents
FROM {name}incident WHERE zone IS NOT NULL GROUP BY ALL
UNION ALL
SELECT offense_category, date_trunc('month', occurred_at)::DATE, count(*)
FROM {name}incident GROUP BY ALL
"""

# What the forecast says beside the newest year that was observed, for a first build too.
YEAR_SELECT = """
WITH newest AS (
    SELECT calendar_date FROM calendar ORDER BY calendar_date DESC LIMIT 365
)
SELECT (SELECT sum(expected_month_crimes) FROM average_daily) AS expected,
       365 * count(*) / (SELECT count(*) FROM newest) AS observed
FROM incident WHERE occurred_at::DATE IN (FROM newest)
"""

# Each gives a row with a sentence where it fires, and none where it does not.
GUARDS = (
    f"""
    SELECT format('rows kept fell from {{:,}} to {{:,}}, by more than {{:.0f}} %',
                  before, after, 100 * {settings.GUARD_ROWS_FALL_SHARE})
    FROM (SELECT (SELECT count(*) FROM {BEFORE}.incident) AS before,
                 (SELECT count(*) FROM incident) AS after)
    WHERE after < before * (1 - {settings.GUARD_ROWS_FALL_SHARE})""",
    f"""
    SELECT format('the cutoff went back from {{}} to {{}}', before, after)
    FROM ({CUTOFFS}) WHERE after < before AND NOT is_correction""",
    f"""
    SELECT format('{{}} of {{}} neighborhoods vanished: {{}}', count(*),
                  (SELECT count(*) FROM {BEFORE}.neighborhood WHERE is_named),
                  array_to_string(list(neighborhood ORDER BY neighborhood)[:{MAX_NAMED}], ', '))
    FROM {BEFORE}.neighborhood ANTI JOIN neighborhood AS now USING (neighborhood) WHERE is_named
    HAVING count(*) > {settings.GUARD_VANISHED_NEIGHBORHOODS}""",
    f"""
    SELECT format('the city forecast went from {{:,.0f}} to {{:,.0f}} crimes a year, by more than a'
                  ' factor of {{}}', before, after, {settings.GUARD_FORECAST_FACTOR})
    FROM (SELECT (SELECT sum(expected_month_crimes) FROM {BEFORE}.average_daily) AS before,
                 (SELECT sum(expected_month_crimes) FROM average_daily) AS after)
    WHERE greatest(before, after) > {settings.GUARD_FORECAST_FACTOR} * least(before, after)""",
    f"""
    SELECT format('the forecast of {{}} neighborhoods of over {{}} crimes a year moved by more than a'
                  ' factor of {{}}: {{}}', count(*), {settings.GUARD_PLACE_CRIMES},
                  {settings.GUARD_PLACE_FACTOR},
                  array_to_string(list(format('{{}} {{:,.0f}} to {{:,.0f}}', neighborhood, before, after)
                                       ORDER BY before DESC)[:{MAX_NAMED}], ', '))
    FROM (SELECT neighborhood, sum(expected_month_crimes) AS before
          FROM {BEFORE}.average_daily GROUP BY ALL)
         JOIN (SELECT neighborhood, sum(expected_month_crimes) AS after
               FROM average_daily GROUP BY ALL) USING (neighborhood)
    WHERE greatest(before, after) > {settings.GUARD_PLACE_CRIMES}
      AND greatest(before, after) > {settings.GUARD_PLACE_FACTOR} * least(before, after)
    HAVING count(*) > 0""",
    f"""
    SELECT format('{{}} lost more than {{:.0f}} % of its incidents in {{}} closed months, first in {{}}:'
                  ' {{:,}} to {{:,}}', cell, 100 * (1 - {settings.GUARD_CELL_SHARE}), count(*),
                  min(month), arg_min(before, month), arg_min(after, month))
    FROM (SELECT cell, month, before.incidents AS before, coalesce(now.incidents, 0) AS after
          FROM ({CELLS.format(name=BEFORE + ".")}) AS before
          LEFT JOIN ({CELLS.format(name="")}) AS now USING (cell, month))
    WHERE before >= {settings.GUARD_CELL_INCIDENTS} AND after < {settings.GUARD_CELL_SHARE} * before
      AND month < (SELECT max(calendar_date) - INTERVAL {settings.GUARD_CLOSED_MONTHS} MONTH
                   FROM {BEFORE}.calendar)
      AND month >= (SELECT min(calendar_date) FROM calendar)
    GROUP BY cell ORDER BY cell""",
)


class GuardError(ShieldError):
    """A build was refused because it is not believable beside the last one."""


@dataclass(frozen=True)
class Comparison:
    """How a new build compares: with which one (None for a first build), and what there is to say.

    `fired` has a sentence with the numbers for each guard that fired; `warnings` refuse nothing.
    """

    last_build_id: str | None
    fired: tuple[str, ...]
    warnings: tuple[str, ...]


def compare_with_last(
    build: Build, builds: Path, city: str, source_kind: str, cleaning: str
) -> Comparison:
    """Fill `build_change` and ask every guard; for the first build of a feed, the one on its own year.

    `build` must hold its clean tables, its forecasts and its scores. A build of another version, which
    lacks what is compared, is a warning: to refuse would be to keep it for ever.
    """
    last, warnings = find_last_build(build, builds, city, source_kind, cleaning)
    sentence, factor = compare_with_year(build.connection)
    fired = [sentence] if factor > settings.GUARD_YEAR_FACTOR else []
    if settings.WARN_YEAR_FACTOR < factor <= settings.GUARD_YEAR_FACTOR:
        warnings.append(sentence)
    if last is None:
        return Comparison(None, tuple(fired), tuple(warnings))
    try:
        with attach_build(build.connection, last, BEFORE):
            sentences = ask_guards(build.connection)
            corrections = build.connection.execute(CORRECTIONS).fetchall()
            fill_changes(build, name_id(last))
    except LACKS as error:
        warnings.append(
            f"not compared with a build: {last.name} was written by another version of ATLShield:"
            f" {str(error).splitlines()[0]}"
        )
        return Comparison(None, tuple(fired), tuple(warnings))
    warnings += [str(text) for (text,) in corrections]
    return Comparison(name_id(last), (*fired, *sentences), tuple(warnings))


def compare_with_year(connection: duckdb.DuckDBPyConnection) -> tuple[str, float]:
    """Return a sentence on the forecast beside the newest 365 covered days, and the factor between."""
    expected, observed = map(float, connection.execute(YEAR_SELECT).fetchall()[0])
    sentence = (
        f"the forecast is {expected:,.0f} crimes a year, the newest observed days make {observed:,.0f}"
    )
    return sentence, max(expected, observed) / max(min(expected, observed), 1)


def ask_guards(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the sentence of each guard that fires, in the order of `GUARDS`; its cells in theirs."""
    return [str(sentence) for guard in GUARDS for (sentence,) in connection.execute(guard).fetchall()]
