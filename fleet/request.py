"""What a fleet is asked for: a TOML file with a table for each city.

Input: the path of the file. Output: cities by name, checked, with paths made absolute.
"""

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from refresh import Request
from warehouse import settings
from warehouse.columns import CLEANINGS, SOURCE_KINDS
from warehouse.errors import ShieldError
from warehouse.files import hash_file
from warehouse.operation import Name, Operation, Place, check_path_or_none, one_of, place_paths
from warehouse.settings_file import Settings, describe_mistakes, read_facts

Folder = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""A city's name in the fleet: that of its folder, of its part of the union, and in addresses."""


class CityRequest(Settings):
    """One city's refresh, in the words of the settings; `city` names a file in `data/cities`."""

    city: Name = settings.DEFAULT_CITY
    source: Annotated[str, one_of(SOURCE_KINDS)] = "files"
    raw: tuple[Place, ...] = ()
    first: dt.date | None = None
    last: dt.date | None = None
    sample_incidents: Annotated[int, Field(ge=1)] | None = None
    cleaning: Annotated[str, one_of(CLEANINGS)] = CLEANINGS[0]
    boundaries: Annotated[Path | None, BeforeValidator(check_path_or_none)] = None
    demographics: Annotated[Path | None, BeforeValidator(check_path_or_none)] = None
    hot_spots: bool = False
    backtest: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Raise `ValueError` for what goes with another source."""
        if bool(self.raw) != (self.source == "files"):
            raise ValueError(
                f"raw: the source files needs it, others have none; source is {self.source}"
            )
        if self.source == "simulated" and self.city != settings.DEFAULT_CITY:
            raise ValueError(f"city: only {settings.DEFAULT_CITY} can be simulated, found {self.city}")
        if self.sample_incidents is not None and self.source != "simulated":
            raise ValueError("sample_incidents: goes with the source simulated")
        if self.first and self.last and self.first > self.last:
            raise ValueError(f"first: {self.first} comes after last, {self.last}")
        return self


class Fleet(Settings):
    """Cities by their names in the fleet."""

    cities: Annotated[dict[Folder, CityRequest], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Raise `ValueError` for a raw file or a portal of two cities: sums would count it twice.

        A copy under another name is the same file; one that is not there is told by its city's refresh.
        """
        files = {path for city in self.cities.values() for path in city.raw if path.is_file()}
        sizes = Counter(path.stat().st_size for path in files)
        owners: dict[str, str] = {}
        for name, city in self.cities.items():
            portal = f"source: the portal of {city.city}"
            sources = {portal: portal} if city.source == "portal" else {}
            for path in city.raw:
                is_copy = path in files and sizes[path.stat().st_size] > 1
                sources[hash_file(path) if is_copy else str(path.resolve())] = f"raw: {path}"
            for source, told in sources.items():
                if owners.setdefault(source, name) != name:
                    raise ValueError(f"cities.{name}.{told} is read for {owners[source]} too")
        return self


def read_fleet(path: Path) -> Fleet:
    """Return the fleet that a file describes; paths in it are relative to it.

    Raises `ShieldError` with one line per mistake: the file, the key, what was found and expected.
    """
    facts = read_facts(path)
    if isinstance(cities := facts.get("cities"), dict):
        folder = path.resolve().parent
        facts["cities"] = {
            name: place_paths(city, folder) if isinstance(city, dict) else city
            for name, city in cities.items()
        }
    try:
        return Fleet.model_validate(facts)
    except ValidationError as error:
        lines = [f"{path.name}: {line}" for line in describe_mistakes(error, Fleet)]
        raise ShieldError("\n".join(lines)) from error


def make_request(name: str, city: CityRequest, builds: Path, operation: Operation) -> Request:
    """Return what a refresh of one city is asked for; it has a folder of builds and of raw files."""
    facts = city.model_dump(exclude={"source", "backtest", "sample_incidents"})
    if city.sample_incidents is not None:
        facts["sample_incidents"] = city.sample_incidents
    return Request(
        source_kind=city.source,
        builds=builds / name,
        with_backtest=city.backtest,
        kept_builds=operation.kept_builds,
        kept_refused=operation.kept_refused,
        kept_snapshots=operation.kept_snapshots,
        raw_folder=operation.raw_folder / name,
        **facts,
    )
