"""Guesses about dates: their formats, names of months, order of day and month, UTC offsets.

Enters: columns of text from a sample. Leaves: a `DateGuess`, and moments read by it.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product

import duckdb
import pandas as pd

from etl.guess_clock import agree_weekdays
from warehouse.table import quote_text

MONTHS = {
    "English": "January February March April May June July August September October November December",
    "German": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "French": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "Spanish": (
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
    ),
}

DATES = (
    "%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d",
    "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%d %B %Y", "%d. %B %Y", "%B %d, %Y",
    "%d-%B-%Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%b %d %Y",
)  # fmt: skip
CLOCKS = (
    "", "%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%H:%M:%S.%f", "%H.%M", "%H%M",
)  # fmt: skip
FORMATS = (
    *DATES,
    *(date + glue + clock for date, glue, clock in product(DATES, (" ", "T", ", "), CLOCKS[1:])),
)
PARTS = {
    "%Y": r"(?:19[5-9]|20\d)\d", "%y": r"\d\d", "%m": r"(?:0?[1-9]|1[0-2])",
    "%d": r"(?:0?[1-9]|[12]\d|3[01])", "%H": r"(?:[01]?\d|2[0-3])", "%I": r"(?:0?[1-9]|1[0-2])",
    "%M": r"[0-5]\d", "%S": r"[0-5]\d", "%f": r"\d+", "%p": "[ap]m",
    "%B": "(?:" + MONTHS["English"].replace(" ", "|") + ")",
    "%b": "(?:" + "|".join(name[:3] for name in MONTHS["English"].split()) + ")",
}  # fmt: skip
"""What each part of a format reads; years from 1950."""
ZONE_SUFFIX = r"(?<=\d) ?(Z|UTC|[+-]\d\d(?::?\d\d)?)$"
MAX_VALUES = 5_000
"""Formats are tried on so many different values: enough to see every day of a month."""

EPOCH = {"epoch_s": 1, "epoch_ms": 1000}
EPOCH_YEARS = (631_152_000, 4_102_444_800)  # 1990 to 2100, in seconds


@dataclass
class DateGuess:
    """How a file tells time. `zone` is "UTC" or "local"; `evidence` says what speaks for it."""

    formats: list[str] = field(default_factory=list)
    month_names: list[str] = field(default_factory=list)
    zone: str = "local"
    evidence: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def sample_values(column: pd.Series) -> pd.Series:
    """Return different values of a column from all over it, missing ones left out."""
    values = column[column != ""].drop_duplicates()
    return values.iloc[:: len(values) // MAX_VALUES + 1]


def find_epoch(column: pd.Series) -> str | None:
    """Return "epoch_s" or "epoch_ms" where nearly all values count that since 1970."""
    numbers = pd.to_numeric(sample_values(column), errors="coerce")
    for unit, per_second in EPOCH.items():
        if len(numbers) and (numbers / per_second).between(*EPOCH_YEARS).mean() > 0.98:
            return unit
    return None


def find_months(values: pd.Series) -> dict[str, int]:
    """Return words of the values that are names of months, each with its number, in one language.

    A word counts when it is the beginning of one month's name, of three letters or more.
    """
    words = {word for text in values for word in re.findall(r"[^\W\d_]{3,}", text)}
    found: dict[str, int] = {}
    for names in MONTHS.values():
        folded = [fold(name) for name in names.split()]
        hits = {
            word: [n for n, name in enumerate(folded) if name.startswith(fold(word))] for word in words
        }
        months = {word: numbers[0] + 1 for word, numbers in hits.items() if len(numbers) == 1}
        found = max(found, months, key=len)
    return found


def fold(text: str) -> str:
    """Return a text in small letters without accents."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def spell_months(found: dict[str, int]) -> list[str]:
    """Return twelve names of months as a file spells them; empty where they are English."""
    if not found or all(word.lower() in MONTHS["English"].lower() for word in found):
        return []
    spelled = {number: word for word, number in found.items()}

    def share(language: str) -> int:
        names = [fold(name) for name in MONTHS[language].split()]
        return sum(names[number - 1].startswith(fold(word)) for number, word in spelled.items())

    language = max(MONTHS, key=share)
    return [spelled.get(number, name) for number, name in enumerate(MONTHS[language].split(), 1)]


def plain_dates(values: pd.Series, months: dict[str, int]) -> pd.Series:
    """Return date texts with English months and without a UTC offset, as formats are tried on them."""
    english = MONTHS["English"].split()
    if months:
        pattern = r"\b(" + "|".join(map(re.escape, months)) + r")\b"
        values = values.str.replace(pattern, lambda match: english[months[match[1]] - 1], regex=True)
    return values.str.replace(ZONE_SUFFIX, "", regex=True)


def count_parsed(values: pd.Series, formats: Sequence[str]) -> dict[str, int]:
    """Return how many values each format can read; none of those with 0."""
    counts = {text: sum(map(bool, map(compile_format(text).fullmatch, values))) for text in formats}
    return {text: count for text, count in counts.items() if count}


@cache
def compile_format(text: str) -> re.Pattern[str]:
    """Return the regular expression of what a format reads, in whatever case of its letters."""
    pattern = re.sub("%[a-zA-Z]", lambda match: PARTS[match[0]], text.replace(".", r"\."))
    return re.compile(f"(?i){pattern}")


def parse_moments(values: pd.Series, formats: Sequence[str]) -> pd.Series:
    """Return the moments that texts tell by the first format that fits; NaT where none does."""
    if formats and formats[0] in EPOCH:
        seconds = pd.to_numeric(values, errors="coerce") / EPOCH[formats[0]]
        return pd.to_datetime(seconds.where(seconds.between(*EPOCH_YEARS)), unit="s").dt.floor("s")
    plain = plain_dates(values, find_months(values))
    tries = ", ".join(
        f"try_strptime(value, {quote_text(re.sub('(Z|%z)$', '', text).strip())})" for text in formats
    )
    with duckdb.connect() as connection:
        connection.register("texts", pd.DataFrame({"value": plain.to_numpy()}))
        read = connection.execute(f"SELECT coalesce({tries}, NULL) AS moment FROM texts").df()
    return pd.Series(read["moment"].to_numpy(), index=values.index).astype("datetime64[us]")


def guess_formats(columns: Sequence[pd.Series], weekdays: pd.Series | None) -> DateGuess:
    """Guess the formats of all date columns together, the most frequent first."""
    guess = DateGuess()
    values = pd.concat([sample_values(column) for column in columns]).drop_duplicates()
    months = find_months(values)
    guess.month_names = spell_months(months)
    plain = plain_dates(values, months)
    rest = plain
    candidates = tuple(count_parsed(plain.iloc[:: len(plain) // 300 + 1], FORMATS))
    while len(rest) > 0.005 * len(plain) and (counts := count_parsed(rest, candidates)):
        most = max(counts.values())
        if most < max(1, 0.002 * len(plain)):
            break
        best = [text for text in counts if counts[text] == most]
        chosen = choose_order(best, columns[0], weekdays, guess.doubts) if not guess.formats else best[0]
        guess.formats.append(chosen)
        candidates = tuple(text for text in candidates if day_first(text) == day_first(chosen))
        rest = rest[parse_moments(rest, guess.formats).isna().to_numpy()]
    if len(rest) > 0.005 * len(plain):
        guess.doubts.append(f"{len(rest):,} of {len(plain):,} different dates fit none of the formats")
    add_zones(values, guess)
    return guess


def day_first(text: str) -> bool | None:
    """Return whether a format has the day before the month; None when the year is first."""
    return None if text.startswith("%Y") else re.match("%[mbB]", text) is None


def choose_order(
    formats: list[str], column: pd.Series, weekdays: pd.Series | None, doubts: list[str]
) -> str:
    """Return the format whose weekdays agree, or which has more days than months; doubts it."""
    if len({day_first(text) for text in formats}) == 1:
        return formats[0]
    moments = {text: parse_moments(column, [text]) for text in formats}
    if weekdays is not None:
        shares = {text: agree_weekdays(moments[text], weekdays) for text in formats}
        best = max(formats, key=shares.__getitem__)
        if shares[best] > 0.9:
            return best
    doubts.append(
        f"day and month can be read in both orders ({' or '.join(formats)}): no value is over 12"
    )
    return max(
        formats, key=lambda text: moments[text].dt.day.nunique() - moments[text].dt.month.nunique()
    )


def add_zones(values: pd.Series, guess: DateGuess) -> None:
    """Give formats the suffix of a UTC offset where the texts have one, and take them as UTC."""
    suffixes = values.str.extract(ZONE_SUFFIX)[0].dropna()
    if len(suffixes) < 0.5 * len(values):
        return
    suffix = "Z" if set(suffixes) == {"Z"} else "%z"
    guess.formats = [text + suffix for text in guess.formats]
    guess.zone, guess.evidence = "UTC", ["the texts end in a UTC offset"]
    if set(suffixes) - {"Z", "UTC", "+00", "+0000", "+00:00"}:
        guess.doubts.append("UTC offsets that are not zero: look whether they are read as meant")
