"""Dates and clocks (such as hhmm) of a layout as SQL, on the city's wall clock.

Input: an inspected raw file and its city. Output: expressions over columns that are called `c` and
their place in the header.
"""

import re
from collections.abc import Iterable

from etl.city import City
from etl.layout import DATE_PARTS
from etl.layout_values import EPOCHS, has_clock, has_offset
from etl.raw_file import RawFile
from warehouse.table import quote_text

ENGLISH_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip

# Clock texts are HH:MM[:SS], H:MM, 3:05 PM or an integer hhmm; 24:00 ends the day. Seconds are dropped.
MACROS = """
CREATE TEMP MACRO whole_number(text) AS
    CASE WHEN try_cast(text AS DOUBLE) = floor(try_cast(text AS DOUBLE))
         THEN try_cast(try_cast(text AS DOUBLE) AS INTEGER) END;
CREATE TEMP MACRO pad_clock(clock) AS if(length(clock) < 4, lpad(clock, 4, '0'), clock);
CREATE TEMP MACRO minute_of_day(clock) AS 60 * hour(clock) + minute(clock);
CREATE TEMP MACRO clock_minutes(clock) AS CASE
    WHEN clock IN ('24:00', '24:00:00', '2400') THEN 1440
    WHEN contains(clock, ':') THEN minute_of_day(
        try_strptime(clock, ['%H:%M:%S', '%H:%M', '%I:%M %p', '%I:%M:%S %p', '%I:%M%p']))
    ELSE minute_of_day(try_strptime(pad_clock(regexp_replace(clock, '[.]0$', '')),
                                    ['%H%M', '%I %p', '%I%p'])) END;
CREATE TEMP MACRO hour_minutes(text) AS coalesce(
    CASE WHEN whole_number(text) BETWEEN 0 AND 24 THEN 60 * whole_number(text) END,
    minute_of_day(try_strptime(text, ['%I %p', '%I%p'])))
"""


def list_texts(texts: Iterable[str]) -> str:
    """Return texts as a SQL list."""
    return "[" + ", ".join(quote_text(text) for text in texts) + "]"


def list_lower(texts: Iterable[str]) -> str:
    """Return texts in lower case, as the engine sees it, as a SQL list."""
    return "[" + ", ".join(f"lower({quote_text(text)})" for text in texts) + "]"


class RawColumns:
    """SQL for the columns of a file, whatever they are called."""

    def __init__(self, file: RawFile, city: City) -> None:
        """Keep the file whose layout names the columns, and the city whose clock it is on."""
        self.file, self.layout, self.city = file, file.layout, city

    def raw(self, field: str) -> str:
        """Return the field's trimmed text, whatever it says; NULL where the file has no such column."""
        place = self.file.find_place(field)
        return "NULL::VARCHAR" if place is None else f"trim(c{place})"


class TimestampColumns(RawColumns):
    """SQL for the dates of a file, with their clocks where those have columns of their own."""

    def timestamp(self, field: str) -> str:
        """Return the field as a wall clock time of the city; NULL where it cannot be read.

        A wall clock time that a clock change skipped is moved on by the hour it skipped.
        """
        if self.is_on_utc_clock(field):
            return self.to_local(self.parsed(field))
        return f"timezone({self.zone}, timezone({self.zone}, {self.parsed(field)}))"

    def is_moved(self, field: str) -> str:
        """Return whether `timestamp` had to move the field."""
        if self.is_on_utc_clock(field):
            return "false"
        return f"{self.timestamp(field)} <> {self.parsed(field)}"

    def is_on_utc_clock(self, field: str) -> bool:
        """Return whether `parsed` gives the field as UTC."""
        return self.layout.is_utc and not self.has_local_clock(field)

    def has_local_clock(self, field: str) -> bool:
        """Return whether a column of its own has the field's clock, in local time."""
        return self.layout.clock_time_zone == "local" and bool(self.clock(field))

    def to_local(self, instant: str) -> str:
        """Return a UTC instant on the city's clock."""
        return f"timezone({self.zone}, timezone('UTC', {instant}))"

    @property
    def zone(self) -> str:
        """The city's time zone as SQL text."""
        return quote_text(self.city.time_zone.key)

    def parsed(self, field: str) -> str:
        """Return the field as a timestamp as written; NULL where it cannot be read."""
        day, clock = self.date(field), self.clock(field)
        if not clock:
            return day
        return f"({day})::DATE + to_minutes({clock})"

    def clock(self, field: str) -> str:
        """Return the minutes of the day in separate columns, empty where there are none."""
        if self.file.has(f"{field}_clock"):
            return f"clock_minutes({self.raw(f'{field}_clock')})"
        if not self.file.has(f"{field}_hour"):
            return ""
        hours = f"hour_minutes({self.raw(f'{field}_hour')})"
        if not self.file.has(f"{field}_minute"):
            return hours
        minute = f"whole_number({self.raw(f'{field}_minute')})"
        return f"{hours} + CASE WHEN {minute} BETWEEN 0 AND 59 THEN {minute} END"

    def date(self, field: str) -> str:
        """Return the date, and the time of day where its own column has one, as written."""
        if field == "occurred" and "occurred_year" in self.layout.fields:
            return self.read_parts()
        value, formats = self.raw(field), self.layout.datetime_formats
        if not self.file.has(field):
            return "NULL::TIMESTAMP"
        if formats[0] in EPOCHS:
            unit = EPOCHS[formats[0]]
            read = f"TRY(make_timestamp(try_cast({value} AS BIGINT) * {unit}))"
            return self.to_local(read) if self.has_local_clock(field) else read
        reads = []
        for (offset, month, is_instant), texts in self.group_formats().items():
            read = self.read_date(value, offset, month, texts)
            # A date without a clock is a day of the city's already; an instant must become one.
            reads.append(self.to_local(read) if is_instant and self.has_local_clock(field) else read)
        return reads[0] if len(reads) == 1 else f"coalesce({', '.join(reads)})"

    def group_formats(self) -> dict[tuple[bool, str, bool], list[str]]:
        """Return the formats by offset, by the spelling of a month to translate, and by clock.

        Formats with an offset give instants, others do not: the engine reads a list of one kind.
        """
        groups: dict[tuple[bool, str, bool], list[str]] = {}
        # %Y would read two digits too.
        for text in sorted(self.layout.datetime_formats, key=lambda text: "%Y" in text):
            month = next((code for code in ("%B", "%b") if code in text), "")
            kind = (has_offset(text), month if self.layout.month_names else "", has_clock(text))
            groups.setdefault(kind, []).append(text)
        return groups

    def read_date(self, value: str, has_offset: bool, month: str, formats: list[str]) -> str:
        """Return a text read by formats of one kind."""
        if month:
            value = self.translate_month(value, month)
        read = f"try_strptime({value}, {list_texts(formats)})"
        # %n makes nanoseconds, which reach from 1677 to 2262 only.
        return f"timezone('UTC', {read})" if has_offset else f"{read}::TIMESTAMP"

    def translate_month(self, value: str, code: str) -> str:
        """Return a text with the English name of its month, as `code` reads it, for the layout's."""
        longest_first = sorted(map(re.escape, self.month_names()), key=len, reverse=True)
        pattern = quote_text(f"(?i)({'|'.join(longest_first)})")
        word = f"regexp_extract({value}, {pattern}, 1)"
        english = [name if code == "%B" else name[:3] for name in ENGLISH_MONTHS]
        return f"replace({value}, {word}, {list_texts(english)}[{self.find_month(word)}])"

    def month_names(self) -> tuple[str, ...]:
        """Return the names of the months as the layout gives them."""
        return self.layout.month_names or ENGLISH_MONTHS

    def find_month(self, text: str) -> str:
        """Return the number of a month by its name, NULL for any other word."""
        return f"nullif(list_position({list_lower(self.month_names())}, lower({text})), 0)"

    def read_parts(self) -> str:
        """Return the date in the columns of year, month and day.

        The month is a number, a name, or the first three letters of an English name.
        """
        year, month, day = (self.raw(part) for part in DATE_PARTS)
        short = list_lower(name[:3] for name in ENGLISH_MONTHS)
        name = f"nullif(list_position({short}, lower({month})), 0)"
        number = f"coalesce(whole_number({month}), {self.find_month(month)}, {name})"
        text = f"concat_ws('-', whole_number({year}), {number}, whole_number({day}))"
        return f"try_strptime({text}, '%Y-%m-%d')"
