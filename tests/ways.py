"""Ways to break a raw file, each with what must come of it.

Input: nothing. Output: `WAYS`: what each does to the rows of a draft, to its text or to its file, and
what cleaning must make of that. A way names the layout on which the default tests try it;
`python -m tests.damage` tries it on others.
"""

import datetime as dt
import gzip
import unicodedata
from dataclasses import dataclass, field
from fractions import Fraction

from etl.fields import MISSING
from tests.changes import (
    DAYS,
    GAP_DAYS,
    LAST_DAY,
    LONG_DAYS,
    ChangeData,
    ChangeFile,
    ChangeRows,
    add_rows,
    break_snapshot,
    copy,
    cut_last_row,
    divide,
    drop,
    edit,
    empty,
    leave_gap,
    make_folder,
    make_workbook,
    make_zip,
    mix_line_ends,
    pack,
    rename_place,
    reorder,
    repeat_header,
    repeat_rows,
    reported_later,
    rewrite,
    separate,
    spell,
    together,
    write,
    write_each,
)
from tests.good import AUTUMN_DAY, FIRST_DAY, SPRING_DAY

DAY = dt.timedelta(days=1)
MIDNIGHT = dt.datetime.combine(FIRST_DAY + 30 * DAY, dt.time())
YEAR = 365 * DAY


@dataclass(frozen=True)
class Outcome:
    """What must come of a way: rows by rule and by repair, or words with which it is refused.

    `values` are what the incidents of touched rows then say. `uncovered` says how many days less are
    covered, whose rows are rejected, and `repeated` which share of the rows two files tell.
    """

    rejected: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)
    refused: str = ""
    values: dict[str, object] = field(default_factory=dict)
    uncovered: int = 0
    repeated: Fraction = Fraction(0)


@dataclass(frozen=True)
class Way:
    """One way to break a file; `last` is the last day that is asked for."""

    name: str
    outcome: Outcome
    rows: ChangeRows | None = None
    data: ChangeData | None = None
    file: ChangeFile | None = None
    layout: str = "nibrs"
    days: int = DAYS
    last: dt.date | None = None


def kept(**values: object) -> Outcome:
    """Return that nothing is lost or repaired."""
    return Outcome(values=values)


def rejected(rule: str, count: int = 1) -> Outcome:
    """Return that so many rows fall to a rule."""
    return Outcome(rejected={rule: count})


def repaired(repair: str, count: int = 1, **values: object) -> Outcome:
    """Return that so many rows are repaired."""
    return Outcome(repaired={repair: count}, values=values)


def refused(words: str) -> Outcome:
    """Return that nothing is published, and why."""
    return Outcome(refused=words)


def on(day: dt.date, hour: int, minute: int = 0) -> dict[str, dt.datetime]:
    """Return an incident that begins and ends at one time, and is reported at the end of the day."""
    moment = dt.datetime.combine(day, dt.time(hour, minute))
    return {"occurred": moment, "until": moment, "reported": moment.replace(hour=23)}


DATES = [
    *(
        Way(f"reported {days} days past the end", rejected("outside_window"), reported_later(days))
        for days in (1, 3, 7, 14, 30, 400)
    ),
    Way("five reported on one later day", rejected("outside_window", 5), reported_later(30, 5)),
    Way("last day broken off", rejected("outside_window", 3),
        add_rows(3, lambda _: on(FIRST_DAY + DAYS * DAY, 9))),
    Way("reported in 1800", repaired("report_date_replaced"),
        write("reported", "01/05/1800", 1), layout="cobra_2021"),
    Way("reported in 2090", repaired("report_date_replaced"),
        rewrite(1, lambda incident: {"reported": incident.reported.replace(year=2090)})),
    Way("reported before it occurred", repaired("report_date_replaced", 3),
        rewrite(3, lambda incident: {"reported": incident.occurred - 9 * DAY})),
    Way("reported before the first day", rejected("outside_window", 2),
        rewrite(2, lambda _: on(FIRST_DAY - 40 * DAY, 12))),
    Way("occurred in another year", rejected("outside_window", 4),
        rewrite(4, lambda incident: {"occurred": incident.occurred - 9 * YEAR}), layout="nibrs_2025"),
    Way("occurred in 2090", rejected("outside_window", 2),
        rewrite(2, lambda incident: {"occurred": incident.occurred.replace(year=2090)})),
    Way("window of months", repaired("window_cut", 2),
        rewrite(2, lambda _: {"occurred": dt.datetime.combine(FIRST_DAY, dt.time(9)),
                             "until": dt.datetime.combine(LAST_DAY, dt.time(9))})),
    Way("window of years", repaired("window_end_replaced", 3),
        rewrite(3, lambda incident: {"until": incident.until + 4 * YEAR})),
    Way("window that ends before it begins", repaired("window_end_replaced", 4),
        rewrite(4, lambda incident: {"until": incident.occurred - DAY})),
    Way("gap of 15 weeks by report", Outcome(uncovered=GAP_DAYS),
        leave_gap("reported"), days=LONG_DAYS),
    Way("gap of 15 weeks by occurrence",
        Outcome(uncovered=GAP_DAYS + 1),
        leave_gap("occurred"), days=LONG_DAYS, layout="cobra_2021"),
    Way("all dates in 2090", refused("dates lie after 2023-01-01"),
        rewrite(how=lambda incident: {name: getattr(incident, name).replace(year=2090)
                                 for name in ("occurred", "until", "reported")})),
    Way("last day asked for is before the first", refused("nothing is left between"),
        last=FIRST_DAY - DAY),
    Way("day before month", refused("day and month are exchanged"),
        rewrite(dates="%d/%m/%Y"), layout="cobra_2013"),
    Way("day before month, with a clock", refused("day and month are exchanged"),
        rewrite(dates="%d/%m/%Y %H:%M")),
    Way("years of two digits", refused("found row 1: '03/01/21 "), rewrite(dates="%m/%d/%y %H:%M")),
    Way("years of two digits in a few rows", rejected("missing_date", 7),
        rewrite(7, dates="%m/%d/%y %H:%M")),
    Way("ISO dates", refused("expected %m/%d/%Y %H:%M, "), rewrite(dates="%Y-%m-%d %H:%M")),
    Way("serial days of a spreadsheet", refused("rule missing_date"), write("occurred", "44300.5")),
    Way("no date in a few rows", rejected("missing_date", 5), write("occurred", "", 5)),
    Way("day that is none", rejected("missing_date", 3), write("occurred", "02/30/2021 10:00", 3)),
    Way("epoch seconds for milliseconds", refused("half of its dates are before 1970"),
        rewrite(dates="epoch_s"), layout="nibrs_portal"),
    Way("dates among epochs", rejected("missing_date", 3),
        write("occurred", "04/01/2021 10:00", 3), layout="nibrs_portal"),
]  # fmt: skip

CLOCKS = [
    Way("12-hour clock without AM and PM", refused("without its AM and PM"),
        rewrite(clocks="%I:%M:%S"), layout="cobra_2013"),
    Way("12-hour clock in UTC without AM and PM", refused("weekdays that the file names"),
        rewrite(dates="%m/%d/%Y %I:%M")),
    Way("12-hour clock with AM and PM", kept(), rewrite(clocks="%I:%M %p"), layout="cobra_2021"),
    Way("hours in a column of hhmm", refused("lie between 00:00 and 00:59"),
        rewrite(clocks="%-H"), layout="cobra_2019"),
    Way("all at midnight", refused("lie between 00:00 and 00:59"),
        write("occurred_clock", "00:00"), layout="cobra_2021"),
    Way("dates without their clock", refused("no date of the last 100 years can be read"),
        rewrite(dates="%m/%d/%Y")),
    Way("UTC read as local, seen by weekdays", refused("weekdays that the file names are not those"),
        rewrite(is_utc=True), layout="cobra_2013"),
    Way("UTC read as local, seen by shifts", refused("outside the shift"),
        together(rewrite(is_utc=True), write("weekday", "")), layout="cobra_2013"),
    Way("UTC read as local, seen by hours", refused("fit a city's day better when read as UTC"),
        rewrite(is_utc=True), layout="cobra_2020_from_october"),
    Way("local read as UTC, seen by weekdays", refused("weekdays that the file names are not those"),
        rewrite(is_utc=False)),
    Way("local read as UTC, seen by shifts", refused("outside the shift"),
        together(rewrite(is_utc=False), write("weekday", "")), layout="nibrs_2025"),
    Way("local read as UTC, seen by hours", refused("fit a city's day better when read as local"),
        rewrite(is_utc=False), layout="nibrs_portal"),
    Way("an hour that the clock change skips", repaired("clock_moved"),
        rewrite(1, lambda _: on(SPRING_DAY, 2, 30)), layout="cobra_2013"),
    Way("an hour that the clock change repeats", kept(),
        rewrite(2, lambda _: on(AUTUMN_DAY, 1, 30)), layout="cobra_2021", days=LONG_DAYS),
    Way("24:00", kept(occurred_at=MIDNIGHT, time_of_day="Night"),
        rewrite(2, lambda _: on((MIDNIGHT - DAY).date(), 9) | {"reported": MIDNIGHT}, clocks="24:00"),
        layout="cobra_2021"),
    Way("no clock in a few rows", rejected("missing_date", 6),
        write("occurred_clock", "", 6), layout="cobra_2013"),
    Way("25 o'clock", rejected("missing_date", 2),
        write("occurred_clock", "25:10", 2), layout="cobra_2020_to_september"),
]  # fmt: skip

PLACES = [
    Way("decimal commas", refused("a decimal comma"),
        together(write("latitude", lambda text: text.replace(".", ",")),
                 write("longitude", lambda text: text.replace(".", ",")))),
    Way("decimal commas in a few rows", kept(latitude=None, longitude=None),
        write("latitude", lambda text: text.replace(".", ","), 4)),
    Way("coordinates exchanged", refused("exchanged"),
        together(write("latitude", "-84.39"), write("longitude", "33.75"))),
    Way("coordinates of another city", refused("rule outside_city"), write("latitude", "40.71")),
    Way("projected coordinates", refused("rule outside_city"), write("longitude", "2230000.5")),
    Way("projected coordinates in a few rows", rejected("outside_city", 5),
        write("latitude", "1368000.25", 5), layout="cobra_2019"),
    Way("coordinates that are none", kept(latitude=None, longitude=None),
        write_each("latitude", ["0", "-0.0", "NaN", "inf", "-inf", "1e999", "N/A", "33°45'N", ""])),
    Way("coordinates in scientific notation", kept(longitude=-84.4),
        write("longitude", "-8.44e1", 3), layout="cobra_2021"),
    Way("names in other case", repaired("neighborhood_renamed", 9),
        write("neighborhood", str.swapcase, 9, is_same=True)),
    Way("names with spaces", kept(),
        write("neighborhood", lambda text: f"  {text} ", 9, is_same=True)),
    Way("names with no-break spaces round them", kept(),
        write("neighborhood", lambda text: f"\xa0{text}\u2003", 9, is_same=True), layout="cobra_2013"),
    Way("names with no-break spaces in them",
        repaired("neighborhood_renamed", 3, neighborhood="New End"),
        rename_place(("New End", "New\xa0End"))),
    Way("accents in two parts", repaired("neighborhood_renamed", 3, neighborhood="Café Row"),
        rename_place(("Café Row", unicodedata.normalize("NFD", "Café Row")))),
    Way("numbers for names, some with .0", repaired("neighborhood_renamed", 3, neighborhood="14"),
        rename_place(("14", "14.0"))),
    Way("no neighborhood, in every spelling", repaired("placed_outside", len(MISSING)),
        write_each("neighborhood", [word.title() for word in MISSING])),
    Way("beats with .0", repaired("district_renamed", 9),
        write("beat", lambda text: f"{text}.0", 9, is_same=True)),
    Way("beats of nowhere", kept(beat=None, zone=None), write_each("beat", ["999", "5", "5O9", "-"])),
    Way("SQL for a name", kept(neighborhood="'); DROP TABLE staged; --"),
        write("neighborhood", "'); DROP TABLE staged; --", 2)),
    Way("formula for a name", kept(neighborhood="=1+1"), write("neighborhood", "=1+1", 2)),
]  # fmt: skip

REPORTS = [
    Way("report numbers cut by a spreadsheet", refused("a spreadsheet has shortened"),
        write("report_number", lambda text: f"{int(text):.2E}")),
    Way("one report number for all", refused("rule duplicate"), write("report_number", "210010001")),
    Way("no report number", refused("rule missing_report_number"), write("report_number", "")),
    Way("no report number in a few rows", rejected("missing_report_number", 3),
        write_each("report_number", ["", "n/a", " "])),
    Way("report numbers that begin with SIM", kept(),
        write("report_number", lambda text: f"SIM{text}", 9)),
    Way("report numbers with spaces", kept(),
        write("report_number", lambda text: f" {text} ", 9, is_same=True)),
    Way("rows twice", rejected("duplicate", 7), repeat_rows(7)),
    Way("unknown offenses in a few rows", rejected("unknown_offense", 4),
        write_each("nibrs_code", ["999", "23Z", "", "unknown"])),
    Way("unknown offenses", refused("literals that offense_codes of the layout lacks"),
        write("offense_literal", "MISCHIEF"), layout="cobra_2019"),
    Way("literals in another case", kept(),
        write("offense_literal", str.lower, 99, is_same=True), layout="cobra_2013"),
    Way("firearm maybe", kept(firearm_involved=None),
        write_each("firearm_involved", ["maybe", "2", "yes?", "unknown"])),
    Way("firearm in other words", kept(firearm_involved=True),
        write_each("firearm_involved", ["YES", "y", "True", "1"])),
    Way("no location type in a few rows", kept(location_type=None),
        write("location_type", "null", 3)),
]  # fmt: skip

TEXTS = [
    Way("semicolons", refused("header matches no known layout"), separate(";")),
    Way("tabs", refused("header matches no known layout"), separate("\t")),
    Way("byte order mark", kept(), data=spell(lambda data: b"\xef\xbb\xbf" + data)),
    Way("CRLF", kept(), data=spell(lambda data: data.replace(b"\n", b"\r\n"))),
    Way("CR only", kept(), data=spell(lambda data: data.replace(b"\n", b"\r"))),
    Way("line ends of three kinds", kept(), data=spell(mix_line_ends)),
    Way("UTF-16", refused("no header that a layout could read"),
        data=spell(lambda data: data.decode().encode("utf-16"))),
    Way("zero bytes in a row", rejected("malformed_row"),
        data=edit(lambda line: line.replace(b",", b"\0,", 1))),
    Way("zero bytes at the end", rejected("malformed_row"), data=spell(lambda data: data + b"\0" * 512)),
    Way("bytes that are not UTF-8, in a column not used", kept(),
        data=edit(lambda line: line.replace(b"MADE", b"M\xe9DE"), 2, is_same=True)),
    Way("bytes that are not UTF-8, in a column used", rejected("malformed_row"),
        data=edit(lambda line: line.replace(b",18,", b",18\xe9,"))),
    Way("blank lines before the header", kept(), data=spell(lambda data: b"\n\n\n" + data)),
    Way("blank lines between rows", kept(),
        data=edit(lambda line: b"\n" + line + b"\n\n", 3, is_same=True)),
    Way("blank lines at the end", kept(), data=spell(lambda data: data + b"\n\n\n")),
    Way("no line end at the end", kept(), data=spell(lambda data: data.rstrip(b"\n"))),
    Way("last row broken off", rejected("malformed_row"), data=cut_last_row),
    Way("fields too many", rejected("malformed_row", 3), data=edit(lambda line: line + b",1", 3)),
    Way("fields too few", rejected("malformed_row", 3),
        data=edit(lambda line: line.rsplit(b",", 2)[0], 3)),
    Way("fields too many in every row", refused("malformed rows"),
        data=spell(lambda data: data.replace(b"\n", b",1\n").replace(b",1\n", b"\n", 1))),
    Way("quote that is not closed", rejected("malformed_row"),
        data=edit(lambda line: line.replace(b"1 MADE", b'"1 MADE'))),
    Way("quotes within quotes", kept(),
        data=edit(lambda line: line.replace(b"1 MADE-UP ST", b'"1 ""MADE"", UP ST"'), 3, is_same=True)),
    Way("quotes round every field", kept(),
        data=edit(lambda line: b'"' + line.replace(b",", b'","') + b'"', 99, is_same=True)),
    Way("address of several lines", kept(),
        data=edit(lambda line: line.replace(b"1 MADE-UP ST", b'"1 MADE\nUP,\nST"'), 3, is_same=True),
        layout="cobra_2021"),
    Way("field of a million characters", kept(),
        data=edit(lambda line: line.replace(b"MADE", b"M" * 1_000_000), is_same=True)),
    Way("field of three million characters", rejected("malformed_row"),
        data=edit(lambda line: line.replace(b"MADE", b"M" * 3_000_000))),
    Way("header once more among the rows", rejected("missing_date"), data=spell(repeat_header)),
    Way("columns in another order", kept(), reorder),
    Way("column missing", refused("missing ['NhoodName']"), drop("neighborhood")),
    Way("column renamed", refused("not expected ['Hood']"),
        data=spell(lambda data: data.replace(b"NhoodName", b"Hood", 1))),
    Way("column twice", refused("there twice ['NPU']"),
        data=spell(lambda data: data.replace(b"NhoodName", b"NPU", 1))),
    Way("header in lower case", refused("header matches no known layout"),
        data=spell(lambda data: data.split(b"\n", 1)[0].lower() + b"\n" + data.split(b"\n", 1)[1])),
    Way("header with spaces", kept(),
        data=spell(lambda data: b" , ".join(data.split(b"\n", 1)[0].split(b","))
                   + b" \n" + data.split(b"\n", 1)[1])),
    Way("nothing in the file", refused("the file is empty"), data=spell(lambda _: b"")),
    Way("white space in the file", refused("the file is empty"), data=spell(lambda _: b" \n\n ")),
    Way("header only", refused("a header and no data rows"), empty),
    Way("page of a web server", refused("header matches no known layout"),
        data=spell(lambda _: b"<!DOCTYPE html>\n<html><body>404</body></html>\n")),
]  # fmt: skip

FILES = [
    Way("gz", kept(), file=pack(gzip.compress)),
    Way("gz in two parts", kept(),
        file=pack(lambda data: gzip.compress(data[:9999]) + gzip.compress(data[9999:]))),
    Way("gz broken off", refused("truncated or damaged gz file"),
        file=pack(lambda data: gzip.compress(data)[:-20])),
    Way("gz with something after it", refused("truncated or damaged gz file"),
        file=pack(lambda data: gzip.compress(data) + b"the end")),
    Way("gz in gz", refused("within a gz"), file=pack(lambda data: gzip.compress(gzip.compress(data)))),
    Way("Parquet broken off", refused("damaged Parquet file"),
        file=break_snapshot(lambda data: data[:-99]), layout="nibrs_portal"),
    Way("Parquet damaged within", refused("damaged Parquet file"),
        file=break_snapshot(lambda data: data[:999] + b"\xff" * 2000 + data[2999:]),
        layout="nibrs_portal"),
    Way("workbook", kept(), file=make_workbook),
    Way("zip", refused("a zip file"), file=make_zip),
    Way("folder", refused("a folder"), file=make_folder),
    Way("old workbook", refused("an old xls workbook"),
        file=pack(lambda data: b"\xd0\xcf\x11\xe0" + data)),
    Way("two files", kept(), file=divide(slice(0, 2), slice(2, 3))),
    Way("two files, the later first", kept(), file=divide(slice(0, 2), slice(2, 3), is_reversed=True)),
    Way("two files that overlap", Outcome(repeated=Fraction(1, 3)),
        file=divide(slice(0, 2), slice(1, 3))),
    Way("same file by two names", Outcome(repeated=Fraction(1)), file=copy("other.csv")),
    Way("two files of one name", refused("two raw files have the name"), file=copy("more/raw.csv")),
]  # fmt: skip

WAYS = {way.name: way for way in [*DATES, *CLOCKS, *PLACES, *REPORTS, *TEXTS, *FILES]}
