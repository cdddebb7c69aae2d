"""Tableau's Analytics Extensions API over the build that is served: TabPy's answers without TabPy.

Input: the name of a function of `serve.tabpy_functions` with its arguments, as a calculated field, a
model extension or a table extension sends them. Output: what the function gives, from the prepared
answers. A script is matched with the `FORMS` that it may have, and never run.
"""

import datetime as dt
import functools
import inspect
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from flask import Response, current_app, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, RootModel

from serve.current_build import ServedBuild, take_build
from serve.document import JSON
from serve.errors import REQUEST_ID, answer_problem
from serve.lookups import Lookup as AskedLookup
from serve.lookups import find_result
from serve.openapi import answer_with, make_blueprint
from serve.parameters import (
    EXAMPLE_NEIGHBORHOOD,
    MAX_ECHO,
    InvalidRequestError,
    checked,
)
from serve.tabpy_functions import (
    Found,
    Lookup,
    add_forecast,
    average_daily_crime,
    name_values,
    predict_hourly_crime,
    read_result,
    suggest_patrol,
)
from warehouse import settings
from warehouse.operation import Operation

FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (predict_hourly_crime, suggest_patrol, average_daily_crime, add_forecast)
}
PARAMETERS = {name: [*inspect.signature(each).parameters][:-1] for name, each in FUNCTIONS.items()}

MAX_ROWS = 100_000
"""All neighborhoods, months and hours are some 71,000."""

ARGUMENTS = r"(?P<arguments>_arg[1-9]\d?(?:\s*,\s*_arg[1-9]\d?)*)\s*"
QUERY = r"tabpy\.query\s*\(\s*(?P<quote>['\"])(?P<name>\w+)(?P=quote)\s*,\s*" + ARGUMENTS + r"\)\s*"
FORMS = [
    re.compile(form, re.ASCII)
    for form in (
        r"return\s+(?P<name>\w+)\s*\(\s*" + ARGUMENTS + r"\)",
        r"return\s+" + QUERY + r"\[\s*(?P<other>['\"])response(?P=other)\s*\]",
        r"answer\s*=\s*" + QUERY + r"\n\s*assert 'response' in answer, answer\s*\n"
        r"\s*return answer\['response'\]",
    )
]
"""What a script may be. The last lets TabPy too say why there is no answer."""
EXAMPLE_SCRIPT = "return predict_hourly_crime(_arg1, _arg2, _arg3)"
EXAMPLE_LISTS: list[list[Any]] = [[EXAMPLE_NEIGHBORHOOD, "Nowhere"], [7, 7], [20, 20]]

blueprint = make_blueprint("tableau", __name__, "An Analytics Extension for Tableau, without TabPy.")


class Info(BaseModel):
    """What Tableau asks of an Analytics Extension before it uses it."""

    description: str = Field(description="Which data, and until when.")
    creation_time: str = Field(description="When the build was made: seconds since 1970.")
    state_path: str
    server_version: str
    name: str
    versions: dict[str, Any]


class Script(BaseModel):
    """A script of one call, and its arguments: lists of one length, or a table (an object of lists)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "script": EXAMPLE_SCRIPT,
                "data": {f"_arg{number}": each for number, each in enumerate(EXAMPLE_LISTS, start=1)},
            }
        }
    )
    script: str = Field(max_length=1000)
    data: dict[str, Any]


class Values(BaseModel):
    """Arguments of a function: by name, or in their order."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"data": dict(zip(("neighborhood", "month", "hour"), EXAMPLE_LISTS, strict=True))}
        }
    )
    data: dict[str, Any] | list[Any]


class FunctionName(BaseModel):
    """The name of a function."""

    name: str = Field(
        description="Of a function.", json_schema_extra={"example": "predict_hourly_crime"}
    )


class EvaluateAnswer(RootModel[list[float | str | None] | dict[str, list[Any]]]):
    """A value per row, null where nothing is known; of a table, the table with columns more."""


class QueryAnswer(BaseModel):
    """The same, as TabPy answers for a function that is deployed."""

    response: EvaluateAnswer
    version: int
    model: str
    uuid: str


@blueprint.get("/info", responses=answer_with(Info))
def info() -> Response:
    """Answer what Tableau asks before it uses the others.

    It names the build, and says whether a password is needed: an API key, with any username.
    """
    published = take_build().published
    features: dict[str, Any] = {"evaluate_enabled": True, "gzip_enabled": False, "arrow_enabled": False}
    if cast("Operation", vars(current_app)["operation"]).api_keys:
        features["authentication"] = {"required": True, "methods": {"basic-auth": {}}}
    created = dt.datetime.fromisoformat(published.created_at)
    source = settings.SIMULATED if published.is_synthetic else "incidents"
    return jsonify(
        description=f"Expected crimes by neighborhood, month, hour: {source} until {published.cutoff}",
        creation_time=str(int(created.timestamp())), state_path="", server_version=settings.VERSION,
        name="ATLShield", versions={"v1": {"features": features}},
    )  # fmt: skip


@blueprint.post("/evaluate", responses=answer_with(EvaluateAnswer, 413))
@checked
def evaluate(body: Script) -> Response:
    """Answer a call of a function by a calculated field or a table extension.

    A script is one call: `return <function>(_arg1, …)`, or TabPy's
    `return tabpy.query('<function>', _arg1, …)['response']`, also with the answer checked between. A row
    without an answer has null.
    """
    name, arguments = read_script(body.script)
    if missing := [each for each in arguments if each not in body.data]:
        raise InvalidRequestError(f"data: expected {missing[0]}, found {[*body.data]!r:.{MAX_ECHO}}")
    return Response(write_json(call(name, [body.data[each] for each in arguments])), mimetype=JSON)


@blueprint.post("/query/<name>", responses=answer_with(QueryAnswer, 404, 413))
@checked
def query(path: FunctionName, body: Values) -> Response:
    """Answer a function by its name, as a model extension asks for it.

    Arguments stand in their order, or under their names.
    """
    if path.name not in FUNCTIONS:
        return answer_problem(HTTPStatus.NOT_FOUND, f"expected one of {', '.join(FUNCTIONS)}")
    names = PARAMETERS[path.name]
    if isinstance(body.data, dict) and sorted(body.data) != sorted(names):
        raise InvalidRequestError(
            f"data: expected {', '.join(names)}, found {[*body.data]!r:.{MAX_ECHO}}"
        )
    arguments = [body.data[each] for each in names] if isinstance(body.data, dict) else body.data
    answer = {
        "response": call(path.name, arguments), "version": 1, "model": path.name,
        "uuid": request.environ.get(REQUEST_ID, ""),
    }  # fmt: skip
    return Response(write_json(answer), mimetype=JSON)


def read_script(script: str) -> tuple[str, list[str]]:
    """Return which function a script calls, and the names of its arguments.

    Raises `InvalidRequestError` for everything but the `FORMS` of one call.
    """
    matches = (form.fullmatch(script.strip()) for form in FORMS)
    found = next(filter(None, matches), None)
    if found is None or found["name"] not in FUNCTIONS:
        raise InvalidRequestError(
            f"script: expected {EXAMPLE_SCRIPT!r} with one of {', '.join(FUNCTIONS)}, "
            f"found {script!r:.{MAX_ECHO}}"
        )
    return found["name"], re.findall(r"_arg\d+", found["arguments"])


def call(name: str, arguments: list[Any]) -> list[Any] | dict[str, list[Any]]:
    """Return what a function answers from the current build.

    Raises `InvalidRequestError` for other arguments than it takes.
    """
    if len(arguments) != len(PARAMETERS[name]):
        expected = ", ".join(PARAMETERS[name])
        raise InvalidRequestError(f"{name}: expected {expected}, found {len(arguments)} arguments")
    if max(map(count_rows, arguments), default=0) > MAX_ROWS:
        raise InvalidRequestError(f"{name}: expected at most {MAX_ROWS} rows")
    try:
        fetch = functools.partial(find_prepared, take_build())
        answer: list[Any] | dict[str, list[Any]] = FUNCTIONS[name](*arguments, fetch=fetch)
        return answer
    except ValueError as error:
        raise InvalidRequestError(f"{name}: {error}") from error


def count_rows(argument: object) -> int:
    """Return the length of a list, or of a table's longest column."""
    if isinstance(argument, dict):
        return max(map(count_rows, argument.values()), default=0)
    return len(argument) if isinstance(argument, list) else 1


def find_prepared(build: ServedBuild, lookups: list[Lookup]) -> Found:
    """Return what a build knows."""
    asked = [cast("AskedLookup", name_values(lookup)) for lookup in lookups]
    results = json.loads(b"[%s]" % b",".join([find_result(build.answers, each) for each in asked]))
    return dict(zip(lookups, map(read_result, lookups, results), strict=True))


def write_json(value: object) -> str:
    """Return JSON. Raises `InvalidRequestError` where a table holds a number that it has not."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise InvalidRequestError(
            "table: expected numbers that JSON has, found NaN or infinity"
        ) from error
