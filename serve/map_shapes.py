"""The shapes of a map of neighborhoods: outlines where a build has boundaries, else circles.

Input: a build. Output: a `MapShapes`, in a plane whose unit is a thousandth of the map's width.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from markupsafe import Markup, escape

from serve.current_build import ServedBuild
from serve.pages import once_per_build
from warehouse.read import CORE_TABLES

WIDTH = 1000
MAX_RADIUS, ALIKE_RADIUS = 45, 18
MARGIN = MAX_RADIUS
"""A circle at the edge shows as a whole."""
POINT = re.compile(r"(-?[\d.]+) (-?[\d.]+)")
RING = re.compile(r"\(([^()]+)\)")

Place = tuple[float, float]


@dataclass(frozen=True)
class Plane:
    """Degrees to the map: equirectangular at the mean latitude, north at the top."""

    west: float
    north: float
    scale: float
    squeeze: float
    height: int

    def put(self, longitude: float, latitude: float) -> Place:
        """Return where a place lies on the map."""
        x = (longitude - self.west) * self.squeeze * self.scale + MARGIN
        return x, (self.north - latitude) * self.scale + MARGIN


@dataclass(frozen=True)
class MapShapes:
    """Outlines as SVG paths and middles of neighborhoods; a place may have neither."""

    height: int
    outlines: dict[str, str]
    middles: dict[str, Place]

    def draw(self, places: Iterable[tuple[str, float, int]], largest: float) -> Markup:
        """Return SVG of places with their name, value and class: outlines, above them circles.

        A circle is for a place without an outline. Its area is in proportion to the value, but on a map
        that has outlines all are alike.
        """
        paths, circles = [], []
        for name, value, level in places:
            title = f"<title>{escape(name)}: {value:.3g}</title>"
            if name in self.outlines:
                paths.append(f'<path class="c{level}" d="{self.outlines[name]}">{title}</path>')
            elif name in self.middles:
                x, y = self.middles[name]
                radius = round(ALIKE_RADIUS if self.outlines else find_radius(value, largest), 1)
                where = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius}"'
                circles.append(f'<circle class="c{level}" {where}>{title}</circle>')
        return Markup("\n".join(paths + circles))  # noqa: S704


def find_radius(value: float, largest: float) -> float:
    """Return the radius of a circle whose area is in proportion to a value."""
    return MAX_RADIUS * math.sqrt(value / largest) if largest > 0 else 0.0


def fit_plane(places: list[Place]) -> Plane:
    """Return the plane that holds all places."""
    longitudes, latitudes = zip(*places, strict=True)
    squeeze = math.cos(math.radians((min(latitudes) + max(latitudes)) / 2))
    spread = max((max(longitudes) - min(longitudes)) * squeeze, 1e-6)
    scale = (WIDTH - 2 * MARGIN) / spread
    height = math.ceil((max(latitudes) - min(latitudes)) * scale) + 2 * MARGIN
    return Plane(min(longitudes), max(latitudes), scale, squeeze, height)


@once_per_build
def read_shapes(build: ServedBuild) -> MapShapes:
    """Return the shapes of a build's neighborhoods."""
    boundary, place = CORE_TABLES["boundary"].c, CORE_TABLES["neighborhood"].c
    with build.connect() as connection:
        texts = connection.execute(sa.select(boundary.neighborhood, boundary.boundary)).all()
        middles = connection.execute(
            sa.select(place.neighborhood, place.longitude, place.latitude).where(
                place.longitude.is_not(None)
            )
        ).all()
    rings = {name: read_rings(text) for name, text in texts}
    known = [point for parts in rings.values() for part in parts for point in part]
    known += [(longitude, latitude) for name, longitude, latitude in middles if name not in rings]
    if not known:
        return MapShapes(WIDTH, {}, {})
    plane = fit_plane(known)
    outlines = {
        name: "".join(draw_ring([plane.put(*point) for point in part]) for part in parts)
        for name, parts in rings.items()
    }
    centers = {name: plane.put(longitude, latitude) for name, longitude, latitude in middles}
    return MapShapes(plane.height, outlines, centers)


def read_rings(text: str) -> list[list[Place]]:
    """Return the rings of a polygon or multipolygon in well-known text; the last point is the first."""
    return [[(float(x), float(y)) for x, y in POINT.findall(ring)][:-1] for ring in RING.findall(text)]


def draw_ring(points: list[Place]) -> str:
    """Return a ring as a path of whole steps: few letters, and no rounding adds up."""
    rounded = [(round(x), round(y)) for x, y in points]
    x, y = rounded[0]
    steps = [f"M{x} {y}"]
    for next_x, next_y in rounded[1:]:
        if (next_x, next_y) != (x, y):
            steps.append(f"l{next_x - x} {next_y - y}")
        x, y = next_x, next_y
    return "".join(steps) + "z"
