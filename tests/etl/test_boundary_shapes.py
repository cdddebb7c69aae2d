"""Boundaries for maps: fewer corners, shared borders alike, nothing lost."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from etl.boundaries import Boundaries, load_boundaries
from etl.boundary_shapes import fill_boundaries
from etl.city import load_city
from warehouse.build import Build
from warehouse.table import render_ddl
from warehouse.tables_clean import BOUNDARY_TABLE


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """The table of boundaries, and four neighborhoods."""
    with duckdb.connect() as connection:
        connection.execute(render_ddl(BOUNDARY_TABLE))
        connection.execute("""
            CREATE TABLE neighborhood AS
            FROM (VALUES ('West'), ('East'), ('Tiny'), ('Nowhere')) AS t(neighborhood)""")
        yield Build("test", tmp_path, connection, "simulated data")


def make_border() -> list[tuple[float, float]]:
    """Return a border from south to north that wavers by some 10 m."""
    steps = np.linspace(0, 0.1, 60)
    return [(0.1 + 0.0001 * np.sin(200 * step), step) for step in steps.tolist()]


def read(build: Build) -> dict[str, BaseGeometry]:
    """Return the boundaries by neighborhood."""
    rows = build.connection.execute("SELECT neighborhood, boundary FROM boundary").fetchall()
    return {name: shapely.from_wkt(text) for name, text in rows}


def test_neighbors_keep_one_border_and_lose_its_wavering(build: Build) -> None:
    border = make_border()
    west = shapely.Polygon([(0, 0), *border, (0, 0.1)])
    east = shapely.Polygon([(0.2, 0.1), *border[::-1], (0.2, 0)])
    isle = shapely.box(0.5, 0.5, 0.50002, 0.50002)
    far = shapely.box(0.3, 0, 0.4, 0.1)
    boundaries = Boundaries(
        "b.geojson", ("West", "East", "East", "Tiny", "Elsewhere"),
        shapely.STRtree([west, east, far, isle, shapely.box(0.6, 0, 0.7, 0.1)]),
    )  # fmt: skip
    fill_boundaries(build, boundaries)
    found = read(build)
    assert set(found) == {"West", "East", "Tiny"}
    assert shapely.get_num_coordinates(found["West"]) < len(make_border()) / 2
    assert found["West"].intersection(found["East"]).area == 0
    assert found["West"].union(found["East"]).area == pytest.approx(0.03, rel=0.001)
    assert shapely.get_num_geometries(found["East"]) == 2
    assert not found["Tiny"].is_empty


@pytest.mark.real_data
def test_boundaries_of_atlanta_are_small_and_true(real_data: Path, build: Build) -> None:
    path = real_data / "atlanta_neighborhoods.geojson"
    polygons = load_boundaries(path, load_city())
    build.connection.execute("DELETE FROM neighborhood")
    names = sorted(set(polygons.names))
    build.connection.execute("INSERT INTO neighborhood SELECT unnest($1)", [names])
    fill_boundaries(build, polygons)
    found = read(build)
    assert len(found) == 242
    [(size,)] = build.connection.execute("SELECT sum(length(boundary)) FROM boundary").fetchall()
    assert size < path.stat().st_size
    parts: dict[str, list[BaseGeometry]] = {name: [] for name in names}
    for name, shape in zip(polygons.names, polygons.tree.geometries, strict=True):
        parts[name].append(shape)
    whole = {name: shapely.union_all(some) for name, some in parts.items()}
    changed = [found[name].symmetric_difference(whole[name]).area / whole[name].area for name in names]
    assert np.median(changed) < 0.03
