"""The panel of a build: its clean tables, counted on the complete grid.

Input: `incident`, `calendar`, `holiday` and `neighborhood` of a build. Output: a `Panel`.
"""

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from models.arrays import Floats, Integers
from models.day_types import DAY_TYPES, find_day_types
from models.late_reports import LATE_COLUMNS
from models.panel import HOURS, Offense, Panel, Stratum
from warehouse.columns import PATROL_TYPES
from warehouse.months import select_month_number

COMMON_OFFENSES = 8
"""So many of the commonest offenses are counted each on its own; the rest by patrol type."""

STRATA_SELECT = """
SELECT nibrs_code FROM incident GROUP BY nibrs_code ORDER BY count(*) DESC, nibrs_code LIMIT $common
"""

CODES_SELECT = """
SELECT DISTINCT nibrs_code, incident.offense, incident.patrol_type, incident.offense_category,
       NOT is_discretionary AS is_reported
FROM incident JOIN offense USING (nibrs_code) ORDER BY ALL
"""

# Places and strata come as numbers: strings of millions of rows would cost more than the counting.
COUNTS_SELECT = f"""
SELECT place, {select_month_number("occurred_at")} AS month_number,
       hour(occurred_at) AS hour, stratum, count(*) AS incidents
FROM incident JOIN place_of USING (neighborhood) JOIN stratum_of USING (nibrs_code)
GROUP BY ALL
"""

LATE_SELECT = f"""
SELECT place, {select_month_number("occurred_at")} AS month_number,
       date_trunc('day', occurred_at) AS day, hour(occurred_at) AS hour, stratum,
       {select_month_number("reported_at")} AS reported_month, count(*) AS incidents
FROM incident JOIN place_of USING (neighborhood) JOIN stratum_of USING (nibrs_code)
WHERE date_trunc('month', reported_at) > date_trunc('month', occurred_at)
GROUP BY ALL ORDER BY ALL
"""

# Small integers: there may be as many rows as incidents, and every past origin has a copy.
OFFENSES_SELECT = f"""
SELECT place::SMALLINT AS place, {select_month_number("occurred_at")}::INTEGER AS month_number,
       hour(occurred_at)::SMALLINT AS hour, offense_number::SMALLINT AS offense,
       {select_month_number("reported_at")}::INTEGER AS reported_month, count(*)::INTEGER AS incidents
FROM incident JOIN place_of USING (neighborhood) JOIN stratum_of USING (nibrs_code)
GROUP BY ALL ORDER BY ALL
"""

DAYS_SELECT = f"""
SELECT calendar_date::TIMESTAMP AS day, {select_month_number("calendar_date")} AS month_number,
       clock_change, changed_hour
FROM calendar ORDER BY calendar_date
"""

HOLIDAYS_SELECT = "SELECT holiday_date::TIMESTAMP AS day FROM holiday ORDER BY holiday_date"

CITY_SELECT = """
SELECT date_trunc('day', occurred_at) AS day, hour(occurred_at) AS hour, stratum,
       count(*) AS incidents
FROM incident JOIN stratum_of USING (nibrs_code) GROUP BY ALL
"""

DAILY_SELECT = """
SELECT place, date_trunc('day', occurred_at) AS day, count(*) AS incidents
FROM incident JOIN place_of USING (neighborhood) GROUP BY ALL
"""


def load_panel(connection: duckdb.DuckDBPyConnection) -> Panel:
    """Return the panel of a build: one cell per neighborhood, observed month, clock hour and stratum.

    All that is in `incident` is in it, so `completeness` is 1: what was known earlier is `Panel.before`.
    """
    places = connection.execute(
        "SELECT neighborhood, npu, zone, is_named FROM neighborhood ORDER BY neighborhood"
    ).fetchall()
    neighborhoods = tuple(place[0] for place in places)
    days = connection.execute(DAYS_SELECT).df()
    month_numbers, month_of_day = np.unique(days["month_number"], return_inverse=True)
    holidays = pd.DatetimeIndex(connection.execute(HOLIDAYS_SELECT).df()["day"])
    type_of_day = find_day_types(pd.DatetimeIndex(days["day"]), holidays)
    day_type_days = np.zeros((len(month_numbers), DAY_TYPES), dtype=np.int64)
    np.add.at(day_type_days, (month_of_day, type_of_day), 1)
    strata, offenses, members = load_strata(connection)
    numbers = range(len(neighborhoods))
    connection.register("place_of", pd.DataFrame({"neighborhood": neighborhoods, "place": numbers}))
    connection.register("stratum_of", members)
    cells = connection.execute(COUNTS_SELECT).df()
    counts = np.zeros((len(neighborhoods), len(month_numbers), HOURS, len(strata)), dtype=np.float32)
    month = np.searchsorted(month_numbers, cells["month_number"])
    index = (cells["place"], month, cells["hour"], cells["stratum"])
    np.add.at(counts, index, cells["incidents"])
    city = connection.execute(CITY_SELECT).df()
    day = np.searchsorted(days["day"], city["day"])
    day_type_counts = np.zeros((len(month_numbers), DAY_TYPES, HOURS, len(strata)), dtype=np.float32)
    city_cells = (month_of_day[day], type_of_day[day], city["hour"], city["stratum"])
    np.add.at(day_type_counts, city_cells, city["incidents"])
    late = connection.execute(LATE_SELECT).df()
    offense_cells = connection.execute(OFFENSES_SELECT).df()
    day_counts = load_days(connection, len(neighborhoods), days)
    for name in ("place_of", "stratum_of"):
        connection.unregister(name)
    return Panel(
        neighborhoods=neighborhoods,
        npu=tuple(place[1] for place in places),
        zone=tuple(place[2] for place in places),
        is_named=np.array([place[3] for place in places], dtype=np.bool_),
        strata=strata,
        offenses=offenses,
        month_numbers=month_numbers.astype(np.int64),
        calendar_days=day_type_days.sum(axis=1),
        clock_hours=count_clock_hours(days, month_of_day),
        completeness=np.ones(len(month_numbers)),
        stratum_counts=counts,
        day_type_days=day_type_days,
        day_type_counts=day_type_counts,
        day_counts=day_counts,
        dates=pd.DatetimeIndex(days["day"]),
        day_months=days["month_number"].to_numpy(np.int64),
        offense_cells=offense_cells,
        late=late[LATE_COLUMNS],
        holidays=holidays,
    )


def load_strata(
    connection: duckdb.DuckDBPyConnection,
) -> tuple[tuple[Stratum, ...], tuple[Offense, ...], pd.DataFrame]:
    """Return strata, offenses, and for each `nibrs_code` its `stratum` and its `offense_number`."""
    common = connection.execute(STRATA_SELECT, {"common": COMMON_OFFENSES}).df()["nibrs_code"]
    codes = connection.execute(CODES_SELECT).df()
    is_common = codes["nibrs_code"].isin(common)
    codes["name"] = codes["offense"].where(is_common, "Other: " + codes["patrol_type"])
    strata = tuple(
        Stratum(name=str(name), patrol=PATROL_TYPES.index(group["patrol_type"].iloc[0]))
        for name, group in codes.groupby("name", sort=True)
    )
    names = pd.Index([stratum.name for stratum in strata])
    codes["stratum"] = names.get_indexer(pd.Index(codes["name"]))
    columns = ("offense_category", "stratum", "is_reported")
    offenses = tuple(
        Offense(str(category), int(stratum), bool(is_reported))
        for category, stratum, is_reported in zip(*(codes[c] for c in columns), strict=True)
    )
    return strata, offenses, codes[["nibrs_code", "stratum"]].assign(offense_number=range(len(codes)))


def count_clock_hours(days: pd.DataFrame, month_of_day: Integers) -> Floats:
    """Return clock hours observed (month, hour): one is skipped in spring, one doubled in autumn."""
    hours = np.repeat(np.bincount(month_of_day).astype(np.float64)[:, None], HOURS, axis=1)
    for change, step in (("spring", -1), ("autumn", 1)):
        changed = days["clock_change"] == change
        np.add.at(hours, (month_of_day[changed], days["changed_hour"][changed].astype(int)), step)
    return hours


def load_days(
    connection: duckdb.DuckDBPyConnection, places: int, days: pd.DataFrame
) -> npt.NDArray[np.uint16]:
    """Return incidents (neighborhood, observed day)."""
    cells = connection.execute(DAILY_SELECT).df()
    counts = np.zeros((places, len(days)), dtype=np.uint16)
    counts[cells["place"], np.searchsorted(days["day"], cells["day"])] = cells["incidents"]
    return counts
