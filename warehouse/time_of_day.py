"""The times of day and the clock hours that they hold, for incidents and forecasts alike.

Input: nothing. Output: names, the SQL macro `time_of_day(hour)`, and the sentence that describes it.
"""

FIRST_HOURS = {"Morning": 5, "Afternoon": 12, "Evening": 17, "Night": 20}
"""Each lasts until the next begins, the last one past midnight until the first. The bounds are those of
the first version's dashboards, so that their filters keep their meaning."""

TIMES_OF_DAY = tuple(FIRST_HOURS)


def list_spans() -> list[tuple[str, int, int]]:
    """Return name, first hour and the hour before which it ends, in the order of the day."""
    starts = list(FIRST_HOURS.values())
    return list(zip(FIRST_HOURS, starts, [*starts[1:], starts[0]], strict=True))


def render_macro() -> str:
    """Return the statement that makes the macro; the time of day that holds midnight is the rest."""
    *spans, (rest, _, _) = list_spans()
    cases = " ".join(
        f"WHEN hour >= {start} AND hour < {end} THEN '{name}'" for name, start, end in spans
    )
    return f"CREATE TEMP MACRO time_of_day(hour) AS CASE {cases} ELSE '{rest}' END"


def describe_spans() -> str:
    """Return one sentence with the bounds."""
    return ", ".join(f"{name} {start}-{end}" for name, start, end in list_spans()) + "."
