"""Neighborhoods of rows that lack one, from the polygons in which they lie.

Input: `staged`, a city's aliases, a GeoJSON file of polygons (or none). Output: `staged` with one
spelling of each name, the columns `is_recovered` and `polygon_neighborhood`, and names filled in.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import shapely

from etl.city import City
from etl.geojson import load_polygons
from etl.names import choose_names, unify_names
from etl.outside import place_outside
from warehouse.errors import ShieldError

NEAR_METERS = 100
"""A row without a name belongs to the only polygon so near: places are rounded to about this."""

METERS_PER_DEGREE = 111_195
"""Of latitude, on a sphere of the Earth's mean radius of 6,371 km."""


@dataclass(frozen=True)
class Boundaries:
    """Polygons in WGS84 and the neighborhood each belongs to."""

    file_name: str
    names: tuple[str, ...]
    tree: shapely.STRtree

    def find_near(
        self, longitudes: "pd.Series[float]", latitudes: "pd.Series[float]"
    ) -> "pd.Series[str]":
        """Return the only neighborhood within `NEAR_METERS` of each point, None where there is no such.

        Degrees become meters by the length of a degree at the mean latitude of the polygons
        (equirectangular): off by under 1 % of the distance within a city.
        """
        _, south, _, north = shapely.total_bounds(self.tree.geometries)
        per_degree = METERS_PER_DEGREE * np.array([np.cos(np.radians((south + north) / 2)), 1.0])
        scaled = shapely.transform(self.tree.geometries, lambda places: places * per_degree)
        places = np.column_stack([longitudes.to_numpy(), latitudes.to_numpy()]) * per_degree
        points = np.asarray(shapely.points(places), dtype=object)
        found, polygons = shapely.STRtree(scaled).query(points, "dwithin", distance=NEAR_METERS)
        near = pd.DataFrame({"point": found, "name": np.array(self.names, dtype=object)[polygons]})
        single = near.groupby("point")["name"].agg(["nunique", "first"]).query("nunique == 1")["first"]
        return single.reindex(range(len(points))).astype(object).set_axis(longitudes.index)

    def find(self, longitudes: "pd.Series[float]", latitudes: "pd.Series[float]") -> "pd.Series[str]":
        """Return the neighborhood of each point, None outside all; the first where polygons overlap.

        Longitudes and latitudes are of the same length, and so is the series returned.
        """
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
    """Read a GeoJSON file of polygons, and rename them by the city's aliases.

    Of several spellings of a name the first wins. Raises `ShieldError` naming the file, and the
    feature, that cannot be used.
    """
    raw_names, shapes = load_polygons(path, city)
    renamed = choose_names(dict.fromkeys(raw_names, 1), raw_names, city.neighborhood_aliases)
    names = tuple(renamed.get(name, name) for name in raw_names)
    return Boundaries(path.name, names, shapely.STRtree(shapes))


def name_neighborhoods(
    connection: duckdb.DuckDBPyConnection, city: City, boundaries: Boundaries | None
) -> None:
    """Merge spellings and rename by the city's aliases, then fill in missing names from the polygons.

    A name that is given stays, whatever the polygon says; `polygon_neighborhood` keeps what it says. A
    place outside all of them takes the name of the only one near. What then has no name lies outside
    the neighborhoods (`etl.outside`).
    Raises `ShieldError` when rows have coordinates in the city but none lies in a polygon.
    """
    unify_names(connection, city, boundaries.names if boundaries else ())
    connection.execute("ALTER TABLE staged ADD COLUMN is_recovered BOOLEAN DEFAULT false")
    connection.execute("ALTER TABLE staged ADD COLUMN polygon_neighborhood VARCHAR")
    if boundaries is not None:
        fill_from_polygons(connection, city, boundaries)
    place_outside(connection, city, boundaries.names if boundaries else ())


def fill_from_polygons(
    connection: duckdb.DuckDBPyConnection, city: City, boundaries: Boundaries
) -> None:
    """Look every distinct place in the city up once, and write what was found to its rows.

    Raises `ShieldError` when there are such places and none lies in a polygon.
    """
    box = city.bounding_box
    places = connection.execute(
        "SELECT longitude, latitude, count(*) AS rows FROM staged "
        "WHERE longitude BETWEEN ? AND ? AND latitude BETWEEN ? AND ? GROUP BY ALL",
        [box.longitude_min, box.longitude_max, box.latitude_min, box.latitude_max],
    ).df()
    places["found"] = boundaries.find(places["longitude"], places["latitude"])
    inside = places.dropna()
    if len(places) and inside.empty:
        raise ShieldError(
            f"{boundaries.file_name}: expected polygons of {city.name}'s neighborhoods, found none of "
            f"{places['rows'].sum():,} rows with coordinates in the city in one of its "
            f"{len(boundaries.names):,} polygons"
        )
    outside = places["found"].isna()
    places["name"] = places["found"]
    near = boundaries.find_near(places.loc[outside, "longitude"], places.loc[outside, "latitude"])
    places.loc[outside, "name"] = near
    connection.register("place_rows", places.dropna(subset="name"))
    connection.execute("""
        UPDATE staged SET polygon_neighborhood = found, is_recovered = neighborhood IS NULL,
                          neighborhood = coalesce(neighborhood, name)
        FROM place_rows
        WHERE staged.longitude = place_rows.longitude AND staged.latitude = place_rows.latitude""")
    connection.unregister("place_rows")
