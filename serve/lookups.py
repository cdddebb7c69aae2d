"""The two lookups that existing clients call.

Input: `{"neighborhood", "month"}` in JSON. Output: the prepared bytes of the current build.
"""

from flask import Blueprint, Response

from serve.current_build import take_build
from serve.parameters import parse_body

JSON = "application/json"

blueprint = Blueprint("lookups", __name__)


@blueprint.post("/predict_hourly_crime")
def predict_hourly_crime() -> Response:
    """Answer 24 hours of a neighborhood and month."""
    answers = take_build().answers
    return Response(answers.hourly[parse_body(answers)], mimetype=JSON)


@blueprint.post("/average_daily_crime")
def average_daily_crime() -> Response:
    """Answer the average day of a neighborhood and month."""
    answers = take_build().answers
    return Response(answers.daily[parse_body(answers)], mimetype=JSON)
