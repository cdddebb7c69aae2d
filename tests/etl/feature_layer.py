"""A feature layer on loopback that behaves, and misbehaves, like the portal's.

Input: rows and a script of faults. Output: HTTP answers as ArcGIS gives them: pages of 2,000 rows,
`exceededTransferLimit`, times as epoch milliseconds, errors inside HTTP 200.
"""

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import duckdb
import pytest

from etl.city import Portal, load_city

MAX_RECORD_COUNT = 2000
SECRET = "4711 SECRET ST"  # noqa: S105

INCIDENT_COLUMNS = {
    "OBJECTID": "BIGINT", "IncidentNumber": "VARCHAR", "FireArmInvolved": "VARCHAR",
    "ReportDate": "TIMESTAMP", "OccurredFromDate": "TIMESTAMP", "OccurredToDate": "TIMESTAMP",
    "NibrsUcrCode": "VARCHAR", "StreetAddress": "VARCHAR", "Vic_Count": "INTEGER",
    "LocationType": "VARCHAR", "Longitude": "DOUBLE", "Latitude": "DOUBLE", "BEAT_Text": "VARCHAR",
    "NPU": "VARCHAR", "NhoodName": "VARCHAR",
}  # fmt: skip
HISTORY_COLUMNS = {
    "FID": "BIGINT", "Report_Number": "VARCHAR", "Report_Date": "TIMESTAMP", "Location": "VARCHAR",
    "Apartment_Number": "VARCHAR", "Location_Type": "VARCHAR", "Neighborhood": "VARCHAR",
}  # fmt: skip
BOUNDARY_COLUMNS = {
    "FID": "BIGINT", "NhoodName": "VARCHAR", "NPU": "VARCHAR", "Owner_Address": "VARCHAR",
    "shape": "VARCHAR",
}  # fmt: skip
TABLES = {"incidents": INCIDENT_COLUMNS, "history": HISTORY_COLUMNS, "boundaries": BOUNDARY_COLUMNS}

Fault = str
"""`none`, an HTTP status, `error-<code>` inside a 200, `html`, `slow`, or `cut` in mid-body."""

# Most happen in the afternoon. Ids have gaps; one report in 97 has a junk year, one in 151 none; every
# 501st offense stands twice.
FILL_INCIDENTS = f"""
INSERT INTO incidents
SELECT 3 * i + 1, (210000000 + i // 2 - (i % 501 = 0)::INTEGER)::VARCHAR, if(i % 9 = 0, 'yes', 'no'),
       CASE WHEN i % 194 = 0 THEN TIMESTAMP '1015-03-01 05:00:00'
            WHEN i % 97 = 0 THEN TIMESTAMP '2124-06-01 04:00:00'
            WHEN i % 151 = 0 THEN NULL ELSE occurred + to_minutes((hash(i + 7) % 9000)::BIGINT) END,
       occurred, occurred + INTERVAL 50 MINUTE,
       (ARRAY['23F', '240', '13A', '220'])[1 + i % 2], '{SECRET}', 1,
       if(i % 11 = 0, NULL, 'RESIDENCE_HOME'), -84.4 + (hash(i) % 1000) / 7919, 33.7 + (i % 1000) / 7919,
       '509', 'M', if(i % 8 = 0, NULL, 'O''Hern "Hills"' || chr(233) || i % 40)
FROM (SELECT i, TIMESTAMP '2021-01-01' + to_days((hash(i + 3) % 1458)::INTEGER)
                + to_minutes(((600 + hash(i + 5) % 720 + hash(i + 6) % 720) % 1440)::BIGINT) AS occurred
      FROM range($count) AS numbers(i))
"""
FILL_HISTORY = f"""
INSERT INTO history
SELECT i, 'R' || i, TIMESTAMP '2009-01-01' + to_days(i::INTEGER), '{SECRET}', '12', '20', 'Midtown'
FROM range($count) AS numbers(i)
"""
FILL_BOUNDARIES = f"""
INSERT INTO boundaries
SELECT i, 'Place ' || 9 * i % 250, 'M', '{SECRET}',
       '{{"type": "Polygon", "coordinates": [[[-84.4, 33.7], [-84.36, 33.7], [-84.36, 33.72], [-84.4, 33.7]]]}}'
FROM range($count) AS numbers(i)
"""  # noqa: E501


class FeatureLayer:
    """Three layers on loopback. `faults` are taken one a request; `hooks` run before a page is made.

    `requests` are the parameters of every request, `agents` who sent it, pages counted from 1.
    """

    def __init__(self, counts: dict[str, int]) -> None:
        """Fill the layers with so many rows each."""
        self.lock = threading.RLock()
        self.arrived = threading.Condition(self.lock)
        self.connection = duckdb.connect()
        self.faults: deque[Fault] = deque()
        self.hooks: dict[int, Callable[[], object]] = {}
        self.requests: list[dict[str, str]] = []
        self.agents: list[str] = []
        self.slowness = 0.0
        self.last_served = sys.maxsize
        self.pages = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.layer = self  # type: ignore[attr-defined]
        fills = {"incidents": FILL_INCIDENTS, "history": FILL_HISTORY, "boundaries": FILL_BOUNDARIES}
        for name, columns in TABLES.items():
            typed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            self.execute(f"CREATE TABLE {name} ({typed})")
            self.connection.execute(fills[name], {"count": counts.get(name, 0)})

    @property
    def portal(self) -> Portal:
        """Atlanta's portal, moved to loopback."""
        base = f"http://127.0.0.1:{self.server.server_port}"
        portal = load_city().portal
        assert portal is not None
        moved = {kind: f"{base}/{kind}/FeatureServer/0" for kind in TABLES}
        return portal.model_copy(update=moved)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement on the layers' tables, as the police department would."""
        with self.lock:
            return self.connection.execute(statement).fetchall()

    def read_rows(self, fields: tuple[str, ...], table: str = "incidents") -> list[tuple[str, ...]]:
        """Return what a faithful snapshot holds, in order of the first field, every value as text."""
        texts = [
            f"epoch_ms({f})::VARCHAR" if TABLES[table][f] == "TIMESTAMP" else f"{f}::VARCHAR"
            for f in fields
        ]
        return self.execute(f"SELECT {', '.join(texts)} FROM {table} ORDER BY {fields[0]}")

    def forget(self) -> None:
        """Count requests and pages from here on."""
        self.requests.clear()
        self.agents.clear()
        self.pages = 0

    def wait_for_requests(self, count: int) -> None:
        """Wait until so many requests have come."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, timeout=20)

    def hold_back_after(self, count: int) -> None:
        """Leave requests after so many without an answer until more are allowed."""
        with self.arrived:
            self.last_served = count
            self.arrived.notify_all()

    def note(self, parameters: dict[str, str], agent: str) -> Fault:
        """Take note of a request and return the fault it meets, `none` mostly."""
        with self.arrived:
            self.requests.append(parameters)
            self.agents.append(agent)
            self.arrived.notify_all()
            number = len(self.requests)
            self.arrived.wait_for(lambda: number <= self.last_served, timeout=20)
            return self.faults.popleft() if self.faults else "none"

    def answer(self, table: str, parameters: dict[str, str]) -> dict[str, Any]:
        """Return the answer of a layer in good order."""
        with self.lock:
            try:
                return self.query(table, parameters)
            except duckdb.Error as error:
                return make_error(400, "Cannot perform query.", str(error).splitlines()[0])

    def query(self, table: str, parameters: dict[str, str]) -> dict[str, Any]:
        """Answer `/query`."""
        where = parameters["where"]
        object_id = next(iter(TABLES[table]))
        if parameters.get("returnCountOnly") == "true":
            return {"count": self.execute(f"SELECT count(*) FROM {table} WHERE {where}")[0][0]}
        if parameters.get("returnIdsOnly") == "true":
            ids = [row[0] for row in self.execute(f"SELECT {object_id} FROM {table} WHERE {where}")]
            return {"objectIdFieldName": object_id, "objectIds": ids or None}
        if parameters["f"] == "geojson":
            return self.make_geojson(table, where, parameters)
        return self.make_page(table, where, parameters)

    def make_page(self, table: str, where: str, parameters: dict[str, str]) -> dict[str, Any]:
        """Return a page of rows and whether there are more."""
        self.pages += 1
        self.hooks.pop(self.pages, lambda: None)()
        fields = parameters["outFields"].split(",")
        if unknown := set(fields) - set(TABLES[table]):
            return make_error(400, "Cannot perform query.", f"Invalid field: {unknown}")
        picked = [f"epoch_ms({f})" if TABLES[table][f] == "TIMESTAMP" else f for f in fields]
        limit = min(MAX_RECORD_COUNT, int(parameters["resultRecordCount"]))
        order = parameters["orderByFields"]
        rows = self.execute(
            f"SELECT {', '.join(picked)} FROM {table} WHERE {where} ORDER BY {order} LIMIT {limit + 1}"
        )
        features = [{"attributes": dict(zip(fields, row, strict=True))} for row in rows[:limit]]
        more = {"exceededTransferLimit": True} if len(rows) > limit else {}
        return {"objectIdFieldName": fields[0], "features": features, **more}

    def make_geojson(self, table: str, where: str, parameters: dict[str, str]) -> dict[str, Any]:
        """Return polygons; only in WGS84."""
        assert parameters["outSR"] == "4326"
        fields = parameters["outFields"].split(",")
        rows = self.execute(f"SELECT shape, {', '.join(fields)} FROM {table} WHERE {where}")
        features = [
            {"type": "Feature", "geometry": json.loads(shape),
             "properties": dict(zip(fields, values, strict=True))}
            for shape, *values in rows
        ]  # fmt: skip
        return {"type": "FeatureCollection", "features": features}


class Handler(BaseHTTPRequestHandler):
    """One request: a fault of the script, or the layer's answer."""

    def do_GET(self) -> None:
        """Answer."""
        layer = cast("FeatureLayer", self.server.layer)  # type: ignore[attr-defined]
        address = urlsplit(self.path)
        table = address.path.split("/")[1]
        parameters = dict(parse_qsl(address.query))
        fault = layer.note(parameters, self.headers["User-Agent"])
        time.sleep(layer.slowness)
        if fault.isdigit():
            self.send(b"busy", status=int(fault), headers={"Retry-After": "7"})
        elif fault.startswith("error-"):
            self.send_json(make_error(int(fault.removeprefix("error-")), "Scripted.", "by the test"))
        elif fault == "html":
            self.send(b"<html>maintenance</html>")
        else:
            time.sleep(0.6 if fault == "slow" else 0)
            content = (
                layer.answer(table, parameters) if address.path.endswith("/query") else describe(table)
            )
            self.send_json(content, is_cut=fault == "cut")

    def send_json(self, content: object, *, is_cut: bool = False) -> None:
        """Send JSON in full, or half of it and hang up."""
        self.send(json.dumps(content).encode(), is_cut=is_cut)

    def send(
        self,
        body: bytes,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        is_cut: bool = False,
    ) -> None:
        """Send a body under its full length."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body[: len(body) // 2] if is_cut else body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the reader was killed, or did not wait

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


def make_error(code: int, message: str, detail: str) -> dict[str, Any]:
    """Return an error as ArcGIS tells it: the HTTP status is 200 all the same."""
    return {"error": {"code": code, "message": message, "details": [detail]}}


def describe(table: str) -> dict[str, Any]:
    """Return what a layer says of itself."""
    esri = {"BIGINT": "esriFieldTypeOID", "TIMESTAMP": "esriFieldTypeDate"}
    fields = [
        {"name": name, "alias": name, "type": esri.get(kind, "esriFieldTypeString")}
        for name, kind in TABLES[table].items()
    ]
    return {"name": table, "maxRecordCount": MAX_RECORD_COUNT, "fields": fields}


@contextmanager
def serve_layer(page_rows: int = MAX_RECORD_COUNT, **counts: int) -> Iterator[FeatureLayer]:
    """Serve layers with so many rows each until the block ends, in pages that are asked for here."""
    layer = FeatureLayer(counts)
    thread = threading.Thread(target=layer.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("etl.arcgis.PAGE_ROWS", page_rows)
            patch.setitem(globals(), "MAX_RECORD_COUNT", page_rows)
            yield layer
    finally:
        layer.server.shutdown()
        thread.join()
        layer.server.server_close()
        layer.connection.close()
