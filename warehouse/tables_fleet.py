"""Tables of a fleet, in `fleet.duckdb` beside the union of its cities: no build has them.

Input: nothing. Output: declarations, listed in `warehouse.schema` as `FLEET_TABLES`.
"""

from warehouse.table import Column, Table

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

OUTCOMES = PUBLISHED, UNCHANGED, FAILED, UNFINISHED = "published", "unchanged", "failed", "unfinished"

FLEET_CITY = Column("city", "VARCHAR", "Name of the city in the fleet's file.", "City")

FLEET_RUN_TABLE = Table(
    "fleet_run",
    "What the last run did for each city.",
    "city of the fleet's file",
    ("city",),
    (
        FLEET_CITY,
        Column(
            "outcome", "VARCHAR",
            "published: a new build; unchanged: left out, its input and the code are those of its last"
            " build; failed: its last build stays; unfinished: the run was interrupted before.",
            "Outcome", allowed=OUTCOMES,
        ),
        Column(
            "reason", "VARCHAR",
            "Why it failed; of a build that took the place of one with which it was not compared, why"
            " that is; else NULL.",
            "Reason", nullable=True,
        ),
        Column(
            "seconds", "DOUBLE", "What it took, on one worker; 0 if unfinished.", "Seconds", unit="s",
            minimum=0,
        ),
        Column(
            "worker", "VARCHAR",
            "Address of the worker; NULL where every worker died, or none had finished.", "Worker",
            nullable=True,
        ),
    ),
)

CITY_SUMMARY_TABLE = Table(
    "city_summary",
    "The published build of each city: how old, how large, how good.",
    "city that has a published build",
    ("city",),
    (
        FLEET_CITY,
        Column("city_name", "VARCHAR", "Name in the city's own file.", "City's name"),
        Column("build_id", "VARCHAR", "Its published build.", "Build"),
        Column("cutoff", "DATE", "Newest day of its data.", "Cutoff"),
        Column("is_synthetic", "BOOLEAN", "Whether its data are simulated.", "Simulated"),
        Column("neighborhoods", "BIGINT", "Places that a forecast is made for.", "Places", minimum=1),
        Column("incidents", "BIGINT", "Incidents that count.", "Incidents", minimum=0),
        Column(
            "expected_crimes", "DOUBLE", "Expected crimes of the twelve months after the cutoff.",
            "Expected crimes", minimum=0,
        ),
        Column(
            "deviance_to_reference", "DOUBLE",
            "Deviance of the forecast at past origins as a share of the reference's, averaged over"
            " horizons: below 1 it is better; NULL without a backtest.",
            "Deviance to reference", minimum=0, nullable=True,
        ),
        Column(
            "predicted_to_actual", "DOUBLE",
            "Crimes predicted at past origins per crime that happened, averaged likewise; NULL without a"
            " backtest.",
            "Predicted to actual", minimum=0, nullable=True,
        ),
        Column(
            "coverage_80", "DOUBLE",
            "Share of the months' counts at past origins inside the 80 % interval; NULL without a"
            " backtest.",
            "Coverage of 80 %", minimum=0, maximum=1, nullable=True,
        ),
    ),
)
