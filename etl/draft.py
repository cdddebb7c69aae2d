"""The text of draft layout and city files: guesses as settings, grounds and doubts as comments.

Enters: a `Finding`. Leaves: TOML.
"""

import json
import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from etl.guess import read_reference
from etl.sample import printable

if TYPE_CHECKING:
    from etl.sketch import Finding

SURE_SIMILARITY = 0.95
MAX_LITERALS = 500
PLAIN_WORDS = (
    r"(crimes?|incidents?|data|export|offen[sc]es?|police|open|sample|reports?|csv|from|to|until)"
)


def quote(value: object) -> str:
    """Return text, numbers, truth values and lists of them as TOML, which JSON is but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def doubt(text: str) -> str:
    """Return a doubt as a comment of one line."""
    return f"# doubt: {printable(text)}"


def render_layout(finding: "Finding") -> str:
    """Return the layout file; what is in doubt stands commented out or says so."""
    dates, sample, why = finding.dates, finding.sample, finding.guess.why
    doubts = [*finding.doubts, *dates.doubts]
    settings: list[tuple[str, object, bool]] = [
        ("time_zone", dates.zone, True),
        ("clock_time_zone", "local", finding.clock_is_local),
        ("datetime_formats", dates.formats, bool(dates.formats)),
        ("month_names", dates.month_names, bool(dates.month_names)),
        ("null_spellings", finding.null_spellings, bool(finding.null_spellings)),
        ("separator", sample.separator, sample.separator in {";", "\t", "|"}),
        ("encoding", sample.encoding, sample.encoding != "utf-8"),
        ("decimal_comma", True, finding.decimal_comma),
        ("sheet", sample.sheet, sample.sheet is not None),
    ]
    lines = [
        f"# Draft from the first {len(sample.frame):,} rows of {finding.file_name}: check every line.",
        *map(doubt, doubts),
        *(f"# clock: {text}" for text in dates.evidence),
        *(f"{key} = {quote(value)}" for key, value, is_said in settings if is_said),
        *render_projection(finding),
        f"columns = {quote([str(name) for name in sample.frame.columns])}",
        *render_left_out(finding),
        "", "[fields]",
        *(f"{name} = {quote(column)}  # {why[name]}" for name, column in finding.guess.fields.items()),
        *render_offenses(finding), *render_shifts(finding),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def render_projection(finding: "Finding") -> list[str]:
    """Return the coordinate system of coordinates that are no degrees, which a person has to find."""
    if not finding.is_projected:
        return []
    return [
        doubt(
            "coordinates are no degrees; the publisher tells their EPSG code. Metres of a UTM zone nn"
        ),
        "# have EPSG:326nn in the north and EPSG:327nn in the south; US cities often use feet of a",
        "# state plane, such as EPSG:2240 (Georgia West) or EPSG:3435 (Illinois East).",
        'coordinate_system = "EPSG:?"',
    ]


def render_left_out(finding: "Finding") -> list[str]:
    """Return comments that name the columns that are not mapped, private ones apart."""
    guess = finding.guess
    used = {*guess.fields.values(), *guess.private}
    rest = [str(name) for name in finding.sample.frame.columns if name not in used]
    lines = [f"# private (addresses or people), never to be mapped: {quote(guess.private)}"] * bool(
        guess.private
    )
    lines += [f"# not mapped: {quote(rest)}"] * bool(rest)
    return lines + [f"# {printable(note)}" for note in guess.notes]


def render_offenses(finding: "Finding") -> list[str]:
    """Return the literals with their counts and codes, commented out where a code is not sure."""
    literals = finding.column("offense_literal")
    if literals is None:
        return []
    counts = literals[literals != ""].str.upper().value_counts().head(MAX_LITERALS)
    lines = ["", "[offense_codes]"]
    for literal, count in counts.items():
        code, similarity = suggest_code(str(literal))
        entry = f"{quote(literal)} = {quote(code)}  # {count:,} rows"
        is_sure = similarity >= SURE_SIMILARITY
        lines.append(entry if is_sure else f"# doubt: {entry}, similarity {similarity:.2f}")
    return lines


def suggest_code(literal: str) -> tuple[str, float]:
    """Return the NIBRS code whose name, or COBRA literal, is most similar, and how similar, 0 to 1."""
    names = {name: code for code, name in read_reference("offense.csv", "nibrs_code").items()}
    parts = {part: code for name, code in names.items() for part in name.split("/") if len(part) > 4}
    names = {**parts, **names, **read_reference("cobra_literal.csv", "offense_literal")}

    def similarity(name: str) -> float:
        words, others = (re.findall(r"\w+", text.upper()) for text in (literal, name))
        orders = ((words, others), (sorted(words), sorted(others)))
        return max(SequenceMatcher(None, " ".join(a), " ".join(b)).ratio() for a, b in orders)

    best = max(names, key=similarity)
    return names[best], similarity(best)


def render_shifts(finding: "Finding") -> list[str]:
    """Return the hours of each shift, as most of its rows lie."""
    if not finding.shifts:
        return []
    spans = (f"{quote(name)} = {quote(list(hours))}" for name, hours in finding.shifts.items())
    return ["", "[shifts]", doubt("hours as most rows of a shift lie"), *spans]


def render_city(finding: "Finding") -> str:
    """Return the city file; what only a person can know is commented out or is "?"."""
    words = [w for w in finding.name.split("_") if not re.fullmatch(rf"{PLAIN_WORDS}|\d*", w)]
    lines = [
        doubt("name and publisher; the name is from the file's"),
        f"name = {quote(' '.join(words).title() or finding.name)}",
        'publisher = "?"',
        doubt(
            "the time zone is that of the nearest principal city" if finding.time_zone else "time zone"
        ),
        f"time_zone = {quote(finding.time_zone or '?')}",
        f"layouts = {quote([finding.name])}",
    ]
    if finding.beat_pattern:
        lines += [doubt("beats begin with their zone"), f"beat_pattern = {quote(finding.beat_pattern)}"]
    lines += ['# boundary_name = "name"  # the property of polygons that holds the neighborhood', ""]
    return "\n".join(lines + render_box(finding) + render_days_and_districts(finding)) + "\n"


def render_box(finding: "Finding") -> list[str]:
    """Return the bounding box, commented out where coordinates do not tell it."""
    edges = finding.box or ("?",) * 4
    keys = ("longitude_min", "longitude_max", "latitude_min", "latitude_max")
    box = ["[bounding_box]", *(f"{key} = {edge}" for key, edge in zip(keys, edges, strict=True))]
    if finding.box is None:
        return [doubt("degrees of a box round the city are needed"), *(f"# {line}" for line in box)]
    return [doubt("holds 99 % of the coordinates of the sample, with a margin"), *box]


def render_days_and_districts(finding: "Finding") -> list[str]:
    """Return holidays and districts as comments."""
    kinds = [kind for kind in ("npu", "zone", "beat") if kind in finding.guess.fields]
    return [
        "", doubt("country and subdivision of the holidays, as the package `holidays` knows them"),
        "# [holidays]", f"# country = {quote(finding.country or '?')}", '# subdivision = "?"',
        "", doubt("what the city calls its districts; delete those that it lacks"),
        "# [districts]", *(f"# {kind} = {quote(finding.guess.fields[kind])}" for kind in kinds),
    ]  # fmt: skip
