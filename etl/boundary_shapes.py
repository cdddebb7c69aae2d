"""The boundaries of neighborhoods as a map draws them: simplified, shared borders alike on both sides.

Input: polygons and a build whose `neighborhood` is filled. Output: `boundary`.
"""

import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from etl.boundaries import Boundaries
from warehouse.build import Build
from warehouse.tables_clean import BOUNDARY_DECIMALS, BOUNDARY_TABLE

TOLERANCE_DEGREES = 0.0003
"""Some 30 m: less than a pixel of a city on a screen."""


def fill_boundaries(build: Build, boundaries: Boundaries) -> None:
    """Fill `boundary` for the neighborhoods of the build that have polygons.

    Polygons are simplified together (Visvalingam & Whyatt 1993, by shapely's coverage), so that
    neighbors neither overlap nor part. One that would vanish stays as it is.
    """
    parts: dict[str, list[BaseGeometry]] = {name: [] for name in boundaries.names}
    for name, shape in zip(boundaries.names, boundaries.tree.geometries, strict=True):
        parts[name].append(shape)
    whole = np.array([shapely.union_all(shapes) for shapes in parts.values()], dtype=object)
    simple = shapely.coverage_simplify(whole, TOLERANCE_DEGREES)
    drawn = np.where(shapely.is_empty(simple), whole, simple)
    texts = shapely.to_wkt(drawn, rounding_precision=BOUNDARY_DECIMALS)
    rows = pd.DataFrame({"neighborhood": list(parts), "boundary": texts})
    build.connection.register("boundary_rows", rows)
    build.insert(BOUNDARY_TABLE, "FROM boundary_rows SEMI JOIN neighborhood USING (neighborhood)")
    build.connection.unregister("boundary_rows")
