"""Settings files: TOML that a pydantic model checks while it is read.

Input: the path of a TOML file and a model. Output: the model, or one line per mistake that names the
file, the key, what was expected and what was found.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from warehouse.errors import ShieldError

EXPECTED = {
    "zoneinfo_str": "an IANA time zone",
    "dict_type": "a table",
    "model_type": "a table",
    "tuple_type": "a list",
    "too_short": "at least one",
    "string_too_short": "some text",
}
"""What is expected, by pydantic's type of mistake, where its own words do not say it."""


class Settings(BaseModel):
    """What every settings file is: read once, never changed, no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


SettingsType = TypeVar("SettingsType", bound=Settings)


def find_settings(folder: Path, name: str, kind: str) -> Path:
    """Return the path of a settings file of the house.

    Raises `ShieldError` for a name that is a path, and for one that no file has: the others are named.
    """
    if not re.fullmatch(r"[\w-]+", name):
        raise ShieldError(f"{kind} {name!r}: expected the name of a file in {folder}, without .toml")
    path = folder / f"{name}.toml"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.toml"))
        raise ShieldError(f"no {kind} {name!r}: {folder} has {', '.join(known) or 'none'}")
    return path


def read_settings(path: Path, model: type[SettingsType], **given: object) -> SettingsType:
    """Return the settings in a file, with facts that are `given` and may not stand in it.

    Raises `ShieldError` with one line per mistake.
    """
    facts = read_facts(path)
    if clash := sorted(given.keys() & facts):
        raise ShieldError(f"{path.name}: unknown key {clash[0]!r}: the name of the file says it")
    try:
        return model.model_validate({**facts, **given})
    except ValidationError as error:
        lines = [f"{path.name}: {line}" for line in describe_mistakes(error, model)]
        raise ShieldError("\n".join(lines)) from error


def read_facts(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds. Raises `ShieldError` naming it where it is none."""
    name, text = path.name or path, ""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # Windows' editors write a mark before the text
        facts = tomllib.loads(text)
    except (OSError, ValueError) as error:
        told = f"{error}{name_repeated_key(str(error), text)}"
        raise ShieldError(f"{name}: expected a TOML file in UTF-8, found: {told}") from error
    if "\\x00" in repr(facts):
        raise ShieldError(f"{name}: expected text, found a zero character")
    return facts


def name_repeated_key(error: str, text: str) -> str:
    """Return which key stands twice in a text, empty where the parser's error is another."""
    found = re.match(r"Cannot overwrite a value \(at (?:line (\d+)|end of document)", error)
    lines = text.rstrip().splitlines()[: int(found[1]) if found and found[1] else None]
    key = re.match(r"\s*([\w.-]+)\s*=", lines[-1]) if found else None
    return f": {key[1]} is there twice" if key else ""


def describe_mistakes(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """Yield one line per mistake, in the order of the model."""
    for mistake in error.errors():
        place, kind = mistake["loc"], mistake["type"]
        key = ".".join(str(part) for part in place)
        message = mistake["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        if kind == "missing":
            yield f"{key}: missing, expected a value"
        elif kind == "extra_forbidden":
            table = f"; leave out the line [{key}]" if isinstance(mistake["input"], dict) else ""
            yield f"{key}: unknown key{suggest(place[-1], list_keys(model, place)) or table}"
        elif kind == "value_error":
            yield from (f"{key}: {line}" if key else line for line in message.splitlines())
        else:
            yield f"{key}: found {mistake['input']!r}, expected {EXPECTED.get(kind, message)}"


def list_keys(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the table at `place`, whose last part is a key in it, may have."""
    for part in place[:-1]:
        field = model.model_fields.get(str(part))  # none is a key of a mapping, whose values are a model
        kinds = (field.annotation, *getattr(field.annotation, "__args__", ())) if field else ()
        model = next(filter(is_model, kinds), model)
    return list(model.model_fields)


def is_model(kind: object) -> bool:
    """Return whether a type is that of a table of settings."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def suggest(found: object, known: Iterable[str]) -> str:
    """Return words that offer the nearest of the known names in any case, empty where none is near."""
    nearest = find_nearest(found, known)
    return f"; did you mean {nearest!r}?" if nearest else ""


def find_nearest(found: object, known: Iterable[str]) -> str | None:
    """Return the nearest of the known names in any case, None where none is near."""
    names = {name.lower(): name for name in known}
    nearest = difflib.get_close_matches(str(found).lower(), list(names), 1, cutoff=0.5)
    return names[nearest[0]] if nearest else None
