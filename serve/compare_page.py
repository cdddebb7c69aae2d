"""The page of changes: any two kept builds side by side.

Input: the ids of two builds; without them, the one that is served and the one before it. Output: HTML.
Both files are opened for the comparison, and closed behind it.
"""

import functools
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import sqlalchemy as sa
from flask import Response
from pydantic import Field
from werkzeug.exceptions import NotFound

from serve.builds import list_facts
from serve.current_build import ServedBuild, find_current_build, stamp_file, take_build
from serve.pages import blueprint, once_per_build, read_run, render_page
from serve.parameters import MAX_ECHO, Parameters, checked
from serve.quality_page import PUBLISHED
from serve.rows import NAMES
from warehouse.changes import list_changes
from warehouse.errors import ShieldError
from warehouse.history import check_hash, read_lineage
from warehouse.read import CORE_TABLES
from warehouse.records import name_build
from warehouse.table import Column

FACTS = (
    "created_at", "city", "data_source", "source_kind", "cleaning", "cutoff", "rows_in", "rows_kept",
    "rows_rejected", "atlshield_version",
)  # fmt: skip
"""What is told of both builds: columns of `refresh_run`."""
FEED = ("city", "source_kind", "cleaning")
"""What two builds must share for a difference to be a change in the city."""
MAX_PLACES = 250
MAX_KEPT = 16

one_at_a_time = threading.Lock()


class CompareQuery(Parameters):
    """Two kept builds, as `/v1/builds` lists them."""

    before: Annotated[str, Field(alias="from")] = ""
    after: Annotated[str, Field(alias="to")] = ""


@dataclass(frozen=True)
class Change:
    """A value in two builds; None in one that does not have it."""

    item: str
    before: float | None
    after: float | None

    @property
    def difference(self) -> float:
        """How much more it is in the second; what is not there is nothing."""
        return (self.after or 0.0) - (self.before or 0.0)

    @property
    def is_in_both(self) -> bool:
        """Whether both builds have it."""
        return self.before is not None and self.after is not None


@dataclass(frozen=True)
class Comparison:
    """Two builds: the lineage of each, and what differs, by subject."""

    before: dict[str, object]
    after: dict[str, object]
    changes: dict[str, list[Change]]


@blueprint.get("/compare")
@checked
def show_changes(query: CompareQuery) -> Response:
    """Answer what differs between two kept builds, the largest change of a neighborhood first."""
    build, kept = take_build(), list_facts()
    build_ids = [one.build_id for one in reversed(kept)]
    after = query.after or build.published.build_id
    check_kept("to", after, build_ids)
    before = query.before or find_before(build, build_ids, after)
    found = None
    if before:
        check_kept("from", before, build_ids)
        builds = find_current_build().builds
        found = compare_kept(builds / name_build(before), builds / name_build(after))
    changes = found.changes if found else {}
    places = sorted(changes.get("forecast by neighborhood", ()), key=lambda one: -abs(one.difference))
    return render_page(
        "compare.html", build, kept=kept, before=before, after=after, found=found,
        facts=list_facts_told(), other_feed=list(list_feed_differences(found)) if found else [],
        changes=changes, places=places[:MAX_PLACES], places_left_out=len(places[MAX_PLACES:]),
        scores=pick_scores(changes.get("backtest score", ())), score_names=read_score_names(build),
        served_names=set(build.answers.names.values()),
    )  # fmt: skip


def check_kept(parameter: str, build_id: str, build_ids: list[str]) -> None:
    """Raise `NotFound` naming the parameter and the builds that are kept, unless it names one."""
    if build_id not in build_ids:
        known = ", ".join(build_ids) or "none"
        raise NotFound(f"{parameter}: build {build_id!r:.{MAX_ECHO}} is not kept; there are {known}.")


def find_before(build: ServedBuild, build_ids: list[str], after: str) -> str:
    """Return the build that another is compared with unless a reader says; empty for none.

    Of the served one that is the last of its feed, else the one before. Ids are oldest first.
    """
    compared = read_run(build).compared_build_id
    if after == build.published.build_id and compared in build_ids:
        return str(compared)
    return "".join(build_ids[: build_ids.index(after)][-1:])


def compare_kept(before: Path, after: Path) -> Comparison:
    """Return what differs between two kept builds, one comparison at a time.

    Raises `NotFound` naming the parameter of the one that is gone, damaged or of another version.
    """
    with one_at_a_time:
        try:
            stamps = stamp_file(before), stamp_file(after)
        except OSError as error:
            raise NotFound(f"from, to: {error.strerror}: the build is no longer kept.") from error
        return compare_once(before, after, stamps)


@functools.lru_cache(maxsize=MAX_KEPT)
def compare_once(before: Path, after: Path, _stamps: object) -> Comparison:
    """Return what differs between two builds, as long as neither file is written to."""
    sides = read_side("from", before), read_side("to", after)
    changes: dict[str, list[Change]] = {}
    try:
        for subject, *values in list_changes(before, after):
            changes.setdefault(str(subject), []).append(
                Change(*cast("tuple[str, float, float]", values))
            )
    except ShieldError as error:
        raise NotFound(f"from, to: {error}") from error
    return Comparison(*sides, changes)


def read_side(parameter: str, path: Path) -> dict[str, object]:
    """Return the lineage of a build that is whole. Raises `NotFound` naming the parameter."""
    try:
        check_hash(path)
        return read_lineage(path)
    except (ShieldError, OSError) as error:
        raise NotFound(f"{parameter}: {error}") from error


def list_facts_told() -> list[Column]:
    """Return the declarations of `FACTS`."""
    return [column for column in NAMES["refresh_run"].columns if column.name in FACTS]


def list_feed_differences(found: Comparison) -> Iterator[str]:
    """Yield in what the feeds of two builds differ, in words."""
    for column in list_facts_told():
        values = found.before.get(column.name), found.after.get(column.name)
        if column.name in FEED and values[0] != values[1]:
            yield f"{column.label.lower()}: {values[0]} and {values[1]}"


def pick_scores(changes: Iterable[Change]) -> list[tuple[str, str, Change]]:
    """Return metric, grain and values of the published model's scores of all cells, furthest ahead."""
    parts = [(change.item.split(", "), change) for change in changes]
    whole = [(names, change) for names, change in parts if names[0] == PUBLISHED and len(names) == 4]
    months = max((int(names[-1].split()[0]) for names, _ in whole), default=0)
    return [
        (names[1], f"{names[2].replace('_', ' ')}, {names[3]}", change)
        for names, change in whole
        if names[3] == f"{months} months"
    ]


@once_per_build
def read_score_names(build: ServedBuild) -> dict[str, str]:
    """Return the metrics of a build's backtest, and what people call them."""
    mart = CORE_TABLES["mart_model_quality"].c
    with build.connect() as connection:
        rows = connection.execute(sa.select(mart.metric, mart.metric_label).distinct())
        return {metric: label for metric, label in rows}
