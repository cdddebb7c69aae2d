"""Which days are holidays of the city, observed days among them: as the package `holidays` lists them.

Input: `calendar`, the cutoff, and the country and subdivision that the city's file names. Output:
`holiday`, filled; empty for a city that names none.
"""

import datetime as dt
from collections.abc import Iterable

import holidays
import pandas as pd

from etl.city import Holidays
from warehouse.build import Build
from warehouse.tables_clean import HOLIDAY_TABLE

YEARS_AHEAD = 2
"""Whole years after the cutoff's: the forecast months end in the first of them."""

LANGUAGE = "en_US"
"""Without a language the package would take that of the machine."""


def fill_holidays(build: Build, calendar: Holidays | None, cutoff: dt.date) -> int:
    """Fill `holiday` for every observed year and `YEARS_AHEAD` more; return its row count."""
    first: dt.date = build.fetch_value("SELECT min(calendar_date) FROM calendar")
    years = range(first.year, cutoff.year + YEARS_AHEAD + 1)
    named = list_holidays(calendar, years) if calendar else []
    return build.insert_frame(HOLIDAY_TABLE, pd.DataFrame(named, columns=HOLIDAY_TABLE.column_names))


def list_holidays(calendar: Holidays, years: Iterable[int]) -> list[tuple[dt.date, str]]:
    """Return day and name of each holiday in order of date; names of one day are joined by '; '."""
    found = holidays.country_holidays(
        calendar.country, subdiv=calendar.subdivision, years=years, language=LANGUAGE
    )
    return sorted(found.items())
