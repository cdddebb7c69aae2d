"""Settings of the whole house: where things lie, how much of the machine is used, the one seed.

Enters: nothing. Leaves: constants and `available_cores`. A folder can be overridden per command
(`--builds`); everything else is changed here and nowhere else.
"""

import os
from pathlib import Path

VERSION = "0.1.0"

ROOT = Path(__file__).resolve().parent.parent
BUILDS_DIR = ROOT / "data" / "builds"
RAW_DIR = ROOT / "data" / "raw"
REFERENCE_DIR = ROOT / "data" / "reference"
LAYOUTS_DIR = ROOT / "data" / "layouts"
CITIES_DIR = ROOT / "data" / "cities"

SEED = 20210101
"""Every random draw, in the simulator and in both forests, starts from this number."""

KEPT_BUILDS = 3
"""Published builds that stay on disk, the current one included."""

GUARD_ROWS_FALL_SHARE = 0.2
GUARD_VANISHED_NEIGHBORHOODS = 0
GUARD_FORECAST_FACTOR = 1.5
"""What a build may differ by from the last one of the same feed: beyond a fall of the rows kept by this
share, so many neighborhoods gone, or a city forecast up or down by this factor, it is refused."""

STORAGE_VERSION = "v1.0.0"
"""DuckDB file format of a build: readable by DuckDB 1.0 and later, which BI drivers bring."""

MEMORY_LIMIT = "900MB"
"""DuckDB's own limit: with the forests on top, a refresh stays under 1 GiB. Beyond it, it spills."""

SIMULATED = "simulated data"
"""The words by which synthetic data is called wherever it shows."""


def available_cores() -> int:
    """Return how many cores this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
