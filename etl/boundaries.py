"""Neighborhoods of rows that lack one, from the polygons in which they lie.

Enters: `staged`, a city's aliases, a GeoJSON file of polygons (or none). Leaves: `staged` with the
columns `is_renamed`, `is_recovered` and `polygon_neighborhood`, and names filled in.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import shapely

from etl.city import City
from warehouse.errors import ShieldError


@dataclass(frozen=True)
class Boundaries:
    """Polygons in WGS84 and the neighborhood each belongs to."""

    names: tuple[str, ...]
    tree: shapely.STRtree

    def find(self, longitudes: "pd.Series[float]", latitudes: "pd.Series[float]") -> "pd.Series[str]":
        """Return the neighborhood of each point, None outside all; the first where polygons overlap."""
        places = np.column_stack([longitudes.to_numpy(), latitudes.to_numpy()])
        points = np.asarray(shapely.points(places), dtype=object)
        found, polygons = self.tree.query(points, predicate="intersects")
        first = np.full(len(points), -1)
        # Written backwards, so that the polygon that comes first in the file has the last word.
        order = np.lexsort((-polygons, found))
        first[found[order]] = polygons[order]
        names = np.array([*self.names, None], dtype=object)
        return pd.Series(names[first], dtype=object)


def load_boundaries(path: Path, city: City) -> Boundaries:
    """Read a GeoJSON file; invalid polygons are repaired.

    Raises `ShieldError` naming the file and the feature that cannot be used.
    """
    try:
        features: list[dict[str, Any]] = json.loads(path.read_text())["features"]
    except OSError as error:
        raise ShieldError(f"{path}: cannot be read: {error.strerror}; expected GeoJSON") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ShieldError(f"{path.name}: not GeoJSON with features: {error}") from error
    names, shapes = [], []
    for number, feature in enumerate(features, start=1):
        name = (feature.get("properties") or {}).get(city.boundary_name)
        if not isinstance(name, str) or not name.strip():
            raise ShieldError(f"{path.name}: feature {number} has no property {city.boundary_name!r}")
        try:
            shape = shapely.from_geojson(json.dumps(feature.get("geometry")))
        except shapely.GEOSException as error:
            raise ShieldError(f"{path.name}: feature {number} ({name}): {error}") from error
        names.append(name.strip())
        shapes.append(shape if shape.is_valid else shapely.make_valid(shape))
    if not shapes:
        raise ShieldError(f"{path.name}: no feature in it; expected polygons of neighborhoods")
    return Boundaries(tuple(names), shapely.STRtree(shapes))


def name_neighborhoods(
    connection: duckdb.DuckDBPyConnection, city: City, boundaries: Boundaries | None
) -> None:
    """Rename by the city's aliases, then fill in missing names from the polygons.

    A name that is given stays, whatever the polygon says; `polygon_neighborhood` keeps what it says.
    """
    for column, kind in (
        ("is_renamed", "BOOLEAN DEFAULT false"),
        ("is_recovered", "BOOLEAN DEFAULT false"),
        ("polygon_neighborhood", "VARCHAR"),
    ):
        connection.execute(f"ALTER TABLE staged ADD COLUMN {column} {kind}")
    if city.neighborhood_aliases:
        aliases = pd.DataFrame(city.neighborhood_aliases.items(), columns=["alias", "name"])
        connection.register("alias_rows", aliases)
        connection.execute(
            "UPDATE staged SET neighborhood = name, is_renamed = true "
            "FROM alias_rows WHERE neighborhood = alias"
        )
        connection.unregister("alias_rows")
    if boundaries is not None:
        fill_from_polygons(connection, city, boundaries)


def fill_from_polygons(
    connection: duckdb.DuckDBPyConnection, city: City, boundaries: Boundaries
) -> None:
    """Look every distinct place in the city up once, and write what was found to its rows."""
    box = city.bounding_box
    places = connection.execute(f"""
        SELECT DISTINCT longitude, latitude FROM staged
        WHERE longitude BETWEEN {box.longitude_min} AND {box.longitude_max}
          AND latitude BETWEEN {box.latitude_min} AND {box.latitude_max}""").df()
    places["found"] = boundaries.find(places["longitude"], places["latitude"])
    connection.register("place_rows", places.dropna())
    connection.execute("""
        UPDATE staged SET polygon_neighborhood = found, is_recovered = neighborhood IS NULL,
                          neighborhood = coalesce(neighborhood, found)
        FROM place_rows
        WHERE staged.longitude = place_rows.longitude AND staged.latitude = place_rows.latitude""")
    connection.unregister("place_rows")
