"""Tables that tell of the build itself: its lineage, what changed, what every column means.

Input: nothing. Output: declarations, listed in `warehouse.schema`.
"""

from warehouse.columns import (
    CLEANINGS,
    DATA_SOURCE,
    SOURCE_KINDS,
)
from warehouse.stages import STAGES
from warehouse.table import Column, Reconciliation, Table

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

BUILD_CHANGE_TABLE = Table(
    "build_change",
    "What changed since the last published build of the same feed; what stayed the same is left out.",
    "subject and item",
    ("subject", "item"),
    (
        Column(
            "subject", "VARCHAR",
            "What is compared: rows of a raw file, incidents that occurred in a month, crimes expected"
            " in the city in a month, crimes expected in a neighborhood or of an offense category over"
            " the twelve forecast months, cells of forecast_hourly that a patrol type is suggested for,"
            " a score of the newest backtest.", "Subject",
            allowed=(
                "rows by raw file", "incidents by month", "forecast by month",
                "forecast by neighborhood", "forecast by category", "hours by suggested patrol",
                "backtest score",
            ),
        ),
        Column(
            "item", "VARCHAR",
            "Raw file and the first digits of its SHA-256, month as YYYY-MM, neighborhood, offense"
            " category, patrol type, or model, metric, grain, subset and horizon of a score.",
            "Item",
        ),
        Column(
            "value_before", "DOUBLE", "Value in the earlier build; NULL where that has no such item.",
            "Before", nullable=True,
        ),
        Column(
            "value_after", "DOUBLE", "Value in this build; NULL where this has no such item.", "After",
            nullable=True,
        ),
        Column("compared_build_id", "VARCHAR", "The earlier build.", "Compared with"),
        DATA_SOURCE,
    ),
    empty_where="the build is the first of its feed",
)

REFRESH_RUN_TABLE = Table(
    "refresh_run",
    "Lineage of this build.",
    "this build, one row",
    ("build_id",),
    (
        Column("build_id", "VARCHAR", "Identifier of the build.", "Build"),
        Column("created_at", "TIMESTAMP", "Start of the refresh, UTC.", "Created at", unit="UTC"),
        Column("city", "VARCHAR", "City of the build.", "City"),
        Column(
            "source_kind", "VARCHAR", "Kind of source that the raw rows came from.", "Kind of source",
            allowed=SOURCE_KINDS,
        ),
        Column(
            "cleaning", "VARCHAR",
            "Which rows count: default, all with a time, a place, an offense and a number; strict, of"
            " these only those with every critical field of the city.", "Cleaning", allowed=CLEANINGS,
        ),
        Column("is_synthetic", "BOOLEAN", "Whether any raw row was simulated.", "Synthetic"),
        Column("cutoff", "DATE", "Last observed day; nothing after it is known.", "Cutoff"),
        Column("rows_in", "BIGINT", "Raw rows read.", "Rows in", minimum=1),
        Column("rows_kept", "BIGINT", "Rows that became incidents.", "Rows kept", minimum=1),
        Column("rows_rejected", "BIGINT", "Rows in rejected_incident.", "Rows rejected", minimum=0),
        Column(
            "intensity_moderate_from", "DOUBLE", "Expected crimes from which intensity is moderate.",
            "Moderate from", unit="crimes per hour", minimum=0,
        ),
        Column(
            "intensity_high_from", "DOUBLE", "Expected crimes from which intensity is high.",
            "High from", unit="crimes per hour", minimum=0,
        ),
        Column(
            "volume_blend_weight", "DOUBLE",
            "Weight of the volume forest's log correction, 0 to 1, chosen at past origins.",
            "Volume blend weight", minimum=0, maximum=1,
        ),
        Column(
            "patrol_blend_weight", "DOUBLE",
            "Weight of the patrol forest's shares against the base shares, 0 to 1, chosen at past"
            " origins.", "Patrol blend weight", minimum=0, maximum=1,
        ),
        Column(
            "newest_month_completeness", "DOUBLE",
            "Share of the newest month's incidents that is expected to be reported by now; the"
            " forecast is corrected for it.",
            "Completeness of the newest month", minimum=0, maximum=1,
        ),
        Column("seed", "BIGINT", "Seed of every random draw.", "Seed"),
        Column("atlshield_version", "VARCHAR", "Version of this project.", "ATLShield version"),
        Column("python_version", "VARCHAR", "Version of Python.", "Python version"),
        Column("duckdb_version", "VARCHAR", "Version of DuckDB.", "DuckDB version"),
        Column("scikit_learn_version", "VARCHAR", "Version of scikit-learn.", "scikit-learn version"),
        Column(
            "warnings", "VARCHAR", "What the refresh warned of, sentences with '; ' between; empty when"
            " nothing.", "Warnings",
        ),
        Column(
            "compared_build_id", "VARCHAR",
            "Last published build of the same feed, which the guards compared with; NULL for a first.",
            "Compared with", nullable=True,
        ),
        Column(
            "guards_fired", "VARCHAR",
            "What the guards found against publishing, sentences with '; ' between; empty when nothing.",
            "Guards fired",
        ),
        Column(
            "is_forced", "BOOLEAN", "Whether the refresh was told to publish whatever the guards find.",
            "Forced",
        ),
        *(
            column
            for stage in STAGES if stage.is_recorded
            for column in (
                Column(
                    f"{stage.name}_seconds", "DOUBLE", f"Wall time of {stage.description}.",
                    f"Seconds, {stage.name}", unit="s", minimum=0,
                ),
                Column(
                    f"{stage.name}_peak_memory_mib", "DOUBLE",
                    f"Highest resident memory of the process up to the end of {stage.description}.",
                    f"Peak memory, {stage.name}", unit="MiB", minimum=0,
                ),
            )
        ),
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation("refresh_run is not one row", "SELECT count(*) - 1 FROM refresh_run"),
    ),
)

DATA_DICTIONARY_TABLE = Table(
    "data_dictionary",
    "What every column of every table means.",
    "table and column",
    ("table_name", "column_name"),
    (
        Column("table_name", "VARCHAR", "Table.", "Table"),
        Column("column_name", "VARCHAR", "Column.", "Column"),
        Column("column_number", "INTEGER", "Place in the table, from 1.", "Column number", minimum=1),
        Column("type", "VARCHAR", "DuckDB type.", "Type"),
        Column("label", "VARCHAR", "Caption for people.", "Label"),
        Column("description", "VARCHAR", "What the column holds.", "Description"),
        Column("unit", "VARCHAR", "Unit; NULL where there is none.", "Unit", nullable=True),
        Column("is_key", "BOOLEAN", "Whether the column is part of the key.", "Key"),
        Column("is_nullable", "BOOLEAN", "Whether NULL is allowed.", "Nullable"),
        Column(
            "value_range", "VARCHAR", "Smallest and largest, or the allowed values; NULL if free.",
            "Range", nullable=True,
        ),
        Column(
            "reference", "VARCHAR", "Column it refers to; NULL where there is none.", "Reference",
            nullable=True,
        ),
        Column("table_description", "VARCHAR", "What the table holds.", "Table description"),
        Column(
            "table_grain", "VARCHAR",
            "What one row of the table is; whether it is complete, or may be empty.", "Table grain",
        ),
    ),
)
