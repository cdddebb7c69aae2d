"""What an operator sets: read here and nowhere else.

Input: `atlshield.toml`, the variables `ATLSHIELD_<KEY>` of the environment. Output: an `Operation`. A
variable counts before the file, an option of a command line before both.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from warehouse import settings
from warehouse.columns import CLEANINGS, SOURCE_KINDS
from warehouse.errors import ShieldError
from warehouse.settings_file import Settings, describe_mistakes, read_facts

PREFIX = "ATLSHIELD_"
FILE_VARIABLE = f"{PREFIX}SETTINGS"
"""The variable that names another settings file than the one beside the `Makefile`."""

FILE = settings.ROOT / "atlshield.toml"

PATHS = (
    "builds", "raw_folder", "plans", "fleet_builds", "fleet_union", "raw", "boundaries", "demographics",
)  # fmt: skip

MIN_KEY_LENGTH = 16
"""Characters of an API key: fewer could be guessed."""


def split_list(value: object) -> object:
    """Return the parts of a text: a variable separates what is a list in the file by commas."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def one_of(allowed: tuple[str, ...]) -> AfterValidator:
    """Return the check that a value is one of these."""

    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"expected {', '.join(allowed)}; found {value!r}")
        return value

    return AfterValidator(check)


def check_path(value: object) -> object:
    """Return what is a path, a user's folder (~) written out.

    Raises `ValueError` for what is no text, for an empty one, which `Path` takes for a folder, and for
    a user whom nobody knows.
    """
    if not isinstance(value, (str, Path)):
        raise ValueError(f"expected a path, found {spell_value(value)}")
    if not str(value).strip():
        raise ValueError("expected a path, found nothing")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"expected a path, found {str(value)!r}: no such user") from error


def check_path_or_none(value: object) -> object:
    """Return what is a path, None for an empty text. Raises `ValueError` as `check_path`."""
    return None if value is None or value == "" else check_path(value)


def check_host(value: str) -> str:
    """Return what may be an address. Raises `ValueError` for a text with blanks."""
    if not re.fullmatch(r"\S+", value):
        raise ValueError(f"expected an address without blanks, found {value!r}")
    return value


def check_number(value: object) -> object:
    """Return what is no switch: Python takes true and false for 1 and 0. Raises `ValueError`."""
    if isinstance(value, bool):
        raise ValueError(f"expected a whole number, found {spell_value(value)}")
    return value


Place = Annotated[Path, BeforeValidator(check_path)]
Count = Annotated[int, BeforeValidator(check_number)]
Listed = BeforeValidator(split_list)
Name = Annotated[str, Field(pattern=r"^[\w-]+$")]


class Operation(Settings):
    """The settings, each with its default; paths in the file are relative to it."""

    builds: Annotated[Place, Field(description="Folder of builds.")] = settings.BUILDS_DIR
    raw_folder: Annotated[
        Place, Field(description="Folder of the portal's snapshots and of the simulated sample.")
    ] = settings.RAW_DIR
    plans: Annotated[Place, Field(description="Folder of patrol plans, each in one of its own.")] = (
        settings.PLANS_DIR
    )
    fleet_builds: Annotated[
        Place, Field(description="Folder of a fleet: a folder of builds for each of its cities.")
    ] = settings.FLEET_DIR / "builds"
    fleet_union: Annotated[Place, Field(description="Folder of a fleet's common tables.")] = (
        settings.FLEET_DIR / "union"
    )
    kept_builds: Annotated[
        Count, Field(ge=1, le=1000, description="Published builds that stay, the current one included.")
    ] = settings.KEPT_BUILDS
    kept_refused: Annotated[
        Count, Field(ge=0, le=1000, description="Refused builds that stay, for a look at what is wrong.")
    ] = settings.KEPT_REFUSED
    kept_snapshots: Annotated[
        Count,
        Field(
            ge=1,
            le=1000,
            description="Snapshots of the portal that stay, beside those that kept builds were made of.",
        ),
    ] = settings.KEPT_SNAPSHOTS
    source: Annotated[
        str,
        one_of(SOURCE_KINDS),
        Field(description="Where a refresh takes its rows from."),
    ] = SOURCE_KINDS[0]
    raw: Annotated[
        tuple[Place, ...], Listed, Field(description="The raw files of the source `files`.")
    ] = ()
    city: Annotated[Name, Field(description="Name of a file in data/cities.")] = settings.DEFAULT_CITY
    cleaning: Annotated[
        str, one_of(CLEANINGS), Field(description="Which rows count; strict rejects more.")
    ] = CLEANINGS[0]
    boundaries: Annotated[
        Path | None,
        BeforeValidator(check_path_or_none),
        Field(description="GeoJSON of neighborhood polygons, which name places."),
    ] = None
    demographics: Annotated[
        Path | None,
        BeforeValidator(check_path_or_none),
        Field(description="CSV of census facts by area, for the audit by group."),
    ] = None
    stale_after_days: Annotated[
        Count,
        Field(
            ge=0, le=36_500,
            description="Days after which the newest data are too old, 0 for never; simulated data do"
            " not age.",
        ),
    ] = 14  # fmt: skip
    hot_spots: Annotated[
        bool, Field(description="Whether a build holds hot spots below the neighborhood.")
    ] = False
    on_failure: Annotated[
        str, Field(description="Shell command that is told of a refresh that failed, by its last lines.")
    ] = ""
    serve_fleet: Annotated[
        bool, Field(description="Whether the service serves all cities of fleet_builds, not builds.")
    ] = False
    fleet_megabytes: Annotated[
        Count,
        Field(
            ge=1, le=1_000_000,
            description="What answers of cities may take; those asked for the longest ago are closed.",
        ),
    ] = 150  # fmt: skip
    host: Annotated[
        str, AfterValidator(check_host), Field(description="Address the service listens at.")
    ] = "127.0.0.1"
    port: Annotated[Count, Field(ge=1, le=65_535, description="Its port.")] = 5000
    api_keys: Annotated[
        tuple[str, ...],
        Listed,
        Field(
            repr=False, description="Keys, of which a request must have one; none: everybody may ask."
        ),
    ] = ()
    follow_key: Annotated[
        str,
        Field(repr=False, description="Key that the service asks for whose builds `make follow` takes."),
    ] = ""
    sql: Annotated[bool, Field(description="Whether those who have a key may send SQL.")] = False
    log_requests: Annotated[
        bool, Field(description="Whether every request is logged, not only those that failed.")
    ] = False
    log_megabytes: Annotated[
        Count,
        Field(
            ge=1, le=100_000,
            description="Size at which run.sh begins its log anew; the one before stays beside it.",
        ),
    ] = 10  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Raise `ValueError` for keys that are none, and for settings that contradict each other."""
        keys = [("api_keys", f"key {number}", key) for number, key in enumerate(self.api_keys, start=1)]
        keys += [("follow_key", "this", self.follow_key)] if self.follow_key else []
        for setting, name, key in keys:
            if len(key) < MIN_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
                raise ValueError(
                    f"{setting}: expected {MIN_KEY_LENGTH} or more printable ASCII characters; "
                    f"{name} is another ({len(key)} characters)"
                )
        if self.sql and not self.api_keys:
            raise ValueError("sql: needs api_keys, SQL is for those who have one")
        if self.source == "files" and not self.raw:
            raise ValueError("raw: the source `files` needs files")
        return self


@dataclass(frozen=True)
class Reading:
    """The settings in force, and the file or variable that each comes from; none has its default."""

    operation: Operation
    origins: Mapping[str, str]


def read_operation(environment: Mapping[str, str] = os.environ) -> Reading:
    """Return the settings in force.

    Raises `ShieldError` with one line per mistake: the file or variable, the key, what was found and
    expected; for an unknown key the nearest known one.
    """
    path = find_file(environment)
    facts = place_paths(read_facts(path), path.resolve().parent) if path else {}
    origins = {key: path.name for key in facts} if path else {}
    for name, text in environment.items():
        if name.startswith(PREFIX) and name != FILE_VARIABLE and text:
            key = name.removeprefix(PREFIX).lower()
            facts[key], origins[key] = text, name
    hide_keys = re.compile(r"^((?:api_keys|follow_key)\b.*): found .*, expected")
    try:
        return Reading(Operation.model_validate(facts), origins)
    except ValidationError as error:
        told = describe_mistakes(error, Operation)
        lines = [hide_keys.sub(r"\1: expected", line) for line in told]
        raise ShieldError("\n".join(f"{name_origin(line, origins)}{line}" for line in lines)) from error


def find_file(environment: Mapping[str, str]) -> Path | None:
    """Return the settings file that counts, None where there is none."""
    if named := environment.get(FILE_VARIABLE):
        return Path(named)
    return FILE if os.path.lexists(FILE) else None  # a link that leads nowhere is a mistake


def place_paths(facts: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a file's facts with its paths, which are relative to its folder, made absolute.

    The file is where a link to it leads. What begins with ~ is a user's, whatever the folder.
    """

    def place(value: object) -> object:
        if isinstance(value, list):
            return [place(part) for part in value]
        is_relative = isinstance(value, str) and value.strip() and not value.startswith("~")
        return str(folder / str(value)) if is_relative else value

    split = {key: split_list(value) if key == "raw" else value for key, value in facts.items()}
    return {key: place(value) if key in PATHS else value for key, value in split.items()}


def name_origin(line: str, origins: Mapping[str, str]) -> str:
    """Return where a mistake stands, to be said before it."""
    origin = origins.get(line.partition(":")[0].partition(".")[0])
    return f"{origin}: " if origin else ""


def list_settings(reading: Reading) -> list[tuple[str, str, str]]:
    """Return every setting in force: its key, its value and where it comes from; no API key shows."""
    rows = []
    for key, field in Operation.model_fields.items():
        value = getattr(reading.operation, key)
        count = len(value) if isinstance(value, tuple) else int(value != "")
        shown = spell_value(value) if field.repr else f"{count} set"
        rows.append((key, shown, reading.origins.get(key, "default")))
    return rows


def render_template() -> str:
    """Return a settings file with every key, its meaning and its default, all commented out."""
    lines = ["# Settings of ATLShield. Copy to atlshield.toml beside the Makefile, or name the copy in",
             f"# {FILE_VARIABLE}. A variable {PREFIX}<KEY> counts before this file.", ""]  # fmt: skip
    for key, field in Operation.model_fields.items():
        default = field.default
        shown = default.relative_to(settings.ROOT) if isinstance(default, Path) else default
        lines += [f"# {field.description}", f"# {key} = {spell_value(shown)}", ""]
    return "\n".join(lines)


def spell_value(value: object) -> str:
    """Return a value as a settings file spells it; nothing for what is not set."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(spell_value, value))}]"
    return str(value) if isinstance(value, int) else f'"{"" if value is None else value}"'
