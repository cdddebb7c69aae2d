"""A draft of the layout and the city of a raw file that nobody has described yet.

Input: an unknown raw file. Output: `layouts/<name>.toml` and `cities/<name>.toml` for a person to
check, whose comments say on what grounds each guess stands and what is in doubt. No address and no
exact coordinate is written.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from etl.city import City
from etl.draft import escape, render_city, render_layout
from etl.finding import Finding
from etl.guess import guess_columns
from etl.guess_clock import find_clock, find_formats, find_shifts
from etl.guess_place import find_place
from etl.guess_words import MISSING_WORDS, fold
from etl.layout import COORDINATES, DATE_FIELDS, Layout
from etl.sample import read_sample
from warehouse.errors import ShieldError
from warehouse.settings_file import read_settings


def write_sketch(path: Path, folder: Path, name: str | None) -> Finding:
    """Write the two drafts of a file into a folder and return what they say.

    Raises `ShieldError` when the file is no table, or a draft is there already.
    """
    name = name or re.sub(r"[^a-z0-9]+", "_", fold(path.name.split(".")[0])).strip("_") or "city"
    targets = [folder / room / f"{name}.toml" for room in ("layouts", "cities")]
    for target in targets:
        if target.exists():
            raise ShieldError(f"{target}: exists already; move it away or give another --name or --out")
    finding = guess_settings(path, name)
    for target, text in zip(targets, (render_layout(finding), render_city(finding)), strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as stream:
            stream.write(text)
    return finding


def list_refusals(folder: Path, name: str) -> Iterator[str]:
    """Yield what a refresh would refuse in the two drafts as they are."""
    for room, model, given in (("layouts", Layout, {"name": name}), ("cities", City, {})):
        try:
            read_settings(folder / room / f"{name}.toml", model, **given)
        except ShieldError as error:
            yield from str(error).splitlines()


def guess_settings(path: Path, name: str) -> Finding:
    """Read the start of a file and guess its settings.

    Raises `ShieldError` when the file is no table.
    """
    sample = read_sample(path)
    guess = guess_columns(sample.frame)
    finding = Finding(name, path.name, sample, guess, {"time_zone": "local", **sample.form})
    find_place(finding)
    find_formats(finding)
    find_clock(finding)
    find_shifts(finding)
    find_null_spellings(finding)
    finding.beat_pattern = find_beat_pattern(finding)
    return finding


def find_null_spellings(finding: Finding) -> None:
    """Note spellings of a missing value that the file has and not every layout knows."""
    frame = finding.sample.frame
    found = {text for name in frame for text in frame[name].unique() if fold(text) in MISSING_WORDS}
    numeric = [*COORDINATES, *DATE_FIELDS, *(f"{name}_clock" for name in DATE_FIELDS)]
    for column in (column for name in numeric if (column := finding.column(name)) is not None):
        words = column[(column != "") & ~column.str.contains(r"\d")].value_counts()
        found |= {text for text in words.index[words >= 3] if len(text) <= 30}
    if found:
        finding.facts["null_spellings"] = sorted(found)


def find_beat_pattern(finding: Finding) -> str | None:
    """Return the pattern of beats of digits that begin with the zone; None for others."""
    beats, zones = finding.column("beat"), finding.column("zone")
    if beats is None or zones is None or not (has_both := (beats != "") & (zones != "")).any():
        return None
    beat, zone = (int(texts[has_both].str.len().mode()[0]) for texts in (beats, zones))
    pattern = f"([0-9]{{{zone}}})[0-9]{{{max(1, beat - zone)}}}"
    is_zone = beats[has_both].str.extract(f"^{pattern}$")[0] == zones[has_both]
    return pattern if is_zone.mean() > 0.9 else None


def describe(finding: Finding) -> str:
    """Return the summary that a terminal shows."""
    fields, why = finding.guess.fields, finding.guess.why
    width = max(map(len, fields), default=0)
    return "\n".join([
        f"{finding.file_name}: {len(finding.sample.frame):,} rows looked at",
        *(f"  {name:{width}}  {column!r}  ({why[name]})" for name, column in fields.items()),
        *(f"  {key} = {value}" for key, value in finding.facts.items()),
        f"  city at {finding.time_zone}",
        *(f"  {escape(text)}" for text in finding.doubts),
    ])  # fmt: skip
