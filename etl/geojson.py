"""Polygons with names from a GeoJSON file; one that cannot help is refused.

Input: a GeoJSON file. Output: names and polygons in degrees of WGS84, or the name of the file, and of
the feature, that is unfit and why.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from etl.city import City
from etl.layout_values import WGS84
from etl.names import tidy_name
from warehouse.errors import ShieldError

WGS84_SYSTEM = pyproj.CRS.from_string(WGS84)
EARTH = shapely.box(-180, -90, 180, 90)
POLYGONS = ("Polygon", "MultiPolygon")

LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""JSON may spell half a character, which no UTF-8 text can hold."""

MAX_DETAIL = 120
"""Characters of a file's text that an error repeats."""


def load_polygons(path: Path, city: City) -> tuple[list[str], list[BaseGeometry]]:
    """Return the names and the polygons of a GeoJSON file; invalid polygons are repaired.

    A name may have several polygons. Raises `ShieldError` naming the file, and the feature, for what is
    not a polygon with a name in degrees of WGS84, and when no polygon's rectangle meets the city's.
    """
    box = city.bounding_box
    frame = shapely.box(box.longitude_min, box.latitude_min, box.longitude_max, box.latitude_max)
    names, shapes = [], []
    for number, feature in enumerate(read_features(path), start=1):
        label = f"{path.name}: feature {number}"
        if not isinstance(feature, dict):
            raise ShieldError(f"{label}: expected an object with a geometry, found {show(feature)}")
        names.append(read_name(feature.get("properties"), label, city.boundary_name))
        shapes.append(read_shape(feature.get("geometry"), f"{label} ({clip(names[-1])})", frame))
    if not shapes:
        raise ShieldError(f"{path.name}: no feature in it; expected polygons of neighborhoods")
    if not any(shapely.box(*shape.bounds).intersects(frame) for shape in shapes):
        found = describe_extent(shapely.box(*shapely.total_bounds(shapes)))
        raise ShieldError(
            f"{path.name}: no polygon lies in {city.name}: expected {describe_extent(frame)}, "
            f"found {found}"
        )
    return names, shapes


def read_features(path: Path) -> list[Any]:
    """Return the features of a GeoJSON file in WGS84, whatever they are.

    Raises `ShieldError` when it is none, or in another coordinate system.
    """
    document = parse_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("features"), list):
        kind = document.get("type") if isinstance(document, dict) else document
        raise ShieldError(
            f"{path.name}: not GeoJSON with features: expected a FeatureCollection, found {show(kind)}"
        )
    check_reference_system(path.name, document.get("crs"))
    return list(document["features"])


def parse_json(path: Path) -> Any:  # noqa: ANN401  # any JSON
    """Return what a file of JSON holds. Raises `ShieldError` when it cannot be read as JSON."""
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait
            raise ShieldError(f"{path}: not a regular file; expected GeoJSON")
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        told = "no such file" if not path.exists() else f"cannot be read: {error.strerror}"
        raise ShieldError(f"{path}: {told}; expected GeoJSON") from error
    except UnicodeDecodeError as error:
        raise ShieldError(
            f"{path.name}: expected GeoJSON in UTF-8, found other bytes at {error.start}: "
            "packed (gz, zip) or of another encoding"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ShieldError(f"{path.name}: not GeoJSON with features: {error}") from error


def check_reference_system(file_name: str, member: Any) -> None:  # noqa: ANN401  # any JSON
    """Raise `ShieldError` for a `crs` member other than WGS84, which holds where there is none."""
    if member is None:
        return
    try:
        found = pyproj.CRS.from_user_input(member["properties"]["name"])
    except (TypeError, KeyError, ValueError, pyproj.exceptions.CRSError):
        found = None
    if found is None or not found.equals(WGS84_SYSTEM, ignore_axis_order=True):
        raise ShieldError(
            f"{file_name}: expected coordinates in WGS84 ({WGS84}), found crs {show(member)}"
        )


def read_name(properties: Any, label: str, key: str) -> str:  # noqa: ANN401  # any JSON
    """Return the name of a feature, tidied; a number is a name too.

    Raises `ShieldError` when it has none.
    """
    if not isinstance(properties, dict) or key not in properties:
        there = sorted(properties) if isinstance(properties, dict) else properties
        raise ShieldError(
            f"{label} has no property {key!r} (boundary_name of the city), found {show(there)}"
        )
    value = properties[key]
    is_name = isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    name = tidy_name(str(value)) if is_name and not isinstance(value, bool) else ""
    if not name or LONE_SURROGATE.search(name):
        raise ShieldError(f"{label}: expected a name as property {key!r}, found {show(value)}")
    return name


def read_shape(geometry: Any, label: str, frame: shapely.Polygon) -> BaseGeometry:  # noqa: ANN401
    """Return the valid polygon of a feature; `frame` is the rectangle round the city.

    Raises `ShieldError` when it has none, and as `check_degrees` does.
    """
    kind = geometry.get("type") if isinstance(geometry, dict) else geometry
    if kind not in POLYGONS:
        raise ShieldError(f"{label}: expected a {' or '.join(POLYGONS)} as geometry, found {show(kind)}")
    try:
        shape = shapely.from_geojson(json.dumps(geometry))
    except shapely.GEOSException as error:
        reason = clip(" ".join(str(error).split()))
        raise ShieldError(f"{label}: expected the coordinates of a {kind}: {reason}") from error
    if shape.is_empty:
        raise ShieldError(f"{label}: expected the coordinates of a {kind}, found none")
    check_degrees(shapely.box(*shape.bounds), label, frame)  # before a repair can overflow
    shape = shape if shape.is_valid else shapely.make_valid(shape)
    if not shape.area:
        raise ShieldError(f"{label}: expected a polygon, found a line or point in its place (no area)")
    return shape


def check_degrees(extent: shapely.Polygon, label: str, frame: shapely.Polygon) -> None:
    """Raise `ShieldError` for a polygon that is not in degrees with the longitude first.

    A swap shows where the swapped rectangle meets the city's and the given one does not, unless the
    city's own rectangle looks the same either way.
    """
    if not (extent.intersects(frame) or swap(frame).intersects(frame)) and swap(extent).intersects(
        frame
    ):
        reason = "longitude and latitude are swapped"
    elif not EARTH.covers(extent):
        reason = "coordinates are projected, not degrees"
    else:
        return
    raise ShieldError(
        f"{label}: {reason}: expected {describe_extent(frame)}, found {describe_extent(extent)}"
    )


def swap(extent: shapely.Polygon) -> shapely.Polygon:
    """Return a rectangle with longitude and latitude exchanged."""
    west, south, east, north = extent.bounds
    return shapely.box(south, west, north, east)


def describe_extent(extent: shapely.Polygon) -> str:
    """Return a rectangle in words."""
    west, south, east, north = extent.bounds
    return f"longitude {west:.7g} to {east:.7g} and latitude {south:.7g} to {north:.7g}"


def show(value: object) -> str:
    """Return the beginning of a JSON value, on one line."""
    return clip(json.dumps(value, ensure_ascii=False))


def clip(text: str) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= MAX_DETAIL else f"{text[:MAX_DETAIL]}…"
