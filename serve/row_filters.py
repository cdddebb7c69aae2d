"""Filters on the rows of a table: `column=value`, `column__gte=value`.

Input: a table's declaration, the name and texts of a parameter. Output: a SQLAlchemy condition on its
Core table. A value is of its column's type, and for an equality one that the column may take.
"""

import datetime as dt
import json
import operator
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import AfterValidator, BeforeValidator, Field, NaiveDatetime, TypeAdapter, ValidationError
from werkzeug.exceptions import NotFound

from serve.parameters import MAX_ECHO, InvalidRequestError, describe
from warehouse.columns import NEIGHBORHOOD
from warehouse.read import CORE_TABLES
from warehouse.table import Column, Table

Condition = sa.ColumnElement[bool]


def require_day(text: object) -> str:
    """Return a text that begins with a day: pydantic would take a number for seconds since 1970."""
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(text)):
        raise ValueError("a text that begins with a day like 2021-12-31")
    return str(text)


def add_clock(text: object) -> str:
    """Return a time; a day alone is its midnight."""
    day = require_day(text)
    return f"{day}T00:00" if len(day) == len("2021-12-31") else day


def require_unicode(text: str) -> str:
    """Return a text; half a surrogate pair is none."""
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("valid Unicode")
    return text


def require_plain(text: object) -> object:
    """Return a number as JSON would have it: pydantic takes 1_0 for 10, and spaces around it."""
    if isinstance(text, str) and not re.fullmatch(r"-?[0-9.]+([eE][-+]?[0-9]+)?", text):
        raise ValueError("a number like 7 or -0.5")
    return text


TYPES: dict[str, Any] = {
    "VARCHAR": Annotated[str, AfterValidator(require_unicode)],
    "INTEGER": Annotated[int, Field(ge=-(2**63), lt=2**63), BeforeValidator(require_plain)],
    "BIGINT": Annotated[int, Field(ge=-(2**63), lt=2**63), BeforeValidator(require_plain)],
    "DOUBLE": Annotated[float, BeforeValidator(require_plain), Field(allow_inf_nan=False)],
    "BOOLEAN": bool,
    "DATE": Annotated[dt.date, BeforeValidator(require_day)],
    "TIMESTAMP": Annotated[NaiveDatetime, BeforeValidator(add_clock)],
}

OPERATORS: dict[str, Callable[[Any, Any], Condition]] = {
    "exact": operator.eq,
    "not": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda core, values: core.in_(values),
    "notin": lambda core, values: core.not_in(values),
    "contains": sa.func.contains,
    "startswith": sa.func.starts_with,
    "isnull": lambda core, yes: core.is_(None) if yes else core.is_not(None),
    "notnull": lambda core, yes: core.is_not(None) if yes else core.is_(None),
}
"""What may follow a column's name and two underscores; without any it is `exact`. As in SQL, a NULL is
found by `isnull` and by nothing else."""

LISTS, TEXT_TESTS, NULL_TESTS = {"in", "notin"}, {"contains", "startswith"}, {"isnull", "notnull"}
EQUALITIES = {"exact", "not", *LISTS}


def build_condition(
    table: Table, parameter: str, texts: Sequence[str], spell: Callable[[str], str]
) -> Condition:
    """Return what a parameter asks of a row; `spell` gives the own spelling of a neighborhood.

    Raises `NotFound` for an unknown column, and `InvalidRequestError` naming it, what was expected and
    what was found: for an unknown operator, one given twice where only a list may be, and a value that
    the column cannot take.
    """
    name, _, name_of_operator = parameter.partition("__")
    column = find_column(table, parameter, name)
    operation = name_of_operator or "exact"
    known = [each for each in OPERATORS if each not in TEXT_TESTS or column.type == "VARCHAR"]
    if operation not in known:
        raise InvalidRequestError(
            f"{parameter:.{MAX_ECHO}}: unknown operator of a {column.type} column"
            f"{offer(operation, known)}; there are {', '.join(known)}"
        )
    kind = bool if operation in NULL_TESTS else narrow_type(column, operation in EQUALITIES)
    given = split_list(parameter, texts) if operation in LISTS else [take_one(parameter, texts)]
    if names_neighborhood(table, column) and operation in EQUALITIES:
        given = [spell(text) for text in given]
    values = [parse_text(kind, parameter, text) for text in given]
    core = CORE_TABLES[table.name].c[column.name]
    value = values if operation in LISTS else values[0]
    is_bare = operation in LISTS | NULL_TESTS
    return OPERATORS[operation](core, value if is_bare else sa.literal(value, core.type))


def names_neighborhood(table: Table, column: Column) -> bool:
    """Return whether a column holds names of neighborhoods, which may be spelled in several ways."""
    name = f"{table.name}.{column.name}"
    return NEIGHBORHOOD.references in {name, column.references}


def find_column(table: Table, parameter: str, name: str) -> Column:
    """Return a column by its name. Raises `NotFound` offering close ones, as for a table."""
    for column in table.columns:
        if column.name == name:
            return column
    raise NotFound(
        f"{parameter:.{MAX_ECHO}}: unknown column {name!r:.{MAX_ECHO}} of {table.name}"
        f"{offer(name, table.column_names)}"
    )


def offer(name: str, known: Sequence[str]) -> str:
    """Return the end of an error that offers the known names nearest to one that is not."""
    close = get_close_matches(name, known, n=3)
    return f": did you mean {' or '.join(close)}?" if close else ""


def take_one(parameter: str, texts: Sequence[str]) -> str:
    """Return the text of a parameter that may be given once."""
    if len(texts) != 1:
        raise InvalidRequestError(f"{parameter:.{MAX_ECHO}}: expected once, found {len(texts)} times")
    return texts[0]


def split_list(parameter: str, texts: Sequence[str]) -> list[str]:
    """Return the values of a list: one text divided by commas, several as they are, or JSON."""
    values: list[str] = []
    for text in texts:
        try:
            several = [text] if len(texts) > 1 else [part.strip() for part in text.split(",")]
            found = json.loads(text) if text.startswith("[") else several
        except (ValueError, RecursionError):
            found = [None]
        if not all(isinstance(each, (str, int, float)) for each in found):
            raise InvalidRequestError(
                f'{parameter}: expected values divided by commas or a JSON list like ["a", "b, c"], '
                f"found {text!r:.{MAX_ECHO}}"
            )
        values += [each if isinstance(each, str) else json.dumps(each) for each in found]
    return values


def narrow_type(column: Column, is_equality: bool) -> Any:  # noqa: ANN401  # as pydantic has types
    """Return the type of a filter's value: to be equal, it must be one that the column may take."""
    if not is_equality:
        return TYPES[column.type]
    if column.allowed:
        return Literal[column.allowed]
    return Annotated[TYPES[column.type], Field(ge=column.minimum, le=column.maximum)]


@lru_cache(maxsize=256)
def adapt_type(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401
    """Return what checks values of a type; the columns have some 100."""
    return TypeAdapter(kind)


def parse_text(kind: Any, parameter: str, text: str) -> Any:  # noqa: ANN401
    """Return a text as a value of a type. Raises `InvalidRequestError`."""
    try:
        return adapt_type(kind).validate_strings(text)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        raise InvalidRequestError(describe({**mistake, "loc": (parameter,)})) from error
