"""The guards before publishing: is the new build believable beside the last one of the same feed?

Enters: an unpublished build, and a folder of builds. Leaves: a `Comparison`, with a sentence for each
guard that fired. What a guard asks is not whether the build is well formed: that is the audit's.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse import settings
from warehouse.build import Build
from warehouse.changes import BEFORE, attach_build, fill_changes, find_last_build
from warehouse.errors import ShieldError
from warehouse.history import name_id

NAMED = 5
"""Neighborhoods that a sentence names at most."""

# A cutoff that goes back corrects a mistake where the last build held next to nothing on the days that
# go: a mistyped date had stretched it.
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
FROM ({CUTOFFS}) WHERE after < before AND is_correction
"""

# Each gives one row with a sentence where the guard fires, none where it does not.
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
                  (SELECT count(*) FROM {BEFORE}.neighborhood),
                  array_to_string(list(neighborhood ORDER BY neighborhood)[:{NAMED}], ', '))
    FROM {BEFORE}.neighborhood ANTI JOIN neighborhood AS now USING (neighborhood)
    HAVING count(*) > {settings.GUARD_VANISHED_NEIGHBORHOODS}""",
    f"""
    SELECT format('the city forecast went from {{:,.0f}} to {{:,.0f}} crimes a year, by more than a'
                  ' factor of {{}}', before, after, {settings.GUARD_FORECAST_FACTOR})
    FROM (SELECT (SELECT sum(expected_month_crimes) FROM {BEFORE}.average_daily) AS before,
                 (SELECT sum(expected_month_crimes) FROM average_daily) AS after)
    WHERE greatest(before, after) > {settings.GUARD_FORECAST_FACTOR} * least(before, after)""",
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


def compare_with_last(build: Build, builds: Path, city: str, source: str) -> Comparison:
    """Fill `build_change` and ask every guard; both stay empty for the first build of a feed.

    `build` must hold its clean tables, its forecasts and its scores.
    """
    last, warnings = find_last_build(build, builds, city, source)
    if last is None:
        return Comparison(None, (), tuple(warnings))
    last_build_id = name_id(last)
    with attach_build(build.connection, last, BEFORE):
        fill_changes(build, last_build_id)
        fired = tuple(ask_guards(build.connection))
        warnings += [str(text) for (text,) in build.connection.execute(CORRECTIONS).fetchall()]
    return Comparison(last_build_id, fired, tuple(warnings))


def ask_guards(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the sentence of each guard that fires."""
    rows = connection.execute(" UNION ALL ".join(f"({guard})" for guard in GUARDS)).fetchall()
    return [str(sentence) for (sentence,) in rows]
