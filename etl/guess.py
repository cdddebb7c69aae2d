"""Guesses about columns: which field each one is, by its name and by its values.

Input: a table of text. Output: a `Guess`: fields, private columns, doubts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import pandas as pd

from etl.fields import NO, WEEKDAYS, YES
from etl.guess_dates import MAX_YEAR, MIN_YEAR, find_months, is_date
from etl.guess_words import (
    ADDRESS,
    DATE_WORDS,
    IGNORED,
    NIBRS_WORDS,
    PLACE_TYPE,
    PRIVATE,
    ROLES,
    RULES,
    UNITS,
    Rule,
    split_words,
)
from etl.layout import DATE_PARTS, FIELDS
from etl.layout_values import read_table
from etl.timestamps import MACROS, list_texts
from warehouse import settings

MAY_BE_EMPTY = frozenset({"beat", "zone", "neighborhood", "npu", "location_type", "firearm_involved"})
"""Fields that a column without values is taken for by its name: later rows may have some."""

EPOCH_RANGE = (631_152_000, 4_102_444_800)
"""1990 to 2100, in seconds since 1970: below it, other large numbers look like dates."""

CHECKS = {
    "clock": "clock_minutes(text) IS NOT NULL",
    "hour": "hour_minutes(text) IS NOT NULL",
    "number": "try_cast(replace(text, ',', '.') AS DOUBLE) IS NOT NULL",
    "flag": f"list_contains({list_texts((*YES, *NO))}, lower(text))",
    "weekday": f"list_contains({list_texts(WEEKDAYS)}, lower(text))",
    "id": r"regexp_full_match(text, '[\w./#+-]*\d[\w./#+-]*')",
    "nibrs": "list_contains($codes, upper(text))",
    "year": f"whole_number(text) BETWEEN {MIN_YEAR} AND {MAX_YEAR}",
    "month": "whole_number(text) BETWEEN 1 AND 12",
    "day": "whole_number(text) BETWEEN 1 AND 31",
    "minute": "whole_number(text) BETWEEN 0 AND 59",
    "epoch_s": f"try_cast(text AS BIGINT) BETWEEN {EPOCH_RANGE[0]} AND {EPOCH_RANGE[1]}",
    "epoch_ms": f"try_cast(text AS BIGINT) BETWEEN {EPOCH_RANGE[0] * 1000} AND {EPOCH_RANGE[1] * 1000}",
}
"""What the ETL could read a text as, each with its condition."""

MIN_SHARES = {"nibrs": 0.9, "weekday": 0.5}
"""Share of a column's values that must pass a check, where it is not `DEFAULT_MIN_SHARE`."""

DEFAULT_MIN_SHARE = 0.95

MIN_LETTERED = 0.2
"""Share of the different codes that have a letter, from which on they are NIBRS's."""


@dataclass(frozen=True)
class Column:
    """One column: its name, that in plain words, what its values can be; they may be addresses."""

    name: str
    words: str
    kinds: frozenset[str]
    filled_share: float
    unique_share: float
    has_addresses: bool

    @property
    def is_private(self) -> bool:
        """Whether it is about addresses or people, by its name or its values."""
        is_named = re.search(PRIVATE, self.words) or self.has_addresses
        return bool(is_named) and not re.search(PLACE_TYPE, self.words)


@dataclass
class Guess:
    """What columns were taken for. `why` says on what grounds, by field; `private` are never mapped."""

    columns: list[Column]
    fields: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    private: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def take(self, name: str, column: Column, why: str) -> None:
        """Note that a column is a field, with the grounds."""
        self.fields[name] = column.name
        self.why[name] = why if column.filled_share else f"{why}; doubt: empty in the sample"

    def drop(self, name: str, why: str) -> None:
        """Leave a field out, with a doubt that says why."""
        self.doubts.append(f"{self.fields.pop(name)!r} is not mapped as {name}: {why}")


def guess_columns(frame: pd.DataFrame) -> Guess:
    """Guess the field of each column of a table of text."""
    guess = Guess(describe_columns(frame))
    guess.private = [column.name for column in guess.columns if column.is_private]
    free = [column for column in guess.columns if not column.is_private]
    take_timestamps(guess, free)
    take_rest(guess, free)
    guess.fields = {name: guess.fields[name] for name in FIELDS if name in guess.fields}
    return guess


def describe_columns(frame: pd.DataFrame) -> list[Column]:
    """Return what each column can be."""
    with duckdb.connect() as connection:
        connection.execute(MACROS)
        return [describe_column(connection, str(name), frame[name]) for name in frame]


def describe_column(connection: duckdb.DuckDBPyConnection, name: str, column: pd.Series) -> Column:
    """Return what a column can be; one without values is of the kind `empty`."""
    counts = column[column != ""].value_counts(sort=False)
    if counts.empty:
        return Column(name, split_words(name), frozenset({"empty"}), 0, 0, has_addresses=False)
    texts, filled = pd.Series(counts.index), int(counts.sum())
    kinds = check_texts(connection, pd.DataFrame({"text": texts, "times": counts.to_numpy()}))
    if "number" not in kinds and len(texts) <= max(20, min(500, 0.2 * filled)):
        kinds.add("label")
    if len(texts) <= 60 and texts.str.strip(".").isin(find_months(texts)).mean() > 0.9:
        kinds.add("month")
    # Numbers can be anything: 20210105 is a date only where the name says so.
    words = split_words(name)
    # Other systems count in hundreds too: without a letter, values alone do not make a NIBRS code.
    if texts.str.contains("[A-Za-z]").mean() < MIN_LETTERED and not re.search(NIBRS_WORDS, words):
        kinds.discard("nibrs")
    if ("number" not in kinds or re.search(DATE_WORDS, words)) and is_date(texts):
        kinds.add("date")
    has_addresses = bool(texts.str.fullmatch(ADDRESS).mean() > 0.2)
    share, unique = filled / len(column), len(texts) / filled
    return Column(name, words, frozenset(kinds), share, unique, has_addresses)


def check_texts(connection: duckdb.DuckDBPyConnection, values: pd.DataFrame) -> set[str]:
    """Return the names of the checks that nearly all values pass; `values` has `text` and `times`."""
    codes = [row["nibrs_code"] for row in read_table(settings.REFERENCE_DIR / "offense.csv")]
    connection.register("value_count", values)
    shares = ", ".join(
        f"sum(times) FILTER (coalesce({check}, false)) / sum(times)" for check in CHECKS.values()
    )
    row = connection.execute(f"SELECT {shares} FROM value_count", {"codes": codes}).fetchall()[0]
    found = zip(CHECKS, row, strict=True)
    return {kind for kind, share in found if (share or 0) > MIN_SHARES.get(kind, DEFAULT_MIN_SHARE)}


def take_timestamps(guess: Guess, columns: Sequence[Column]) -> None:
    """Take columns of dates, clocks and their parts for the occurrence, its end and the report."""
    for column in columns:
        kind = find_part(column)
        if kind is None or re.search(IGNORED, column.words):
            continue
        role = next((role for role, words in ROLES.items() if re.search(words, column.words)), None)
        name = (role or "occurred") + ("" if kind == "date" else f"_{kind}")
        is_better = name not in guess.fields or (role and guess.why[name].startswith("likely"))
        if name in FIELDS and is_better:
            guess.take(name, column, f"{'sure' if role else 'likely'}: {kind} by name and values")
    drop_parts(guess)
    if "occurred" not in guess.fields and not set(DATE_PARTS) <= set(guess.fields):
        use_only_date(guess)


def find_part(column: Column) -> str | None:
    """Return whether a column is a date, a clock or a part of either; None for others."""
    # 1609804800 can be anything too.
    is_plausible = "number" not in column.kinds or re.search(DATE_WORDS, column.words)
    if column.kinds & {"date", "epoch_s", "epoch_ms"} and is_plausible:
        return "date"
    hits = (u for u, words in UNITS.items() if u in column.kinds and re.search(words, column.words))
    unit = next(hits, None)
    # Numbers up to 24 are hours, though a clock could read each of them as minutes after midnight.
    return "hour" if unit == "clock" and "hour" in column.kinds else unit


def drop_parts(guess: Guess) -> None:
    """Drop parts that say again what a whole date or clock says, or that lack the other parts."""
    found = set(guess.fields)
    is_whole = "occurred" in found or not set(DATE_PARTS) <= found
    surplus = set(DATE_PARTS) if is_whole else set()
    if "occurred_clock" in found or "occurred_hour" not in found:
        surplus |= {"occurred_hour", "occurred_minute"}
    surplus |= {f"{name}_clock" for name in ("reported", "occurred_until") if name not in found}
    for name in surplus & found:
        del guess.fields[name]


def use_only_date(guess: Guess) -> None:
    """Take the report's date, if there is one, for the occurrence, which no column has."""
    if "reported" in guess.fields:
        for part in {"", "_clock"} & {name.removeprefix("reported") for name in guess.fields}:
            guess.fields[f"occurred{part}"] = guess.fields.pop(f"reported{part}")
            guess.why[f"occurred{part}"] = "doubt: the report's, as there is no other"
        guess.doubts.append("no column says when an incident occurred; the report's date is taken")


def take_rest(guess: Guess, columns: Sequence[Column]) -> None:
    """Take the other columns by the rules, the most specific names first."""
    for rank in range(max(len(rule.names) for rule in RULES)):
        for rule in RULES:
            if rule.field in guess.fields or rank >= len(rule.names):
                continue
            taken = guess.fields.values()
            fitting = [c for c in columns if c.name not in taken and fits_rule(c, rule, rank)]
            if fitting:
                best = min(fitting, key=lambda column: (not column.filled_share, len(column.words)))
                sure = ("sure: name and values", "likely: name and values")[min(rank, 1)]
                guess.take(rule.field, best, sure if rule.names[rank] else "likely: by its values alone")


def fits_rule(column: Column, rule: Rule, rank: int) -> bool:
    """Return whether a column has a rule's kind and a name of that rank."""
    may_be_empty = rank == 0 and rule.field in MAY_BE_EMPTY and "empty" in column.kinds
    has_kind = bool(column.kinds & set(rule.kinds.split())) or may_be_empty
    is_key = rule.field != "report_number" or rank < 2 or column.unique_share > 0.99
    return has_kind and is_key and bool(re.search(rule.names[rank], column.words))
