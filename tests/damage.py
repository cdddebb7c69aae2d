"""Raw files broken in many ways: `python -m tests.damage [SEED] [ROUNDS]`.

Input: a seed and how many rounds. Output: a line per fault and one line of figures; the exit code is 1
if there was a fault. Each round breaks a good file of some layout in two or three ways at once, half
of them with wrong bytes anywhere besides. It holds that nothing but `ShieldError` is raised, that rows
in are rows kept and rows rejected, and that the incidents of the rows that nothing touched are those of
the good file.
"""

import datetime as dt
import os
import sys
import tempfile
import traceback
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from etl.city import load_city
from etl.clean import clean_files
from etl.layout import load_layout
from tests.changes import spoil_bytes
from tests.good import Draft, UnfitError, draft_good, write_csv, write_parquet
from tests.ways import WAYS, Way
from warehouse.build import open_build
from warehouse.errors import ShieldError

SEED, ROUNDS = 9, 200
READ_AT = dt.datetime(2023, 1, 1, 12, tzinfo=dt.UTC).timestamp()
"""The day on which every file counts as read, so that the outcome is the same on any day."""


@dataclass(frozen=True)
class Result:
    """What cleaning made of files: incidents by id; `refused` is an error, or every failed check."""

    incidents: dict[str, dict[str, object]] = field(default_factory=dict)
    days: frozenset[dt.date] = frozenset()
    rows_in: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    is_synthetic: bool = False
    refused: str = ""


def clean(paths: Sequence[Path], last: dt.date | None = None) -> Result:
    """Return what cleaning makes of files."""
    for path in paths:
        os.utime(path, (READ_AT, READ_AT))
    with (
        tempfile.TemporaryDirectory(dir=paths[0].parent) as folder,
        open_build("damage", Path(folder) / "build.duckdb") as build,
    ):
        try:
            summary = clean_files(build, paths, load_city(), last=last)
        except ShieldError as error:
            return Result(refused=str(error))
        fetch = build.connection.execute
        rows = fetch("SELECT * EXCLUDE (raw_file) FROM incident")
        names = [column[0] for column in rows.description or ()]
        rejected = "SELECT rule, sum(row_count) FROM rejected_incident GROUP BY rule"
        repaired = "SELECT repair, sum(row_count) FROM repaired_incident GROUP BY repair"
        return Result(
            incidents={row[0]: dict(zip(names, row, strict=True)) for row in rows.fetchall()},
            days=frozenset(day for (day,) in fetch("SELECT calendar_date FROM calendar").fetchall()),
            rows_in=summary.rows_in,
            rejected=Counter(dict(fetch(rejected).fetchall())),
            repaired=Counter(dict(fetch(repaired).fetchall())),
            is_synthetic=summary.is_synthetic,
            refused="; ".join(summary.failed_checks),
        )


@lru_cache(maxsize=32)
def draft_once(layout: str, days: int, seed: int) -> Draft:
    """Return a good draft that must not be changed."""
    return draft_good(load_layout(layout), days, seed)


def write_draft(draft: Draft, ways: Sequence[Way], folder: Path) -> list[Path]:
    """Break a draft in every way, rows first, then text, then file; return the files to clean."""
    path = folder / "raw.csv"
    for way in ways:
        if way.rows:
            way.rows(draft)
    if draft.layout.name == "nibrs_portal":
        if any(way.data for way in ways):
            raise UnfitError("a snapshot is no text")
        write_parquet(draft, path)
    else:
        data = write_csv(draft)
        for way in ways:
            data = way.data(data, draft) if way.data else data
        path.write_bytes(data)
    changes = [way.file for way in ways if way.file]
    if len(changes) > 1:
        raise UnfitError("one file is changed as a whole once")
    return changes[0](path) if changes else [path]


def damage(
    ways: Sequence[Way], layout: str, seed: int, folder: Path, *, is_spoilt: bool = False
) -> tuple[Draft, Result]:
    """Return the draft of a good file as it was broken, and what cleaning made of it.

    A file that is spoilt has wrong bytes anywhere besides: every row counts as touched. Raises
    `UnfitError` where a way is none for the layout, or none after another way.
    """
    words = zlib.crc32(" ".join(way.name for way in ways).encode())
    good = draft_once(layout, count_days(ways), seed)
    draft = good.copy(np.random.default_rng([seed, words]))
    paths = write_draft(draft, ways, folder)
    if is_spoilt and paths[0].is_file():
        spoil_bytes(paths[0], draft.rng)
        draft.touch(good.rows)
    return draft, clean(paths, next((way.last for way in ways if way.last), None))


def count_days(ways: Sequence[Way]) -> int:
    """Return how many days a good file has that can be broken in every one of the ways."""
    return max(way.days for way in ways)


@lru_cache(maxsize=32)
def clean_good(layout: str, days: int, seed: int) -> Result:
    """Return what cleaning makes of the good file."""
    with tempfile.TemporaryDirectory() as folder:
        return clean(write_draft(draft_once(layout, days, seed), (), Path(folder)))


def find_faults(draft: Draft, good: Result, result: Result) -> list[str]:
    """Return which invariants a result does not hold, whatever was done to the draft."""
    if not result.rows_in:
        return [] if result.refused else ["nothing was read, and nothing said"]
    faults = []
    lost = sum(result.rejected.values())
    if result.rows_in != len(result.incidents) + lost:
        faults.append(f"{result.rows_in} rows in, {len(result.incidents)} kept, {lost} rejected")
    if not result.refused:
        faults += [
            f"incident {key} of a row that nothing touched: expected {row}, found {found}"
            for key, row in good.incidents.items()
            if row["report_number"] not in draft.touched and (found := result.incidents.get(key)) != row
        ][:3]
    return faults


def run_round(rng: np.random.Generator, seed: int) -> tuple[str, list[str]]:
    """Break a random file in random ways; return what happened in a word, and every fault."""
    names = rng.choice(list(WAYS), rng.integers(2, 4), replace=False)
    ways, layout = [WAYS[name] for name in names], str(rng.choice(load_city().layouts))
    is_spoilt = bool(rng.integers(2))
    title = f"{layout}, seed {seed}: {', '.join(names)}{', spoilt' if is_spoilt else ''}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            draft, result = damage(ways, layout, seed, Path(folder), is_spoilt=is_spoilt)
        except UnfitError:
            return "unfit", []
        except Exception:  # whatever it is, it is what is looked for
            return "fault", [f"{title}: {traceback.format_exc()}"]
    faults = find_faults(draft, clean_good(layout, count_days(ways), seed), result)
    word = "fault" if faults else "refused" if result.refused else "cleaned"
    return word, [f"{title}: {fault}" for fault in faults]


def main(arguments: Sequence[str]) -> int:
    """Run the rounds; each has a seed of its own, so that a fault can be repeated."""
    first, rounds = [int(text) for text in arguments] + [SEED, ROUNDS][len(arguments) :]
    counts: Counter[str] = Counter()
    for seed in range(first, first + rounds):
        word, faults = run_round(np.random.default_rng(seed), seed)
        counts[word] += 1
        print(*faults, sep="\n", end="\n" if faults else "", flush=True)
    print(f"{rounds} rounds: {', '.join(f'{n} {word}' for word, n in sorted(counts.items()))}")
    return int(bool(counts["fault"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
