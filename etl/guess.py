"""Guesses about columns: which field each one is, by its name and by its values.

Enters: a sample. Leaves: a `Guess`: fields, private columns, doubts. Names are known in English,
German, French and Spanish.
"""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pandas as pd

from etl.guess_clock import read_weekdays
from etl.guess_dates import (
    FORMATS,
    count_parsed,
    find_epoch,
    find_months,
    fold,
    plain_dates,
    sample_values,
)
from warehouse import settings

OPTIONAL_FIELDS = frozenset({"beat", "zone", "neighborhood", "npu", "location_type", "firearm_involved"})

DATE_FIELDS = ("occurred", "reported", "occurred_until")

CLOCK = r"([01]?\d|2[0-4]):[0-5]\d(:[0-5]\d(\.\d+)?)?( ?[ap]\.?m\.?)?|([01]?\d|2[0-4])?[0-5]?\d"
HOUR = r"([01]?\d|2[0-4])( ?[ap]\.?m\.?)?"
NUMBER = r"[+-]?\d+([.,]\d+)?"
FLAG = r"yes|no|y|n|true|false|t|f|0|1|ja|nein|oui|non|si|sí"
ADDRESS = r"(?i)\d+\w* .*\b(st|street|ave?|avenue|rd|road|dr|drive|blvd|ln|lane|way|pkwy|hwy|ct|pl)\b.*"

PRIVATE = (
    r"\b(addr\w*|adress\w*|anschrift|street\w*|strasse\w*|hausn\w*|rue|calle|direcc\w*|domicil\w*|block"
    r"|hundred|location|ubicac\w*|apt|apartment|suite|vic|vict|victims?|opfer\w*|victimes?|victimas?"
    r"|suspects?|susp|offenders?|accused|birth\w*|dob|age|edad|alter|sex|sexo|gender|race|ethnic\w*"
    r"|descent|phone\w*|email|plate|license|vin|narrative|notes?|remarks?)\b"
)
PLACE_TYPE = (
    r"\b(loc\w* (type|desc\w*|category)|loctype|premis\w*|place type|tatortlichkeit|ortlichkeit"
    r"|tipo (de )?lugar|type (de )?lieu)\b"
)

DATE_WORDS = r"date|datum|fecha|\b(dt|time|timestamp|day|tag|jour|zeit|zeitpunkt|from|to|at)\b"
IGNORED = r"\b(updated?|modif\w*|extract\w*|edit\w*|publi\w*|clear\w*|arrest\w*|birth\w*|load\w*)\b"
ROLES = {
    "until": r"\b(to|end\w*|until|thru|through|poss|possible|last|latest|bis|ende|fin|hasta|jusqu\w*)\b",
    "reported": r"\b(rep|rpt|rptd|report\w*|filed|recorded|entered|created|received|gemeldet|melde\w*"
    r"|meldung\w*|anzeige\w*|erfass\w*|signal\w*|declar\w*|denunci\w*|registr\w*|plainte)\b",
    "occurred": r"\b(occ\w*|start\w*|begin\w*|from|fr|von|commit\w*|tat\w*|commis\w*|faits?|hechos?"
    r"|ocurr\w*)\b",
}
"""A moment's role by the words in its name, the first that fits; without any it is the occurrence."""

UNITS = {
    "year": r"\b(year|yr|jahr|annee|ano|anio)\b",
    "month": r"\b(month|monat|mois|mes)\b",
    "day": r"\b(day|tag|jour|dia)\b",
    "hour": r"\b(hour|hr|stunde|heure|hora)\b",
    "minute": r"\b(minutes?|min|minuto)\b",
    "clock": r"\b(time|tm|clock|zeit|uhrzeit|tatzeit|uhr|heure|hora|hour|stunde)\b",
}
RANGES = {"year": (1950, 2100), "month": (1, 12), "day": (1, 31), "hour": (0, 24), "minute": (0, 59)}


@dataclass(frozen=True)
class Column:
    """One column of a sample: its name in plain words, its different values, what they can be."""

    name: str
    words: str
    texts: pd.Series
    filled_share: float
    unique_share: float
    kinds: frozenset[str]


@dataclass(frozen=True)
class Rule:
    """What names a field goes by, the most telling first, and which kinds of values it can have."""

    field: str
    kinds: frozenset[str]
    names: tuple[str, ...]


RULES = tuple(
    Rule(name, frozenset(kinds.split()), names)
    for name, kinds, names in (
        ("nibrs_code", "nibrs", (r"\b(nibrs|ibr)\b", r"code", r"")),
        (
            "report_number", "id",
            (
                r"\b(incident|offen[sc]e)\b.*\b(number|no|num|nr|id)\b",
                r"\b(case|report|complaint|cmplnt|event|record)\b.*\b(number|no|num|nr|id)\b|^dr no$"
                r"|^case$|aktenzeichen|vorgang\w*|fallnummer|dossier|expediente|folio|carpeta|numero",
                r"\b(id|nr|no|number|key)\b|\b\w*nummer\b",
            ),
        ),
        (
            "offense_literal", "label",
            (
                r"\bliteral\b|ofns desc|crm cd desc|primary type|^crime( type| name)?$"
                r"|^(nibrs )?offen[sc]e( (name|type|desc\w*))?$|delikt\w*|straftat\w*"
                r"|infraction|delito|qualification",
                r"^(?!.*(against|group)).*\b(offen[sc]e|crime|charge|mci)\b",
                r"^(type|category|description|what|art|typ|tipo|nature)$",
            ),
        ),
        ("latitude", "number", (r"\b(lat\w*|breite\w*)\b", r"\b(y|north\w*|nord|norte|hochwert)\b")),
        ("longitude", "number", (r"\b(lon\w*|lng|lange\w*)\b", r"\b(x|east\w*|ost|este|rechtswert)\b")),
        ("location_type", "label number id", (PLACE_TYPE,)),
        ("beat", "label number", (r"\bbeat\b", r"patrol area|rpt dist|reporting area|cuadrante")),
        (
            "zone", "label number",
            (
                r"\bzone\b",
                r"precinct|revier\w*|comisaria|commissariat",
                r"\b(district|division|distrito)\b",
            ),
        ),
        (
            "neighborhood", "label number",
            (
                r"neighbou?rhood|nhood|\bhood\b|barrio|stadtteil|ortsteil|quartier|colonia|mcpp",
                r"ward|community area|area name|viertel|bezirk|\bboro|comuna|arrondissement|gemeinde",
            ),
        ),
        ("npu", "label number", (r"\bnpu\b|planning unit", r"community (area|board|council)|\bward\b")),
        ("firearm_involved", "flag", (r"fire ?arm\w*|\bgun\b|schusswaffe\w*|arme a feu|arma de fuego",)),
        ("weekday", "weekday", (r"\b(occ\w*|avg)\b", r"day|dow|week", r"")),
        ("shift", "label", (r"\b(shift|watch|schicht|turno|equipe)\b",)),
    )
)  # fmt: skip


@dataclass
class Guess:
    """What columns were taken for. `why` says on what grounds, by field; `private` are never mapped."""

    columns: list[Column]
    fields: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    private: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, name: str, column: Column, why: str) -> None:
        """Note that a column is a field, with the grounds."""
        self.fields[name] = column.name
        self.why[name] = why if column.filled_share else f"{why}; doubt: empty in the sample"


def guess_columns(frame: pd.DataFrame) -> Guess:
    """Guess the field of each column of a table of text."""
    codes = read_reference("offense.csv", "nibrs_code")
    guess = Guess([describe_column(str(name), frame[name], frozenset(codes)) for name in frame])
    guess.private = [column.name for column in guess.columns if is_private(column)]
    free = [column for column in guess.columns if column.name not in guess.private]
    take_moments(guess, free)
    take_rest(guess, [column for column in free if column.name not in guess.fields.values()])
    return guess


def read_reference(name: str, key: str) -> dict[str, str]:
    """Return one of the reference tables: its first other column by the key."""
    with (settings.REFERENCE_DIR / name).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    other = next(column for column in rows[0] if column != key)
    return {row[key]: row[other] for row in rows}


def describe_column(name: str, column: pd.Series, codes: frozenset[str]) -> Column:
    """Return a column's words and kinds."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = " ".join(re.findall(r"[a-z0-9]+", fold(words)))
    filled = column[column != ""]
    values = sample_values(column)
    unique = values.size and filled.nunique() / filled.size
    kinds = frozenset(find_kinds(column, values, codes)) if values.size else frozenset({"empty"})
    return Column(name, words, values, filled.size / len(column), unique, kinds)


def find_kinds(column: pd.Series, values: pd.Series, codes: frozenset[str]) -> Iterator[str]:
    """Yield what the values can be; all but 5 % of them have to fit."""
    small = values.str.lower()
    filled = column[column != ""]

    def fits(pattern: str) -> bool:
        return bool(small.str.fullmatch(pattern).mean() > 0.95)

    checks: dict[str, Callable[[], bool]] = {
        "clock": lambda: fits(CLOCK),
        "number": lambda: fits(NUMBER),
        "flag": lambda: fits(FLAG),
        "nibrs": lambda: bool(filled.str.upper().isin(codes).mean() > 0.9),
        "weekday": lambda: bool(read_weekdays(filled).notna().mean() > 0.5),
        "id": lambda: bool(small.str.fullmatch(r"[\w./#+-]*\d[\w./#+-]*").mean() > 0.95),
        "label": lambda: not fits(NUMBER) and filled.nunique() <= max(20, min(500, 0.2 * filled.size)),
        "date": lambda: is_date(values),
        "epoch": lambda: find_epoch(column) is not None,
    }
    yield from (kind for kind, check in checks.items() if check())
    numbers = pd.to_numeric(small.str.extract(rf"^{HOUR}$")[0], errors="coerce")
    for unit, (low, high) in RANGES.items():
        plain = numbers if unit == "hour" else pd.to_numeric(small, errors="coerce")
        if plain.between(low, high).mean() > 0.95:
            yield unit
    if fits(r"[^\W\d_]{3,}\.?") and values.str.strip(".").isin(find_months(values)).mean() > 0.9:
        yield "month"


def is_date(values: pd.Series) -> bool:
    """Return whether some format of a date reads most of the values, tried on some 100 of them."""
    some = values.iloc[:: len(values) // 100 + 1]
    if some.str.len().median() <= 5:
        return False
    plain = plain_dates(some, find_months(some))
    counts = count_parsed(plain, list(count_parsed(plain.iloc[:7], FORMATS)))
    return max(counts.values(), default=0) > 0.5 * len(some)


def is_private(column: Column) -> bool:
    """Return whether a column is about addresses or people, by its name or its values."""
    if re.search(PLACE_TYPE, column.words):
        return False
    looks = bool(column.texts.size and column.texts.str.fullmatch(ADDRESS).mean() > 0.2)
    return looks or bool(re.search(PRIVATE, column.words))


def take_moments(guess: Guess, columns: list[Column]) -> None:
    """Take columns of dates, clocks and their parts for the occurrence, its end and the report."""
    for column in columns:
        kind = find_part(column)
        if kind is None or re.search(IGNORED, column.words):
            continue
        role = next((role for role, words in ROLES.items() if re.search(words, column.words)), None)
        stem = {"until": "occurred_until", "reported": "reported"}.get(role or "", "occurred")
        name = stem if kind == "date" else f"{stem}_{kind}"
        is_known = kind in {"date", "clock"} or stem == "occurred"
        if is_known and (name not in guess.fields or (role and guess.why[name].startswith("likely"))):
            guess.take(name, column, f"{'sure' if role else 'likely'}: {kind} by name and values")
    drop_parts(guess)
    if "occurred" not in guess.fields and not {"occurred_year", "occurred_day"} <= set(guess.fields):
        use_only_date(guess, columns)


def find_part(column: Column) -> str | None:
    """Return whether a column is a date, a clock or a part of either; None for others."""
    # Numbers can be anything: 20210105 and 1609804800 are dates only where the name says so.
    is_told = "number" not in column.kinds or re.search(DATE_WORDS, column.words)
    if column.kinds & {"date", "epoch"} and is_told:
        return "date"
    for unit, words in UNITS.items():
        if unit in column.kinds and re.search(words, column.words):
            return unit
    return None


def drop_parts(guess: Guess) -> None:
    """Drop parts that say again what a whole date or clock says."""
    if "occurred" in guess.fields:
        for part in ("year", "month", "day"):
            guess.fields.pop(f"occurred_{part}", None)
    if "occurred_clock" in guess.fields:
        for part in ("hour", "minute"):
            guess.fields.pop(f"occurred_{part}", None)


def use_only_date(guess: Guess, columns: list[Column]) -> None:
    """Take the report's date, or any other, for the occurrence where no column tells that."""
    if "reported" in guess.fields:
        guess.fields["occurred"] = guess.fields.pop("reported")
        guess.why["occurred"] = "doubt: the report's date, as no other is told"
        guess.doubts.append("no column tells when an incident occurred; the report's date is taken")
    else:
        guess.doubts.append("no column tells when an incident occurred: this may be no incident file")


def take_rest(guess: Guess, columns: list[Column]) -> None:
    """Take the other columns by the rules, the most telling names first."""
    for rank in range(max(len(rule.names) for rule in RULES)):
        for rule in RULES:
            if rule.field in guess.fields or rank >= len(rule.names):
                continue
            fitting = [column for column in columns if fits_rule(column, rule, rank)]
            fitting = [column for column in fitting if column.name not in guess.fields.values()]
            if fitting:
                best = min(fitting, key=lambda column: (not column.filled_share, len(column.words)))
                sure = ("sure: name and values", "likely: name and values")[min(rank, 1)]
                guess.take(rule.field, best, sure if rule.names[rank] else "likely: by its values alone")


def fits_rule(column: Column, rule: Rule, rank: int) -> bool:
    """Return whether a column has a rule's kind and a name of that rank.

    An empty one fits the first rank of a field that the ETL can do without.
    """
    may_be_empty = rank == 0 and rule.field in OPTIONAL_FIELDS and "empty" in column.kinds
    has_kind = bool(column.kinds & rule.kinds) or may_be_empty
    is_key = rule.field != "report_number" or rank < 2 or column.unique_share > 0.99
    return has_kind and is_key and bool(re.search(rule.names[rank], column.words))
