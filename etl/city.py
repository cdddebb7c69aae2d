"""The city: where it lies, which clock it keeps, which raw layouts its files come in.

Enters: `data/cities/<city>.toml`. Leaves: a `City`.
"""

import re
import tomllib
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from warehouse import settings
from warehouse.errors import ShieldError

DEFAULT_CITY = "atlanta"


@dataclass(frozen=True)
class BoundingBox:
    """Rectangle round the whole city, in degrees, edges included."""

    longitude_min: float
    longitude_max: float
    latitude_min: float
    latitude_max: float


@dataclass(frozen=True)
class Portal:
    """The city's feature layers, as addresses without `/query`, and how the incidents are read.

    `key` names the fields that identify an offense, `object_id` the one that pages are ordered by,
    `report_date` the one that the re-read window goes by; `layout` says which fields are asked for.
    """

    incidents: str
    boundaries: str
    history: str
    terms: tuple[str, ...]
    layout: str
    key: tuple[str, ...]
    object_id: str
    report_date: str


@dataclass(frozen=True)
class Holidays:
    """Whose holidays the city keeps: ISO codes, as the package `holidays` knows them."""

    country: str
    subdivision: str | None = None


@dataclass(frozen=True)
class Districts:
    """What the city calls its districts; None for a kind that it lacks."""

    npu: str | None = None
    zone: str | None = None
    beat: str | None = None


@dataclass(frozen=True)
class City:
    """One city. `layouts` are in order of trust; `portal` is None for a city that has none.

    `beat_pattern` is a regular expression for the city's beats whose group is the zone; None for a
    city without beats. `boundary_name` is the property of its polygons that holds the neighborhood.
    """

    name: str
    publisher: str
    time_zone: ZoneInfo
    layouts: tuple[str, ...]
    bounding_box: BoundingBox
    beat_pattern: str | None = None
    boundary_name: str = "name"
    neighborhood_aliases: dict[str, str] = field(default_factory=dict)
    portal: Portal | None = None
    holidays: Holidays | None = None
    districts: Districts = Districts()


def load_city(name: str = DEFAULT_CITY) -> City:
    """Read a city's file.

    Raises `ShieldError` when there is none of that name, or when it lacks or mistypes a fact.
    """
    path = settings.CITIES_DIR / f"{name}.toml"
    if not path.exists():
        known = sorted(file.stem for file in settings.CITIES_DIR.glob("*.toml"))
        raise ShieldError(f"no city {name!r}: {settings.CITIES_DIR} has {', '.join(known)}")
    try:
        facts = tomllib.loads(path.read_text())
        facts["time_zone"] = ZoneInfo(facts["time_zone"])
        facts["layouts"] = tuple(facts["layouts"])
        facts["bounding_box"] = BoundingBox(**facts["bounding_box"])
        if "portal" in facts:
            lists = {key: tuple(facts["portal"][key]) for key in ("terms", "key")}
            facts["portal"] = Portal(**{**facts["portal"], **lists})
        if "holidays" in facts:
            facts["holidays"] = Holidays(**facts["holidays"])
        facts["districts"] = Districts(**facts.get("districts", {}))
        if "beat_pattern" in facts and re.compile(facts["beat_pattern"]).groups != 1:
            raise ValueError("beat_pattern needs one group, the zone")
        return City(**facts)
    except (KeyError, TypeError, ValueError, re.error) as error:
        raise ShieldError(f"{path.name}: not the file of a city: {error}") from error
