"""The cities of a fleet, served by one process: each opened when it is first asked for.

Input: a folder with a folder of builds for each city. Output: the `CurrentBuild` of the city that an
address names, `/v1/cities/<city>/…`, behind which addresses are those of a single city; `/v1/cities`.
Those that nobody asked for the longest are closed where all would take too much memory.
"""

import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from flask import Response, current_app
from pydantic import BaseModel, Field
from werkzeug.exceptions import NotFound

from serve.current_build import CITIES, CITY, CurrentBuild, keep_following
from serve.openapi import answer_with, make_blueprint
from serve.parameters import Parameters, checked
from serve.tables import send_json
from warehouse.errors import NoBuildError
from warehouse.pointer import read_pointer

ADDRESS = re.compile(r"(/v1/cities/([a-z0-9][a-z0-9_-]{0,62}))(/.*)?")

CITY_BYTES = 2**19
"""What an open city takes beside its answers."""

MAX_ENGINES = 4
"""Cities whose files are open at a time, some 6 MB each; lookups need none."""

blueprint = make_blueprint(
    "cities", __name__, "The cities that are served, where several are.", "/v1/cities"
)


class Cities:
    """The cities of a folder; safe to use from several threads."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        """Open none yet."""
        self.folder, self.limit = folder, megabytes * 2**20
        self.open: OrderedDict[str, CurrentBuild] = OrderedDict()
        self.engines: OrderedDict[str, CurrentBuild] = OrderedDict()
        self._lock, self._opening = threading.Lock(), threading.Lock()
        keep_following(self)

    def list_names(self) -> list[str]:
        """Return the cities that have a folder of builds with a pointer, and an address, in order."""
        names = (path.parent.name for path in self.folder.glob("*/current.json"))
        return sorted(name for name in names if ADDRESS.fullmatch(f"/v1/cities/{name}"))

    def find_open(self, name: str) -> CurrentBuild | None:
        """Return a city that is open."""
        with self._lock:
            if name in self.open:
                self.open.move_to_end(name)
            return self.open.get(name)

    def find_problem(self, name: str) -> str | None:
        """Return why the published build of a city that is open cannot be served; None for others."""
        with self._lock:
            current = self.open.get(name)
        return current.reload_error if current else None

    def find(self, name: str) -> CurrentBuild:
        """Return a city whose tables are to be read, opened now if it is not open.

        Raises `NotFound` where there is none.
        """
        current = self.find_open(name)
        if current is None:
            with self._opening:  # one at a time: opening takes more memory than an open build
                current = self.find_open(name) or self._open(name)
        with self._lock:
            self.engines[name] = current
            self.engines.move_to_end(name)
            closed = [self.engines.popitem(last=False)[1]] if len(self.engines) > MAX_ENGINES else []
        for other in closed:
            if served := other.get():
                served.engine.dispose()  # who still reads goes on, and whoever reads next opens it again
        return current

    def _open(self, name: str) -> CurrentBuild:
        """Open a city, and close others for it where they take too much together.

        Those that requests still read close behind them.
        """
        if not (self.folder / name / "current.json").exists():
            raise NotFound(f"no city {name!r}: /v1/cities lists them")
        current = CurrentBuild(self.folder / name, packs=True)
        with self._lock:
            self.open[name] = current
            taken = sum(map(measure, self.open.values()))
            while taken > self.limit and len(self.open) > 1:
                closed, other = self.open.popitem(last=False)
                self.engines.pop(closed, None)
                taken -= measure(other)
        return current

    def follow(self) -> None:
        """Let every open city serve what its pointer names now; close those that are gone."""
        with self._lock:
            followed = list(self.open.items())
        for name, current in followed:
            if (self.folder / name / "current.json").exists():
                current.follow()
                continue
            with self._lock:
                self.open.pop(name, None)
                self.engines.pop(name, None)


def measure(current: CurrentBuild) -> int:
    """Return about how many bytes an open city takes."""
    served = current.get()
    if served is None:
        return CITY_BYTES
    return CITY_BYTES + served.answers.size


def enter_city(environ: dict[str, Any]) -> None:
    """Take the city out of a request's address: what follows is an address of that city."""
    found = ADDRESS.fullmatch(environ["PATH_INFO"]) if CITY not in environ else None
    if found:
        environ[CITY] = found[2]
        environ["SCRIPT_NAME"] += found[1]
        environ["PATH_INFO"] = found[3] or "/"


class CityFacts(BaseModel):
    """A city that is served, and its published build; of one that cannot be read, why."""

    city: str = Field(description="Its name in addresses: `/v1/cities/<city>/…`.")
    build_id: str | None = None
    cutoff: str | None = Field(default=None, description="Last observed day.")
    source: str | None = None
    is_synthetic: bool | None = None
    problem: str | None = Field(
        description="Why its published build cannot be served, as far as is known: a file is read when "
        "the city is first asked for."
    )


class CitiesAnswer(BaseModel):
    """The cities that are served, by name."""

    cities: list[CityFacts]


@blueprint.get("", responses=answer_with(CitiesAnswer))
@checked
def list_cities(query: Parameters) -> Response:
    """Answer which cities are served.

    There are none where the service has the builds of a single city.
    """
    return send_json(CitiesAnswer(cities=list_facts()).model_dump())


def list_facts() -> list[CityFacts]:
    """Return the cities of this service, those too whose build cannot be served."""
    cities: Cities | None = current_app.extensions.get(CITIES)
    facts: list[CityFacts] = []
    if cities is None:
        return facts
    for name in cities.list_names():
        try:
            published = read_pointer(cities.folder / name)
        except (NoBuildError, OSError) as error:
            facts.append(CityFacts(city=name, problem=str(error).replace(f"{cities.folder}/", "")))
        else:
            told = {"city": name, "problem": cities.find_problem(name), **vars(published)}
            facts.append(CityFacts.model_validate(told))
    return facts
