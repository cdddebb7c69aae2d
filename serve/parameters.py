"""What a request asks for, checked: path, query and body become pydantic models.

Input: a request. Output: models, or `InvalidRequestError` naming the parameter, what was expected and
what was found. flask-openapi3 reads the same models for the OpenAPI document.
"""

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_type_hints
from urllib.parse import parse_qsl

from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from warehouse.months import MONTHS

MAX_BODY_BYTES = 256 * 1024
"""A lookup takes some 60 bytes; a request may hold two thousand."""

MAX_TABLE_BYTES = 3 * 1024 * 1024
"""Tableau's rows of all neighborhoods, months and hours take some 2 MB."""

MAX_ADDRESS_BYTES = 8 * 1024

MAX_ECHO = 100
"""Characters of a wrong value that an error repeats."""

EXAMPLE_NEIGHBORHOOD = "Downtown"

LEADING_WORDS = re.compile("^(Input should be|String should have|List should have|Value error,) ")
"""What pydantic says before what it expects."""

Model = TypeVar("Model", bound=BaseModel)


class InvalidRequestError(ValueError):
    """A request that cannot be understood; the message names the parameter."""


class Parameters(BaseModel):
    """Parameters of a request: no others are taken, and none twice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def split_query(cls, text: str) -> dict[str, Any]:
        """Return the parameters of a query. Raises `InvalidRequestError` for one that is given twice."""
        return parse_query(text)


class NoParameters(Parameters):
    """What an address of one view takes."""


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`; 1.0 counts as 1, as some clients know only floats.

    `is_text` where every number is text: in an address. Checked without Python code, as a thousand of
    them may come at once.
    """

    low: int
    high: int
    is_text: bool = False

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:  # noqa: ANN401
        """Return the check."""
        whole = core_schema.int_schema(ge=self.low, le=self.high)
        # A number first: a lax integer may be text too. Its own `multiple_of` lets 1e-9 pass as 0.
        number = core_schema.union_schema(
            [core_schema.int_schema(strict=True), core_schema.float_schema(strict=True)]
        )
        text = core_schema.str_schema(pattern="^[0-9]{1,9}$")
        return core_schema.custom_error_schema(
            core_schema.chain_schema([text if self.is_text else number, whole]), "whole_number",
            custom_error_message=f"a whole number from {self.low} to {self.high}",
        )  # fmt: skip

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: Any) -> JsonSchemaValue:  # noqa: ANN401
        """Return what the OpenAPI document says of it."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


Month = Annotated[int, Whole(1, MONTHS), Field(description="Calendar month.")]
Hour = Annotated[int, Whole(0, 23), Field(description="Clock hour that begins then, local time.")]
TextMonth = Annotated[
    int, Whole(1, MONTHS, is_text=True),
    Field(description="Calendar month.", json_schema_extra={"example": 7}),
]  # fmt: skip
"""A month in an address."""

Neighborhood = Annotated[
    str, Field(min_length=1, max_length=200, description="Name, in any case.",
               json_schema_extra={"example": EXAMPLE_NEIGHBORHOOD}),
]  # fmt: skip


def checked(view: Callable[..., Response]) -> Callable[..., Response]:
    """Return a view whose `path`, `query` and `body` are read from the request and checked.

    flask-openapi3 documents them by their annotations; its own reading would drop a parameter that is
    given twice, and work out the JSON schema at every request.
    """
    hints = get_type_hints(view)
    parts = [(part, hints[part], READERS[part]) for part in READERS if part in hints]

    @functools.wraps(view)
    def checked_view(**path: str) -> Response:
        return view(**{part: read(model, path) for part, model, read in parts})

    vars(checked_view)["__delay_validate_request__"] = True
    return checked_view


def read_path(model: type[Model], path: dict[str, str]) -> Model:
    """Return the parameters in the address."""
    return validate(model, path)


def read_query(model: type[Parameters], _path: dict[str, str]) -> Parameters:
    """Return the parameters behind the question mark."""
    return validate(model, model.split_query(request.environ["QUERY_STRING"]))


def read_body(model: type[Model], _path: dict[str, str]) -> Model:
    """Return the JSON body, whatever its content type."""
    if request.environ["QUERY_STRING"]:
        raise InvalidRequestError("expected all parameters in the body, found some in the address too")
    body = parse_json(request.get_data(cache=False))
    if not isinstance(body, dict):
        example = json.dumps(model.model_json_schema()["example"])
        raise InvalidRequestError(f"expected a JSON object like {example}")
    return validate(model, body)


def parse_query(text: str) -> dict[str, str]:
    """Return the parameters of a query. Raises `InvalidRequestError` for one that is given twice."""
    pairs = parse_qsl(text, keep_blank_values=True)
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidRequestError(f"{find_repeat(pairs)!r:.{MAX_ECHO}} is given twice")
    return found


def parse_json(body: bytes) -> Any:  # noqa: ANN401
    """Return what JSON says; nothing where it is none.

    Raises `InvalidRequestError` for a field that is given twice.
    """
    try:
        return json.loads(body, object_pairs_hook=make_object)
    except InvalidRequestError:
        raise
    except (ValueError, RecursionError):  # brackets in brackets, by the thousand
        return None


READERS = {"path": read_path, "query": read_query, "body": read_body}


def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Raises `InvalidRequestError` for a field that is there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidRequestError(f"field {find_repeat(pairs)!r:.{MAX_ECHO}} is given twice")
    return found


def find_repeat(pairs: list[tuple[str, Any]]) -> str:
    """Return the first name that is given more than once."""
    names = [name for name, _ in pairs]
    return next(name for name in names if names.count(name) > 1)


def validate(model: type[Model], given: object) -> Model:
    """Return a model of what was given. Raises `InvalidRequestError` for its first mistake."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidRequestError(describe(error.errors(include_url=False)[0])) from error


def describe(mistake: ErrorDetails) -> str:
    """Return a mistake in words: the parameter, what was expected, what was found."""
    name = ".".join(map(str, mistake["loc"]))
    if mistake["type"] == "missing":
        return f"missing field {name!r:.{MAX_ECHO}}"
    if mistake["type"] == "extra_forbidden":
        return f"unknown parameter {name!r:.{MAX_ECHO}}"
    expected = LEADING_WORDS.sub("", mistake["msg"])
    if mistake["type"] == "string_type":
        expected = "text"
    return f"{name:.{MAX_ECHO}}: expected {expected}, found {mistake['input']!r:.{MAX_ECHO}}"
