"""Counts and exposure on the complete grid: what every model is fitted on.

Enters: `incident`, `calendar`, `holiday` and `neighborhood` of a build. Leaves: a `Panel` of arrays.
Cells without incidents are there with 0; months without observed days are not.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from models.arrays import Floats, Integers
from models.day_types import KINDS, average_holidays, estimate_factors, find_kinds
from warehouse.columns import PATROL_TYPES

HOURS = 24

COMMON_OFFENSES = 8
"""So many of the commonest offenses are counted each on its own; the rest by patrol type."""

LONGEST_LAG = 12
"""Months after which a month counts as reported in full."""

LATE_COLUMNS = ["place", "month_number", "hour", "stratum", "reported_month", "incidents"]

STRATA_SELECT = """
SELECT nibrs_code FROM incident GROUP BY nibrs_code ORDER BY count(*) DESC, nibrs_code LIMIT $common
"""

# Places and strata come as numbers: strings of millions of rows would cost more than the counting.
COUNTS_SELECT = """
SELECT place, year(occurred_at) * 12 + month(occurred_at) - 1 AS month_number,
       hour(occurred_at) AS hour, stratum, count(*) AS incidents
FROM incident JOIN place_of USING (neighborhood) JOIN stratum_of USING (nibrs_code)
GROUP BY ALL
"""

LATE_SELECT = """
SELECT place, year(occurred_at) * 12 + month(occurred_at) - 1 AS month_number,
       hour(occurred_at) AS hour, stratum,
       year(reported_at) * 12 + month(reported_at) - 1 AS reported_month, count(*) AS incidents
FROM incident JOIN place_of USING (neighborhood) JOIN stratum_of USING (nibrs_code)
WHERE date_trunc('month', reported_at) > date_trunc('month', occurred_at)
GROUP BY ALL ORDER BY ALL
"""

DAYS_SELECT = """
SELECT calendar_date::TIMESTAMP AS day, year(calendar_date) * 12 + month - 1 AS month_number,
       clock_change
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


@dataclass(frozen=True)
class Stratum:
    """Offenses that are counted together: one common offense, or the rest of a patrol type.

    `category_shares` says how the stratum's incidents spread over offense categories in the city.
    """

    name: str
    patrol: int
    category_shares: dict[str, float]


@dataclass(frozen=True)
class Panel:
    """Arrays over neighborhood n, observed month t, clock hour h and stratum s.

    `stratum_counts[n, t, h, s]` counts incidents, `kind_counts[t, k, h, s]` those of the city by kind of
    day, of which the month has `kind_days[t, k]`. `month_numbers[t]` is year * 12 + month - 1, so that
    differences are months. `calendar_days[t]` are observed calendar days and `clock_hours[t, h]` the
    clock hours observed: a day has one of each, but for the two clock changes. `completeness[t]` is
    the share of a month's incidents that are expected to be reported by now. `day_counts[n, d]` are
    incidents of each observed day, as finally reported, and `day_months[d]` the number of its month.
    `late` lists incidents reported in a later month than they occurred in: `place`, `month_number`,
    `hour`, `stratum`, `reported_month`, `incidents`. `npu[n]` and `zone[n]` may be None. `holidays` are
    the city's, of past and forecast years: a calendar is known ahead.
    """

    neighborhoods: tuple[str, ...]
    npu: tuple[str | None, ...]
    zone: tuple[str | None, ...]
    strata: tuple[Stratum, ...]
    month_numbers: Integers
    calendar_days: Integers
    clock_hours: Floats
    completeness: Floats
    stratum_counts: npt.NDArray[np.float32]
    kind_days: Integers
    kind_counts: npt.NDArray[np.float32]
    day_counts: npt.NDArray[np.uint16]
    day_months: Integers
    late: pd.DataFrame
    holidays: pd.DatetimeIndex

    @cached_property
    def counts(self) -> Floats:
        """Incidents per neighborhood, month and hour."""
        summed: Floats = self.stratum_counts.sum(axis=3, dtype=np.float64)
        return summed

    @cached_property
    def patrol_counts(self) -> Floats:
        """Incidents per neighborhood, month, hour and patrol type."""
        return self.sum_by_patrol(self.stratum_counts)

    @cached_property
    def kind_factors(self) -> Floats:
        """Factors of the kinds of day (kind, hour, stratum), from all months."""
        counts = self.kind_counts.sum(axis=0, dtype=np.float64)
        return estimate_factors(counts, self.kind_days.sum(axis=0), average_holidays(self.holidays))

    def sum_by_patrol(self, values: npt.NDArray[np.float32] | Floats) -> Floats:
        """Return values per stratum (last axis) summed per patrol type."""
        kinds = np.array([stratum.patrol for stratum in self.strata])
        member = (kinds[:, None] == np.arange(len(PATROL_TYPES))).astype(np.float64)
        summed: Floats = values @ member
        return summed

    @property
    def exposure(self) -> Floats:
        """Clock hours (t, h) that the counts stand for: those whose incidents are reported."""
        return self.clock_hours * self.completeness[:, None]

    @property
    def days(self) -> Floats:
        """Days (t) that the counts stand for."""
        return self.calendar_days * self.completeness

    @property
    def months(self) -> Integers:
        """Calendar month (1-12) of each t."""
        return self.month_numbers % 12 + 1

    def before(self, origin: int) -> "Panel":
        """Return what was known at the start of a month: months before it, reports before it.

        What is still to be reported of them is told by `completeness`.
        """
        past = self.select_months(self.month_numbers < origin)
        unknown = past.late[past.late["reported_month"] >= origin]
        month = np.searchsorted(past.month_numbers, unknown["month_number"])
        cells = (unknown["place"], month, unknown["hour"], unknown["stratum"])
        np.subtract.at(past.stratum_counts, cells, unknown["incidents"])
        known = replace(past, late=past.late[past.late["reported_month"] < origin])
        return replace(known, completeness=estimate_completeness(known, origin))

    def between(self, first: int, last: int) -> "Panel":
        """Return the months `first` to `last`, `last` not included."""
        return self.select_months((self.month_numbers >= first) & (self.month_numbers < last))

    def select_months(self, chosen: npt.NDArray[np.bool_]) -> "Panel":
        """Return a copy with the chosen months only."""
        days = np.isin(self.day_months, self.month_numbers[chosen])
        return replace(
            self,
            month_numbers=self.month_numbers[chosen],
            calendar_days=self.calendar_days[chosen],
            clock_hours=self.clock_hours[chosen],
            completeness=self.completeness[chosen],
            stratum_counts=self.stratum_counts[:, chosen],
            kind_days=self.kind_days[chosen],
            kind_counts=self.kind_counts[chosen],
            day_counts=self.day_counts[:, days],
            day_months=self.day_months[days],
            late=self.late[self.late["month_number"].isin(self.month_numbers[chosen])],
        )


def estimate_completeness(panel: Panel, origin: int) -> Floats:
    """Return the share of each month's incidents that is reported before `origin`.

    Chain ladder (Mack 1993, ASTIN Bulletin 23): for each age in months, the share of incidents
    reported by that age of those reported by the next, over all months old enough to tell; the
    completeness of a month is the product of the shares still ahead of it. Months between files make
    no difference: each month is as old as the calendar says.
    """
    ages = origin - 1 - panel.month_numbers
    late = panel.late
    lags = np.minimum(late["reported_month"] - late["month_number"], LONGEST_LAG)
    by_lag = np.zeros((len(ages), LONGEST_LAG + 1))
    month = np.searchsorted(panel.month_numbers, late["month_number"])
    np.add.at(by_lag, (month, lags), late["incidents"])
    by_lag[:, 0] = panel.counts.sum(axis=(0, 2)) - by_lag.sum(axis=1)
    by_age = by_lag.cumsum(axis=1)
    completeness = np.ones(LONGEST_LAG + 1)
    for age in reversed(range(LONGEST_LAG)):
        old = ages > age
        later = by_age[old, age + 1].sum()
        step = by_age[old, age].sum() / later if later else 1.0
        completeness[age] = completeness[age + 1] * step
    known: Floats = completeness[np.minimum(ages, LONGEST_LAG)]
    return known


def load_panel(connection: duckdb.DuckDBPyConnection) -> Panel:
    """Read the panel from the clean tables of a build."""
    places = connection.execute(
        "SELECT neighborhood, npu, zone FROM neighborhood ORDER BY neighborhood"
    ).fetchall()
    neighborhoods = tuple(place[0] for place in places)
    days = connection.execute(DAYS_SELECT).df()
    month_numbers, month_of_day = np.unique(days["month_number"], return_inverse=True)
    holidays = pd.DatetimeIndex(connection.execute(HOLIDAYS_SELECT).df()["day"])
    kind_of_day = find_kinds(pd.DatetimeIndex(days["day"]), holidays)
    kind_days = np.zeros((len(month_numbers), KINDS), dtype=np.int64)
    np.add.at(kind_days, (month_of_day, kind_of_day), 1)
    strata, members = load_strata(connection)
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
    kind_counts = np.zeros((len(month_numbers), KINDS, HOURS, len(strata)), dtype=np.float32)
    city_cells = (month_of_day[day], kind_of_day[day], city["hour"], city["stratum"])
    np.add.at(kind_counts, city_cells, city["incidents"])
    late = connection.execute(LATE_SELECT).df()
    day_counts = load_days(connection, len(neighborhoods), days)
    for name in ("place_of", "stratum_of"):
        connection.unregister(name)
    return Panel(
        neighborhoods=neighborhoods,
        npu=tuple(place[1] for place in places),
        zone=tuple(place[2] for place in places),
        strata=strata,
        month_numbers=month_numbers.astype(np.int64),
        calendar_days=kind_days.sum(axis=1),
        clock_hours=count_clock_hours(days, month_of_day),
        completeness=np.ones(len(month_numbers)),
        stratum_counts=counts,
        kind_days=kind_days,
        kind_counts=kind_counts,
        day_counts=day_counts,
        day_months=days["month_number"].to_numpy(np.int64),
        late=late[LATE_COLUMNS],
        holidays=holidays,
    )


def load_strata(connection: duckdb.DuckDBPyConnection) -> tuple[tuple[Stratum, ...], pd.DataFrame]:
    """Return the strata, and for each `nibrs_code` the number of its `stratum`."""
    common = connection.execute(STRATA_SELECT, {"common": COMMON_OFFENSES}).df()["nibrs_code"]
    codes = connection.execute(
        "SELECT nibrs_code, offense, patrol_type, offense_category, count(*) AS incidents "
        "FROM incident GROUP BY ALL ORDER BY ALL"
    ).df()
    is_common = codes["nibrs_code"].isin(common)
    codes["stratum"] = codes["offense"].where(is_common, "Other: " + codes["patrol_type"])
    strata = tuple(
        Stratum(
            name=str(name),
            patrol=PATROL_TYPES.index(group["patrol_type"].iloc[0]),
            category_shares=(
                group.groupby("offense_category")["incidents"].sum() / group["incidents"].sum()
            ).to_dict(),
        )
        for name, group in codes.groupby("stratum", sort=True)
    )
    names = pd.Index([stratum.name for stratum in strata])
    members = pd.DataFrame(
        {"nibrs_code": codes["nibrs_code"], "stratum": names.get_indexer(pd.Index(codes["stratum"]))}
    )
    return strata, members


def count_clock_hours(days: pd.DataFrame, month_of_day: Integers) -> Floats:
    """Return clock hours observed (month, hour): 2 is skipped in spring, 1 is doubled in autumn."""
    hours = np.repeat(np.bincount(month_of_day).astype(np.float64)[:, None], HOURS, axis=1)
    for change, hour, step in (("spring", 2, -1), ("autumn", 1, 1)):
        np.add.at(hours[:, hour], month_of_day[days["clock_change"] == change], step)
    return hours


def load_days(
    connection: duckdb.DuckDBPyConnection, places: int, days: pd.DataFrame
) -> npt.NDArray[np.uint16]:
    """Return incidents per neighborhood and observed day."""
    cells = connection.execute(DAILY_SELECT).df()
    counts = np.zeros((places, len(days)), dtype=np.uint16)
    counts[cells["place"], np.searchsorted(days["day"], cells["day"])] = cells["incidents"]
    return counts
