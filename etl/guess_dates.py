"""Guesses about dates: their formats, names of months, UTC offsets.

Input: different texts of date columns. Output: a `DateGuess`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

import pandas as pd

from etl.guess_words import MONTH_NAMES, fold
from etl.scratch_engine import open_engine
from etl.timestamps import ENGLISH_MONTHS, list_texts
from warehouse.table import quote_text

DATES = (
    "%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d",
    "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%d %B %Y", "%d. %B %Y", "%B %d, %Y",
    "%d-%B-%Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%b %d %Y",
)  # fmt: skip
CLOCKS = (
    "%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%H:%M:%S.%f", "%H.%M", "%H%M",
)  # fmt: skip
FORMATS = (*DATES, *map("".join, product(DATES, (" ", "T", ", "), CLOCKS)))

ZONE_SUFFIX = r"(?<=[:.\d]\d\d)( ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))$"
"""An offset stands behind a clock: the end of 2021-03-05 is none."""

MIN_YEAR, MAX_YEAR = 1950, 2100
"""Years that a date of an incident may have."""

MIN_TIMESTAMP = f"TIMESTAMP '{MIN_YEAR}-01-01'"

MAX_UNREAD_SHARE = 0.005
"""Share of different dates that may fit none of the formats without a word."""


@dataclass
class DateGuess:
    """How a file writes dates. `is_utc` says that they carry an offset."""

    formats: list[str] = field(default_factory=list)
    is_utc: bool = False
    doubts: list[str] = field(default_factory=list)


def find_months(texts: pd.Series) -> dict[str, int]:
    """Return words of the texts that are names of months, each with its number, in one language.

    A word counts when it is the beginning of one month's name, of three letters or more.
    """
    words = {word for text in texts for word in re.findall(r"[^\W\d_]{3,}", text)}
    found: dict[str, int] = {}
    for names in MONTH_NAMES:
        hits = {word: [n for n, name in enumerate(names, 1) if begins(name, word)] for word in words}
        found = max(
            found, {word: numbers[0] for word, numbers in hits.items() if len(numbers) == 1}, key=len
        )
    return found


def begins(name: str, word: str) -> bool:
    """Return whether a name begins with a word, whatever case and accents."""
    return fold(name).startswith(fold(word))


def spell_months(found: dict[str, int]) -> list[str]:
    """Return twelve names of months as a file spells them; empty where they are English."""

    def count_hits(names: Sequence[str]) -> int:
        return sum(begins(names[number - 1], word) for word, number in found.items())

    language = max(MONTH_NAMES, key=count_hits)
    spelled = {number: word for word, number in found.items()}
    names = [spelled.get(number, name) for number, name in enumerate(language, 1)]
    return [] if language is ENGLISH_MONTHS else names


def plain_dates(texts: pd.Series, months: dict[str, int]) -> list[str]:
    """Return date texts with English months and without a UTC offset, as formats are tried on them."""
    if months:
        pattern = r"\b(" + "|".join(map(re.escape, months)) + r")\b"
        texts = texts.str.replace(pattern, lambda match: name_month(match[1], months), regex=True)
    return list(texts.str.replace(ZONE_SUFFIX, "", regex=True))


def name_month(word: str, months: dict[str, int]) -> str:
    """Return the English name of a month, cut where the word is."""
    name = ENGLISH_MONTHS[months[word] - 1]
    return name[:3] if len(word) == 3 else name


def count_read(texts: Sequence[str], formats: Sequence[str]) -> dict[str, int]:
    """Return how many texts the engine reads by each format; none of those with 0."""
    if not formats:
        return {}
    counts = ", ".join(
        f"count(*) FILTER (try_strptime(text, {quote_text(form)}) >= {MIN_TIMESTAMP})"
        for form in formats
    )
    found = open_engine().execute(f"SELECT {counts} FROM (SELECT unnest($1) AS text)", [list(texts)])
    return {form: n for form, n in zip(formats, found.fetchall()[0], strict=True) if n}


def list_unread(texts: Sequence[str], formats: Sequence[str]) -> list[str]:
    """Return the texts that none of the formats reads."""
    read = f"try_strptime(text, {list_texts(formats)}) >= {MIN_TIMESTAMP}"
    found = open_engine().execute(
        f"SELECT text FROM (SELECT unnest($1) AS text) WHERE ({read}) IS NOT true", [list(texts)]
    )
    return [text for (text,) in found.fetchall()]


def list_candidates(texts: Sequence[str]) -> list[str]:
    """Return the formats that have the punctuation of some of the texts."""
    shapes = {re.sub(r"\w", "", text) for text in texts}
    return [form for form in FORMATS if re.sub(r"%?\w", "", form) in shapes]


def is_date(texts: pd.Series) -> bool:
    """Return whether a format of a date reads most of the texts, tried on some 100 of them."""
    some = texts.iloc[:: len(texts) // 100 + 1]
    if some.str.len().median() <= 5 or not some.str.contains(r"\d").mean() > 0.5:
        return False
    plain = plain_dates(some, find_months(some))
    counts = count_read(plain, list_candidates(plain))
    return max(counts.values(), default=0) > 0.5 * len(some)


def guess_formats(
    texts: pd.Series, months: dict[str, int], choose: Callable[[list[str]], str]
) -> DateGuess:
    """Guess the formats of different texts, the most frequent first.

    `choose` decides between formats with the day first and with the month first that fit equally well.
    """
    guess = DateGuess()
    plain = rest = plain_dates(texts, months)
    candidates = list_candidates(plain)
    while len(rest) > MAX_UNREAD_SHARE * len(plain) and (counts := count_read(rest, candidates)):
        best = [form for form in counts if counts[form] == max(counts.values())]
        is_open = len({has_day_first(form) for form in best}) > 1
        guess.formats.append(choose(best) if is_open else best[0])
        order = has_day_first(guess.formats[0])
        candidates = [form for form in candidates if has_day_first(form) == order]
        rest = list_unread(rest, guess.formats)
    if len(rest) > MAX_UNREAD_SHARE * len(plain):
        guess.doubts.append(f"{len(rest):,} of {len(plain):,} different dates fit none of the formats")
    add_offset(texts, guess)
    return guess


def has_day_first(form: str) -> bool | None:
    """Return whether a format has the day before the month; None when the year is first."""
    return None if form.startswith("%Y") else re.match("%[mbB]", form) is None


def add_offset(texts: pd.Series, guess: DateGuess) -> None:
    """Give formats the suffix of a UTC offset where most texts have one."""
    suffixes = texts.str.extract(ZONE_SUFFIX)[0].dropna()
    if len(suffixes) <= 0.5 * len(texts):
        return
    suffix = str(suffixes.mode()[0])
    code = re.sub(r"UTC", "%Z", re.sub(r"[+-].*", "%z", suffix))
    guess.formats, guess.is_utc = [form + code for form in guess.formats], True
    if set(suffixes.str.strip()) - {"Z", "UTC", "+00", "+0000", "+00:00"}:
        guess.doubts.append("UTC offsets that are not zero: look whether they are read as meant")
