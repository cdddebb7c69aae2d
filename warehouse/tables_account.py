"""Tables that hold the forecast to account: what following it would do, and what would reverse it.

Input: nothing. Output: declarations, listed in `warehouse.schema`.
"""

from warehouse.columns import DATA_SOURCE
from warehouse.table import Column, Reconciliation, Table, differ

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

FEEDBACK_RULES = ALL_OFFENSES, REPORTED, CORRECTED = ("all", "reported", "corrected")
FOLLOW_RATES = (0.25, 0.5, 0.75, 1.0)
FEEDBACK_MONTHS = tuple(range(0, 121, 6))
"""Months of a simulation that are told: every half year of ten."""
VOLUME_TENTHS = 10
FEEDBACK_ROWS = len(FEEDBACK_RULES) * len(FOLLOW_RATES) * len(FEEDBACK_MONTHS) * VOLUME_TENTHS
MAX_CORRECTION = 20
"""A discovered crime counts at most for so many where hardly a patrol goes: more would be noise."""

FEEDBACK_SIMULATION_TABLE = Table(
    "feedback_simulation",
    "What would become of patrols that follow a forecast which counts what they discover, simulated from"
    " the expected crimes of this build for ten years. It takes offenses that police discover"
    " (offense.is_discretionary) to lie where they were found, as if patrols had been even so far; where"
    " patrols went by reported crimes already, the loop is weaker.",
    "rule, follow rate, month and tenth of the places",
    ("rule", "follow_rate", "month", "volume_tenth"),
    (
        Column(
            "rule", "VARCHAR",
            "What the forecast counts: 'all' offenses; those 'reported' by the public; all, 'corrected'"
            " (each discovered one divided by its place's patrols beside even ones, and counted"
            f" {MAX_CORRECTION} times at most).",
            "Rule", allowed=FEEDBACK_RULES,
        ),
        Column(
            "follow_rate", "DOUBLE",
            "Share of patrols that follow the forecast; the others stay where they were at the start.",
            "Follow rate", minimum=0, maximum=1,
        ),
        Column("month", "INTEGER", "Months since the start.", "Month of the simulation", unit="months",
               minimum=min(FEEDBACK_MONTHS), maximum=max(FEEDBACK_MONTHS)),
        Column(
            "volume_tenth", "INTEGER",
            "Tenth of the neighborhoods by expected reported crimes, the busiest is 1.", "Volume tenth",
            minimum=1, maximum=VOLUME_TENTHS,
        ),
        Column("patrol_share", "DOUBLE", "Share of the patrols, mean over replications.",
               "Share of patrols", minimum=0, maximum=1, aggregation="sum"),
        *(
            Column(
                f"patrol_share_{end}_80", "DOUBLE",
                f"{end.title()} end of the range in which four in five replications lie.",
                f"Share of patrols, {end} 80 %", minimum=0, maximum=1,
            )
            for end in ("lower", "upper")
        ),
        Column("start_share", "DOUBLE",
               "Share of the patrols at the start, which is that of expected reported crimes.",
               "Share of patrols at the start", minimum=0, maximum=1, aggregation="sum"),
        Column(
            "crime_share", "DOUBLE",
            "Share of all crimes, reported and discovered, that even patrols would count.",
            "Share of crimes", minimum=0, maximum=1, aggregation="sum",
        ),
        Column(
            "total_variation", "DOUBLE",
            "Half of the differences between each neighborhood's share of patrols and of crimes, summed;"
            " over all tenths it is the share of patrols that are not where crimes are.",
            "Total variation", minimum=0, maximum=1, aggregation="sum",
        ),
        DATA_SOURCE,
    ),
    empty_where="no crime is expected that the public reports, or none there that police discover",
    reconciliations=(
        Reconciliation("feedback_simulation lacks a rule, follow rate, month or tenth", f"""
            SELECT (count(*) NOT IN (0, {FEEDBACK_ROWS}))::INTEGER FROM feedback_simulation"""),
        Reconciliation("shares of feedback_simulation do not add up to 1", f"""
            SELECT count(*) FROM (
                SELECT sum(patrol_share) AS patrols, sum(start_share) AS starts,
                       sum(crime_share) AS crimes
                FROM feedback_simulation GROUP BY rule, follow_rate, month
            ) WHERE {differ("patrols", "1")} OR {differ("starts", "1")} OR {differ("crimes", "1")}"""),
        Reconciliation("feedback_simulation does not begin with the shares at the start", f"""
            SELECT count(*) FROM feedback_simulation
            WHERE month = 0 AND {differ("patrol_share", "start_share")}"""),
    ),
)
