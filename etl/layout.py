"""Raw layouts: which columns a kind of raw file has and what they mean.

Input: `data/layouts/*.toml`, the header of a raw file. Output: the `Layout` the header belongs to.
"""

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, model_validator

from etl.city import City, Text
from etl.layout_values import (
    EPOCHS,
    WGS84,
    check_codes,
    check_coordinate_system,
    check_encoding,
    check_format,
    has_clock,
    has_offset,
    read_codes,
)
from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.months import MONTHS
from warehouse.settings_file import Settings, find_settings, read_settings, suggest

FIELDS = (
    "report_number", "reported", "reported_clock", "occurred", "occurred_year", "occurred_month",
    "occurred_day", "occurred_clock", "occurred_hour", "occurred_minute", "occurred_until",
    "occurred_until_clock", "nibrs_code", "offense_literal", "beat", "zone", "neighborhood", "npu",
    "latitude", "longitude", "location_type", "firearm_involved", "weekday", "shift",
)  # fmt: skip
"""What the ETL can use of a raw file; `weekday` and `shift` are evidence and reach no table."""

DATE_FIELDS = ("reported", "occurred", "occurred_until")
DATE_PARTS = ("occurred_year", "occurred_month", "occurred_day")
COORDINATES = ("latitude", "longitude")
CLOCKS = ("reported_clock", "occurred_clock", "occurred_hour", "occurred_until_clock")

REQUIRES = {
    "reported_clock": "reported",
    "occurred_until_clock": "occurred_until",
    "occurred_minute": "occurred_hour",
    "latitude": "longitude",
    "longitude": "latitude",
    **dict(zip(DATE_PARTS, (*DATE_PARTS[1:], DATE_PARTS[0]), strict=True)),
}
"""A field and the one without which it says nothing."""

EXCLUDES = {"occurred_year": "occurred", "occurred_hour": "occurred_clock"}
"""Two ways to say the same thing, of which a layout takes one."""

MAX_SHOWN = 8
"""Columns that a message names."""

Hour = Annotated[StrictInt, Field(ge=0, le=24)]


class Layout(Settings):
    """One raw layout. `fields` maps what the ETL can use to the layout's own column names.

    A file may lack `optional_columns`, and then lacks the fields behind them. `renamed_columns` gives
    other header names of a column. `offense_codes` gives the NIBRS code of what the column
    `offense_literal` says, whatever the case. `shifts` gives the first and the last hour of each shift,
    the last exclusive. CONTRIBUTING.md has an example.
    """

    name: str
    columns: Annotated[tuple[Text, ...], Field(min_length=1)]
    fields: dict[str, Text]
    datetime_formats: tuple[Annotated[str, AfterValidator(check_format)], ...] = ()
    time_zone: Literal["UTC", "local"] = "local"
    clock_time_zone: Literal["UTC", "local"] | None = None
    month_names: Annotated[tuple[Text, ...], Field(min_length=MONTHS, max_length=MONTHS)] | None = None
    null_spellings: tuple[str, ...] = ()
    optional_columns: tuple[Text, ...] = ()
    new_columns: StrictBool = False
    renamed_columns: dict[str, tuple[Text, ...]] = {}
    separator: Literal[",", ";", "\t"] = ","
    encoding: Annotated[str, AfterValidator(check_encoding)] = "utf-8"
    decimal_comma: StrictBool = False
    sheet: Text | None = None
    coordinate_system: Annotated[str, AfterValidator(check_coordinate_system)] = WGS84
    offense_codes: Annotated[
        dict[str, str], BeforeValidator(read_codes), AfterValidator(check_codes)
    ] = {}
    left_out_offenses: tuple[Text, ...] = ()
    is_synthetic: StrictBool = False
    shifts: dict[str, tuple[Hour, Hour]] = {}

    @model_validator(mode="after")
    def check_together(self) -> Self:
        """Refuse settings that contradict each other, with a line for each contradiction."""
        lines = [
            *self.find_column_mistakes(), *self.find_field_mistakes(), *self.find_lacks(),
            *self.find_time_mistakes(),
        ]  # fmt: skip
        if lines:
            raise ValueError("\n".join(lines))
        return self

    def find_column_mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the names of columns."""
        known = set(self.columns)
        spellings = [*self.columns, *(name for names in self.renamed_columns.values() for name in names)]
        # DuckDB and spreadsheets take names that differ in case only for one.
        counts = Counter(name.casefold() for name in spellings)
        yield from (f"columns: {name!r} is there twice" for name, times in counts.items() if times > 1)
        for key, names in (
            ("optional_columns", self.optional_columns),
            ("renamed_columns", tuple(self.renamed_columns)),
            *((f"fields.{field}", (column,)) for field, column in self.fields.items()),
        ):
            for name in names:
                if name not in known:
                    yield f"{key}: {name!r} is not among columns{suggest(name, known)}"

    def find_field_mistakes(self) -> Iterator[str]:
        """Yield what is wrong with single fields beside the others."""
        found = set(self.fields)
        for field in self.fields:
            if field not in FIELDS:
                yield f"fields.{field}: unknown key{suggest(field, FIELDS)}"
            if REQUIRES.get(field, field) not in found:
                yield f"fields.{field}: needs {REQUIRES[field]!r} too"
            if EXCLUDES.get(field) in found:
                yield f"fields.{field}: expected this or {EXCLUDES[field]!r}, found both"

    def find_lacks(self) -> Iterator[str]:
        """Yield what no layout can do without."""
        for one, other in (("occurred", "occurred_year"), ("nibrs_code", "offense_literal")):
            if not (self.is_certain(one) or self.is_certain(other)):
                yield f"fields: expected {one!r} or {other!r}, in a column that is not optional"
        if not set(self.fields) & {"latitude", "neighborhood"}:
            yield "fields: expected 'latitude' and 'longitude', or 'neighborhood'"
        if self.shifts and "shift" not in self.fields:
            yield "shifts: needs the field 'shift'"
        literals = Counter(literal.upper() for literal in self.offense_codes)
        yield from (f"offense_codes: {name!r} is there twice" for name, n in literals.items() if n > 1)

    def find_time_mistakes(self) -> Iterator[str]:
        """Yield what is wrong with formats and clocks taken together."""
        formats = self.datetime_formats
        if not formats and set(DATE_FIELDS) & set(self.fields):
            yield "datetime_formats: missing, expected the formats of the dates"
        if set(EPOCHS) & set(formats) and len(formats) > 1:
            yield f"datetime_formats: found {formats}, expected an epoch or strptime formats"
        if not self.is_utc and any(has_offset(text) for text in formats):
            yield (
                "datetime_formats: found %z or %Z with time_zone 'local'; expected time_zone 'UTC': "
                "such texts carry their own offset and are instants, not wall clock times"
            )
        if self.clock_time_zone and not self.is_utc:
            yield "clock_time_zone: expected only with time_zone 'UTC'"
        if self.is_utc and not self.clock_time_zone and set(CLOCKS) & set(self.fields):
            yield "clock_time_zone: missing, expected 'UTC' or 'local': a clock stands beside UTC dates"
        orders = Counter(re.sub("%[dm]", "%?", text) for text in formats)
        yield from (
            f"datetime_formats: two of them differ in the order of day and month only, as {text!r}"
            for text, times in orders.items()
            if times > 1
        )
        if self.month_names and len({name.casefold() for name in self.month_names}) < MONTHS:
            yield "month_names: a name is there twice"

    def is_certain(self, field: str) -> bool:
        """Return whether every file of the layout has the field."""
        return field in self.fields and self.fields[field] not in self.optional_columns

    @property
    def needed_columns(self) -> set[str]:
        """Columns without which a file is not of this layout."""
        return set(self.columns) - set(self.optional_columns)

    def rename(self, header: Sequence[str]) -> tuple[str, ...]:
        """Return a header with the layout's own names in place of the other names of its columns."""
        names = {other: name for name, others in self.renamed_columns.items() for other in others}
        return tuple(names.get(name, name) for name in header)

    def fits(self, header: Sequence[str]) -> bool:
        """Return whether a header has the needed columns, none of them twice, and no unknown one."""
        renamed = self.rename(header)
        found = set(renamed)
        is_known = self.new_columns or found <= set(self.columns)
        return (
            is_known
            and self.needed_columns <= found
            and all(renamed.count(name) == 1 for name in found & set(self.columns))
        )

    def compare(self, header: Sequence[str]) -> str:
        """Return words for what keeps a header from fitting."""
        renamed = self.rename(header)
        missing = sorted(self.needed_columns - set(renamed))
        others = sorted(set(renamed) - set(self.columns))
        twice = sorted(name for name, times in Counter(renamed).items() if times > 1)
        return (
            f"closest is {self.name}, missing {missing[:MAX_SHOWN]}, not expected {others[:MAX_SHOWN]}"
            + (f", there twice {twice[:MAX_SHOWN]}" if twice else "")
        )  # fmt: skip

    @property
    def is_utc(self) -> bool:
        """Whether its times are UTC; otherwise they are the city's wall clock."""
        return self.time_zone == "UTC"

    @property
    def is_utf8(self) -> bool:
        """Whether its files are UTF-8, with or without a byte order mark."""
        return codecs.lookup(self.encoding).name in {"utf-8", "utf-8-sig"}

    @property
    def has_report_clock(self) -> bool:
        """Whether a report has a time of day, and not only a date."""
        return "reported_clock" in self.fields or any(map(has_clock, self.datetime_formats))


def load_layouts(city: City) -> list[Layout]:
    """Return the city's layouts, the most trusted first."""
    return [load_layout(name) for name in city.layouts]


def load_layout(name: str) -> Layout:
    """Read one layout file.

    Raises `ShieldError` when there is none of that name, and with a line for each of its mistakes.
    """
    return read_settings(find_settings(settings.LAYOUTS_DIR, name, "layout"), Layout, name=name)


def recognize_layout(
    file_name: str, read_header: Callable[[Layout], Sequence[str] | None], layouts: Sequence[Layout]
) -> Layout:
    """Return the first layout that the header fits, in whatever order the file has its columns.

    `read_header` gives the header as a layout would read it, None where it cannot. Raises `ShieldError`
    that names the closest layout and the columns that differ.
    """
    headers = [(layout, header) for layout in layouts if (header := read_header(layout)) is not None]
    if not headers:
        ways = [f"text in {layout.encoding}" for layout in layouts]
        ways += [f"a sheet {layout.sheet!r}" for layout in layouts if layout.sheet]
        raise ShieldError(
            f"{file_name}: no header that a layout could read; "
            f"expected {' or '.join(dict.fromkeys(ways))}"
        )
    for layout, header in headers:
        if layout.fits(header):
            return layout
    closest, header = min(headers, key=lambda pair: len({*pair[0].rename(pair[1])} ^ {*pair[0].columns}))
    raise ShieldError(f"{file_name}: header matches no known layout; {closest.compare(header)}")
