"""Months as numbers, so that a difference is a number of months: year * 12 + month - 1.

Input: days, or SQL expressions of them. Output: month numbers, and the days that months begin on.
"""

import datetime as dt

MONTHS = 12
"""Months of a year; the calendar month (1-12) of a number is `number % MONTHS + 1`."""


def number_month(day: dt.date) -> int:
    """Return the number of the month that holds `day`."""
    return day.year * MONTHS + day.month - 1


def start_month(number: int) -> dt.date:
    """Return the first day of a month."""
    return dt.date(number // MONTHS, number % MONTHS + 1, 1)


def select_month_number(day: str) -> str:
    """Return the SQL expression of the month's number, for an expression of a date or a timestamp."""
    return f"(year({day}) * {MONTHS} + month({day}) - 1)"
