"""What a request asks for, checked.

Input: the body of a request, or a part of its path. Output: a neighborhood's own spelling, a month.
"""

from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest

from serve.answers import Answers
from warehouse.months import MONTHS

MAX_ECHO = 100
"""Characters of a wrong value that an error repeats."""


def parse_body(answers: Answers) -> tuple[str, int]:
    """Return neighborhood and month of a lookup's JSON body.

    Raises `BadRequest` naming the field, what was expected and what was found, and
    `UnknownNeighborhoodError`.
    """
    try:
        body: Any = request.get_json(force=True, silent=True)
    except RecursionError:  # brackets in brackets, by the thousand
        body = None
    if not isinstance(body, dict):
        raise BadRequest('expected a JSON object like {"neighborhood": "Downtown", "month": 1}')
    for field in ("neighborhood", "month"):
        if field not in body:
            raise BadRequest(f"missing field {field!r}")
    name = body["neighborhood"]
    if not isinstance(name, str):
        raise BadRequest(f"neighborhood: expected text, found {name!r:.{MAX_ECHO}}")
    return answers.find_neighborhood(name), parse_month(body["month"])


def parse_month(value: object) -> int:
    """Return a month from 1 to 12; 1.0 counts as 1, as some clients know only floats.

    Raises `BadRequest` for anything else.
    """
    months = range(1, MONTHS + 1)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value in months:
        return int(value)
    raise BadRequest(f"month: expected a whole number from 1 to {MONTHS}, found {value!r:.{MAX_ECHO}}")
