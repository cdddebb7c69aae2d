"""`python -m tests.soak --seconds 600`: random requests for minutes; whatever grows or fails shows.

Input: a folder of builds (one of simulated data is made without), seconds, and how much memory may grow.
Output: requests, errors, memory, threads and open files of the worker, told every minute; exit code 1
where a request failed or something grew. What is asked comes from `/openapi.json`: a new route is
taken up by itself.
"""

import argparse
import http.client
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from refresh import Request, refresh
from tests.serve.server import ask, run_logged

CLIENTS = 16
MAX_FILES_GROWTH, MAX_THREADS_GROWTH = 16, 2
WARM_UP_SHARE = 0.4
"""Of the time: libraries are imported, threads start, charts are drawn for the first time."""

BAD = (
    ("GET", "/none", None), ("GET", "/%ff/%00", None), ("GET", "/charts/hourly/Nowhere/1.png", None),
    ("GET", "/charts/hourly/Downtown/13.png", None), ("GET", "/v1/tables/none.json", None),
    ("GET", "/v1/tables/incident.json?_sort=none&_limit=-1", None),
    ("GET", "/average_daily_crime?neighborhood=Downtown&month=1&month=2", None),
    ("GET", "/charts/city/1.png?width=1000000", None), ("GET", "/" + "a" * 9000, None),
    ("POST", "/predict_hourly_crime", b"{"), ("POST", "/predict_hourly_crime", b"\xff" * 100),
    ("POST", "/average_daily_crime", b'{"neighborhood": "Downtwn", "month": 1}'),
    ("POST", "/v1/lookups", b"[" * 100_000), ("POST", "/v1/lookups", b" " * 300_000),
    ("POST", "/v1/sql", b'{"sql": "SELECT 1"}'), ("DELETE", "/livez", None),
)  # fmt: skip


class Asked(NamedTuple):
    """A request, and whether something is wrong with it."""

    method: str
    target: str
    body: bytes | None
    is_bad: bool = False


class Usage(NamedTuple):
    """What the worker uses: memory in MB, threads, open files."""

    memory: float
    threads: int
    files: int


class Requests:
    """Random requests to the routes of a service."""

    def __init__(self, address: str) -> None:
        """Read what routes there are, and the names of places and builds."""
        self.document = json.loads(ask(address, "/openapi.json"))
        places = json.loads(ask(address, "/v1/tables/neighborhood.json?_limit=1000"))
        self.names = [row["neighborhood"] for row in places["rows"]]
        self.build_id = json.loads(ask(address, "/readyz"))["build_id"]
        self.routes = [
            (method.upper(), path, operation)
            for path, operations in self.document["paths"].items()
            for method, operation in operations.items()
            if path != "/v1/sql"
        ]  # fmt: skip

    def draw(self, chance: random.Random) -> Asked:
        """Return a request: every tenth has something wrong, half of the others are lookups."""
        if chance.random() < 0.1:
            method, path, body = chance.choice(BAD)
            return Asked(method, path, body, is_bad=True)
        if chance.random() < 0.5:
            asked = {"neighborhood": chance.choice(self.names), "month": chance.randint(1, 12)}
            route = chance.choice(["/predict_hourly_crime", "/average_daily_crime"])
            return Asked("POST", route, json.dumps(asked).encode())
        method, path, operation = chance.choice(self.routes)
        query = []
        for parameter in operation.get("parameters", []):
            name, is_path = parameter["name"], parameter["in"] == "path"
            value = self.draw_value(name, parameter["schema"], chance)
            if is_path:
                path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
            elif parameter.get("required") or (value is not None and chance.random() < 0.2):
                query.append((name, value))
        target = path + ("?" + urlencode(query) if query else "")
        return Asked(method, target, self.find_body(operation))

    def draw_value(self, name: str, schema: dict[str, Any], chance: random.Random) -> Any:  # noqa: ANN401
        """Return a value of a parameter; none where the document tells too little."""
        if name == "neighborhood":
            return chance.choice(self.names)
        if name == "build_id":
            return self.build_id
        if name == "month":
            return chance.randint(1, 12)
        if "enum" in schema:
            return chance.choice(schema["enum"])
        return schema.get("example", schema.get("default"))

    def find_body(self, operation: dict[str, Any]) -> bytes | None:
        """Return the example of a body."""
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            return None
        model = content["schema"]["$ref"].rpartition("/")[2]
        return json.dumps(self.document["components"]["schemas"][model]["example"]).encode()


class Client(threading.Thread):
    """One connection that asks until it is told to stop."""

    def __init__(self, address: str, requests: Requests, seed: int, stop: threading.Event) -> None:
        """Keep what it needs."""
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        self.requests, self.chance, self.stop = requests, random.Random(seed), stop  # noqa: S311
        self.counts: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.tags: dict[str, str] = {}

    def run(self) -> None:
        """Ask; some requests say which answer they have."""
        while not self.stop.is_set():
            asked = self.requests.draw(self.chance)
            try:
                self.ask(asked)
            except (OSError, http.client.HTTPException) as error:
                self.errors[f"{asked.method} {asked.target[:80]}: {error!r}"] += 1
                self.connection.close()
        self.connection.close()

    def ask(self, asked: Asked) -> None:
        """Send a request and judge its answer."""
        tag = self.tags.get(asked.target) if asked.method == "GET" else None
        headers = {"If-None-Match": tag} if tag and self.chance.random() < 0.5 else {}
        self.connection.request(asked.method, asked.target, asked.body, headers)
        answer = self.connection.getresponse()
        answer.read()
        status = answer.status
        self.counts[status] += 1
        if tag := answer.getheader("ETag"):
            self.tags[asked.target] = tag
        is_full = status == 503 and answer.getheader("Retry-After")
        if not is_full and (status >= 500 or (status >= 400) != asked.is_bad):
            self.errors[f"{asked.method} {asked.target[:120]}: {status}"] += 1


def soak(
    builds: Path, seconds: float, growth: float, tell: Callable[[str], object] = print
) -> list[str]:
    """Ask for so many seconds; return what went wrong: failed requests, and what grew after a warm-up.

    `growth` is how many MB of memory may come after the warm-up.
    """
    stop = threading.Event()
    with run_logged(builds) as (address, _):
        requests, worker = Requests(address), find_worker(address)
        clients = [Client(address, requests, seed, stop) for seed in range(CLIENTS)]
        for client in clients:
            client.start()
        warm, last = watch(worker, clients, seconds, tell)
        stop.set()
        for client in clients:
            client.join(timeout=60)
    errors = sum((client.errors for client in clients), Counter())
    limits = Usage(growth, MAX_THREADS_GROWTH, MAX_FILES_GROWTH)
    grown = [
        f"{name} grew from {before:.0f} to {after:.0f}"
        for name, before, after, limit in zip(Usage._fields, warm, last, limits, strict=True)
        if after > before + limit
    ]
    return [f"{count} x {error}" for error, count in errors.most_common(20)] + grown


def watch(
    worker: int, clients: list[Client], seconds: float, tell: Callable[[str], object]
) -> tuple[Usage, Usage]:
    """Tell every minute how it goes; return what the worker uses after the warm-up and at the end."""
    began = time.monotonic()
    warm, next_told = None, 60.0
    while (passed := time.monotonic() - began) < seconds:
        time.sleep(0.5)
        if warm is None and passed > WARM_UP_SHARE * seconds:
            warm = read_usage(worker)
            tell(f"warm after {passed:.0f} s: {describe(worker, clients)}")
        if passed > next_told:
            next_told += 60
            tell(f"{passed:.0f} s: {describe(worker, clients)}")
    tell(f"end after {seconds:.0f} s: {describe(worker, clients)}")
    return warm or read_usage(worker), read_usage(worker)


def describe(worker: int, clients: list[Client]) -> str:
    """Return requests by status, errors, and what the worker uses."""
    counts = sum((client.counts for client in clients), Counter())
    errors = sum(client.errors.total() for client in clients)
    usage = read_usage(worker)
    return (
        f"{counts.total():,} requests {dict(sorted(counts.items()))}, {errors} errors, "
        f"{usage.memory:.0f} MB, {usage.threads} threads, {usage.files} files"
    )


def find_worker(address: str) -> int:
    """Return the process that answers: the one that listens."""
    port = int(address.rpartition(":")[2])
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    inode = next(f[9] for f in map(str.split, lines) if f[3] == "0A" and f[1].endswith(f":{port:04X}"))
    for path in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(path.readlink()) == f"socket:[{inode}]":
                return int(path.parts[2])
        except OSError:  # it has ended, or closed the file
            continue
    raise LookupError(f"nobody listens on port {port}")


def read_usage(worker: int) -> Usage:
    """Return what a process uses."""
    folder = Path(f"/proc/{worker}")
    status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines())
    files = len(list((folder / "fd").iterdir()))
    return Usage(int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), files)


def main() -> int:
    """Soak as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--growth", type=float, default=40, help="MB that may come after the warm-up")
    parser.add_argument("--builds", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        builds = options.builds or Path(folder, "builds")
        if options.builds is None:
            refresh(Request("simulated", builds, sample_incidents=5000))
        mistakes = soak(builds, options.seconds, options.growth, lambda line: print(line, flush=True))
    for mistake in mistakes:
        print(mistake)
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
