"""The tables of hot spots, which an operator asks for: cells of a grid, by year.

Input: nothing. Output: declarations, listed in `warehouse.schema`.
"""

from dataclasses import replace

from warehouse.columns import DATA_SOURCE, INCIDENT_COUNT, LATITUDE, LONGITUDE
from warehouse.table import Column, Reconciliation, Table, differ

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

CELL_THOUSANDTHS = 3
"""Side of a cell in thousandths of a degree: some 278 x 333 m in Atlanta."""
MIN_INCIDENTS = 12
"""Incidents of the newest twelve months with which a cell is shown: fewer would tell of single cases."""
AREA_SHARE = 0.05
"""Share of the cells that are chosen where hot spots are scored."""
SHRUNK = "shrunk_counts"

EMPTY = "hot spots were not asked for"

HOT_SPOT_TABLE = Table(
    "hot_spot",
    "Where, below the neighborhood, crimes that the public reports are expected within a year: cells of"
    " three thousandths of a degree with enough incidents, and all others as one row. Sexual and family"
    " offenses are left out. No hour and no patrol follows from it.",
    "cell, in the order of expected crimes, and at the end all other cells together",
    ("spot_rank",),
    (
        Column("spot_rank", "INTEGER", "Rank by expected crimes, from 1; the last is all other cells.",
               "Rank", minimum=1),
        replace(LATITUDE, description="Latitude of the cell's middle; NULL for all other cells."),
        replace(LONGITUDE, description="Longitude of the cell's middle; NULL for all other cells."),
        Column("cell_count", "BIGINT", "Cells in the row: 1, or all others that ever had an incident.",
               "Cells", minimum=0, aggregation="sum"),
        replace(INCIDENT_COUNT, description="Incidents of the twelve months up to the cutoff's month."),
        Column(
            "expected_year_crimes", "DOUBLE",
            "Expected crimes in a year: counts that weigh half as much with each year of age, shrunk"
            " toward the surroundings of 500 m.", "Expected crimes a year", unit="crimes a year",
            minimum=0, aggregation="sum",
        ),
        Column("expected_share", "DOUBLE", "Share of the expected crimes of all cells.",
               "Share of expected crimes", minimum=0, maximum=1, aggregation="sum"),
        DATA_SOURCE,
    ),
    empty_where=EMPTY,
    reconciliations=(
        Reconciliation("shares of hot_spot do not add up to 1", f"""
            SELECT count(*) FROM (SELECT sum(expected_share) AS share FROM hot_spot)
            WHERE share IS NOT NULL AND {differ("share", "1")}"""),
        Reconciliation("hot_spot shows a cell of few incidents", f"""
            SELECT count(*) FROM hot_spot WHERE latitude IS NOT NULL AND incident_count < {MIN_INCIDENTS}
        """),
    ),
)

HOT_SPOT_SCORE_TABLE = Table(
    "hot_spot_score",
    f"How well hot spots were found at past origins: the {AREA_SHARE:.0%} of the cells with most"
    " expected crimes, on the year that followed.",
    "model and origin",
    ("model", "origin"),
    (
        Column("model", "VARCHAR", "Model that chose the cells.", "Model",
               allowed=(SHRUNK, "weighted_counts", "kernel_density")),
        Column("origin", "DATE", "First day that the model did not know.", "Origin"),
        Column(
            "accuracy_index", "DOUBLE",
            "Predictive accuracy index (PAI): share of the crimes in the chosen cells over their share"
            " of the cells; NULL where no crime followed.", "PAI", nullable=True, minimum=0,
        ),
        Column(
            "efficiency_index", "DOUBLE",
            "Predictive efficiency index (PEI): crimes in the chosen cells over those in the best cells"
            " in hindsight; NULL where no crime followed.", "PEI", nullable=True, minimum=0, maximum=1,
        ),
        DATA_SOURCE,
    ),
    empty_where=f"{EMPTY} or the data holds too few months",
)
