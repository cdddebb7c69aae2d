"""Extracts: what Tableau's own engine reads out of a package is what the build holds."""

import math
import struct
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import duckdb
import pytest
from tableauhyperapi import Connection, CreateMode, HyperProcess, Nullability, TableName, TypeTag

from tests.warehouse.test_tableau_source import SIMULATED
from warehouse import tableau_extract
from warehouse.errors import ShieldError
from warehouse.read import connect_published
from warehouse.table import render_ddl
from warehouse.tableau_export import export_tableau
from warehouse.tableau_extract import check_extract, copy_parts, start_hyper, write_extract
from warehouse.tableau_source import EXTRACTS, SCHEMA, make_datasource
from warehouse.tableau_stars import FORECAST_STAR, INCIDENT_STAR, STARS, Part, Star

TYPE_TAGS = {
    "VARCHAR": TypeTag.TEXT, "BIGINT": TypeTag.BIG_INT, "INTEGER": TypeTag.INT,
    "DOUBLE": TypeTag.DOUBLE, "BOOLEAN": TypeTag.BOOL, "DATE": TypeTag.DATE,
    "TIMESTAMP": TypeTag.TIMESTAMP,
}  # fmt: skip
LOCAL_TYPES = {
    "string": {TypeTag.TEXT}, "integer": {TypeTag.BIG_INT, TypeTag.INT}, "real": {TypeTag.DOUBLE},
    "boolean": {TypeTag.BOOL}, "date": {TypeTag.DATE}, "datetime": {TypeTag.TIMESTAMP},
    "spatial": {TypeTag.GEOGRAPHY},
}  # fmt: skip

stars = pytest.mark.parametrize("star", STARS, ids=lambda star: star.name)


@pytest.fixture(scope="module")
def hyper() -> Iterator[HyperProcess]:
    """A running engine."""
    with start_hyper() as process:
        yield process


@dataclass(frozen=True)
class Unpacked:
    """A build, and the extracts out of the packages that were made of it."""

    builds: Path
    extracts: dict[str, Path]


@pytest.fixture(scope="module")
def unpacked(few_places: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """The extracts of a build of 12 neighborhoods, out of their packages."""
    folder = tmp_path_factory.mktemp("tableau")
    out = export_tableau(few_places, folder / "dist")
    extracts = {}
    for star in STARS:
        with zipfile.ZipFile(out / f"{star.file_name}.tdsx") as package:
            inside = f"{EXTRACTS}/{star.file_name}.hyper"
            assert package.namelist() == [f"{star.file_name}.tds", inside]
            extracts[star.name] = Path(package.extract(inside, folder / star.name))
    return Unpacked(few_places, extracts)


def ask(connection: Connection, sql: str) -> list[Any]:
    """Return the one row of an answer."""
    (row,) = connection.execute_list_query(sql)
    return list(row)


def summarise(fields: dict[str, str], text_length: str) -> str:
    """Return SQL that tells of each field, given with its type: NULLs, least, greatest, sum."""
    told = ["count(*)"]
    for name, kind in fields.items():
        told.append(f"count(*) - count({name})")
        told.append(f"count(DISTINCT {name})")
        if kind != "BOOLEAN":
            told += [f"CAST(min({name}) AS text)", f"CAST(max({name}) AS text)"]
        number = {
            "VARCHAR": f"{text_length}({name})", "BOOLEAN": f"CASE WHEN {name} THEN 1 ELSE 0 END",
            "DATE": f"EXTRACT(DAY FROM {name})", "TIMESTAMP": f"EXTRACT(MINUTE FROM {name})",
        }.get(kind, name)  # fmt: skip
        told.append(f"CAST(sum({number}) AS double precision)")
    return f"SELECT {', '.join(told)}"


@stars
def test_extract_holds_the_rows_of_the_build(
    star: Star, unpacked: Unpacked, hyper: HyperProcess
) -> None:
    with (
        connect_published(unpacked.builds) as (_, build),
        Connection(hyper.endpoint, unpacked.extracts[star.name]) as extract,
    ):
        for part in star.parts:
            ours = {column.name: column.type for column in part.fields.values()}
            theirs = {name: column.type for name, column in part.fields.items()}
            expected = build.execute(f"{summarise(ours, 'strlen')} FROM {part.table.name}").fetchone()
            found = ask(extract, f'{summarise(theirs, "octet_length")} FROM "{SCHEMA}"."{part.name}"')
            assert expected is not None and expected[0] > 0
            pairs = list(zip(found, expected, strict=True))
            assert [pair for pair in pairs if not are_same(*pair)] == [], part.name


def are_same(value: object, other: object) -> bool:
    """Return whether two values are equal; the engines write and add up numbers differently."""
    try:
        return math.isclose(float(str(value)), float(str(other)), rel_tol=1e-12)
    except ValueError:
        return value == other


@stars
def test_extract_has_the_types_of_the_build(star: Star, unpacked: Unpacked, hyper: HyperProcess) -> None:
    with (
        connect_published(unpacked.builds) as (_, build),
        Connection(hyper.endpoint, unpacked.extracts[star.name]) as extract,
    ):
        tables = extract.catalog.get_table_names(SCHEMA)
        assert {table.name.unescaped for table in tables} == {part.name for part in star.parts}
        for part in star.parts:
            types = {row[0]: row[1] for row in build.execute(f"DESCRIBE {part.table.name}").fetchall()}
            expected = [
                (name, TYPE_TAGS[types[column.name]], column.nullable)
                for name, column in part.fields.items()
            ]
            if part.point:
                expected.append((part.point.name, TypeTag.GEOGRAPHY, True))
            assert read_types(extract, part) == expected


def read_types(extract: Connection, part: Part) -> list[tuple[str, TypeTag, bool]]:
    """Return name, type and nullability of each column of a table, in its order."""
    table = extract.catalog.get_table_definition(TableName(SCHEMA, part.name))
    return [(c.name.unescaped, c.type.tag, c.nullability == Nullability.NULLABLE) for c in table.columns]


@stars
def test_every_field_of_the_source_is_in_the_extract(
    star: Star, unpacked: Unpacked, hyper: HyperProcess
) -> None:
    with zipfile.ZipFile(
        unpacked.extracts[star.name].parents[3] / "dist" / f"{star.file_name}.tdsx"
    ) as z:
        assert f'name="federated.{star.file_name}"'.encode() in z.read(f"{star.file_name}.tds")
    source = make_datasource(star, SIMULATED, "x")
    with Connection(hyper.endpoint, unpacked.extracts[star.name]) as extract:
        held = {
            f"[{part.name}].[{name}]": (tag, nullable)
            for part in star.parts
            for name, tag, nullable in read_types(extract, part)
        }
    records = {
        f"{record.findtext('parent-name')}.[{record.findtext('remote-name')}]": record
        for record in source.iter("metadata-record")
    }
    assert records.keys() == held.keys()
    for place, record in records.items():
        tag, nullable = held[place]
        assert tag in LOCAL_TYPES[str(record.findtext("local-type"))], place
        assert record.findtext("contains-null") == str(nullable).lower(), place
    check_columns(source, {place.partition(".")[2]: tag for place, (tag, _) in held.items()})


def check_columns(source: Element, held: dict[str, TypeTag]) -> None:
    """Assert that the fields people see are the extract's, or are computed."""
    seen = set()
    for column in source.findall("column"):
        if column.attrib["datatype"] != "table" and column.find("calculation") is None:
            assert held[column.attrib["name"]] in LOCAL_TYPES[column.attrib["datatype"]]
            seen.add(column.attrib["name"])
    assert seen == held.keys()
    assert {found.attrib["key"] for found in source.iter("map")} == seen


@stars
def test_keys_are_unique_and_nothing_is_orphaned(
    star: Star, unpacked: Unpacked, hyper: HyperProcess
) -> None:
    parts = {part.name: part for part in star.parts}
    with Connection(hyper.endpoint, unpacked.extracts[star.name]) as extract:
        for part in star.parts:
            repeated = f'SELECT 1 FROM "{SCHEMA}"."{part.name}" GROUP BY {", ".join(part.key)}'
            assert ask(extract, f"SELECT count(*) FROM ({repeated} HAVING count(*) > 1) r") == [0]
        for found in star.relationships:
            pairs = zip(found.child_fields, parts[found.parent].key, strict=True)
            same = " AND ".join(f"{child} = {parent}" for child, parent in pairs)
            missing = f'SELECT 1 FROM "{SCHEMA}"."{found.parent}" WHERE {same}'
            orphans = f'SELECT count(*) FROM "{SCHEMA}"."{found.child}" WHERE NOT EXISTS ({missing})'
            assert ask(extract, orphans) == [0]


@stars
def test_extract_declares_one_fact_and_its_keys(
    star: Star, unpacked: Unpacked, hyper: HyperProcess
) -> None:
    with Connection(hyper.endpoint, unpacked.extracts[star.name]) as extract:
        constraints = extract.execute_list_query(
            "SELECT t.relname, c.contype, c.conkey, p.relname, c.confkey FROM pg_catalog.pg_constraint c"
            " JOIN pg_catalog.pg_class t ON t.oid = c.conrelid"
            " LEFT JOIN pg_catalog.pg_class p ON p.oid = c.confrelid"
        )
        columns = {part.name: [name for name, *_ in read_types(extract, part)] for part in star.parts}

    def name_columns(table: str, numbers: bytes) -> tuple[str, ...]:
        count = len(numbers) // 2
        return tuple(columns[table][n - 1] for n in struct.unpack(f"<{count}h", numbers[: 2 * count]))

    found = {
        (table, name_columns(table, key), parent and (parent, name_columns(parent, parent_key)))
        for table, _, key, parent, parent_key in constraints
    }
    keys = {part.name: part.key for part in star.parts}
    assert found == {
        *((name, key, None) for name, key in keys.items()),
        *((r.child, r.child_fields, (r.parent, keys[r.parent])) for r in star.relationships),
    }
    assert {found.child for found in star.relationships} == {star.fact.name}


def make_place(name: str, zone: str | None, degrees: tuple[float, float] | None) -> dict[str, object]:
    """Return a row of `neighborhood`."""
    latitude, longitude = degrees or (None, None)
    return {
        "neighborhood": name, "npu": None, "zone": zone, "is_named": True, "latitude": latitude,
        "longitude": longitude, "incident_count": 1, "first_occurred": "2024-01-01 00:00:00",
        "last_occurred": "2024-01-01 00:00:00", "other_zone_share": None, "data_source": "test",
    }  # fmt: skip


def fill(connection: duckdb.DuckDBPyConnection, part: Part, rows: list[dict[str, object]]) -> None:
    """Make a declared table of some rows, given by columns; others get what their type allows."""
    dull: dict[str, object] = {
        "VARCHAR": "x", "BIGINT": 1, "INTEGER": 1, "DOUBLE": 0.5, "BOOLEAN": True,
        "DATE": "2024-01-01", "TIMESTAMP": "2024-01-01 12:34:56.789012",
    }  # fmt: skip
    connection.execute(render_ddl(replace(part.table, is_view=False)))
    for row in rows:
        values = [row.get(column.name, dull[column.type]) for column in part.table.columns]
        marks = ", ".join("?" for _ in values)
        connection.execute(f"INSERT INTO {part.table.name} VALUES ({marks})", values)


ODD_NAMES = ("Cascade Avenue/Road", 'O\'Hern "Heights"', "Zoë — Straße; DROP", " ", "[x] \\ {y}")


@pytest.mark.parametrize("zone", [None, "5"])
def test_odd_names_and_missing_zones_and_places_survive(
    zone: str | None, tmp_path: Path, hyper: HyperProcess
) -> None:
    places = [make_place(name, zone, (33.749, -84.388)) for name in ODD_NAMES]
    places[0] = make_place(ODD_NAMES[0], zone, None)
    parts = {part.name: part for part in INCIDENT_STAR.parts}
    folder = tmp_path / "odd ' folder"
    folder.mkdir()
    with duckdb.connect() as build:
        fill(build, parts["neighborhood"], places)
        fill(build, parts["offense"], [{"nibrs_code": "13A"}])
        fill(build, parts["incident"], [
            {"incident_id": str(n), "neighborhood": name, "nibrs_code": "13A", "zone": zone}
            for n, name in enumerate(ODD_NAMES)
        ])  # fmt: skip
        rows = copy_parts(build, INCIDENT_STAR, folder)
    path = write_extract(hyper, INCIDENT_STAR, folder, rows)
    assert rows == {"neighborhood": 5, "offense": 1, "incident": 5}
    assert [found for found in folder.rglob("*") if found.is_file()] == [path]
    assert path.stat().st_mode & 0o777 == 0o644
    with Connection(hyper.endpoint, path) as extract:
        found = extract.execute_list_query(
            "SELECT i.incident_id, n.neighborhood, i.zone, n.neighborhood_zone, i.occurred_at::text,"
            f' n.neighborhood_location::text FROM "{SCHEMA}".incident i JOIN "{SCHEMA}".neighborhood n'
            " ON incident_neighborhood = n.neighborhood ORDER BY incident_id"
        )
    point = "POINT(-84.3880000 33.7490000)"
    assert [tuple(row) for row in found] == [
        (str(n), name, zone, zone, "2024-01-01 12:34:56.789012", point if n else None)
        for n, name in enumerate(ODD_NAMES)
    ]


def test_table_that_arrives_with_fewer_rows_is_an_error(
    unpacked: Unpacked, tmp_path: Path, hyper: HyperProcess
) -> None:
    with connect_published(unpacked.builds) as (_, build):
        rows = copy_parts(build, FORECAST_STAR, tmp_path)
    lost = next((tmp_path / "forecast.month").iterdir())
    lost.unlink()
    with pytest.raises(ShieldError, match="forecast.hyper: expected 144 rows of month, found 0"):
        write_extract(hyper, FORECAST_STAR, tmp_path, rows)


def test_extract_that_is_not_whole_is_an_error(
    unpacked: Unpacked, tmp_path: Path, hyper: HyperProcess
) -> None:
    path = tmp_path / "x.hyper"
    told = "x.hyper is not whole once it is written, perhaps since the disk is full"
    with Connection(hyper.endpoint, path, CreateMode.CREATE):
        pass  # what the engine leaves on a full disk, and reports no error
    with pytest.raises(ShieldError, match=told):
        check_extract(hyper, FORECAST_STAR, path, {})
    content = unpacked.extracts["forecast"].read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ShieldError, match=told):
        check_extract(hyper, FORECAST_STAR, path, {})


def test_rows_of_several_files_all_arrive(
    unpacked: Unpacked, tmp_path: Path, hyper: HyperProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = "FORMAT parquet, ROW_GROUP_SIZE 2048, FILE_SIZE_BYTES '1kB'"
    monkeypatch.setattr(tableau_extract, "PARQUET", small)
    with connect_published(unpacked.builds) as (_, build):
        build.execute("SET threads = 1")
        rows = copy_parts(build, FORECAST_STAR, tmp_path)
        files, key = tmp_path / "forecast.forecast", ", ".join(FORECAST_STAR.fact.key)
        first = build.execute(f"SELECT {key} FROM '{files / 'data_0.parquet'}'").fetchall()
    assert len(list(files.iterdir())) > 1
    assert first == sorted(first)
    path = write_extract(hyper, FORECAST_STAR, tmp_path, rows)
    with Connection(hyper.endpoint, path) as extract:
        keys = f'SELECT DISTINCT {", ".join(FORECAST_STAR.fact.key)} FROM "{SCHEMA}".forecast'
        assert ask(extract, f"SELECT count(*) FROM ({keys}) k") == [rows["forecast"]] == [12 * 12 * 24]


def test_missing_package_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tableauhyperapi", None)
    told = r"make export FORMAT=tableau.*requirements-tableau\.lock"
    with pytest.raises(ShieldError, match=told), start_hyper():
        pass


def test_engine_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tableau_extract.HYPER_SETTINGS, "memory_limit", "lots")
    told = "hyperd.* cannot start: it needs Linux on x86-64"
    with pytest.raises(ShieldError, match=told), start_hyper():
        pass


def test_what_the_engine_cannot_write_is_an_error(unpacked: Unpacked, tmp_path: Path) -> None:
    with connect_published(unpacked.builds) as (_, build):
        rows = copy_parts(build, FORECAST_STAR, tmp_path)
    (tmp_path / "atlshield_forecast.hyper").mkdir()
    told = pytest.raises(ShieldError, match="hyperd.* cannot write the extract: ")
    with told, start_hyper() as process:
        write_extract(process, FORECAST_STAR, tmp_path, rows)


def test_table_that_cannot_be_written_is_named(unpacked: Unpacked, tmp_path: Path) -> None:
    (tmp_path / "forecast.month").touch()
    told = "average_daily cannot be exported to forecast.month"
    with connect_published(unpacked.builds) as (_, build), pytest.raises(ShieldError, match=told):
        copy_parts(build, FORECAST_STAR, tmp_path)


def test_engine_leaves_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with start_hyper() as process, Connection(process.endpoint) as connection:
        assert ask(connection, "SELECT 1") == [1]
    assert list(tmp_path.iterdir()) == []
