"""What the service may do, from its environment: read here and nowhere else.

Input: the variables `ATLSHIELD_API_KEYS`, `ATLSHIELD_SQL` and `ATLSHIELD_LOG_REQUESTS`. Output: a
`Config`.
"""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from warehouse import settings
from warehouse.errors import ShieldError

PREFIX = "ATLSHIELD_"
MIN_KEY_LENGTH = 16
"""Characters of an API key: fewer could be guessed."""

SWITCHES = {"1": True, "0": False, "": False}


@dataclass(frozen=True)
class Config:
    """Settings of a service. Without `api_keys` everybody may ask; `sql` needs them.

    `log_requests` writes a line for every request, not only for those that failed.
    """

    builds: Path = settings.BUILDS_DIR
    api_keys: tuple[str, ...] = ()
    sql: bool = False
    log_requests: bool = False


def read_config(builds: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Return the settings that the environment gives.

    Raises `ShieldError` naming the variable for a name that is not known, a value that is not one, and
    SQL without keys.
    """
    given = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    known = ("ATLSHIELD_API_KEYS", "ATLSHIELD_SQL", "ATLSHIELD_LOG_REQUESTS")
    for name in given.keys() - set(known):
        near = difflib.get_close_matches(name, known, 1, cutoff=0)
        raise ShieldError(f"unknown variable {name}: did you mean {near[0]}?")
    keys = parse_keys(given.get("ATLSHIELD_API_KEYS", ""))
    switches = [parse_switch(name, given.get(name, "")) for name in known[1:]]
    config = Config(builds, keys, *switches)
    if config.sql and not keys:
        raise ShieldError("ATLSHIELD_SQL=1 needs ATLSHIELD_API_KEYS: SQL is for those who have a key")
    return config


def parse_keys(text: str) -> tuple[str, ...]:
    """Return the keys of a list separated by commas. Raises `ShieldError` for one that is too short."""
    keys = tuple(key.strip() for key in text.split(",")) if text.strip() else ()
    for number, key in enumerate(keys, start=1):
        if len(key) < MIN_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
            raise ShieldError(
                f"ATLSHIELD_API_KEYS: expected keys of {MIN_KEY_LENGTH} or more printable ASCII "
                f"characters, separated by commas; key {number} is another ({len(key)} characters)"
            )
    return keys


def parse_switch(name: str, text: str) -> bool:
    """Return whether a switch is on. Raises `ShieldError` for anything but 1, 0 and nothing."""
    if text not in SWITCHES:
        raise ShieldError(f"{name}: expected 1 or 0, found {text!r}")
    return SWITCHES[text]
