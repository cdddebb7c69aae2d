"""Health: whether the process answers, and which build it serves.

Input: the current build. Output: `/livez` and `/readyz`, with every field they have.
"""

from flask import Blueprint, Response, jsonify

from serve.current_build import find_current_build

blueprint = Blueprint("health", __name__)


@blueprint.get("/livez")
def livez() -> Response:
    """Answer that the process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Answer which build is served; a newer one that cannot be loaded is named.

    A blend weight of 0 says that the forest is silent: it was not seen to help.
    """
    current = find_current_build()
    served = current.get()
    published, weights = served.published, served.answers.blend_weights
    return jsonify(
        status="ok" if current.reload_error is None else "stale",
        build_id=published.build_id,
        cutoff=published.cutoff,
        source=published.source,
        is_synthetic=published.is_synthetic,
        volume_blend_weight=weights.volume,
        patrol_blend_weight=weights.patrol,
        cleaning=published.cleaning,
        reload_error=current.reload_error,
    )
