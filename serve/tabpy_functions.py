"""The functions that Tableau calls: lists in, a list of the same length out.

Input: lists of neighborhoods, months and hours, as Tableau has them, or a table of them. Output: plain
numbers and texts, None where nothing is known. In TabPy they ask the API, in one request a call;
`serve.evaluate` gives them the build itself. `serve.deploy_tabpy` ships the text of this file: it
imports nothing of ours, and `requests` only where it is used.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

API = "http://127.0.0.1:5000"
"""Address of the service; the deployment writes another here."""

KEY_VARIABLE = "TABPY_ATLSHIELD_KEY"
"""Where TabPy's environment has the API key, if the service asks for one. No ATLSHIELD_ name: one file
of variables may serve both, and the service takes an unknown name of its own for a mistake."""

CONNECT_SECONDS, READ_SECONDS, MAX_SECONDS = 2, 10, 20
"""How long the API may take to be reached, to send something, and for all requests of one call."""

MAX_LOOKUPS, MAX_BYTES = 2_000, 200_000
"""Of one request. The API takes 2,000 lookups and 256 KiB; what is more goes in several requests."""

MAX_CACHED = 100_000
"""Lookups whose answers are kept: all neighborhoods, months and hours are some 71,000."""

MAX_NAME_LENGTH = 200
RANGES = {"month": (1, 12), "hour": (0, 23)}
FIELDS = {
    3: ("predicted_crimes", "suggested_patrol"),
    2: ("average_daily_crime_count", "expected_daily_crimes"),
}
"""What is taken from an answer, for a lookup with an hour and for one without."""

Given = list[Any] | str | float | None
"""A value per row, or one for all rows."""
Lookup = tuple[Any, ...]
"""A neighborhood, a month and perhaps an hour."""
Found = dict[Lookup, tuple[Any, ...] | None]
"""The `FIELDS` of lookups; None for a neighborhood that is not known."""
Fetch = Callable[[list[Lookup]], Found]

STATE: dict[str, Any] = {"kept": (None, {})}
"""The session, and the answers of the build that answered last, with its id."""


def predict_hourly_crime(
    neighborhood: Given, month: Given, hour: Given, fetch: Fetch | None = None
) -> list[Any]:
    """Return the crimes to expect in a clock hour on an average day of a month, row by row.

    None for an unknown neighborhood, and where a value is missing, out of range or not whole. A list of
    one counts for all rows. Raises `ValueError` for other unequal lengths and for other types, and
    `RuntimeError` where the API does not answer.
    """
    rows = read_rows({"neighborhood": neighborhood, "month": month, "hour": hour})
    return [each and each[0] for each in find_rows(rows, fetch)]


def suggest_patrol(
    neighborhood: Given, month: Given, hour: Given, fetch: Fetch | None = None
) -> list[Any]:
    """Return the kind of patrol that fits an hour, row by row; otherwise as `predict_hourly_crime`."""
    rows = read_rows({"neighborhood": neighborhood, "month": month, "hour": hour})
    return [each and each[1] for each in find_rows(rows, fetch)]


def average_daily_crime(neighborhood: Given, month: Given, fetch: Fetch | None = None) -> list[Any]:
    """Return the observed crimes per day of a month, row by row; otherwise as `predict_hourly_crime`."""
    rows = read_rows({"neighborhood": neighborhood, "month": month})
    return [each and each[0] for each in find_rows(rows, fetch)]


def add_forecast(table: dict[str, list[Any]], fetch: Fetch | None = None) -> dict[str, list[Any]]:
    """Return a table, a list per column, with columns more: those of `FIELDS`.

    It has the columns neighborhood and month, and `hour` where hours are wanted; case, and spaces around
    a name, do not matter. Values and errors as in `predict_hourly_crime`. `ValueError` too where one of
    these is there twice, where a name that is added is taken, and for columns of unequal lengths.
    """
    if not isinstance(table, dict):
        raise ValueError("expected a table: an object with a list for each column")
    found = group_names(table)
    names = [name for name in ("neighborhood", "month", "hour") if name in found]
    if names[:2] != ["neighborhood", "month"]:
        raise ValueError(f"expected the columns neighborhood and month, found {[*table]!r:.100}")
    fields = FIELDS[len(names)]
    for name in names:
        if len(found[name]) > 1:
            raise ValueError(f"expected one column {name}, found {found[name]!r:.100}")
    if taken := [name for field in fields for name in found.get(field, ())]:
        raise ValueError(f"expected no columns of the names that are added, found {taken!r:.100}")
    refuse_ragged(table, found["neighborhood"][0])
    rows = list(find_rows(read_rows({name: table[found[name][0]] for name in names}), fetch))
    return table | {field: [each and each[place] for each in rows] for place, field in enumerate(fields)}


def group_names(table: dict[str, list[Any]]) -> dict[str, list[str]]:
    """Return the names of a table's columns by what they are in lower case, without spaces around."""
    found: dict[str, list[str]] = {}
    for name in table:
        found.setdefault(str(name).strip().lower(), []).append(name)
    return found


def refuse_ragged(table: dict[str, list[Any]], first: str) -> None:
    """Raise `ValueError` naming the columns that are no lists, or not as long as the first."""
    if wrong := [name for name, values in table.items() if not isinstance(values, list)]:
        raise ValueError(f"expected a list for each column, found none for {wrong!r:.100}")
    told = [
        f"{name} {len(values)}" for name, values in table.items() if len(values) != len(table[first])
    ]
    if told:
        named = ", ".join([f"{first} {len(table[first])}", *told])
        raise ValueError(f"expected lists of one length, found {named:.200}")


def read_rows(arguments: dict[str, Given]) -> list[Lookup | None]:
    """Return the lookup of each row, None where a value is missing, out of range or not whole.

    Raises `ValueError` for unequal lengths, and for values that are no text or no numbers.
    """
    lists = {name: each if isinstance(each, list) else [each] for name, each in arguments.items()}
    lengths = {len(values) for values in lists.values()} - {1}
    if len(lengths) > 1:
        told = ", ".join(f"{name} {len(values)}" for name, values in lists.items())
        raise ValueError(f"expected lists of one length, found {told}")
    count = max(lengths, default=1)
    columns = [
        read_column(name, values) * (count if len(values) == 1 else 1) for name, values in lists.items()
    ]
    return [None if None in row else row for row in zip(*columns, strict=True)]


def read_column(name: str, values: list[Any]) -> list[str | int | None]:
    """Return names or whole numbers; None for what no lookup can be asked for. Raises `ValueError`."""
    allowed = {str} if name == "neighborhood" else {int, float}
    for wrong in set(map(type, values)) - allowed - {type(None)}:
        found = next(value for value in values if type(value) is wrong)
        expected = "texts" if name == "neighborhood" else "numbers"
        raise ValueError(f"{name}: expected {expected}, found {found!r:.100}")
    known = {value: read_value(name, value) for value in set(values)}
    return [known[value] for value in values]


def read_value(name: str, value: Any) -> str | int | None:  # noqa: ANN401
    """Return a name or a whole number, None for any other."""
    if value is None:
        return None
    if isinstance(value, str):
        found = value.encode(errors="replace").decode()  # half a character is none
        return found if 0 < len(found) <= MAX_NAME_LENGTH else None
    low, high = RANGES[name]
    return int(value) if low <= value <= high and value == int(value) else None


def find_rows(rows: list[Lookup | None], fetch: Fetch | None) -> Iterator[tuple[Any, ...] | None]:
    """Yield what is found for each row; no lookup is asked for twice."""
    found = (fetch or ask_api)(list(dict.fromkeys(row for row in rows if row is not None)))
    return (None if row is None else found[row] for row in rows)


def ask_api(lookups: list[Lookup]) -> Found:
    """Return what the API knows, all from one build.

    One request for up to 2,000 lookups, none without any. It names the build whose answers are kept:
    while that is served the API does not repeat them, and a new build shows at once. Raises
    `RuntimeError`.
    """
    end, missing = time.monotonic() + MAX_SECONDS, lookups
    build_id: str | None
    found: Found
    build_id, found = STATE["kept"]
    while missing:  # again only where a build was published between two of several requests
        known = build_id if all(lookup in found for lookup in lookups) else None
        for part in split(lookups):
            if time.monotonic() > end:
                raise RuntimeError(f"ATLShield's API at {API}: no answer within {MAX_SECONDS} s")
            answer = post(part, known)
            if answer["build_id"] != build_id:
                build_id, found = answer["build_id"], {}
            if answer["results"] is None:
                break
            found.update(zip(part, map(read_result, part, answer["results"]), strict=True))
        missing = [lookup for lookup in lookups if lookup not in found]
    STATE["kept"] = (build_id, found) if len(found) <= MAX_CACHED else (None, {})
    return found


def split(lookups: list[Lookup]) -> Iterator[list[Lookup]]:
    """Yield lookups in parts that one request may hold."""
    part, size = list[Lookup](), 0
    for lookup in lookups:
        needed = 50 + len(json.dumps(lookup[0], ensure_ascii=False).encode())
        if part and (len(part) == MAX_LOOKUPS or size + needed > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(lookup)
        size += needed
    yield part


def read_result(lookup: Lookup, result: dict[str, Any] | None) -> tuple[Any, ...] | None:
    """Return the `FIELDS` of the answer to a lookup."""
    return None if result is None else itemgetter(*FIELDS[len(lookup)])(result)


def post(lookups: list[Lookup], known_build: str | None) -> dict[str, Any]:
    """Return the API's answer to lookups. Raises `RuntimeError` with its address and what went wrong."""
    import requests

    if "session" not in STATE:
        STATE["session"] = requests.Session()
        STATE["session"].trust_env = False  # a .netrc would replace the key, a proxy hide the API
    asked: dict[str, Any] = {"lookups": [name_values(lookup) for lookup in lookups]}
    asked |= {"known_build": known_build} if known_build else {}
    key = os.environ.get(KEY_VARIABLE)
    try:
        answer = STATE["session"].post(
            f"{API}/v1/lookups", json.dumps(asked, ensure_ascii=False).encode(),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=False,
        )  # fmt: skip
        if answer.status_code == requests.codes.ok:
            return dict(answer.json())
        wrong = f"answered {answer.status_code}: {answer.text:.200}"
    except requests.Timeout:
        wrong = f"no answer within {CONNECT_SECONDS} + {READ_SECONDS} s"
    except requests.RequestException as error:  # its text may hold the key
        wrong = f"cannot be reached ({type(error).__name__}): does the service run?"
    raise RuntimeError(f"ATLShield's API at {API}: {wrong}")


def name_values(lookup: Lookup) -> dict[str, Any]:
    """Return a lookup as the API takes it."""
    return dict(zip(("neighborhood", "month", "hour"), lookup, strict=False))
