"""Health: whether the process answers, which build it serves, and how it does.

Input: the current build, and what the application counts. Output: `/livez`, `/readyz`, `/metrics`.
"""

import datetime as dt
from typing import Any

from flask import Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from serve.cities import list_facts
from serve.current_build import ServedBuild, find_current_build, names_no_city
from serve.metrics import BUILD_AGE, CUTOFF_AGE, REGISTRY, RELOAD_FAILED
from serve.openapi import answer_with, make_blueprint

blueprint = make_blueprint(
    "health", __name__, "Whether the service answers, from which build, and how it does."
)

UNAVAILABLE = 503


class Alive(BaseModel):
    """The process answers."""

    status: str


class Ready(BaseModel):
    """Which build is served. `unavailable`: there is none.

    `stale`: a newer one cannot be loaded, or that of a city, where several are served.
    A blend weight of 0 says that the forest is silent: it was not seen to help.
    """

    status: str = Field(description="ok, stale or unavailable")
    build_id: str | None
    cutoff: str | None
    source: str | None
    is_synthetic: bool | None
    cleaning: str | None
    volume_blend_weight: float | None
    patrol_blend_weight: float | None
    reload_error: str | None = Field(description="Why the published build cannot be served.")
    link_error: str | None = Field(description="Where `current.duckdb` leads, if not to that build.")


NO_BUILD: dict[str, Any] = {name: None for name in Ready.model_fields if name != "status"}


@blueprint.get("/livez", responses={"200": Alive}, openapi_extensions={"security": []})
def livez() -> Response:
    """Answer that the process answers.

    It needs no key and no build.
    """
    return jsonify(status="ok")


@blueprint.get("/readyz", responses={"200": Ready, "503": Ready}, openapi_extensions={"security": []})
def readyz() -> Response:
    """Answer which build is served.

    It needs no key. A newer build that cannot be loaded is named; without any the status is 503. A
    service of many cities is ready where one can be served, and `stale` where another cannot;
    `/v1/cities/<city>/readyz` tells of each.
    """
    if names_no_city():
        problems = [one.problem for one in list_facts()]
        troubled = len(list(filter(None, problems)))
        facts = NO_BUILD | {"status": "ok" if problems else "unavailable"}
        if troubled:
            told = f"{troubled} of {len(problems)} cities: /v1/cities says why"
            status = "stale" if troubled < len(problems) else "unavailable"
            facts |= {"status": status, "reload_error": told}
        response = jsonify(Ready(**facts).model_dump())
        response.status_code = UNAVAILABLE if facts["status"] == "unavailable" else 200
        return response
    current = find_current_build()
    served, error = current.get(), current.reload_error
    ready = Ready(
        status="unavailable" if served is None else "ok" if error is None else "stale",
        reload_error=error,
        link_error=current.link_error,
        **describe_build(served),
    )
    response = jsonify(ready.model_dump())
    response.status_code = UNAVAILABLE if served is None else 200
    return response


def describe_build(served: ServedBuild | None) -> dict[str, Any]:
    """Return the fields of a build; none of them is known without one."""
    names = ("build_id", "cutoff", "source", "is_synthetic", "cleaning")
    weights = ("volume", "patrol")
    if served is None:
        return dict.fromkeys([*names, *(f"{name}_blend_weight" for name in weights)])
    fields = {name: getattr(served.published, name) for name in names}
    blend = served.answers.blend_weights
    return {**fields, **{f"{name}_blend_weight": getattr(blend, name) for name in weights}}


@blueprint.get("/metrics", responses=answer_with("text/plain"))
def metrics() -> Response:
    """Answer requests, latencies, the age of the build and of its cutoff, whether a reload failed.

    In the text format of Prometheus.
    """
    if names_no_city():
        return Response(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)
    current = find_current_build()
    served = current.get()
    RELOAD_FAILED.set(current.reload_error is not None)
    if served is not None:
        now = dt.datetime.now(dt.UTC)
        created = dt.datetime.fromisoformat(served.published.created_at)
        BUILD_AGE.set((now - created).total_seconds())
        cutoff = dt.datetime.fromisoformat(served.published.cutoff).replace(tzinfo=dt.UTC)
        CUTOFF_AGE.set((now - cutoff).total_seconds())
    return Response(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)
