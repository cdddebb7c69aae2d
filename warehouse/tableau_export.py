"""The published build for Tableau: a packed data source per star, and a packed workbook on both.

Input: a folder of builds and a folder to write to. Output: `<name>.tdsx`, each a zip of `<name>.tds` and
`Data/Extracts/<name>.hyper`, `atlshield.twbx` with both extracts, and `manifest.json` (build, rows,
SHA-256), complete or not at all.
"""

import time
import zipfile
from datetime import date
from pathlib import Path

import duckdb

from warehouse.errors import ShieldError
from warehouse.export import replace_export
from warehouse.files import hash_file
from warehouse.pointer import PublishedBuild
from warehouse.table import quote_text
from warehouse.tableau_extract import copy_parts, start_hyper, write_extract
from warehouse.tableau_source import EXTRACTS, render_source
from warehouse.tableau_stars import STARS
from warehouse.tableau_workbook import render_workbook

WORKBOOK = "atlshield"

MEMORY_LIMIT = "96MB"
"""What DuckDB may hold while it sorts the parts."""


def export_tableau(builds: Path, out: Path) -> Path:
    """Write the packages for Tableau into `out` and return it.

    Raises as `replace_export`, `start_hyper` and `write_extract`.
    """
    return replace_export(builds, out, "packages", write_packages)


def write_packages(
    published: PublishedBuild, connection: duckdb.DuckDBPyConnection, folder: Path
) -> dict[str, object]:
    """Write every package into a folder and return the manifest's entries."""
    work = folder.with_name("work")
    work.mkdir()
    limit_memory(connection, MEMORY_LIMIT, work)
    rows = {star.name: copy_parts(connection, star, work) for star in STARS}
    source, first_month = read_facts(connection)
    limit_memory(connection, "8MB", work)  # the other engine needs it from here on
    with start_hyper() as hyper:
        extracts = [write_extract(hyper, star, work, rows[star.name]) for star in STARS]
    packages: dict[str, object] = {}
    for star, extract in zip(STARS, extracts, strict=True):
        name, document = star.file_name, render_source(star, published, source)
        digests = pack(folder / f"{name}.tdsx", f"{name}.tds", document, [extract])
        packages[name] = {
            "description": star.description, "rows": rows[star.name], "sha256": digests,
        }  # fmt: skip
    document = render_workbook(published, source, first_month)
    digests = pack(folder / f"{WORKBOOK}.twbx", f"{WORKBOOK}.twb", document, extracts)
    packages[WORKBOOK] = {"description": "Dashboards on both extracts.", "sha256": digests}
    return {"packages": packages}


def limit_memory(connection: duckdb.DuckDBPyConnection, memory: str, work: Path) -> None:
    """Let DuckDB use one thread and so much memory; a large sort goes to files."""
    for name, value in (
        ("threads", "1"),
        ("allocator_flush_threshold", "'1MB'"),
        ("temp_directory", quote_text(str(work / "spill"))),
        ("memory_limit", quote_text(memory)),
    ):
        connection.execute(f"SET {name} = {value}")


def read_facts(connection: duckdb.DuckDBPyConnection) -> tuple[str, date]:
    """Return whose data a build holds, and the first month of its forecast."""
    sql = "SELECT any_value(data_source), min(forecast_month) FROM mart_forecast_hourly"
    source, first_month = connection.execute(sql).fetchall()[0]
    return source, first_month


def pack(path: Path, name: str, document: bytes, extracts: list[Path]) -> dict[str, str]:
    """Write a package of a named document and its extracts; return its SHA-256 by its name.

    Raises `ShieldError` naming the package where it cannot be written.
    """
    entry = zipfile.ZipInfo(name, date_time=time.localtime()[:6])
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(entry, document)
            for extract in extracts:
                archive.write(extract, f"{EXTRACTS}/{extract.name}")
        path.chmod(0o644)
    except OSError as error:
        raise ShieldError(f"{path.name} cannot be written: {error.strerror}") from error
    return {path.name: hash_file(path)}
