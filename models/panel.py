"""Counts and exposure on the complete grid: what every model is fitted on.

Input: arrays of the clean tables (`models.load_panel`). Output: a `Panel`, whole or cut to what was
known at an origin. Cells without incidents are there with 0; months without observed days are not.
"""

import datetime as dt
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.arrays import Floats, Integers
from models.day_types import average_holidays, estimate_factors, find_day_types
from models.late_reports import estimate_completeness
from warehouse.columns import PATROL_TYPES, UNKNOWN_ZONE
from warehouse.months import MONTHS, number_month

HOURS = 24


@dataclass(frozen=True)
class Stratum:
    """Offenses that are counted together: one common offense, or the rest of a patrol type."""

    name: str
    patrol: int


@dataclass(frozen=True)
class Offense:
    """One offense: its category, the number of its stratum, and whether the public reports it.

    What is not reported by the public follows police activity (`offense.is_discretionary`).
    """

    category: str
    stratum: int
    is_reported: bool


@dataclass(frozen=True)
class Panel:
    """Arrays over neighborhood n, observed month t, clock hour h and stratum s.

    `stratum_counts[n, t, h, s]` counts incidents, `day_type_counts[t, k, h, s]` those of the city by day
    type k, of which the month has `day_type_days[t, k]`. `month_numbers[t]` are those of
    `warehouse.months`. `calendar_days[t]` are observed calendar days and `clock_hours[t, h]` the clock
    hours observed: a day has one of each, but for the two clock changes. `completeness[t]` is
    the share of a month's incidents that are expected to be reported by now. `day_counts[n, d]` are
    incidents of each observed day, `dates[d]` which day that is and `day_months[d]` the number of its
    month. `offense_cells` lists all incidents by offense, as a number in `offenses`: `place`,
    `month_number`, `hour`, `offense`, `reported_month`, `incidents`. `late` lists those reported in a
    later month than they occurred in (`LATE_COLUMNS`). `npu[n]` and `zone[n]` may be None; `is_named[n]`
    is false for a place outside the named neighborhoods. `holidays` are the city's, of past and forecast
    years: a calendar is known ahead.
    """

    neighborhoods: tuple[str, ...]
    npu: tuple[str | None, ...]
    zone: tuple[str | None, ...]
    is_named: npt.NDArray[np.bool_]
    strata: tuple[Stratum, ...]
    offenses: tuple[Offense, ...]
    month_numbers: Integers
    calendar_days: Integers
    clock_hours: Floats
    completeness: Floats
    stratum_counts: npt.NDArray[np.float32]
    day_type_days: Integers
    day_type_counts: npt.NDArray[np.float32]
    day_counts: npt.NDArray[np.uint16]
    dates: pd.DatetimeIndex
    day_months: Integers
    offense_cells: pd.DataFrame
    late: pd.DataFrame
    holidays: pd.DatetimeIndex

    @cached_property
    def counts(self) -> Floats:
        """Incidents (neighborhood, month, hour)."""
        summed: Floats = self.stratum_counts.sum(axis=3, dtype=np.float64)
        return summed

    @cached_property
    def patrol_counts(self) -> Floats:
        """Incidents (neighborhood, month, hour, patrol type)."""
        return self.sum_by_patrol(self.stratum_counts)

    @cached_property
    def day_type_factors(self) -> Floats:
        """Factors of the day types (day type, hour, stratum), from all months."""
        counts = self.day_type_counts.sum(axis=0, dtype=np.float64)
        return estimate_factors(counts, self.day_type_days.sum(axis=0), average_holidays(self.holidays))

    @cached_property
    def zone_names(self) -> tuple[str, ...]:
        """The zones in order, of places without one `UNKNOWN_ZONE`; empty where no place has one."""
        return tuple(sorted({zone or UNKNOWN_ZONE for zone in self.zone})) if any(self.zone) else ()

    @cached_property
    def zone_members(self) -> Floats:
        """Membership (neighborhood, zone), 1 or 0, in the order of `zone_names`."""
        zones = np.array([zone or UNKNOWN_ZONE for zone in self.zone])
        member: Floats = (zones[:, None] == np.array(self.zone_names, dtype=str)).astype(np.float64)
        return member

    @cached_property
    def category_names(self) -> tuple[str, ...]:
        """The offense categories in order."""
        return tuple(sorted({offense.category for offense in self.offenses}))

    def sum_by_patrol(self, values: npt.NDArray[np.float32] | Floats) -> Floats:
        """Return values (…, stratum) summed to (…, patrol type)."""
        patrols = np.array([stratum.patrol for stratum in self.strata])
        member = (patrols[:, None] == np.arange(len(PATROL_TYPES))).astype(np.float64)
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
        """Calendar months (t), 1-12."""
        return self.month_numbers % MONTHS + 1

    @property
    def end(self) -> int:
        """Number of the first month whose last day is not in the data."""
        return number_month((self.dates[-1] + dt.timedelta(days=1)).date())

    def before(self, origin: int) -> "Panel":
        """Return what was known at the start of a month: months before it, reports before it.

        What is still to be reported of them is told by `completeness`. Holidays end with the year of
        the last month that is forecast from there, so that later data changes nothing of it.
        """
        past = self.select_months(self.month_numbers < origin)
        unknown = past.late[past.late["reported_month"] >= origin]
        place, hour, stratum = unknown["place"], unknown["hour"], unknown["stratum"]
        month = np.searchsorted(past.month_numbers, unknown["month_number"])
        day_type = find_day_types(pd.DatetimeIndex(unknown["day"]), past.holidays)
        day = np.searchsorted(past.dates, pd.DatetimeIndex(unknown["day"]))
        incidents = unknown["incidents"]
        np.subtract.at(past.stratum_counts, (place, month, hour, stratum), incidents)
        np.subtract.at(past.day_type_counts, (month, day_type, hour, stratum), incidents)
        np.subtract.at(past.day_counts, (place, day), incidents.to_numpy(np.uint16))
        known = replace(
            past,
            late=past.late[past.late["reported_month"] < origin],
            offense_cells=past.offense_cells[past.offense_cells["reported_month"] < origin],
            holidays=past.holidays[past.holidays.year <= (origin + MONTHS - 1) // MONTHS],
        )
        reported = known.counts.sum(axis=(0, 2))
        completeness = estimate_completeness(reported, known.month_numbers, known.late, origin)
        return replace(known, completeness=completeness)

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
            day_type_days=self.day_type_days[chosen],
            day_type_counts=self.day_type_counts[chosen],
            day_counts=self.day_counts[:, days],
            dates=self.dates[days],
            day_months=self.day_months[days],
            offense_cells=self.offense_cells[
                self.offense_cells["month_number"].isin(self.month_numbers[chosen])
            ],
            late=self.late[self.late["month_number"].isin(self.month_numbers[chosen])],
        )
