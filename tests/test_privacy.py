"""No address, no exact coordinate and no victim's data in a build, an export or the output."""

from pathlib import Path

import duckdb
import pytest

from refresh import main
from tests.etl.test_boundaries import EAST, write_polygons
from tests.raw import write_raw
from warehouse.__main__ import main as warehouse_main
from warehouse.schema import TABLES

ADDRESS = "4711ZQ SECRET ST"
LONGITUDE, LATITUDE = "-84.391234", "33.711234"
VICTIMS = "77"


@pytest.fixture
def folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """A folder with builds, an export and the log of a refresh of clean and dirty files."""
    private = {
        "StreetAddress": ADDRESS,
        "Longitude": LONGITUDE,
        "Latitude": LATITUDE,
        "Vic_Count": VICTIMS,
    }
    rows = [
        {
            **private,
            "IncidentNumber": f"21{number:07}",
            "NhoodName": "" if number % 7 == 0 else "East",
            "ReportDate": f"1/{1 + number % 30}/2021 18:00",
            "OccurredFromDate": f"1/{1 + number % 30}/2021 16:00",
            "OccurredToDate": f"1/{1 + number % 30}/2021 16:00",
        }
        for number in range(60)
    ]
    again = [
        {**row, "IncidentNumber": f"9{number}", "NibrsUcrCode": "240"} for number, row in enumerate(rows)
    ]
    clean = write_raw(tmp_path / "clean.csv", rows)
    dirty = write_raw(tmp_path / "dirty.csv", again)
    dirty.write_text(dirty.read_text() + f'{ADDRESS},"{ADDRESS}\n{ADDRESS}\n')
    polygons = write_polygons(tmp_path / "p.geojson", East=EAST)
    out = tmp_path / "out"
    builds = out / "builds"
    arguments = ["--source", "files", "--raw", str(clean), str(dirty), "--builds", str(builds)]
    assert main([*arguments, "--boundaries", str(polygons)]) == 0
    assert warehouse_main(["--builds", str(builds), "export", "--out", str(out / "dist")]) == 0
    broken = write_raw(tmp_path / "broken.csv", [{**private, "NhoodName": ""}])
    assert main(["--source", "files", "--raw", str(broken), "--builds", str(builds)]) == 1
    (out / "log.txt").write_text("".join(capfd.readouterr()))
    return out


def test_no_file_and_no_column_holds_an_address_or_an_exact_coordinate(folder: Path) -> None:
    check_files(folder)
    check_columns(folder / "builds" / "current.duckdb")


def check_files(folder: Path) -> None:
    """Look for what is private in the bytes of every file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"log.txt", "incident.csv", "incident.parquet", "refresh.json"} <= {p.name for p in files}
    for path in files:
        content = path.read_bytes()
        for secret in ("SECRET", "4711ZQ", LONGITUDE, LATITUDE, LATITUDE[:7]):
            assert secret.encode() not in content, f"{path.name} holds {secret}"


def check_columns(build: Path) -> None:
    """Strings and numbers are packed within a build file, where no search of bytes would find them."""
    with duckdb.connect(str(build), read_only=True) as connection:
        for table in TABLES:
            for column in table.columns:
                if column.type == "VARCHAR":
                    where = f"contains({column.name}, 'SECRET') OR contains({column.name}, '4711ZQ')"
                elif column.name in {"latitude", "longitude"}:
                    where = f"abs({column.name} - round({column.name}, 3)) > 1e-9"
                else:
                    continue
                found = connection.execute(f"SELECT count(*) FROM {table.name} WHERE {where}").fetchone()
                assert found == (0,), f"{table.name}.{column.name}"


def test_no_column_is_about_victims_or_addresses() -> None:
    names = {column.name for table in TABLES for column in table.columns}
    assert not [name for name in names if "victim" in name or "address" in name or "street" in name]
