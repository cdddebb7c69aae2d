"""Publishing under load: no request fails, no answer mixes two builds, nothing stays of the old ones."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.serve.builds import copy_builds, publish_changed, wait_until
from tests.serve.server import ask, run_logged
from tests.soak import find_worker, read_usage
from warehouse.pointer import read_pointer

pytestmark = [pytest.mark.server, pytest.mark.slow]

RecordProperty = Callable[[str, object], None]

CLIENTS, PUBLISHES = 32, 30
MAX_GROWTH_MB = 40
MAX_SECONDS = 10.0
"""From a publish to the first answer of its build; some 1 s on a machine with nothing else to do."""

PLACES = ["Downtown", "Midtown", "West End"]


def publish_number(builds: Path, number: int) -> None:
    """Publish a build whose every forecast is its number, and delete those long before."""
    publish_changed(
        builds, f"load-{number}",
        f"UPDATE mart_forecast_hourly SET expected_crimes = {number}",
        f"UPDATE average_daily SET expected_daily_crimes = {number}",
        "CHECKPOINT",
    )  # fmt: skip
    (builds / f"warehouse-load-{number - 3}.duckdb").unlink(missing_ok=True)


def read_number(build_id: str) -> int:
    """Return the number of a build."""
    return int(build_id.removeprefix("load-"))


class Asker(threading.Thread):
    """A connection that asks until it is stopped; what is wrong with an answer is kept."""

    def __init__(self, address: str, seed: int, stop: threading.Event) -> None:
        """Keep what it needs."""
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        self.chance, self.stop = random.Random(seed), stop  # noqa: S311
        self.mistakes: list[str] = []
        self.counts: Counter[str] = Counter()
        self.seconds: list[tuple[float, float]] = []
        """When a lookup was asked, and how long it took."""

    def run(self) -> None:
        """Ask."""
        kinds = [self.look_up, self.look_up, self.look_up_many, self.look_up_day, self.check_health]
        while not self.stop.is_set():
            ask_one = self.draw_chart if self.chance.random() < 0.01 else self.chance.choice(kinds)
            try:
                ask_one()
                self.counts[ask_one.__name__] += 1
            except Exception as error:
                self.mistakes.append(f"{ask_one.__name__}: {error!r:.300}")
                self.connection.close()
        self.connection.close()

    def send(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Return the number of the build that an answer names, and the answer; it must be a 200."""
        data = None if body is None else json.dumps(body)
        self.connection.request(method, path, data)
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status == 200, (answer.status, content[:200])
        build_id = answer.headers["X-Build-ID"] or json.loads(content)["build_id"]
        assert answer.headers.get("ETag", f'"{build_id}-').startswith(f'"{build_id}-')
        return read_number(build_id), content

    def look_up(self) -> None:
        """Ask for 24 hours."""
        asked = {"neighborhood": self.chance.choice(PLACES), "month": self.chance.randint(1, 12)}
        began = time.monotonic()
        number, content = self.send("POST", "/predict_hourly_crime", asked)
        self.seconds.append((began, time.monotonic() - began))
        assert {hour["predicted_crimes"] for hour in json.loads(content)} == {number}

    def look_up_day(self) -> None:
        """Ask for an average day, by GET: it has an ETag."""
        place, month = self.chance.choice(PLACES), self.chance.randint(1, 12)
        number, content = self.send(
            "GET", f"/average_daily_crime?neighborhood={quote(place)}&month={month}"
        )
        assert json.loads(content)["expected_daily_crimes"] == number

    def look_up_many(self) -> None:
        """Ask for many at once: days and hours."""
        lookups: list[dict[str, object]] = [{"neighborhood": p, "month": 7} for p in PLACES]
        lookups += [{**lookup, "hour": hour} for lookup in lookups for hour in range(24)]
        number, content = self.send("POST", "/v1/lookups", {"lookups": lookups})
        answer = json.loads(content)
        assert read_number(answer["build_id"]) == number
        days, hours = answer["results"][: len(PLACES)], answer["results"][len(PLACES) :]
        assert {day["expected_daily_crimes"] for day in days} == {number}
        assert {hour["predicted_crimes"] for hour in hours} == {number}

    def draw_chart(self) -> None:
        """Ask for a chart, which a cache might have kept of another build."""
        month = self.chance.randint(1, 12)
        number, content = self.send("GET", f"/charts/hourly/Downtown/{month}.json")
        assert json.loads(content)["build_id"] == f"load-{number}"

    def check_health(self) -> None:
        """Ask whether it is ready."""
        self.send("GET", "/readyz")


def test_publishes_under_load_fail_and_mix_nothing(
    published: Path, tmp_path: Path, record_property: RecordProperty
) -> None:
    builds = copy_builds(published, tmp_path)
    first = builds / read_pointer(builds).file
    publish_number(builds, 0)
    first.unlink()
    stop, delays, memory = threading.Event(), [], {}
    publishing: list[tuple[float, float]] = []
    with run_logged(builds) as (address, _):
        worker = find_worker(address)
        askers = [Asker(address, seed, stop) for seed in range(CLIENTS)]
        for asker in askers:
            asker.start()
        for number in range(1, PUBLISHES + 1):
            publish_number(builds, number)
            began = time.monotonic()
            wait_until(partial(is_served, address, number), 60)
            delays.append(time.monotonic() - began)
            publishing.append((began, time.monotonic()))
            time.sleep(0.5)
            memory[number] = read_usage(worker).memory
        wait_until(lambda: list_open(worker, builds) == [f"warehouse-load-{PUBLISHES}.duckdb"])
        stop.set()
        for asker in askers:
            asker.join(timeout=60)
    assert Counter(mistake for asker in askers for mistake in asker.mistakes) == Counter()
    assert min(sum((asker.counts for asker in askers), Counter()).values()) > 0
    tell(askers, delays, publishing, memory, record_property)
    assert max(delays) < MAX_SECONDS
    assert memory[PUBLISHES] < memory[10] + MAX_GROWTH_MB


def is_served(address: str, number: int) -> bool:
    """Return whether a build is served."""
    return bool(json.loads(ask(address, "/readyz"))["build_id"] == f"load-{number}")


def list_open(worker: int, builds: Path) -> list[str]:
    """Return the builds that a process has open."""
    paths = []
    for descriptor in Path(f"/proc/{worker}/fd").iterdir():
        try:
            paths.append(str(descriptor.readlink()).removesuffix(" (deleted)"))
        except FileNotFoundError:  # closed meanwhile
            continue
    return sorted({Path(path).name for path in paths if Path(path).parent == builds})


def tell(
    askers: list[Asker], delays: list[float], publishing: list[tuple[float, float]],
    memory: dict[int, float], record_property: RecordProperty,
) -> None:  # fmt: skip
    """Record what was measured; `--junitxml` shows it, `-s` too."""
    taken = [pair for asker in askers for pair in asker.seconds]
    during = [s for at, s in taken if any(begun <= at <= end for begun, end in publishing)]
    quiet = [s for at, s in taken if not any(begun <= at <= end for begun, end in publishing)]
    figures = {
        "requests": sum(asker.counts.total() for asker in askers),
        "seconds until served": f"median {sorted(delays)[len(delays) // 2]:.2f}, max {max(delays):.2f}",
        "lookup p99 while loading, s": find_p99(during),
        "lookup p99 otherwise, s": find_p99(quiet),
        "memory after 10 and 30 publishes, MB": f"{memory[10]:.0f}, {memory[PUBLISHES]:.0f}",
    }
    for name, value in figures.items():
        record_property(name, value)
        print(f"{name}: {value}")


def find_p99(seconds: list[float]) -> float:
    """Return the 99th percentile."""
    return round(sorted(seconds)[int(0.99 * len(seconds))], 3) if seconds else 0.0
