"""Census facts of areas, as an operator's file gives them.

Input: a CSV file in UTF-8, one row per area: `area_kind`, `area`, `members` (neighborhoods, separated by
semicolons), `population`, `source`, and of `warehouse.tables_groups.MEASURES` those that there are, each
with an optional `<measure>_margin` (90 %); `vintage` and `licence` where they are known. What is empty
is not known. Shares are 0 to 1, incomes dollars a year. Output: `demographic_area`,
`area_measure` and `area_member`, filled.
"""

import csv
import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import pandas as pd
from pydantic import BeforeValidator, Field, ValidationError, create_model, model_validator

from etl.city import City, Text
from etl.names import fold_name
from warehouse.build import Build
from warehouse.errors import ShieldError
from warehouse.settings_file import Settings, describe_mistakes, suggest
from warehouse.tables_groups import (
    AREA_MEASURE_TABLE,
    AREA_MEMBER_TABLE,
    DEMOGRAPHIC_AREA_TABLE,
    MEASURES,
)

Empty = BeforeValidator(lambda value: value or None)
Share = Annotated[Annotated[float, Field(ge=0, le=1)] | None, Empty]
Amount = Annotated[Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, Empty]
Income = Annotated[Annotated[float, Field(ge=1_000, le=1_000_000)] | None, Empty]
"""Dollars a year: what lies outside are thousands, cents, or a code for a missing figure."""
Members = Annotated[
    tuple[Text, ...],
    BeforeValidator(lambda text: [part.strip() for part in text.split(";")]),
]


RACES = ("share_black", "share_white", "share_asian")
"""Measures no resident counts in twice; who is Hispanic may be of any of these races."""
ROUNDING = 0.005
"""What a share that is told in whole percent may be off by."""


class AreaFacts(Settings):
    """What a row tells beside its measures."""

    area_kind: Text
    area: Text
    members: Members
    population: Annotated[int, Field(ge=0)]
    source: Text
    vintage: Annotated[str | None, Empty] = None
    licence: Annotated[str | None, Empty] = None

    @model_validator(mode="after")
    def check_races(self) -> Self:
        """Raise `ValueError` where the shares of different races come to more than all residents."""
        shares = {name: getattr(self, name) or 0.0 for name in RACES}
        if sum(shares.values()) > 1 + len(RACES) * ROUNDING:
            told = " + ".join(f"{name} {share:g}" for name, share in shares.items() if share)
            raise ValueError(f"found {told} = {sum(shares.values()):g}, expected 1 or less")
        return self


MEASURE_FIELDS: dict[str, Any] = {
    name: (kind, None)
    for measure in MEASURES
    for name, kind in (
        (measure, Share if measure.startswith("share_") else Income),
        (f"{measure}_margin", Share if measure.startswith("share_") else Amount),
    )
}
Area = create_model("Area", __base__=AreaFacts, **MEASURE_FIELDS)
REQUIRED = [name for name, field in AreaFacts.model_fields.items() if field.is_required()]
MAX_NAMED = 20
MIN_RESIDENTS = 10
"""Of a neighborhood, on average: fewer are thousands of residents, or figures that are missing."""
MISSPELT = 0.8
"""Likeness (`difflib`) of names from which one is taken for a slip of the other."""


def load_demographics(path: Path, city: City) -> list[Any]:
    """Return an `Area` per row of a demographics file.

    Raises `ShieldError` naming the file, the line and the column of the first row that is no area, of
    an area or a neighborhood that is there twice, of a header that lacks a column or has a strange
    one, and of residents that are too few to be persons.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            check_header(path, reader.fieldnames or ())
            areas = [read_area(path, reader.line_num, row) for row in reader]
    except OSError as error:
        told = "no such file" if not path.exists() else f"cannot be read: {error.strerror}"
        raise ShieldError(f"{path}: {told}; expected a CSV of census facts") from error
    except (ValueError, csv.Error) as error:
        raise ShieldError(f"{path.name}: expected a CSV file in UTF-8, found: {error}") from error
    if not areas:
        raise ShieldError(f"{path.name}: expected a row per area, found none")
    members = [(find_name(name, city), area.area) for area in areas for name in area.members]
    for what, rows in (("area", [(area.area, area.area) for area in areas]), ("neighborhood", members)):
        [(name, count)] = Counter(name for name, _ in rows).most_common(1)
        if count > 1:
            places = ", ".join(area for other, area in rows if other == name)
            raise ShieldError(
                f"{path.name}: {what} {name!r} is there {count} times ({places}), expected once"
            )
    if (residents := sum(area.population for area in areas)) < MIN_RESIDENTS * len(members):
        raise ShieldError(
            f"{path.name}: population: found {residents:,} residents of {len(members)} neighborhoods,"
            f" expected at least {MIN_RESIDENTS} of each on average: persons, not thousands of them"
        )
    return areas


def find_name(member: str, city: City) -> str:
    """Return the folded name of a member, the city's aliases followed."""
    aliases = {fold_name(alias): name for alias, name in city.neighborhood_aliases.items()}
    return fold_name(aliases.get(fold_name(member), member))


def check_header(path: Path, header: Sequence[str]) -> None:
    """Raise `ShieldError` naming the column that is missing, strange or there twice."""
    for name in header:
        if name not in Area.model_fields:
            raise ShieldError(f"{path.name}: unknown column {name!r}{suggest(name, Area.model_fields)}")
        if header.count(name) > 1:
            raise ShieldError(f"{path.name}: column {name!r} is there twice")
    if missing := [name for name in REQUIRED if name not in header]:
        raise ShieldError(f"{path.name}: expected a column {missing[0]!r}, found {', '.join(header)}")
    if not set(MEASURES) & set(header):
        raise ShieldError(f"{path.name}: expected one of the columns {', '.join(MEASURES)}, found none")


def read_area(path: Path, line: int, row: dict[str, str]) -> Any:  # noqa: ANN401
    """Return the `Area` of a row. Raises `ShieldError` naming its line and each column that is wrong."""
    if None in row or None in row.values():
        raise ShieldError(f"{path.name}, line {line}: expected as many fields as the header has")
    try:
        return Area.model_validate(row)
    except ValidationError as error:
        told = "; ".join(describe_mistakes(error, Area))
        raise ShieldError(f"{path.name}, line {line}: {told}") from error


def fill_demographics(build: Build, areas: Sequence[Any], city: City) -> Iterator[str]:
    """Fill the three tables; yield a warning on names that only one side knows.

    A member without an incident is no neighborhood of the build, and nothing is wrong with it. Raises
    `ShieldError` where no member is one, and for a member that is spelled nearly like a neighborhood in
    no area: its residents would count and its crimes would not.
    """
    facts = [area.model_dump(include=set(AreaFacts.model_fields) - {"members"}) for area in areas]
    frame = pd.DataFrame(facts).rename(columns={"source": "publisher"})
    build.insert_frame(DEMOGRAPHIC_AREA_TABLE, frame)
    measures = [
        {
            "area": area.area,
            "measure": measure,
            "value": getattr(area, measure),
            "margin": getattr(area, f"{measure}_margin"),
        }
        for area in areas
        for measure in MEASURES
        if any(measure in other.model_fields_set for other in areas)
    ]
    build.insert_frame(AREA_MEASURE_TABLE, pd.DataFrame(measures))
    places = build.connection.execute("SELECT neighborhood, is_named FROM neighborhood").fetchall()
    known = {fold_name(name): name for name, _ in places}
    found: list[tuple[str, str]] = []
    strange: list[tuple[str, str]] = []
    for area in areas:
        for member in area.members:
            name = known.get(find_name(member, city))
            (found if name else strange).append((name or member, area.area))
    if not found:
        raise ShieldError(f"no member of an area is a neighborhood of {city.name}: {strange[0][0]!r}")
    build.insert_frame(AREA_MEMBER_TABLE, pd.DataFrame(found, columns=["neighborhood", "area"]))
    lacking = sorted({name for name, is_named in places if is_named} - {name for name, _ in found})
    for member, area in strange:
        if near := difflib.get_close_matches(member, lacking, 1, cutoff=MISSPELT):
            raise ShieldError(
                f"demographics: area {area} has {member!r}, which is no neighborhood here; did you mean"
                f" {near[0]!r}, which is in no area?"
            )
    for names, what in (
        (sorted(name for name, _ in strange), "no neighborhood here"),
        (lacking, "in no area, their group is 'unknown'"),
    ):
        if names:
            shown = ", ".join(names[:MAX_NAMED]) + (", …" if len(names) > MAX_NAMED else "")
            yield f"demographics: {what} ({len(names)}): {shown}"
