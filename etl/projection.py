"""Projected coordinates to degrees (WGS84).

Input: `staged`, with eastings and northings in the columns of longitude and latitude for files of a
layout with a projected `coordinate_system`. Output: degrees in WGS84.
"""

import duckdb
import numpy as np

from etl.layout_values import WGS84
from etl.raw_file import RawFile


def project_coordinates(connection: duckdb.DuckDBPyConnection, file: RawFile) -> None:
    """Replace a file's coordinates by degrees; NULL where its coordinate system has no such place.

    Every distinct place is converted once.
    """
    if file.layout.coordinate_system == WGS84:
        return
    import pyproj  # takes a tenth of a second, and degrees do not need it

    transformer = pyproj.Transformer.from_crs(file.layout.coordinate_system, WGS84, always_xy=True)
    where = f"file_number = {file.number} AND longitude IS NOT NULL AND latitude IS NOT NULL"
    places = connection.execute(
        f"SELECT DISTINCT longitude AS easting, latitude AS northing FROM staged WHERE {where}"
    ).df()
    degrees = transformer.transform(places["easting"].to_numpy(), places["northing"].to_numpy())
    places["x"], places["y"] = (np.where(np.isfinite(values), values, np.nan) for values in degrees)
    connection.register("place_rows", places)
    connection.execute(f"""
        UPDATE staged SET longitude = if(isnan(x), NULL, x), latitude = if(isnan(y), NULL, y)
        FROM place_rows WHERE {where} AND longitude = easting AND latitude = northing""")
    connection.unregister("place_rows")
