"""What a past origin's scores follow from, and the hash of all of it.

Input: a `Panel` and a past origin. Output: the panel known there, the months scored after it, and one
hash of both, of the models' source and of the libraries: equal hashes mean equal scores.
"""

import hashlib
import platform
from collections.abc import Iterator
from dataclasses import fields
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from models.panel import Panel
from models.past_origin import HORIZON_MONTHS
from warehouse import settings
from warehouse.columns import PATROL_TYPES, UNKNOWN_ZONE
from warehouse.interval_levels import INTERVAL_LEVELS

SETTLING_MONTHS = 2
"""Months after the last scored one whose reports still count. What is reported later changes no score:
scores settle, and have done so when the next origin begins, a quarter later."""

LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn")
SOURCE = Path(__file__).resolve().parent


def split_panel(panel: Panel, origin: int) -> tuple[Panel, Panel]:
    """Return what was known at an origin, and the months after it as reported when they had settled.

    Where they have not settled yet, as reported by the last whole month; the exposure then counts what
    is expected to be reported (`Panel.completeness`).
    """
    seen = panel.before(min(origin + HORIZON_MONTHS + SETTLING_MONTHS, panel.end))
    return panel.before(origin), seen.between(origin, origin + HORIZON_MONTHS)


def hash_source(folder: Path = SOURCE) -> bytes:
    """Return the hash of what scores a panel: source of `models`, settings, versions of libraries."""
    digest = hashlib.blake2b()
    for path in sorted(folder.glob("*.py")):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    facts = (settings.SEED, INTERVAL_LEVELS, PATROL_TYPES, UNKNOWN_ZONE, platform.python_version())
    digest.update(repr((facts, [metadata.version(name) for name in LIBRARIES])).encode())
    return digest.digest()


def hash_inputs(panel: Panel, origin: int, source: bytes) -> str:
    """Return the hash of everything that the scores of an origin follow from, `source` included."""
    digest = hashlib.blake2b(source, digest_size=16)
    for part in split_panel(panel, origin):
        for field in fields(part):
            for chunk in list_bytes(getattr(part, field.name)):
                digest.update(field.name.encode() + chunk)
    return digest.hexdigest()


def list_bytes(value: object) -> Iterator[bytes]:
    """Yield what a field of a panel holds: kind and shape before the content of arrays."""
    if isinstance(value, pd.DataFrame):
        for name in value:
            yield str(name).encode()
            yield from list_bytes(value[name].to_numpy())
    elif isinstance(value, pd.DatetimeIndex):
        yield from list_bytes(value.to_numpy())
    elif isinstance(value, np.ndarray):
        yield repr((value.dtype.str, value.shape)).encode()
        yield np.ascontiguousarray(value).tobytes()
    else:
        yield repr(value).encode()
