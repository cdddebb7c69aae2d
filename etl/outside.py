"""Places for rows that lie in the city and in no named neighborhood.

Input: `staged` with the names of neighborhoods, a city. Output: `staged` with a place for such rows,
one per zone (per NPU, else per beat, where the city has none; one for the city where it has neither),
and the column `is_outside`.
"""

from collections.abc import Iterable, Mapping

import duckdb
import pandas as pd

from etl.city import City
from etl.names import fold_name

OUTSIDE = "outside neighborhoods"
KIND_ORDER = ("zone", "npu", "beat")
LABELS = {"zone": "Zone", "npu": "NPU", "beat": "Beat"}


def place_outside(
    connection: duckdb.DuckDBPyConnection, city: City, polygon_names: Iterable[str]
) -> None:
    """Give rows without a neighborhood whose coordinates lie in the city a place of their own.

    Its name is never that of a neighborhood in the files or among the polygons.
    """
    kind = find_kind(city)
    connection.execute("ALTER TABLE staged ADD COLUMN is_outside BOOLEAN DEFAULT false")
    box = city.bounding_box
    lies = (
        "neighborhood IS NULL"
        f" AND longitude BETWEEN {box.longitude_min} AND {box.longitude_max}"
        f" AND latitude BETWEEN {box.latitude_min} AND {box.latitude_max}"
    )
    district = f"coalesce({kind}, '')" if kind else "''"
    rows = connection.execute(f"SELECT DISTINCT {district} FROM staged WHERE {lies} ORDER BY 1")
    districts = [str(value) for (value,) in rows.fetchall()]
    taken = connection.execute("SELECT DISTINCT neighborhood FROM staged WHERE neighborhood IS NOT NULL")
    names = name_places(
        districts, kind, city.outside_names, [*(name for (name,) in taken.fetchall()), *polygon_names]
    )
    connection.register("outside_name", pd.DataFrame(names.items(), columns=["district", "name"]))
    connection.execute(f"""
        UPDATE staged SET neighborhood = name, is_outside = true
        FROM outside_name WHERE {lies} AND {district} = district""")
    connection.unregister("outside_name")


def find_kind(city: City) -> str | None:
    """Return the kind of district that the city's outside places go by, None for a city without any."""
    named = [kind for kind in KIND_ORDER if getattr(city.districts, kind)]
    return named[0] if named else None


def name_places(
    districts: Iterable[str], kind: str | None, given: Mapping[str, str], taken: Iterable[str]
) -> dict[str, str]:
    """Return a name per district, "" being the district that is not known.

    A name of the city's file wins. One that a neighborhood has, in any spelling, gets a mark behind it:
    two places would otherwise become one.
    """
    known = {fold_name(name) for name in taken}
    names: dict[str, str] = {}
    for district in districts:
        name = given.get(district) or describe_outside(district, kind)
        while fold_name(name) in known:
            name = f"{name} (outside)"
        known.add(fold_name(name))
        names[district] = name
    return names


def describe_outside(district: str, kind: str | None) -> str:
    """Return words for the place outside neighborhoods of a district: "Zone 7, outside neighborhoods".

    A district that is more than a number or a letter says its own kind.
    """
    if not district or kind is None:
        return OUTSIDE.capitalize()
    label = f"{LABELS[kind]} {district}" if district.isalnum() and len(district) <= 3 else district
    return f"{label}, {OUTSIDE}"
