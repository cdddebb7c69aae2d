"""The city: where it lies, which clock it keeps, which raw layouts its files come in, its portal.

Enters: `data/cities/<city>.toml`. Leaves: a `City`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from warehouse import settings
from warehouse.errors import ShieldError


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
class City:
    """One city. `layouts` are in order of trust; `beat_pattern` is a regular expression.

    `portal` is None for a city that has none.
    """

    name: str
    publisher: str
    time_zone: ZoneInfo
    layouts: tuple[str, ...]
    beat_pattern: str
    bounding_box: BoundingBox
    portal: Portal | None = None


def load_city(name: str = "atlanta") -> City:
    """Read a city's file. Raises `ShieldError` when there is none of that name."""
    path = settings.CITIES_DIR / f"{name}.toml"
    if not path.exists():
        known = sorted(file.stem for file in settings.CITIES_DIR.glob("*.toml"))
        raise ShieldError(f"no city {name!r}: {settings.CITIES_DIR} has {', '.join(known)}")
    facts = tomllib.loads(path.read_text())
    return City(
        name=facts["name"],
        publisher=facts["publisher"],
        time_zone=ZoneInfo(facts["time_zone"]),
        layouts=tuple(facts["layouts"]),
        beat_pattern=facts["beat_pattern"],
        bounding_box=BoundingBox(**facts["bounding_box"]),
        portal=make_portal(facts["portal"]) if "portal" in facts else None,
    )


def make_portal(facts: Mapping[str, str | list[str]]) -> Portal:
    """Return the portal that a city's file describes."""
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in facts.items()}
    return Portal(**values)  # type: ignore[arg-type]
