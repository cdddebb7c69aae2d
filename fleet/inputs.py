"""What a build was made of, as one digest: the same input, options and code give the same tables.

Input: a request. Output: a digest; a record of it beside the published build.
"""

import hashlib
import json
import platform
from pathlib import Path

from etl.city import load_city
from refresh import Request
from warehouse import settings
from warehouse.files import hash_file, replace_text
from warehouse.pointer import find_pointer
from warehouse.settings_file import find_settings

RECORD = "fleet.json"
CODE = ("refresh.py", "requirements.lock", "etl/*.py", "models/*.py", "warehouse/*", "warehouse/sql/*",
        "data/reference/*")  # fmt: skip
"""What a build depends on, beside its own city: patterns from the root of the clone."""

OPTIONS = (
    "source_kind", "sample_incidents", "first", "last", "city", "cleaning", "hot_spots", "with_backtest",
)  # fmt: skip
"""Options of a refresh that change what a build holds."""


def hash_code() -> str:
    """Return a digest of the code that makes builds."""
    paths = sorted(path for pattern in CODE for path in settings.ROOT.glob(pattern) if path.is_file())
    listed = {str(path.relative_to(settings.ROOT)): hash_file(path) for path in paths}
    return hash_facts([listed, platform.python_version()])


def hash_inputs(request: Request, code: str) -> str | None:
    """Return a digest of all that a refresh reads; None for a portal, which only a refresh can ask.

    Raises `OSError` for a file that cannot be read, `ShieldError` for a city that cannot.
    """
    if request.source_kind == "portal":
        return None
    layouts = load_city(request.city).layouts
    files = [
        find_settings(settings.CITIES_DIR, request.city, "city"),
        *(find_settings(settings.LAYOUTS_DIR, layout, "layout") for layout in layouts),
        *request.raw,
        *filter(None, (request.boundaries, request.demographics)),
    ]
    options = {name: getattr(request, name) for name in OPTIONS}
    options["has_boundaries"] = request.boundaries is not None  # else one file might be either
    times = [path.stat().st_mtime_ns for path in request.raw]  # no row is newer than its file
    return hash_facts([code, [(path.name, hash_file(path)) for path in files], times, options])


def hash_facts(facts: object) -> str:
    """Return the SHA-256 of facts as JSON; what JSON has no form for counts as its text."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def is_unchanged(builds: Path, inputs: str | None) -> bool:
    """Return whether the published build is the one that was made of these inputs."""
    published, record = find_pointer(builds), builds / RECORD
    if inputs is None or published is None or not record.exists():
        return False
    return record.read_text() == render_record(published.build_id, inputs)


def record_inputs(builds: Path, build_id: str, inputs: str | None) -> None:
    """Write down what the published build was made of. Raises `OSError`."""
    replace_text(builds / RECORD, render_record(build_id, inputs))


def render_record(build_id: str, inputs: str | None) -> str:
    """Return the record's text."""
    return json.dumps({"build_id": build_id, "inputs": inputs}) + "\n"
