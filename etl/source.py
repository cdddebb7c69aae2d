"""The source of raw rows: files that are given, a simulation, or the portal.

Input: a city, and what is asked for. Output: `RawInput`: paths of raw files, and of
polygons where there are any.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from etl.arcgis import DEFAULT_PAUSE_SECONDS
from etl.city import City
from etl.fetch import REREAD_DAYS, fetch_history, fetch_incidents
from etl.polygons import fetch_boundaries
from etl.simulate import simulate_file
from etl.snapshot import prune_snapshots
from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.files import FETCH, hold_lock

LAYERS = ("incidents", "boundaries", "history")
"""What is read of a portal: names of folders, and of the snapshots in them."""


@dataclass(frozen=True)
class RawInput:
    """Raw files, and a GeoJSON file of neighborhood polygons or None."""

    files: tuple[Path, ...]
    boundaries: Path | None = None


def fetch_city(
    city: City,
    folder: Path,
    *,
    full: bool = False,
    window_days: int = REREAD_DAYS,
    with_history: bool = False,
    pause_seconds: float = DEFAULT_PAUSE_SECONDS,
    kept: int = settings.KEPT_SNAPSHOTS,
    needed: Collection[str] = (),
) -> RawInput:
    """Bring the snapshots of a city's portal in a folder up to date, and remove old ones.

    The newest `kept` of each layer stay, and files of these names whatever their age. The snapshot of
    the history is stored and not part of what is returned: its layout is not known well enough to be
    cleaned. Raises `ShieldError` for a city without a portal, and as `fetch_incidents`
    does.
    """
    if city.portal is None:
        raise ShieldError(f"{city.name} has no portal: expected [portal] in its file in data/cities")
    snapshot = fetch_incidents(
        city.portal, folder / "incidents", full=full, window_days=window_days,
        pause_seconds=pause_seconds,
    )  # fmt: skip
    boundaries = fetch_boundaries(city.portal, folder / "boundaries", pause_seconds=pause_seconds)
    if with_history:
        fetch_history(city.portal, folder / "history", pause_seconds=pause_seconds)
    for stem in LAYERS:
        if (folder / stem).is_dir():
            with hold_lock(folder / stem, FETCH):
                prune_snapshots(folder / stem, stem, kept, needed)
    return RawInput((snapshot.path,), boundaries)


def simulate_city(city: City, incidents: int, raw_folder: Path) -> RawInput:
    """Write the simulated sample into a folder and return it."""
    path = raw_folder / f"simulated_{incidents}.csv"
    simulate_file(path, city, incidents)
    return RawInput((path,))
