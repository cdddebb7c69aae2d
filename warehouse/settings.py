"""Settings of the whole house: where things lie, how much of the machine is used, the one seed.

Input: nothing. Output: constants. A folder can be overridden per command
(`--builds`); everything else is changed here and nowhere else.
"""

from pathlib import Path

VERSION = "0.1.0"

ROOT = Path(__file__).resolve().parent.parent
BUILDS_DIR = ROOT / "data" / "builds"
RAW_DIR = ROOT / "data" / "raw"
PLANS_DIR = ROOT / "data" / "plans"
FLEET_DIR = ROOT / "data" / "fleet"
REFERENCE_DIR = ROOT / "data" / "reference"
LAYOUTS_DIR = ROOT / "data" / "layouts"
CITIES_DIR = ROOT / "data" / "cities"

SEED = 20210101
"""Every random draw, in the simulator and in both forests, starts from this number."""

DEFAULT_CITY = "atlanta"
"""The city whose file in `data/cities` is read where none is named."""

KEPT_BUILDS = 3
KEPT_REFUSED = 1
KEPT_SNAPSHOTS = 3
"""What stays on disk: published builds, the current one included; refused ones, kept aside; snapshots of
each layer of a portal."""

GUARD_ROWS_FALL_SHARE = 0.2
GUARD_VANISHED_NEIGHBORHOODS = 0
GUARD_FORECAST_FACTOR = 1.5
GUARD_FLOW_SHARE = 1 / 3
GUARD_PLACE_FACTOR = 3
GUARD_PLACE_CRIMES = 100
GUARD_CLOSED_MONTHS = 6
GUARD_CELL_INCIDENTS = 50
GUARD_CELL_SHARE = 0.5
GUARD_YEAR_FACTOR = 1.5
WARN_YEAR_FACTOR = 1.2
"""What a build may differ by from the last one of the same feed: beyond a fall of the rows kept by this
share, so many neighborhoods gone, or a city forecast up or down by this factor, it is refused. So is one
whose cutoff goes back, unless the days that go held less than this share of the last build's usual
incidents; one in which a neighborhood of so many crimes a year moved by the place's factor; and one in
which a zone or an offense category of so many incidents lost more than a share of them in a month that
was closed, so many months before the last cutoff. Whatever was published before: a city forecast that
differs from the newest observed year by the last two factors is refused, or warned of."""

MIN_KEPT_SHARE = 0.5
MIN_INCIDENTS = 100
MIN_DAYS = 28
MAX_OTHER_PLACE_SHARE = 0.2
MAX_REPEATED_SHARE = 0.1
MAX_REUSED_SHARE = 0.01
MAX_POINT_SHARE = 0.08
MIN_POINTS = 100
WARN_POINT_SHARE = 0.04
WARN_UNREAD_SHARE = 0.02
WARN_OFFENSE_ROWS = 20
WARN_OFFENSE_SHARE = 0.2
WARN_ZONE_INCIDENTS = 20
"""Quality checks of the input: the share of a file's rows that must be kept, and the incidents and days
that a forecast needs; the share of a file's rows that may lie in another polygon or zone than their
neighborhood's, that may stand in another file under another report number, that may use a report
number again on another day, and that may lie at one point of 3 decimals in a file of so many points.
The department's files keep 98 to 99 %; 5 % of their rows lie in another polygon and 3 % in another zone;
0.1 % stand twice; 1.8 % at most lie at one point. The settings that begin with `WARN_` refuse nothing:
rows at one point, dates, places and offenses that cannot be used, an offense of so many rows of which
less than a share is kept, and a zone without so many incidents that its rate lets expect. What one rule
may reject stands with the rule, in `etl/rules.py`."""

MIN_SUGGESTED_SHARE = 0.15
"""A patrol type with less of a cell's expected crimes than this is only suggested if it has the most."""

MAX_DELAY_DAYS = 180
"""Days after which a report counts as being as late as any: `report_delay` ends there."""

RECENT_YEARS = 2
"""Newest years of incidents by which a neighborhood is given its zone: borders move."""

MAX_MISSING_SHARE = 0.3
"""An optional column of which more is missing is left out of a file."""

BREAK_WINDOW_MONTHS = 6
"""Months on each side of a break in level that are compared at most."""

MIN_MONTH_DAYS = 15
"""A month with fewer observed days is left out of monthly series: it says more about its part of the
month than about its level."""

STORAGE_VERSION = "v1.0.0"
"""DuckDB file format of a build: readable by DuckDB 1.0 and later, which BI drivers bring."""

MEMORY_LIMIT_MB = 900
"""DuckDB's own limit: with the forests on top, a refresh stays under 1 GiB. Beyond it, it spills."""

SIMULATED = "simulated data"
"""The words by which synthetic data is called wherever it shows."""
