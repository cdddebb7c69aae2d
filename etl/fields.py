"""The fields of a layout as SQL: text columns in, the columns of `staged` out (dates: `timestamps`).

Input: an inspected raw file and its city. Output: a SELECT list over columns that are called `c` and
their place in the header, so that no name from a file reaches SQL. Settings do as quoted text.
"""

from etl.city import City
from etl.raw_file import RawFile
from etl.timestamps import RawColumns, TimestampColumns, list_lower, list_texts
from warehouse.table import quote_text

MISSING = (
    "", "null", "(null)", "nil", "none", "n/a", "#n/a", "na", "nan", "<na>", "-", "--", "?", ".",
    "unknown", "unk", "missing", "not available", "not applicable", "undefined", "blank", "(blank)",
    "#ref!", "#value!", "#name?", "#null!", "#div/0!",
)  # fmt: skip
"""What a missing value is called in every layout, whatever the case."""

YES, NO = ("yes", "y", "true", "t", "1"), ("no", "n", "false", "f", "0")

WEEKDAYS = {
    day[:end]: number
    for number, day in enumerate(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), 1
    )
    for end in range(3, len(day) + 1)
}
"""ISO numbers of English weekdays, written out or cut after three letters or later."""


def select_fields(file: RawFile, city: City) -> str:
    """Return the SELECT list that turns a file's text columns into those of `staged`."""
    text, when = TextColumns(file, city), TimestampColumns(file, city)
    expressions = {
        "report_number": text.identity(),
        "reported": when.timestamp("reported"),
        "occurred": when.timestamp("occurred"),
        "occurred_until": when.timestamp("occurred_until"),
        "is_clock_moved": when.is_moved("occurred"),
        "offense_literal": text("offense_literal"),
        "nibrs_code": text.offense_code(),
        "is_left_out": text.is_left_out(),
        "beat": text("beat"),
        "zone": text.zone(),
        "neighborhood": text("neighborhood"),
        "npu": text("npu"),
        "latitude": text.coordinate("latitude"),
        "longitude": text.coordinate("longitude"),
        "location_type": text("location_type"),
        "firearm_involved": text.flag("firearm_involved"),
        "raw_weekday": text.weekday(),
        "raw_shift": text("shift"),
    }
    return ", ".join(f"{expression} AS {name}" for name, expression in expressions.items())


class TextColumns(RawColumns):
    """SQL for the fields of a file that are no dates."""

    def __call__(self, field: str) -> str:
        """Return the field's trimmed text; NULL where it is missing in one of the spellings."""
        text = self.raw(field)
        missing = list_lower([*MISSING, *self.layout.null_spellings])
        return f"CASE WHEN NOT list_contains({missing}, lower({text})) THEN {text} END"

    def identity(self) -> str:
        """Return the report number, without what programs add to one: an apostrophe, a final .0."""
        return f"regexp_replace({self('report_number')}, '^''|[.]0$', '', 'g')"

    def offense_code(self) -> str:
        """Return the NIBRS code that is given, or that of the literal."""
        codes = ", ".join(
            f"upper({quote_text(literal)}): {quote_text(code)}"
            for literal, code in self.layout.offense_codes.items()
        )
        if not codes or not self.file.has("offense_literal"):
            return self("nibrs_code")
        return f"coalesce({self('nibrs_code')}, MAP {{{codes}}}[upper({self('offense_literal')})])"

    def is_left_out(self) -> str:
        """Return whether the layout leaves the offense out on purpose, by literal or by code."""
        texts = ", ".join(f"upper({quote_text(text)})" for text in self.layout.left_out_offenses)
        given = f"[upper({self('offense_literal')}), {self.offense_code()}]"
        return f"list_has_any([{texts}], {given})" if texts else "false"

    def zone(self) -> str:
        """Return the zone; where the city's follow from its beats, none for a beat that is not its."""
        if not self.city.beat_pattern or not self.file.has("beat"):
            return self("zone")
        pattern = quote_text(f"^(?:{self.city.beat_pattern})$")
        return f"nullif(regexp_extract({self('beat')}, {pattern}, 1), '')"

    def coordinate(self, field: str) -> str:
        """Return a coordinate as it is written; NULL for zero, which stands for a missing one."""
        text = self.raw(field)
        if self.layout.decimal_comma:
            text = f"if(contains({text}, ','), replace(replace({text}, '.', ''), ',', '.'), {text})"
        return f"nullif(try_cast({text} AS DOUBLE), 0)"

    def flag(self, field: str) -> str:
        """Return a yes or no; NULL for any other word."""
        values = [*(["true"] * len(YES)), *(["false"] * len(NO))]
        words = list_texts((*YES, *NO))
        return f"[{', '.join(values)}][list_position({words}, lower({self.raw(field)}))]"

    def weekday(self) -> str:
        """Return the ISO number of an English weekday; NULL for any other word."""
        text = f"lower({self.raw('weekday')})"
        return f"{list(WEEKDAYS.values())}[list_position({list_texts(WEEKDAYS)}, {text})]"
