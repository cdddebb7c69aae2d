"""The text of draft layout and city files: guesses as settings, grounds and doubts as comments.

Input: a `Finding`. Output: TOML.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from etl.finding import Finding
from etl.layout_values import read_table
from warehouse import settings
from warehouse.columns import DISTRICT_KINDS

MIN_SURE_SIMILARITY = 0.95
MAX_LITERALS = 500

BOX_KEYS = ("longitude_min", "longitude_max", "latitude_min", "latitude_max")
MARGIN_DEGREES = 0.02
BOX_DOUBT = "round the city, in degrees; drafted from 99 % of the coordinates of the sample"


def quote(value: object) -> str:
    """Return text, numbers, truth values and lists of them as TOML, which JSON is but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def escape(text: str) -> str:
    """Return a text on one line."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def doubt(text: str) -> str:
    """Return a doubt as a comment."""
    return f"# doubt: {escape(text)}"


def render_layout(finding: Finding) -> str:
    """Return the layout file; what is in doubt stands commented out or says so."""
    guess, sample = finding.guess, finding.sample
    columns = [str(name) for name in sample.frame.columns]
    rest = [name for name in columns if name not in {*guess.fields.values(), *guess.private}]
    return "\n".join([
        f"# From the first {len(sample.frame):,} rows of {quote(finding.file_name)}: check every line.",
        *map(doubt, finding.doubts),
        *(f"# clock: {text}" for text in finding.evidence),
        *(f"{key} = {quote(value)}" for key, value in finding.facts.items()),
        f"columns = {quote(columns)}",
        f"# private (addresses or people), never to be mapped: {quote(guess.private)}",
        f"# not mapped: {quote(rest)}",
        "", "[fields]",
        *(f"{name} = {quote(column)}  # {guess.why[name]}" for name, column in guess.fields.items()),
        *render_offenses(finding),
        *render_table("shifts", finding.shifts, "hours as most rows of a shift lie"),
    ]) + "\n"  # fmt: skip


def render_table(name: str, values: Mapping[str, object], why: str) -> list[str]:
    """Return a table of settings with the doubt about it; nothing where it is empty."""
    lines = [
        f"{key if key.isidentifier() and key.isascii() else quote(key)} = {quote(value)}"
        for key, value in values.items()
    ]
    return ["", doubt(why), f"[{name}]", *lines] if lines else []


def render_offenses(finding: Finding) -> Iterator[str]:
    """Yield the literals of rows without a NIBRS code, commented out where their code is not sure."""
    literals, codes = finding.column("offense_literal"), finding.column("nibrs_code")
    if literals is None:
        return
    names, is_unmapped = name_codes(), literals != ""
    if codes is not None:
        is_unmapped &= ~codes.str.upper().isin(set(names.values()))
    counts = literals[is_unmapped].str.upper().value_counts().head(MAX_LITERALS)
    yield from ("", "[offense_codes]")
    for literal, count in counts.items():
        code, similarity = suggest_code(str(literal), names)
        entry = f"{quote(literal)} = {quote(code)}  # {count:,} rows"
        is_sure = similarity >= MIN_SURE_SIMILARITY
        yield entry if is_sure else f"# doubt: {entry}, similarity {similarity:.2f}"


def name_codes() -> dict[str, str]:
    """Return the NIBRS code of each name of an offense, of parts of such names, of COBRA literals."""
    rows = read_table(settings.REFERENCE_DIR / "offense.csv")
    names = {row["offense"]: row["nibrs_code"] for row in rows}
    parts = {part: code for name, code in names.items() for part in name.split("/") if len(part) > 4}
    literals = read_table(settings.REFERENCE_DIR / "cobra_literal.csv")
    return {**parts, **names, **{row["offense_literal"]: row["nibrs_code"] for row in literals}}


def suggest_code(literal: str, names: Mapping[str, str]) -> tuple[str, float]:
    """Return the code of the name that is most similar, whatever the order of words, and how similar."""

    def measure(name: str) -> float:
        given, known = (" ".join(sorted(re.findall(r"\w+", text.upper()))) for text in (literal, name))
        return SequenceMatcher(None, given, known).ratio()

    best = max(names, key=measure)
    return names[best], measure(best)


def render_city(finding: Finding) -> str:
    """Return the city file; what only a person can know is "?" or empty, which is refused."""
    kinds = [kind for kind in DISTRICT_KINDS if kind in finding.guess.fields]
    pattern = [doubt("beats begin with their zone"), f"beat_pattern = {quote(finding.beat_pattern)}"]
    return "\n".join([
        doubt("name and publisher; the name is from the file's"),
        f"name = {quote(finding.name.replace('_', ' ').title())}",
        'publisher = ""',
        doubt("time zone of the nearest city that names one: one in seven is an hour off"),
        f"time_zone = {quote(finding.time_zone or '?')}",
        f"layouts = {quote([finding.name])}",
        *(pattern if finding.beat_pattern else ()),
        *render_table("bounding_box", draw_box(finding.edges), BOX_DOUBT),
        "", doubt("whose holidays; a subdivision can be named too"),
        "# [holidays]", f"# country = {quote(finding.country or '?')}",
        *render_table(
            "districts", {kind: finding.guess.fields[kind] for kind in kinds}, "what the city calls them"
        ),
    ]) + "\n"  # fmt: skip


def draw_box(edges: list[float] | None) -> dict[str, object]:
    """Return a box round the edges, with a margin, in hundredths of a degree; "?" without edges."""
    if edges is None:
        return dict.fromkeys(BOX_KEYS, "?")
    ways = ((math.floor, -MARGIN_DEGREES), (math.ceil, MARGIN_DEGREES)) * 2
    hundredths = (cut(100 * (edge + margin)) for edge, (cut, margin) in zip(edges, ways, strict=True))
    return {key: value / 100 for key, value in zip(BOX_KEYS, hundredths, strict=True)}
