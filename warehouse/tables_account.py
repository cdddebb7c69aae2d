"""Tables that hold the forecast to account: what following it would do, and what would reverse it.

Input: nothing. Output: declarations, listed in `warehouse.schema`.
"""

from warehouse.columns import CENTER, DATA_SOURCE, IS_NAMED, NEIGHBORHOOD, NPU, ZONE
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

RATIO_READING = (
    " Read as: if crimes here were reported more than that many times as often as there, there would be"
    " more crimes there than here."
)

MART_NEIGHBORHOOD_RANK_TABLE = Table(
    "mart_neighborhood_rank",
    "Neighborhoods by expected reported crimes, and how unequally crimes would have to be reported for"
    " the order to be another (Akpinar, De-Arteaga & Chouldechova 2021): nothing here knows how often"
    " they are.",
    "neighborhood",
    ("neighborhood",),
    (
        NEIGHBORHOOD,
        NPU,
        ZONE,
        IS_NAMED,
        *CENTER,
        Column("reported_rank", "INTEGER",
               "Rank by expected reported crimes, the most is 1; equals stand by name.",
               "Rank by reported crimes", minimum=1),
        Column(
            "expected_reported_year_crimes", "DOUBLE",
            "Crimes of the twelve forecast months that the public reports.",
            "Expected reported year crimes", unit="crimes", minimum=0, aggregation="sum",
        ),
        *(
            Column(
                f"reversal_ratio_{name}", "DOUBLE",
                f"Expected reported crimes divided by those of {other}.{RATIO_READING} NULL where"
                f"{missing} nothing is expected there.",
                f"Reporting that reverses, {label}", nullable=True, minimum=least,
            )
            for name, other, missing, label, least in (
                ("next", "the next lower rank", " there is none or", "next rank", 1),
                ("tenth", "the neighborhood a tenth of all ranks lower (rounded up)",
                 " there is none or", "a tenth lower", 1),
                ("median", "the neighborhood of the middle rank; below 1 where this one is lower",
                 "", "median", 0),
            )
        ),
        DATA_SOURCE,
    ),
    is_mart=True,
    is_complete=True,
    reconciliations=(
        Reconciliation("mart_neighborhood_rank does not add up to average_daily", f"""
            SELECT count(*) FROM mart_neighborhood_rank JOIN (
                SELECT neighborhood, sum(expected_reported_month_crimes) AS reported
                FROM average_daily GROUP BY ALL
            ) USING (neighborhood)
            WHERE {differ("expected_reported_year_crimes", "reported")}"""),
        Reconciliation("mart_neighborhood_rank is not in the order of its crimes", """
            SELECT count(*) FROM (
                SELECT reported_rank, row_number() OVER (
                    ORDER BY expected_reported_year_crimes DESC, neighborhood
                ) AS counted FROM mart_neighborhood_rank
            ) WHERE reported_rank <> counted"""),
        Reconciliation("mart_neighborhood_rank has a ratio that reverses nothing", f"""
            SELECT count(*) FROM mart_neighborhood_rank AS higher
            JOIN mart_neighborhood_rank AS lower ON lower.reported_rank = higher.reported_rank + 1
            WHERE {differ("higher.reversal_ratio_next * lower.expected_reported_year_crimes",
                          "higher.expected_reported_year_crimes")}"""),
    ),
)
