"""Many cities in one service: the same answers as of each alone, in bounded memory."""

import logging
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from serve.app import Service, create_app
from serve.cities import CITY_BYTES, Cities, measure
from serve.current_build import CITIES, CurrentBuild
from serve.log import FIELDS
from tests.serve.client import make_client
from warehouse.operation import Operation
from warehouse.pointer import read_pointer
from warehouse.read import connect_published


@pytest.fixture
def fleet(few_places: Path, daily: Path, tmp_path: Path) -> Path:
    """A folder of two cities, one without a build, one with a damaged pointer, one that is no city."""
    folder = tmp_path / "fleet"
    shutil.copytree(few_places, folder / "few", symlinks=True)
    shutil.copytree(daily, folder / "daily", symlinks=True)
    (folder / "none").mkdir()
    for name in ("broken", "Boston"):
        (folder / name).mkdir()
    (folder / "Boston" / "current.json").write_text("{}")  # of no address
    (folder / "broken" / "current.json").write_text("{}")
    return folder


def serve_fleet(folder: Path, api_keys: tuple[str, ...] = ()) -> Service:
    """Return a service of a fleet."""
    return create_app(Operation(serve_fleet=True, fleet_builds=folder, api_keys=api_keys))


@pytest.fixture
def client(fleet: Path) -> FlaskClient:
    """A client of a service of both cities."""
    return make_client(serve_fleet(fleet))


def read_json(client: FlaskClient, address: str) -> dict[str, Any]:
    """Return an answer in JSON."""
    return dict(client.get(address).get_json())


def find_place(builds: Path) -> str:
    """Return a neighborhood of a build."""
    with connect_published(builds) as (_, connection):
        [[place]] = connection.execute("SELECT min(neighborhood) FROM forecast_hourly").fetchall()
    return str(place)


ADDRESSES = (
    "/v1/forecast?neighborhood=Downtown&month=1", "/predict_hourly_crime?neighborhood=Downtown&month=1",
    "/v1/tables/average_daily.csv?month=7&_limit=3", "/v1/tables/average_daily.json?month=7&_limit=3",
    "/v1/tables/forecast_city.parquet", "/charts/hourly/Downtown/7.json",
    "/charts/hourly/Downtown/7.png", "/charts/hourly/Downtown/99.png", "/v1/queries",
    "/v1/builds", "/readyz", "/nowhere",
)  # fmt: skip


@pytest.mark.parametrize("name", ["few", "daily"])
def test_city_answers_as_it_does_alone(client: FlaskClient, fleet: Path, name: str) -> None:
    alone = make_client(create_app(fleet / name))
    place = find_place(fleet / name)
    for address in (one.replace("Downtown", quote(place)) for one in ADDRESSES):
        for _ in range(2):  # the second time a chart is found where it was kept
            expected, found = alone.get(address), client.get(f"/v1/cities/{name}{address}")
            assert found.status_code == expected.status_code, address
            if expected.mimetype != "application/problem+json":
                assert found.data == expected.data.replace(
                    b'"/v1/', f'"/v1/cities/{name}/v1/'.encode()
                ), address
            for header in ("X-Build-ID", "ETag", "Cache-Control", "Content-Type"):
                assert found.headers.get(header) == expected.headers.get(header), (address, header)
    tag = client.get(f"/v1/cities/{name}/readyz").headers.get("ETag")
    assert client.get(f"/v1/cities/{name}/v1/tables", headers={"If-None-Match": "*"}).status_code == 304
    assert tag == alone.get("/readyz").headers.get("ETag")


def test_posts_pins_and_pages_of_a_city(client: FlaskClient, fleet: Path) -> None:
    asked = {"neighborhood": find_place(fleet / "few"), "month": 1}
    found = client.post("/v1/cities/few/predict_hourly_crime", json=asked)
    assert (
        found.data
        == make_client(create_app(fleet / "few")).post("/predict_hourly_crime", json=asked).data
    )
    build = read_pointer(fleet / "few").build_id
    pinned = client.get(f"/v1/cities/few/v1/builds/{build}/v1/tables/forecast_city.csv")
    assert pinned.headers["Cache-Control"].endswith("immutable")
    other = read_pointer(fleet / "daily").build_id
    assert client.get(f"/v1/cities/few/v1/builds/{other}/v1/tables/forecast_city.csv").status_code == 404
    page = client.get("/v1/cities/few/", headers={"Accept": "text/html"}).text
    assert client.get("/v1/cities/few").text == page
    assert "ATLShield · few" in page
    assert 'href="/v1/cities/few/neighborhoods' in page
    assert 'href="/neighborhoods' not in page
    assert client.get("/v1/cities/few/assets/style.css").status_code == 200
    assert read_json(client, "/v1/cities/few/openapi.json")["info"]["title"] == "ATLShield"


def test_cities_are_listed_and_without_one_there_is_nothing(client: FlaskClient, fleet: Path) -> None:
    listed = read_json(client, "/v1/cities")["cities"]
    assert [(one["city"], one["build_id"]) for one in listed if not one["problem"]] == [
        (name, read_pointer(fleet / name).build_id) for name in ("daily", "few")
    ]
    page = client.get("/")
    assert 'href="/v1/cities/few/"' in page.text
    for address in re.findall(r'(?:href|src)="(/[^"]*)"', page.text):
        assert client.get(address).status_code == 200, address
    assert client.get("/assets/style.css").status_code == 200
    for address in ("/v1/forecast?neighborhood=Downtown&month=1", "/v1/tables", "/data", "/v1/builds"):
        refused = client.get(address)
        assert refused.status_code == 404
        assert "/v1/cities lists them" in refused.text
    for name in ("none", "nowhere", "FEW", "..", "few%2F..", "%2e%2e"):
        assert client.get(f"/v1/cities/{name}/v1/tables").status_code == 404, name
    assert client.get("/v1/cities/broken/v1/tables/forecast_city.csv").status_code == 503
    assert client.get("/v1/cities/few/v1/cities/few/v1/tables").status_code == 404
    assert client.get("/metrics").status_code == 200
    assert client.get("/openapi.json").status_code == 200
    shutil.rmtree(fleet / "few")
    shutil.rmtree(fleet / "daily")
    assert client.get("/readyz").status_code == 503
    shutil.rmtree(fleet / "broken")
    assert client.get("/readyz").status_code == 503
    assert "No city has a published build" in client.get("/").text


def test_city_that_cannot_be_served_is_listed_with_the_reason(client: FlaskClient, fleet: Path) -> None:
    [broken] = [one for one in read_json(client, "/v1/cities")["cities"] if one["problem"]]
    assert (broken["city"], broken["build_id"]) == ("broken", None)
    assert broken["problem"].startswith("broken/current.json is not a pointer to a build")
    assert "Cannot be served" in client.get("/").text
    told = read_json(client, "/readyz")
    assert (told["status"], told["reload_error"]) == ("stale", "1 of 3 cities: /v1/cities says why")
    shutil.rmtree(fleet / "broken")
    few = fleet / "few" / read_pointer(fleet / "few").file
    few.write_bytes(few.read_bytes()[: 2**20])
    assert read_json(client, "/readyz")["status"] == "ok", "nobody has read the file yet"
    assert client.get("/v1/cities/few/v1/tables/forecast_city.csv").status_code == 503
    [damaged] = [one for one in read_json(client, "/v1/cities")["cities"] if one["problem"]]
    assert damaged["city"] == "few"
    assert few.name in damaged["problem"]
    assert read_json(client, "/readyz")["status"] == "stale"


def test_single_city_has_none(client: FlaskClient, few_places: Path) -> None:
    alone = make_client(create_app(few_places))
    assert alone.get("/v1/cities").json == {"cities": []}
    assert alone.get("/v1/cities/few/v1/tables").status_code == 404


def test_keys_guard_every_city(fleet: Path) -> None:
    client = make_client(serve_fleet(fleet, api_keys=("k" * 16,)))
    address = "/v1/cities/daily/predict_hourly_crime?neighborhood=Downtown&month=1"
    for found in ("/v1/cities", "/", address, "/v1/cities/nowhere/v1/tables"):
        assert client.get(found).status_code == 401
    key = {"Authorization": f"Bearer {'k' * 16}"}
    assert [client.get(address, headers=key).status_code for _ in range(2)] == [200, 200]
    assert client.get(address).status_code == 401
    assert client.get("/v1/cities/few/readyz").status_code == 401
    assert client.get("/readyz").status_code == 200


def test_those_asked_for_the_longest_ago_are_closed(fleet: Path) -> None:
    few = measure(CurrentBuild(fleet / "few", packs=True))
    assert measure(CurrentBuild(fleet / "few")) - CITY_BYTES > 4 * (few - CITY_BYTES) > 200_000
    for name in ("more", "most"):
        shutil.copytree(fleet / "few", fleet / name, symlinks=True)
    cities = Cities(fleet, 1)
    cities.limit = int(2.5 * few)
    first = cities.find("few")
    cities.find("more")
    assert cities.find("few") is first
    cities.follow()  # which asks for none
    cities.find("most")
    assert cities.find_open("more") is None
    assert cities.find_open("few") is first
    tiny = Cities(fleet, 1)  # one is always open, whatever it takes
    assert tiny.find("few") is tiny.find("few")
    assert tiny.find("daily") is tiny.find("daily")
    assert len(tiny.open) == 1


def test_few_files_are_open_at_a_time(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.cities.MAX_ENGINES", 1)
    app = serve_fleet(fleet)
    client = make_client(app)
    cities: Cities = app.extensions[CITIES]
    opened = {}
    for name in ("few", "daily", "few"):
        answer = client.get(f"/v1/cities/{name}/v1/tables/forecast_city.csv")
        assert answer.status_code == 200
        served = cities.find_open(name)
        assert served is not None
        opened[name] = served.get()
        assert list(cities.engines) == [name]
        idle = {city: build.engine.pool.checkedin() for city, build in opened.items() if build}  # type: ignore[attr-defined]
        assert idle == {**dict.fromkeys(opened, 0), name: 1}
    assert (
        client.get("/v1/cities/daily/predict_hourly_crime?neighborhood=Downtown&month=4").status_code
        == 200
    )
    assert list(cities.engines) == ["few"]


def test_city_is_opened_once_whoever_asks(fleet: Path) -> None:
    cities = Cities(fleet, 150)
    gate = threading.Barrier(8)

    def find(_: int) -> CurrentBuild:
        gate.wait()
        return cities.find("few")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(id, pool.map(find, range(8))))) == 1


def test_open_cities_follow_their_pointers(fleet: Path, few_places: Path) -> None:
    app = serve_fleet(fleet)
    client = make_client(app)
    before = read_json(client, "/v1/cities/daily/readyz")["build_id"]
    shutil.rmtree(fleet / "daily")
    shutil.copytree(few_places, fleet / "daily", symlinks=True)
    app.extensions[CITIES].follow()
    after = read_json(client, "/v1/cities/daily/readyz")["build_id"]
    assert (before, after) != (after, before)
    assert after == read_pointer(few_places).build_id


def test_city_that_is_gone_is_closed(fleet: Path) -> None:
    app = serve_fleet(fleet)
    client = make_client(app)
    address = "/v1/cities/daily/predict_hourly_crime?neighborhood=Downtown&month=4"
    assert client.get(address).status_code == 200
    (fleet / "daily").rename(fleet.parent / "daily")
    app.extensions[CITIES].follow()
    assert client.get(address).status_code == 404


def test_log_says_which_city(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        client.get("/v1/cities/few/v1/nowhere")
    assert [vars(record)[FIELDS]["path"] for record in caplog.records] == ["/v1/cities/few/v1/nowhere"]
