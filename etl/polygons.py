"""The neighborhood polygons of the portal.

Input: a `Portal` and a folder. Output: `boundaries-<UTC time>.geojson` with its manifest.
"""

import datetime as dt
import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

from etl.arcgis import ALL_ROWS, DEFAULT_PAUSE_SECONDS, Layer, open_layer
from etl.city import Portal
from etl.layout_values import WGS84
from etl.pages import CHUNK_IDS, split
from etl.snapshot import FULL, Manifest, spell_time, store_file, sweep_orphans
from warehouse.errors import ShieldError
from warehouse.files import FETCH, hash_file, hold_lock

STEM = "boundaries"
NAME = "NhoodName"
FIELDS = (NAME, "NPU")

WKID = WGS84.removeprefix("EPSG:")
"""Under which the portal knows degrees."""


def fetch_boundaries(
    portal: Portal, folder: Path, *, pause_seconds: float = DEFAULT_PAUSE_SECONDS
) -> Path:
    """Write the neighborhood polygons as GeoJSON in WGS84 degrees, sorted by name; return the path.

    Properties are the layer's object id, `NhoodName` and `NPU`. Raises `ShieldError` when the
    polygons received are not those the layer announces.
    """
    with hold_lock(folder, FETCH), open_layer(portal.boundaries, pause_seconds) as layer:
        sweep_orphans(folder, STEM)
        started_at = dt.datetime.now(dt.UTC)
        object_id = layer.find_object_id(layer.describe())
        features = read_features(layer, object_id)
        written = folder / f".{STEM}.geojson"
        written.write_text(json.dumps({"type": "FeatureCollection", "features": features}) + "\n")
        manifest = Manifest(
            portal.boundaries, ALL_ROWS, [object_id, *FIELDS], spell_time(started_at), len(features),
            hash_file(written), list(portal.terms), FULL, len(features), 0, 0,
        )  # fmt: skip
        path = store_file(written, folder, STEM, manifest)
    tqdm.write(f"portal: {len(features):,} polygons: {path.name}")
    return path


def read_features(layer: Layer, object_id: str) -> list[dict[str, Any]]:
    """Return all features, sorted by name; a nameless one comes first.

    Raises `ShieldError` when they are not those that the layer announces.
    """
    ids = sorted(layer.list_ids(ALL_ROWS))
    features: list[dict[str, Any]] = []
    for chunk in split(ids, CHUNK_IDS):
        answer = layer.ask(
            "/query",
            {
                "where": f"{object_id} IN ({', '.join(str(number) for number in chunk)})",
                "outFields": ",".join((object_id, *FIELDS)), "outSR": WKID, "f": "geojson",
            },
        )  # fmt: skip
        features += layer.take(answer, "features")
    found = sorted(int(feature["properties"][object_id]) for feature in features)
    if found != ids:
        raise ShieldError(f"{layer.url}: expected the {len(ids)} polygons announced, found {len(found)}")
    return sorted(features, key=lambda feature: feature["properties"][NAME] or "")
