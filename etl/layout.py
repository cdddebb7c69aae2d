"""Raw layouts: which columns a kind of raw file has and what they mean.

Enters: `data/layouts/*.toml`, the header of a raw file. Leaves: the `Layout` the header belongs to.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from etl.city import City
from warehouse import settings
from warehouse.errors import ShieldError


@dataclass(frozen=True)
class Layout:
    """One raw layout. `fields` maps what the ETL needs to the layout's own column names."""

    name: str
    columns: tuple[str, ...]
    fields: dict[str, str]
    datetime_formats: tuple[str, ...]
    null_spellings: tuple[str, ...]
    is_utc: bool


def load_layouts(city: City) -> list[Layout]:
    """Return the city's layouts, the most trusted first."""
    return [load_layout(name) for name in city.layouts]


def load_layout(name: str) -> Layout:
    """Read one layout file."""
    facts = tomllib.loads((settings.LAYOUTS_DIR / f"{name}.toml").read_text())
    return Layout(
        name=name,
        columns=tuple(facts["columns"]),
        fields=facts["fields"],
        datetime_formats=tuple(facts["datetime_formats"]),
        null_spellings=tuple(facts["null_spellings"]),
        is_utc=facts["time_zone"] == "UTC",
    )


def recognize_layout(file_name: str, header: Sequence[str], layouts: Sequence[Layout]) -> Layout:
    """Return the layout with exactly these columns, in whatever order the file has them.

    Raises `ShieldError` that names the closest layout and the columns that differ.
    """
    found = set(header)
    for layout in layouts:
        if set(layout.columns) == found and len(header) == len(found):
            return layout
    closest = min(layouts, key=lambda layout: len(found ^ set(layout.columns)))
    wanted = set(closest.columns)
    raise ShieldError(
        f"{file_name}: header matches no known layout; closest is {closest.name}, "
        f"missing {sorted(wanted - found)}, not expected {sorted(found - wanted)}"
    )
